"""What is put around maps and sequences in Keras and TensorFlow."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity.kinds.kind import Kind, Other
from parity.kinds.pad import Pad, ZeroPad, padded
from parity.kinds.registry import Function, FunctionCall, Layer
from parity.kinds.repairs import Change, Repair

layers = keras.layers


def _zeros(layer: keras.layers.Layer, *_: Any) -> Kind:
    given = [layer.padding] if isinstance(layer, layers.ZeroPadding1D) else layer.padding
    return padded([[0, 0], *given, [0, 0]])


LAYERS = {
    layers.ZeroPadding1D: Layer(_zeros),
    layers.ZeroPadding2D: Layer(_zeros),
    layers.ZeroPadding3D: Layer(_zeros),
}


def _pad(call: FunctionCall) -> Kind:
    given = np.asarray(call.get("paddings", call.get("pad_width", 0)))
    sides = np.broadcast_to(given, (len(call.x.shape), 2)).tolist()  # one number, a pair, or a pair for each axis
    value = call.get("constant_values", None)
    if isinstance(value, (tf.Tensor, tf.Variable)):
        value = value.numpy()
    if np.size(value) > 1:
        return Other("padding with several constants")
    return padded(sides, str(call.get("mode", "constant")).lower(), 0.0 if value is None else float(np.ravel(value)[0]))


FUNCTIONS = {"pad": Function(((tf, "pad"), (keras.ops, "pad")), _pad)}


def _script(kind: Pad, _: Any) -> str:
    if kind.mode not in ("constant", "reflect", "symmetric"):
        return ""
    return f"y = tf.pad(x, {[[0, 0], *map(list, kind.sides)]}, {kind.mode!r}, {kind.value})"


SCRIPTS = {"zero_pad": "y = tf.pad(x, {pads})", "pad": _script}


def _repair(repair: Repair) -> Change | None:
    zeros = repair.expected
    if not isinstance(zeros, ZeroPad) or repair.actual.family != "pad" or not repair.shape:
        return None
    around = [tuple(one) for one in zeros.padding[repair.row :]]
    return Change({"padding": around[0] if repair.row else tuple(around)}, f"ZeroPadding{len(repair.shape) - 2}D")


REPAIRS = {"zero_pad": _repair}
