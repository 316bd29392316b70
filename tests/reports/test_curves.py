"""The report on evidence 9: chaos is told from a difference, and a curve that compares nothing is no evidence."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from msgspec.structs import replace

from parity.records.levels import LOSS_CURVE
from parity.records.records import Curves, Proof
from reports.evidence.loss_curves import Finding, faults, readings, relative_differences, worst
from tests.reports.report_records import ALL_PASSED, OFFICIAL, PROOFS, loss_curves, report, row, rows, section

CHAOS: dict[str, int | None] = {
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
        (CHAOS, Finding.CHAOS),
        (CHAOS | {"float64": 30}, Finding.CHAOS),  # with the first of the two, not later
        (CHAOS | {"float64": None}, Finding.TOGETHER),
        (CHAOS | {"float64": 29}, Finding.EARLY),
        (CHAOS | {"float64": 11}, Finding.EARLY),
        (CHAOS | {"float64": 10}, Finding.DIFFERENT),  # before a rounding of float32 parts anything
        (CHAOS | {"float64": 1}, Finding.DIFFERENT),
        (CHAOS | {"float32": 1}, Finding.CHAOS),  # float32 alone shows nothing
        (CHAOS | {"float64": 31, "float64 paddle": None, "float64 tensorflow": None}, Finding.EARLY),
        ({"float64": 5}, Finding.UNMEASURED),
        ({"float64": None}, Finding.TOGETHER),
        ({"float64": 5, "float32 paddle": 11}, Finding.DIFFERENT),
        ({"float32": 11, "float32 paddle": 11}, Finding.CHAOS),
        ({"float32": 2, "float32 paddle": 11}, Finding.EARLY),
        ({"float64 paddle": 30}, None),  # the frameworks never met
        ({}, None),
    ],
)
def test_finding(parted: dict[str, int | None], expected: Finding | None) -> None:
    assert worst(loss_curves(parted)) == expected


def test_precisions_are_read_apart() -> None:
    found = readings(loss_curves(CHAOS | {"float32": 9}))
    assert [(reading.precision, reading.parted, reading.chaos) for reading in found] == [
        ("float64", 31, 30),
        ("float32", 9, 11),
    ]
    assert [reading.finding for reading in found] == [Finding.CHAOS, Finding.EARLY]


@pytest.mark.parametrize(
    "broken",
    [
        loss_curves(CHAOS | {"float64": None}, spoilt=math.nan),
        loss_curves(CHAOS | {"float64": None}, spoilt=math.inf),
        loss_curves(CHAOS | {"float64": None}, largest=math.nan),
        replace(loss_curves(CHAOS), losses={}),
        replace(loss_curves(CHAOS), steps=41),  # a loss is missing
        replace(loss_curves(CHAOS, steps=0), steps=0),
    ],
)
def test_no_number_or_no_loss_is_never_together(broken: Curves) -> None:
    assert worst(broken) == Finding.DIFFERENT
    assert "not a finite number, or absent" in faults(broken)[0]


def test_curves_that_compare_no_frameworks_are_a_fault() -> None:
    assert "were not compared" in faults(loss_curves({"float64 paddle": 30}))[0]
    assert faults(loss_curves(CHAOS)) == []


def test_relative_differences_are_of_the_larger_loss() -> None:
    curves = replace(
        loss_curves({"float64": None}, steps=4),
        losses={"paddle float64": [1.0, 2.0, 0.0, math.nan], "tensorflow float64": [2.0, 1.0, 0.0, 1.0]},
    )
    found = relative_differences(curves, curves.pairs[0])
    assert found[:3] == [0.5, 0.5, 0.0]
    assert math.isnan(found[3])
    assert len(found) == 4


@pytest.mark.parametrize(
    ("step", "state", "cell"),
    [(31, "equal", "passed"), (None, "equal", "passed"), (20, "equal", "open"), (3, "**NOT EQUAL**", "**FAILED**")],
)
def test_verdict_takes_the_curves_in(tmp_path: Path, step: int | None, state: str, cell: str) -> None:
    text = report(tmp_path, [*PROOFS, loss_curves(CHAOS | {"float64": step})])
    assert row(text, "`lenet5`")[1:] == [state, *ALL_PASSED, cell]
    if state != "equal":
        assert "part at step 3, earlier than a rounding of float32" in section(text, "`lenet5`: NOT EQUAL")
    assert (f"Level {LOSS_CURVE} is open for `lenet5`" in section(text, "Limits")) == (cell == "open")


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
    text = report(tmp_path, [*PROOFS, doubtful, loss_curves(CHAOS)])
    assert row(text, "`lenet5`")[1:] == ["**NOT EQUAL**", *ALL_PASSED, "**FAILED**"]
    assert words in section(text, "`lenet5`: NOT EQUAL")


def test_section_has_a_summary_all_pairs_and_a_picture(tmp_path: Path) -> None:
    text = section(report(tmp_path, [loss_curves(CHAOS | {"float64 tensorflow": None})]), "Loss curves")
    summary = section(text, "Loss curves").partition("###")[0]
    assert rows(summary)[1:] == [
        ["`lenet5`", "`mini`", "float64", "40", "31", "30", "chaos"],
        ["`lenet5`", "`mini`", "float32", "40", "11", "11", "chaos"],
    ]
    pairs = rows(section(text, "`lenet5`: where"))
    assert pairs[0] == ["runs", "meaning", "precision", "part at step", "largest difference"]
    assert pairs[1:4] == [
        ["PaddlePaddle and TensorFlow", "both frameworks", "float64", "31", "2.0e-02"],
        ["PaddlePaddle and itself, nudged", "chaos", "float64", "30", "2.0e-02"],
        ["TensorFlow and itself, nudged", "chaos", "float64", "together for all 40", "2.0e-02"],
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
    text = report(tmp_path, [loss_curves(CHAOS, spoilt=math.nan)])
    assert row(section(text, "Loss curves"), "`lenet5`", "`mini`", "float64")[-1] == "**DIFFERENT**"
    assert row(section(text, "`lenet5`: where"), "PaddlePaddle and TensorFlow")[-1] == "**NaN**"
