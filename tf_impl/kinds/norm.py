"""Normalisations in Keras."""

from __future__ import annotations

import keras
import tensorflow as tf

from parity.kinds.kind import Kind, Other
from parity.kinds.norm import BatchNorm, GroupNorm, LayerNorm
from parity.kinds.registry import Layer
from parity.kinds.repairs import Change, Repair, number
from parity.numerics.geometry import single
from parity.weights.layout import SAME

layers = keras.layers

AFFINE = (("gamma", "gamma", SAME), ("beta", "beta", SAME))


def _batch_norm(layer: keras.layers.Layer, x: tf.Tensor, _: tf.Tensor) -> Kind:
    if layer.axis not in (-1, len(x.shape) - 1):
        return Other(f"BatchNormalization over axis {layer.axis}")
    return BatchNorm(single(layer.epsilon), single(layer.momentum), not layer.trainable)


def _layer_norm(layer: keras.layers.Layer, x: tf.Tensor, _: tf.Tensor) -> Kind:
    axes = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
    if axes not in ([-1], [len(x.shape) - 1]):
        return Other(f"LayerNormalization over axes {axes}")
    return LayerNorm(single(layer.epsilon))


def _group_norm(layer: keras.layers.Layer, x: tf.Tensor, _: tf.Tensor) -> Kind:
    if layer.axis not in (-1, len(x.shape) - 1):
        return Other(f"GroupNormalization over axis {layer.axis}")
    groups = x.shape[-1] if layer.groups == -1 else layer.groups  # -1: one for each channel
    return GroupNorm(single(layer.epsilon), int(groups))


LAYERS = {
    layers.BatchNormalization: Layer(
        _batch_norm, (*AFFINE, ("moving_mean", "mean", SAME), ("moving_variance", "variance", SAME))
    ),
    layers.LayerNormalization: Layer(_layer_norm, AFFINE),
    layers.GroupNormalization: Layer(_group_norm, AFFINE),
}

NORMALISED = "y = tf.nn.batch_normalization(x, mean, variance, {beta}, {gamma}, {epsilon})"

SCRIPTS = {
    "batch_norm": NORMALISED,
    "layer_norm": f"mean, variance = tf.nn.moments(x, [-1], keepdims=True)\n{NORMALISED}",
    "group_norm": "moments = tf.nn.moments(tf.reshape(x, [len(x), -1, {groups}, {members}]), [1, 3])\n"
    "mean, variance = (tf.reshape(tf.repeat(moment, {members}, 1), {broadcast_shape}) for moment in moments)\n"
    f"{NORMALISED}",
}


def _batch_norm_repair(repair: Repair) -> Change | None:
    if isinstance(repair.actual, Other) and isinstance(repair.layer, layers.BatchNormalization):  # over another axis
        return Change({"axis": -1, "epsilon": number(repair.expected.numbers()["epsilon"])})
    return Change(repair.differing()) if repair.only_in("epsilon", "momentum") else None


def _layer_norm_repair(repair: Repair) -> Change | None:
    if isinstance(repair.actual, Other) and isinstance(repair.layer, layers.LayerNormalization):  # over other axes
        return Change({"axis": -1, "epsilon": number(repair.expected.numbers()["epsilon"])})
    return Change(repair.differing()) if repair.alike else None


def _group_norm_repair(repair: Repair) -> Change | None:
    return Change(repair.differing()) if repair.alike else None


REPAIRS = {"batch_norm": _batch_norm_repair, "layer_norm": _layer_norm_repair, "group_norm": _group_norm_repair}
