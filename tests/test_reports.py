"""The report's promises: strict verdicts, whole files, nothing of the machine's directories in the text."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

import reports
from parity.results import Epoch, Overhead, Proof, Record, RecordError, Speed, Training
from reports import write_report
from reports.text import code, duration, figures, plain, table, without_directories
from reports.verdict import faults

OFFICIAL = "CIFAR-10 (official files)"
ELEMENTS = {"stages": 11, "elements": 4321}
CERTIFICATE = Proof("lenet5", 1, "transfer certificate", True, OFFICIAL, {"arrays": 10, "elements": 62006}, 0.0, 0.0)
DOUBLE = Proof("lenet5", 2, "float64 forward", True, OFFICIAL, ELEMENTS, 2.1e-15, 1e-12, "fc1")
SINGLE = Proof(
    "lenet5",
    3,
    "float32 forward",
    True,
    OFFICIAL,
    ELEMENTS,
    4e-7,
    3e-6,
    "fc1",
    frameworks={
        "paddle": {"gap": 4e-7, "limit": 3e-6, "worst": "fc1"},
        "tensorflow": {"gap": 2e-7, "limit": 3e-6, "worst": "fc2"},
    },
)
PROOFS = (CERTIFICATE, DOUBLE, SINGLE)
EPOCH = Epoch(1, 1e-3, 1.5, 0.45, 1.4, 0.48, 30.0, 1666.0)
SPEED = Speed("lenet5", "paddle", "train step", 128, "to_static", "float32", "cpu", 2, 10, 3.2)
TRAINING = Training(
    "lenet5",
    "paddle",
    "mini",
    OFFICIAL,
    50_000,
    10_000,
    100,
    0,
    "to_static",
    "float32",
    "cpu",
    2,
    [asdict(EPOCH), asdict(replace(EPOCH, epoch=2, test_accuracy=0.55))],
    2,
    60.0,
    3.2,
    500 * 2**20,
    "ab",
    "cd",
)
ENVIRONMENT: dict[str, Any] = {
    "profile": "quick",
    "seed": 0,
    "command": "pytest parity/ --benchmark-save=lenet",
    "dataset": {"title": OFFICIAL, "source": "/home/someone/data/cifar-10-python.tar.gz"},
    "frameworks": {
        "paddle": {"version": "3.3.1", "device": "cpu", "threads": 2, "precision": {"verdict": "float32"}},
        "tensorflow": {"version": "2.21.0", "device": "cpu", "threads": 2, "precision": {"verdict": "float32"}},
    },
}


def save(
    folder: Path,
    records: Sequence[Record],
    name: str = "0001_run.json",
    environment: dict[str, Any] | None = None,
    moment: str = "2026-02-03T04:05:06+00:00",
    median: float = 0.1,
) -> Path:
    """A saved run in pytest-benchmark's form."""
    stats = {"median": median, "min": median, "max": median, "mean": median, "stddev": 0.0, "iqr": 0.01, "rounds": 5}
    benchmarks = [
        {"name": f"test_{number}", "group": None, "stats": stats, "extra_info": record.as_dict()}
        for number, record in enumerate(records)
    ]
    machine = {"node": "machine", "parity": ENVIRONMENT if environment is None else environment}
    path = folder / name
    path.write_text(json.dumps({"machine_info": machine, "benchmarks": benchmarks, "datetime": moment}))
    return path


def report(folder: Path, records: Sequence[Record], **options: Any) -> str:
    """The Markdown of the report on one run of these records."""
    return write_report([save(folder, records, **options)], folder / "out" / "report.md").read_text()


