"""Dropout in Keras."""

from __future__ import annotations

from typing import Any

import keras

from parity.kinds.dropout import Dropout
from parity.kinds.registry import Layer

layers = keras.layers


def _dropout(layer: keras.layers.Layer, *_: Any) -> Dropout:
    return Dropout(float(layer.rate))


LAYERS = {
    layers.Dropout: Layer(_dropout),
    layers.SpatialDropout1D: Layer(_dropout),
    layers.SpatialDropout2D: Layer(_dropout),
}

SCRIPTS = {"dropout": "y = x  # in inference"}
