"""Maps of another size in Keras and TensorFlow."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from parity.kinds.kind import Kind, Other
from parity.kinds.registry import Function, FunctionCall, Layer
from parity.kinds.repairs import Change, Repair
from parity.kinds.resize import Resize, resized

layers = keras.layers

METHODS = {"bilinear": "linear", "bicubic": "cubic"}


def _by(method: Any, x: tf.Tensor, y: tf.Tensor, *, antialias: bool = False) -> Kind:
    """A resize by TensorFlow's `tf.image.resize`, which computes in float32; one that only repeats, by `tf.repeat`."""
    name = str(getattr(method, "value", method)).lower()
    return resized(
        METHODS.get(name, name),
        _extents(x),
        _extents(y),
        half_pixels=True,
        antialias=antialias,
        cubic=-0.5,
        outside="left out",
    )


def _extents(x: tf.Tensor) -> list[int]:
    """Those of the maps; a sequence is a map of one row."""
    return [*([1] if len(x.shape) == 3 else []), *(int(extent) for extent in x.shape[1:-1])]


def _repeated(_: keras.layers.Layer, x: tf.Tensor, y: tf.Tensor) -> Kind:
    return _by("nearest", x, y)


def _enlarged(layer: keras.layers.Layer, x: tf.Tensor, y: tf.Tensor) -> Kind:
    return _by(layer.interpolation, x, y)


def _resizing(layer: keras.layers.Layer, x: tf.Tensor, y: tf.Tensor) -> Kind:
    if layer.crop_to_aspect_ratio or layer.pad_to_aspect_ratio or len(x.shape) != 4:
        return Other("Resizing that keeps the aspect ratio" if len(x.shape) == 4 else "Resizing of one image")
    return _by(layer.interpolation, x, y, antialias=bool(getattr(layer, "antialias", False)))


LAYERS = {
    layers.UpSampling1D: Layer(_repeated),
    layers.UpSampling2D: Layer(_enlarged),
    layers.UpSampling3D: Layer(_repeated),
    layers.Resizing: Layer(_resizing),
}


def _resize(call: FunctionCall) -> Kind:
    kept = ("preserve_aspect_ratio", "crop_to_aspect_ratio", "pad_to_aspect_ratio")
    if len(call.x.shape) != 4 or any(call.get(name, False) for name in kept):
        return Other("resize that keeps the aspect ratio" if len(call.x.shape) == 4 else "resize of one image")
    if call.get("data_format", None) == "channels_first":
        return Other("resize of channels first")
    method = call.get("method", call.get("interpolation", "bilinear"))
    return _by(method, call.x, call.y, antialias=bool(call.get("antialias", False)))


FUNCTIONS = {"resize": Function(((tf.image, "resize"), (keras.ops.image, "resize")), _resize)}


def _script(kind: Resize, _: Any) -> str:
    methods = {"linear": "bilinear", "cubic": "bicubic"}
    if kind.aligned_corners or not kind.half_pixels or kind.factors or len(kind.size) != 2 or kind.cubic == -0.75:
        return ""
    method = methods.get(kind.method, kind.method)
    return f"y = tf.cast(tf.image.resize(x, {list(kind.size)}, {method!r}, antialias={kind.antialias}), x.dtype)"


SCRIPTS = {"resize": _script}


def _repair(repair: Repair) -> Change | None:
    expected, actual = repair.expected, repair.actual
    if not isinstance(expected, Resize) or not isinstance(actual, Resize) or expected.factors or expected.antialias:
        return None
    if list(expected.size) != list(actual.size) or expected.aligned_corners:
        return None
    ours = {"nearest": expected.half_pixels, "linear": expected.half_pixels}
    cubic = expected.method == "cubic" and expected.cubic == -0.5 and expected.outside == "left out"
    if not (ours.get(expected.method) or cubic) or not hasattr(repair.layer, "interpolation"):
        return None
    methods = {kind: name for name, kind in METHODS.items()}
    return Change({"interpolation": methods.get(expected.method, expected.method)})


REPAIRS = {"resize": _repair}
