"""A Paddle operation that differs from TensorFlow's on the same values, in a segment without known layers."""

from __future__ import annotations

import numpy as np

from parity.kinds.kind import shown
from parity.migration.align.axis_orders import closest
from parity.migration.align.found import Alignment
from parity.migration.align.recorded_graph import RecordedGraph
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.explain.causes import Cause
from parity.migration.explain.replays import Replay, closing_gap
from parity.migration.explain.segments import Segment, place_of
from parity.migration.specs import FIRST, SECOND
from parity.records.records import Diagnosis

ROOTS = ("rsqrt", "sqrt")  # before which a constant is added to what they take: an epsilon

SMALL = 0.05  # of an epsilon


def constant_of_operation(
    pair: RecordedPair, walked: Alignment, segment: Segment, replay: Replay, expected: np.ndarray
) -> Cause | None:
    """Whether a segment differs by nothing but a constant that one of its first operations adds or multiplies by.

    Args:
        pair: whose graphs are those of the walk.
        walked: that walk.
        segment: of it.
        replay: of Paddle's operations in the segment.
        expected: TensorFlow's numbers at its end, in Paddle's order.

    Returns:
        The cause, proven: with TensorFlow's numbers behind the operation, Paddle gives `expected`. None for none.

    Raises:
        WorkerError: a worker fails.
    """
    first, second = pair.graphs[FIRST], pair.graphs[SECOND]
    for index in segment.operations[1]:
        operation = second.operations[index]
        taken = [n for n in operation.inputs if second.data[n]]
        if len(taken) != 1 or len(operation.outputs) != 1 or (match := walked.matches.get(taken[0])) is None:
            continue
        made_here = operation.outputs[0]
        values = replay.values({}, [taken[0], made_here])
        if values is None or match.gap > pair.close.exact or values[taken[0]].shape != values[made_here].shape:
            continue
        before, own = values[taken[0]], values[made_here]
        for user in first.consumers.get(match.first, []):
            made = _made(pair, first, user, own)
            if made is None or (text := _law(before, made, own)) is None:
                continue
            at_end = made if made_here == replay.end else replay.at_end({made_here: made})
            left = closing_gap(pair, expected, at_end)
            if left is not None:
                what = "epsilon" if _is_epsilon(second, made_here, own, before) else "constant"
                where, gap = place_of(first, segment), segment.parting.gap
                change = f"{what}: TensorFlow {text[0]}, Paddle {text[1]}"
                return Cause(Diagnosis(SECOND, where, "", f"{where}: {change}", gap, left, change=change))
    return None


def _made(pair: RecordedPair, first: RecordedGraph, user: int, own: np.ndarray) -> np.ndarray | None:
    """What a TensorFlow operation gives, in the order of Paddle's numbers."""
    outputs = first.operations[user].outputs
    if len(outputs) != 1 or np.prod(first.values[outputs[0]].shape) != own.size:
        return None
    made = closest(pair.workers[FIRST].read_values(pair.name, outputs)[str(outputs[0])], own)
    return made if made is not None and made.shape == own.shape else None


def _law(before: np.ndarray, made: np.ndarray, own: np.ndarray) -> tuple[str, str] | None:
    """How both make their numbers of the same ones, in words; None unless both add, or both multiply by, a constant."""
    for verb, of in (("adds", np.subtract), ("multiplies by", np.divide)):
        with np.errstate(all="ignore"):
            constants = [_constant(of(after.astype(np.float64), before.astype(np.float64))) for after in (made, own)]
        if all(constant is not None for constant in constants):
            return f"{verb} {shown(constants[0])}", f"{verb} {shown(constants[1])}"
    return None


def _constant(array: np.ndarray) -> float | None:
    """The number that all numbers of an array are but for rounding; None for none."""
    finite = array[np.isfinite(array)]
    if finite.size < max(2, array.size // 2):
        return None
    middle = float(np.median(finite))
    return float(f"{middle:.4g}") if np.allclose(finite, middle, rtol=1e-4, atol=1e-12) else None


def _is_epsilon(graph: RecordedGraph, number: int, own: np.ndarray, before: np.ndarray) -> bool:
    """Whether a constant is small and added to what a root is taken of."""
    roots = any(graph.operations[index].name in ROOTS for index in graph.consumers.get(number, []))
    return roots and bool(np.abs(own - before).max() < SMALL)
