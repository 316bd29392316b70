"""Limits for what amplifies rounding errors: derived from what rounding does to either side of a comparison."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from parity.numerics.arrays import Arrays
from parity.numerics.comparison import BLOCK, Comparison, compare, largest, largest_difference

# At most one in a million proofs of a correct twin gives a false alarm: the float32 limits are derived for these odds.
FALSE_ALARM = 1e-6

FLOAT32_ROUNDING = 2.0**-24  # half the distance of neighbouring float32 numbers, relative

FLOAT64_ROUNDING = 2.0**-53

ROUNDINGS = {"float64": FLOAT64_ROUNDING, "float32": FLOAT32_ROUNDING}  # by precision

LANES = 8  # float32 numbers that are added up side by side, at the least: one AVX2 register

# What amplifies rounding errors moves all of its numbers together, so that one run may stay near by chance.
PERTURBED_RUNS = 4

BEYOND_ROUNDING = 100.0  # gaps of so many limits are not explained by more runs


def compare_with_derived_limits(
    sides: Mapping[str, Arrays],
    limits: float | Mapping[str, float],
    perturbed_run: Callable[[int], Mapping[str, Arrays]],
    *,
    scales: Mapping[str, float] | None = None,
    most: float = math.inf,
) -> Comparison:
    """Compare both sides' arrays; where they differ by more than the limits, with derived ones.

    How much a side differs from itself, once its inputs and weights were moved by float64 rounding, gives a limit for
    each array. The smaller limit of the two sides holds, so that a fault in one side does not widen it.

    Args:
        sides: the arrays of the two sides, the reference first, by the side's name.
        limits: the fixed ones, as in `compare`; a derived limit holds only where it is larger.
        perturbed_run: runs both sides again, with inputs and weights moved by float64 rounding, differently for each
            number of a run (0, 1, ...); it is called only where the fixed limits do not hold.
        scales: as in `compare`.
        most: the largest gap, relative to an array's scale, that can be explained by rounding.

    Returns:
        The comparison of the second side with the first. Its limits are the fixed ones where these hold, or where
        rounding cannot explain what fails; else for each array the larger of the fixed and the derived one.
    """

    def limits_of_run(run: int) -> Sequence[Mapping[str, float]]:
        moved = perturbed_run(run)
        return [derive_limits(arrays, [moved[name]], scales=scales) for name, arrays in sides.items()]

    return compare_with_limits_of_runs(sides, limits, limits_of_run, scales=scales, most=most)


def compare_with_limits_of_runs(
    sides: Mapping[str, Mapping[str, np.ndarray]],
    limits: float | Mapping[str, float],
    limits_of_run: Callable[[int], Sequence[Mapping[str, float]]],
    *,
    scales: Mapping[str, float] | None = None,
    most: float = math.inf,
) -> Comparison:
    """As `compare_with_derived_limits`, of perturbed runs of which only the limits are kept and not the arrays.

    Args:
        sides: as there.
        limits: as there.
        limits_of_run: of each side what `derive_limits` gives for its perturbed run of a number (0, 1, ...).
        scales: as there.
        most: as there.

    Returns:
        The comparison, as there.
    """
    first, second = sides.values()
    comparison = compare(first, second, limits, scales=scales)
    fixed = limits if isinstance(limits, Mapping) else dict.fromkeys(first, limits)
    widest: list[dict[str, float]] = [{} for _ in sides]
    runs = 0
    while _may_be_rounding(comparison, BEYOND_ROUNDING if runs else math.inf, most) and runs < PERTURBED_RUNS:
        for known, found in zip(widest, limits_of_run(runs), strict=True):
            # unlike max(), np.maximum keeps a NaN
            known.update({name: float(np.maximum(known.get(name, limit), limit)) for name, limit in found.items()})
        runs += 1
        # np.min keeps NaN, the limit of an array that is zero everywhere; max() then leaves it the one it had
        derived = {name: float(np.min([most, *(known[name] for known in widest)])) for name in first}
        comparison = compare(first, second, {name: max(fixed[name], derived[name]) for name in first}, scales=scales)
    return comparison


def _may_be_rounding(comparison: Comparison, severest: float, most: float) -> bool:
    """Whether it failed by nothing but gaps, and none that is too large for rounding."""
    worst = comparison.worst
    if comparison.passed or comparison.problems or worst is None:
        return False
    return worst.gap <= most and worst.severity <= severest


def alarm_factor(elements: int, false_alarm: float = FALSE_ALARM) -> float:
    """How many standard deviations one of so many near enough normal errors exceeds with the chance `false_alarm`.

    Args:
        elements: at least 1.
        false_alarm: above 0, below 1.

    Returns:
        The factor for a standard deviation.

    Example:
        >>> round(alarm_factor(1_000_000), 1)
        7.5
    """
    return math.sqrt(2 * math.log(2 * elements / false_alarm))


def derive_limits(
    oracle: Mapping[str, np.ndarray],
    perturbed: Sequence[Mapping[str, np.ndarray]],
    false_alarm: float = FALSE_ALARM,
    *,
    scales: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """float32 limits for every stage, relative to its scale, from float64 runs that were perturbed by float32 rounding.

    Each of the `perturbed` runs moved every input and weight by the error that float32 sums make (see
    `perturb`). The largest distance that an element of the stage then had from the oracle estimates,
    from above, the standard deviation of the rounding error of the stage's most sensitive element. Near enough normal
    errors exceed `factor` deviations in one of N elements with a chance of at most N * 2 exp(-factor**2 / 2); the
    factor is the one that makes this chance `false_alarm` over all stages together.

    Args:
        oracle: every stage of the exact float64 run, by name.
        perturbed: the same stages of at least one perturbed float64 run.
        false_alarm: the chance that correct rounding alone exceeds any of the limits.
        scales: as in `compare`.

    Returns:
        A limit for every stage of the oracle; NaN, which nothing passes, for a stage that is zero everywhere or that a
        run lacks.

    Raises:
        ValueError: no perturbed run.
    """
    if not perturbed:
        raise ValueError("no perturbed run: a tolerance cannot be derived from nothing")
    factor = alarm_factor(sum(array.size for array in oracle.values()), false_alarm)
    limits = {}
    for name, exact in oracle.items():
        noise = float(np.max([_noise(exact, run.get(name)) for run in perturbed]))  # unlike max(), keeps a NaN
        scale = scales[name] if scales else largest(exact)
        limits[name] = factor * noise / scale if scale else math.nan
    return limits


def _noise(exact: np.ndarray, perturbed: np.ndarray | None) -> float:
    """The largest difference; NaN, which makes a limit that nothing passes, where a run lacks or reshapes the stage."""
    if perturbed is None or perturbed.shape != exact.shape:
        return math.nan
    return largest_difference(exact, perturbed)


def perturb(
    arrays: Mapping[str, np.ndarray],
    draw: np.random.Generator,
    rounding: float = FLOAT32_ROUNDING,
    dtype: str = "float64",
) -> Arrays:
    """Each number moved by the relative error that float32 arithmetic makes with it.

    A float32 sum of n products rounds after every addition, so it is the exact sum of products of which the i-th is off
    by the roundings of all additions from the i-th on: a random walk of up to n steps (backward error analysis; random
    rather than worst roundings as in Higham and Mary 2019). Kernels move by such a walk along their fan-in, anything
    else by four roundings, those of y = (x - mean) * scale + beta.

    Args:
        arrays: by name; those whose name ends in `/kernel` are kernels [..., out].
        draw: where the errors come from.
        rounding: the largest relative error of one rounding.
        dtype: of the result.

    Returns:
        New arrays by the same names, of the same shapes.
    """

    def perturbed_array(name: str, array: np.ndarray, own: np.random.Generator) -> np.ndarray:
        if name.endswith("/kernel"):
            return perturb_like_terms(array, own, rounding, dtype)
        errors = own.uniform(-rounding, rounding, (4, *array.shape)).sum(axis=0)
        return np.asarray(array * (1.0 + errors), dtype)

    with ThreadPoolExecutor() as pool:
        perturbed = pool.map(perturbed_array, arrays, arrays.values(), draw.spawn(len(arrays)))
        return dict(zip(arrays, perturbed, strict=True))


@dataclass(frozen=True)
class Roundings:
    """Random rounding errors that move every number of a model's weights and inputs."""

    seed: Sequence[int]
    size: float = FLOAT32_ROUNDING  # of one, relative to the number
    sums: bool = True  # whether a sum is rounded after every addition; half precision is added up in float32
    kept: Sequence[float] = ()  # numbers that are not moved: a model may look for exactly these

    def of(self, name: str, array: np.ndarray, *index: int) -> np.ndarray:
        """The array, moved, as float64.

        Args:
            name: a kernel is known by it, see `perturb`.
            array: of any floating-point dtype.
            index: further numbers for the seed: arrays that are to get different errors need different ones.

        Returns:
            float64, of the same shape; the same in every call and in both workers.
        """
        draw = np.random.default_rng([*self.seed, *index])
        key = name if self.sums else ""
        moved = perturb({key: array.astype("float64")}, draw, self.size)[key]
        return np.where(np.isin(array, self.kept), array, moved) if self.kept else moved


