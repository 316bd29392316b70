"""What a Keras layer computes, in the neutral terms of `parity.runtime.graph.Step`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity.numerics.geometry import cropped, over_row, pair, same_padding, single, used_padding
from parity.runtime.graph import pool
from parity.runtime.tracing import reader
from parity.weights.layout import SAME, Layout

layers = keras.layers

reads = reader(f"Keras {keras.__version__}")

Facts = tuple[str, dict[str, Any]]  # kind and numbers

# Of a layer's arrays: Keras's name, the canonical kind, the layout.
Arrays = tuple[tuple[str, str, Layout], ...]

HEADS = Layout("heads")

VECTORS: Arrays = (("bias", "bias", SAME),)

ARRAYS: dict[type, Arrays] = {
    layers.Conv1D: (("kernel", "kernel", Layout("row")), *VECTORS),
    layers.Conv2D: (("kernel", "kernel", SAME), *VECTORS),
    layers.DepthwiseConv2D: (("kernel", "kernel", Layout("depthwise")), *VECTORS),
    layers.SeparableConv2D: (("pointwise_kernel", "kernel", SAME), *VECTORS),
    layers.Conv2DTranspose: (("kernel", "kernel", SAME), *VECTORS),
    layers.Dense: (("kernel", "kernel", SAME), *VECTORS),
    layers.LayerNormalization: (("gamma", "gamma", SAME), ("beta", "beta", SAME)),
    layers.GroupNormalization: (("gamma", "gamma", SAME), ("beta", "beta", SAME)),
    layers.MultiHeadAttention: (
        *((f"{part}_dense.kernel", part, HEADS) for part in ("query", "key", "value")),
        ("output_dense.kernel", "out", Layout("heads out")),
        *((f"{part}_dense.bias", f"{part}_bias", HEADS) for part in ("query", "key", "value")),
        ("output_dense.bias", "out_bias", SAME),
    ),
    layers.PReLU: (("alpha", "slope", Layout("shared")),),
    layers.Embedding: (("embeddings", "kernel", SAME),),
    layers.BatchNormalization: (
        ("gamma", "gamma", SAME),
        ("beta", "beta", SAME),
        ("moving_mean", "mean", SAME),
        ("moving_variance", "variance", SAME),
    ),
}

CONVOLUTIONS = (layers.Conv1D, layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)

PRODUCTS = (*CONVOLUTIONS, layers.Conv2DTranspose, layers.Dense)  # which may carry an activation of their own

ACTIVATIONS: dict[type, Callable[[Any], dict[str, Any]]] = {
    layers.ReLU: lambda layer: _relu(layer.max_value, layer.negative_slope, layer.threshold),
    layers.LeakyReLU: lambda layer: {"function": "leaky_relu", "slope": single(layer.negative_slope)},
    layers.ELU: lambda layer: {"function": "elu", "alpha": single(layer.alpha)},
    layers.Softmax: lambda _: {"function": "softmax"},
    layers.Activation: lambda layer: of_activation(layer.activation),
}

NAMED: dict[str, dict[str, Any]] = {
    "relu": {"function": "relu"},
    "relu6": {"function": "relu6"},
    "leaky_relu": {"function": "leaky_relu", "slope": single(0.2)},
    "elu": {"function": "elu", "alpha": 1.0},
    "gelu": {"function": "gelu", "approximate": False},
    "sigmoid": {"function": "sigmoid"},
    "tanh": {"function": "tanh"},
    "silu": {"function": "silu"},
    "swish": {"function": "silu"},
    "hard_swish": {"function": "hard_swish"},
    "hard_silu": {"function": "hard_swish"},
    "hard_sigmoid": {"function": "hard_sigmoid", "slope": 1 / 6, "offset": 0.5},
    "softmax": {"function": "softmax"},
    "log_softmax": {"function": "log_softmax", "floor": None},
    "softplus": {"function": "softplus", "beta": 1.0, "threshold": None},
    "selu": {"function": "selu"},
    "mish": {"function": "mish"},
    "softsign": {"function": "softsign"},
    "celu": {"function": "celu", "alpha": 1.0},
    "hard_tanh": {"function": "hard_tanh", "smallest": -1.0, "largest": 1.0},
    "log_sigmoid": {"function": "log_sigmoid"},
    "linear": {"function": "linear"},
}

LAYERS = (
    *ARRAYS,
    *ACTIVATIONS,
    layers.MaxPooling1D,
    layers.MaxPooling2D,
    layers.AveragePooling1D,
    layers.AveragePooling2D,
    layers.GlobalAveragePooling1D,
    layers.GlobalAveragePooling2D,
    layers.GlobalMaxPooling1D,
    layers.GlobalMaxPooling2D,
    layers.Dropout,
    layers.SpatialDropout1D,
    layers.SpatialDropout2D,
    layers.Flatten,
    layers.Reshape,
    layers.Identity,
    layers.ZeroPadding1D,
    layers.ZeroPadding2D,
    layers.Rescaling,
    layers.Add,
    layers.Multiply,
    layers.Concatenate,
)


@reads
def known(layer: keras.layers.Layer) -> bool:
    """Whether the layer is one of Keras's own that `of_layer` can describe."""
    return type(layer) in LAYERS and getattr(layer, "data_format", "channels_last") == "channels_last"


