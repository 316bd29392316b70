"""What a Paddle layer computes, in the neutral terms of `parity.runtime.graph.Step`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import paddle
from paddle import nn

from parity.numerics.geometry import cropped, over_row, pair, same_padding, single, used_padding
from parity.runtime.graph import adaptive_pool, pool, softplus
from parity.runtime.tracing import reader
from parity.weights.layout import SAME, Layout

reads = reader(f"PaddlePaddle {paddle.__version__}")

Facts = tuple[str, dict[str, Any]]  # kind and numbers

Sides = Callable[[Sequence[int]], list[int]]  # from a shape, batch included, to height and width

# Of a layer's arrays: Paddle's name, the canonical kind, the layout.
Arrays = tuple[tuple[str, str, Layout], ...]

OIHW = Layout("OIHW")

PROJECTIONS = (("q", "query"), ("k", "key"), ("v", "value"), ("out", "out"))

VECTORS: Arrays = (("bias", "bias", SAME),)

ARRAYS: dict[type, Arrays] = {
    nn.Conv1D: (("weight", "kernel", Layout("OIK")), *VECTORS),
    nn.Conv2D: (("weight", "kernel", OIHW), *VECTORS),
    nn.Conv2DTranspose: (("weight", "kernel", OIHW), *VECTORS),  # stored as [in, out, h, w]
    nn.Linear: (("weight", "kernel", SAME), *VECTORS),
    nn.LayerNorm: (("weight", "gamma", SAME), ("bias", "beta", SAME)),
    nn.GroupNorm: (("weight", "gamma", SAME), ("bias", "beta", SAME)),
    nn.InstanceNorm1D: (("scale", "gamma", SAME), ("bias", "beta", SAME)),
    nn.InstanceNorm2D: (("scale", "gamma", SAME), ("bias", "beta", SAME)),
    nn.MultiHeadAttention: (
        *((f"{own}_proj.weight", part, SAME) for own, part in PROJECTIONS),
        *((f"{own}_proj.bias", f"{part}_bias", SAME) for own, part in PROJECTIONS),
    ),
    nn.PReLU: (("_weight", "slope", SAME),),
    nn.Embedding: (("weight", "kernel", SAME),),
}

BATCH_NORM: Arrays = (
    ("weight", "gamma", SAME),
    ("bias", "beta", SAME),
    ("_mean", "mean", SAME),
    ("_variance", "variance", SAME),
)

BATCH_NORMS = (nn.BatchNorm2D, nn.BatchNorm1D, nn.BatchNorm)

ARRAYS |= dict.fromkeys(BATCH_NORMS, BATCH_NORM)

# of its softmaxes: no number is taken for further below the largest
LOG_SOFTMAX = {"function": "log_softmax", "floor": -64.0}

HARD_SIGMOID = {"function": "hard_sigmoid", "slope": 1 / 6, "offset": 0.5}

ACTIVATIONS: dict[type, Callable[[Any], dict[str, Any]]] = {
    nn.ReLU: lambda _: {"function": "relu"},
    nn.ReLU6: lambda _: {"function": "relu6"},
    nn.LeakyReLU: lambda layer: {"function": "leaky_relu", "slope": single(layer._negative_slope)},
    nn.ELU: lambda layer: {"function": "elu", "alpha": single(layer._alpha)},
    nn.GELU: lambda layer: {"function": "gelu", "approximate": bool(layer._approximate)},
    nn.Sigmoid: lambda _: {"function": "sigmoid"},
    nn.Tanh: lambda _: {"function": "tanh"},
    nn.Silu: lambda _: {"function": "silu"},
    nn.Swish: lambda _: {"function": "silu"},
    nn.Hardswish: lambda _: {"function": "hard_swish"},
    nn.Hardsigmoid: lambda _: HARD_SIGMOID,
    nn.Softmax: lambda _: {"function": "softmax"},
    nn.LogSoftmax: lambda _: LOG_SOFTMAX,
    nn.Softplus: lambda layer: softplus(layer._beta, layer._threshold),
    nn.SELU: lambda _: {"function": "selu"},
    nn.Mish: lambda _: {"function": "mish"},
    nn.Softsign: lambda _: {"function": "softsign"},
    nn.CELU: lambda layer: {"function": "celu", "alpha": single(layer._alpha)},
    nn.Hardtanh: lambda layer: {"function": "hard_tanh", "smallest": float(layer._min), "largest": float(layer._max)},
    nn.LogSigmoid: lambda _: {"function": "log_sigmoid"},
}

WHOLE = (nn.SimpleRNN, nn.LSTM, nn.GRU)  # which compute in one piece: nothing is known of their inside

LAYERS = (
    *ARRAYS,
    *ACTIVATIONS,
    nn.MaxPool1D,
    nn.MaxPool2D,
    nn.AvgPool1D,
    nn.AvgPool2D,
    nn.AdaptiveAvgPool1D,
    nn.AdaptiveAvgPool2D,
    nn.AdaptiveMaxPool1D,
    nn.AdaptiveMaxPool2D,
    nn.Dropout,
    nn.Dropout2D,
    nn.Flatten,
    nn.Identity,
    nn.ZeroPad2D,
)


@reads
def known(layer: nn.Layer) -> bool:
    """Whether the layer is one of Paddle's own that `of_layer` can describe."""
    return type(layer) in LAYERS and getattr(layer, "_padding_mode", "zeros") == "zeros"


