"""Named arrays against named arrays: how far apart, where, against which limit, and how much was compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

# Limit of the float64 proof, relative to each stage's scale. A stage's rounding errors are some tens of units of
# 2**-53 = 1.1e-16 for the sums of up to 4,608 products here, and grow with depth; real differences of algorithm start
# where float32 constants do, at 1e-8.
FLOAT64_LIMIT = 1e-12

BLOCK = 2**16  # numbers that are worked on at once: they fit into a processor's cache


@dataclass(frozen=True)
class Gap:
    """The largest difference of one array, relative to the reference's largest absolute value."""

    name: str
    gap: float  # NaN or infinity wherever either side has one
    limit: float
    scale: float
    elements: int

    @property
    def passed(self) -> bool:
        """Whether the gap is a number within the limit; written so that NaN fails."""
        return self.gap <= self.limit

    @property
    def severity(self) -> float:
        """The gap in units of its limit; infinite where that is no number."""
        ratio = self.gap / self.limit if self.limit else math.inf
        return math.inf if math.isnan(ratio) else ratio


@dataclass(frozen=True)
class Comparison:
    """The result of comparing two sets of named arrays."""

    gaps: tuple[Gap, ...]
    problems: tuple[str, ...]  # everything but a gap over its limit: missing, extra, shape, nothing compared

    @property
    def passed(self) -> bool:
        """Whether something was compared and all of it agreed."""
        return bool(self.gaps) and not self.problems and all(gap.passed for gap in self.gaps)

    @property
    def elements(self) -> int:
        """How many pairs of numbers were compared."""
        return sum(gap.elements for gap in self.gaps)

    @cached_property
    def worst(self) -> Gap | None:
        """The gap that is largest in units of its limit; one that is not a number is worse than any."""
        return max(self.gaps, key=lambda gap: gap.severity, default=None)

    @property
    def first_failure(self) -> Gap | None:
        """The first gap over its limit, in the reference's order."""
        return next((gap for gap in self.gaps if not gap.passed), None)

    def explain(self) -> list[str]:
        """One line for every problem, and one for the first gap over its limit.

        Returns:
            Empty where nothing is wrong.
        """
        lines = list(self.problems)
        if (first := self.first_failure) is not None:
            failures = sum(not gap.passed for gap in self.gaps)
            lines.append(
                f"{failures} of {len(self.gaps)} stages differ; the first is {first.name!r}: "
                f"gap {first.gap:.2e} of its scale {first.scale:.3g}, limit {first.limit:.1e}"
            )
        return lines


def compare(
    reference: Mapping[str, np.ndarray],
    candidate: Mapping[str, np.ndarray],
    limits: float | Mapping[str, float],
    *,
    scales: Mapping[str, float] | None = None,
) -> Comparison:
    """Compare by name, element by element, in the reference's order.

    Each array's gap is max |candidate - reference| / scale, computed in float64; the scale is max |reference| unless
    `scales` gives it. A missing or extra name, another shape, an empty array, a reference that is zero everywhere
    (which would hide anything) or no array at all is a problem; NaN and infinity are gaps over any limit.

    Args:
        reference: arrays of any shape and floating-point dtype by name.
        candidate: arrays of the same names and shapes.
        limits: the largest gap that passes: one for all arrays, or by name. A name without a limit fails.
        scales: by name, what the differences are divided by.

    Returns:
        A gap for each array that both have in one shape, in the reference's order, and the problems.

    Example:
        >>> comparison = compare({"logits": np.array([4.0, -1.0])}, {"logits": np.array([4.0, -1.5])}, 1e-12)
        >>> comparison.passed, comparison.worst.gap
        (False, 0.125)
    """
    problems = [f"missing stage {name!r}" for name in reference if name not in candidate]
    problems += [f"extra stage {name!r}" for name in candidate if name not in reference]
    gaps = []
    for name, expected in reference.items():
        actual = candidate.get(name)
        if actual is None:
            continue
        limit = limits if isinstance(limits, float) else limits.get(name, math.nan)
        if actual.shape != expected.shape:
            problems.append(f"stage {name!r}: expected shape {expected.shape}, found {actual.shape}")
        elif expected.size == 0:
            problems.append(f"stage {name!r} is empty, shape {expected.shape}: nothing to compare")
        else:
            gap = _measured(name, expected, actual, limit, scales[name] if scales else None)
            if gap.scale == 0:
                problems.append(f"stage {name!r} is zero everywhere: it proves nothing")
            gaps.append(gap)
    if not gaps:
        problems.append("nothing was compared")
    return Comparison(tuple(gaps), tuple(problems))