def row(text: str, *starts: str) -> list[str]:
    """The cells of the first table row that begins with these cells."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if line.startswith("|") and cells[: len(starts)] == list(starts):
            return cells
    raise AssertionError(f"no table row starts with {starts} in:\n{text}")


def both(record: Speed | Training, **changes: Any) -> list[Record]:
    """The record of the one framework, and of the other with some changes."""
    return [record, replace(record, framework="tensorflow", **changes)]


# The verdict


def test_three_sound_levels_are_equal(tmp_path: Path) -> None:
    text = report(tmp_path, PROOFS)
    assert "**1 of 1 network is equal in PaddlePaddle 3.3.1 and TensorFlow 2.21.0.**" in text
    assert row(text, "`lenet5`") == ["`lenet5`", "equal", "passed", "passed", "passed"]


@pytest.mark.parametrize("missing", [1, 2, 3])
def test_missing_level_is_not_proven(tmp_path: Path, missing: int) -> None:
    text = report(tmp_path, [proof for proof in PROOFS if proof.level != missing])
    assert "**0 of 1 network is equal in PaddlePaddle 3.3.1 and TensorFlow 2.21.0; 1 is not proven.**" in text
    assert row(text, "`lenet5`")[1] == "**not proven**"
    assert f"Level {missing}, " in text


def test_network_without_any_proof_is_not_proven(tmp_path: Path) -> None:
    text = report(tmp_path, [*PROOFS, replace(SPEED, network="vgg16")])
    assert "**1 of 2 networks are equal" in text
    assert row(text, "`vgg16`")[1:] == ["**not proven**", "not run", "not run", "not run"]


def test_failure_names_stage_gap_limit_and_problem(tmp_path: Path) -> None:
    failing = replace(
        DOUBLE, passed=False, gap=3.1e-2, worst="pool2", first_failure="conv2", problems=["padding of conv2 differs"]
    )
    text = report(tmp_path, [CERTIFICATE, failing, SINGLE])
    assert row(text, "`lenet5`")[1:4] == ["**NOT EQUAL**", "passed", "**FAILED**"]
    assert "first failing stage: `conv2`" in text
    assert "gap 3.1e-02 at `pool2`, limit 1e-12" in text
    assert "padding of conv2 differs" in text


@pytest.mark.parametrize(
    "doubtful",
    [
        replace(DOUBLE, gap=math.nan),
        replace(DOUBLE, gap=math.inf),
        replace(DOUBLE, gap=None),
        replace(DOUBLE, limit=None),
        replace(DOUBLE, limit=math.nan),
        replace(DOUBLE, gap=2e-12),
        replace(DOUBLE, compared={"stages": 11, "elements": 0}),
        replace(DOUBLE, compared={"stages": 0, "elements": 10}),
        replace(DOUBLE, compared={}),
        replace(DOUBLE, passed=False),
        replace(DOUBLE, problems=["odd"]),
        replace(DOUBLE, first_failure="conv1"),
        replace(CERTIFICATE, gap=math.nan),
        replace(CERTIFICATE, gap=1e-9),
        replace(SINGLE, frameworks={}),
        replace(SINGLE, frameworks={**SINGLE.frameworks, "paddle": {"gap": math.nan, "limit": 3e-6}}),
        replace(SINGLE, frameworks={**SINGLE.frameworks, "paddle": {"gap": 4e-6, "limit": 3e-6}}),
        Proof("lenet5", 4, "train-mode forward", False, OFFICIAL, ELEMENTS, 1.0, 1e-12, "bn1"),
    ],
)
def test_doubtful_proof_is_never_equal(tmp_path: Path, doubtful: Proof) -> None:
    """Also when the record says that it passed; NaN goes through the file as Python's json writes it."""
    proofs = {proof.level: proof for proof in (*PROOFS, doubtful)}
    text = report(tmp_path, list(proofs.values()))
    assert "**0 of 1 network is equal" in text
    assert row(text, "`lenet5`")[1] == "**NOT EQUAL**"
    assert faults(doubtful)


def test_levels_of_different_versions_do_not_add_up(tmp_path: Path) -> None:
    other = json.loads(json.dumps(ENVIRONMENT))
    other["frameworks"]["paddle"]["version"] = "3.4.0"
    runs = [save(tmp_path, PROOFS[:2]), save(tmp_path, PROOFS[2:], name="0002_run.json", environment=other)]
    text = write_report(runs, tmp_path / "report.md").read_text()
    assert row(text, "`lenet5`")[1] == "**not proven**"
    assert "PaddlePaddle 3.3.1 and 3.4.0" in text


# Merging


def test_later_run_replaces_earlier_by_date_not_by_order(tmp_path: Path) -> None:
    old = save(tmp_path, [*PROOFS[:2], replace(SINGLE, passed=False)], moment="2026-01-01T00:00:00")
    new = save(tmp_path, [SINGLE], name="0002_run.json", moment="2026-01-02T00:00:00+00:00")
    for runs in ([old, new], [new, old]):
        text = write_report(runs, tmp_path / "report.md").read_text()
        assert row(text, "`lenet5`")[1] == "equal"


