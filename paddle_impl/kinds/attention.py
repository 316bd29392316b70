"""Attention in Paddle."""

from __future__ import annotations

import inspect
from typing import Any

import paddle
from paddle import nn

from parity.kinds.attention import Attention
from parity.kinds.registry import Layer
from parity.weights.layout import SAME

PROJECTIONS = (("q", "query"), ("k", "key"), ("v", "value"), ("out", "out"))

LAYERS = {
    nn.MultiHeadAttention: Layer(
        lambda layer, *_: Attention(int(layer.num_heads), float(layer.dropout)),
        (
            *((f"{own}_proj.weight", part, SAME) for own, part in PROJECTIONS),
            *((f"{own}_proj.bias", f"{part}_bias", SAME) for own, part in PROJECTIONS),
        ),
    ),
}

SCRIPTS = {
    "attention": "def split(x):\n"
    "    return x.reshape([len(x), -1, {heads}, x.shape[-1] // {heads}]).transpose([0, 2, 1, 3])\n"
    "\n\n"
    "q = split(paddle.matmul({xs[0]}, query){query_bias})\n"
    "k = split(paddle.matmul({xs[1]}, key){key_bias})\n"
    "v = split(paddle.matmul({xs[2]}, value){value_bias})\n"
    "y = paddle.matmul(F.softmax(paddle.matmul(q, k, transpose_y=True) / {root}), v)\n"
    "x = y.transpose([0, 2, 1, 3]).reshape([len(y), -1, out.shape[0]])\n"
    "y = paddle.matmul(x, out){out_bias}",
}


def attended(layer: nn.Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[paddle.Tensor] | None:
    """Query, key and value of a call of a plain MultiHeadAttention; None for any other call."""
    if type(layer) is not nn.MultiHeadAttention or layer.need_weights:
        return None
    given = inspect.signature(layer.forward).bind(*args, **kwargs).arguments
    query, key, value = given.pop("query"), given.pop("key", None), given.pop("value", None)
    if any(argument is not None for argument in given.values()):
        return None
    key = query if key is None else key
    return [query, key, key if value is None else value]
