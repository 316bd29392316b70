"""Dropout in Paddle."""

from __future__ import annotations

from typing import Any

from paddle import nn

from parity.kinds.dropout import Dropout
from parity.kinds.elementwise import Scale
from parity.kinds.kind import Kind
from parity.kinds.registry import Function, Layer, Repair


def _by_mode(rate: float, mode: str) -> Kind:
    """One that scales in inference is none there, but a product."""
    return Scale(1 - rate, 0.0, rate) if mode == "downscale_in_infer" else Dropout(rate)


def _dropout(layer: nn.Layer, *_: Any) -> Kind:
    return _by_mode(float(layer.p), getattr(layer, "mode", ""))


LAYERS = {nn.Dropout: Layer(_dropout), nn.Dropout2D: Layer(_dropout)}

FUNCTIONS = {
    "dropout": Function(
        ((nn.functional, "dropout"),), lambda call: _by_mode(float(call.get("p", 0.5)), str(call.get("mode", "")))
    ),
}

SCRIPTS = {"dropout": "y = x  # in inference"}


def _repair(repair: Repair) -> str:
    scales = isinstance(repair.actual, Scale) and repair.actual.dropout is not None
    return "layers[name].mode = 'upscale_in_train'" if scales else ""


def _training(repair: Repair) -> str:
    rate = repair.expected.numbers()["rate"]
    return f"layers[name].p = {rate:g}" if repair.alike and repair.expected != repair.actual else ""


REPAIRS, TRAINING = {"dropout": _repair}, {"dropout": _training}