@reads
def arrays_of(layer: nn.Layer) -> dict[str, tuple[paddle.Tensor, Layout]]:
    """The layer's arrays by canonical kind."""
    found = {}
    for own_name, kind, layout in ARRAYS.get(type(layer), ()):
        tensor = functools.reduce(lambda owner, part: getattr(owner, part, None), own_name.split("."), layer)
        if tensor is not None:
            found[kind] = tensor, layout
    return found


@reads
def of_layer(layer: nn.Layer, x: paddle.Tensor, y: paddle.Tensor) -> Facts:
    """Kind and numbers of a known layer that made y of x.

    Maps are [n, c, h, w], or [n, h, w, c] by the layer's data_format; the same without h for sequences.
    """
    if type(layer) in ACTIVATIONS:
        return "activation", ACTIVATIONS[type(layer)](layer)
    if type(layer) in BATCH_NORMS:
        return "batch_norm", {name: single(getattr(layer, f"_{name}")) for name in ("epsilon", "momentum")}
    sides = sides_of(layer)
    match layer:
        case nn.Conv1D() | nn.Conv2D():
            window = both(x, layer.weight.shape[2:])
            stride, dilation = both(x, layer._stride), both(x, layer._dilation)
            if isinstance(layer, nn.Conv1D):
                given = _of_row(layer._padding)
            else:
                given = layer._updated_padding if layer._padding_algorithm == "EXPLICIT" else layer._padding_algorithm
            if str(given).upper() == "SAME":
                dilation = [1, 1]  # Paddle says nothing and takes this
            padding = _padding(given, sides(x.shape), sides(y.shape), window, stride, dilation)
            return "conv", {"stride": stride, "padding": padding, "dilation": dilation, "groups": layer._groups}
        case nn.Conv2DTranspose():
            return "conv_transpose", _transposed(layer, sides(x.shape), sides(y.shape))
        case nn.Linear():
            return "dense", {}
        case nn.LayerNorm():
            if len(layer._normalized_shape) != 1:
                return "other", {"type": "LayerNorm over several axes"}
            return "layer_norm", {"epsilon": single(layer._epsilon)}
        case nn.GroupNorm():
            return "group_norm", {"epsilon": single(layer._epsilon), "groups": int(layer._num_groups)}
        case nn.InstanceNorm1D() | nn.InstanceNorm2D():
            return "group_norm", {"epsilon": single(layer._epsilon), "groups": int(x.shape[1])}
        case nn.MultiHeadAttention():
            return "attention", {"heads": int(layer.num_heads), "rate": float(layer.dropout)}
        case nn.PReLU():
            return "prelu", {}
        case nn.Embedding():
            return "embedding", {}
        case nn.MaxPool1D() | nn.MaxPool2D():
            return pool("max", pool_facts(_window(layer), layer.stride, layer.padding, x, y, sides), sides(x.shape))
        case nn.AvgPool1D() | nn.AvgPool2D():
            facts = pool_facts(_window(layer), layer.stride, layer.padding, x, y, sides)
            return pool("average", facts, sides(x.shape), counted=not layer.exclusive)
        case nn.AdaptiveAvgPool1D() | nn.AdaptiveAvgPool2D():
            return adaptive_pool("average", sides(x.shape), sides(y.shape))
        case nn.AdaptiveMaxPool1D() | nn.AdaptiveMaxPool2D():
            return adaptive_pool("max", sides(x.shape), sides(y.shape))
        case nn.Dropout() | nn.Dropout2D():
            return dropout_facts(float(layer.p), getattr(layer, "mode", ""))
        case nn.Flatten():
            return "reshape", {}
        case nn.ZeroPad2D():
            given = layer._pad if hasattr(layer, "_pad") else layer.padding  # from Paddle 3.3 on
            left, right, top, bottom = [given] * 4 if isinstance(given, int) else given
            return "zero_pad", {"padding": [[int(top), int(bottom)], [int(left), int(right)]]}
    return "identity", {}


