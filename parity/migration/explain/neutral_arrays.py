"""What else differs beside arrays that one of the models has alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.explain.causes import Cause
from parity.migration.explain.explanation import explain
from parity.migration.prove.inputs import InputSet
from parity.migration.specs import FIRST, SECOND
from parity.weights.random_arrays import Law


def causes_beside_arrays_alone(pair: RecordedPair, inputs: InputSet) -> list[Cause]:
    """Look for causes while those arrays hold what most of them do nothing with: zeros, or ones of a scale.

    Args:
        pair: aligned, with arrays that have no counterpart.
        inputs: on which the models differ; the pair has the weights that belong to them.

    Returns:
        Causes with which values then agree.

    Raises:
        WorkerError: a worker fails.
    """
    alignment = pair.alignment
    laws = {FIRST: pair.laws(), SECOND: alignment.laws}
    neutral = {
        framework: {name: _neutral(laws[framework][name]) for name in alone if name in laws[framework]}
        for framework, alone in zip((FIRST, SECOND), alignment.alone, strict=True)
    }
    if not any(neutral.values()):
        return []
    for framework, arrays in neutral.items():
        pair.workers[framework].write_arrays(pair.name, arrays)
    pair.alignment = replace(alignment, alone=([], []), kept=[*alignment.kept, *neutral[SECOND]])
    try:
        walked = pair.walk_again(inputs.arrays, traced=True)
        return [
            cause
            for cause in explain(pair, walked, walked.partings)
            if cause.number and cause.diagnosis.after <= pair.close.confirmed
        ]
    finally:
        pair.alignment = alignment
        pair.give(FIRST)
        pair.give(SECOND)


def _neutral(law: Law) -> np.ndarray:
    return np.full(law.shape, 1.0 if law.law == "uniform" and law.a > 0 else 0.0, np.float32)
