"""How a layer is written that computes what another one does: the arguments of its constructor that change."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from parity.kinds.kind import Kind


class Expression(str):
    """An argument that is written as code, such as a function, and not as a value."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True)
class Change:
    """What changes where a layer is made.

    Attributes:
        arguments: of the constructor, by name.
        layer: the class, where it becomes another one: `arguments` are all of its arguments then.
        pads: [before, after] of each axis of maps or sequences, of what is put around the layer's input, by a layer of
            its own; empty for nothing.
        value: of `pads`.
        crops: [before, after] of each axis, of what is cut off the layer's output, by a layer of its own.
    """

    arguments: Mapping[str, Any] = field(default_factory=dict)
    layer: str = ""
    pads: tuple[tuple[int, int], ...] = ()
    value: float = 0.0
    crops: tuple[tuple[int, int], ...] = ()

    def with_change(self, other: Change) -> Change:
        """Both changes of one layer; another class takes the place of all that there was."""
        if other.layer:
            return other
        pads, value = (other.pads, other.value) if other.pads else (self.pads, self.value)
        arguments = {**self.arguments, **other.arguments}
        return Change(arguments, self.layer, pads, value, other.crops or self.crops)


@dataclass(frozen=True)
class Repair:
    """A layer that is to compute what another one does.

    Attributes:
        expected: what it should compute.
        actual: what it computes.
        layer: the framework's own.
        shape: of what it takes, in the framework's order of axes, batch included; empty where that is not known.
    """

    expected: Kind
    actual: Kind
    layer: Any
    shape: tuple[int, ...] = ()

    @property
    def row(self) -> bool:
        """Whether the layer takes sequences, for which a framework may have a layer of another class."""
        return len(self.shape) == 3

    @property
    def alike(self) -> bool:
        """Whether both are of one kind."""
        return self.expected.name == self.actual.name

    def differing(self) -> dict[str, Any]:
        """The numbers that differ by more than rounding to float32, as they should be; empty for two kinds."""
        if type(self.expected) is not type(self.actual):
            return {}
        names = [one.name for one in fields(self.expected)]
        both = [(name, getattr(self.expected, name), getattr(self.actual, name)) for name in names]
        return {name: number(a) for name, a, b in both if not same(a, b)}

    def only_in(self, *numbers: str) -> bool:
        """Whether both are of one kind and all other numbers agree.

        Args:
            numbers: the names of those that may differ.
        """
        return type(self.expected) is type(self.actual) and self.differing().keys() <= set(numbers)


def number(value: Any) -> Any:
    """A number as one writes it: float32 numbers with six digits.

    Example:
        >>> number(0.0010000000474974513), number([1, 2])
        (0.001, [1, 2])
    """
    return float(f"{value:.6g}") if isinstance(value, float) else value


def same(one: Any, other: Any) -> bool:
    """Whether two numbers, or lists of such, are the same but for rounding to float32.

    Example:
        >>> same(0.001, 0.0010000000474974513), same([[0, 1]], [[1, 1]])
        (True, False)
    """
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=2.0**-23)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def shortest(values: Any) -> Any:
    """Numbers for each axis as one writes them: one number where all are the same.

    Example:
        >>> shortest([2, 2]), shortest([1, 2])
        (2, [1, 2])
    """
    numbers = list(values)
    return numbers[0] if len(set(numbers)) == 1 else numbers
