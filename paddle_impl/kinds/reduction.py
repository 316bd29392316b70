"""Means, sums and largest numbers over axes, running sums, indices and norms in Paddle."""

from __future__ import annotations

from typing import Any

import paddle
from paddle import nn

from parity.kinds.kind import Kind, Other
from parity.kinds.reduction import CumulativeSum, Index, Normalize, OneHot, Reduce, axes_of, reduced
from parity.kinds.registry import Function, FunctionCall, existing
from parity.numerics.geometry import channels_last_axis

F = nn.functional

# By our name of a reduction: Paddle's.
REDUCTIONS = {
    "mean": ("mean",),
    "sum": ("sum",),
    "max": ("max", "amax"),
    "min": ("min", "amin"),
    "product": ("prod",),
    "std": ("std",),
    "var": ("var",),
    "logsumexp": ("logsumexp",),
}

BY_FUNCTION = {theirs: ours for ours, names in REDUCTIONS.items() for theirs in names}


def _reduction(call: FunctionCall) -> Kind:
    function, unbiased = BY_FUNCTION[call.name], call.get("unbiased", None)
    return reduced(
        function,
        call.get("axis", None),
        call.x.ndim,
        kept=bool(call.get("keepdim", False)),
        channels_second=call.channels_second,
        unbiased=function in ("std", "var") and unbiased is not False,
    )


def _axis(call: FunctionCall, axis: Any) -> int:
    return channels_last_axis(int(axis), call.x.ndim, channels_second=call.channels_second)


def _cumulative(call: FunctionCall) -> Kind:
    axis = call.get("axis", None)
    return Other(call.name) if axis is None else CumulativeSum(_axis(call, axis))


def _index(call: FunctionCall) -> Kind:
    axis = call.get("axis", None)
    if axis is None:  # of all numbers in a row
        return Other(call.name)
    return Index(call.name.removeprefix("arg"), _axis(call, axis), bool(call.get("keepdim", False)))


def _one_hot(call: FunctionCall) -> Kind:
    return OneHot(int(call.y.shape[-1]))


def _normalize(call: FunctionCall) -> Kind:
    axes = axes_of(call.get("axis", 1), call.x.ndim, channels_second=call.channels_second)
    return Normalize(axes, float(call.get("epsilon", 1e-12)), float(call.get("p", 2)))


FUNCTIONS = {
    theirs: Function(existing((paddle, theirs), (paddle.Tensor, theirs)), _reduction)
    for names in REDUCTIONS.values()
    for theirs in names
} | {
    "cumsum": Function(((paddle, "cumsum"), (paddle.Tensor, "cumsum")), _cumulative),
    "argmax": Function(((paddle, "argmax"), (paddle.Tensor, "argmax")), _index),
    "argmin": Function(((paddle, "argmin"), (paddle.Tensor, "argmin")), _index),
    "one_hot": Function(((F, "one_hot"),), _one_hot),
    "normalize": Function(((F, "normalize"),), _normalize),
}


def _reduce_script(kind: Reduce, _: Any) -> str:
    name = {"product": "prod"}.get(kind.function, kind.function)
    unbiased = f", unbiased={kind.unbiased}" if kind.function in ("std", "var") else ""
    return f"y = paddle.{name}(x, {list(kind.axes)}{unbiased}, keepdim={kind.kept})"


def _cumulative_script(kind: CumulativeSum, _: Any) -> str:
    return "" if kind.exclusive or kind.backwards else f"y = paddle.cumsum(x, {kind.axis})"


def _index_script(kind: Index, _: Any) -> str:
    return f"y = paddle.arg{kind.of}(x, {kind.axis}, {kind.kept})"


def _normalize_script(kind: Normalize, _: Any) -> str:
    norm = f"x.abs().pow({kind.order}).sum({list(kind.axes)}, keepdim=True).pow({1 / kind.order})"
    return f"y = x / paddle.clip({norm}, min={kind.floor})"


SCRIPTS = {
    "reduce": _reduce_script,
    "cumulative_sum": _cumulative_script,
    "index": _index_script,
    "one_hot": "y = F.one_hot(x.astype('int64'), {depth}).astype('float64')",
    "normalize": _normalize_script,
}
