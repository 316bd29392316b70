"""Joining and flattening in Paddle."""

from __future__ import annotations

import paddle
from paddle import nn

from parity.kinds.registry import Function, Layer, plain
from parity.kinds.shape import Concat, Reshape

LAYERS = {nn.Flatten: Layer(plain(Reshape))}

FUNCTIONS = {
    "concat": Function(((paddle, "concat"),), plain(Concat)),
    "reshape": Function(
        (
            (paddle, "flatten"),
            (paddle, "reshape"),
            (paddle, "squeeze"),
            (paddle.Tensor, "flatten"),
            (paddle.Tensor, "reshape"),
            (paddle.Tensor, "squeeze"),
        ),
        plain(Reshape),
    ),
}

SCRIPTS = {"concat": "y = paddle.concat([{joined}], {axis})", "reshape": "y = x.reshape({made})"}
