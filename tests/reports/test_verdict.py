"""The report's verdict: strict, over all required levels, and never softened by what a record claims of itself."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from msgspec.structs import replace

from parity.catalogue.networks import default_networks
from parity.records.accuracy_records import DifferingImage
from parity.records.records import OwnGap, Proof, Record
from reports import write_report
from reports.evidence.verdict import LOSS_CURVE, REQUIRED, proof_faults
from tests.reports.report_records import (
    ALL_PASSED,
    CERTIFICATE,
    CROSS,
    DOUBLE,
    ELEMENTS,
    ENVIRONMENT,
    EVALUATED,
    EVALUATION,
    FLOAT32_STEP,
    GRADIENTS,
    HEADLINE,
    OFFICIAL,
    PROOFS,
    SINGLE,
    SPEED,
    STEPS,
    TRAIN_MODE,
    report,
    row,
    rows,
    save,
    section,
    seeds,
)


def test_sound_levels_are_equal(tmp_path: Path) -> None:
    text = report(tmp_path, PROOFS)
    assert f"**1 of 1 network is equal {HEADLINE}.**" in text
    assert row(text, "`lenet5`") == ["`lenet5`", "equal", *ALL_PASSED]


@pytest.mark.parametrize("missing", REQUIRED)
def test_missing_level_is_not_proven(tmp_path: Path, missing: int) -> None:
    text = report(tmp_path, [proof for proof in PROOFS if proof.level != missing])
    assert f"**0 of 1 network is equal {HEADLINE}; 1 is not proven.**" in text
    assert row(text, "`lenet5`")[1] == "**not proven**"
    assert row(text, "`lenet5`")[1 + missing] == "not run"
    assert f"No record in these runs of level {missing} (" in section(text, "Not proven")


def test_networks_that_lack_the_same_stand_together(tmp_path: Path) -> None:
    forward = [replace(proof, network=name) for name in ("lenet5", "vgg16", "googlenet") for proof in PROOFS[:3]]
    text = report(tmp_path, [*forward, *(replace(proof, network="resnet18") for proof in PROOFS[:2])])
    lines = [line for line in section(text, "Not proven").splitlines() if line.startswith("- ")]
    assert len(lines) == 2
    assert lines[0].endswith("so nothing is shown: `vgg16`, `googlenet` and `lenet5`.")
    assert "levels 3 (float32 forward), 4 (train-mode forward), 5" in lines[1]


def test_network_without_any_proof_is_not_proven(tmp_path: Path) -> None:
    text = report(tmp_path, [*PROOFS, replace(SPEED, network="vgg16")])
    assert "**1 of 2 networks are equal" in text
    assert row(text, "`vgg16`")[1:] == ["**not proven**", *["not run"] * len(REQUIRED)]


def test_failure_names_stage_gap_limit_and_problem(tmp_path: Path) -> None:
    failing = replace(
        DOUBLE, passed=False, gap=3.1e-2, worst="pool2", first_failure="conv2", problems=["padding of conv2 differs"]
    )
    text = report(tmp_path, [failing if proof.level == 2 else proof for proof in PROOFS])
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
        replace(SINGLE, frameworks={**SINGLE.frameworks, "paddle": OwnGap(math.nan, 3e-6)}),
        replace(SINGLE, frameworks={**SINGLE.frameworks, "paddle": OwnGap(4e-6, 3e-6)}),
        replace(TRAIN_MODE, passed=False),
        replace(TRAIN_MODE, compared={**TRAIN_MODE.compared, "running statistics": 0}),
        replace(TRAIN_MODE, frameworks={"paddle": OwnGap(4e-6, 3e-6)}),
        replace(GRADIENTS, gap=2e-10),
        replace(GRADIENTS, gap=None),
        replace(STEPS, gap=math.nan),
        replace(EVALUATION, compared={**EVALUATED, "positions": 0}),
        replace(FLOAT32_STEP, gap=0.2),
        Proof("lenet5", LOSS_CURVE, "loss curve", False, OFFICIAL, ELEMENTS, 1.0, 1e-12, "step 3"),
    ],
)
def test_doubtful_proof_is_never_equal(tmp_path: Path, doubtful: Proof) -> None:
    """Also when the record says that it passed; NaN goes through the file as Python's json writes it."""
    proofs = {proof.level: proof for proof in (*PROOFS, doubtful)}
    text = report(tmp_path, list(proofs.values()))
    assert "**0 of 1 network is equal" in text
    assert row(text, "`lenet5`")[1] == "**NOT EQUAL**"
    assert proof_faults(doubtful)


