"""Whether two models give the same outputs: as many, of the same shapes, with the same numbers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from parity.migration.align.closeness import FLOAT64, Closeness
from parity.migration.align.recorded_pair import Outputs
from parity.migration.specs import FIRST, SECOND
from parity.numerics.arrays import Arrays
from parity.numerics.comparison import FLOAT64_LIMIT, Comparison, compare, relative_gap
from parity.numerics.tolerance import (
    BEYOND_ROUNDING,
    FLOAT32_ROUNDING,
    PERTURBED_RUNS,
    compare_with_derived_limits,
    derive_limits,
)

OutputArrays = dict[str, np.ndarray]  # of floating-point numbers, by path; "output" for a single one


def float_outputs(outputs: Outputs) -> OutputArrays:
    """The outputs of floating-point numbers that are not zero everywhere.

    Args:
        outputs: of one model.
    """
    return {path or "output": array for path, array in outputs if array.dtype.kind == "f" and array.any()}


@dataclass(frozen=True)
class OutputGap:
    """How far the outputs of two models are apart.

    Attributes:
        equal: whether they agree within the limit.
        gap: the largest difference, relative to the output's scale; infinite where they cannot be compared.
        limit: for the gap.
        path: of the output that is worst.
        problem: why they cannot be compared; empty where they were.
        elements: how many numbers were compared.
    """

    equal: bool
    gap: float
    limit: float
    path: str
    problem: str = ""
    elements: int = 0


def compare_outputs(
    outputs: Mapping[str, Outputs],
    turned: bool,
    perturbed: Callable[[int], Mapping[str, Outputs]],
    close: Closeness = FLOAT64,
    inside: Callable[[int], Outputs] | None = None,
    without_ties: Callable[[], Mapping[str, Outputs]] | None = None,
) -> OutputGap:
    """Compare what both models gave for the same inputs.

    Args:
        outputs: by framework.
        turned: whether sequences [n, c, t] of Paddle are those [n, t, c] of TensorFlow, because its inputs are such.
        perturbed: both models' outputs with inputs and weights moved by rounding in their precision; called where
            rounding may explain a difference.
        close: of that precision. In float64 the fixed limit holds, and a derived one only where it is larger; in other
            precisions the limit is what rounding does to the outputs of both models together.
        inside: the Paddle model's outputs with roundings inside of it; called where a limit derived from `perturbed`
            does not hold in float64.
        without_ties: both models' outputs for inputs next to these of which no two numbers are the same; called where
            whole numbers differ, such as the places of the largest, which of equal ones are any.

    Returns:
        The gap. Maps [n, c, h, w] of Paddle are those [n, h, w, c] of TensorFlow; nothing else may be transposed,
        squeezed or reshaped.
    """
    pairs, problem = paired(outputs, turned)
    if problem:
        return OutputGap(False, np.inf, FLOAT64_LIMIT, "", problem)
    exact = [path for path, one, _ in pairs if one.dtype.kind != "f"]
    for path, one, other in pairs:
        if path in exact and not np.array_equal(one, other):
            if close.derived and _rounding_decides(path, one != other, outputs, turned, perturbed):
                continue
            if without_ties is not None and _agrees(path, without_ties(), turned):
                continue
            share = float(np.mean(one != other))
            return OutputGap(False, share, 0.0, path, f"{share:.1%} of the whole numbers differ", one.size)
    floats = [(path, one, other) for path, one, other in pairs if path not in exact]
    elements = sum(one.size for _, one, _ in pairs)
    if not floats:
        return OutputGap(True, 0.0, 0.0, exact[0] if exact else "", "", elements)
    if not any(array.any() for _, *both in floats for array in both):
        return OutputGap(True, 0.0, FLOAT64_LIMIT, "", "", 0)  # zero everywhere: these inputs show nothing
    masks: dict[str, np.ndarray] = {}
    for path, one, other in floats:
        lacking = [~np.isfinite(array) for array in (one, other)]
        if not np.array_equal(*lacking):
            counts = [int(mask.sum()) for mask in lacking]
            text = f"{counts[0]} numbers are not finite in TensorFlow, {counts[1]} in Paddle"
            return OutputGap(False, np.inf, FLOAT64_LIMIT, path, text, elements)
        if not any(array[~lacking[0]].any() for array in (one, other)):
            continue  # such inputs show nothing of it
        masks[path] = ~lacking[0]

    if not masks:
        return OutputGap(True, 0.0, FLOAT64_LIMIT, "", "", 0)

    def sides(made: Mapping[str, Outputs]) -> dict[str, dict[str, np.ndarray]]:
        again, _ = paired(made, turned)
        kept = [(path, one[masks[path]], other[masks[path]]) for path, one, other in again if path in masks]
        return {
            FIRST: {path or "output": one for path, one, _ in kept},
            SECOND: {path or "output": other for path, _, other in kept},
        }

    own = sides(outputs)
    again = functools.cache(lambda run: sides(perturbed(run)))
    if close.derived:
        comparison = _compare_by_rounding(own, again, close)
        if comparison.passed and any(gap.limit > close.empty for gap in comparison.gaps):
            return OutputGap(True, 0.0, max(gap.limit for gap in comparison.gaps), "", "", 0)
        return _worst(comparison, elements)
    comparison = compare_with_derived_limits(own, FLOAT64_LIMIT, again, most=FLOAT32_ROUNDING)
    if comparison.passed or comparison.problems:
        return _worst(comparison, elements)
    if _nothing_but_rounding(own, again(0)):
        return OutputGap(True, 0.0, FLOAT64_LIMIT, "", "", 0)  # such inputs show nothing
    if inside is not None:
        return _within_roundings(own, lambda run: sides({FIRST: outputs[FIRST], SECOND: inside(run)})[SECOND], elements)
    return _worst(comparison, elements)


def _within_roundings(own: Mapping[str, Arrays], moved: Callable[[int], Arrays], elements: int) -> OutputGap:
    """Compare outputs with what roundings inside of the Paddle model do to its own."""
    runs = [moved(0)]
    if _nothing_but_rounding({SECOND: own[SECOND]}, {SECOND: runs[0]}):
        return OutputGap(True, 0.0, FLOAT64_LIMIT, "", "", 0)  # such inputs show nothing
    while True:
        derived = derive_limits(own[SECOND], runs)
        limits = {path: float(np.fmax(FLOAT64_LIMIT, min(limit, FLOAT32_ROUNDING))) for path, limit in derived.items()}
        comparison = compare(own[FIRST], own[SECOND], limits)
        hopeless = comparison.worst is None or not comparison.worst.severity <= BEYOND_ROUNDING
        if comparison.passed or hopeless or len(runs) == PERTURBED_RUNS:
            return _worst(comparison, elements)
        runs.append(moved(len(runs)))


def _compare_by_rounding(
    own: Mapping[str, Arrays], again: Callable[[int], Mapping[str, Arrays]], close: Closeness
) -> Comparison:
    """Compare outputs with the sum of what rounding does to those of either model.

    Without an exact run neither model is right: both may be off, and each by as much as its own rounding explains, by
    four roundings of the output itself at the least, which no change of inputs and weights shows where it saturates.
    """
    runs: list[Mapping[str, Arrays]] = []
    while True:
        runs.append(again(len(runs)))
        one, other = (derive_limits(arrays, [run[side] for run in runs]) for side, arrays in own.items())
        least = 4 * close.rounding
        limits = {path: max(least, one[path]) + max(least, other[path]) for path in own[FIRST]}
        comparison = compare(own[FIRST], own[SECOND], limits)
        worst = comparison.worst
        hopeless = comparison.problems or worst is None or not worst.severity <= BEYOND_ROUNDING
        if comparison.passed or hopeless or len(runs) == PERTURBED_RUNS:
            return comparison


def _agrees(path: str, outputs: Mapping[str, Outputs], turned: bool) -> bool:
    """Whether one of the outputs holds the same whole numbers in both models."""
    return any(name == path and np.array_equal(one, other) for name, one, other in paired(outputs, turned)[0])


def _rounding_decides(
    path: str,
    differs: np.ndarray,
    outputs: Mapping[str, Outputs],
    turned: bool,
    perturbed: Callable[[int], Mapping[str, Outputs]],
) -> bool:
    """Whether rounding changes every whole number that differs, such as a class, and leaves others as they are."""
    own = next(both for name, *both in paired(outputs, turned)[0] if name == path)
    unsettled = np.zeros(differs.shape, bool)
    for run in range(PERTURBED_RUNS):
        again = next((both for name, *both in paired(perturbed(run), turned)[0] if name == path), own)
        for array, moved in zip(own, again, strict=True):
            unsettled |= array != moved
    return not np.any(differs & ~unsettled) and not unsettled.all()


def _nothing_but_rounding(
    own: Mapping[str, Mapping[str, np.ndarray]], moved: Mapping[str, Mapping[str, np.ndarray]]
) -> bool:
    """Whether rounding to float64 changes the outputs of a side by more than a number in float32 can show."""
    return any(
        any(not relative_gap(array, moved[side][path]) <= FLOAT32_ROUNDING for path, array in arrays.items())
        for side, arrays in own.items()
    )


def _worst(comparison: Comparison, elements: int) -> OutputGap:
    worst = comparison.worst
    if worst is None:
        zero = not comparison.problems
        return OutputGap(zero, 0.0 if zero else np.inf, FLOAT64_LIMIT, "", "; ".join(comparison.problems), elements)
    path = "" if worst.name == "output" else worst.name
    return OutputGap(comparison.passed, worst.gap, worst.limit, path, "; ".join(comparison.problems), elements)


def paired(outputs: Mapping[str, Outputs], turned: bool) -> tuple[list[tuple[str, np.ndarray, np.ndarray]], str]:
    """Outputs that correspond, in TensorFlow's order of axes.

    Args:
        outputs: by framework.
        turned: as in `compare_outputs`.

    Returns:
        Path, TensorFlow's numbers and Paddle's; and why they do not correspond, empty where they do.
    """
    first, second = outputs[FIRST], outputs[SECOND]
    if len(first) != len(second):
        return [], f"TensorFlow has {len(first)} outputs, Paddle {len(second)}"
    by_name = dict(second)
    if set(by_name) == {path for path, _ in first}:
        second = [(path, by_name[path]) for path, _ in first]
    pairs = []
    for (path, one), (_, other) in zip(first, second, strict=True):
        arranged = next((made for made in _arranged(one, other, turned) if made is not None), None)
        if arranged is None:
            which = f"output {path}: " if path else ""
            return [], f"{which}shape {list(one.shape)} in TensorFlow, {list(other.shape)} in Paddle"
        if (one.dtype.kind == "f") != (other.dtype.kind == "f"):
            return [], f"output {path}: {one.dtype} in TensorFlow, {other.dtype} in Paddle"
        pairs.append((path, one, arranged))
    return pairs, ""


def in_paddle_order(array: np.ndarray, one: np.ndarray, other: np.ndarray, turned: bool) -> np.ndarray:
    """An array of the shape of a TensorFlow output with its axes in the order of the Paddle output.

    Args:
        array: of the shape of `one`.
        one: TensorFlow's output.
        other: Paddle's, which corresponds.
        turned: as in `compare_outputs`.
    """
    arranged = next(_arranged(one, other, turned), None)
    same = arranged is None or arranged is other
    return array if same else np.ascontiguousarray(np.moveaxis(array, -1, 1))


def _arranged(one: np.ndarray, other: np.ndarray, turned: bool) -> Iterator[np.ndarray | None]:
    """The Paddle output as it is and, of maps, with channels last: the one that is nearer first."""
    choices = [other] if one.shape == other.shape else []
    if one.ndim > 3 or (one.ndim == 3 and turned):
        last = np.moveaxis(other, 1, -1) if other.ndim == one.ndim else other
        if last.shape == one.shape:
            choices.append(last)
    with np.errstate(all="ignore"):
        yield from sorted(choices, key=lambda array: float(np.nansum(np.abs(array - one))) if one.dtype != bool else 0)
