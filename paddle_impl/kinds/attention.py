"""Attention in Paddle."""

from __future__ import annotations

import inspect
from typing import Any

import paddle
from paddle import nn

from parity.kinds.attention import Attention, mask_of
from parity.kinds.registry import Layer
from parity.weights.layout import SAME

PROJECTIONS = (("q", "query"), ("k", "key"), ("v", "value"), ("out", "out"))


def _attention(layer: nn.Layer, taken: Any, _: Any) -> Attention:
    heads, rate = int(layer.num_heads), float(layer.dropout)
    if not isinstance(taken, list) or len(taken) < 4:
        return Attention(heads, rate)
    added = taken[3].is_floating_point()
    return Attention(heads, rate, mask_of(taken[3].numpy(), added=added), added)


LAYERS = {
    nn.MultiHeadAttention: Layer(
        _attention,
        (
            *((f"{own}_proj.weight", part, SAME) for own, part in PROJECTIONS),
            *((f"{own}_proj.bias", f"{part}_bias", SAME) for own, part in PROJECTIONS),
        ),
    ),
}

SCRIPT = (
    "def split(x):\n"
    "    return x.reshape([len(x), -1, {heads}, x.shape[-1] // {heads}]).transpose([0, 2, 1, 3])\n"
    "\n\n"
    "q = split(paddle.matmul({xs[0]}, query){query_bias})\n"
    "k = split(paddle.matmul({xs[1]}, key){key_bias})\n"
    "v = split(paddle.matmul({xs[2]}, value){value_bias})\n"
    "y = paddle.matmul(F.softmax(paddle.matmul(q, k, transpose_y=True) / {root}), v)\n"
    "x = y.transpose([0, 2, 1, 3]).reshape([len(y), -1, out.shape[0]])\n"
    "y = paddle.matmul(x, out){out_bias}"
)


def _script(kind: Attention, _: Any) -> str:
    return SCRIPT if kind.mask is None else ""


SCRIPTS = {"attention": _script}


def attended(layer: nn.Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[paddle.Tensor] | None:
    """Query, key, value and the mask, where there is one, of a call of a plain MultiHeadAttention; else None."""
    if type(layer) is not nn.MultiHeadAttention or layer.need_weights:
        return None
    given = inspect.signature(layer.forward).bind(*args, **kwargs).arguments
    query, key, value = given.pop("query"), given.pop("key", None), given.pop("value", None)
    mask = given.pop("attn_mask", None)
    if any(argument is not None for argument in given.values()):
        return None
    key = query if key is None else key
    return [query, key, key if value is None else value, *([] if mask is None else [mask])]
