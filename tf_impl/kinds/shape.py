"""Joining and flattening in Keras and TensorFlow."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity.kinds.kind import Kind
from parity.kinds.registry import Function, FunctionCall, Layer, plain
from parity.kinds.shape import Reshape, Tile, concatenated, flipped, sliced, stacked, turned

layers = keras.layers


def _concatenate(layer: keras.layers.Layer, x: Any, _: tf.Tensor) -> Kind:
    return concatenated(layer.axis, len(x[0].shape))


def _cropping(layer: keras.layers.Layer, x: tf.Tensor, _: tf.Tensor) -> Kind:
    pairs = [layer.cropping] if isinstance(layer, layers.Cropping1D) else layer.cropping
    within = (slice(before, int(extent) - after) for (before, after), extent in zip(pairs, x.shape[1:-1], strict=True))
    return sliced((slice(None), *within), x.shape)


def _permute(layer: keras.layers.Layer, *_: Any) -> Kind:
    return turned([0, *layer.dims])


LAYERS = {
    layers.Concatenate: Layer(_concatenate),
    layers.Flatten: Layer(plain(Reshape)),
    layers.Reshape: Layer(plain(Reshape)),
    layers.Permute: Layer(_permute),
    layers.Cropping1D: Layer(_cropping),
    layers.Cropping2D: Layer(_cropping),
    layers.Cropping3D: Layer(_cropping),
}


def _slice(call: FunctionCall) -> Kind:
    return sliced(call.get("slice_spec", call.get("key", None)), call.x.shape)


def _concat(call: FunctionCall) -> Kind:
    return concatenated(int(call.get("axis", 0)), len(call.x.shape))


def _stack(call: FunctionCall) -> Kind:
    return stacked(int(call.get("axis", 0)), len(call.x.shape))


def _transpose(call: FunctionCall) -> Kind:
    axes = call.get("perm", call.get("axes", None))
    return turned(range(len(call.x.shape))[::-1] if axes is None else np.asarray(axes).tolist())


def _flip(call: FunctionCall) -> Kind:
    axes = call.get("axis", None)
    every = range(len(call.x.shape)) if axes is None else np.ravel(np.asarray(axes)).tolist()
    return flipped(every, call.x.shape)


def _tile(call: FunctionCall) -> Kind:
    repeats = np.ravel(np.asarray(call.get("multiples", call.get("repeats", 1)))).tolist()
    return Tile([1] * (len(call.x.shape) - len(repeats)) + repeats)


FUNCTIONS = {
    "get_item": Function(((tf.Tensor, "__getitem__"),), _slice),
    "concat": Function(((tf, "concat"), (keras.ops, "concatenate")), _concat),
    "stack": Function(((tf, "stack"), (keras.ops, "stack")), _stack),
    "transpose": Function(((tf, "transpose"), (keras.ops, "transpose")), _transpose),
    "flip": Function(((tf, "reverse"), (keras.ops, "flip")), _flip),
    "tile": Function(((tf, "tile"), (keras.ops, "tile")), _tile),
    "reshape": Function(
        ((tf, "reshape"), (keras.ops, "reshape"), (tf, "squeeze"), (keras.ops, "squeeze")), plain(Reshape)
    ),
    "expand_dims": Function(((tf, "expand_dims"), (keras.ops, "expand_dims")), plain(Reshape)),
}

SCRIPTS = {
    "concat": "y = tf.concat([{joined}], {axis})",
    "stack": "y = tf.stack([{joined}], {axis})",
    "transpose": "y = tf.transpose(x, {permutation})",
    "tile": "y = tf.tile(x, {repeats})",
    "reshape": "y = tf.reshape(x, {made})",
    "slice": lambda kind, _: f"y = x[{kind.subscript}]",
}