@reads
def arrays_of(layer: keras.layers.Layer) -> dict[str, tuple[keras.Variable, Layout]]:
    """The layer's arrays by canonical kind; of a separable convolution those of its second half."""
    found = {}
    for own_name, kind, layout in ARRAYS.get(type(layer), ()):
        variable = functools.reduce(lambda owner, part: getattr(owner, part, None), own_name.split("."), layer)
        if variable is not None:
            found[kind] = variable, layout
    return found


@reads
def of_layer(layer: keras.layers.Layer, x: Any, y: tf.Tensor) -> Facts:
    """Kind and numbers of a known layer that made y of x (a tensor or several); maps [n, h, w, c], sequences."""
    if type(layer) in ACTIVATIONS:
        return "activation", ACTIVATIONS[type(layer)](layer)
    match layer:
        case layers.BatchNormalization():
            if layer.axis not in (-1, len(x.shape) - 1):
                return "other", {"type": f"BatchNormalization over axis {layer.axis}"}
            return "batch_norm", {name: single(getattr(layer, name)) for name in ("epsilon", "momentum")}
        case layers.Conv1D() | layers.Conv2D() | layers.DepthwiseConv2D():
            return "conv", convolution(layer, x, y)
        case layers.Conv2DTranspose():
            return "conv_transpose", _transposed(layer, x, y)
        case layers.Dense():
            return "dense", {}
        case layers.LayerNormalization():
            axes = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
            if axes not in ([-1], [len(x.shape) - 1]):
                return "other", {"type": f"LayerNormalization over axes {axes}"}
            return "layer_norm", {"epsilon": single(layer.epsilon)}
        case layers.GroupNormalization():
            if layer.axis not in (-1, len(x.shape) - 1):
                return "other", {"type": f"GroupNormalization over axis {layer.axis}"}
            return "group_norm", {"epsilon": single(layer.epsilon), "groups": int(layer.groups)}
        case layers.MultiHeadAttention():
            return "attention", {"heads": layer.num_heads, "rate": float(layer.dropout)}
        case layers.PReLU():
            return "prelu", {}
        case layers.Embedding():
            return "embedding", {}
        case layers.MaxPooling1D() | layers.MaxPooling2D() | layers.AveragePooling1D() | layers.AveragePooling2D():
            window, stride = both(x, layer.pool_size), both(x, layer.strides)
            facts = {
                "window": window,
                "stride": stride,
                "padding": _padding(layer.padding, x, y, window, stride, [1, 1]),
            }
            what = "max" if isinstance(layer, (layers.MaxPooling1D, layers.MaxPooling2D)) else "average"
            return pool(what, facts, sides(x.shape))
        case layers.GlobalAveragePooling1D() | layers.GlobalAveragePooling2D():
            return "global_average_pool", {}
        case layers.GlobalMaxPooling1D() | layers.GlobalMaxPooling2D():
            return "global_max_pool", {}
        case layers.Dropout() | layers.SpatialDropout1D() | layers.SpatialDropout2D():
            return "dropout", {"rate": float(layer.rate)}
        case layers.Flatten() | layers.Reshape():
            return "reshape", {}
        case layers.ZeroPadding1D():
            return "zero_pad", {"padding": [[0, 0], [int(each) for each in layer.padding]]}
        case layers.ZeroPadding2D():
            return "zero_pad", {"padding": [[int(each) for each in sides] for sides in layer.padding]}
        case layers.Rescaling():
            numbers = {"scale": layer.scale, "offset": layer.offset}
            return "scale", {name: np.asarray(value).tolist() for name, value in numbers.items()}
        case layers.Add():
            return "add", {}
        case layers.Multiply():
            return "multiply", {}
        case layers.Concatenate():
            last = layer.axis in (-1, len(x[0].shape) - 1)
            return ("concat", {}) if last else ("other", {"type": f"Concatenate over axis {layer.axis}"})
    return "identity", {}


