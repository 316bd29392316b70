"""Which of Keras's and TensorFlow's layers and functions are of which kind, and code for them: one file a family."""

from __future__ import annotations

import keras

from parity.kinds.registry import Registry


def _readable(layer: keras.layers.Layer) -> bool:
    """Whether it takes maps [n, h, w, c], if it takes any, and computes what its class does."""
    return getattr(layer, "data_format", "channels_last") == "channels_last" and "call" not in vars(layer)


registry = Registry("tf_impl", f"Keras {keras.__version__}", _readable)
