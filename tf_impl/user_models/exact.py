"""What TensorFlow computes with float32 constants even in float64, written out."""

from __future__ import annotations

import math

import keras
import tensorflow as tf

_gelu = tf.nn.gelu


def _exact_gelu(features: tf.Tensor, approximate: bool = False, name: str | None = None) -> tf.Tensor:
    """TensorFlow's own, but in float64, where one of its constants is a float32 number (off by 1e-9)."""
    if features.dtype != tf.float64:
        return _gelu(features, approximate, name)
    if approximate:
        inner = math.sqrt(2 / math.pi) * (features + 0.044715 * features**3)
        return 0.5 * features * (1 + tf.tanh(inner))
    return 0.5 * features * tf.math.erfc(-features * math.sqrt(0.5))


tf.nn.gelu = _exact_gelu  # Keras calls it, too


def exact_attention(model: keras.Model) -> None:
    """Let attention scale its scores in float64 by a number that is not rounded to float32."""
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.MultiHeadAttention):
            layer._inverse_sqrt_key_dim = tf.constant(1 / math.sqrt(layer.key_dim), tf.float64)
