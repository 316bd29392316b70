"""The report on level 9: rounding is no difference, and a curve that compares nothing shows nothing."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from msgspec.structs import replace

from parity.records.levels import LOSS_CURVE
from parity.records.records import Curves, Proof
from reports.evidence.loss_curves import CurveFinding, curve_faults, readings, relative_differences, worst
from tests.reports.report_records import ALL_PASSED, OFFICIAL, PROOFS, loss_curves, report, row, rows, section

DIVERGED: dict[str, int | None] = {
    "float64": 31,
    "float64 paddle": 30,
    "float64 tensorflow": 32,
    "float32": 11,
    "float32 paddle": 11,
    "float32 tensorflow": 12,
}


@pytest.mark.parametrize(
    ("parted", "expected"),
    [
        (DIVERGED, CurveFinding.DIVERGENCE),
        (DIVERGED | {"float64": 30}, CurveFinding.DIVERGENCE),  # with the first of the two, not later
        (DIVERGED | {"float64": None}, CurveFinding.TOGETHER),
        (DIVERGED | {"float64": 29}, CurveFinding.EARLY),
        (DIVERGED | {"float64": 11}, CurveFinding.EARLY),
        (DIVERGED | {"float64": 10}, CurveFinding.DIFFERENT),  # before a rounding of float32 parts anything
        (DIVERGED | {"float64": 1}, CurveFinding.DIFFERENT),
        (DIVERGED | {"float32": 1}, CurveFinding.DIVERGENCE),  # float32 alone shows nothing
        (DIVERGED | {"float64": 31, "float64 paddle": None, "float64 tensorflow": None}, CurveFinding.EARLY),
        ({"float64": 5}, CurveFinding.UNMEASURED),
        ({"float64": None}, CurveFinding.TOGETHER),
        ({"float64": 5, "float32 paddle": 11}, CurveFinding.DIFFERENT),
        ({"float32": 11, "float32 paddle": 11}, CurveFinding.DIVERGENCE),
        ({"float32": 2, "float32 paddle": 11}, CurveFinding.EARLY),
        ({"float64 paddle": 30}, None),  # the frameworks never met
        ({}, None),
    ],
)
def test_finding(parted: dict[str, int | None], expected: CurveFinding | None) -> None:
    assert worst(loss_curves(parted)) == expected


def test_precisions_are_read_apart() -> None:
    every = readings(loss_curves(DIVERGED | {"float32": 9}))
    assert [(reading.precision, reading.parted, reading.divergence) for reading in every] == [
        ("float64", 31, 30),
        ("float32", 9, 11),
    ]
    assert [reading.finding for reading in every] == [CurveFinding.DIVERGENCE, CurveFinding.EARLY]


@pytest.mark.parametrize(
    "broken",
    [
        loss_curves(DIVERGED | {"float64": None}, spoilt=math.nan),
        loss_curves(DIVERGED | {"float64": None}, spoilt=math.inf),
        loss_curves(DIVERGED | {"float64": None}, largest=math.nan),
        replace(loss_curves(DIVERGED), losses={}),
        replace(loss_curves(DIVERGED), steps=41),  # a loss is missing
        replace(loss_curves(DIVERGED, steps=0), steps=0),
    ],
)
def test_no_number_or_no_loss_is_never_together(broken: Curves) -> None:
    assert worst(broken) == CurveFinding.DIFFERENT
    assert "not a finite number, or absent" in curve_faults(broken)[0]


def test_curves_that_compare_no_frameworks_are_a_fault() -> None:
    assert "were not compared" in curve_faults(loss_curves({"float64 paddle": 30}))[0]
    assert curve_faults(loss_curves(DIVERGED)) == []


def test_relative_differences_are_of_the_larger_loss() -> None:
    curves = replace(
        loss_curves({"float64": None}, steps=4),
        losses={"paddle float64": [1.0, 2.0, 0.0, math.nan], "tensorflow float64": [2.0, 1.0, 0.0, 1.0]},
    )
    differences = relative_differences(curves, curves.pairs[0])
    assert differences[:3] == [0.5, 0.5, 0.0]
    assert math.isnan(differences[3])
    assert len(differences) == 4


@pytest.mark.parametrize(
    ("step", "state", "outcome"),
    [(31, "equal", "passed"), (None, "equal", "passed"), (20, "equal", "open"), (3, "**NOT EQUAL**", "**FAILED**")],
)
def test_verdict_takes_the_curves_in(tmp_path: Path, step: int | None, state: str, outcome: str) -> None:
    text = report(tmp_path, [*PROOFS, loss_curves(DIVERGED | {"float64": step})])
    assert row(text, "`lenet5`")[1:] == [state, *ALL_PASSED, outcome]
    if state != "equal":
        assert "part at step 3, earlier than a rounding of float32" in section(text, "`lenet5`: NOT EQUAL")
    assert (f"Level {LOSS_CURVE} is open for `lenet5`" in section(text, "Limits")) == (outcome == "open")


TOGETHER = Proof(
    "lenet5", LOSS_CURVE, "loss curve", True, OFFICIAL, {"steps": 200, "runs": 8}, 3e-12, 1e-6, "step 200"
)  # as the suite's own check writes it: it compares steps, and no arrays


def test_proof_that_the_losses_stay_together(tmp_path: Path) -> None:
    text = report(tmp_path, [*PROOFS, TOGETHER])
    assert row(text, "`lenet5`")[1:] == ["equal", *ALL_PASSED, "passed"]
    expected = ["`lenet5`", "3.0e-12", "1e-06", "`step 200`", "200", "8"]
    assert row(section(text, "Loss curves"), "`lenet5`") == expected


@pytest.mark.parametrize(
    ("doubtful", "words"),
    [
        (replace(TOGETHER, gap=1e-3, first_failure="step 3"), "first failing step: `step 3`"),
        (replace(TOGETHER, compared={"steps": 0, "runs": 8}), "nothing was compared: no steps"),
        (replace(TOGETHER, compared={}), "nothing was compared: no steps"),
    ],
)
def test_doubtful_proof_of_a_curve_speaks_against_a_network(tmp_path: Path, doubtful: Proof, words: str) -> None:
    """Also beside curves that look well."""
    text = report(tmp_path, [*PROOFS, doubtful, loss_curves(DIVERGED)])
    assert row(text, "`lenet5`")[1:] == ["**NOT EQUAL**", *ALL_PASSED, "**FAILED**"]
    assert words in section(text, "`lenet5`: NOT EQUAL")


def test_section_has_a_summary_all_pairs_and_a_picture(tmp_path: Path) -> None:
    text = section(report(tmp_path, [loss_curves(DIVERGED | {"float64 tensorflow": None})]), "Loss curves")
    summary = section(text, "Loss curves").partition("###")[0]
    assert rows(summary)[1:] == [
        ["`lenet5`", "`mini`", "float64", "40", "31", "30", "rounding"],
        ["`lenet5`", "`mini`", "float32", "40", "11", "11", "rounding"],
    ]
    pairs = rows(section(text, "`lenet5`: where"))
    assert pairs[0] == ["runs", "meaning", "precision", "part at step", "largest difference"]
    assert pairs[1:4] == [
        ["PaddlePaddle and TensorFlow", "both frameworks", "float64", "31", "2.0e-02"],
        ["PaddlePaddle and itself, perturbed", "rounding", "float64", "30", "2.0e-02"],
        ["TensorFlow and itself, perturbed", "rounding", "float64", "together for all 40", "2.0e-02"],
    ]
    assert len(pairs) == 7
    assert "no earlier than one of them parts from itself" in text
    assert "(<report_files/loss_lenet5.png>)" in text
    assert (tmp_path / "out" / "report_files" / "loss_lenet5.png").stat().st_size > 2000


def test_losses_that_are_equal_throughout_need_no_picture(tmp_path: Path) -> None:
    flat = {name: [1.0] * 5 for name in ("paddle float64", "tensorflow float64")}
    equal = replace(loss_curves({"float64": None}, steps=5, largest=0.0), losses=flat)
    text = section(report(tmp_path, [equal]), "Loss curves")
    assert row(text, "PaddlePaddle and TensorFlow")[3:] == ["together for all 5", "0"]
    assert "![" not in text


def test_diverged_curves_do_not_break_the_report(tmp_path: Path) -> None:
    text = report(tmp_path, [loss_curves(DIVERGED, spoilt=math.nan)])
    assert row(section(text, "Loss curves"), "`lenet5`", "`mini`", "float64")[-1] == "**DIFFERENT**"
    assert row(section(text, "`lenet5`: where"), "PaddlePaddle and TensorFlow")[-1] == "**NaN**"