def attended(layer: keras.layers.Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[tf.Tensor] | None:
    """Query, key and value of a call of a plain MultiHeadAttention over sequences; None for any other call."""
    if type(layer) is not layers.MultiHeadAttention:
        return None
    given = inspect.signature(layer.call).bind(*args, **kwargs).arguments
    query, value = given.pop("query"), given.pop("value")
    key = given.pop("key", None)
    given.pop("training", None)
    plain = not any(each is not None and each is not False for each in given.values())
    known = plain and len(query.shape) == 3 and getattr(layer, "_gate_dense", None) is None
    return [query, value if key is None else key, value] if known else None


def convolution(layer: keras.layers.Layer, x: tf.Tensor, y: tf.Tensor) -> dict[str, Any]:
    """Numbers of a convolution of either kind; a separable one's are those of its first half."""
    stride, dilation = both(x, layer.strides), both(x, layer.dilation_rate)
    padding = _padding(layer.padding, x, y, both(x, layer.kernel_size), stride, dilation)
    groups = layer.groups if type(layer) in (layers.Conv1D, layers.Conv2D) else int(x.shape[-1])
    return {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


def _transposed(layer: keras.layers.Layer, x: tf.Tensor, y: tf.Tensor) -> dict[str, Any]:
    stride, dilation, window = pair(layer.strides), pair(layer.dilation_rate), pair(layer.kernel_size)
    crop = []
    for axis in range(2):
        facts = int(x.shape[1 + axis]), int(y.shape[1 + axis]), window[axis], stride[axis], dilation[axis]
        total = max(sum(cropped(*facts, 0)), 0) if layer.padding == "same" else 0
        crop.append(cropped(*facts, total // 2))
    return {"stride": stride, "crop": crop, "dilation": dilation, "groups": 1}


def of_activation(function: Callable[..., Any]) -> dict[str, Any]:
    """A Keras activation by its function: the numbers of an "activation"."""
    name = getattr(function, "__name__", type(function).__name__)
    known = NAMED.get(name)
    return {"function": name} if known is None else dict(known)


def _relu(largest: float | None, slope: float, threshold: float) -> dict[str, Any]:
    if threshold == 0 and largest is None:
        return {"function": "leaky_relu", "slope": single(slope)} if slope else {"function": "relu"}
    if (largest, slope, threshold) == (6.0, 0.0, 0.0):
        return {"function": "relu6"}
    return {"function": "relu", "largest": largest, "slope": float(slope), "threshold": float(threshold)}


def sides(shape: Sequence[int]) -> list[int]:
    """Height and width of maps; a sequence is of height 1."""
    return [1, int(shape[1])] if len(shape) == 3 else [int(each) for each in shape[1:3]]


def both(x: tf.Tensor, value: Any) -> list[int]:
    """A layer's number as [h, w], of maps or a sequence x."""
    return over_row(value) if len(x.shape) == 3 else pair(value)


def _padding(
    padding: str, x: tf.Tensor, y: tf.Tensor, window: list[int], stride: list[int], dilation: list[int]
) -> list[list[int]]:
    found = []
    for extent, out, size, step, spread in zip(sides(x.shape), sides(y.shape), window, stride, dilation, strict=True):
        before = {"same": same_padding(extent, size, step, spread), "causal": (size - 1) * spread}.get(padding, 0)
        found.append(used_padding(extent, out, size, step, spread, before))
    return found
