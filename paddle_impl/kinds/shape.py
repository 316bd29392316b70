"""Joining and flattening in Paddle."""

from __future__ import annotations

import numpy as np
import paddle
from paddle import nn

from parity.kinds.kind import Kind
from parity.kinds.registry import Function, FunctionCall, Layer, plain
from parity.kinds.shape import Reshape, Tile, concatenated, flipped, sliced, stacked, turned

LAYERS = {nn.Flatten: Layer(plain(Reshape))}


def _slice(call: FunctionCall) -> Kind:
    # a recorded run calls it by a function that does not say the argument's name
    item = call.get("item", call.values[1] if len(call.values) > 1 else None)
    return sliced(item, call.x.shape, channels_second=call.channels_second)


def _concat(call: FunctionCall) -> Kind:
    return concatenated(int(call.get("axis", 0)), call.x.ndim, channels_second=call.channels_second)


def _stack(call: FunctionCall) -> Kind:
    return stacked(int(call.get("axis", 0)), call.x.ndim, channels_second=call.channels_second)


def _transpose(call: FunctionCall) -> Kind:
    """In the tensor's own order: it is what makes another order of one."""
    return turned(call.get("perm", range(call.x.ndim)))


def _flip(call: FunctionCall) -> Kind:
    axes = np.ravel(np.asarray(call.get("axis", 0))).tolist()
    return flipped(axes, call.x.shape, channels_second=call.channels_second)


def _tile(call: FunctionCall) -> Kind:
    repeats = np.ravel(np.asarray(call.get("repeat_times", 1))).tolist()
    repeats = [1] * (call.x.ndim - len(repeats)) + repeats
    if call.channels_second and call.x.ndim > 2:
        repeats.append(repeats.pop(1))
    return Tile(repeats)


FUNCTIONS = {
    "get_item": Function(((paddle.Tensor, "__getitem__"),), _slice),
    "concat": Function(((paddle, "concat"),), _concat),
    "stack": Function(((paddle, "stack"),), _stack),
    "transpose": Function(((paddle, "transpose"), (paddle.Tensor, "transpose")), _transpose),
    "flip": Function(((paddle, "flip"), (paddle.Tensor, "flip")), _flip),
    "tile": Function(((paddle, "tile"), (paddle.Tensor, "tile")), _tile),
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
    "expand_dims": Function(((paddle, "unsqueeze"), (paddle.Tensor, "unsqueeze")), plain(Reshape)),
}

SCRIPTS = {
    "concat": "y = paddle.concat([{joined}], {axis})",
    "stack": "y = paddle.stack([{joined}], {axis})",
    "transpose": "y = x.transpose({permutation})",
    "tile": "y = x.tile({repeats})",
    "reshape": "y = x.reshape({made})",
    "slice": lambda kind, _: f"y = x[{kind.subscript}]",
}
