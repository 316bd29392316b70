"""For how many inputs two models make another output the largest, with the TensorFlow model's own weights in both."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.prove.inputs import InputSet, likely_inputs
from parity.migration.prove.outputs import paired
from parity.migration.specs import FIRST, SECOND
from parity.numerics.comparison import relative_gap
from parity.numerics.tolerance import FLOAT32_ROUNDING
from parity.records.migrations import Impact
from parity.weights.parts import assembled

FEWEST, MOST_INPUTS = 8, 200

MOST_ELEMENTS = 2**24  # of all inputs: larger inputs are fewer


def decision_impact(pair: RecordedPair, on_event: Callable[[str, Any], None]) -> Impact | None:
    """Count the inputs for which the largest output of the two models is not the same one, in float32.

    Args:
        pair: aligned.
        on_event: is called with "stage" and a line that says what begins.

    Returns:
        The impact; None of models whose first output is no row of numbers.

    Raises:
        WorkerError: a model does not build or run in float32.
    """
    graph = pair.graphs[FIRST]
    shape = graph.values[graph.outputs[0][1]].shape
    if len(shape) != 2 or shape[1] < 2 or not graph.values[graph.outputs[0][1]].floating:
        return None
    inputs = real_inputs(pair)
    on_event("stage", f"decisions on {inputs.count} inputs with the TensorFlow model's own weights, in float32")
    single = replace(pair, specs={name: replace(spec, dtype="float32") for name, spec in pair.specs.items()})
    single.title_suffix = " with own weights"
    single.open(draw=False)
    for _ in range(pair.calling):
        single.workers[SECOND].try_next_calling(single.name)
    own = single.workers[FIRST].read_arrays(single.name)
    single.workers[SECOND].write_arrays(
        single.name,
        {
            name: assembled(pair.opened[SECOND].arrays[name]["shape"], pieces, lambda source: _array(pair, own, source))
            for name, pieces in pair.alignment.pieces.items()
        },
    )
    firsts: list[np.ndarray] = []
    seconds: list[np.ndarray] = []
    for batch in inputs.batches():
        single.on_progress(f"{sum(map(len, firsts))} of {inputs.count} inputs")
        pairs, problem = paired(single.outputs(batch.arrays), pair.sequences_turned)
        if problem:
            single.forget()
            return None
        firsts.append(pairs[0][1])
        seconds.append(pairs[0][2])
    single.forget()
    one, other = np.concatenate(firsts), np.concatenate(seconds)
    changed = np.flatnonzero(one.argmax(axis=1) != other.argmax(axis=1))
    scale = float(np.abs(one).max()) or 1.0
    top = np.sort(one, axis=1)[:, -2:]
    margins = (top[:, 1] - top[:, 0]) / scale
    gap = relative_gap(one, other)
    return Impact(
        inputs=inputs.count,
        title=inputs.name,
        changed=len(changed),
        classes=_probabilities(one, pair.close.rounding),
        largest_gap=gap if math.isfinite(gap) else None,
        margins=[float(margins[index]) for index in changed],
        decisions=len(np.unique(one.argmax(axis=1))),
    )


def _probabilities(outputs: np.ndarray, rounding: float) -> bool:
    """Whether rows of outputs are those of a softmax, so that the largest is a class; of logits nobody can tell.

    Each number and each addition of the softmax's sum is off by a rounding at most, that of float32 or a coarser one.
    """
    limit = 4 * outputs.shape[1] * max(rounding, FLOAT32_ROUNDING)
    return bool((outputs >= 0).all() and np.abs(outputs.sum(axis=1, dtype=np.float64) - 1.0).max() <= limit)


def real_inputs(pair: RecordedPair) -> InputSet:
    """The inputs that are nearest to what the models will get.

    Args:
        pair: of which the inputs' form is known.

    Returns:
        The user's own where there are some; else up to 200 images of the data set, or drawn inputs; named after these.
    """
    if pair.user_inputs is not None:
        return pair.user_inputs
    specs, images = pair.specs[FIRST].inputs, pair.images
    size = sum(math.prod(one.shape) for one in specs)
    count = max(FEWEST, min(MOST_INPUTS, MOST_ELEMENTS // max(size, 1)))
    if images is not None:
        count = min(count, len(images))
    return likely_inputs(specs, pair.seed, count, pair.title, images)


def _array(pair: RecordedPair, own: dict[str, np.ndarray], source: str) -> np.ndarray:
    """A TensorFlow array; of those that are drawn beside them, such as a second bias, zeros; of others Paddle's own."""
    if source in own:
        return own[source]
    return np.zeros(pair.alignment.laws[source].shape, np.float32)
