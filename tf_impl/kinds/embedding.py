"""Embeddings in Keras."""

from __future__ import annotations

import keras

from parity.kinds.embedding import Embedding
from parity.kinds.registry import Layer, plain
from parity.weights.layout import SAME

LAYERS = {keras.layers.Embedding: Layer(plain(Embedding), (("embeddings", "kernel", SAME),))}

SCRIPTS = {"embedding": "y = tf.gather(kernel, x)"}
