"""The report of runs of several versions: what was shown in one is never said of another."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import asdict, replace

from parity.records.records import ControlRun, Detection, Record, RuleProof
from parity.records.speed_records import Overhead
from reports import write_report
from reports.evidence.merged_runs import read_runs
from tests.reports.report_records import (
    CROSS,
    ENVIRONMENT,
    PROOFS,
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
    trained,
)

OLD, NEW = "PaddlePaddle 3.2.2, TensorFlow 2.21.0", "PaddlePaddle 3.10.0, TensorFlow 2.21.0"

SILENT = replace(STEPS, passed=False, gap=None, limit=None, compared={}, problems=["the worker was killed"])


def environment(*, device: str = "cpu", **versions: str | None) -> dict[str, Any]:
    """The usual one with these versions; a framework that is given None is absent."""
    facts = json.loads(json.dumps(ENVIRONMENT))
    for name, version in versions.items():
        if version is None:
            del facts["frameworks"][name]
        else:
            facts["frameworks"][name] |= {"version": version, "device": device}
    return dict(facts)


def runs(folder: Path, *saved: tuple[Sequence[Record], dict[str, Any]]) -> list[Path]:
    """Saved runs of these records and environments, a day apart."""
    return [
        save(folder, records, name=f"{number}.json", environment=own, moment=f"2026-01-{number + 10}T00:00:00+00:00")
        for number, (records, own) in enumerate(saved)
    ]


def of_two(folder: Path, first: Sequence[Record], second: Sequence[Record]) -> str:
    """The report on a run of Paddle 3.2.2 and a later one of 3.10.0."""
    saved = runs(folder, (first, environment(paddle="3.2.2")), (second, environment(paddle="3.10.0")))
    return write_report(saved, folder / "out" / "report.md").read_text()


def with_keras(version: str | None) -> dict[str, Any]:
    """The usual environment, with a Keras of its own; None: of a run that does not say which."""
    facts = environment()
    facts["frameworks"]["tensorflow"]["packages"] = {"numpy": "2.4.6"} | ({"keras": version} if version else {})
    return facts


def test_a_verdict_names_keras_where_one_tensorflow_had_several(tmp_path: Path) -> None:
    broken = [SILENT if proof.level == SILENT.level else proof for proof in PROOFS]
    saved = runs(tmp_path, (broken, with_keras("3.0.5")), (list(PROOFS), with_keras("3.15.1")))
    text = write_report(saved, tmp_path / "report.md").read_text()
    name = "PaddlePaddle 3.3.1 and TensorFlow 2.21.0 (Keras {})"
    assert f"**0 of 1 network is equal in {name.format('3.0.5')}; 1 is not proven.**" in text
    assert f"**1 of 1 network is equal in {name.format('3.15.1')}.**" in text


def test_a_run_that_names_no_keras_had_the_one_that_the_others_had(tmp_path: Path) -> None:
    first, last = list(PROOFS[:4]), list(PROOFS[4:])
    saved = runs(tmp_path, (first, with_keras(None)), (last, with_keras("3.15.1")))
    assert "**1 of 1 network is equal in PaddlePaddle 3.3.1 and TensorFlow 2.21.0.**" in (
        write_report(saved, tmp_path / "report.md").read_text()
    )


@pytest.mark.parametrize("silent_first", [True, False])
def test_a_verdict_names_the_versions_in_which_it_was_shown(tmp_path: Path, silent_first: bool) -> None:
    """Whichever run is the later one: neither replaces the other."""
    whole, broken = list(PROOFS), [SILENT if proof.level == SILENT.level else proof for proof in PROOFS]
    text = of_two(tmp_path, *((broken, whole) if silent_first else (whole, broken)))
    good, bad = (NEW, OLD) if silent_first else (OLD, NEW)
    assert row(text, "`lenet5`", good)[2:] == ["equal", *["passed"] * len(PROOFS)]
    levels = ["**no answer**" if proof.level == SILENT.level else "passed" for proof in PROOFS]
    assert row(text, "`lenet5`", bad)[2:] == ["**not proven**", *levels]
    sentences = [line for line in section(text, "Verdict").splitlines() if line.startswith("**")]
    assert sorted(sentences) == sorted(
        [
            f"**1 of 1 network is equal in {good.replace(', ', ' and ')}.**",
            f"**0 of 1 network is equal in {bad.replace(', ', ' and ')}; 1 is not proven.**",
        ]
    )
    assert "the worker was killed" in section(text, f"`lenet5` ({bad}): not proven")
    assert "3.2.2/3.10.0" not in text
    assert [columns[1] for columns in rows(section(text, "Verdict"))[1:]] == [OLD, NEW]  # 3.10 is later than 3.2


def test_a_later_run_of_the_same_versions_replaces_the_earlier(tmp_path: Path) -> None:
    saved = runs(tmp_path, ([*PROOFS, SILENT], ENVIRONMENT), ([STEPS], ENVIRONMENT))
    text = write_report(saved, tmp_path / "report.md").read_text()
    assert row(text, "`lenet5`")[1:] == ["equal", *["passed"] * len(PROOFS)]
    assert "PaddlePaddle 3.3.1, TensorFlow" not in text  # one combination is named in the headline alone


def test_another_device_is_another_verdict(tmp_path: Path) -> None:
    gpu = environment(tensorflow="2.21.0", device="gpu")
    saved = runs(tmp_path, (PROOFS, ENVIRONMENT), (PROOFS[:2], gpu))
    text = write_report(saved, tmp_path / "report.md").read_text()
    assert "**1 of 1 network is equal in PaddlePaddle 3.3.1 (CPU) and TensorFlow 2.21.0 (CPU).**" in text
    assert "**0 of 1 network is equal in PaddlePaddle 3.3.1 (CPU) and TensorFlow 2.21.0 (GPU); 1 is not" in text


def test_what_says_no_version_lends_nothing_to_what_does(tmp_path: Path) -> None:
    saved = runs(tmp_path, (PROOFS[:3], {}), (PROOFS[3:], ENVIRONMENT))
    text = write_report(saved, tmp_path / "report.md").read_text()
    verdicts = {columns[1]: columns[2] for columns in rows(section(text, "Verdict")) if columns[0] == "`lenet5`"}
    assert set(verdicts.values()) == {"**not proven**"}
    assert len(verdicts) == 2


def test_nothing_that_was_measured_is_mixed(tmp_path: Path) -> None:
    """Each kind of record with other figures under each version: both are shown, each beside its own."""

    def records(share: float, part: int) -> list[Record]:
        return [
            *both(SPEED, first_seconds=share),
            loss_curves({"float64": part, "float64 paddle": part}),
            *seeds("paddle", [0.5, 0.5 + share]),
            *seeds("tensorflow", [0.5, 0.5 + share]),
            replace(CROSS, largest_gap=share),
            Overhead("lenet5", "paddle", "bare loop", 128, 2, [1 + share], 0.97),
            Detection("lenet5", "bn-epsilon", "1e-5", "paddle", "conv1", 2, 2, 1 / share, True, True),
            ControlRun("lenet5", [0], [], share),
        ]

    text = of_two(tmp_path, records(0.1, 11), records(0.2, 22))
    speeds = [columns for columns in rows(section(text, "Speed")) if columns[:2] == ["`lenet5`", "train step"]]
    assert [columns[-1] for columns in speeds] == ["3.20 / 0.100", "3.20 / 0.200"]
    assert "(two runs)" not in text
    assert [columns[4] for columns in rows(section(text, "The suite's own overhead")) if "bare loop" in columns] == [
        "1.100",
        "1.200",
    ]
    for label, share, part in ((OLD, "60.00", "11"), (NEW, "70.00", "22")):
        assert row(section(text, "Loss curves"), f"`lenet5` ({label})", "`mini`", "float64")[4] == part
        assert row(section(text, "Training"), f"`lenet5` ({label})", "PaddlePaddle")[7] == share
    assert section(text, "Accuracy over seeds").count("`lenet5` (PaddlePaddle") == 2
    gaps = [columns[-1] for columns in rows(section(text, "Trained in one")) if columns[0] == "`lenet5`"]
    assert gaps == ["1e-01", "2.0e-01"]
    assert text.count("**Of 1 faults in `lenet5`: 1 (100.0%) caught") == 2
    assert "Of 2 faults" not in text


def test_trainings_of_the_framework_that_stayed_the_same_serve_both_versions(tmp_path: Path) -> None:
    """`parity train` does not repeat a finished training when the other framework is updated."""
    tensorflow = trained([0.4, 0.6], framework="tensorflow")
    first = [trained([0.4, 0.5]), tensorflow]
    text = of_two(tmp_path, first, [trained([0.4, 0.55])])
    means = section(text, "Training").partition("###")[0]
    finals = [(columns[0], columns[1], columns[5]) for columns in rows(means)]
    assert finals[1:5] == [
        (f"`lenet5` ({OLD})", "PaddlePaddle", "50.00"),
        (f"`lenet5` ({OLD})", "TensorFlow", "60.00"),
        (f"`lenet5` ({NEW})", "PaddlePaddle", "55.00"),
        (f"`lenet5` ({NEW})", "TensorFlow", "60.00"),
    ]
    saved = runs(
        tmp_path, ([tensorflow], environment(paddle="3.2.2")), ([trained([0.4, 0.55])], environment(paddle="3.10.0"))
    )
    (part,) = read_runs(saved).parts
    assert [(item.record.framework, item.run.path.name) for item in part.trainings] == [
        ("paddle", "1.json"),
        ("tensorflow", "0.json"),
    ]
    assert part.where == "PaddlePaddle 3.10.0 and TensorFlow 2.21.0"


def test_runs_of_one_framework_alone_come_together(tmp_path: Path) -> None:
    paddle = [TRAINING], environment(tensorflow=None)
    tensorflow = [replace(TRAINING, framework="tensorflow")], environment(paddle=None)
    (part,) = read_runs(runs(tmp_path, paddle, tensorflow)).parts
    assert len(part.trainings) == 2
    assert part.where == "PaddlePaddle 3.3.1 and TensorFlow 2.21.0"
    other = [TRAINING], environment(paddle="3.2.2", tensorflow=None)
    parts = read_runs(runs(tmp_path, paddle, tensorflow, other)).parts
    assert [part.where for part in parts] == [
        f"PaddlePaddle {version} and TensorFlow 2.21.0" for version in ("3.2.2", "3.3.1")
    ]
    assert [len(part.trainings) for part in parts] == [2, 2]
    (alone,) = read_runs(runs(tmp_path, paddle)).parts
    assert alone.where == "PaddlePaddle 3.3.1 and TensorFlow (version not recorded)"


def rule(kind: str, **changes: Any) -> RuleProof:
    own = replace(STEPS, network="mini_resnet", title=f"optimizer steps: {kind}")
    return RuleProof(**(asdict(own) | changes), rule=kind)


def test_update_rules_say_nothing_of_the_network_they_ran_on(tmp_path: Path) -> None:
    text = report(tmp_path, [*PROOFS, rule("sgd"), rule("adam")])
    assert "**1 of 1 network is equal" in text
    assert [columns[0] for columns in rows(section(text, "Verdict"))] == ["network", "`lenet5`"]
    assert "The update rules, on `mini_resnet`: `sgd` and `adam` are equal." in section(text, "Verdict")
    assert [columns[:2] for columns in rows(section(text, "Update rules"))[1:]] == [
        ["`mini_resnet`", "sgd"],
        ["`mini_resnet`", "adam"],
    ]


def test_a_rule_that_is_not_equal_is_loud(tmp_path: Path) -> None:
    wrong = rule("nesterov", passed=False, gap=1e-3, first_failure="fc1/kernel")
    silent = rule("adam", passed=False, compared={}, gap=None, limit=None, problems=["killed"])
    verdict = section(report(tmp_path, [*PROOFS, rule("sgd"), wrong, silent]), "Verdict")
    assert (
        "`sgd` is equal; **`nesterov` is NOT equal**; **`adam` is not proven**.".replace("equal**", "EQUAL**")
        in verdict
    )
    assert "- `nesterov`: gap 1e-03" in verdict
    assert "- `adam`: killed" in verdict


def test_rules_of_earlier_runs_are_known_by_the_name_of_their_test(tmp_path: Path) -> None:
    """They were saved as proofs of mini_resnet; its own proof by the same rule was lost among them."""
    own = replace(STEPS, network="mini_resnet", gap=7e-14)
    path = save(tmp_path, [*PROOFS, own, replace(own, gap=9e-14)])
    saved = json.loads(path.read_text())
    saved["benchmarks"][-1]["name"] = "test_update_rule[adam]"
    path.write_text(json.dumps(saved))
    merged = read_runs([path])
    assert [rule.rule for rule in merged.rules] == ["adam"]
    assert [item.record.gap for item in merged.proofs if item.record.network == "mini_resnet"] == [7e-14]


def test_a_run_of_rules_alone_judges_no_network(tmp_path: Path) -> None:
    text = report(tmp_path, [rule("sgd")])
    assert "**No network was looked at in PaddlePaddle 3.3.1 and TensorFlow 2.21.0.**" in text
    assert "on CIFAR-10 (official files)" in text.splitlines()[0]


def test_cross_evaluations_of_two_recipes_are_both_kept(tmp_path: Path) -> None:
    crossed: list[Record] = [replace(CROSS, recipe=recipe) for recipe in ("mini", "mini-noaug")]
    assert [crossed_record.recipe for crossed_record in read_runs([save(tmp_path, crossed)]).cross_evaluations] == [
        "mini",
        "mini-noaug",
    ]
