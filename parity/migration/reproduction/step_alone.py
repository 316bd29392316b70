"""One pair of corresponding steps, each run by itself on what reaches the TensorFlow step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from parity.migration.align.axis_orders import closest
from parity.migration.align.recorded_graph import RecordedStep
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.specs import FIRST, SECOND
from parity.numerics.comparison import relative_gap
from parity.numerics.geometry import flattened_1x1
from parity.numerics.signature import alike, signature


@dataclass(frozen=True)
class StepAlone:
    """What a step takes, and what both frameworks make of it.

    Attributes:
        inputs: float64 maps [n, h, w, c], sequences [n, t, c] or rows [n, c]; whole numbers int64.
        outputs: by framework, channels last, a 1x1 map as a row.
    """

    inputs: list[np.ndarray]
    outputs: dict[str, np.ndarray]


def run_alone(pair: RecordedPair, one: int, other: int) -> StepAlone | None:
    """Run the Paddle step on what the TensorFlow step takes.

    Args:
        pair: whose graphs are those of a traced walk, whose values are those at its end.
        one: index of the TensorFlow step.
        other: index of the Paddle step.

    Returns:
        None where what one of them takes or makes is not known, or is of another form than in the other model. Values
        of the recorded Paddle run are others then.

    Raises:
        WorkerError: a worker fails.
    """
    first, second = pair.graphs[FIRST].steps[one], pair.graphs[SECOND].steps[other]
    if not _known(first) or not _known(second) or len(first.inputs) != len(second.inputs):
        return None
    values = pair.workers[FIRST].read_values(pair.name, [*first.inputs, first.output])
    given = [values[str(number)] for number in first.inputs]
    orders = [_give(pair, number, array) for number, array in zip(second.inputs, given, strict=True)]
    if None in orders:
        return None
    made = _made(pair, second)
    if any(orders) and made.ndim > 2:
        made = np.moveaxis(made, 1, -1)
    return StepAlone(
        [_row(array.astype(np.int64) if array.dtype.kind in "iub" else array) for array in given],
        {FIRST: _row(values[str(first.output)]), SECOND: _row(made)},
    )


def _known(step: RecordedStep) -> bool:
    return bool(step.inputs) and min((*step.inputs, step.output)) >= 0


def _row(array: np.ndarray) -> np.ndarray:
    """An array, a map of 1x1 as a row."""
    return np.ascontiguousarray(array.reshape(len(array), *flattened_1x1(array.shape[1:])) if array.ndim else array)


def _give(pair: RecordedPair, number: int, array: np.ndarray) -> bool | None:
    """Put TensorFlow's numbers in the place of a Paddle value; whether its channels are first; None if it has no room.

    What holds these numbers already stays: it may be in an order that only the weights know.
    """
    own = pair.workers[SECOND].read_values(pair.name, [number])[str(number)]
    if own.size != array.size:
        return None
    if own.dtype.kind != "f" or not alike(signature(array), signature(own), pair.close.exact):
        made = closest(array, own) if own.dtype.kind == "f" else array
        if made is None or made.shape != own.shape:
            return None
        pair.workers[SECOND].inject_values(pair.name, {str(number): np.ascontiguousarray(made)})
        own = made
    first = np.moveaxis(array, -1, 1) if array.ndim > 2 else array
    if array.ndim < 3 or first.shape != own.shape:
        return False
    return array.shape != own.shape or relative_gap(first, own) < relative_gap(array, own)


def _made(pair: RecordedPair, step: RecordedStep) -> np.ndarray:
    """What Paddle's step makes of the values that its inputs have now."""
    graph, worker = pair.graphs[SECOND], pair.workers[SECOND]
    operations, _ = graph.ancestors(step.output, set(step.inputs))
    made = {number for index in operations for number in graph.operations[index].outputs}
    worker.release_values(pair.name, sorted(made - set(step.inputs)))
    worker.evaluate_operations(pair.name, [index for index in operations if graph.on_data(index)], [])
    return worker.read_values(pair.name, [step.output])[str(step.output)]
