"""Joining and flattening in Paddle."""

from __future__ import annotations

import paddle
from paddle import nn

from parity.kinds.kind import Kind
from parity.kinds.registry import Function, FunctionCall, Layer, plain
from parity.kinds.shape import Concat, Reshape, sliced

LAYERS = {nn.Flatten: Layer(plain(Reshape))}


def _slice(call: FunctionCall) -> Kind:
    return sliced(call.get("item", None), call.x.shape, channels_second=call.channels_second)


FUNCTIONS = {
    "get_item": Function(((paddle.Tensor, "__getitem__"),), _slice),
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

SCRIPTS = {
    "concat": "y = paddle.concat([{joined}], {axis})",
    "reshape": "y = x.reshape({made})",
    "slice": lambda kind, _: f"y = x[{kind.subscript}]",
}
