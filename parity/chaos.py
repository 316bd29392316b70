"""Two sides of something that may blow rounding up: limits that follow from what rounding does to either of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from parity.compare import Comparison, compare, derive_limits
from parity.protocol import Arrays

# What blows rounding up moves all of its numbers together, so that one run may stay near by chance.
MOVED_RUNS = 4
HOPELESS = 100.0  # gaps of so many limits are not explained by more runs


def compare_chaotic(
    found: Mapping[str, Arrays],
    limits: float | Mapping[str, float],
    moved: Callable[[int], Mapping[str, Arrays]],
    *,
    scales: Mapping[str, float] | None = None,
    most: float = math.inf,
) -> Comparison:
    """Compare both sides' arrays; where they differ by more than the limits, with derived ones.

    `moved` runs both sides again, otherwise for each number of a run, with inputs and weights moved by float64
    rounding. By how much a side then differs from itself gives a limit for each array; the smaller of the two sides'
    holds, so that a fault in one does not widen it. `most` is the largest gap that may be put down to rounding.
    """
    first, second = found.values()
    comparison = compare(first, second, limits, scales=scales)
    fixed = limits if isinstance(limits, Mapping) else dict.fromkeys(first, limits)
    runs: list[Mapping[str, Arrays]] = []
    while _may_be_rounding(comparison, HOPELESS if runs else math.inf, most) and len(runs) < MOVED_RUNS:
        runs.append(moved(len(runs)))
        each = [derive_limits(arrays, [run[name] for run in runs], scales=scales) for name, arrays in found.items()]
        # np.min keeps NaN, the limit of an array that is zero everywhere; max() then leaves it the one it had
        derived = {name: float(np.min([most, *(limit[name] for limit in each)])) for name in first}
        comparison = compare(first, second, {name: max(fixed[name], derived[name]) for name in first}, scales=scales)
    return comparison


def _may_be_rounding(comparison: Comparison, severest: float, most: float) -> bool:
    """Whether it failed by nothing but gaps, and none that is too large for rounding."""
    worst = comparison.worst
    if comparison.passed or comparison.problems or worst is None:
        return False
    return worst.gap <= most and worst.severity <= severest
