"""Windows over an image: what paddings, strides and shapes come to, in either framework's notation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def used_padding(extent: int, out: int, size: int, stride: int, dilation: int, before: int) -> list[int]:
    """[before, after] along one axis, as far as windows reach: two layers that pad alike have the same numbers."""
    reach = (out - 1) * stride + (size - 1) * dilation + 1
    return [before, max(reach - extent - before, 0)]


def same_padding(extent: int, size: int, stride: int, dilation: int = 1) -> int:
    """The cells before an axis by TensorFlow's SAME: the odd one stands behind."""
    total = max((-(-extent // stride) - 1) * stride + (size - 1) * dilation + 1 - extent, 0)
    return total // 2


def cropped(into: int, out: int, size: int, stride: int, dilation: int, before: int) -> list[int]:
    """[before, after] along one axis: what a transposed convolution cuts off its full output to give `out` cells."""
    return [before, (into - 1) * stride + (size - 1) * dilation + 1 - before - out]


def single(constant: float) -> float:
    """The float32 number that Paddle makes of a layer's constant, in float64 too."""
    return float(np.float32(constant))


def pair(value: Any) -> list[int]:
    """A number for both axes, or one for each."""
    return [int(value)] * 2 if isinstance(value, int) else [int(each) for each in value]


def over_row(value: Any) -> list[int]:
    """A number for the only axis of a sequence, or a list of one, as [h, w] of maps of one row."""
    return [1, int(np.ravel(value)[0])]


def rows_of_cells(shape: Sequence[int]) -> tuple[int, ...]:
    """Shape (h, w, c) or (t, c) as it is compared: what has a single cell is a row."""
    return tuple(shape[-1:]) if len(shape) in (2, 3) and set(shape[:-1]) == {1} else tuple(shape)
