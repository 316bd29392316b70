"""The probe that distinguishes float32 from TF32, bfloat16 and similar formats by their rounding, not by a flag."""

from __future__ import annotations

from typing import Any

import numpy as np

from parity.kinds.conv import conv2d
from parity.numerics.comparison import relative_gap

# An entry is a sum of 512 products: float32 errs by about sqrt(512) * 2**-24 = 1.4e-6 of the largest at most, a format
# with a 10-bit mantissa (TF32, float16) by 2**-11 = 5e-4 a factor, bfloat16 by 2**-8. The limit lies between.
FLOAT32_BORDER = 2.0**-16


def reference_problem() -> tuple[np.ndarray, ...]:
    """(a, b, a @ b, maps NHWC, kernel HWIO, conv): float32 operands, float64 results."""
    draw = np.random.default_rng(0)
    a, b = (draw.normal(size=(512, 512)).astype(np.float32) for _ in range(2))
    maps = draw.normal(size=(1, 12, 12, 64)).astype(np.float32)
    kernel = draw.normal(size=(3, 3, 64, 64)).astype(np.float32)
    convolved = conv2d(maps.astype(np.float64), kernel.astype(np.float64), None, stride=1, padding="valid")
    return a, b, a.astype(np.float64) @ b.astype(np.float64), maps, kernel, convolved


def verdict(product: np.ndarray, exact: np.ndarray, convolved: np.ndarray, exact_maps: np.ndarray) -> dict[str, Any]:
    """Judge by its errors in which precision a device computes.

    Args:
        product: the device's product of the two matrices of `reference_problem`.
        exact: the float64 product.
        convolved: the device's convolution.
        exact_maps: the float64 convolution.

    Returns:
        `matmul_error` and `conv_error`, relative to the largest exact value; `verdict`, "float32" or "reduced
        precision".
    """
    matmul = relative_gap(exact, product.astype(np.float64))
    conv = relative_gap(exact_maps, convolved.astype(np.float64))
    exact_enough = matmul < FLOAT32_BORDER and conv < FLOAT32_BORDER
    return {
        "matmul_error": matmul,
        "conv_error": conv,
        "verdict": "float32" if exact_enough else "reduced precision",
    }
