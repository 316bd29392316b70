"""Pools in Keras and TensorFlow."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity.kinds.kind import Kind
from parity.kinds.pool import AveragePool, GlobalAveragePool, GlobalMaxPool, adaptive, of_windows
from parity.kinds.registry import Layer, plain
from parity.kinds.repairs import Change, Repair, shortest
from tf_impl.kinds.geometry import both, named_padding, padding_of, sides

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


def _pool_repair(repair: Repair) -> Change | None:
    expected = repair.expected.numbers()
    if repair.actual.family != "pool" or not repair.shape or "window" not in repair.actual.numbers():
        return None
    counted, padding = expected.get("count_padding"), expected["padding"]
    name = named_padding(padding, sides(repair.shape), expected["window"], expected["stride"], [1] * len(padding))
    name = "" if counted and name != "valid" else name  # Keras never counts what it pads
    average = repair.expected.name == "average_pool"
    if not name and average and counted is False:
        return None
    sizes = {
        "pool_size": shortest(expected["window"][repair.row :]),
        "strides": shortest(expected["stride"][repair.row :]),
        "padding": name or "valid",
    }
    pads = () if name else tuple((before, after) for before, after in padding[repair.row :])
    value = 0.0 if average else float("-inf")
    if not repair.alike:
        return Change(sizes, f"{'Average' if average else 'Max'}Pooling{len(repair.shape) - 2}D", pads, value)
    names = {"window": "pool_size", "stride": "strides", "padding": "padding", "count_padding": "padding"}
    changed = {names[number]: sizes[names[number]] for number in repair.differing()}
    if changed.get("padding") == repair.layer.padding:
        del changed["padding"]
    return Change(changed, pads=pads, value=value)


def _global_repair(repair: Repair) -> Change | None:
    if repair.actual.name not in ("global_max_pool", "global_average_pool") or repair.alike:
        return None
    kind = "Max" if repair.expected.name == "global_max_pool" else "Average"
    kept = {"keepdims": True} if getattr(repair.layer, "keepdims", False) else {}
    return Change(kept, f"Global{kind}Pooling{len(repair.shape) - 2}D")


REPAIRS = {
    "max_pool": _pool_repair,
    "average_pool": _pool_repair,
    "global_max_pool": _global_repair,
    "global_average_pool": _global_repair,
}
