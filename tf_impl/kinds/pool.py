"""Pools in Keras and TensorFlow."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity.kinds.kind import Kind
from parity.kinds.pool import AveragePool, GlobalAveragePool, GlobalMaxPool, adaptive, of_windows
from parity.kinds.registry import Layer, plain
from tf_impl.kinds.geometry import both, padding_of, sides

layers = keras.layers


def _layer_windows(layer: keras.layers.Layer, x: tf.Tensor, y: tf.Tensor) -> dict[str, Any]:
    window, stride = both(x, layer.pool_size), both(x, layer.strides)
    padding = padding_of(layer.padding, x, y, window, stride, [1] * len(window))
    return {"window": window, "stride": stride, "padding": padding}


def _max(layer: keras.layers.Layer, x: tf.Tensor, y: tf.Tensor) -> Kind:
    return of_windows("max", _layer_windows(layer, x, y), sides(x.shape))


def _average(layer: keras.layers.Layer, x: tf.Tensor, y: tf.Tensor) -> Kind:
    return of_windows("average", _layer_windows(layer, x, y), sides(x.shape))


def _adaptive(layer: keras.layers.Layer, x: tf.Tensor, y: tf.Tensor) -> Kind:
    return adaptive("average" if "Average" in type(layer).__name__ else "max", sides(x.shape), sides(y.shape))


ADAPTIVE = ("AdaptiveAveragePooling1D", "AdaptiveAveragePooling2D", "AdaptiveMaxPooling1D", "AdaptiveMaxPooling2D")


def _masked_average(_: Any, x: tf.Tensor, __: tf.Tensor) -> Kind:
    return GlobalAveragePool(masked=getattr(x, "_keras_mask", None) is not None)


LAYERS = {
    **{getattr(layers, name): Layer(_adaptive) for name in ADAPTIVE if hasattr(layers, name)},  # from Keras 3.12 on
    layers.MaxPooling1D: Layer(_max),
    layers.MaxPooling2D: Layer(_max),
    layers.AveragePooling1D: Layer(_average),
    layers.AveragePooling2D: Layer(_average),
    layers.MaxPooling3D: Layer(_max),
    layers.AveragePooling3D: Layer(_average),
    layers.GlobalMaxPooling3D: Layer(plain(GlobalMaxPool)),
    layers.GlobalAveragePooling3D: Layer(plain(GlobalAveragePool)),
    layers.GlobalMaxPooling1D: Layer(plain(GlobalMaxPool)),
    layers.GlobalMaxPooling2D: Layer(plain(GlobalMaxPool)),
    layers.GlobalAveragePooling1D: Layer(_masked_average),
    layers.GlobalAveragePooling2D: Layer(plain(GlobalAveragePool)),
}


PADDED = 'tf.pad(x, {pads}), {window}, {stride}, "VALID")'


def _average_script(kind: AveragePool, _: Any) -> str:
    lines = f"y = tf.nn.avg_pool2d({PADDED}"
    if kind.count_padding or not np.any(kind.padding):
        return lines
    share = PADDED.replace("(x,", "(tf.ones_like(x),")
    return f"{lines}\ny /= tf.nn.avg_pool2d({share}  # the share of the window that is no padding"


SCRIPTS = {
    "max_pool": "y = tf.nn.max_pool2d(" + PADDED.replace("{pads}", "{pads}, constant_values=-np.inf"),
    "average_pool": _average_script,
    "global_max_pool": "y = tf.reduce_max(x, [1, 2])",
    "global_average_pool": "y = tf.reduce_mean(x, [1, 2])",
}