def test_a_worker_that_did_not_answer_says_nothing_about_the_network(tmp_path: Path) -> None:
    killed = replace(STEPS, passed=False, gap=None, limit=None, compared={}, problems=["the worker was killed"])
    others = [proof for proof in PROOFS if proof.level != STEPS.level]
    text = report(tmp_path, [*others, killed])
    assert f"**0 of 1 network is equal {HEADLINE}; 1 is not proven.**" in text
    assert row(text, "`lenet5`")[1:] == ["**not proven**", *["passed"] * 5, "**no answer**", "passed", "passed"]
    reasons = section(text, "`lenet5`: not proven")
    assert "Level 6, optimizer steps, no answer:" in reasons
    assert "the worker was killed" in reasons

    wrong = replace(DOUBLE, passed=False, gap=1.0, first_failure="conv1")
    text = report(tmp_path, [*(wrong if proof.level == 2 else proof for proof in others), killed])
    assert row(text, "`lenet5`")[1:4] == ["**NOT EQUAL**", "passed", "**FAILED**"]

    another = replace(STEPS, title="optimizer steps: sgd", gap=1e-3, passed=False, first_failure="fc1/kernel")
    text = report(tmp_path, [*others, killed, another])
    assert row(text, "`lenet5`")[1] == "**NOT EQUAL**"


VERSIONS = ("3.3.1", "3.4.0")


def test_levels_of_different_versions_do_not_add_up(tmp_path: Path) -> None:
    other = json.loads(json.dumps(ENVIRONMENT))
    other["frameworks"]["paddle"]["version"] = "3.4.0"
    runs = [save(tmp_path, PROOFS[:2]), save(tmp_path, PROOFS[2:], name="0002_run.json", environment=other)]
    text = write_report(runs, tmp_path / "report.md").read_text()
    ran = [["passed"] * 2 + ["not run"] * (len(PROOFS) - 2), ["not run"] * 2 + ["passed"] * (len(PROOFS) - 2)]
    assert [row(text, "`lenet5`", f"PaddlePaddle {version}, TensorFlow 2.21.0")[2:] for version in VERSIONS] == [
        ["**not proven**", *levels] for levels in ran
    ]
    assert "is equal in PaddlePaddle 3.3.1 and TensorFlow 2.21.0; 1 is not proven.**" in text
    assert len([line for line in section(text, "Not proven").splitlines() if line.startswith("- ")]) == 2


def test_every_update_rule_has_a_row_and_one_that_fails_fails_the_level(tmp_path: Path) -> None:
    rules: list[Record] = [replace(STEPS, title=f"optimizer steps: {rule}") for rule in ("sgd", "momentum", "nesterov")]
    text = report(tmp_path, [*PROOFS, *rules])
    rule_names = [columns[1] for columns in rows(section(text, "Level 6")) if columns[0] == "`lenet5`"]
    assert rule_names == ["adam", "sgd", "momentum", "nesterov"]
    assert row(text, "`lenet5`")[1:] == ["equal", *ALL_PASSED]
    rules[2] = replace(STEPS, title="optimizer steps: nesterov", gap=1e-3, first_failure="fc1/kernel")
    text = report(tmp_path, [*PROOFS, *rules])
    assert row(text, "`lenet5`")[1:] == ["**NOT EQUAL**", *["passed"] * 5, "**FAILED**", "passed", "passed"]
    assert "- optimizer steps: nesterov: first failing array: `fc1/kernel`" in text
    assert "optimizer steps: sgd: " not in text


