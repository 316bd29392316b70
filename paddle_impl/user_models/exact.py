"""What Paddle computes with rounded constants even in float64, written out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
import paddle
from paddle import nn

from parity.kinds.activation import SELU_ALPHA, SELU_SCALE
from parity.numerics import geometry
from parity.numerics.geometry import single

_hardsigmoid, _selu, _leaky_relu = nn.functional.hardsigmoid, nn.functional.selu, nn.functional.leaky_relu


def _exact_hardsigmoid(x: paddle.Tensor, slope: float = 0.1666667, offset: float = 0.5, name: Any = None) -> Any:
    """Paddle's own, but in float64 with a slope of exactly 1/6, of which its default has seven digits."""
    if x.dtype != paddle.float64 or slope != 0.1666667:
        return _hardsigmoid(x, slope, offset, name)
    return paddle.clip(x / paddle.full([], 6.0, x.dtype) + offset, 0.0, 1.0)


def _exact_selu(x: paddle.Tensor, scale: float = SELU_SCALE, alpha: float = SELU_ALPHA, name: Any = None) -> Any:
    """Paddle's own, but in float64 with constants that are not rounded to float32."""
    if x.dtype != paddle.float64:
        return _selu(x, scale, alpha, name)
    scale, alpha = (paddle.full([], constant, x.dtype) for constant in (scale, alpha))
    return scale * paddle.where(x > 0, x, alpha * paddle.expm1(paddle.minimum(x, paddle.zeros_like(x))))


def _rounded_leaky_relu(x: paddle.Tensor, negative_slope: float = 0.01, name: Any = None) -> Any:
    """Paddle's own, but with a slope that is a float32 number, as TensorFlow has it in float64, too."""
    return _leaky_relu(x, single(negative_slope), name)


# their layers call these, too
nn.functional.hardsigmoid, nn.functional.selu = _exact_hardsigmoid, _exact_selu
nn.functional.leaky_relu = _rounded_leaky_relu


@contextmanager
def exact_average_pools() -> Iterator[None]:
    """Write average pools out: the gradients of Paddle's kernels are scaled by a float32 number, in float64 too."""
    functions = nn.functional
    window, whole = functions.avg_pool2d, functions.adaptive_avg_pool2d
    row_window, whole_row = functions.avg_pool1d, functions.adaptive_avg_pool1d

    def average(x: paddle.Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, **options: Any) -> Any:
        plain = options.get("data_format", "NCHW") == "NCHW"
        size, step = geometry.pair(kernel_size), geometry.pair(stride or kernel_size)
        sides = _given_sides(padding, x.shape[2:], size, step)
        if sides is None or not plain or options.get("ceil_mode") or options.get("divisor_override"):
            return window(x, kernel_size, stride, padding, **options)
        return _average(x, size, step, sides, exclusive=options.get("exclusive", True))

    def average_row(
        x: paddle.Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        exclusive: bool = True,
        ceil_mode: bool = False,
        name: Any = None,
    ) -> Any:
        flat = np.ravel(padding).tolist()
        given = padding if isinstance(padding, str) else [0, 0, *flat] if len(flat) == 2 else [0, *flat]
        size, step = geometry.over_row(kernel_size), geometry.over_row(stride or kernel_size)
        sides = _given_sides(given, [1, x.shape[2]], size, step)
        if sides is None or ceil_mode:
            return row_window(x, kernel_size, stride, padding, exclusive, ceil_mode, name)
        return _average(x.unsqueeze(2), size, step, sides, exclusive=exclusive).squeeze(2)

    def mean(x: paddle.Tensor, output_size: Any, data_format: str = "NCHW", name: Any = None) -> paddle.Tensor:
        if np.ravel(output_size).tolist() not in ([1], [1, 1]):
            whole_numbers = all(isinstance(size, int) for size in np.ravel(output_size).tolist())
            if data_format != "NCHW" or not whole_numbers:
                return whole(x, output_size, data_format, name)
            return _adaptive_average(x, geometry.pair(output_size))
        return x.mean([1, 2] if data_format == "NHWC" else [2, 3], keepdim=True)

    def mean_of_row(x: paddle.Tensor, output_size: Any, name: Any = None) -> paddle.Tensor:
        if np.ravel(output_size).tolist() == [1]:
            return x.mean(2, keepdim=True)
        sizes = np.ravel(output_size).tolist()
        if not isinstance(sizes[0], int):
            return whole_row(x, output_size, name)
        return _adaptive_average(x.unsqueeze(2), [1, sizes[0]]).squeeze(2)

    whole_volume = functions.adaptive_avg_pool3d

    def mean_of_volume(x: paddle.Tensor, output_size: Any, data_format: str = "NCDHW", name: Any = None) -> Any:
        if np.ravel(output_size).tolist() not in ([1], [1, 1, 1]):
            return whole_volume(x, output_size, data_format, name)
        return x.mean([1, 2, 3] if data_format == "NDHWC" else [2, 3, 4], keepdim=True)

    with mock.patch.multiple(
        functions,
        adaptive_avg_pool3d=mean_of_volume,
        avg_pool2d=average,
        adaptive_avg_pool2d=mean,
        avg_pool1d=average_row,
        adaptive_avg_pool1d=mean_of_row,
    ):
        yield


