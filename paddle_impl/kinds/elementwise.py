"""Sums, products and scalings in Paddle."""

from __future__ import annotations

import paddle
from paddle import nn

from parity.kinds.elementwise import Add, Identity, Multiply
from parity.kinds.kind import Kind, Other
from parity.kinds.registry import Function, FunctionCall, Layer, plain

LAYERS = {nn.Identity: Layer(plain(Identity))}


def _transpose(call: FunctionCall) -> Kind:
    """Of a sequence it only changes where the channels are, which means the same."""
    turned = call.x.ndim == 3 and list(call.get("perm", None) or ()) == [0, 2, 1]
    return Identity() if turned else Other(call.name)


FUNCTIONS = {
    "add": Function(
        ((paddle, "add"), (paddle.Tensor, "__add__"), (paddle.Tensor, "__radd__"), (paddle.Tensor, "add")), plain(Add)
    ),
    "multiply": Function(
        ((paddle, "multiply"), (paddle.Tensor, "__mul__"), (paddle.Tensor, "multiply")), plain(Multiply)
    ),
    "transpose": Function(((paddle, "transpose"), (paddle.Tensor, "transpose")), _transpose),
}

SCRIPTS = {
    "add": "y = {sum}",
    "multiply": "y = {product}",
    "scale": "y = x * paddle.to_tensor({scale}, x.dtype) + paddle.to_tensor({offset}, x.dtype)",
    "identity": "y = x",
}
