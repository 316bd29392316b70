"""What else differs beside arrays that the TensorFlow model has alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.explain.causes import Cause
from parity.migration.explain.explanation import explain
from parity.migration.prove.inputs import InputSet
from parity.migration.specs import FIRST


def causes_beside_arrays_alone(pair: RecordedPair, inputs: InputSet) -> list[Cause]:
    """Look for causes while those arrays hold what most of them do nothing with: zeros, or ones of a scale.

    Args:
        pair: aligned, with arrays of TensorFlow that have no counterpart.
        inputs: on which the models differ; the pair has the weights that belong to them.

    Returns:
        Causes with which values then agree.

    Raises:
        WorkerError: a worker fails.
    """
    alone, laws = pair.alignment.alone[0], pair.laws()
    neutral = {
        name: np.full(law.shape, 1.0 if law.law == "uniform" and law.a > 0 else 0.0, np.float32)
        for name, law in laws.items()
        if name in alone
    }
    if not neutral:
        return []
    alignment = pair.alignment
    pair.workers[FIRST].write_arrays(pair.name, neutral)
    pair.alignment = replace(alignment, alone=([], []))
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