def _adaptive_average(x: paddle.Tensor, size: list[int]) -> paddle.Tensor:
    """Averages over windows that share maps [n, c, h, w] out evenly, as a product with a matrix for each axis."""
    rows, columns = (
        paddle.to_tensor(_shares(into, out)).astype(x.dtype) for into, out in zip(x.shape[2:], size, strict=True)
    )
    return paddle.matmul(paddle.matmul(rows, x), columns, transpose_y=True)


def _shares(into: int, out: int) -> np.ndarray:
    """[out, into]: of each pixel of an axis, its share of each window's average."""
    shares = np.zeros((out, into))
    for index in range(out):
        window = slice(index * into // out, -(-(index + 1) * into // out))
        shares[index, window] = 1 / (window.stop - window.start)
    return shares


def _average(x: paddle.Tensor, size: list[int], step: list[int], sides: list[int], *, exclusive: bool) -> paddle.Tensor:
    """Averages over windows of maps [n, c, h, w], padded above, below, left and right."""
    top, bottom, left, right = sides
    turned = [left, right, top, bottom]
    outer = nn.functional.pad(x, turned)
    ends = [(extent - k) // s * s + 1 for extent, k, s in zip(outer.shape[2:], size, step, strict=True)]
    taps = [
        (..., slice(row, row + ends[0], step[0]), slice(column, column + ends[1], step[1]))
        for row in range(size[0])
        for column in range(size[1])
    ]
    real = nn.functional.pad(paddle.ones_like(x), turned)  # what is not padding
    count = paddle.add_n([real[tap] for tap in taps]) if exclusive else size[0] * size[1]
    return paddle.add_n([outer[tap] for tap in taps]) / count


def _given_sides(padding: Any, extents: list[int], size: list[int], step: list[int]) -> list[int] | None:
    """A pool's padding above, below, left and right; None for one of another form."""
    if isinstance(padding, str):
        if padding.upper() != "SAME":
            return [0] * 4 if padding.upper() == "VALID" else None
        axes = list(zip(extents, size, step, strict=True))
        befores = [geometry.same_padding(*axis) for axis in axes]
        return [
            side
            for (extent, k, s), before in zip(axes, befores, strict=True)
            for side in geometry.used_padding(extent, -(-extent // s), k, s, 1, before)
        ]
    flat = np.ravel(padding).tolist()
    if not all(isinstance(side, int) for side in flat):
        return None
    return {1: flat * 4, 2: [side for side in flat for _ in range(2)], 4: flat}.get(len(flat))