def test_each_kind_is_merged_by_its_own_key(tmp_path: Path) -> None:
    overhead = Overhead("lenet5", "paddle", "bare loop", 128, 2, [1.0, 1.02, 1.01], 0.97)
    first: list[Record] = [*both(SPEED), replace(SPEED, batch=32), *both(TRAINING), replace(TRAINING, seed=1), overhead]
    second: list[Record] = [SPEED, replace(TRAINING, recipe="other"), replace(overhead, ratios=[0.5])]
    runs = [
        save(tmp_path, first, moment="2026-01-01T00:00:00"),
        save(tmp_path, second, name="0002_run.json", moment="2026-01-02T00:00:00", median=0.05),
    ]
    text = write_report(runs, tmp_path / "report.md").read_text()
    assert row(text, "`lenet5`", "train step", "128")[3].startswith("2,560 ")  # 128 images in 0.05 s
    assert row(text, "`lenet5`", "train step", "128")[5] == "2.00 (two runs)"
    assert row(text, "`lenet5`", "train step", "32")[3:6] == ["320 ± 16 (5)", "not measured", "-"]
    recipes = re.findall(r"^\| `lenet5` +\| (PaddlePaddle|TensorFlow) +\| `(mini|other)` +\| +(\d)", text, re.MULTILINE)
    expected = [("PaddlePaddle", "other", "0"), ("TensorFlow", "mini", "0"), ("PaddlePaddle", "mini", "1")]
    assert recipes == expected
    assert row(text, "`lenet5`", "PaddlePaddle", "bare loop")[-1] == "**no**"


# Speed


def test_ratio_of_unlike_precisions_is_refused(tmp_path: Path) -> None:
    text = report(tmp_path, [*PROOFS, *both(SPEED, precision="tf32")])
    assert row(text, "`lenet5`", "train step")[5] == "**refused: precision float32 and tf32**"
    assert not (tmp_path / "out" / "report_files" / "speed_train_step.png").exists()


@pytest.mark.parametrize("median", [math.nan, 0.0, -1.0])
def test_senseless_time_is_not_a_speed(tmp_path: Path, median: float) -> None:
    text = report(tmp_path, both(SPEED), median=median)
    assert row(text, "`lenet5`", "train step")[3:6] == ["not measured", "not measured", "-"]


# Training


def test_identical_start_is_said_and_one_seed_decides_nothing(tmp_path: Path) -> None:
    worse = [asdict(EPOCH), asdict(replace(EPOCH, epoch=2, test_accuracy=0.54))]
    text = report(tmp_path, both(TRAINING, epochs=worse))
    assert row(text, "`lenet5`", "0") == ["`lenet5`", "0", "identical", "identical", "+1.00 points", "2", "the same"]
    assert "One seed decides nothing" in text


@pytest.mark.parametrize(
    ("field", "words"), [("initial_digest", "DIFFERENT weights"), ("batches_digest", "DIFFERENT batches")]
)
def test_different_digests_are_loud_and_absent_ones_never_identical(tmp_path: Path, field: str, words: str) -> None:
    text = report(tmp_path, both(TRAINING, **{field: "ef"}))
    assert words in text
    assert "**DIFFERENT**" in row(text, "`lenet5`", "0")
    blank: dict[str, Any] = {field: ""}
    missing = both(replace(TRAINING, **blank))
    assert "**not recorded**" in row(report(tmp_path, missing), "`lenet5`", "0")


def test_partial_run_is_labelled_and_its_problem_listed(tmp_path: Path) -> None:
    text = report(tmp_path, [replace(TRAINING, epochs_planned=80, problems=["time limit reached"])])
    assert row(text, "`lenet5`", "PaddlePaddle", "`mini`")[4] == "2 of 80 **partial**"
    assert "PaddlePaddle: time limit reached" in text
    assert "only PaddlePaddle was trained" in text


def test_diverged_and_empty_trainings_do_not_break_the_report(tmp_path: Path) -> None:
    diverged = asdict(replace(EPOCH, epoch=2, train_loss=math.nan, test_loss=math.inf, test_accuracy=math.nan))
    text = report(tmp_path, both(replace(TRAINING, epochs=[asdict(EPOCH), diverged]), epochs=[]))
    assert "not a finite number from epoch 2 on" in text
    assert (tmp_path / "out" / "report_files" / "training_lenet5.png").exists()


def test_published_result_of_more_epochs_is_not_like_for_like(tmp_path: Path) -> None:
    text = report(tmp_path, both(replace(TRAINING, network="mini_inception")))
    cells = row(text, "`mini_inception`", "VGG, ResNet and Inception at 100k to 200k parameters (blog post) (pytorch)")
    assert cells[2:] == ["80", "80", "19 min on GTX 1050", "55.00 / 55.00", "2", "no: 2 of 80 epochs"]


# Pictures


