"""Embeddings in Paddle."""

from __future__ import annotations

from paddle import nn

from parity.kinds.embedding import Embedding
from parity.kinds.registry import Layer, plain
from parity.weights.layout import SAME

LAYERS = {nn.Embedding: Layer(plain(Embedding), (("weight", "kernel", SAME),))}

SCRIPTS = {"embedding": "y = F.embedding(x, kernel)"}
