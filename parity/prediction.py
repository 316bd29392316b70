"""The logits of many test images, batch by batch; runs inside the workers, so it imports no framework."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from parity.loop import EVALUATION_BATCH
from parity.protocol import Arrays


def logits_of(
    forward: Callable[[np.ndarray], np.ndarray], data: Arrays, dtype: str, progress: Callable[..., None]
) -> np.ndarray:
    """Logits [n, classes] of `data`: uint8 `images` [n, h, w, c], n >= 1, and float32 `mean` [h, w, c] or none.

    `forward` takes some preprocessed images NHWC: 0..1, less the mean where there is one; float32 numbers in either
    dtype, the same that a training evaluates on.
    """
    images, found = data["images"], []
    for begin in range(0, len(images), EVALUATION_BATCH):
        batch = images[begin : begin + EVALUATION_BATCH].astype(np.float32) * np.float32(1 / 255)
        if "mean" in data:
            batch -= data["mean"]
        found.append(forward(batch.astype(dtype)))
        progress(images=begin + len(batch))
    return np.concatenate(found)
