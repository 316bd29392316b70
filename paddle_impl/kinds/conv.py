"""Convolutions in Paddle."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
from paddle import nn

from paddle_impl.kinds.geometry import both, four_sides, of_row, padding_of, sides_as_given, sides_of
from parity.kinds.conv import Conv, ConvTranspose
from parity.kinds.registry import Layer
from parity.kinds.repairs import Change, Repair, shortest
from parity.numerics.geometry import cropped, pair
from parity.weights.layout import SAME, Layout

BIAS = (("bias", "bias", SAME),)

OIHW = Layout("OIHW")

BORDERS = {"zeros": None, "replicate": "edge", "reflect": "reflect", "circular": "wrap"}  # numpy's modes


def convolution(layer: nn.Layer, x: paddle.Tensor, y: paddle.Tensor) -> Conv:
    """A convolution of maps or sequences."""
    sides, window = sides_of(layer), both(x, layer.weight.shape[2:])
    stride, dilation = both(x, layer._stride), both(x, layer._dilation)
    if isinstance(layer, nn.Conv1D):
        given = of_row(layer._padding)
    else:
        given = layer._updated_padding if layer._padding_algorithm == "EXPLICIT" else layer._padding_algorithm
    border = BORDERS[layer._padding_mode]
    if border is not None:
        around = layer._reversed_padding_repeated_twice  # the last axis first, both ends of each
        given = [count for axis in reversed(range(len(around) // 2)) for count in around[2 * axis : 2 * axis + 2]]
        given = of_row(given) if isinstance(layer, nn.Conv1D) else given
    elif str(given).upper() == "SAME":
        dilation = [1, 1]  # Paddle says nothing and takes this
    padding = padding_of(given, sides(x.shape), sides(y.shape), window, stride, dilation)
    return Conv(stride, padding, dilation, layer._groups, border)


def _transposed(layer: nn.Layer, x: paddle.Tensor, y: paddle.Tensor) -> ConvTranspose:
    sides = sides_of(layer)
    into, out = sides(x.shape), sides(y.shape)
    stride, dilation, window = pair(layer._stride), pair(layer._dilation), list(layer.weight.shape[2:])
    if str(layer._padding).upper() == "SAME":
        dilation = [1, 1]  # as in a convolution
    before = [ends[0] for ends in padding_of(layer._padding, into, out, window, stride, dilation)]
    crop = [cropped(*facts) for facts in zip(into, out, window, stride, dilation, before, strict=True)]
    return ConvTranspose(stride, crop, dilation, layer._groups)


LAYERS = {
    nn.Conv1D: Layer(convolution, (("weight", "kernel", Layout("OIK")), *BIAS)),
    nn.Conv2D: Layer(convolution, (("weight", "kernel", OIHW), *BIAS)),
    nn.Conv3D: Layer(convolution, (("weight", "kernel", Layout("OIDHW")), *BIAS)),
    nn.Conv2DTranspose: Layer(_transposed, (("weight", "kernel", OIHW), *BIAS)),  # stored as [in, out, h, w]
}


def _transposed_script(kind: ConvTranspose, _: Any) -> str:
    if np.min(kind.crop) < 0:  # zeros added to a full output
        return ""
    return "y = F.conv2d_transpose(x, kernel, {bias}, {stride}, {sides}, 0, {dilation}, {groups})"


CONV = "y = F.conv2d(x, kernel, {bias}, {stride}, {sides}, {dilation}, {groups})"

SCRIPTS = {
    "conv": lambda _, shapes: CONV if len(shapes["kernel"]) < 5 else "",
    "conv_transpose": _transposed_script,
}


def _conv_repair(repair: Repair) -> Change | None:
    if not repair.only_in("stride", "padding", "dilation"):
        return None
    differing = repair.differing()
    per_axis: dict[str, Any] = {
        name: shortest(differing[name][repair.row :]) for name in ("stride", "dilation") if name in differing
    }
    around = {"padding": sides_as_given(differing["padding"], row=repair.row)} if "padding" in differing else {}
    return Change({**per_axis, **around})


def _transposed_repair(repair: Repair) -> Change | None:
    sides = four_sides(repair.expected.numbers()["crop"])
    if not repair.only_in("crop") or min(sides) < 0:
        return None
    return Change({"padding": sides, "output_padding": 0})


REPAIRS = {"conv": _conv_repair, "conv_transpose": _transposed_repair}
