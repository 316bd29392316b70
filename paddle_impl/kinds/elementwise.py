"""Arithmetic, element by element, in Paddle."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
from paddle import nn

from parity.kinds.elementwise import Cast, Clip, Compare, Identity, Math, Power, Scale, Where, arithmetic
from parity.kinds.kind import Kind, Other
from parity.kinds.registry import Function, FunctionCall, Layer, existing, plain

LAYERS = {nn.Identity: Layer(plain(Identity))}


def _constant(value: Any) -> Any:
    """An operand as `arithmetic` takes it: None for a tensor."""
    return None if isinstance(value, paddle.Tensor) else value


def _arithmetic(call: FunctionCall) -> Kind:
    name = {"pow": "power", "greater_than": "greater", "less_than": "less"}.get(call.name, call.name)
    operands = [_constant(value) for value in call.values[:2]]
    if any(np.ndim(operand) for operand in operands):
        return Other(f"{name} of several constants")
    backwards = name.startswith("reversed_")
    return arithmetic(name.removeprefix("reversed_"), operands[::-1] if backwards else operands)


def _clip(call: FunctionCall) -> Kind:
    bounds = [call.get(name, None) for name in ("min", "max")]
    if any(isinstance(bound, paddle.Tensor) for bound in bounds):
        return Other("clip by a tensor")
    return Clip(*(None if bound is None or np.isinf(bound) else float(bound) for bound in bounds))


def _math(call: FunctionCall) -> Kind:
    if call.name == "neg":
        return Scale(-1.0, 0.0)
    exponents = {"square": 2.0, "sqrt": 0.5, "rsqrt": -0.5, "reciprocal": -1.0}
    return Power(exponents[call.name]) if call.name in exponents else Math(call.name)


def _scale(call: FunctionCall) -> Kind:
    scale, bias = call.get("scale", 1.0), float(call.get("bias", 0.0))
    if isinstance(scale, paddle.Tensor) or call.get("act", None):
        return Other("scale by a tensor")
    return Scale(float(scale), bias if call.get("bias_after_scale", True) else bias * float(scale))


def _where(call: FunctionCall) -> Kind:
    if len(call.values) < 3:
        return Other("where")
    return Where(*(None if _constant(value) is None else float(value) for value in call.values[1:3]))


def _cast(call: FunctionCall) -> Kind:
    """Between floats it does nothing where a model runs in one precision."""
    before, after = (str(tensor.dtype).removeprefix("paddle.") for tensor in (call.x, call.y))
    whole = "int" in after and not ("int" in before or before == "bool")
    narrowed = "bool" if after == "bool" != before else "int" if whole else ""
    return Cast(narrowed) if narrowed else Identity()


OPERATORS = {
    "add": ("__add__", "__radd__"),
    "subtract": ("__sub__",),
    "reversed_subtract": ("__rsub__",),
    "multiply": ("__mul__", "__rmul__"),
    "divide": ("__truediv__", "__div__"),
    "reversed_divide": ("__rtruediv__", "__rdiv__"),
    "pow": ("__pow__",),
    "reversed_power": ("__rpow__",),
    "greater_than": ("__gt__",),
    "greater_equal": ("__ge__",),
    "less_than": ("__lt__",),
    "less_equal": ("__le__",),
    "equal": ("__eq__",),
    "not_equal": ("__ne__",),
    "maximum": (),
    "minimum": (),
}

PLAIN = (
    *("square", "sqrt", "rsqrt", "reciprocal", "neg"),
    *("abs", "exp", "log", "log1p", "sin", "cos", "sign", "floor", "round"),
)

FUNCTIONS = (
    {
        name: Function(existing((paddle, name), *((paddle.Tensor, own) for own in (name, *operators))), _arithmetic)
        for name, operators in OPERATORS.items()
    }
    | {name: Function(existing((paddle, name), (paddle.Tensor, name)), _math) for name in PLAIN}
    | {
        "negative": Function(((paddle.Tensor, "__neg__"),), lambda _: Scale(-1.0, 0.0)),
        "scale": Function(((paddle, "scale"), (paddle.Tensor, "scale")), _scale),
        "clip": Function(((paddle, "clip"), (paddle.Tensor, "clip")), _clip),
        "where": Function(((paddle, "where"),), _where),
        "cast": Function(((paddle, "cast"), (paddle.Tensor, "cast"), (paddle.Tensor, "astype")), _cast),
    }
)

RELATIONS = {"equal": "==", "not_equal": "!=", "greater": ">", "greater_equal": ">=", "less": "<", "less_equal": "<="}


def _compare_script(kind: Compare, _: Any) -> str:
    if kind.constant is None:
        return f"y = ({{xs[0]}} {RELATIONS[kind.relation]} {{xs[1]}}).astype('float64')"
    return f"y = (x {RELATIONS[kind.relation]} {kind.constant}).astype('float64')"


def _where_script(kind: Where, _: Any) -> str:
    tensors = iter(("{xs[1]}", "{xs[2]}"))
    chosen = [next(tensors) if constant is None else str(constant) for constant in (kind.true, kind.false)]
    return f"y = paddle.where({{xs[0]}}.astype('bool'), {chosen[0]}, {chosen[1]})"


SCRIPTS = {
    "where": _where_script,
    "add": "y = {sum}",
    "subtract": "y = {xs[0]} - {xs[1]}",
    "multiply": "y = {product}",
    "divide": "y = {xs[0]} / {xs[1]}",
    "maximum": "y = paddle.stack([{joined}]).max(0)",
    "minimum": "y = paddle.stack([{joined}]).min(0)",
    "average": "y = paddle.stack([{joined}]).mean(0)",
    "clip": lambda kind, _: f"y = paddle.clip(x, {kind.smallest}, {kind.largest})",
    "power": lambda kind, _: f"y = {kind.factor} * paddle.pow(x, {kind.exponent})",
    "math": lambda kind, _: f"y = paddle.{kind.function}(x)",
    "compare": _compare_script,
    "cast": lambda kind, _: "y = x.astype('int64')" if kind.to == "int" else "y = (x != 0).astype('float64')",
    "scale": "y = x * paddle.to_tensor({scale}, x.dtype) + paddle.to_tensor({offset}, x.dtype)",
    "identity": "y = x",
}