def test_levels_in_training_mode_show_what_was_compared(tmp_path: Path) -> None:
    text = report(tmp_path, PROOFS)
    header, columns = rows(section(text, "Level 4"))
    assert header == ["network", "gap", "limit", "at", "stages", "statistics", "batch norms", "elements"]
    assert columns == ["`lenet5`", "3.1e-15", "1e-12", "`group1/relu`", "11", "4", "12", "9,876"]
    assert row(section(text, "Level 5"), "`lenet5`") == ["`lenet5`", "4.0e-15", "1e-10", "`fc1/bias`", "10", "62,006"]
    assert row(section(text, "Level 6"), "`lenet5`")[1:3] == ["adam", "5.0e-14"]


def test_variants_and_unknown_networks_are_shown(tmp_path: Path) -> None:
    """A variant has the catalogue's facts and its own counts; a name that nobody knows has none, and no crash."""
    names = ["resnet20_v1", "resnet20_v1-100c", "resnet26_v1", "made_up-100c"]
    text = report(tmp_path, [replace(proof, network=name) for name in names for proof in PROOFS])
    assert "**4 of 4 networks are equal" in text
    order = [columns[0] for columns in rows(section(text, "Level 2"))[1:]]
    assert order == ["`resnet20_v1`", "`resnet20_v1-100c`", "`made_up-100c`", "`resnet26_v1`"]
    assert row(section(text, "Level 2"), "`resnet20_v1-100c`")[1] == "280,292"
    assert row(section(text, "Level 2"), "`made_up-100c`")[1:3] == ["-", "-"]
    assert row(section(text, "Where the networks"), "`made_up-100c`")[1] == "not in the catalogue"


def test_level_columns_stay_narrow(tmp_path: Path) -> None:
    """All networks of the catalogue: the verdict's table has no line that a page must scroll."""
    everything = [replace(proof, network=name) for name in default_networks() for proof in PROOFS]
    table = section(report(tmp_path, everything), "Verdict")
    lines = [line for line in table.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(default_networks()) > 20
    assert max(map(len, lines)) < 115
    assert "1 transfer certificate, 2 float64 forward" in table


def test_accuracy_that_differs_speaks_against_a_network(tmp_path: Path) -> None:
    far = [*seeds("paddle", [0.70, 0.701, 0.702]), *seeds("tensorflow", [0.68, 0.681, 0.682])]
    text = report(tmp_path, [*PROOFS, *far])
    assert row(text, "`lenet5`")[1:] == ["**NOT EQUAL**", *ALL_PASSED, "**FAILED**"]
    assert "+2.00 points, interval +1.83 to +2.17, margin 0.5" in section(text, "`lenet5`: NOT EQUAL")


def test_undecided_or_absent_accuracy_does_not(tmp_path: Path) -> None:
    noisy = [*seeds("paddle", [0.70, 0.72]), *seeds("tensorflow", [0.71, 0.69])]
    assert row(report(tmp_path, [*PROOFS, *noisy]), "`lenet5`")[1:] == ["equal", *ALL_PASSED, "undecided"]
    near = [*seeds("paddle", [0.70, 0.701, 0.702]), *seeds("tensorflow", [0.701, 0.70, 0.702])]
    assert row(report(tmp_path, [*PROOFS, *near]), "`lenet5`")[1:] == ["equal", *ALL_PASSED, "equivalent"]
    assert row(report(tmp_path, [*PROOFS, CROSS]), "`lenet5`")[1:] == ["equal", *ALL_PASSED, "crossed only"]


@pytest.mark.parametrize(
    ("doubtful", "words"),
    [
        (replace(CROSS, images=0), "no image was evaluated"),
        (replace(CROSS, problems=["killed"]), "killed"),
        (replace(CROSS, largest_gap=math.nan), "largest gap of a logit is NaN"),
        (
            replace(CROSS, differing=[DifferingImage(1, 3, 5, 0.1, False)]),
            "1 prediction differs in float64",
        ),
    ],
)
def test_doubtful_cross_evaluation_speaks_against_a_network(tmp_path: Path, doubtful: Record, words: str) -> None:
    text = report(tmp_path, [*PROOFS, doubtful])
    assert row(text, "`lenet5`")[1:] == ["**NOT EQUAL**", *ALL_PASSED, "**FAILED**"]
    assert words in section(text, "`lenet5`: NOT EQUAL")
