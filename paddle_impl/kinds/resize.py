"""Maps of another size in Paddle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import paddle
from paddle import nn

from parity.kinds.kind import Kind, Other
from parity.kinds.registry import Function, FunctionCall, Layer
from parity.kinds.repairs import Change, Repair
from parity.kinds.resize import Resize, resized

F = nn.functional

METHODS = {"bilinear": "linear", "trilinear": "linear", "bicubic": "cubic"}


def _by(mode: str, x: paddle.Tensor, y: paddle.Tensor, **options: Any) -> Kind:
    """A resize by its mode, with the other options as `F.interpolate` takes them."""
    method = METHODS.get(mode.lower(), mode.lower())
    last = str(options.get("data_format")).upper() in ("NWC", "NHWC", "NDHWC")
    into, out = _extents(x, last=last), _extents(y, last=last)
    aligned = bool(options.get("align_corners") or False)
    shifted = method == "linear" and options.get("align_mode") == 1  # i times the ratio
    factors = None
    if options.get("size") is None and not options.get("recompute_scale_factor"):
        if isinstance(options.get("scale_factor"), paddle.Tensor):
            return Other("resize by a tensor")
        given = np.ravel(np.asarray(options.get("scale_factor"))).tolist()
        factors = [1.0] * (len(out) - x.ndim + 2) + (given if len(given) == x.ndim - 2 else given * (x.ndim - 2))
    return resized(
        method,
        into,
        out,
        half_pixels=not (aligned or shifted or method == "nearest"),
        aligned_corners=aligned,
        antialias=bool(options.get("antialias") or False),
        cubic=-0.5 if options.get("antialias") else -0.75,
        outside="left out" if options.get("antialias") else "repeated",
        factors=factors,
    )


def _extents(x: paddle.Tensor, *, last: bool) -> list[int]:
    """Those of the maps; a sequence is a map of one row."""
    shape: Sequence[int] = x.shape[1:-1] if last else x.shape[2:]
    return [*([1] if x.ndim == 3 else []), *shape]


OPTIONS = ("size", "scale_factor", "align_mode", "data_format", "recompute_scale_factor", "antialias")


def _upsample(layer: nn.Layer, x: paddle.Tensor, y: paddle.Tensor) -> Kind:
    options = {name: getattr(layer, name, None) for name in OPTIONS}
    return _by(layer.mode, x, y, align_corners=layer.align_corners, **options)


def _bilinear(layer: nn.Layer, x: paddle.Tensor, y: paddle.Tensor) -> Kind:
    return _by("bilinear", x, y, align_corners=True, **{name: getattr(layer, name, None) for name in OPTIONS})


def _nearest(layer: nn.Layer, x: paddle.Tensor, y: paddle.Tensor) -> Kind:
    return _by("nearest", x, y, **{name: getattr(layer, name, None) for name in OPTIONS})


LAYERS = {
    nn.Upsample: Layer(_upsample),
    nn.UpsamplingBilinear2D: Layer(_bilinear),
    nn.UpsamplingNearest2D: Layer(_nearest),
}


def _interpolate(call: FunctionCall) -> Kind:
    options = {name: call.get(name, None) for name in (*OPTIONS, "align_corners")}
    return _by(str(call.get("mode", "nearest")), call.x, call.y, **options)


FUNCTIONS = {"interpolate": Function(((F, "interpolate"), (F, "upsample")), _interpolate)}


def _mode(kind: Resize, *, row: bool) -> str:
    """Paddle's mode that computes it; empty where there is none."""
    fits = not (kind.antialias or kind.factors) and (row or len(kind.size) == 2)
    if kind.method == "linear" and fits:
        return "linear" if row else "bilinear"
    repeated = kind.half_pixels and not kind.aligned_corners  # each pixel as often
    if kind.method == "nearest" and fits and repeated:
        return "nearest"
    ours = kind.cubic == -0.75 and kind.outside == "repeated"
    return "bicubic" if kind.method == "cubic" and fits and ours and not row else ""


def _options(kind: Resize, mode: str) -> dict[str, Any]:
    """All arguments of `F.interpolate` that matter."""
    size = list(kind.size)[1:] if mode == "linear" else list(kind.size)
    corners = {"align_corners": kind.aligned_corners} if mode != "nearest" else {}
    shifted = mode in ("linear", "bilinear") and not (kind.half_pixels or kind.aligned_corners)
    return {"size": size, "mode": mode, **corners, **({"align_mode": 1} if shifted else {})}


def _script(kind: Resize, _: Any) -> str:
    mode = _mode(kind, row=False)
    options = ", ".join(f"{name}={value!r}" for name, value in _options(kind, mode).items())
    return f"y = F.interpolate(x, {options})" if mode else ""


SCRIPTS = {"resize": _script}


def _repair(repair: Repair) -> Change | None:
    expected = repair.expected
    mode = _mode(expected, row=repair.row) if isinstance(expected, Resize) and repair.alike else ""
    if not mode or not isinstance(expected, Resize):
        return None
    options, factor = _options(expected, mode), getattr(repair.layer, "scale_factor", None)
    if factor is not None and list(expected.size) == list(repair.actual.numbers()["size"]):
        del options["size"]
    if isinstance(repair.layer, nn.Upsample):
        corners = {"align_corners": False} if repair.layer.align_corners and mode == "nearest" else {}
        shifted = {"align_mode": 0} if repair.layer.align_mode and "align_mode" not in options else {}
        return Change(options | corners | shifted)
    order = getattr(repair.layer, "data_format", "NCHW")
    kept = {} if "size" in options else {"scale_factor": factor}
    return Change(kept | options | ({} if order in ("NCL", "NCHW") else {"data_format": order}), "Upsample")


REPAIRS = {"resize": _repair}
