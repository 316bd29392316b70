"""The primitives in plain numpy: a third witness, slow and obvious, for small arrays only.

Maps are NHWC, kernels HWIO, dense kernels [in, out].
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Padding = str | int

KINDS = (
    "conv",
    "dense",
    "batch_norm",
    "relu",
    "dropout",
    "lrn",
    "max_pool",
    "average_pool",
    "adaptive_average_pool",
    "global_max_pool",
)  # of layers that `layer` knows


def conv2d(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray | None, *, stride: int, padding: Padding) -> np.ndarray:
    """Cross-correlation: [n, h, w, i] and [k, k, i, o] -> [n, h', w', o]."""
    windows = _windows(x, kernel.shape[0], stride, padding, fill=0.0)  # [n, h', w', i, k, k]
    y = np.tensordot(windows, kernel, axes=((4, 5, 3), (0, 1, 2)))
    return y if bias is None else y + bias


def max_pool(x: np.ndarray, *, window: int, stride: int, padding: Padding) -> np.ndarray:
    """[n, h, w, c] -> [n, h', w', c]; padding never wins."""
    return _windows(x, window, stride, padding, fill=-np.inf).max(axis=(4, 5))


def average_pool(x: np.ndarray, *, window: int, stride: int, padding: Padding) -> np.ndarray:
    """[n, h, w, c] -> [n, h', w', c], without padding."""
    if padding != "valid":
        raise ValueError(f"the networks pool averages without padding only, found {padding!r}")
    return _windows(x, window, stride, padding, fill=0.0).mean(axis=(4, 5))


def adaptive_average_pool(x: np.ndarray, side: int) -> np.ndarray:
    """[n, h, w, c] -> [n, side, side, c]: the i-th window of an axis of m cells is [i m / side], [(i + 1) m / side]."""
    y = np.empty((len(x), side, side, x.shape[3]), x.dtype)
    for i, j in np.ndindex(side, side):
        rows, columns = (
            slice(math.floor(k * extent / side), math.ceil((k + 1) * extent / side))
            for k, extent in zip((i, j), x.shape[1:3], strict=True)
        )
        y[:, i, j] = x[:, rows, columns].mean(axis=(1, 2))
    return y


def lrn(x: np.ndarray, *, radius: int, bias: float, alpha: float, beta: float) -> np.ndarray:
    """[n, h, w, c] -> the same: each value over a power of the squares of the channels up to `radius` away."""
    squares = np.pad(x**2, [(0, 0)] * 3 + [(radius, radius)])
    sums = sliding_window_view(squares, 2 * radius + 1, axis=3).sum(axis=4)
    return x / (bias + alpha * sums) ** beta


def batch_norm(x: np.ndarray, parameters: Mapping[str, np.ndarray], epsilon: float) -> np.ndarray:
    """Inference: [..., c] normalised by the running statistics `mean` and `variance`."""
    scale = parameters["gamma"] / np.sqrt(parameters["variance"] + epsilon)
    return (x - parameters["mean"]) * scale + parameters["beta"]


def batch_norm_training(
    x: np.ndarray, parameters: Mapping[str, np.ndarray], epsilon: float, momentum: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training: [..., c] normalised by its own statistics; also the running mean and variance, moved by them.

    The variance is the biased one in both places.
    """
    axes = tuple(range(x.ndim - 1))
    mean, variance = x.mean(axis=axes), x.var(axis=axes)
    y = batch_norm(x, dict(parameters) | {"mean": mean, "variance": variance}, epsilon)
    moved = [momentum * parameters[k] + (1 - momentum) * own for k, own in (("mean", mean), ("variance", variance))]
    return y, moved[0], moved[1]


def layer(spec: Mapping[str, Any], x: np.ndarray, parameters: Mapping[str, np.ndarray]) -> np.ndarray:
    """One layer in inference: its spec (`kind` and numbers) and its canonical arrays (`kernel`, `bias`, ...)."""
    match spec["kind"]:
        case "conv":
            kernel, bias = parameters["kernel"], parameters.get("bias")
            return conv2d(x, kernel, bias, stride=spec["stride"], padding=spec["padding"])
        case "dense":
            return x @ parameters["kernel"] + parameters["bias"]
        case "batch_norm":
            return batch_norm(x, parameters, spec["epsilon"])
        case "relu":
            return np.maximum(x, 0)
        case "dropout":  # in inference
            return x
        case "max_pool":
            return max_pool(x, window=spec["window"], stride=spec["stride"], padding=spec["padding"])
        case "lrn":
            return lrn(x, **{name: spec[name] for name in ("radius", "bias", "alpha", "beta")})
        case "adaptive_average_pool":
            return adaptive_average_pool(x, spec["side"])
        case "average_pool":
            return average_pool(x, window=spec["window"], stride=spec["stride"], padding=spec["padding"])
        case "global_max_pool":
            return x.max(axis=(1, 2), keepdims=True)
    raise ValueError(f"no reference for a layer of kind {spec['kind']!r}")


def _windows(x: np.ndarray, size: int, stride: int, padding: Padding, *, fill: float) -> np.ndarray:
    """Every window of the padded maps: [n, h', w', c, size, size]."""
    sides = [(0, 0), *(_sides(extent, size, stride, padding) for extent in x.shape[1:3]), (0, 0)]
    padded = np.pad(x, sides, constant_values=fill)
    return sliding_window_view(padded, (size, size), axis=(1, 2))[:, ::stride, ::stride]


def _sides(extent: int, size: int, stride: int, padding: Padding) -> tuple[int, int]:
    """Cells before and after; SAME puts the odd one behind."""
    if padding == "valid":
        return 0, 0
    if isinstance(padding, int):
        return padding, padding
    total = max((-(-extent // stride) - 1) * stride + size - extent, 0)
    return total // 2, total - total // 2
