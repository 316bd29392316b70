"""Which of Keras's and TensorFlow's layers and functions are of which kind, and code for them: one file a family."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from parity.kinds.registry import FunctionCall, Registry
from parity.runtime.tracing import present, reader
from parity.weights.layout import Layout

Facts = tuple[str, dict[str, Any]]  # kind and numbers, see `parity.kinds`

reads = reader(f"Keras {keras.__version__}")

registry = Registry("tf_impl")

KNOWN_FUNCTIONS = registry.called()  # functions, by the modules and names through which models call them

PRESENT_FUNCTIONS = present(KNOWN_FUNCTIONS)  # older versions lack some


@reads
def known(layer: keras.layers.Layer) -> bool:
    """Whether the layer is one of Keras's own that `of_layer` can describe."""
    return type(layer) in registry.layers and getattr(layer, "data_format", "channels_last") == "channels_last"


@reads
def arrays_of(layer: keras.layers.Layer) -> dict[str, tuple[keras.Variable, Layout]]:
    """The layer's arrays by canonical kind; of a separable convolution those of its second half."""
    return registry.arrays_of(layer)


@reads
def of_layer(layer: keras.layers.Layer, x: Any, y: tf.Tensor) -> Facts:
    """Kind and numbers of a known layer that made y of x (a tensor or several); maps [n, h, w, c], sequences."""
    kind = registry.of_layer(layer, x, y)
    return kind.name, kind.numbers()


@reads
def of_function(name: str, arguments: dict[str, Any], x: tf.Tensor, y: tf.Tensor) -> Facts:
    """Kind and numbers of a function of `PRESENT_FUNCTIONS` that made y of x."""
    kind = registry.of_function(FunctionCall(name, arguments, x, y))
    return kind.name, kind.numbers()