def attended(layer: nn.Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[paddle.Tensor] | None:
    """Query, key and value of a call of a plain MultiHeadAttention; None for any other call."""
    if type(layer) is not nn.MultiHeadAttention or layer.need_weights:
        return None
    given = inspect.signature(layer.forward).bind(*args, **kwargs).arguments
    query, key, value = given.pop("query"), given.pop("key", None), given.pop("value", None)
    if any(each is not None for each in given.values()):
        return None
    key = query if key is None else key
    return [query, key, key if value is None else value]


def sides_of(layer: nn.Layer) -> Sides:
    """From shapes of what the layer takes or makes to height and width; a sequence is of height 1."""
    return sides_by(last=channels_last(layer) or sequences_last(layer))


def channels_last(layer: nn.Layer) -> bool:
    """Whether the layer takes maps [n, h, w, c]."""
    return "NHWC" in (getattr(layer, "_data_format", None), getattr(layer, "data_format", None))


def sequences_last(layer: nn.Layer) -> bool:
    """Whether the layer takes sequences [n, t, c]."""
    return getattr(layer, "_data_format", None) == "NLC"


def both(x: paddle.Tensor, value: Any) -> list[int]:
    """A layer's number as [h, w], of maps or a sequence x."""
    return over_row(value) if x.ndim == 3 else pair(value)


def sides_by(*, last: bool) -> Sides:
    """As `sides_of`, by whether the channels come last."""

    def sides(shape: Sequence[int]) -> list[int]:
        found = list(shape[1:-1] if last else shape[2:])
        return [1, *found] if len(shape) == 3 else found

    return sides


def _of_row(padding: Any) -> Any:
    """The padding of a sequence, as that of maps of one row: [h, w], or all four sides."""
    if isinstance(padding, str):
        return padding
    flat = np.ravel(padding).tolist()
    # one number; before and after; or a pair for each of the three axes
    return [0, flat[0]] if len(flat) == 1 else [0, 0, *(flat if len(flat) == 2 else flat[4:])]


def _window(layer: nn.Layer) -> Any:
    return layer.ksize if hasattr(layer, "ksize") else layer.kernel_size


def _padding(
    padding: Any, into: list[int], out: list[int], window: list[int], stride: list[int], dilation: list[int]
) -> list[list[int]]:
    if isinstance(padding, str):
        valid = padding.upper() == "VALID"
        before = [0 if valid else same_padding(*facts) for facts in zip(into, window, stride, dilation, strict=True)]
    else:
        flat = np.ravel(padding).tolist()
        # one number; one an axis; [top, bottom, left, right]; or a pair for each of the four axes
        before = {1: flat * 2, 2: flat, 4: flat[::2], 8: flat[4::2]}[len(flat)]
    return [used_padding(*facts) for facts in zip(into, out, window, stride, dilation, before, strict=True)]


def _transposed(layer: nn.Layer, into: list[int], out: list[int]) -> dict[str, Any]:
    stride, dilation, window = pair(layer._stride), pair(layer._dilation), list(layer.weight.shape[2:])
    if str(layer._padding).upper() == "SAME":
        dilation = [1, 1]  # as in a convolution
    padding = _padding(layer._padding, into, out, window, stride, dilation)
    before = [sides[0] for sides in padding]
    crop = [cropped(*facts) for facts in zip(into, out, window, stride, dilation, before, strict=True)]
    return {"stride": stride, "crop": crop, "dilation": dilation, "groups": layer._groups}


def dropout_facts(rate: float, mode: str) -> Facts:
    """Kind and numbers of a dropout; one that scales in inference is none there, but a product."""
    if mode == "downscale_in_infer":
        return "scale", {"scale": 1 - rate, "offset": 0.0, "dropout": rate}
    return "dropout", {"rate": rate}


def pool_facts(
    window: Any, stride: Any, padding: Any, x: paddle.Tensor, y: paddle.Tensor, sides: Sides
) -> dict[str, Any]:
    """Numbers of a pool that made y of x, however Paddle was given them."""
    window, stride = both(x, window), both(x, window if stride is None else stride)
    padding = _of_row(padding) if x.ndim == 3 else padding
    found = _padding(padding, sides(x.shape), sides(y.shape), window, stride, [1, 1])
    return {"window": window, "stride": stride, "padding": found}
