"""Convolutions in Keras and TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity.kinds.conv import Conv, ConvTranspose
from parity.kinds.registry import Layer
from parity.kinds.repairs import Change, Repair, shortest
from parity.numerics.geometry import cropped, over_row, pair
from parity.weights.layout import SAME, Layout
from tf_impl.kinds.geometry import both, named_padding, padding_of, sides

layers = keras.layers

BIAS = (("bias", "bias", SAME),)


def convolution(layer: keras.layers.Layer, x: tf.Tensor, y: tf.Tensor) -> Conv:
    """A convolution of either kind; of a separable one its first half."""
    stride, dilation = both(x, layer.strides), both(x, layer.dilation_rate)
    padding = padding_of(layer.padding, x, y, both(x, layer.kernel_size), stride, dilation)
    groups = layer.groups if type(layer) in (layers.Conv1D, layers.Conv2D, layers.Conv3D) else int(x.shape[-1])
    return Conv(stride, padding, dilation, groups)


def _transposed(layer: keras.layers.Layer, x: tf.Tensor, y: tf.Tensor) -> ConvTranspose:
    stride, dilation, window = pair(layer.strides), pair(layer.dilation_rate), pair(layer.kernel_size)
    crop = []
    for axis in range(2):
        facts = int(x.shape[1 + axis]), int(y.shape[1 + axis]), window[axis], stride[axis], dilation[axis]
        total = max(sum(cropped(*facts, 0)), 0) if layer.padding == "same" else 0
        crop.append(cropped(*facts, total // 2))
    return ConvTranspose(stride, crop, dilation, 1)


LAYERS = {
    layers.Conv1D: Layer(convolution, (("kernel", "kernel", Layout("row")), *BIAS)),
    layers.Conv2D: Layer(convolution, (("kernel", "kernel", SAME), *BIAS)),
    layers.Conv3D: Layer(convolution, (("kernel", "kernel", SAME), *BIAS)),
    layers.DepthwiseConv2D: Layer(convolution, (("kernel", "kernel", Layout("depthwise")), *BIAS)),
    layers.SeparableConv2D: Layer(convolution, (("pointwise_kernel", "kernel", SAME), *BIAS)),
    layers.Conv2DTranspose: Layer(_transposed, (("kernel", "kernel", SAME), *BIAS)),
}


def _conv_script(kind: Conv, shapes: Mapping[str, tuple[int, ...]]) -> str:
    if len(shapes["kernel"]) > 4:  # of volumes
        return ""
    if kind.groups > 1 and shapes["kernel"][2] == 1 and len(set(pair(kind.stride))) == 1:
        return (
            "y = tf.nn.depthwise_conv2d(\n"
            '    tf.pad(x, {pads}), kernel, [1, *{stride}, 1], "VALID", dilations={dilation}\n)'
        )
    return 'y = tf.nn.conv2d(tf.pad(x, {pads}), kernel, {stride}, "VALID", dilations={dilation})'


def _transposed_script(kind: ConvTranspose, _: Any) -> str:
    if np.min(kind.crop) < 0:  # zeros added to a full output
        return ""
    return 'y = tf.nn.conv2d_transpose(x, kernel, {full}, {stride}, "VALID")\ny = y[:, {rows}, {columns}]'


SCRIPTS = {"conv": _conv_script, "conv_transpose": _transposed_script}


def _conv_repair(repair: Repair) -> Change | None:
    """Keras pads by name only: zeros that no name stands for are a layer of their own before it."""
    if not repair.only_in("stride", "padding", "dilation") or not repair.shape:
        return None
    expected, differing = repair.expected.numbers(), repair.differing()
    names = {"stride": "strides", "dilation": "dilation_rate"}
    per_axis = {names[name]: shortest(value[repair.row :]) for name, value in differing.items() if name in names}
    window = over_row(repair.layer.kernel_size) if repair.row else list(repair.layer.kernel_size)
    facts = window, expected["stride"], expected["dilation"]
    name = named_padding(expected["padding"], sides(repair.shape), *facts)
    if not name and isinstance(repair.layer, layers.Conv1D) and _causal(expected["padding"], window, facts[2]):
        name = "causal"
    pads = () if name else tuple((before, after) for before, after in expected["padding"][repair.row :])
    around = {"padding": name or "valid"} if (name or "valid") != repair.layer.padding else {}
    return Change({**per_axis, **around}, pads=pads)


def _causal(padding: Any, window: list[int], dilation: Any) -> bool:
    return list(padding[1]) == [(window[1] - 1) * dilation[1], 0]


def _transposed_repair(repair: Repair) -> Change | None:
    """Keras crops by name only: other crops are a layer of their own behind it."""
    sides = repair.expected.numbers()["crop"]
    if not repair.only_in("crop") or np.min(sides) < 0 or repair.layer.output_padding is not None:
        return None
    return Change({"padding": "valid"}, crops=tuple((before, after) for before, after in sides))


REPAIRS = {"conv": _conv_repair, "conv_transpose": _transposed_repair}