def sum_roundings(terms: int) -> float:
    """By how many times as much as `perturb` moves numbers, for sums of so many terms in the backward pass.

    Such a sum in `LANES` rows side by side makes a random walk of sqrt(terms / LANES) roundings; `perturb` moves what
    is no kernel by four, which are a walk of two.

    Args:
        terms: of one sum, such as the pixels of a batch.

    Returns:
        A factor for `rounding`, 1 or more.
    """
    return max(1.0, math.sqrt(terms / LANES) / 2)


def perturb_like_terms(
    array: np.ndarray, draw: np.random.Generator, rounding: float = FLOAT32_ROUNDING, dtype: str = "float64"
) -> np.ndarray:
    """Each number moved as a term of a float32 sum over all axes but the last, by a random walk along the sum.

    Args:
        array: [..., outputs], the terms of each output's sum in order.
        draw: where the errors come from.
        rounding: the largest relative error of one rounding.
        dtype: of the result.

    Returns:
        A new array of the same shape.
    """
    perturbed = np.empty(array.shape, dtype)
    outputs = array.shape[-1]
    old, new = array.reshape(-1, outputs), perturbed.reshape(-1, outputs)
    rows, walk = max(1, BLOCK // outputs), np.zeros(outputs, np.float32)
    for begin in range(0, len(old), rows):  # block by block, each in the processor's cache
        part = slice(begin, begin + rows)
        steps = draw.random(old[part].shape, np.float32)
        steps -= np.float32(0.5)
        steps *= np.float32(2 * rounding)
        for row in steps:  # numpy sums along the first axis column by column, which takes ten times as long
            row += walk
            walk = row
        np.multiply(old[part], np.add(steps, 1.0, dtype=np.float64), out=new[part])
    return perturbed
