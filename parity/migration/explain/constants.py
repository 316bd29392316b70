"""Constants of the two models' code that hold other numbers: a table, slopes, a mask that a model was built with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from parity.kinds.kind import shown
from parity.migration.align.axis_orders import closest
from parity.migration.align.recorded_graph import RecordedGraph
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.explain.causes import Cause
from parity.migration.explain.replays import Replay, closing_gap
from parity.migration.explain.segments import Segment, place_of
from parity.migration.specs import FIRST, SECOND
from parity.numerics.comparison import relative_gap
from parity.records.records import Diagnosis

MOST = 8  # constants of a segment, of each model, up to which they are tried


def constant_cause(pair: RecordedPair, segment: Segment, replay: Replay, expected: np.ndarray) -> Cause | None:
    """Whether a segment differs by nothing but the numbers of one constant.

    Args:
        pair: whose graphs are those of a traced walk.
        segment: of it.
        replay: of Paddle's operations in the segment.
        expected: TensorFlow's numbers at its end, in Paddle's order.

    Returns:
        The cause, proven: with TensorFlow's constant in the place of Paddle's the segment gives `expected`. None for
        none.

    Raises:
        WorkerError: a worker fails.
    """
    ones = _constants(pair, FIRST, segment.operations[0])
    others = _constants(pair, SECOND, segment.operations[1])
    if not ones or not others or max(len(ones), len(others)) > MOST:
        return None
    theirs = pair.workers[FIRST].read_values(pair.name, ones)
    own = pair.workers[SECOND].read_values(pair.name, others)
    for other in others:
        mine = own[str(other)]
        for one in ones:
            for made in _in_shape(theirs[str(one)], mine):
                same = np.array_equal(made, mine) or relative_gap(made, mine) <= pair.close.exact
                if same:
                    continue
                left = closing_gap(pair, expected, replay.at_end({other: made.astype(mine.dtype)}))
                if left is not None:
                    return _cause(pair, segment, other, made, mine, left)
    return None


def _constants(pair: RecordedPair, framework: str, operations: Sequence[int]) -> list[int]:
    """Values of several numbers that operations on the inputs' numbers take, and no input or drawn array is in."""
    graph, kept = pair.graphs[framework], set(pair.alignment.kept) if framework == SECOND else set()
    taken = [
        number
        for index in operations
        for number in graph.operations[index].inputs
        if not graph.data[number] and graph.arrays[number] <= kept and np.prod(graph.values[number].shape) > 1
    ]
    return list(dict.fromkeys(number for number in taken if graph.values[number].dtype.startswith(("float", "bool"))))


def _in_shape(theirs: np.ndarray, own: np.ndarray) -> Iterator[np.ndarray]:
    """TensorFlow's constant in the shape of Paddle's: in the order that it has, and in the one that is nearest."""
    if theirs.size != own.size or (theirs.dtype == bool) != (own.dtype == bool):
        return
    plain = theirs.reshape(own.shape)
    if [extent for extent in theirs.shape if extent > 1] == [extent for extent in own.shape if extent > 1]:
        yield plain
    nearest = closest(theirs, own.astype(np.float64))
    if nearest is not None and nearest.shape == own.shape and not np.array_equal(nearest, plain):
        yield nearest


def _cause(
    pair: RecordedPair, segment: Segment, number: int, theirs: np.ndarray, own: np.ndarray, left: float
) -> Cause:
    where, gap = place_of(pair.graphs[FIRST], segment), segment.parting.gap
    names = _names(pair.graphs[SECOND], number)
    called = " and ".join(names) if names else "of the code"
    at = np.unravel_index(int(np.argmax(np.abs(theirs.astype(float) - own.astype(float)))), own.shape)
    apart = relative_gap(theirs.astype(np.float64), own.astype(np.float64))
    shape = "x".join(map(str, own.shape))
    place = f"[{', '.join(map(str, at))}]"
    change = (
        f"constant {called} ({shape}): the numbers differ by {apart:.1e}, most at {place}: "
        f"TensorFlow has {shown(float(theirs[at]))}, Paddle {shown(float(own[at]))}"
    )
    text = f"{where}: {change}; with TensorFlow's constant the gap falls from {gap:.1e} to {left:.1e}"
    todo = {
        SECOND: f"give the constant {called} of PaddlePaddle the numbers that TensorFlow's code has",
        FIRST: f"give the constant in TensorFlow's code the numbers that Paddle's constant {called} has",
    }
    return Cause(Diagnosis(SECOND, where, "", text, gap, left, change=change), todo=todo)


def _names(graph: RecordedGraph, number: int) -> list[str]:
    """The arrays of the model that a constant is made of; none of one that stands in the code."""
    operations, _ = graph.ancestors(number, set())
    taken = [number, *(value for index in operations for value in graph.operations[index].inputs)]
    return list(dict.fromkeys(graph.values[n].name for n in taken if graph.values[n].source == "array"))
