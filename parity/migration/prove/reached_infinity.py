"""Numbers so large that they reach a finite one which stands for infinity, in one of the two frameworks or models.

A mask is -10000 where others have -1e9, and Paddle's log_softmax takes no number for further below the largest than 64.
No model is made for scores that reach these: a mask then hides nothing, in whichever model has the smaller number.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from parity.migration.align.found import Alignment, Parting
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.explain.segments import segment_of
from parity.migration.specs import FIRST, SECOND

LEAST = 1e3  # what a mask subtracts at the least

FLOOR = 64.0  # below the largest number, as far as Paddle's log_softmax goes; probabilities under 1e-27

WORDS = ("add", "sub", "where", "select")  # in names of operations that apply masks, of either framework


def infinity_reached(pair: RecordedPair, walked: Alignment, partings: Sequence[Parting]) -> bool:
    """Whether values part only where scores reach the number that stands for infinity.

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
    segment = segment_of(pair, walked, parting)
    return any(
        _reaches(pair, framework, index)
        for framework, operations in zip((FIRST, SECOND), segment.operations, strict=True)
        for index in operations
    )


def _reaches(pair: RecordedPair, framework: str, index: int) -> bool:
    """Whether one operation masks scores by a number that others come near to, or has a floor that some reach."""
    operation = pair.graphs[framework].operations[index]
    if framework == SECOND and operation.name.startswith("log_softmax"):
        scores = pair.workers[framework].read_values(pair.name, [operation.inputs[0]])[str(operation.inputs[0])]
        return bool(np.ptp(scores) > FLOOR)
    if not any(word in operation.name.lower() for word in WORDS):
        return False
    values = pair.workers[framework].read_values(pair.name, list(operation.inputs))
    arrays = [values[str(number)] for number in operation.inputs]
    floats = [array.astype(np.float64) for array in arrays if array.dtype.kind == "f" and np.isfinite(array).all()]
    masks = [size for size in map(_mask, floats) if size]
    spreads = [float(np.ptp(array)) for array in floats if not _mask(array)]
    return any(spread > size / 2 for size in masks for spread in spreads)


def _mask(array: np.ndarray) -> float:
    """The least number that a mask subtracts; 0 for an array that is none."""
    hidden = np.abs(array[array != 0])
    alike = hidden.size > 0 and float(hidden.min()) == float(hidden.max())
    return float(hidden.min()) if alike and hidden.min() >= LEAST else 0.0
