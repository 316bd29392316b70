"""Windows over an image: paddings, strides and shapes, from either framework's notation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

PerAxis = int | Sequence[int]  # for both axes, or [h, w]

WindowPadding = str | int | Sequence[Sequence[int]]  # "same", "valid", for all sides, or [[top, bottom], [left, right]]

Sides = Callable[[Sequence[int]], list[int]]  # from a shape, batch included, to height and width


def used_padding(extent: int, out: int, size: int, stride: int, dilation: int, before: int) -> list[int]:
    """[before, after] along one axis, as far as windows reach: two layers that pad alike have the same numbers.

    Args:
        extent: of the input along the axis, in pixels.
        out: extent of the output.
        size: of the window.
        stride: between windows.
        dilation: between the taps of a window.
        before: the padding before the axis; what a layer pads behind it may be more than its windows reach.

    Returns:
        Pixels: `before` as it is, and behind the axis what the last window covers, 0 where it ends inside.

    Example:
        >>> used_padding(extent=32, out=16, size=3, stride=2, dilation=1, before=0)
        [0, 1]
    """
    reach = (out - 1) * stride + (size - 1) * dilation + 1
    return [before, max(reach - extent - before, 0)]


def same_padding(extent: int, size: int, stride: int, dilation: int = 1) -> int:
    """The padding before an axis under TensorFlow's SAME; of an odd sum the larger part goes behind.

    Args:
        extent: of the input along the axis, in pixels.
        size: of the window.
        stride: between windows.
        dilation: between the taps of a window.

    Returns:
        Pixels, 0 or more.

    Example:
        >>> same_padding(32, 3, 1), same_padding(32, 3, 2)
        (1, 0)
    """
    total = max((-(-extent // stride) - 1) * stride + (size - 1) * dilation + 1 - extent, 0)
    return total // 2


def cropped(into: int, out: int, size: int, stride: int, dilation: int, before: int) -> list[int]:
    """What a transposed convolution cuts off its full output, along one axis, to give `out` pixels.

    Args:
        into: extent of the input.
        out: extent of the output.
        size: of the kernel.
        stride: of the output between two pixels of the input.
        dilation: between the taps of the kernel.
        before: pixels that are cut off before the axis.

    Returns:
        [before, after] in pixels; a negative number behind the axis are pixels that are added.

    Example:
        >>> cropped(into=4, out=8, size=3, stride=2, dilation=1, before=0)
        [0, 1]
    """
    return [before, (into - 1) * stride + (size - 1) * dilation + 1 - before - out]


def single(constant: float) -> float:
    """The float32 number that Paddle makes of a layer's constant, in float64 too.

    Args:
        constant: such as an epsilon, as the layer was given it.

    Returns:
        The nearest float32 number, as Python's float64.

    Example:
        >>> single(0.1)
        0.10000000149011612
    """
    return float(np.float32(constant))


def pair(value: Any) -> list[int]:
    """[h, w] of a number for both axes, or of one for each.

    Args:
        value: an int, or a sequence of two.

    Returns:
        Two Python ints. A sequence of another length keeps its length.

    Example:
        >>> pair(3), pair((3, 5))
        ([3, 3], [3, 5])
    """
    return [int(value)] * 2 if isinstance(value, int) else [int(number) for number in value]


def over_row(value: Any) -> list[int]:
    """A number for the only axis of a sequence, or a list of one, as [h, w] of maps of one row.

    Args:
        value: an int, or a list of one.

    Returns:
        [1, w].

    Example:
        >>> over_row(3), over_row([3])
        ([1, 3], [1, 3])
    """
    return [1, int(np.ravel(value)[0])]


def channels_last_axis(axis: int, rank: int, *, channels_second: bool) -> int:
    """An axis of a tensor, where the tensor's channels come last.

    Args:
        axis: counted in the tensor's own order; negative from the end.
        rank: of the tensor.
        channels_second: its channels come second, of maps, sequences and volumes; of rows they are last at any rate.

    Returns:
        0 or more.

    Example:
        >>> channels_last_axis(1, 4, channels_second=True), channels_last_axis(-1, 4, channels_second=True)
        (3, 2)
    """
    axis %= rank
    if not channels_second or rank < 3 or axis == 0:
        return axis
    return rank - 1 if axis == 1 else axis - 1


def flattened_1x1(shape: Sequence[int]) -> tuple[int, ...]:
    """Shape (h, w, c) or (t, c) as it is compared: a 1x1 map, or a sequence of one step, is a row (c,).

    Args:
        shape: without the batch, of a volume (d, h, w, c), too; any other rank stays as it is.

    Returns:
        (c,) where all other extents are 1; else the shape.

    Example:
        >>> flattened_1x1((1, 1, 64)), flattened_1x1((8, 8, 64))
        ((64,), (8, 8, 64))
    """
    return tuple(shape[-1:]) if len(shape) in (2, 3, 4) and set(shape[:-1]) == {1} else tuple(shape)


def as_maps(x: np.ndarray) -> np.ndarray:
    """Rows [n, c] as 1x1 maps, sequences [n, t, c] as maps of one row; maps and volumes as they are.

    Args:
        x: of rank 2 to 5.

    Returns:
        [n, h, w, c], a view of x.
    """
    return x[:, None, None, :] if x.ndim == 2 else x[:, None] if x.ndim == 3 else x


def window_taps(
    x: np.ndarray, window: PerAxis, stride: PerAxis, padding: WindowPadding, *, dilation: PerAxis = 1, fill: float
) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
    """For every tap of a window, by row and column, the values of all windows of the padded maps there.

    One tap at a time: all windows at once would take kh * kw times the memory of the maps.

    Args:
        x: maps [n, h, w, c], or volumes [n, d, h, w, c], for which all numbers are given axis by axis.
        window: its size.
        stride: between windows.
        padding: of the maps.
        dilation: between the taps of a window.
        fill: the value of the padding.

    Yields:
        ((row, column) in the window, values [n, h', w', c]).

    Raises:
        ValueError: a window that is larger than the padded maps, or a padding of another form.
    """
    size, steps, spread = (
        [value] * (x.ndim - 2) if isinstance(value, int) else [int(extent) for extent in value]
        for value in (window, stride, dilation)
    )
    reach = [(extent - 1) * apart + 1 for extent, apart in zip(size, spread, strict=True)]
    sides = _sides(x.shape[1:-1], reach, steps, padding)
    padded = np.pad(x, [(0, 0), *sides, (0, 0)], constant_values=fill)
    last = [
        extent - covered for extent, covered in zip(padded.shape[1:-1], reach, strict=True)
    ]  # a window's last start
    if min(last) < 0:
        raise ValueError(f"a window that reaches over {reach} pixels does not fit padded maps {padded.shape[1:-1]}")
    for tap in np.ndindex(*size):
        starts = [index * apart for index, apart in zip(tap, spread, strict=True)]
        within = (slice(start, start + end + 1, step) for start, end, step in zip(starts, last, steps, strict=True))
        yield tap, padded[(slice(None), *within)]


def _sides(
    extents: Sequence[int], reach: Sequence[int], stride: Sequence[int], padding: WindowPadding
) -> list[list[int]]:
    """Padding in pixels before and after, for both axes."""
    if padding == "valid":
        return [[0, 0] for _ in extents]
    if padding == "same":
        return [
            used_padding(extent, -(-extent // step), covered, step, 1, same_padding(extent, covered, step))
            for extent, covered, step in zip(extents, reach, stride, strict=True)
        ]
    if isinstance(padding, int):
        return [[padding, padding] for _ in extents]
    if isinstance(padding, str):
        raise ValueError(f"expected padding 'same', 'valid' or numbers, found {padding!r}")
    return [[before, after] for before, after in padding]
