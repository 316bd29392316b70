"""Limits that follow from what rounding does to two sides."""

from __future__ import annotations

import math

import numpy as np
import pytest

from parity.numerics.arrays import Arrays
from parity.numerics.comparison import Comparison
from parity.numerics.tolerance import BEYOND_ROUNDING, PERTURBED_RUNS, compare_with_derived_limits

EXACT = np.array([1.0, 2.0, 4.0])


class Sides:
    """Two sides that rounding moves by so much in each run; the second one is off by `gap`."""

    def __init__(self, gap: float, moves: list[tuple[float, float]]) -> None:
        self.outputs = {"one": {"x": EXACT}, "other": {"x": EXACT + gap}}
        self.moves, self.runs = moves, 0

    def perturbed_run(self, run: int) -> dict[str, Arrays]:
        assert run == self.runs
        self.runs += 1
        return {
            name: {"x": arrays["x"] + move}
            for (name, arrays), move in zip(self.outputs.items(), self.moves[run], strict=True)
        }

    def compared(self, most: float = math.inf) -> Comparison:
        return compare_with_derived_limits(self.outputs, 1e-12, self.perturbed_run, most=most)


def test_what_is_within_the_limit_is_not_run_again() -> None:
    sides = Sides(1e-13, [])
    assert sides.compared().passed
    assert sides.runs == 0


def test_a_gap_of_rounding_passes_by_a_limit_of_its_size() -> None:
    sides = Sides(1e-9, [(1e-9, 1e-9)])
    comparison = sides.compared()
    assert comparison.passed
    assert sides.runs == 1
    assert comparison.worst is not None
    assert 1e-10 < comparison.worst.gap < comparison.worst.limit < 1e-8


def test_runs_that_stay_near_by_chance_are_not_the_last_word() -> None:
    sides = Sides(1e-9, [(4e-11, 4e-11), (5e-11, 3e-11), (1e-9, 1e-9)])
    assert sides.compared().passed
    assert sides.runs == 3


def test_the_side_that_is_moved_less_gives_the_limit() -> None:
    sides = Sides(1e-9, [(2e-11, 1.0)] * PERTURBED_RUNS)
    assert not sides.compared().passed
    assert sides.runs == PERTURBED_RUNS


def test_what_rounding_never_explains_is_given_up_after_one_run() -> None:
    sides = Sides(1e-3, [(1e-13, 1e-13)])
    comparison = sides.compared()
    assert not comparison.passed
    assert sides.runs == 1
    assert comparison.worst is not None
    assert comparison.worst.severity > BEYOND_ROUNDING


@pytest.mark.parametrize("gap", [math.nan, math.inf, 1e-6])
def test_what_is_too_large_for_rounding_is_not_run_again(gap: float) -> None:
    sides = Sides(gap, [])
    assert not sides.compared(most=6e-8).passed
    assert sides.runs == 0


def test_no_limit_is_above_the_largest_gap_that_may_be_rounding() -> None:
    sides = Sides(4e-8, [(1.0, 1.0)])
    comparison = sides.compared(most=6e-8)
    assert comparison.passed
    assert comparison.worst is not None
    assert comparison.worst.limit == 6e-8


def test_a_moved_run_that_is_no_number_widens_nothing() -> None:
    sides = Sides(1e-9, [(math.nan, math.nan)] * PERTURBED_RUNS)
    comparison = sides.compared()
    assert not comparison.passed
    assert comparison.worst is not None
    assert comparison.worst.limit == 1e-12
