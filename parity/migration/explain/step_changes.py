"""In what two steps that correspond differ, and how that is said."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from parity.kinds.activation import Activation
from parity.kinds.elementwise import Clip
from parity.kinds.kind import shown
from parity.kinds.pool import AdaptivePool
from parity.migration.align.recorded_graph import RecordedStep

AUXILIARY = ("other", "compare", "cast", "where", "reshape", "transpose")  # which are no cause by themselves

IN_WORDS: dict[str, dict[Any, str]] = {"axis": {None: "the last"}, "mask": {"given": "one", "causal": "a causal one"}}

Change = tuple[str, Any, Any]  # a number, TensorFlow's value, Paddle's


def changes_of(first: RecordedStep, second: RecordedStep) -> list[Change]:
    """Everything in which two corresponding steps differ in inference.

    Args:
        first: TensorFlow's.
        second: Paddle's.

    Returns:
        A number, TensorFlow's value of it and Paddle's; "function" for two activations, "kind" for two kinds.
    """
    one, other = first.what, second.what
    if first.kind != second.kind:
        # of a layer of the user's own nothing is known that could differ
        return [] if "other" in (first.kind, second.kind) else [("kind", called(first), called(second))]
    if one.key != other.key:
        return [("function", called(first), called(second))]
    names = [field.name for field in dataclasses.fields(one) if field.name not in one.training_only]
    both = [(name, getattr(one, name), getattr(other, name)) for name in names]
    changes = [(name, a, b) for name, a, b in both if not _alike(a, b)]
    return [change for change in changes if not (change[0] == "padding" and _reached_by_stride(one, other))]


def _reached_by_stride(one: Any, other: Any) -> bool:
    """Whether windows reach less far into the same padding because their stride is another."""
    strides = [getattr(kind, "stride", None) for kind in (one, other)]
    if strides[0] == strides[1] or not all(isinstance(each, (list, tuple)) for each in [*strides, one.padding]):
        return False
    axes = zip(*strides, one.padding, other.padding, strict=False)  # type: ignore[arg-type]
    return all(a[0] == b[0] and abs(a[1] - b[1]) < max(s, t) for s, t, a, b in axes)


def _alike(a: Any, b: Any) -> bool:
    """Whether two numbers are the same but for rounding to float32."""
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=2.0**-23)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(_alike, a, b))
    return bool(a == b)


def called(step: RecordedStep) -> str:
    """A function with its numbers, such as "hard_tanh (smallest 0, largest 4)"; other kinds by their function or name.

    Args:
        step: of either model.
    """
    what = step.what
    if not isinstance(what, (Activation, Clip)):
        return str(getattr(what, "function", step.kind))
    numbers = ", ".join(f"{name} {shown(value)}" for name, value in step.numbers.items() if name != "function")
    return f"{what.key} ({numbers})" if numbers else what.key


def change_text(first: RecordedStep, second: RecordedStep, key: str, a: Any, b: Any) -> str:
    """A change in words: what it is of, TensorFlow's and Paddle's.

    Args:
        first: TensorFlow's step.
        second: Paddle's.
        key: of the change.
        a: TensorFlow's value.
        b: Paddle's.
    """
    if key == "kind" and any(isinstance(step.what, AdaptivePool) for step in (first, second)):
        return f"pool windows: TensorFlow has {first}, Paddle {second}"
    label = first.what.label(key) if key != "kind" else "layer"
    if key == "ends":
        a, b = (
            "that of the first step, where it ends" if ends else "that of the last step, where it begins"
            for ends in (a, b)
        )
    if key in IN_WORDS:
        a, b = (IN_WORDS[key].get(value, value) for value in (a, b))
    return f"{label}: TensorFlow has {shown(a)}, Paddle {shown(b)}"
