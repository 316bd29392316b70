"""Dropout in Paddle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import paddle
from paddle import nn

from parity.kinds.dropout import Dropout
from parity.kinds.elementwise import Scale
from parity.kinds.kind import Kind
from parity.kinds.registry import Function, FunctionCall, Layer
from parity.kinds.repairs import Change, Repair, number


def _by_mode(rate: float, mode: str, *, spatial: bool = False, alpha: bool = False) -> Kind:
    """One that scales in inference is none there, but a product."""
    return Scale(1 - rate, 0.0, rate) if mode == "downscale_in_infer" else Dropout(rate, spatial, alpha)


def _spatial(axis: Any, rank: int) -> bool:
    """Whether what is drawn along these axes alone holds for whole channels: of images and channels."""
    return axis is not None and rank > 2 and list(np.ravel(axis)) == [0, 1]


def _dropout(layer: nn.Layer, x: paddle.Tensor, _: Any) -> Kind:
    return _by_mode(float(layer.p), getattr(layer, "mode", ""), spatial=_spatial(getattr(layer, "axis", None), x.ndim))


def _channels(layer: nn.Layer, *_: Any) -> Kind:
    return _by_mode(float(layer.p), "", spatial=True)


def _alpha(layer: nn.Layer, *_: Any) -> Kind:
    return _by_mode(float(layer.p), "", alpha=True)


LAYERS = {
    nn.Dropout: Layer(_dropout),
    nn.Dropout2D: Layer(_channels),
    nn.Dropout3D: Layer(_channels),
    nn.AlphaDropout: Layer(_alpha),
}


def _function(call: FunctionCall) -> Kind:
    spatial = call.name.endswith("d") or _spatial(call.get("axis", None), call.x.ndim)
    rate, mode = float(call.get("p", 0.5)), str(call.get("mode", ""))
    return _by_mode(rate, mode, spatial=spatial, alpha=call.name == "alpha_dropout")


FUNCTIONS = {
    name: Function(((nn.functional, name),), _function)
    for name in ("dropout", "dropout2d", "dropout3d", "alpha_dropout")
}

SCRIPTS = {"dropout": "y = x  # in inference"}


def _named(expected: Dropout, shape: Sequence[int]) -> str:
    """The layer that drops so; empty for whole channels of what is no map: its axes may be in either order."""
    if expected.alpha:
        return "AlphaDropout"
    if not expected.spatial:
        return "Dropout"
    return f"Dropout{len(shape) - 2}D" if len(shape) > 3 else ""


def _repair(repair: Repair) -> Change | None:
    if isinstance(repair.expected, Dropout) and repair.layer is None:
        return Change({"p": number(repair.expected.rate)}, _named(repair.expected, repair.shape))
    expected, scales = repair.expected, isinstance(repair.actual, Scale) and repair.actual.dropout is not None
    mode = {"mode": "upscale_in_train"} if scales else {}
    if not isinstance(expected, Dropout) or not (scales or repair.only_in("rate")):
        return None
    rates = {"p": number(expected.rate)} if "rate" in repair.differing() else {}
    return Change({**rates, **mode})


REPAIRS = {"dropout": _repair}
