"""What is put around maps and sequences in Paddle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import paddle
from paddle import nn

from parity.kinds.kind import Kind
from parity.kinds.pad import Pad, ZeroPad, padded
from parity.kinds.registry import Function, FunctionCall, Layer
from parity.kinds.repairs import Change, Repair, number

F = nn.functional


def _around(given: Sequence[int], data_format: str | None) -> list[list[int]]:
    """[before, after] of each axis of maps or a sequence, of [left, right, top, bottom, ...]: the last axis first."""
    pairs = [list(given[index : index + 2]) for index in range(0, len(given), 2)][::-1]
    last = (data_format or "").upper().endswith("C")
    return [[0, 0], *pairs, [0, 0]] if last else [[0, 0], [0, 0], *pairs]


def _sides(x: paddle.Tensor, given: Any, mode: str, data_format: str | None, *, from_left: bool) -> list[list[int]]:
    """[before, after] of each axis, by what `F.pad` makes of numbers of any length."""
    flat = [int(count) for count in np.ravel(given.numpy() if isinstance(given, paddle.Tensor) else given)]
    around = 2 * (x.ndim - 2)
    flat = flat * around if len(flat) == 1 and around > 1 else flat
    if len(flat) == around or mode != "constant":
        return _around(flat, data_format)
    pairs = [flat[index : index + 2] for index in range(0, len(flat), 2)]
    pairs += [[0, 0]] * (x.ndim - len(pairs))
    return pairs if len(flat) == 2 * x.ndim and from_left else pairs[::-1]


def _pad_layer(layer: nn.Layer, x: paddle.Tensor, _: paddle.Tensor) -> Kind:
    # `padding` and `value` from Paddle 3.3 on
    given = layer._pad if hasattr(layer, "_pad") else layer.padding
    value = layer._value if hasattr(layer, "_value") else getattr(layer, "value", 0.0)
    order, mode = layer._data_format, getattr(layer, "_mode", "constant")
    sides = _sides(x, given, mode, order, from_left=True)
    return padded(sides, mode, value, channels_second=not order.endswith("C"))


LAYERS = {
    known: Layer(_pad_layer)
    for name in ("Pad1D", "Pad2D", "Pad3D", "ZeroPad1D", "ZeroPad2D", "ZeroPad3D")
    if (known := getattr(nn, name, None)) is not None
}


def _pad(call: FunctionCall) -> Kind:
    mode, from_left = str(call.get("mode", "constant")), bool(call.get("pad_from_left_axis", True))
    sides = _sides(call.x, call.get("pad", 0), mode, call.get("data_format", None), from_left=from_left)
    channels_second = call.channels_second or call.x.ndim == 5
    return padded(sides, mode, float(call.get("value", 0.0)), channels_second=channels_second)


FUNCTIONS = {"pad": Function(((F, "pad"),), _pad)}


def _script(kind: Pad, _: Any) -> str:
    modes = ("constant", "reflect", "replicate", "circular")
    around = _reversed(kind) if kind.mode in modes else []
    if len(kind.sides) != 3 or not around:
        return ""
    return f"y = F.pad(x.transpose([0, 3, 1, 2]), {around}, {kind.mode!r}, {kind.value}).transpose([0, 2, 3, 1])"


SCRIPTS = {"zero_pad": "y = F.pad(x, {turned})", "pad": _script}


def _reversed(kind: Kind, *, row: bool = False) -> list[int]:
    """[left, right, top, bottom] as a layer takes it, of a row [left, right]; none where channels are padded."""
    if isinstance(kind, ZeroPad):
        return [count for pair in ([kind.padding[1]] if row else kind.padding[::-1]) for count in pair]
    *axes, channels = kind.sides if isinstance(kind, Pad) else [[1]]
    return [] if any(channels) else [count for pair in axes[::-1] for count in pair]


def _repair(repair: Repair) -> Change | None:
    expected = repair.expected
    mode, value = (expected.mode, expected.value) if isinstance(expected, Pad) else ("constant", 0.0)
    around = _reversed(expected, row=repair.row)
    layer = {2: "Pad1D", 4: "Pad2D", 6: "Pad3D"}.get(len(around), "")
    if not layer or mode == "symmetric" or repair.actual.family != "pad":
        return None
    usual = {"mode": "constant", "value": 0.0, "data_format": {2: "NCL", 4: "NCHW", 6: "NCDHW"}[len(around)]}
    order = getattr(repair.layer, "_data_format", usual["data_format"])
    options = {"mode": mode, "value": number(value), "data_format": order}
    return Change({"padding": around} | {k: v for k, v in options.items() if v != usual[k]}, layer)


REPAIRS = {"zero_pad": _repair, "pad": _repair}
