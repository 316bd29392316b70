"""Activation functions in Paddle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import paddle
from paddle import nn

from parity.kinds import activation
from parity.kinds.registry import Function, FunctionCall, Layer, Repair, plain
from parity.numerics.geometry import single
from parity.weights.layout import SAME

F = nn.functional

FLOOR = -64.0  # of Paddle's softmaxes: no number is taken for further below the largest


def _layer_axis(layer: nn.Layer, x: paddle.Tensor) -> int | None:
    """Maps are taken for such with their channels first."""
    return activation.softmax_axis(layer._axis, x.ndim, channels_second=x.ndim > 3)


LAYERS = {
    nn.ReLU: Layer(plain(activation.ReLU)),
    nn.ReLU6: Layer(plain(activation.ReLU6)),
    nn.LeakyReLU: Layer(lambda layer, *_: activation.LeakyReLU(single(layer._negative_slope))),
    nn.ELU: Layer(lambda layer, *_: activation.ELU(single(layer._alpha))),
    nn.GELU: Layer(lambda layer, *_: activation.GELU(bool(layer._approximate))),
    nn.Sigmoid: Layer(plain(activation.Sigmoid)),
    nn.Tanh: Layer(plain(activation.Tanh)),
    nn.Silu: Layer(plain(activation.SiLU)),
    nn.Swish: Layer(plain(activation.SiLU)),
    nn.Hardswish: Layer(plain(activation.HardSwish)),
    nn.Hardsigmoid: Layer(plain(activation.HardSigmoid)),
    nn.Softmax: Layer(lambda layer, x, _: activation.Softmax(_layer_axis(layer, x))),
    nn.LogSoftmax: Layer(lambda layer, x, _: activation.LogSoftmax(FLOOR, _layer_axis(layer, x))),
    nn.Softplus: Layer(lambda layer, *_: activation.softplus(layer._beta, layer._threshold)),
    nn.SELU: Layer(plain(activation.SELU)),
    nn.Mish: Layer(plain(activation.Mish)),
    nn.Softsign: Layer(plain(activation.Softsign)),
    nn.CELU: Layer(lambda layer, *_: activation.CELU(single(layer._alpha))),
    nn.Hardtanh: Layer(lambda layer, *_: activation.HardTanh(float(layer._min), float(layer._max))),
    nn.LogSigmoid: Layer(plain(activation.LogSigmoid)),
    nn.PReLU: Layer(plain(activation.PReLU), (("_weight", "slope", SAME),)),
}


def _axis(call: FunctionCall) -> int | None:
    axis = call.get("axis", -1)
    return activation.softmax_axis(axis, call.x.ndim, channels_second=call.channels_second)


FUNCTIONS = {
    "relu": Function(((F, "relu"),), plain(activation.ReLU)),
    "relu6": Function(((F, "relu6"),), plain(activation.ReLU6)),
    "leaky_relu": Function(
        ((F, "leaky_relu"),), lambda call: activation.LeakyReLU(single(call.get("negative_slope", 0.01)))
    ),
    "elu": Function(((F, "elu"),), lambda call: activation.ELU(single(call.get("alpha", 1.0)))),
    "gelu": Function(((F, "gelu"),), lambda call: activation.GELU(bool(call.get("approximate", False)))),
    "sigmoid": Function(((F, "sigmoid"), (paddle, "sigmoid")), plain(activation.Sigmoid)),
    "tanh": Function(((F, "tanh"), (paddle, "tanh")), plain(activation.Tanh)),
    "silu": Function(((F, "silu"), (F, "swish")), plain(activation.SiLU)),
    "hard_swish": Function(((F, "hardswish"),), plain(activation.HardSwish)),
    "hard_sigmoid": Function(((F, "hardsigmoid"),), plain(activation.HardSigmoid)),
    "softmax": Function(((F, "softmax"),), lambda call: activation.Softmax(_axis(call))),
    "log_softmax": Function(((F, "log_softmax"),), lambda call: activation.LogSoftmax(FLOOR, _axis(call))),
    "softplus": Function(
        ((F, "softplus"),), lambda call: activation.softplus(call.get("beta", 1), call.get("threshold", 20))
    ),
    "selu": Function(((F, "selu"),), plain(activation.SELU)),
    "mish": Function(((F, "mish"),), plain(activation.Mish)),
    "softsign": Function(((F, "softsign"),), plain(activation.Softsign)),
    "celu": Function(((F, "celu"),), lambda call: activation.CELU(single(call.get("alpha", 1.0)))),
    "hard_tanh": Function(
        ((F, "hardtanh"),),
        lambda call: activation.HardTanh(float(call.get("min", -1.0)), float(call.get("max", 1.0))),
    ),
    "log_sigmoid": Function(((F, "log_sigmoid"),), plain(activation.LogSigmoid)),
}

SCRIPTS = {
    "relu": "y = F.relu(x)",
    "relu6": "y = F.relu6(x)",
    "leaky_relu": "y = F.leaky_relu(x, {slope})",
    "elu": "y = F.elu(x, {alpha})",
    "gelu": "y = F.gelu(x, {approximate})",
    "sigmoid": "y = F.sigmoid(x)",
    "tanh": "y = F.tanh(x)",
    "silu": "y = F.silu(x)",
    "hard_swish": "y = F.hardswish(x)",
    "hard_sigmoid": "y = F.hardsigmoid(x, {slope}, {offset})",
    "softmax": lambda kind, _: f"y = F.softmax(x, {-1 if kind.axis is None else kind.axis})",
    "log_softmax": lambda kind, _: f"y = F.log_softmax(x, {-1 if kind.axis is None else kind.axis})",
    "softplus": lambda kind, _: f"y = F.softplus(x, {kind.beta}, {kind.threshold or 40.0})",
    "selu": "y = F.selu(x)",
    "mish": "y = F.mish(x)",
    "softsign": "y = F.softsign(x)",
    "celu": "y = F.celu(x, {alpha})",
    "hard_tanh": "y = F.hardtanh(x, {smallest}, {largest})",
    "log_sigmoid": "y = F.log_sigmoid(x)",
    "linear": "y = x",
    "prelu": "y = F.prelu(x, slope)",
}

# By function: the layer that computes it.
LAYER_CODE: dict[str, Callable[[Any], str]] = {
    "relu": lambda kind: "nn.ReLU()" if kind == activation.ReLU() else "",  # Paddle's lacks the numbers of Keras's
    "relu6": lambda _: "nn.ReLU6()",
    "leaky_relu": lambda kind: f"nn.LeakyReLU({kind.slope:.6g})",
    "elu": lambda kind: f"nn.ELU({kind.alpha:.6g})",
    "gelu": lambda kind: f"nn.GELU(approximate={kind.approximate})",
    "sigmoid": lambda _: "nn.Sigmoid()",
    "tanh": lambda _: "nn.Tanh()",
    "silu": lambda _: "nn.Silu()",
    "hard_swish": lambda _: "nn.Hardswish()",
    "softmax": lambda _: "nn.Softmax()",
    "softplus": lambda kind: f"nn.Softplus({kind.beta:g}, threshold={kind.threshold or 40:g})",
    "selu": lambda _: "nn.SELU()",
    "mish": lambda _: "nn.Mish()",
    "softsign": lambda _: "nn.Softsign()",
    "celu": lambda kind: f"nn.CELU({kind.alpha:.6g})",
    "hard_tanh": lambda kind: f"nn.Hardtanh({kind.smallest:g}, {kind.largest:g})",
    "log_sigmoid": lambda _: "nn.LogSigmoid()",
    "linear": lambda _: "nn.Identity()",
}


def _replaced(repair: Repair) -> str:
    write = LAYER_CODE.get(repair.expected.key)
    made = write(repair.expected) if write and repair.alike else ""
    return f"replace(name, {made})" if made else ""


REPAIRS = {"activation": _replaced}
