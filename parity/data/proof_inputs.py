"""Images as the inputs of proofs: how many, of which size, on which scale."""

from __future__ import annotations

import numpy as np

MOST_FLOPS = 8e9  # of one forward pass of a proof; larger networks get fewer inputs


def affordable(most: int, flops: float) -> int:
    """How many inputs the proofs of a network run at once.

    Args:
        most: of a network that takes little.
        flops: of one input's forward pass.

    Returns:
        1 to `most`.

    Example:
        >>> affordable(8, 1e6), affordable(8, 3e9), affordable(8, 1e12)
        (8, 2, 1)
    """
    return max(1, min(most, int(MOST_FLOPS // max(flops, 1))))


def resized(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Images enlarged by a whole number, as far as needed, and then cut to size.

    Args:
        pixels: [n, size, size, c].
        height: of the result.
        width: of the result.

    Returns:
        [n, height, width, c], of the same dtype.
    """
    scale = -(-max(height, width) // pixels.shape[1])
    return pixels.repeat(scale, axis=1).repeat(scale, axis=2)[:, :height, :width]


def scaled(pixels: np.ndarray) -> np.ndarray:
    """Pixels on the scale of a network's inputs.

    Args:
        pixels: in 0..255, of any shape and dtype.

    Returns:
        float32 in -2..2, of the same shape.
    """
    return ((pixels.astype(np.float32) / 255) - np.float32(0.5)) * np.float32(4)
