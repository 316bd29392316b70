"""What Paddle computes with rounded constants even in float64, written out; and dropout, switched off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
import paddle
from paddle import nn

from parity import graphs

_hardsigmoid = nn.functional.hardsigmoid


def _exact_hardsigmoid(x: paddle.Tensor, slope: float = 0.1666667, offset: float = 0.5, name: Any = None) -> Any:
    """Paddle's own, but in float64 with the slope that its default of seven digits stands for: 1/6."""
    if x.dtype != paddle.float64 or slope != 0.1666667:
        return _hardsigmoid(x, slope, offset, name)
    return paddle.clip(x / paddle.full([], 6.0, x.dtype) + offset, 0.0, 1.0)


nn.functional.hardsigmoid = _exact_hardsigmoid  # through which its layer goes, too


@contextmanager
def exact_average_pools() -> Iterator[None]:
    """Write average pools out: the gradients of Paddle's kernels are scaled by a float32 number, in float64 too."""
    window, whole = nn.functional.avg_pool2d, nn.functional.adaptive_avg_pool2d

    def average(x: paddle.Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, **options: Any) -> Any:
        plain = options.get("data_format", "NCHW") == "NCHW" and not isinstance(padding, (str, list, tuple))
        if not plain or options.get("ceil_mode") or options.get("divisor_override"):
            return window(x, kernel_size, stride, padding, **options)
        size, step = graphs.pair(kernel_size), graphs.pair(stride or kernel_size)
        outer = nn.functional.pad(x, [padding] * 4)
        real = nn.functional.pad(paddle.ones_like(x), [padding] * 4)  # what is not padding
        ends = [(extent - k) // s * s + 1 for extent, k, s in zip(outer.shape[2:], size, step, strict=True)]
        cells = [
            (..., slice(row, row + ends[0], step[0]), slice(column, column + ends[1], step[1]))
            for row in range(size[0])
            for column in range(size[1])
        ]
        count = paddle.add_n([real[cell] for cell in cells]) if options.get("exclusive", True) else size[0] * size[1]
        return paddle.add_n([outer[cell] for cell in cells]) / count

    def mean(x: paddle.Tensor, output_size: Any, data_format: str = "NCHW", name: Any = None) -> paddle.Tensor:
        if np.ravel(output_size).tolist() not in ([1], [1, 1]):
            return whole(x, output_size, data_format, name)
        return x.mean([1, 2] if data_format == "NHWC" else [2, 3], keepdim=True)

    functions = nn.functional
    with mock.patch.object(functions, "avg_pool2d", average), mock.patch.object(functions, "adaptive_avg_pool2d", mean):
        yield


@contextmanager
def dropout_off() -> Iterator[None]:
    """Let dropout do nothing in training mode: the two frameworks draw different masks."""
    with mock.patch.object(nn.functional, "dropout", lambda x, *args, **kwargs: x):
        yield
