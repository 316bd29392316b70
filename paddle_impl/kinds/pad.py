"""Zeros around maps in Paddle."""

from __future__ import annotations

from typing import Any

from paddle import nn

from parity.kinds.pad import ZeroPad
from parity.kinds.registry import Layer


def _maps(layer: nn.Layer, *_: Any) -> ZeroPad:
    given = layer._pad if hasattr(layer, "_pad") else layer.padding  # from Paddle 3.3 on
    left, right, top, bottom = [given] * 4 if isinstance(given, int) else given
    return ZeroPad([[int(top), int(bottom)], [int(left), int(right)]])


LAYERS = {nn.ZeroPad2D: Layer(_maps)}

SCRIPTS = {"zero_pad": "y = F.pad(x, {turned})"}
