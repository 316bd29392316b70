"""Activation functions in Keras and TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from parity.kinds import activation
from parity.kinds.kind import Kind
from parity.kinds.registry import Function, FunctionCall, Layer, existing, plain
from parity.kinds.repairs import Change, Expression, Repair, number
from parity.numerics.geometry import single
from parity.weights.layout import Layout

layers = keras.layers

# By Keras's names, which functions and the argument `activation` of its layers have.
NAMED: dict[str, Kind] = {
    "relu": activation.ReLU(),
    "relu6": activation.ReLU6(),
    "leaky_relu": activation.LeakyReLU(single(0.2)),
    "elu": activation.ELU(1.0),
    "gelu": activation.GELU(approximate=False),
    "sigmoid": activation.Sigmoid(),
    "tanh": activation.Tanh(),
    "silu": activation.SiLU(),
    "swish": activation.SiLU(),
    "hard_swish": activation.HardSwish(),
    "hard_silu": activation.HardSwish(),
    "hard_sigmoid": activation.HardSigmoid(),
    "softmax": activation.Softmax(),
    "log_softmax": activation.LogSoftmax(None),
    "softplus": activation.Softplus(1.0, None),
    "selu": activation.SELU(),
    "mish": activation.Mish(),
    "softsign": activation.Softsign(),
    "celu": activation.CELU(1.0),
    "hard_tanh": activation.HardTanh(-1.0, 1.0),
    "log_sigmoid": activation.LogSigmoid(),
    "linear": activation.Linear(),
}


def of_activation(function: Callable[..., Any]) -> Kind:
    """A Keras activation by its function."""
    name = getattr(function, "__name__", type(function).__name__)
    return NAMED.get(name) or activation.OtherActivation(name)


def _relu_layer(layer: Any, *_: Any) -> Kind:
    return _relu(layer.max_value, layer.negative_slope, layer.threshold)


def _relu_called(call: FunctionCall) -> Kind:
    """By one of several functions, of which `keras.activations.relu` alone has numbers."""
    return _relu(call.get("max_value", None), call.get("negative_slope", 0.0), call.get("threshold", 0.0))


def _relu(largest: float | None, slope: float, threshold: float) -> Kind:
    if threshold == 0 and largest is None:
        return activation.LeakyReLU(single(slope)) if slope else activation.ReLU()
    if (largest, slope, threshold) == (6.0, 0.0, 0.0):
        return activation.ReLU6()
    return activation.ReLU(float(slope), float(threshold), largest)


def _softmax_layer(layer: Any, x: tf.Tensor, _: Any) -> Kind:
    if not isinstance(layer.axis, int):
        return activation.OtherActivation(f"softmax over axes {list(layer.axis)}")
    return activation.Softmax(activation.softmax_axis(layer.axis, len(x.shape)))


LAYERS = {
    layers.ReLU: Layer(_relu_layer),
    layers.LeakyReLU: Layer(lambda layer, *_: activation.LeakyReLU(single(layer.negative_slope))),
    layers.ELU: Layer(lambda layer, *_: activation.ELU(single(layer.alpha))),
    layers.Softmax: Layer(_softmax_layer),
    layers.Activation: Layer(lambda layer, *_: of_activation(layer.activation)),
    layers.PReLU: Layer(plain(activation.PReLU), (("alpha", "slope", Layout("shared")),)),
}


def _threshold(call: FunctionCall) -> Kind:
    below = call.get("default_value", call.get("default", 0.0))
    return activation.ThresholdedReLU(single(call.get("threshold", 0.0)), float(below))


def _named(call: FunctionCall) -> Kind:
    return NAMED[call.name]


def _axis(call: FunctionCall) -> int | None:
    axis = call.get("axis", None)
    return activation.softmax_axis(axis if axis is None else int(axis), len(call.x.shape))


def _everywhere(name: str, *more: Any) -> tuple[tuple[Any, str], ...]:
    """Where models may call a function: by Keras's name of it, and by others of TensorFlow's modules."""
    return existing((keras.ops, name), (keras.activations, name), *((owner, name) for owner in more))


FUNCTIONS = {
    "relu": Function(_everywhere("relu", tf.nn), _relu_called),
    "relu6": Function(_everywhere("relu6", tf.nn), _named),
    "leaky_relu": Function(
        _everywhere("leaky_relu", tf.nn),
        lambda call: activation.LeakyReLU(single(call.get("alpha", call.get("negative_slope", 0.2)))),
    ),
    "elu": Function(_everywhere("elu", tf.nn), lambda call: activation.ELU(single(call.get("alpha", 1.0)))),
    "gelu": Function(
        ((keras.activations, "gelu"), (tf.nn, "gelu")),
        lambda call: activation.GELU(bool(call.get("approximate", False))),
    ),
    # the only one that is approximate by default
    "ops.gelu": Function(((keras.ops, "gelu"),), lambda call: activation.GELU(bool(call.get("approximate", True)))),
    "sigmoid": Function(_everywhere("sigmoid", tf.nn, tf), _named),
    "tanh": Function(_everywhere("tanh", tf.nn, tf), _named),
    "silu": Function(
        (*_everywhere("silu", tf.nn), (tf.nn, "swish")), lambda call: activation.SiLU(float(call.get("beta", 1.0)))
    ),
    "hard_silu": Function((*_everywhere("hard_silu"), (keras.ops, "hard_swish")), _named),
    "hard_sigmoid": Function(_everywhere("hard_sigmoid"), _named),
    "softmax": Function(_everywhere("softmax", tf.nn), lambda call: activation.Softmax(_axis(call))),
    "log_softmax": Function(_everywhere("log_softmax", tf.nn), lambda call: activation.LogSoftmax(None, _axis(call))),
    "softplus": Function(_everywhere("softplus", tf.nn, tf.math), _named),
    "selu": Function(_everywhere("selu", tf.nn), _named),
    "mish": Function(_everywhere("mish"), _named),
    "softsign": Function(_everywhere("softsign", tf.nn), _named),
    "celu": Function(_everywhere("celu"), lambda call: activation.CELU(single(call.get("alpha", 1.0)))),
    "hard_tanh": Function(_everywhere("hard_tanh"), _named),
    "log_sigmoid": Function(_everywhere("log_sigmoid", tf.math), _named),
    "soft_shrink": Function(
        _everywhere("soft_shrink"), lambda call: activation.SoftShrink(single(call.get("threshold", 0.5)))
    ),
    "hard_shrink": Function(
        _everywhere("hard_shrink"), lambda call: activation.HardShrink(single(call.get("threshold", 0.5)))
    ),
    "threshold": Function(_everywhere("threshold"), _threshold),
}


def _relu_script(kind: activation.ReLU, _: Any) -> str:
    if kind == activation.ReLU():
        return "y = tf.nn.relu(x)"
    below = f"{kind.slope} * (x - {kind.threshold})"
    largest = "np.inf" if kind.largest is None else kind.largest
    return f"y = tf.minimum(tf.where(x < {kind.threshold}, {below}, x), {largest})"


SCRIPTS = {
    "relu": _relu_script,
    "relu6": "y = tf.nn.relu6(x)",
    "leaky_relu": "y = tf.nn.leaky_relu(x, {slope})",
    "elu": "y = tf.where(x > 0, x, {alpha} * tf.nn.elu(x))",
    "gelu": "y = tf.nn.gelu(x, {approximate})",
    "sigmoid": "y = tf.nn.sigmoid(x)",
    "tanh": "y = tf.nn.tanh(x)",
    "silu": "y = tf.nn.silu(x, {beta})",
    "soft_shrink": "y = tf.sign(x) * tf.maximum(tf.abs(x) - {threshold}, 0)",
    "hard_shrink": "y = tf.where(tf.abs(x) > {threshold}, x, 0)",
    "thresholded_relu": "y = tf.where(x > {threshold}, x, {below})",
    "hard_swish": "y = x * tf.nn.relu6(x + 3) / 6",
    "hard_sigmoid": "y = tf.clip_by_value({slope} * x + {offset}, 0, 1)",
    "softmax": lambda kind, _: f"y = tf.nn.softmax(x, {-1 if kind.axis is None else kind.axis})",
    "log_softmax": lambda kind, _: f"y = tf.nn.log_softmax(x, {-1 if kind.axis is None else kind.axis})",
    "softplus": "y = tf.nn.softplus({beta} * x) / {beta}",
    "selu": "y = {scale} * tf.where(x > 0, x, {alpha} * tf.math.expm1(tf.minimum(x, 0)))",
    "mish": "y = x * tf.tanh(tf.nn.softplus(x))",
    "softsign": "y = tf.nn.softsign(x)",
    "celu": "y = tf.where(x > 0, x, {alpha} * tf.math.expm1(tf.minimum(x, 0) / {alpha}))",
    "hard_tanh": "y = tf.clip_by_value(x, {smallest}, {largest})",
    "log_sigmoid": "y = tf.math.log_sigmoid(x)",
    "linear": "y = x",
    "prelu": "y = tf.where(x > 0, x, slope * x)",
}


# By function: the layer that computes it where Keras has one, and its arguments.
LAYER_CODE: dict[str, Callable[[Any], tuple[str, dict[str, Any]]]] = {
    "leaky_relu": lambda kind: ("LeakyReLU", {"negative_slope": number(kind.slope)}),
    "elu": lambda kind: ("ELU", {"alpha": number(kind.alpha)}),
    "softmax": lambda kind: ("Softmax", {"axis": -1 if kind.axis is None else kind.axis}),
}

# By function: what Keras computes where a function has numbers that its name does not stand for.
CALL_CODE: dict[str, Callable[[Any], str]] = {
    "leaky_relu": lambda kind: f"keras.activations.leaky_relu(x, negative_slope={number(kind.slope)})",
    "elu": lambda kind: f"keras.activations.elu(x, alpha={number(kind.alpha)})",
    "gelu": lambda kind: f"keras.activations.gelu(x, approximate={kind.approximate})",
    "celu": lambda kind: f"keras.activations.celu(x, alpha={number(kind.alpha)})",
    "soft_shrink": lambda kind: f"keras.activations.soft_shrink(x, threshold={number(kind.threshold)})",
    "hard_shrink": lambda kind: f"keras.activations.hard_shrink(x, threshold={number(kind.threshold)})",
    "softmax": lambda kind: f"keras.activations.softmax(x, axis={-1 if kind.axis is None else kind.axis})",
}


def _named_or_called(kind: Kind) -> Any:
    """What the argument `activation` of a layer says; None where Keras has nothing of the kind."""
    named = NAMED.get(kind.key)
    if named is not None and not Repair(named, kind, None).differing() and type(named) is type(kind):
        return kind.key if kind.key in ("linear", "softmax") else next(n for n, one in NAMED.items() if one is named)
    call = CALL_CODE.get(kind.key)
    return Expression(f"lambda x: {call(kind)}") if call else None


def _repair(repair: Repair) -> Change | None:
    kind, layer = repair.expected, repair.layer
    if not repair.alike:
        return None
    named = _named_or_called(kind)
    write = LAYER_CODE.get(kind.key)
    own = type(layer) is layers.Activation and write is not None and named != kind.key
    if layer is not None and hasattr(layer, "activation") and not own:  # or of a layer of another family
        return None if named is None else Change({"activation": named})
    if write is not None:
        name, arguments = write(kind)
        return Change(arguments, name)
    return None if named is None else Change({"activation": named}, "Activation")


REPAIRS = {"activation": _repair}
