"""What a function that a Paddle model calls computes, in the neutral terms of `parity.runtime.graph.Step`."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
from paddle import nn

from paddle_impl.user_models.layer_kinds import (
    HARD_SIGMOID,
    LOG_SOFTMAX,
    Facts,
    dropout_facts,
    pool_facts,
    reads,
    sides_by,
)
from parity.numerics.geometry import single
from parity.runtime.graph import adaptive_pool, pool, softplus
from parity.runtime.tracing import present

# Functions by the module that a model calls them through; the facts are read off the arguments and the shapes.
KNOWN: dict[str, tuple[tuple[Any, str], ...]] = {
    "relu": ((nn.functional, "relu"),),
    "relu6": ((nn.functional, "relu6"),),
    "leaky_relu": ((nn.functional, "leaky_relu"),),
    "elu": ((nn.functional, "elu"),),
    "gelu": ((nn.functional, "gelu"),),
    "sigmoid": ((nn.functional, "sigmoid"), (paddle, "sigmoid")),
    "tanh": ((nn.functional, "tanh"), (paddle, "tanh")),
    "silu": ((nn.functional, "silu"), (nn.functional, "swish")),
    "hard_swish": ((nn.functional, "hardswish"),),
    "hard_sigmoid": ((nn.functional, "hardsigmoid"),),
    "softmax": ((nn.functional, "softmax"),),
    "log_softmax": ((nn.functional, "log_softmax"),),
    "softplus": ((nn.functional, "softplus"),),
    "selu": ((nn.functional, "selu"),),
    "mish": ((nn.functional, "mish"),),
    "softsign": ((nn.functional, "softsign"),),
    "celu": ((nn.functional, "celu"),),
    "hard_tanh": ((nn.functional, "hardtanh"),),
    "log_sigmoid": ((nn.functional, "log_sigmoid"),),
    "max_pool": ((nn.functional, "max_pool1d"), (nn.functional, "max_pool2d")),
    "average_pool": ((nn.functional, "avg_pool1d"), (nn.functional, "avg_pool2d")),
    "adaptive_average_pool": ((nn.functional, "adaptive_avg_pool1d"), (nn.functional, "adaptive_avg_pool2d")),
    "adaptive_max_pool": ((nn.functional, "adaptive_max_pool1d"), (nn.functional, "adaptive_max_pool2d")),
    "dropout": ((nn.functional, "dropout"),),
    "add": ((paddle, "add"), (paddle.Tensor, "__add__"), (paddle.Tensor, "__radd__"), (paddle.Tensor, "add")),
    "multiply": ((paddle, "multiply"), (paddle.Tensor, "__mul__"), (paddle.Tensor, "multiply")),
    "concat": ((paddle, "concat"),),
    "mean": ((paddle, "mean"), (paddle.Tensor, "mean")),
    "max": ((paddle, "max"), (paddle.Tensor, "max")),
    "transpose": ((paddle, "transpose"), (paddle.Tensor, "transpose")),
    "reshape": (
        (paddle, "flatten"),
        (paddle, "reshape"),
        (paddle, "squeeze"),
        (paddle.Tensor, "flatten"),
        (paddle.Tensor, "reshape"),
        (paddle.Tensor, "squeeze"),
    ),
}

FUNCTIONS = present(KNOWN)  # older versions lack some


@reads
def of_function(
    name: str, arguments: dict[str, Any], x: paddle.Tensor, y: paddle.Tensor, *, first: bool = False
) -> Facts:
    """Kind and numbers of a function of `FUNCTIONS` that made y of x; `first`: channels are x's second axis."""
    sides = sides_by(last=arguments.get("data_format") == "NHWC")
    match name:
        case "leaky_relu":
            return "activation", {"function": name, "slope": single(arguments.get("negative_slope", 0.01))}
        case "elu" | "celu":
            return "activation", {"function": name, "alpha": single(arguments.get("alpha", 1.0))}
        case "gelu":
            return "activation", {"function": name, "approximate": bool(arguments.get("approximate", False))}
        case "max_pool" | "average_pool":
            window, stride = arguments["kernel_size"], arguments.get("stride") or arguments["kernel_size"]
            facts = pool_facts(window, stride, arguments.get("padding", 0), x, y, sides)
            return pool(name.split("_")[0], facts, sides(x.shape), counted=not arguments.get("exclusive", True))
        case "adaptive_average_pool" | "adaptive_max_pool":
            return adaptive_pool(name.split("_")[1], sides(x.shape), sides(y.shape))
        case "hard_sigmoid":
            return "activation", dict(HARD_SIGMOID)
        case "log_softmax":
            return "activation", dict(LOG_SOFTMAX)
        case "softplus":
            return "activation", softplus(arguments.get("beta", 1), arguments.get("threshold", 20))
        case "hard_tanh":
            limits = {"smallest": float(arguments.get("min", -1.0)), "largest": float(arguments.get("max", 1.0))}
            return "activation", {"function": name} | limits
        case "dropout":
            return dropout_facts(float(arguments.get("p", 0.5)), str(arguments.get("mode", "")))
        case "concat":
            return "concat", {}
        case "mean" | "max":
            axes = {axis % x.ndim for axis in np.atleast_1d(arguments.get("axis") or ())}
            whole = x.ndim in (3, 4) and axes == set(range(2, x.ndim) if first else range(1, x.ndim - 1))
            kind = {"mean": "global_average_pool", "max": "global_max_pool"}[name]
            return (kind, {}) if whole else ("other", {"type": name})
        case "transpose":
            turned = x.ndim == 3 and list(arguments.get("perm") or ()) == [0, 2, 1]  # a sequence, which means the same
            return ("identity", {}) if turned else ("other", {"type": name})
        case "add" | "multiply":
            return name, {}
        case "reshape":
            return "reshape", {}
    return "activation", {"function": name}
