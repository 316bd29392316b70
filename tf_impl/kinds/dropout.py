"""Dropout in Keras."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from parity.kinds.dropout import Dropout
from parity.kinds.registry import Layer
from parity.kinds.repairs import Change, Repair, number

layers = keras.layers


def _dropout(layer: keras.layers.Layer, x: tf.Tensor, _: Any) -> Dropout:
    shape = getattr(layer, "noise_shape", None)
    whole = shape is not None and len(shape) > 2 and set(shape[1:-1]) == {1}
    return Dropout(float(layer.rate), spatial=whole or isinstance(layer, SPATIAL))


def _alpha(layer: keras.layers.Layer, *_: Any) -> Dropout:
    return Dropout(float(layer.rate), alpha=True)


SPATIAL = (layers.SpatialDropout1D, layers.SpatialDropout2D, layers.SpatialDropout3D)

LAYERS = {
    layers.Dropout: Layer(_dropout),
    layers.AlphaDropout: Layer(_alpha),
    **{spatial: Layer(_dropout) for spatial in SPATIAL},
}

SCRIPTS = {"dropout": "y = x  # in inference"}


def _named(expected: Dropout, shape: Sequence[int]) -> str:
    """The layer that drops so; empty for whole channels of what has no axis beside them."""
    if expected.alpha:
        return "AlphaDropout"
    if not expected.spatial:
        return "Dropout"
    return f"SpatialDropout{len(shape) - 2}D" if len(shape) > 2 else ""


def _repair(repair: Repair) -> Change | None:
    if isinstance(repair.expected, Dropout) and repair.layer is None:
        return Change({"rate": number(repair.expected.rate)}, _named(repair.expected, repair.shape))
    return Change(repair.differing()) if repair.only_in("rate") else None


REPAIRS = {"dropout": _repair}
