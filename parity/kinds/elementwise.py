"""Arithmetic, element by element: of several inputs, of one and a constant, and functions of one."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.kinds.kind import Kind, Other, optional


@dataclass(frozen=True)
class Add(Kind):
    """The sum of several inputs of one shape, or that broadcast as both frameworks do."""

    name = "add"
    family = "merge"
    several_inputs = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference.

        Args:
            inputs: at least one; rows [n, c] among maps or sequences are added to every pixel or step.
            arrays: not used.

        Returns:
            The sum, of the shape that the inputs broadcast to.
        """
        return functools.reduce(np.add, _alike(inputs))


@dataclass(frozen=True)
class Multiply(Kind):
    """The product of several inputs."""

    name = "multiply"
    family = "merge"
    several_inputs = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference."""
        return functools.reduce(np.multiply, _alike(inputs))


@dataclass(frozen=True)
class Scale(Kind):
    """x * scale + offset, each a number or one for each channel."""

    name = "scale"
    scale: Any
    offset: Any
    dropout: float | None = optional(None)  # the rate of a dropout that scales in inference

    keeps_rows = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference."""
        return inputs[0] * np.asarray(self.scale) + np.asarray(self.offset)

    @property
    def missing_trap(self) -> str:
        """As of a dropout, where it is one."""
        return "" if self.dropout is None else "dropout-mode"


@dataclass(frozen=True)
class Subtract(Kind):
    """The first input less the second."""

    name = "subtract"
    family = "merge"
    several_inputs = ordered = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference."""
        one, other = _alike(inputs)
        return one - other


@dataclass(frozen=True)
class Divide(Kind):
    """The first input over the second."""

    name = "divide"
    family = "merge"
    several_inputs = ordered = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference."""
        one, other = _alike(inputs)
        return one / other


@dataclass(frozen=True)
class Maximum(Kind):
    """The largest of several inputs."""

    name = "maximum"
    family = "merge"
    several_inputs = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference."""
        return functools.reduce(np.maximum, _alike(inputs))


@dataclass(frozen=True)
class Minimum(Kind):
    """The smallest of several inputs."""

    name = "minimum"
    family = "merge"
    several_inputs = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference."""
        return functools.reduce(np.minimum, _alike(inputs))


@dataclass(frozen=True)
class Average(Kind):
    """The mean of several inputs."""

    name = "average"
    family = "merge"
    several_inputs = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference."""
        return functools.reduce(np.add, _alike(inputs)) / len(inputs)


@dataclass(frozen=True)
class Clip(Kind):
    """x cut to smallest..largest, either of which may be missing."""

    name = "clip"
    smallest: float | None
    largest: float | None

    traps = {"smallest": "act-clipped", "largest": "act-clipped", "kind": "act-clipped"}
    missing = "act-clipped"
    family = "activation"
    keeps_rows = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference."""
        bounds = -np.inf if self.smallest is None else self.smallest, np.inf if self.largest is None else self.largest
        return np.asarray(np.clip(inputs[0], *bounds))


@dataclass(frozen=True)
class Power(Kind):
    """x to a power, times a factor: squares, roots, reciprocals."""

    name = "power"
    exponent: float
    factor: float = optional(1.0)

    keeps_rows = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference; NaN and infinity where the power has no number."""
        with np.errstate(all="ignore"):
            return np.asarray(self.factor * inputs[0] ** self.exponent)


FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "abs": np.abs,
    "cos": np.cos,
    "exp": np.exp,
    "floor": np.floor,
    "log": np.log,
    "log1p": np.log1p,
    "round": np.round,
    "sign": np.sign,
    "sin": np.sin,
}


@dataclass(frozen=True)
class Math(Kind):
    """A function of each number that is no activation, by its name in `FUNCTIONS`."""

    name = "math"
    function: str

    keeps_rows = True

    def label(self, number: str) -> str:
        """Functions differ as a whole."""
        return number

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference. Raises ValueError for a function without one."""
        if self.function not in FUNCTIONS:
            raise ValueError(f"no reference for the function {self.function!r}")
        with np.errstate(all="ignore"):
            return np.asarray(FUNCTIONS[self.function](inputs[0]))


RELATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "equal": operator.eq,
    "not_equal": operator.ne,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "less": operator.lt,
    "less_equal": operator.le,
}


@dataclass(frozen=True)
class Compare(Kind):
    """Whether each number stands in a relation of `RELATIONS` to a constant, or to that of a second input."""

    name = "compare"
    relation: str
    constant: float | None = optional(None)

    several_inputs = ordered = True

    def label(self, number: str) -> str:
        """The field in words."""
        words = {"constant": "number that a mask is made by", "relation": "relation that a mask is made by"}
        return words[number]

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference: of bools."""
        other = inputs[1] if self.constant is None else self.constant
        return np.asarray(RELATIONS[self.relation](inputs[0], other))


@dataclass(frozen=True)
class Where(Kind):
    """The second input where the first is true, the third elsewhere; either may be a constant instead."""

    name = "where"
    true: float | None = optional(None)
    false: float | None = optional(None)

    several_inputs = ordered = True

    def label(self, number: str) -> str:
        """The field in words."""
        return f"number where a mask is {number}"

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference."""
        condition, *rest = inputs
        chosen = [rest.pop(0) if constant is None else constant for constant in (self.true, self.false)]
        return np.where(condition.astype(bool), *chosen)


@dataclass(frozen=True)
class Cast(Kind):
    """Numbers as another type that holds fewer of them: "int" or "bool". Other types are not told apart."""

    name = "cast"
    to: str

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference; int64 or bool."""
        return inputs[0].astype("int64" if self.to == "int" else "bool")


@dataclass(frozen=True)
class Identity(Kind):
    """Its input as it is."""

    name = "identity"
    identity_in_inference = keeps_rows = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference."""
        return inputs[0]


def _alike(inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Rows as 1x1 maps among maps, as sequences of one step among sequences: their numbers are those of channels."""
    most = max(x.ndim for x in inputs)
    return [x.reshape(len(x), *[1] * (most - 2), -1) if x.ndim == 2 else x for x in inputs]


MERGES: dict[str, Callable[[], Kind]] = {
    "add": Add,
    "subtract": Subtract,
    "multiply": Multiply,
    "divide": Divide,
    "maximum": Maximum,
    "minimum": Minimum,
}


def arithmetic(name: str, operands: Sequence[Any]) -> Kind:
    """The kind of an operation on tensors, or on a tensor and a constant.

    Args:
        name: of `MERGES`, of `RELATIONS`, or "power".
        operands: in order; None for a tensor. Constants are numbers, or arrays [c] of one for each channel.

    Returns:
        With constants `Scale`, `Clip` or `Power`; `Other` where no kind is known.

    Example:
        >>> arithmetic("subtract", [1.0, None]), arithmetic("divide", [None, 255])
        (Scale(scale=-1.0, offset=1.0, dropout=None), Scale(scale=0.00392156862745098, offset=0.0, dropout=None))
    """
    given = [index for index, operand in enumerate(operands) if operand is not None]
    if not given and name != "power":
        return Compare(name) if name in RELATIONS else MERGES[name]()
    first = bool(given) and given[0] == 0  # the constant comes first
    constant = np.asarray(operands[given[0]] if given else np.nan)
    if len(given) != 1 or constant.ndim > 1 or constant.dtype.kind not in "iufb":
        return Other(f"{name} of a constant")
    value: Any = constant.astype(float).tolist()
    if name in ("add", "subtract", "multiply") or (name == "divide" and not first):
        with np.errstate(divide="ignore"):
            scale, offset = {
                "add": (1.0, value),
                "subtract": (-1.0, value) if first else (1.0, (-constant.astype(float)).tolist()),
                "multiply": (value, 0.0),
                "divide": ((1.0 / constant).tolist(), 0.0),
            }[name]
        return Scale(scale, offset)
    if constant.ndim:
        return Other(f"{name} of several constants")
    if name in RELATIONS and not first:
        return Compare(name, value)
    known = {"maximum": Clip(value, None), "minimum": Clip(None, value), "divide": Power(-1.0, value)}
    if name == "power" and not first:
        return Power(value)
    return known.get(name) or Other(f"{name} of a constant")
