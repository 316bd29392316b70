"""Fully connected layers in Keras."""

from __future__ import annotations

import keras

from parity.kinds.dense import Dense
from parity.kinds.registry import Layer, plain
from parity.weights.layout import SAME

LAYERS = {keras.layers.Dense: Layer(plain(Dense), (("kernel", "kernel", SAME), ("bias", "bias", SAME)))}

SCRIPTS = {"dense": "y = tf.matmul(x, kernel)"}
