"""Single steps of any user's model in plain numpy: the third witness beside both frameworks.

Maps are NHWC, kernels HWIO, dense kernels [in, out]. Maps of a single cell are rows, coming in and going out, as in
`parity.runtime.graph.Step`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from parity.numerics import reference_layers
from parity.numerics.geometry import rows_of_cells

SELU = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717  # scale, alpha

KINDS = (
    "conv",
    "conv_transpose",
    "dense",
    "batch_norm",
    "layer_norm",
    "group_norm",
    "attention",
    "embedding",
    "max_pool",
    "average_pool",
    "global_max_pool",
    "global_average_pool",
    "activation",
    "prelu",
    "dropout",
    "zero_pad",
    "scale",
    "add",
    "multiply",
    "concat",
    "identity",
    "reshape",
)  # of steps that `compute` knows: all but "other"


def compute(
    kind: str, numbers: Mapping[str, Any], inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]
) -> np.ndarray:
    """What a step makes of its inputs, in inference.

    Args:
        kind: of `KINDS`.
        numbers: the kind's, see `parity.runtime.graph.Step`.
        inputs: float64 maps [n, h, w, c], sequences [n, t, c] or rows [n, c]; of an embedding whole numbers [n, ...].
        arrays: the step's own by kind ("kernel", "bias", "gamma", ...); without a bias, gamma or beta these do nothing.

    Raises ValueError for another kind, an unknown activation function or arrays that do not fit.
    """
    y = _compute(kind, numbers, inputs, arrays)
    if inputs[0].ndim == 3 and y.ndim == 4:
        y = y[:, 0]  # a sequence again
    return y.reshape(len(y), *rows_of_cells(y.shape[1:]))


def _compute(
    kind: str, numbers: Mapping[str, Any], inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]
) -> np.ndarray:
    x = inputs[0]
    affine = {"gamma": np.ones(1), "beta": np.zeros(1), **arrays}
    match kind:
        case "conv":
            facts = {name: numbers[name] for name in ("stride", "padding", "dilation", "groups")}
            return reference_layers.conv2d(_maps(x), arrays["kernel"], arrays.get("bias"), **facts)
        case "conv_transpose":
            return _conv_transpose(_maps(x), arrays["kernel"], numbers) + arrays.get("bias", 0)
        case "dense":
            return x @ arrays["kernel"] + arrays.get("bias", 0)
        case "batch_norm":
            return reference_layers.batch_norm(x, affine, numbers["epsilon"])
        case "layer_norm":
            own = {"mean": x.mean(axis=-1, keepdims=True), "variance": x.var(axis=-1, keepdims=True)}
            return reference_layers.batch_norm(x, affine | own, numbers["epsilon"])
        case "group_norm":
            groups = x.reshape(len(x), -1, numbers["groups"], x.shape[-1] // numbers["groups"])
            own = {"mean": groups.mean(axis=(1, 3), keepdims=True), "variance": groups.var(axis=(1, 3), keepdims=True)}
            plain = {"gamma": np.ones(1), "beta": np.zeros(1)}
            normal = reference_layers.batch_norm(groups, plain | own, numbers["epsilon"]).reshape(x.shape)
            return normal * affine["gamma"] + affine["beta"]
        case "attention":
            return _attention(inputs, arrays, numbers["heads"])
        case "embedding":
            return arrays["kernel"][x]
        case "max_pool":
            return reference_layers.max_pool(
                _maps(x), **{name: numbers[name] for name in ("window", "stride", "padding")}
            )
        case "average_pool":
            facts = {name: numbers[name] for name in ("window", "stride", "padding", "count_padding")}
            return reference_layers.average_pool(_maps(x), **facts)
        case "global_max_pool":
            return _maps(x).max(axis=(1, 2))
        case "global_average_pool":
            return _maps(x).mean(axis=(1, 2))
        case "activation":
            return _activation(numbers, x)
        case "prelu":
            return np.where(x > 0, x, arrays["slope"] * x)
        case "dropout" | "identity":
            return x
        case "zero_pad":
            return np.pad(_maps(x), [(0, 0), *map(tuple, numbers["padding"]), (0, 0)])
        case "scale":
            return x * np.asarray(numbers["scale"]) + np.asarray(numbers["offset"])
        case "add":
            return functools.reduce(np.add, _alike(inputs))
        case "multiply":
            return functools.reduce(np.multiply, _alike(inputs))
        case "concat":
            return np.concatenate(inputs, axis=-1)
        case "reshape":  # the only one whose meaning is known: maps to rows
            return x.reshape(len(x), -1)
    raise ValueError(f"no reference for a step of kind {kind!r}")


def _attention(inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray], heads: int) -> np.ndarray:
    """Of query, key and value, sequences [n, t, c]: the values, averaged for each query by its likeness to the keys."""
    split = []
    for part, x in zip(("query", "key", "value"), inputs, strict=True):
        x = x[:, None] if x.ndim == 2 else x  # a sequence of one cell
        made = x @ arrays[part] + arrays.get(f"{part}_bias", 0)
        split.append(made.reshape(*made.shape[:2], heads, -1))
    query, key, value = split
    scores = np.einsum("nqhc,nkhc->nhqk", query, key) / math.sqrt(query.shape[-1])
    weights = _activation({"function": "softmax"}, scores)
    made = np.einsum("nhqk,nkhc->nqhc", weights, value)
    return made.reshape(*made.shape[:2], -1) @ arrays["out"] + arrays.get("out_bias", 0)


def _conv_transpose(x: np.ndarray, kernel: np.ndarray, numbers: Mapping[str, Any]) -> np.ndarray:
    """[n, h, w, i] and [kh, kw, o / groups, i] -> [n, h', w', o]: every cell adds its multiple of the kernel.

    Raises ValueError where the kernel does not fit the channels.
    """
    groups, stride, dilation = numbers["groups"], numbers["stride"], numbers["dilation"]
    if kernel.shape[3] != x.shape[3]:
        raise ValueError(f"a transposed kernel {kernel.shape} does not fit {x.shape[3]} channels")
    axes = list(zip(x.shape[1:3], stride, kernel.shape, dilation, strict=False))  # of height and width
    extents = [(n - 1) * s + (k - 1) * d + 1 for n, s, k, d in axes]
    full = np.zeros((len(x), *extents, kernel.shape[2] * groups))
    blocks = x.reshape(*x.shape[:3], groups, -1)
    for cell in np.ndindex(kernel.shape[:2]):
        rows, columns = (slice(c * d, c * d + (n - 1) * s + 1, s) for c, (n, s, _, d) in zip(cell, axes, strict=True))
        made = np.einsum("nhwgi,ogi->nhwgo", blocks, kernel[cell].reshape(kernel.shape[2], groups, -1))
        full[:, rows, columns] += made.reshape(*x.shape[:3], -1)
    (top, bottom), (left, right) = numbers["crop"]
    height, width = extents[0] - top - bottom, extents[1] - left - right
    more = [(0, 0), (0, max(-bottom, 0)), (0, max(-right, 0)), (0, 0)]
    return np.pad(full, more)[:, top : top + height, left : left + width]


def _activation(numbers: Mapping[str, Any], x: np.ndarray) -> np.ndarray:
    """Constants that a framework rounds to float32 may be given: TensorFlow's gelu, Paddle's selu and hard_sigmoid."""
    match numbers["function"]:
        case "linear":
            return x
        case "relu":
            return _relu(x, numbers.get("slope", 0.0), numbers.get("threshold", 0.0), numbers.get("largest"))
        case "relu6":
            return np.clip(x, 0, 6)
        case "leaky_relu":
            return np.where(x > 0, x, numbers["slope"] * x)
        case "elu":
            return np.where(x > 0, x, numbers["alpha"] * np.expm1(np.minimum(x, 0)))
        case "gelu" if numbers["approximate"]:
            cubic = numbers.get("cubic", 0.044715)
            return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + cubic * x**3)))
        case "gelu":
            from scipy.special import erf  # here: most models need neither, and it takes its time

            return x / 2 * (1 + erf(numbers.get("factor", math.sqrt(1 / 2)) * x))
        case "sigmoid":
            from scipy.special import expit

            return expit(x)
        case "tanh":
            return np.tanh(x)
        case "silu":
            from scipy.special import expit

            return x * expit(x)
        case "hard_swish":
            return x * np.clip(x + 3, 0, 6) / 6
        case "hard_sigmoid":
            return np.clip(numbers.get("slope", 1 / 6) * x + numbers.get("offset", 0.5), 0, 1)
        case "log_softmax":
            below = x - x.max(axis=-1, keepdims=True)
            below = below if numbers["floor"] is None else np.maximum(below, numbers["floor"])
            return below - np.log(np.exp(below).sum(axis=-1, keepdims=True))
        case "softplus":
            beta, threshold = numbers["beta"], numbers["threshold"]
            soft = _softplus(beta * x) / beta
            return soft if threshold is None else np.where(beta * x > threshold, x, soft)
        case "selu":
            scale, alpha = numbers.get("scale", SELU[0]), numbers.get("alpha", SELU[1])
            return scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))
        case "mish":
            return x * np.tanh(_softplus(x))
        case "softsign":
            return x / (1 + np.abs(x))
        case "celu":
            return np.where(x > 0, x, numbers["alpha"] * np.expm1(np.minimum(x, 0) / numbers["alpha"]))
        case "hard_tanh":
            return np.clip(x, numbers["smallest"], numbers["largest"])
        case "log_sigmoid":
            return -_softplus(-x)
        case "softmax":
            powers = np.exp(x - x.max(axis=-1, keepdims=True))
            return powers / powers.sum(axis=-1, keepdims=True)
    raise ValueError(f"no reference for the activation {numbers['function']!r}")


def _softplus(x: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # NaN goes through
        return np.asarray(np.logaddexp(0, x))


def _relu(x: np.ndarray, slope: float, threshold: float, largest: float | None) -> np.ndarray:
    """Keras's with all its numbers; without them the plain one."""
    y = np.where(x < threshold, slope * (x - threshold) if slope else 0.0, x)
    return y if largest is None else np.minimum(y, largest)


def _maps(x: np.ndarray) -> np.ndarray:
    """Rows as the maps of a single cell that they are, sequences as those of a single row."""
    return x[:, None, None, :] if x.ndim == 2 else x[:, None] if x.ndim == 3 else x


def _alike(inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Rows beside maps as maps, beside sequences as sequences, so that they meet the channels of their own input."""
    most = max(x.ndim for x in inputs)
    return [x.reshape(len(x), *[1] * (most - 2), -1) if x.ndim == 2 else x for x in inputs]
