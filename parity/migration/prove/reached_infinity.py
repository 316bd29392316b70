"""Numbers so large that they reach a finite one which stands for infinity, in one of the two frameworks or models.

A mask is -10000 where others have -1e9, and Paddle's log_softmax takes no number for further below the largest than 64.
No model is made for scores that reach these: a mask then hides nothing, in whichever model has the smaller number.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from parity.migration.align.axis_orders import closest
from parity.migration.align.found import Alignment, Parting
from parity.migration.align.recorded_graph import RecordedOperation
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.explain.replays import Replay
from parity.migration.explain.segments import segment_of
from parity.migration.specs import FIRST, SECOND
from parity.numerics.comparison import relative_gap

LEAST = 1e3  # what a mask subtracts at the least

FLOOR = 64.0  # below the largest number, as far as Paddle's log_softmax goes; probabilities under 1e-27

BEYOND = 1e30  # instead of the number of a mask

WORDS = ("add", "sub", "where", "select")  # in names of operations that apply masks, of either framework


def infinity_reached(pair: RecordedPair, walked: Alignment, partings: Sequence[Parting]) -> bool:
    """Whether values part only because scores reach the number that stands for infinity.

    That is proven: from the last values that agree on Paddle's operations give TensorFlow's numbers with another one.

    Args:
        pair: whose recorded runs are those of the walk.
        walked: that walk.
        partings: of it.

    Returns:
        False without a parting beyond rounding.

    Raises:
        WorkerError: a worker fails.
    """
    apart = [parting for parting in partings if not parting.rounding]
    return bool(apart) and all(_reached(pair, walked, parting) for parting in apart)


def _reached(pair: RecordedPair, walked: Alignment, parting: Parting) -> bool:
    """Whether Paddle's segment, run again with another number for infinity, gives TensorFlow's numbers.

    The number is a larger one, or that of a mask in TensorFlow's segment.
    """
    if not parting.first or parting.second < 0:
        return False
    segment = segment_of(pair, walked, parting)
    replay = Replay(pair, walked, SECOND, segment.operations[1], parting.second)
    theirs = pair.workers[FIRST].read_values(pair.name, [parting.first[0]])[str(parting.first[0])]
    for size in [BEYOND, *_sizes(pair, segment.operations[0])]:
        changes: dict[int, np.ndarray] = {}
        for index in segment.operations[1]:
            changes |= _with_other_bound(pair, index, replay, size)
        made = changes[replay.end] if replay.end in changes else replay.at_end(changes) if changes else None
        if made is None:
            continue
        expected = closest(theirs, made)
        if expected is None or expected.shape != made.shape:
            continue
        if relative_gap(expected, made.astype(np.float64)) <= pair.close.parting:
            return True
    return False


def _sizes(pair: RecordedPair, operations: Sequence[int]) -> list[float]:
    """The numbers of masks in TensorFlow's operations."""
    graph = pair.graphs[FIRST]
    masking = [graph.operations[index] for index in operations if _masks(graph.operations[index])]
    numbers = [n for one in masking for n in one.inputs if graph.values[n].floating]
    read = pair.workers[FIRST].read_values(pair.name, numbers) if numbers else {}
    return list(dict.fromkeys(size for array in read.values() if (size := _mask(array))))


def _masks(operation: RecordedOperation) -> bool:
    return any(word in operation.name.lower() for word in WORDS)


def _with_other_bound(pair: RecordedPair, index: int, replay: Replay, size: float) -> dict[int, np.ndarray]:
    """What a Paddle operation would take, or make, with another number for infinity; empty where it has none."""
    operation = pair.graphs[SECOND].operations[index]
    if operation.name.startswith("log_softmax"):
        return _without_floor(pair, operation, replay)
    if not _masks(operation):
        return {}
    floats = {n: array for n, array in (replay.values({}, operation.inputs) or {}).items() if array.dtype.kind == "f"}
    return {
        number: np.sign(array) * array.dtype.type(min(size, np.finfo(array.dtype).max))
        for number, array in floats.items()
        if _mask(array)
    }


def _without_floor(pair: RecordedPair, operation: RecordedOperation, replay: Replay) -> dict[int, np.ndarray]:
    """What Paddle's log_softmax makes, without its floor: along the axis on which the floor gives its own numbers."""
    numbers = [operation.inputs[0], operation.outputs[0]]
    read = replay.values({}, numbers)  # its own numbers: after a walk TensorFlow's may stand in their place
    if read is None:
        return {}
    scores, own = (read[number].astype(np.float64) for number in numbers)
    for axis in range(scores.ndim):
        below = scores - scores.max(axis, keepdims=True)
        bounded, plain = (x - np.log(np.exp(x).sum(axis, keepdims=True)) for x in (np.maximum(below, -FLOOR), below))
        if below.min() < -FLOOR and relative_gap(bounded, own) <= pair.close.parting:
            return {operation.outputs[0]: plain}
    return {}


def _mask(array: np.ndarray) -> float:
    """The number that a mask subtracts; 0 for an array that is none."""
    hidden = np.abs(array[array != 0].astype(np.float64))
    alike = hidden.size > 0 and float(hidden.min()) == float(hidden.max())
    return float(hidden.min()) if alike and hidden.min() >= LEAST else 0.0
