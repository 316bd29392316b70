"""Fully connected layers in Paddle."""

from __future__ import annotations

from paddle import nn

from parity.kinds.dense import Dense
from parity.kinds.registry import Layer, plain
from parity.weights.layout import SAME

LAYERS = {nn.Linear: Layer(plain(Dense), (("weight", "kernel", SAME), ("bias", "bias", SAME)))}

SCRIPTS = {"dense": "y = F.linear(x, kernel, {bias})"}
