"""Attention in Keras."""

from __future__ import annotations

import inspect
from typing import Any

import keras
import tensorflow as tf

from parity.kinds.attention import Attention, mask_of
from parity.kinds.registry import Layer
from parity.weights.layout import SAME, Layout

layers = keras.layers

HEADS = Layout("heads")


def _attention(layer: keras.layers.Layer, taken: Any, _: Any) -> Attention:
    masked = isinstance(taken, list) and len(taken) > 3
    mask = mask_of(taken[3].numpy(), added=False) if masked else None
    return Attention(layer.num_heads, float(layer.dropout), mask)


LAYERS = {
    layers.MultiHeadAttention: Layer(
        _attention,
        (
            *((f"{part}_dense.kernel", part, HEADS) for part in ("query", "key", "value")),
            ("output_dense.kernel", "out", Layout("heads out")),
            *((f"{part}_dense.bias", f"{part}_bias", HEADS) for part in ("query", "key", "value")),
            ("output_dense.bias", "out_bias", SAME),
        ),
    ),
}

SCRIPT = (
    "def split(x):\n"
    "    return tf.transpose(tf.reshape(x, [len(x), -1, {heads}, x.shape[-1] // {heads}]), [0, 2, 1, 3])\n"
    "\n\n"
    "q = split(tf.matmul({xs[0]}, query){query_bias})\n"
    "k = split(tf.matmul({xs[1]}, key){key_bias})\n"
    "v = split(tf.matmul({xs[2]}, value){value_bias})\n"
    "y = tf.matmul(tf.nn.softmax(tf.matmul(q, k, transpose_b=True) / {root}), v)\n"
    "x = tf.reshape(tf.transpose(y, [0, 2, 1, 3]), [len(y), -1, out.shape[0]])\n"
    "y = tf.matmul(x, out){out_bias}"
)


def _script(kind: Attention, _: Any) -> str:
    return SCRIPT if kind.mask is None else ""


SCRIPTS = {"attention": _script}


def attended(layer: keras.layers.Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[tf.Tensor] | None:
    """Query, key and value of a call of a plain MultiHeadAttention over sequences, and the mask that it makes of all.

    None for any other call. Masks that the inputs carry, as those of an embedding with `mask_zero` do, count, too.
    """
    if type(layer) is not layers.MultiHeadAttention:
        return None
    given = inspect.signature(layer.call).bind(*args, **kwargs).arguments
    query, value = given.pop("query"), given.pop("value")
    key = given.pop("key", None)
    key = value if key is None else key
    if given.get("return_attention_scores") or len(query.shape) != 3 or getattr(layer, "_gate_dense", None) is not None:
        return None
    masks = {
        f"{part}_mask": given.get(f"{part}_mask", getattr(tensor, "_keras_mask", None))
        for part, tensor in (("query", query), ("value", value), ("key", key))
    }
    masks["attention_mask"] = given.get("attention_mask")
    causal = bool(given.get("use_causal_mask", False))
    mask = layer._compute_attention_mask(query, value, **masks, use_causal_mask=causal)
    return [query, key, value, *([] if mask is None else [mask])]
