"""Sums, products and scalings in Keras and TensorFlow."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity.kinds.elementwise import Add, Identity, Multiply, Scale
from parity.kinds.registry import Function, Layer, plain

layers = keras.layers


def _rescaling(layer: keras.layers.Layer, *_: Any) -> Scale:
    return Scale(*(np.asarray(value).tolist() for value in (layer.scale, layer.offset)))


LAYERS = {
    layers.Add: Layer(plain(Add)),
    layers.Multiply: Layer(plain(Multiply)),
    layers.Rescaling: Layer(_rescaling),
    layers.Identity: Layer(plain(Identity)),
}

FUNCTIONS = {
    "add": Function(((tf, "add"), (keras.ops, "add"), (tf.Tensor, "__add__"), (tf.Tensor, "__radd__")), plain(Add)),
    "multiply": Function(((tf, "multiply"), (keras.ops, "multiply"), (tf.Tensor, "__mul__")), plain(Multiply)),
}

SCRIPTS = {
    "add": "y = {sum}",
    "multiply": "y = {product}",
    "scale": "y = x * tf.constant({scale}, x.dtype) + tf.constant({offset}, x.dtype)",
    "identity": "y = x",
}
