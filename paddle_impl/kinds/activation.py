"""Activation functions in Paddle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import paddle
from paddle import nn

from parity.kinds import activation
from parity.kinds.kind import Kind
from parity.kinds.registry import Function, FunctionCall, Layer, plain
from parity.kinds.repairs import Change, Repair, number
from parity.numerics.geometry import single
from parity.weights.layout import SAME

F = nn.functional

SLOPE = 0.1666667  # of Paddle's hard sigmoid by default

FLOOR = -64.0  # of Paddle's softmaxes: no number is taken for further below the largest


def _layer_axis(layer: nn.Layer, x: paddle.Tensor) -> int | None:
    """Maps are taken for such with their channels first."""
    return activation.softmax_axis(layer._axis, x.ndim, channels_second=x.ndim > 3)


def _hard_sigmoid(call: FunctionCall) -> activation.HardSigmoid:
    slope = call.get("slope", SLOPE)
    return activation.HardSigmoid(1 / 6 if slope == SLOPE else float(slope), float(call.get("offset", 0.5)))


def _selu(scale: float, alpha: float) -> activation.SELU:
    return activation.SELU(float(scale), float(alpha))


def _rrelu(lower: float, upper: float) -> activation.LeakyReLU:
    """In inference its slope is the middle."""
    return activation.LeakyReLU((float(lower) + float(upper)) / 2)


def _rrelu_called(call: FunctionCall) -> Kind:
    if call.get("training", True):
        return activation.OtherActivation("rrelu")
    return _rrelu(call.get("lower", 1 / 8), call.get("upper", 1 / 3))


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
    nn.SELU: Layer(lambda layer, *_: _selu(layer._scale, layer._alpha)),
    nn.RReLU: Layer(lambda layer, *_: _rrelu(layer._lower, layer._upper)),
    nn.Softshrink: Layer(lambda layer, *_: activation.SoftShrink(single(layer._threshold))),
    nn.Hardshrink: Layer(lambda layer, *_: activation.HardShrink(single(layer._threshold))),
    nn.ThresholdedReLU: Layer(
        lambda layer, *_: activation.ThresholdedReLU(single(layer._threshold), float(layer._value))
    ),
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
    "hard_sigmoid": Function(((F, "hardsigmoid"),), _hard_sigmoid),
    "softmax": Function(((F, "softmax"),), lambda call: activation.Softmax(_axis(call))),
    "log_softmax": Function(((F, "log_softmax"),), lambda call: activation.LogSoftmax(FLOOR, _axis(call))),
    "softplus": Function(
        ((F, "softplus"),), lambda call: activation.softplus(call.get("beta", 1), call.get("threshold", 20))
    ),
    "selu": Function(
        ((F, "selu"),),
        lambda call: _selu(call.get("scale", activation.SELU_SCALE), call.get("alpha", activation.SELU_ALPHA)),
    ),
    "rrelu": Function(((F, "rrelu"),), _rrelu_called),
    "soft_shrink": Function(
        ((F, "softshrink"),), lambda call: activation.SoftShrink(single(call.get("threshold", 0.5)))
    ),
    "hard_shrink": Function(
        ((F, "hardshrink"),), lambda call: activation.HardShrink(single(call.get("threshold", 0.5)))
    ),
    "thresholded_relu": Function(
        ((F, "thresholded_relu"),),
        lambda call: activation.ThresholdedReLU(single(call.get("threshold", 1.0)), float(call.get("value", 0.0))),
    ),
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
    "silu": lambda kind, _: "y = F.silu(x)" if kind.beta == 1 else f"y = x * F.sigmoid({kind.beta} * x)",
    "soft_shrink": "y = F.softshrink(x, {threshold})",
    "hard_shrink": "y = F.hardshrink(x, {threshold})",
    "thresholded_relu": "y = F.thresholded_relu(x, {threshold}, {below})",
    "hard_swish": "y = F.hardswish(x)",
    "hard_sigmoid": "y = F.hardsigmoid(x, {slope}, {offset})",
    "softmax": lambda kind, _: f"y = F.softmax(x, {-1 if kind.axis is None else kind.axis})",
    "log_softmax": lambda kind, _: f"y = F.log_softmax(x, {-1 if kind.axis is None else kind.axis})",
    "softplus": lambda kind, _: f"y = F.softplus(x, {kind.beta}, {kind.threshold or 40.0})",
    "selu": "y = F.selu(x, {scale}, {alpha})",
    "mish": "y = F.mish(x)",
    "softsign": "y = F.softsign(x)",
    "celu": "y = F.celu(x, {alpha})",
    "hard_tanh": "y = F.hardtanh(x, {smallest}, {largest})",
    "log_sigmoid": "y = F.log_sigmoid(x)",
    "linear": "y = x",
    "prelu": "y = F.prelu(x, slope)",
}

# By function: the layer that computes it, and its arguments.
LAYER_CODE: dict[str, Callable[[Any], tuple[str, dict[str, Any]]]] = {
    # Paddle's lacks the numbers of Keras's
    "relu": lambda kind: ("ReLU" if kind == activation.ReLU() else "", {}),
    "relu6": lambda _: ("ReLU6", {}),
    "leaky_relu": lambda kind: ("LeakyReLU", {"negative_slope": number(kind.slope)}),
    "elu": lambda kind: ("ELU", {"alpha": number(kind.alpha)}),
    "gelu": lambda kind: ("GELU", {"approximate": kind.approximate}),
    "sigmoid": lambda _: ("Sigmoid", {}),
    "tanh": lambda _: ("Tanh", {}),
    "silu": lambda kind: ("Silu" if kind.beta == 1 else "", {}),
    "soft_shrink": lambda kind: ("Softshrink", {"threshold": number(kind.threshold)}),
    "hard_shrink": lambda kind: ("Hardshrink", {"threshold": number(kind.threshold)}),
    "thresholded_relu": lambda kind: (
        "ThresholdedReLU",
        {"threshold": number(kind.threshold), "value": number(kind.below)},
    ),
    "hard_swish": lambda _: ("Hardswish", {}),
    "hard_sigmoid": lambda kind: ("Hardsigmoid" if kind == activation.HardSigmoid() else "", {}),
    "softplus": lambda kind: ("Softplus", {"beta": number(kind.beta), "threshold": number(kind.threshold or 40.0)}),
    "selu": lambda kind: (
        "SELU",
        {} if kind == activation.SELU() else {"scale": number(kind.scale), "alpha": number(kind.alpha)},
    ),
    "mish": lambda _: ("Mish", {}),
    "softsign": lambda _: ("Softsign", {}),
    "celu": lambda kind: ("CELU", {"alpha": number(kind.alpha)}),
    "hard_tanh": lambda kind: ("Hardtanh", {"min": number(kind.smallest), "max": number(kind.largest)}),
    "log_sigmoid": lambda _: ("LogSigmoid", {}),
    "linear": lambda _: ("Identity", {}),
}


def _repair(repair: Repair) -> Change | None:
    kind = repair.expected
    if isinstance(kind, (activation.Softmax, activation.LogSoftmax)):
        if "floor" in repair.differing():  # of all of Paddle's
            return None
        rank = len(repair.shape)
        axis = -1 if kind.axis is None else kind.axis
        if rank > 3:  # maps, which have their channels first
            axis = 1 if axis in (-1, rank - 1) else axis + (axis > 0)
        return Change({"axis": axis}, "Softmax" if kind.key == "softmax" else "LogSoftmax")
    write = LAYER_CODE.get(kind.key)
    layer, arguments = write(kind) if write and repair.alike else ("", {})
    return Change(arguments, layer) if layer else None


REPAIRS = {"activation": _repair}
