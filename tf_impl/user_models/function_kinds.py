"""What a function that a TensorFlow model calls computes, in the neutral terms of `parity.runtime.graph.Step`."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity.numerics.geometry import single
from parity.runtime.tracing import present
from tf_impl.user_models.layer_kinds import NAMED, Facts, reads

# Functions by the module that a model calls them through; the facts are read off the arguments and the shapes.
KNOWN: dict[str, tuple[tuple[Any, str], ...]] = {
    "relu": ((tf.nn, "relu"), (keras.ops, "relu"), (keras.activations, "relu")),
    "relu6": ((tf.nn, "relu6"), (keras.ops, "relu6")),
    "leaky_relu": ((tf.nn, "leaky_relu"), (keras.ops, "leaky_relu")),
    "elu": ((tf.nn, "elu"), (keras.ops, "elu")),
    "gelu": ((tf.nn, "gelu"), (keras.ops, "gelu")),
    "sigmoid": ((tf.nn, "sigmoid"), (tf, "sigmoid"), (keras.ops, "sigmoid")),
    "tanh": ((tf.nn, "tanh"), (tf, "tanh"), (keras.ops, "tanh")),
    "silu": ((tf.nn, "silu"), (keras.ops, "silu")),
    "softmax": ((tf.nn, "softmax"), (keras.ops, "softmax")),
    "log_softmax": ((tf.nn, "log_softmax"), (keras.ops, "log_softmax")),
    "softplus": ((tf.nn, "softplus"), (tf.math, "softplus"), (keras.ops, "softplus")),
    "selu": ((tf.nn, "selu"), (keras.ops, "selu")),
    "mish": ((keras.activations, "mish"),),
    "softsign": ((tf.nn, "softsign"), (keras.ops, "softsign")),
    "celu": ((keras.ops, "celu"),),
    "hard_tanh": ((keras.ops, "hard_tanh"),),
    "log_sigmoid": ((tf.math, "log_sigmoid"), (keras.ops, "log_sigmoid")),
    "add": ((tf, "add"), (keras.ops, "add"), (tf.Tensor, "__add__"), (tf.Tensor, "__radd__")),
    "multiply": ((tf, "multiply"), (keras.ops, "multiply"), (tf.Tensor, "__mul__")),
    "concat": ((tf, "concat"), (keras.ops, "concatenate")),
    "mean": ((tf, "reduce_mean"), (keras.ops, "mean")),
    "max": ((tf, "reduce_max"), (keras.ops, "max")),
    "reshape": ((tf, "reshape"), (keras.ops, "reshape"), (tf, "squeeze"), (keras.ops, "squeeze")),
}

FUNCTIONS = present(KNOWN)  # older versions lack some


@reads
def of_function(name: str, arguments: dict[str, Any], x: tf.Tensor, y: tf.Tensor) -> Facts:
    """Kind and numbers of a function of `FUNCTIONS` that made y of x."""
    match name:
        case "leaky_relu":
            slope = arguments.get("alpha", arguments.get("negative_slope", 0.2))
            return "activation", {"function": name, "slope": single(slope)}
        case "elu" | "celu":
            return "activation", {"function": name, "alpha": single(arguments.get("alpha", 1.0))}
        case "softplus" | "hard_tanh" | "log_softmax":
            return "activation", dict(NAMED[name])
        case "gelu":
            return "activation", {"function": name, "approximate": bool(arguments.get("approximate", False))}
        case "mean" | "max":
            axes = {axis % len(x.shape) for axis in np.atleast_1d(arguments.get("axis") or ())}
            whole = axes == {3: {1}, 4: {1, 2}}.get(len(x.shape))
            kind = {"mean": "global_average_pool", "max": "global_max_pool"}[name]
            return (kind, {}) if whole else ("other", {"type": name})
        case "add" | "multiply" | "concat" | "reshape":
            return name, {}
    return "activation", {"function": name}