def test_pictures_are_small_pngs_with_relative_links(tmp_path: Path) -> None:
    text = report(tmp_path, [*both(SPEED), *both(TRAINING)])
    links = re.findall(r"!\[[^\]]*\]\(<([^>]*)>\)", text)
    assert links == ["report_files/speed_train_step.png", "report_files/training_lenet5.png"]
    for link in links:
        picture = (tmp_path / "out" / link).read_bytes()
        assert picture.startswith(b"\x89PNG\r\n\x1a\n")
        assert picture.endswith(b"IEND\xaeB`\x82")
        assert 2000 < len(picture) < 100_000


def test_name_of_a_network_cannot_leave_the_folder(tmp_path: Path) -> None:
    report(tmp_path, both(replace(TRAINING, network="../../evil")))
    names = {path.name for path in tmp_path.rglob("*.png")}
    assert names == {path.name for path in (tmp_path / "out" / "report_files").glob("*.png")} != set()


# What the text must not say, and what it must


def test_no_directory_of_the_machine_is_in_the_text(tmp_path: Path) -> None:
    environment = {**ENVIRONMENT, "command": f"/opt/venv/bin/pytest parity/ --data={tmp_path}/cifar --save ~/runs/x"}
    failing = replace(DOUBLE, passed=False, problems=[f"File '{tmp_path}/worker.py', line 3: cannot open /root/w.bin"])
    text = report(tmp_path, [CERTIFICATE, failing, *both(TRAINING)], environment=environment)
    assert str(tmp_path) not in text
    assert not re.search(r"(?<![\w.])(/home|/root|/opt|~/|/tmp)", text)
    assert "pytest parity/ --data=cifar --save x" in text
    assert "parity report 0001_run.json --output report.md" in text
    assert "cifar-10-python.tar.gz" in text


@pytest.mark.parametrize("text", ["images/s", "group1/conv1/kernel", "https://example.org/a/b", "3 / 2", "n/a and 1/2"])
def test_what_only_looks_like_a_path_stays(text: str) -> None:
    assert without_directories(text) == text


def test_title_names_generated_data(tmp_path: Path) -> None:
    title = "Generated figures, 10 classes"
    text = report(tmp_path, [replace(proof, dataset=title) for proof in PROOFS], environment={})
    assert text.splitlines()[0].endswith(f"on {title}")
    assert "say nothing about CIFAR-10" in text
    environment = {**ENVIRONMENT, "dataset": {"title": OFFICIAL, "source": "generated by the suite, seed 0"}}
    assert report(tmp_path, PROOFS, environment=environment).splitlines()[0].endswith("(generated data)")


def test_absent_environment_is_said(tmp_path: Path) -> None:
    text = report(tmp_path, PROOFS, environment={}, moment="")
    assert "PaddlePaddle (version not recorded)" in text.splitlines()[0]
    assert row(text, "processor")[1] == "not recorded"
    assert row(text, "PaddlePaddle")[1:] == ["not recorded", "not recorded", "not recorded", "not probed"]
    assert "The command was not recorded for `0001_run.json`." in text


def test_limits_follow_from_the_records(tmp_path: Path) -> None:
    text = report(tmp_path, [*PROOFS, *both(TRAINING, dataset="CIFAR-10 images, JPEG quality 95")])
    limits = text.split("## Limits")[1]
    assert "CPU" in limits
    assert "One seed only for `lenet5`" in limits
    assert "JPEG compression" in limits
    gpu = json.loads(json.dumps(ENVIRONMENT).replace('"cpu"', '"gpu"'))
    assert "Everything ran on the CPU" not in report(tmp_path, PROOFS, environment=gpu)


def test_pipe_and_markup_in_a_cell_are_escaped(tmp_path: Path) -> None:
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


# Files


def test_same_runs_give_the_same_bytes(tmp_path: Path) -> None:
    run = save(tmp_path, [*PROOFS, *both(SPEED), *both(TRAINING)])
    first, second = (write_report([run], tmp_path / name / "report.md").parent for name in ("a", "b"))
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert len(files) == 3
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
    with pytest.raises(RecordError, match=r"0001_run\.json.*loss"):
        report(tmp_path, [replace(TRAINING, epochs=[{"epoch": 1, "loss": 2.0}])])


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

    monkeypatch.setattr("reports.markdown.training_curves", fail)
    with pytest.raises(ValueError, match="cannot draw"):
        report(tmp_path, both(TRAINING))
    assert not (tmp_path / "out").exists()


def test_reports_exports_one_entry() -> None:
    assert reports.__all__ == ["write_report"]
