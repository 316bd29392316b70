"""Pools in Paddle."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
from paddle import nn

from paddle_impl.kinds.geometry import both, of_row, padding_of, sides_as_given, sides_by, sides_of
from parity.kinds.kind import Kind
from parity.kinds.pool import adaptive, of_windows
from parity.kinds.registry import Function, FunctionCall, Layer
from parity.kinds.repairs import Change, Repair, shortest
from parity.numerics.geometry import Sides

F = nn.functional


def _windows(
    window: Any, stride: Any, padding: Any, x: paddle.Tensor, y: paddle.Tensor, sides: Sides
) -> dict[str, Any]:
    """Numbers of a pool that made y of x, however Paddle was given them."""
    window, stride = both(x, window), both(x, window if stride is None else stride)
    padding = of_row(padding) if x.ndim == 3 else padding
    all_sides = padding_of(padding, sides(x.shape), sides(y.shape), window, stride, [1] * len(window))
    return {"window": window, "stride": stride, "padding": all_sides}


def _layer_windows(layer: nn.Layer, x: paddle.Tensor, y: paddle.Tensor) -> dict[str, Any]:
    size = layer.ksize if hasattr(layer, "ksize") else layer.kernel_size
    return _windows(size, layer.stride, layer.padding, x, y, sides_of(layer))


def _max(layer: nn.Layer, x: paddle.Tensor, y: paddle.Tensor) -> Kind:
    return of_windows("max", _layer_windows(layer, x, y), sides_of(layer)(x.shape))


def _average(layer: nn.Layer, x: paddle.Tensor, y: paddle.Tensor) -> Kind:
    numbers = _layer_windows(layer, x, y)
    return of_windows("average", numbers, sides_of(layer)(x.shape), counted=not layer.exclusive)


def _adaptive_max(layer: nn.Layer, x: paddle.Tensor, y: paddle.Tensor) -> Kind:
    sides = sides_of(layer)
    return adaptive("max", sides(x.shape), sides(y.shape))


def _adaptive_average(layer: nn.Layer, x: paddle.Tensor, y: paddle.Tensor) -> Kind:
    sides = sides_of(layer)
    return adaptive("average", sides(x.shape), sides(y.shape))


LAYERS = {
    nn.MaxPool1D: Layer(_max),
    nn.MaxPool2D: Layer(_max),
    nn.AvgPool1D: Layer(_average),
    nn.AvgPool2D: Layer(_average),
    nn.MaxPool3D: Layer(_max),
    nn.AvgPool3D: Layer(_average),
    nn.AdaptiveMaxPool3D: Layer(_adaptive_max),
    nn.AdaptiveAvgPool3D: Layer(_adaptive_average),
    nn.AdaptiveMaxPool1D: Layer(_adaptive_max),
    nn.AdaptiveMaxPool2D: Layer(_adaptive_max),
    nn.AdaptiveAvgPool1D: Layer(_adaptive_average),
    nn.AdaptiveAvgPool2D: Layer(_adaptive_average),
}


def _sides(call: FunctionCall) -> Sides:
    return sides_by(last=call.get("data_format", None) in ("NHWC", "NDHWC"))


def _pool(call: FunctionCall) -> Kind:
    window, stride = call.arguments["kernel_size"], call.get("stride", None) or call.arguments["kernel_size"]
    sides = _sides(call)
    numbers = _windows(window, stride, call.get("padding", 0), call.x, call.y, sides)
    what = call.name.split("_")[0]
    return of_windows(what, numbers, sides(call.x.shape), counted=not call.get("exclusive", True))


def _adaptive(call: FunctionCall) -> Kind:
    sides = _sides(call)
    return adaptive(call.name.split("_")[1], sides(call.x.shape), sides(call.y.shape))


FUNCTIONS = {
    "max_pool": Function(((F, "max_pool1d"), (F, "max_pool2d"), (F, "max_pool3d")), _pool),
    "average_pool": Function(((F, "avg_pool1d"), (F, "avg_pool2d"), (F, "avg_pool3d")), _pool),
    "adaptive_max_pool": Function(tuple((F, f"adaptive_max_pool{rank}d") for rank in (1, 2, 3)), _adaptive),
    "adaptive_average_pool": Function(tuple((F, f"adaptive_avg_pool{rank}d") for rank in (1, 2, 3)), _adaptive),
}

SCRIPTS = {
    "adaptive_pool": lambda kind, _: (
        f"y = F.adaptive_{'avg' if kind.function == 'average' else 'max'}_pool2d(x, {list(kind.size)})"
    ),
    "max_pool": "y = F.max_pool2d(x, {window}, {stride}, {sides})",
    "average_pool": "y = F.avg_pool2d(x, {window}, {stride}, {sides}, exclusive=not {count_padding})",
    "global_max_pool": "y = F.adaptive_max_pool2d(x, 1)",
    "global_average_pool": "y = F.adaptive_avg_pool2d(x, 1)",
}


def _pool_repair(repair: Repair) -> Change | None:
    expected = repair.expected.numbers()
    volumes = len(expected["padding"]) > 2
    if repair.only_in("count_padding"):
        return Change({"exclusive": not expected["count_padding"]})
    around: dict[str, Any] = {"padding": sides_as_given(expected["padding"], row=repair.row)}
    if getattr(repair.layer, "ceil_mode", False):  # which would pad the end of the maps again
        around["ceil_mode"] = False
    counted = {"exclusive": not expected["count_padding"]} if expected.get("count_padding") is not None else {}
    if repair.only_in("padding", "count_padding", "stride", "window") and not volumes:
        sizes = {
            argument: shortest(expected[name][repair.row :])
            for name, argument in (("window", "kernel_size"), ("stride", "stride"))
            if name in repair.differing()
        }
        moved = around if "padding" in repair.differing() else {}
        return Change({**sizes, **moved, **(counted if moved or "count_padding" in repair.differing() else {})})
    if repair.actual.family != "pool" or volumes:
        return None
    sizes = {"kernel_size": expected["window"][repair.row :], "stride": expected["stride"][repair.row :]}
    name = "MaxPool" if repair.expected.name == "max_pool" else "AvgPool"
    order = {"data_format": repair.layer.data_format} if getattr(repair.layer, "data_format", "NC") == "NHWC" else {}
    plain_sizes = {argument: shortest(numbers) for argument, numbers in sizes.items()}
    given = {"padding": around["padding"]} if np.any(expected["padding"]) else {}
    return Change({**plain_sizes, **given, **(counted if given else {}), **order}, f"{name}{2 - repair.row}D")


def _global_repair(repair: Repair) -> Change | None:
    if repair.actual.name not in ("global_max_pool", "global_average_pool"):
        return None
    name = "AdaptiveMaxPool" if repair.expected.name == "global_max_pool" else "AdaptiveAvgPool"
    return Change({"output_size": 1}, f"{name}{len(repair.shape) - 2}D")


REPAIRS = {
    "max_pool": _pool_repair,
    "average_pool": _pool_repair,
    "global_max_pool": _global_repair,
    "global_average_pool": _global_repair,
}
