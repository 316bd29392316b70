"""Means, sums and largest numbers over axes, running sums, indices and norms in Keras and TensorFlow."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from parity.kinds.kind import Kind, Other
from parity.kinds.reduction import CumulativeSum, Index, Normalize, OneHot, Reduce, axes_of, reduced
from parity.kinds.registry import Function, FunctionCall, Layer, existing
from parity.numerics.geometry import channels_last_axis

layers, ops = keras.layers, keras.ops

# By our name of a reduction: TensorFlow's, Keras's.
REDUCTIONS = {
    "mean": ("reduce_mean", "mean"),
    "sum": ("reduce_sum", "sum"),
    "max": ("reduce_max", "max"),
    "min": ("reduce_min", "min"),
    "product": ("reduce_prod", "prod"),
    "std": ("reduce_std", "std"),
    "var": ("reduce_variance", "var"),
    "logsumexp": ("reduce_logsumexp", "logsumexp"),
}

BY_OPERATION = {names[1]: ours for ours, names in REDUCTIONS.items()} | {"amax": "max", "amin": "min"}


def _reduction(call: FunctionCall) -> Kind:
    kept = bool(call.get("keepdims", False))
    return reduced(BY_OPERATION[call.name], call.get("axis", None), len(call.x.shape), kept=kept)


def _cumulative(call: FunctionCall) -> Kind:
    rank = len(call.x.shape)
    axis = call.get("axis", 0)
    if axis is None:  # of all numbers in a row
        return Other(call.name)
    exclusive, backwards = bool(call.get("exclusive", False)), bool(call.get("reverse", False))
    return CumulativeSum(channels_last_axis(int(axis), rank, channels_second=False), exclusive, backwards)


def _index(call: FunctionCall) -> Kind:
    rank, of = len(call.x.shape), call.name.removeprefix("arg")
    axis = call.get("axis", None)
    if axis is None and len(call.y.shape) != rank - 1:  # of all numbers in a row; TensorFlow's takes the first axis
        return Other(call.name)
    return Index(of, channels_last_axis(int(axis or 0), rank, channels_second=False), bool(call.get("keepdims", False)))


def _one_hot(call: FunctionCall) -> Kind:
    axis = call.get("axis", None)
    plain = axis in (None, -1, len(call.x.shape)) and call.get("on_value", None) is call.get("off_value", None) is None
    return OneHot(int(call.y.shape[-1])) if plain else Other(call.name)


def _l2_normalize(call: FunctionCall) -> Kind:
    """TensorFlow's epsilon is below the root."""
    return Normalize(axes_of(call.get("axis", None), len(call.x.shape)), math.sqrt(call.get("epsilon", 1e-12)))


def _normalize(call: FunctionCall) -> Kind:
    epsilon = call.get("epsilon", None)
    floor = keras.config.epsilon() if epsilon is None else float(epsilon)
    return Normalize(axes_of(call.get("axis", -1), len(call.x.shape)), floor, float(call.get("order", 2)))


def _unit(layer: keras.layers.Layer, x: tf.Tensor, _: Any) -> Kind:
    return Normalize(axes_of(layer.axis, len(x.shape)), 1e-12)


LAYERS = {layers.UnitNormalization: Layer(_unit)}

FUNCTIONS = {
    theirs: Function(existing((tf, names[0]), (tf.math, names[0]), (ops, theirs)), _reduction)
    for names in REDUCTIONS.values()
    for theirs in names[1:]
} | {
    "amax": Function(((ops, "amax"),), _reduction),
    "amin": Function(((ops, "amin"),), _reduction),
    "cumsum": Function(((tf, "cumsum"), (tf.math, "cumsum"), (ops, "cumsum")), _cumulative),
    "argmax": Function(((tf, "argmax"), (tf.math, "argmax"), (ops, "argmax")), _index),
    "argmin": Function(((tf, "argmin"), (tf.math, "argmin"), (ops, "argmin")), _index),
    "one_hot": Function(((tf, "one_hot"), (ops, "one_hot")), _one_hot),
    "l2_normalize": Function(((tf.math, "l2_normalize"), (tf.nn, "l2_normalize")), _l2_normalize),
    "normalize": Function(((ops, "normalize"),), _normalize),
}


def _reduce_script(kind: Reduce, _: Any) -> str:
    name = {"var": "variance", "product": "prod"}.get(kind.function, kind.function)
    return f"y = tf.math.reduce_{name}(x, {list(kind.axes)}, keepdims={kind.kept})" if not kind.unbiased else ""


def _cumulative_script(kind: CumulativeSum, _: Any) -> str:
    return f"y = tf.cumsum(x, {kind.axis}, {kind.exclusive}, {kind.backwards})"


def _index_script(kind: Index, _: Any) -> str:
    return "" if kind.kept else f"y = tf.arg{kind.of}(x, {kind.axis})"


def _normalize_script(kind: Normalize, _: Any) -> str:
    norm = f"tf.norm(x, {kind.order}, {list(kind.axes) if len(kind.axes) > 1 else kind.axes[0]}, keepdims=True)"
    return f"y = x / tf.maximum({norm}, {kind.floor})"


SCRIPTS = {
    "reduce": _reduce_script,
    "cumulative_sum": _cumulative_script,
    "index": _index_script,
    "one_hot": "y = tf.one_hot(tf.cast(x, 'int64'), {depth}, dtype='float64')",
    "normalize": _normalize_script,
}
