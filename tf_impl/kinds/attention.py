"""Attention in Keras."""

from __future__ import annotations

import inspect
from typing import Any

import keras
import tensorflow as tf

from parity.kinds.attention import Attention
from parity.kinds.registry import Layer
from parity.weights.layout import SAME, Layout

layers = keras.layers

HEADS = Layout("heads")

LAYERS = {
    layers.MultiHeadAttention: Layer(
        lambda layer, *_: Attention(layer.num_heads, float(layer.dropout)),
        (
            *((f"{part}_dense.kernel", part, HEADS) for part in ("query", "key", "value")),
            ("output_dense.kernel", "out", Layout("heads out")),
            *((f"{part}_dense.bias", f"{part}_bias", HEADS) for part in ("query", "key", "value")),
            ("output_dense.bias", "out_bias", SAME),
        ),
    ),
}

SCRIPTS = {
    "attention": "def split(x):\n"
    "    return tf.transpose(tf.reshape(x, [len(x), -1, {heads}, x.shape[-1] // {heads}]), [0, 2, 1, 3])\n"
    "\n\n"
    "q = split(tf.matmul({xs[0]}, query){query_bias})\n"
    "k = split(tf.matmul({xs[1]}, key){key_bias})\n"
    "v = split(tf.matmul({xs[2]}, value){value_bias})\n"
    "y = tf.matmul(tf.nn.softmax(tf.matmul(q, k, transpose_b=True) / {root}), v)\n"
    "x = tf.reshape(tf.transpose(y, [0, 2, 1, 3]), [len(y), -1, out.shape[0]])\n"
    "y = tf.matmul(x, out){out_bias}",
}


def attended(layer: keras.layers.Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[tf.Tensor] | None:
    """Query, key and value of a call of a plain MultiHeadAttention over sequences; None for any other call."""
    if type(layer) is not layers.MultiHeadAttention:
        return None
    given = inspect.signature(layer.call).bind(*args, **kwargs).arguments
    query, value = given.pop("query"), given.pop("value")
    key = given.pop("key", None)
    given.pop("training", None)
    plain = not any(argument is not None and argument is not False for argument in given.values())
    known = plain and len(query.shape) == 3 and getattr(layer, "_gate_dense", None) is None
    return [query, value if key is None else key, value] if known else None
