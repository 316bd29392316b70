"""Arithmetic, element by element, in Keras and TensorFlow."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity.kinds.elementwise import (
    Add,
    Average,
    Cast,
    Clip,
    Compare,
    Identity,
    Math,
    Maximum,
    Minimum,
    Multiply,
    Power,
    Scale,
    Subtract,
    Where,
    arithmetic,
)
from parity.kinds.kind import Kind, Other
from parity.kinds.registry import Function, FunctionCall, Layer, existing, plain

layers = keras.layers


def _rescaling(layer: keras.layers.Layer, *_: Any) -> Scale:
    return Scale(*(np.asarray(value).tolist() for value in (layer.scale, layer.offset)))


LAYERS = {
    layers.Add: Layer(plain(Add)),
    layers.Subtract: Layer(plain(Subtract)),
    layers.Multiply: Layer(plain(Multiply)),
    layers.Maximum: Layer(plain(Maximum)),
    layers.Minimum: Layer(plain(Minimum)),
    layers.Average: Layer(plain(Average)),
    layers.Rescaling: Layer(_rescaling),
    layers.Identity: Layer(plain(Identity)),
}


def _constant(value: Any) -> Any:
    """An operand as `arithmetic` takes it: None for a tensor."""
    return None if isinstance(value, (tf.Tensor, tf.Variable, keras.Variable)) else value


def _arithmetic(call: FunctionCall) -> Kind:
    if any(isinstance(value, (tf.Variable, keras.Variable)) for value in call.values):
        return Other(f"{call.name} of a variable")  # which is no input of the step
    name = {"true_divide": "divide", "pow": "power"}.get(call.name, call.name).removeprefix("reversed_")
    operands = [_constant(value) for value in call.values[:2]]
    return arithmetic(name, operands[::-1] if call.name.startswith("reversed_") else operands)


def _clip(call: FunctionCall) -> Kind:
    given = (
        _constant(call.get(name, call.get(other, None)))
        for name, other in (("clip_value_min", "x_min"), ("clip_value_max", "x_max"))
    )
    bounds = [None if bound is None else np.asarray(bound) for bound in given]
    if any(bound is None or bound.ndim for bound in bounds):
        return Other("clip by a tensor")
    return Clip(*(None if np.isinf(bound) else float(bound) for bound in bounds))  # type: ignore[arg-type]


def _math(call: FunctionCall) -> Kind:
    name = {"absolute": "abs"}.get(call.name, call.name)
    if name == "negative":
        return Scale(-1.0, 0.0)
    exponents = {"square": 2.0, "sqrt": 0.5, "rsqrt": -0.5, "reciprocal": -1.0}
    return Power(exponents[name]) if name in exponents else Math(name)


def _where(call: FunctionCall) -> Kind:
    chosen = [_constant(call.get(name, call.get(other, None))) for name, other in (("x", "x1"), ("y", "x2"))]
    if len(call.values) < 3 or any(np.ndim(value) for value in chosen):
        return Other("where")
    return Where(*(None if value is None else float(value) for value in chosen))


def _cast(call: FunctionCall) -> Kind:
    """Between floats it does nothing where a model runs in one precision."""
    before, after = (tf.as_dtype(tensor.dtype) for tensor in (call.x, call.y))
    whole = after.is_integer and not (before.is_integer or before.is_bool)
    narrowed = "bool" if after.is_bool and not before.is_bool else "int" if whole else ""
    return Cast(narrowed) if narrowed else Identity()


OPERATORS = {
    "add": ("__add__", "__radd__"),
    "subtract": ("__sub__",),
    "reversed_subtract": ("__rsub__",),
    "multiply": ("__mul__", "__rmul__"),
    "divide": ("__truediv__",),
    "reversed_divide": ("__rtruediv__",),
    "power": ("__pow__",),
    "reversed_power": ("__rpow__",),
    "greater": ("__gt__",),
    "greater_equal": ("__ge__",),
    "less": ("__lt__",),
    "less_equal": ("__le__",),
    "equal": ("__eq__",),
    "not_equal": ("__ne__",),
    "maximum": (),
    "minimum": (),
    "true_divide": (),
    "pow": (),
}

PLAIN = (
    *("square", "sqrt", "rsqrt", "reciprocal", "negative", "abs", "absolute"),
    *("exp", "log", "log1p", "sin", "cos", "sign", "floor", "round"),
)

OWNERS = (tf, tf.math, keras.ops)

FUNCTIONS = (
    {
        name: Function(
            existing(*((owner, name) for owner in OWNERS), *((tf.Tensor, own) for own in operators)), _arithmetic
        )
        for name, operators in OPERATORS.items()
    }
    | {name: Function(existing(*((owner, name) for owner in OWNERS)), _math) for name in PLAIN}
    | {
        "clip": Function(((tf, "clip_by_value"), (keras.ops, "clip")), _clip),
        "where": Function(((tf, "where"), (keras.ops, "where")), _where),
        "cast": Function(((tf, "cast"), (keras.ops, "cast")), _cast),
        "neg": Function(((tf.Tensor, "__neg__"),), lambda _: Scale(-1.0, 0.0)),
    }
)

RELATIONS = {"equal": "==", "not_equal": "!=", "greater": ">", "greater_equal": ">=", "less": "<", "less_equal": "<="}


def _compare_script(kind: Compare, _: Any) -> str:
    if kind.constant is None:
        return f"y = tf.cast({{xs[0]}} {RELATIONS[kind.relation]} {{xs[1]}}, 'float64')"
    return f"y = tf.cast(x {RELATIONS[kind.relation]} {kind.constant}, 'float64')"


def _clip_script(kind: Clip, _: Any) -> str:
    smallest, largest = ("np.inf" if bound is None else repr(bound) for bound in (kind.smallest, kind.largest))
    return f"y = tf.clip_by_value(x, {smallest.replace('np.inf', '-np.inf')}, {largest})"


def _math_script(kind: Math, _: Any) -> str:
    return f"y = tf.math.{kind.function}(x)"


def _where_script(kind: Where, _: Any) -> str:
    tensors = iter(("{xs[1]}", "{xs[2]}"))
    chosen = [next(tensors) if constant is None else str(constant) for constant in (kind.true, kind.false)]
    return f"y = tf.where(tf.cast({{xs[0]}}, 'bool'), {chosen[0]}, {chosen[1]})"


SCRIPTS = {
    "where": _where_script,
    "add": "y = {sum}",
    "subtract": "y = {xs[0]} - {xs[1]}",
    "multiply": "y = {product}",
    "divide": "y = {xs[0]} / {xs[1]}",
    "maximum": "y = tf.reduce_max(tf.stack([{joined}]), 0)",
    "minimum": "y = tf.reduce_min(tf.stack([{joined}]), 0)",
    "average": "y = tf.reduce_mean(tf.stack([{joined}]), 0)",
    "clip": _clip_script,
    "power": lambda kind, _: f"y = {kind.factor} * x ** {kind.exponent}",
    "math": _math_script,
    "compare": _compare_script,
    "cast": lambda kind, _: "y = tf.cast(x, 'int64')" if kind.to == "int" else "y = tf.cast(x != 0, 'float64')",
    "scale": "y = x * tf.constant({scale}, x.dtype) + tf.constant({offset}, x.dtype)",
    "identity": "y = x",
}
