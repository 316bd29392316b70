"""Paddle's weight norm along another axis than TensorFlow's: a length for each row of a kernel, or each column."""

from __future__ import annotations

import numpy as np

from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.explain.causes import Cause
from parity.migration.explain.replays import Replay, closing_gap
from parity.migration.explain.segments import Segment, place_of
from parity.migration.specs import FIRST, SECOND
from parity.records.records import Diagnosis

LENGTH, DIRECTION = "weight_g", "weight_v"  # Paddle's names of the two arrays that it makes of a weight


def weight_norm_cause(pair: RecordedPair, segment: Segment, replay: Replay, expected: np.ndarray) -> Cause | None:
    """Whether a segment differs by nothing but the axis of a weight norm.

    Args:
        pair: whose graphs are those of a traced walk.
        segment: of it.
        replay: of Paddle's operations in the segment.
        expected: TensorFlow's numbers at its end, in Paddle's order.

    Returns:
        The cause, proven: with the weight normalised along another axis the segment gives `expected`. None for none.

    Raises:
        WorkerError: a worker fails.
    """
    graph, worker = pair.graphs[SECOND], pair.workers[SECOND]
    sources = {value.name: number for number, value in enumerate(graph.values) if value.source == "array"}
    taken = [number for index in segment.operations[1] for number in graph.operations[index].inputs]
    for number in dict.fromkeys(n for n in taken if not graph.data[n]):
        lengths = [name for name in graph.arrays[number] if name.endswith(LENGTH)]
        if len(lengths) != 1 or (other := f"{lengths[0][: -len(LENGTH)]}{DIRECTION}") not in graph.arrays[number]:
            continue
        read = worker.read_values(pair.name, [sources[lengths[0]], sources[other], number])
        length, direction, weight = (read[str(n)] for n in (sources[lengths[0]], sources[other], number))
        for axis, extent in enumerate(direction.shape):
            if length.size != extent or weight.shape != direction.shape:
                continue
            made = _normalised(length, direction, axis)
            if np.allclose(made, weight):
                continue
            left = closing_gap(pair, expected, replay.at_end({number: made}))
            if left is not None:
                return _cause(pair, segment, lengths[0], axis, left)
    return None


def _normalised(length: np.ndarray, direction: np.ndarray, axis: int) -> np.ndarray:
    """The weight: a length for each index of the axis."""
    others = tuple(other for other in range(direction.ndim) if other != axis)
    shape = [-1 if other == axis else 1 for other in range(direction.ndim)]
    return direction * length.reshape(shape) / np.sqrt(np.square(direction).sum(axis=others, keepdims=True))


def _cause(pair: RecordedPair, segment: Segment, name: str, axis: int, left: float) -> Cause:
    where, gap = place_of(pair.graphs[FIRST], segment), segment.parting.gap
    layer = name.rpartition(".")[0]
    change = f"weight norm along another axis: TensorFlow's is dim={axis} of Paddle's weight"
    todo = {SECOND: f"nn.utils.weight_norm(..., dim={axis})"}
    return Cause(Diagnosis(SECOND, where, "", f"{where} / {layer}: {change}", gap, left, change=change), todo=todo)
