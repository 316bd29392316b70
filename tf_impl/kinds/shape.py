"""Joining and flattening in Keras and TensorFlow."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from parity.kinds.kind import Kind, Other
from parity.kinds.registry import Function, FunctionCall, Layer, plain
from parity.kinds.shape import Concat, Reshape, sliced

layers = keras.layers


def _concatenate(layer: keras.layers.Layer, x: Any, _: tf.Tensor) -> Kind:
    last = layer.axis in (-1, len(x[0].shape) - 1)
    return Concat() if last else Other(f"Concatenate over axis {layer.axis}")


LAYERS = {
    layers.Concatenate: Layer(_concatenate),
    layers.Flatten: Layer(plain(Reshape)),
    layers.Reshape: Layer(plain(Reshape)),
}


def _slice(call: FunctionCall) -> Kind:
    return sliced(call.get("slice_spec", call.get("key", None)), call.x.shape)


FUNCTIONS = {
    "get_item": Function(((tf.Tensor, "__getitem__"),), _slice),
    "concat": Function(((tf, "concat"), (keras.ops, "concatenate")), plain(Concat)),
    "reshape": Function(
        ((tf, "reshape"), (keras.ops, "reshape"), (tf, "squeeze"), (keras.ops, "squeeze")), plain(Reshape)
    ),
}

SCRIPTS = {
    "concat": "y = tf.concat([{joined}], {axis})",
    "reshape": "y = tf.reshape(x, {made})",
    "slice": lambda kind, _: f"y = x[{kind.subscript}]",
}
