"""Windows over maps and sequences, as Paddle's layers hold them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import paddle
from paddle import nn

from parity.kinds.repairs import shortest
from parity.numerics.geometry import Sides, over_row, pair, same_padding, used_padding


def sides_of(layer: nn.Layer) -> Sides:
    """From shapes of what the layer takes or makes to height and width; a sequence is of height 1."""
    return sides_by(last=channels_last(layer) or sequences_last(layer))


def sides_by(*, last: bool) -> Sides:
    """As `sides_of`, by whether the channels come last."""

    def sides(shape: Sequence[int]) -> list[int]:
        extents = list(shape[1:-1] if last else shape[2:])
        return [1, *extents] if len(shape) == 3 else extents

    return sides


def channels_last(layer: nn.Layer) -> bool:
    """Whether the layer takes maps [n, h, w, c], or volumes [n, d, h, w, c]."""
    orders = getattr(layer, "_data_format", None), getattr(layer, "data_format", None)
    return any(order in ("NHWC", "NDHWC") for order in orders)


def sequences_last(layer: nn.Layer) -> bool:
    """Whether the layer takes sequences [n, t, c]."""
    return getattr(layer, "_data_format", None) == "NLC"


def both(x: paddle.Tensor, value: Any) -> list[int]:
    """A layer's number as [h, w], of maps or a sequence x, or as [d, h, w] of volumes."""
    if x.ndim == 5 and isinstance(value, int):
        return [value] * 3
    return over_row(value) if x.ndim == 3 else pair(value)


def of_row(padding: Any) -> Any:
    """The padding of a sequence, as that of maps of one row: [h, w], or all four sides."""
    if isinstance(padding, str):
        return padding
    flat = np.ravel(padding).tolist()
    # one number; before and after; or a pair for each of the three axes
    return [0, flat[0]] if len(flat) == 1 else [0, 0, *(flat if len(flat) == 2 else flat[4:])]


def padding_of(
    padding: Any, into: list[int], out: list[int], window: list[int], stride: list[int], dilation: list[int]
) -> list[list[int]]:
    """[[top, bottom], [left, right]], as far as windows reach.

    Args:
        padding: as the layer holds it: "SAME", "VALID", one number, one an axis, four sides, or a pair for each axis.
        into: [h, w] of the input.
        out: [h, w] of the output.
        window: [h, w].
        stride: [h, w].
        dilation: [h, w].
    """
    if isinstance(padding, str):
        valid = padding.upper() == "VALID"
        before = [0 if valid else same_padding(*facts) for facts in zip(into, window, stride, dilation, strict=True)]
    else:
        flat = np.ravel(padding).tolist()
        count = len(window)
        # one number; one an axis; [top, bottom, left, right]; or a pair for each axis, images and channels included
        before = {1: flat * count, count: flat, 2 * count: flat[::2], 2 * count + 4: flat[4::2]}[len(flat)]
    return [used_padding(*facts) for facts in zip(into, out, window, stride, dilation, before, strict=True)]


def four_sides(sides: Any) -> list[int]:
    """[[top, bottom], [left, right]] as Paddle takes it: above, below, left, right."""
    (top, bottom), (left, right) = sides
    return [top, bottom, left, right]


def sides_as_given(sides: Any, *, row: bool) -> Any:
    """[[top, bottom], [left, right]] in the shortest form in which a layer takes it; of volumes all six."""
    pairs = list(sides)[row:]
    if all(before == after for before, after in pairs):
        return shortest([before for before, _ in pairs])
    return [count for pair_of_axis in pairs for count in pair_of_axis]