def largest(array: np.ndarray) -> float:
    """The largest absolute value, 0.0 of an empty array, NaN where there is one; without a temporary array.

    Args:
        array: of any shape and real dtype.

    Returns:
        A Python float; infinite where a number is.

    Example:
        >>> largest(np.array([[1.0, -3.0]]))
        3.0
    """
    return float(np.maximum(float(array.max(initial=0)), -float(array.min(initial=0)))) + 0.0  # no -0.0


def largest_difference(one: np.ndarray, other: np.ndarray) -> float:
    """The largest absolute difference of two arrays of one shape, computed in float64.

    Block by block, each in the processor's cache: an array of differences would cost more than the comparison.

    Args:
        one: of any shape and real dtype.
        other: of the same shape.

    Returns:
        The difference; 0.0 of empty arrays, NaN where either array has one.

    Example:
        >>> largest_difference(np.array([1.0, 2.0]), np.array([1.0, 2.5]))
        0.5
    """
    a, b = one.reshape(-1), other.reshape(-1)
    largest_yet = 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        for begin in range(0, a.size, BLOCK):
            part = slice(begin, begin + BLOCK)
            largest_yet = float(np.maximum(largest_yet, largest(np.subtract(a[part], b[part], dtype=np.float64))))
    return largest_yet


def joined(parts: Sequence[Comparison]) -> Comparison:
    """Comparisons of some arrays and of others as one.

    Args:
        parts: of different arrays; none at all gives a comparison that fails.

    Returns:
        Their gaps and problems, in order.
    """
    gaps = [gap for part in parts for gap in part.gaps]
    return Comparison(tuple(gaps), tuple(problem for part in parts for problem in part.problems))


def _measured(name: str, expected: np.ndarray, actual: np.ndarray, limit: float, scale: float | None) -> Gap:
    difference = largest_difference(expected, actual)
    if scale is None:
        scale = largest(expected)
    with np.errstate(invalid="ignore", over="ignore"):
        gap = float(np.float64(difference) / scale) if scale else difference
    return Gap(name, gap if np.isfinite(scale) else math.nan, limit, float(scale), expected.size)


def relative_gap(expected: np.ndarray, actual: np.ndarray) -> float:
    """Largest absolute difference, divided by max |expected|: as in `compare`, of two arrays.

    Args:
        expected: of any shape and floating-point dtype.
        actual: what is held against it.

    Returns:
        0.0 for equal arrays; infinite for another shape, for empty arrays, and for NaN or infinity in either.

    Example:
        >>> relative_gap(np.array([4.0, 2.0]), np.array([5.0, 2.0]))
        0.25
    """
    worst = compare({"": expected}, {"": actual}, FLOAT64_LIMIT).worst
    return worst.gap if worst and np.isfinite(worst.gap) else math.inf


def finite_gap(expected: np.ndarray, actual: np.ndarray) -> float:
    """The `relative_gap` of the finite numbers, for a diagnosis: what else differs where both overflow alike.

    Args:
        expected: of any shape and floating-point dtype.
        actual: what is held against it.

    Returns:
        The gap; infinite also where no number is finite, and where those that are not finite are at other indices.

    Example:
        >>> finite_gap(np.array([4.0, np.inf]), np.array([5.0, np.inf]))
        0.25
    """
    odd = ~np.isfinite(expected)
    if expected.shape != actual.shape or odd.all() or not np.array_equal(odd, ~np.isfinite(actual)):
        return math.inf
    return relative_gap(np.where(odd, 0.0, expected), np.where(odd, 0.0, actual))


def layer_scales(arrays: Mapping[str, np.ndarray]) -> dict[str, float]:
    """For every array, by name, the largest absolute value in all arrays of its layer.

    Args:
        arrays: by full name, `<layer>/<kind>`.

    Returns:
        By the same names; an array that holds NaN is passed over.

    Example:
        >>> layer_scales({"conv/kernel": np.array([-3.0]), "conv/bias": np.array([0.5])})
        {'conv/kernel': 3.0, 'conv/bias': 3.0}
    """
    scales: dict[str, float] = {}
    for name, array in arrays.items():
        layer = name.rpartition("/")[0]
        scales[layer] = float(np.fmax(scales.get(layer, 0.0), largest(array)))
    return {name: scales[name.rpartition("/")[0]] for name in arrays}
