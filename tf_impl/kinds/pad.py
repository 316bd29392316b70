"""Zeros around maps in Keras."""

from __future__ import annotations

from typing import Any

import keras

from parity.kinds.pad import ZeroPad
from parity.kinds.registry import Layer

layers = keras.layers


def _row(layer: keras.layers.Layer, *_: Any) -> ZeroPad:
    return ZeroPad([[0, 0], [int(count) for count in layer.padding]])


def _maps(layer: keras.layers.Layer, *_: Any) -> ZeroPad:
    return ZeroPad([[int(count) for count in sides] for sides in layer.padding])


LAYERS = {layers.ZeroPadding1D: Layer(_row), layers.ZeroPadding2D: Layer(_maps)}

SCRIPTS = {"zero_pad": "y = tf.pad(x, {pads})"}
