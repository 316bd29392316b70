"""Losses of two runs on identical batches, step by step."""

from __future__ import annotations

import numpy as np


def relative_gaps(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Of every step: the difference of the losses relative to the larger one; NaN where one is not finite.

    >>> relative_gaps(np.array([2.0, 0.0, np.inf]), np.array([1.0, 0.0, 1.0]))
    array([0.5, 0. , nan])

    Args:
        one: losses in nats, float32 or float64, one a step.
        other: as `one`, of the same steps.

    Returns:
        As many numbers, in the precision of the losses.
    """
    larger = np.maximum(np.abs(one), np.abs(other))
    with np.errstate(invalid="ignore"):
        return np.abs(one - other) / np.where(larger == 0, 1.0, larger)
