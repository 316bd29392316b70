"""The report as a whole: merging, whole files, pictures, nothing of the machine's directories in the text."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

import reports
from parity.records.records import Record
from parity.records.speed_records import Overhead
from parity.records.validation import RecordError
from reports import write_report
from reports.formatting import (
    brief,
    code,
    duration,
    figures,
    numbers,
    plain,
    probability,
    signed,
    table,
    without_directories,
)
from tests.reports.report_records import (
    CERTIFICATE,
    CROSS,
    DOUBLE,
    ENVIRONMENT,
    OFFICIAL,
    PROOFS,
    SINGLE,
    SPEED,
    STEPS,
    TRAINING,
    both,
    loss_curves,
    report,
    row,
    rows,
    save,
    section,
    seeds,
)


def test_later_run_replaces_earlier_by_date_not_by_order(tmp_path: Path) -> None:
    old = save(tmp_path, [*PROOFS, replace(SINGLE, passed=False)], moment="2026-01-01T00:00:00")
    new = save(tmp_path, [SINGLE], name="0002_run.json", moment="2026-01-02T00:00:00+00:00")
    for runs in ([old, new], [new, old]):
        text = write_report(runs, tmp_path / "report.md").read_text()
        assert row(text, "`lenet5`")[1] == "equal"


def test_a_proof_at_lower_rates_replaces_the_one_at_the_recipe_s_own(tmp_path: Path) -> None:
    lower = replace(STEPS, title=f"{STEPS.title}, rates times 0.01")
    failed = [*PROOFS, replace(STEPS, passed=False, gap=0.5)]
    old = save(tmp_path, failed, moment="2026-01-01T00:00:00+00:00")
    new = save(tmp_path, [lower], name="0002_run.json", moment="2026-01-02T00:00:00+00:00")
    assert row(write_report([old, new], tmp_path / "report.md").read_text(), "`lenet5`")[1] == "equal"


def test_every_kind_is_merged_by_its_own_key(tmp_path: Path) -> None:
    overhead = Overhead("lenet5", "paddle", "bare loop", 128, 2, [1.0, 1.02, 1.01], 0.97)
    first: list[Record] = [*both(SPEED), replace(SPEED, batch=32), *both(TRAINING), replace(TRAINING, seed=1), overhead]
    second: list[Record] = [SPEED, replace(TRAINING, peak_memory=2**20), replace(overhead, ratios=[0.5])]
    runs = [
        save(tmp_path, first, moment="2026-01-01T00:00:00"),
        save(tmp_path, second, name="0002_run.json", moment="2026-01-02T00:00:00", median=0.05),
    ]
    text = write_report(runs, tmp_path / "report.md").read_text()
    assert row(text, "`lenet5`", "train step", "128")[3].startswith("2,560 ")  # 128 images in 0.05 s
    assert row(text, "`lenet5`", "train step", "128")[5] == "2.00 (two runs)"
    assert row(text, "`lenet5`", "train step", "32")[3:6] == ["320 ± 16 (5)", "not measured", "-"]
    runs_table = [columns for columns in rows(section(text, "Every run")) if columns[-1].endswith("MiB")]
    assert [(columns[1], columns[2], columns[-1]) for columns in runs_table] == [
        ("PaddlePaddle", "0", "1 MiB"),
        ("TensorFlow", "0", "500 MiB"),
        ("PaddlePaddle", "1", "500 MiB"),
    ]
    assert row(text, "`lenet5`", "PaddlePaddle", "bare loop")[-1] == "**no**"


def test_ratio_of_unlike_precisions_is_refused(tmp_path: Path) -> None:
    text = report(tmp_path, [*PROOFS, *both(SPEED, precision="tf32")])
    assert row(text, "`lenet5`", "train step")[5] == "**refused: precision float32 and tf32**"
    assert not (tmp_path / "out" / "report_files" / "speed_train_step.png").exists()


@pytest.mark.parametrize("median", [math.nan, 0.0, -1.0])
def test_senseless_time_is_not_a_speed(tmp_path: Path, median: float) -> None:
    text = report(tmp_path, both(SPEED), median=median)
    assert row(text, "`lenet5`", "train step")[3:6] == ["not measured", "not measured", "-"]


def test_pictures_are_small_pngs_with_relative_links(tmp_path: Path) -> None:
    text = report(tmp_path, [*both(SPEED), *both(TRAINING)])
    links = re.findall(r"!\[[^\]]*\]\(<([^>]*)>\)", text)
    assert links == ["report_files/speed_train_step.png", "report_files/training_lenet5.png"]
    for link in links:
        picture = (tmp_path / "out" / link).read_bytes()
        assert picture.startswith(b"\x89PNG\r\n\x1a\n")
        assert picture.endswith(b"IEND\xaeB`\x82")
        assert 2000 < len(picture) < 100_000


def test_pictures_whose_names_are_written_alike_are_both_kept(tmp_path: Path) -> None:
    text = report(tmp_path, [*both(replace(TRAINING, network="a.b")), *both(replace(TRAINING, network="a b"))])
    links = re.findall(r"!\[[^\]]*\]\(<([^>]*)>\)", text)
    assert links == ["report_files/training_a_b.png", "report_files/training_a_b_2.png"]
    assert all((tmp_path / "out" / link).exists() for link in links)


def test_name_of_a_network_cannot_leave_the_folder(tmp_path: Path) -> None:
    report(tmp_path, both(replace(TRAINING, network="../../evil")))
    names = {path.name for path in tmp_path.rglob("*.png")}
    assert names == {path.name for path in (tmp_path / "out" / "report_files").glob("*.png")} != set()


def test_no_directory_of_the_machine_is_in_the_text(tmp_path: Path) -> None:
    environment = {**ENVIRONMENT, "command": f"/opt/venv/bin/pytest parity/ --data={tmp_path}/cifar --save ~/runs/x"}
    failing = replace(DOUBLE, passed=False, problems=[f"File '{tmp_path}/worker.py', line 3: cannot open /root/w.bin"])
    text = report(tmp_path, [CERTIFICATE, failing, *both(TRAINING)], environment=environment)
    assert str(tmp_path) not in text
    assert not re.search(r"(?<![\w.])(/home|/root|/opt|~/|/tmp)", text)
    assert "pytest parity/ --data=cifar --save x" in text
    assert "parity report 0001_run.json --output report.md" in text
    assert "cifar-10-python.tar.gz" in text


def test_commands_are_those_of_the_code_that_recorded_them(tmp_path: Path) -> None:
    part = section(report(tmp_path, [CERTIFICATE], environment=ENVIRONMENT | {"code_version": "abc1234"}), "Reproduce")
    assert "pytest parity/ --benchmark-save=lenet  # code version abc1234\n" in part
    assert "as the code version beside them recorded them" in part
    unknown = section(report(tmp_path, [CERTIFICATE], environment=ENVIRONMENT), "Reproduce")
    assert "code version" not in unknown


@pytest.mark.parametrize("text", ["images/s", "group1/conv1/kernel", "https://example.org/a/b", "3 / 2", "n/a and 1/2"])
def test_what_only_looks_like_a_path_stays(text: str) -> None:
    assert without_directories(text) == text


def test_title_names_generated_data(tmp_path: Path) -> None:
    title = "Generated figures, 10 classes"
    text = report(tmp_path, [replace(proof, dataset=title) for proof in PROOFS], environment={})
    assert text.splitlines()[0].endswith(f"on {title}")
    assert "do not compare with CIFAR-10" in text
    environment = {**ENVIRONMENT, "dataset": {"title": OFFICIAL, "source": "generated by the suite, seed 0"}}
    assert report(tmp_path, PROOFS, environment=environment).splitlines()[0].endswith("(generated data)")


def test_many_runs_do_not_drown_the_environment(tmp_path: Path) -> None:
    """Ten files of one training each, as `parity train` saves them: no value carries ten file names."""
    runs = [
        save(
            tmp_path,
            [replace(TRAINING, seed=seed)],
            name=f"seed{seed}.json",
            environment={**ENVIRONMENT, "seed": seed, "profile": "train" if seed else "full"},
            moment=f"2026-01-{10 + seed}T00:00:00+00:00",
        )
        for seed in range(10)
    ]
    text = write_report(runs, tmp_path / "report.md").read_text()
    assert row(text, "seed")[1] == "0; 1; 2; 3; 4; 5; 6; 7; 8; 9"
    assert row(text, "profile")[1] == "full (`seed0.json`); train (`seed1.json` and 8 other runs)"
    assert row(text, "date")[1] == "2026-01-10T00:00:00+00:00 to 2026-01-19T00:00:00+00:00"
    assert text.count("- `seed") == 10


def test_packages_of_a_framework_are_shown_beside_runs_that_recorded_none(tmp_path: Path) -> None:
    own = json.loads(json.dumps(ENVIRONMENT))
    own["frameworks"]["paddle"] |= {"python": "3.12.1", "packages": {"numpy": "1.26.4"}}
    own["frameworks"]["tensorflow"] |= {"python": "3.13.2", "packages": {"numpy": "2.1.3", "keras": "3.15.1"}}
    runs = [save(tmp_path, PROOFS, "new.json", own), save(tmp_path, PROOFS, "old.json", ENVIRONMENT)]
    text = write_report(runs[:1], tmp_path / "report.md").read_text()
    assert row(text, "PaddlePaddle")[1:3] == ["3.3.1", "Python 3.12.1, numpy 1.26.4"]
    assert row(text, "TensorFlow")[2] == "Python 3.13.2, keras 3.15.1, numpy 2.1.3"
    text = write_report(runs, tmp_path / "report.md").read_text()
    assert row(text, "PaddlePaddle")[2] == "Python 3.12.1, numpy 1.26.4 (`new.json`); not recorded (`old.json`)"


def test_absent_environment_is_said(tmp_path: Path) -> None:
    text = report(tmp_path, PROOFS, environment={}, moment="")
    assert "PaddlePaddle (version not recorded)" in text.splitlines()[0]
    assert row(text, "processor")[1] == "not recorded"
    assert row(text, "PaddlePaddle")[1:] == ["not recorded"] * 5 + ["not probed"]
    assert "The command was not recorded for `0001_run.json`." in text


def test_limits_follow_from_the_records(tmp_path: Path) -> None:
    text = report(tmp_path, [*PROOFS, *both(TRAINING, dataset="CIFAR-10 images, JPEG quality 95")])
    limits = text.split("## Limits")[1]
    assert "CPU" in limits
    assert "One seed only for `lenet5`" in limits
    assert "JPEG compression" in limits
    gpu = json.loads(json.dumps(ENVIRONMENT).replace('"cpu"', '"gpu"'))
    assert "Everything ran on the CPU" not in report(tmp_path, PROOFS, environment=gpu)


def test_proofs_of_one_side_on_a_gpu_say_so(tmp_path: Path) -> None:
    mixed = json.loads(json.dumps(ENVIRONMENT))
    mixed["frameworks"]["tensorflow"]["device"] = "gpu"
    text = report(tmp_path, PROOFS, environment=mixed)
    assert re.search(r"equal in PaddlePaddle \S+ \(CPU\) and TensorFlow \S+ \(GPU\)", text)
    assert "PaddlePaddle did not run on a GPU: nothing is shown about its kernels there." in text
    assert "did not run on a GPU" not in report(tmp_path, PROOFS)


def test_pipe_and_markup_in_a_table_are_escaped(tmp_path: Path) -> None:
    text = report(tmp_path, [*PROOFS, replace(TRAINING, recipe="a|b", mode="<b>*x*|y\nz")])
    assert "`a\\|b`" in text
    assert r"\<b\>\*x\*\|y z" in text
    assert table(["a"], [["x|y"]]).splitlines()[-1] == "| x\\|y |"
    assert (plain("__init__ of vgg16_plain"), code("a`b")) == (r"\_\_init\_\_ of vgg16_plain", "`a'b`")


def test_numbers_for_reading() -> None:
    assert [figures(value) for value in (0.01234, 1.234, 99.99, 1234.5, 0, math.nan)] == [
        "0.0123", "1.23", "100", "1,230", "0", "-",
    ]  # fmt: skip
    assert [duration(value) for value in (0.5, 119, 125, 58860)] == ["0.500 s", "119 s", "2 min 5 s", "16 h 21 min"]
    narrow = [brief(value).replace("\N{NO-BREAK SPACE}", " ") for value in (0.5, 119, 150, 7100, 9000, math.nan)]
    assert narrow == ["0.500 s", "119 s", "2.50 min", "118 min", "2.50 h", "-"]
    assert [signed(value) for value in (0.004, -0.004, -1.239, math.nan, None)] == [
        "+0.00", "+0.00", "-1.24", "**NaN**", "**NaN**",
    ]  # fmt: skip
    assert [probability(value) for value in (0.05, 1e-9, 1.0, math.nan)] == ["0.050", "< 0.001", "1.000", "**NaN**"]
    assert [numbers(value) for value in ([0], [0, 1], [0, 1, 2], [0, 2, 3])] == ["0", "0 and 1", "0 to 2", "0, 2 and 3"]


def test_same_runs_give_the_same_bytes(tmp_path: Path) -> None:
    trainings = [*seeds("paddle", [0.6, 0.7], train=[0.4, 0.5]), *seeds("tensorflow", [0.7, 0.6], train=[0.3, 0.5])]
    run = save(tmp_path, [*PROOFS, *both(SPEED), *trainings, loss_curves({"float64": 20, "float64 paddle": 20}), CROSS])
    first, second = (write_report([run], tmp_path / name / "report.md").parent for name in ("a", "b"))
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert {path.name for path in files} == {
        "report.md",
        "convergence_mini_50000_images.png",
        "equivalence.png",
        "loss_lenet5.png",
        "speed_train_step.png",
        "training_lenet5.png",
    }
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in files)


def test_runs_without_records_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="nothing to report"):
        report(tmp_path, [])
    with pytest.raises(RecordError, match="no file was given"):
        write_report([], tmp_path / "report.md")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "content", ["", "[]", '{"benchmarks": [3]}', '{"benchmarks": [{"extra_info": {"kind": "proof"}}]}', "{"]
)
def test_unreadable_run_is_named(tmp_path: Path, content: str) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text(content)
    with pytest.raises(RecordError, match=r"broken\.json"):
        write_report([save(tmp_path, PROOFS), broken], tmp_path / "report.md")


def test_epoch_of_another_form_is_a_record_error(tmp_path: Path) -> None:
    broken: dict[str, Any] = {"epochs": [{"epoch": 1, "loss": 2.0}]}
    with pytest.raises(RecordError, match=r"0001_run\.json.*epochs\[0\]\.loss: expected no field of this name"):
        report(tmp_path, [replace(TRAINING, **broken)])


@pytest.mark.parametrize(
    ("record", "broken", "words"),
    [
        (loss_curves({"float64": 3}), {"pairs": ["a pair"]}, "pairs[0]: expected object, found 'a pair'"),
        (
            loss_curves({"float64": 3}),
            {"losses": {"paddle float64": 1.0}},
            "losses['paddle float64']: expected array, found 1.0",
        ),
        (CROSS, {"differing": [812]}, "differing[0]: expected object, found 812"),
        (TRAINING, {"sessions": {"after_epochs": 1}}, "sessions: expected array, found an object of 1 fields"),
    ],
)
def test_record_of_another_shape_is_a_record_error(
    tmp_path: Path, record: Record, broken: dict[str, Any], words: str
) -> None:
    with pytest.raises(RecordError, match=re.escape(f"0001_run.json: benchmarks[0].extra_info.{words}")):
        report(tmp_path, [replace(record, **broken)])


def test_real_runs_of_an_earlier_version_still_make_a_report(tmp_path: Path) -> None:
    """Their trainings lack the fields that were added since, and nobody proved levels 4 to 6 then."""
    saved = sorted((Path(__file__).parent / "earlier_runs").glob("*.json"))
    text = write_report(saved, tmp_path / "report.md").read_text()
    assert "**0 of 7 networks are equal" in text
    assert row(text, "`lenet5`")[1:] == ["**not proven**", *["passed"] * 3, *["not run"] * 5]
    assert row(section(text, "Every run"), "`lenet5`", "TensorFlow")[3:7] == ["12 of 12", "50,000", "53.86", "58.14"]


@pytest.mark.parametrize("broken", ["write_bytes", "replace"])
def test_failure_leaves_the_old_report_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    old = report(tmp_path, PROOFS)
    run = save(tmp_path, [*PROOFS, *both(TRAINING), *both(SPEED)])

    def fail(self: Path, *_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, broken, fail)
    with pytest.raises(OSError, match="no space left"):
        write_report([run], tmp_path / "out" / "report.md")
    assert [path.name for path in (tmp_path / "out").rglob("*")] == ["report.md"]
    assert (tmp_path / "out" / "report.md").read_text() == old


def test_failure_while_composing_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("cannot draw")

    monkeypatch.setattr("reports.pages.training.training_curves", fail)
    with pytest.raises(ValueError, match="cannot draw"):
        report(tmp_path, both(TRAINING))
    assert not (tmp_path / "out").exists()


def test_reports_exports_one_entry() -> None:
    assert reports.__all__ == ["write_migration_report", "write_report"]
