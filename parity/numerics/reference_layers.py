"""The primitives in plain numpy: a third witness, slow and obvious, for small arrays only.

Maps are NHWC, kernels HWIO, dense kernels [in, out].
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from parity.numerics.geometry import pair

Pair = int | Sequence[int]  # for both axes, or [h, w]

Padding = str | int | Sequence[Sequence[int]]  # "same", "valid", for all sides, or [[top, bottom], [left, right]]

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


def conv2d(
    x: np.ndarray,
    kernel: np.ndarray,
    bias: np.ndarray | None,
    *,
    stride: Pair,
    padding: Padding,
    dilation: Pair = 1,
    groups: int = 1,
) -> np.ndarray:
    """Cross-correlation: [n, h, w, i] and [kh, kw, i / groups, o] -> [n, h', w', o].

    The channels, in and out, are as many blocks as groups; each block of the output sees that of the input.
    Raises ValueError where the kernel does not fit the channels or the maps.
    """
    into, out = kernel.shape[2:]
    if x.shape[3] != into * groups or out % groups:
        raise ValueError(f"a kernel {kernel.shape} in {groups} groups does not fit {x.shape[3]} channels")
    cells = _cells(x, kernel.shape[:2], stride, padding, dilation=dilation, fill=0.0)
    y = functools.reduce(np.add, (_product(values, kernel[place], groups) for place, values in cells))
    return y if bias is None else y + bias


def max_pool(x: np.ndarray, *, window: Pair, stride: Pair, padding: Padding) -> np.ndarray:
    """[n, h, w, c] -> [n, h', w', c]; padding never wins."""
    return functools.reduce(np.maximum, (values for _, values in _cells(x, window, stride, padding, fill=-np.inf)))


def average_pool(
    x: np.ndarray, *, window: Pair, stride: Pair, padding: Padding, count_padding: bool | None = None
) -> np.ndarray:
    """[n, h, w, c] -> [n, h', w', c]: the sum over the window's size, or over how many of its cells are in the maps.

    Raises ValueError for padding without a word on whether it counts, in which frameworks differ.
    """
    if count_padding is None and padding != "valid":
        raise ValueError(f"unless count_padding is given, averages are without padding only, found {padding!r}")

    def sums(maps: np.ndarray) -> np.ndarray:
        return functools.reduce(np.add, (values for _, values in _cells(maps, window, stride, padding, fill=0.0)))

    return sums(x) / (math.prod(pair(window)) if count_padding else sums(np.ones((1, *x.shape[1:3], 1))))


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


def cross_entropies(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """float64 [n]: log(sum exp) less the label's own logit, of logits [n, classes] and labels [n]."""
    logits = logits.astype(np.float64)
    largest = logits.max(axis=1, keepdims=True)
    total = np.log(np.exp(logits - largest).sum(axis=1)) + largest[:, 0]
    return np.asarray(total - logits[np.arange(len(labels)), labels])


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


def _cells(
    x: np.ndarray, window: Pair, stride: Pair, padding: Padding, *, dilation: Pair = 1, fill: float
) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
    """For every cell of a window, by row and column, what all windows of the padded maps hold there: [n, h', w', c].

    One cell at a time: all windows at once would take kh * kw times the memory of the maps.
    """
    size, steps, spread = pair(window), pair(stride), pair(dilation)
    reach = [(cells - 1) * apart + 1 for cells, apart in zip(size, spread, strict=True)]
    sides = _sides(x.shape[1:3], reach, steps, padding)
    padded = np.pad(x, [(0, 0), *sides, (0, 0)], constant_values=fill)
    last = [extent - cells for extent, cells in zip(padded.shape[1:3], reach, strict=True)]  # where a window can start
    if min(last) < 0:
        raise ValueError(f"a window that reaches over {reach} cells does not fit padded maps {padded.shape[1:3]}")
    for i, j in np.ndindex(size[0], size[1]):
        top, left = i * spread[0], j * spread[1]
        yield (i, j), padded[:, top : top + last[0] + 1 : steps[0], left : left + last[1] + 1 : steps[1]]


def _product(cells: np.ndarray, matrix: np.ndarray, groups: int) -> np.ndarray:
    """[n, h, w, i] times [i / groups, o], group by group: [n, h, w, o]."""
    if groups == 1:
        return np.tensordot(cells, matrix, axes=1)
    blocks = cells.reshape(*cells.shape[:3], groups, -1)
    return np.einsum("nhwgi,igo->nhwgo", blocks, matrix.reshape(len(matrix), groups, -1)).reshape(*cells.shape[:3], -1)


def _sides(
    extents: Sequence[int], reach: Sequence[int], stride: Sequence[int], padding: Padding
) -> list[tuple[int, int]]:
    """Cells before and after, for both axes; SAME puts the odd one behind."""
    if padding == "valid":
        return [(0, 0), (0, 0)]
    if padding == "same":
        facts = zip(extents, reach, stride, strict=True)
        totals = [max((-(-extent // step) - 1) * step + cells - extent, 0) for extent, cells, step in facts]
        return [(total // 2, total - total // 2) for total in totals]
    if isinstance(padding, int):
        return [(padding, padding)] * 2
    if isinstance(padding, str):
        raise ValueError(f"expected padding 'same', 'valid' or numbers, found {padding!r}")
    (top, bottom), (left, right) = padding
    return [(top, bottom), (left, right)]
