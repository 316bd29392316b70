"""What Paddle's part of a segment takes otherwise than TensorFlow's: another value, or one whose axis is reversed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from parity.migration.align.axis_orders import closest
from parity.migration.align.found import Alignment
from parity.migration.align.recorded_graph import RecordedGraph
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.explain.causes import Cause
from parity.migration.explain.replays import Replay, closing_gap
from parity.migration.explain.segments import Segment, begins, layer_before, place_of
from parity.migration.specs import FIRST, SECOND
from parity.records.records import Diagnosis

MOST = 8  # values of a segment that are tried

REVERSING = ("flip", "reverse", "strided_slice", "getitem")  # in names of Paddle's operations


def other_input(
    pair: RecordedPair, walked: Alignment, segment: Segment, replay: Replay, expected: np.ndarray
) -> Cause | None:
    """Whether a segment differs by nothing but one value that it takes, such as the state with which a layer begins.

    Args:
        pair: whose graphs are those of a traced walk.
        walked: that walk.
        segment: of it.
        replay: of Paddle's operations in the segment.
        expected: TensorFlow's numbers at its end, in Paddle's order.

    Returns:
        The cause, proven: with a TensorFlow value in the place of what Paddle's operations take they give `expected`.
        None for none.

    Raises:
        WorkerError: a worker fails.
    """
    first, second = pair.graphs[FIRST], pair.graphs[SECOND]
    own = _taken(second, segment.operations[1])
    used = {walked.matches[number].first for number in own if number in walked.matches}
    ones = [n for n in _taken(first, segment.operations[0]) if first.data[n] and n not in used]
    made = _first_made(first, segment.operations[0])
    for one, other in [
        *((one, other) for other in own if other not in walked.matches for one in ones[:MOST]),
        *((one, other) for other in begins(second, segment) if other in own for one in made[:MOST]),
    ]:
        if math.prod(first.values[one].shape) != math.prod(second.values[other].shape):
            continue
        theirs = pair.workers[FIRST].read_values(pair.name, [one])[str(one)]
        mine = pair.workers[SECOND].read_values(pair.name, [other])[str(other)]
        given = closest(theirs, mine)
        left = closing_gap(pair, expected, replay.at_end({other: given})) if given is not None else None
        if left is not None:
            return _cause(pair, segment, one, other, left, inside=one in made)
    return None


def _cause(pair: RecordedPair, segment: Segment, one: int, other: int, left: float, *, inside: bool) -> Cause:
    """That Paddle lacks what TensorFlow does up to one value, or takes another one."""
    first, second = pair.graphs[FIRST], pair.graphs[SECOND]
    where, gap = place_of(first, segment), segment.parting.gap
    if inside:
        number = max((s.index for s in first.steps if s.output == one), default=-1)
        step = next((s for s in first.steps if s.index == number), None)
        name = f"{step.name} ({step})" if step is not None else first.operations[first.producer[one]].name
        where = layer_before(first, one) or where
        change = f"{name} exists in TensorFlow only"
    else:
        gives = layer_before(first, one) or first.values[one].name
        taken = second.values[other].name or ("other numbers" if second.data[other] else "a constant")
        change = f"initial state, or another value that is taken: TensorFlow has what {gives} gives, Paddle {taken}"
    before = f" from {gap:.1e}" if math.isfinite(gap) else ""
    text = f"{where}: {change}; with TensorFlow's numbers the gap falls{before} to {left:.1e}"
    return Cause(Diagnosis(SECOND, where, "", text, gap, left, change=change))


def _first_made(graph: RecordedGraph, operations: Sequence[int]) -> list[int]:
    """The values of known functions that operations make of what lies outside alone."""
    made = {number for index in operations for number in graph.operations[index].outputs}
    begin = [graph.operations[index] for index in operations if not made & set(graph.operations[index].inputs)]
    known = {step.output for step in graph.steps if step.kind != "other"}
    return [number for operation in begin for number in operation.outputs if number in known]


def _taken(graph: RecordedGraph, operations: Sequence[int]) -> list[int]:
    """The floating-point values from outside that operations take, apart from the models' arrays."""
    made = {number for index in operations for number in graph.operations[index].outputs}
    taken = [number for index in operations for number in graph.operations[index].inputs if number not in made]
    return [
        number
        for number in dict.fromkeys(taken)
        if graph.values[number].floating and not graph.arrays[number] and graph.values[number].source != "array"
    ]


def reversed_axis(pair: RecordedPair, segment: Segment, replay: Replay, expected: np.ndarray) -> Cause | None:
    """Whether a segment differs by nothing but the direction of one axis of what it takes or makes.

    Args:
        pair: whose graphs are those of a traced walk.
        segment: of it.
        replay: of Paddle's operations in the segment.
        expected: TensorFlow's numbers at its end, in Paddle's order.

    Returns:
        The cause, proven: with the axis reversed in Paddle the segment gives `expected`. None for none.

    Raises:
        WorkerError: a worker fails.
    """
    second = pair.graphs[SECOND]
    for number, axis in _axes(second, segment):
        values = replay.values({}, [number])
        if values is None:
            continue
        turned = np.ascontiguousarray(np.flip(values[number], axis))
        left = closing_gap(pair, expected, turned if number == replay.end else replay.at_end({number: turned}))
        if left is not None:
            names = [second.operations[index].name for index in segment.operations[1]]
            own = any(word in name for name in names for word in REVERSING)
            has, lacks = ("Paddle", "TensorFlow") if own else ("TensorFlow", "Paddle")
            where, gap = place_of(pair.graphs[FIRST], segment), segment.parting.gap
            shape = "x".join(map(str, second.values[number].shape))
            change = f"order along axis {axis} of Paddle's {shape}: {has} reverses it, {lacks} does not"
            before = f" from {gap:.1e}" if math.isfinite(gap) else ""
            text = f"{where}: {change}; with it reversed the gap falls{before} to {left:.1e}"
            todo = dict.fromkeys((FIRST, SECOND), "reverse the axis in both models, or in neither")
            return Cause(Diagnosis(SECOND, where, "", text, gap, left, change=change), todo=todo)
    return None


def _axes(graph: RecordedGraph, segment: Segment) -> Iterator[tuple[int, int]]:
    """Values of a segment in Paddle and an axis of each, those first at which it begins."""
    made = [number for index in segment.operations[1] for number in graph.operations[index].outputs]
    for number in [*begins(graph, segment), *made][:MOST]:
        shape = graph.values[number].shape
        for axis in range(len(shape) - 1, 0, -1):
            if shape[axis] > 1 and graph.values[number].floating:
                yield number, axis
