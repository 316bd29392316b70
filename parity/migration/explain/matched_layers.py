"""Layers that correspond, for the record: how far apart what they give is."""

from __future__ import annotations

import math
from collections.abc import Set as AbstractSet

import numpy as np

from parity.migration.align.axis_orders import closest
from parity.migration.align.found import Alignment
from parity.migration.align.recorded_graph import RecordedStep
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.specs import FIRST, SECOND
from parity.numerics.comparison import relative_gap
from parity.records.migrations import MatchedLayer


def matched_layer(
    pair: RecordedPair, walked: Alignment, first: RecordedStep, second: RecordedStep, caused: AbstractSet[str]
) -> MatchedLayer:
    """One matched step, and how far apart its outputs are on the same inputs.

    What lies within a segment that agrees at its end is compared only where the other model makes these numbers, too:
    there may be another order of channels, or halves of what is one array in the other model.

    Args:
        pair: after a traced walk.
        walked: that walk.
        first: the TensorFlow step.
        second: the Paddle step.
        caused: places of causes.

    Raises:
        WorkerError: a worker fails.
    """
    gap, limit = None, max(pair.close.parting, pair.close.exact)
    why = "the same arrays" if first.shapes and second.shapes else "of one kind, in the same order"
    match = walked.matches.get(second.output)
    if parting := next((one for one in walked.partings if one.second == second.output), None):
        gap, limit = parting.gap, parting.most
    elif match is not None:
        gap, why = _gap(pair, match.first, second.output), "the same numbers"
        if gap is None or gap > limit:  # in another order
            gap = match.gap
    elif first.name in caused:
        gap = _gap(pair, first.output, second.output)
    compared = gap is not None
    finite = gap if gap is not None and math.isfinite(gap) else None
    differs = compared or first.name in caused
    problem = _other_shape(pair, first.output, second.output) if differs and finite is None else ""
    return MatchedLayer(first.name, second.name, first.kind, why, finite, limit if compared else None, problem)


def _other_shape(pair: RecordedPair, first: int, second: int) -> str:
    """That two values have another number of elements; empty where they have not, or it is not known."""
    if first < 0 or second < 0:
        return ""
    one, other = pair.graphs[FIRST].values[first].shape, pair.graphs[SECOND].values[second].shape
    if math.prod(one) == math.prod(other):
        return ""
    sizes = ["x".join(map(str, shape[1:])) or "one number" for shape in (one, other)]
    return f"other shape: {sizes[0]} in TensorFlow, {sizes[1]} in Paddle"


def _gap(pair: RecordedPair, first: int, second: int) -> float | None:
    if first < 0 or second < 0:
        return None
    one = pair.workers[FIRST].read_values(pair.name, [first])[str(first)]
    other = pair.workers[SECOND].read_values(pair.name, [second])[str(second)].astype(np.float64)
    made = closest(one, other)
    return relative_gap(made, other) if made is not None and made.shape == other.shape and made.any() else None
