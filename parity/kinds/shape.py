"""What changes the shape and no number: joining, flattening, turning, slices, repetition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import EllipsisType
from typing import Any

import numpy as np

from parity.kinds.elementwise import Identity
from parity.kinds.kind import Kind, Other, optional
from parity.numerics.geometry import channels_last_axis


@dataclass(frozen=True)
class Concat(Kind):
    """Several inputs, one after the other along the channels, or along another axis."""

    name = "concat"
    axis: int | None = optional(None)  # None: the last

    family = "merge"
    several_inputs = ordered = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference.

        Args:
            inputs: at least one, [..., c_i], alike in all other extents.
            arrays: not used.

        Returns:
            [..., sum of c_i], or longer along the other axis.
        """
        return np.concatenate(inputs, axis=-1 if self.axis is None else self.axis)


@dataclass(frozen=True)
class Stack(Kind):
    """Several inputs of one shape, along an axis of their own; counted in the output, channels last."""

    name = "stack"
    axis: int

    family = "merge"
    several_inputs = ordered = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference."""
        return np.stack(inputs, axis=self.axis)


@dataclass(frozen=True)
class Transpose(Kind):
    """Axes in another order: the i-th one of the output is that of this number in the input."""

    name = "transpose"
    permutation: Sequence[int]

    identity_in_inference = True  # every number stays as it is

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference."""
        return inputs[0].transpose(self.permutation)


@dataclass(frozen=True)
class Tile(Kind):
    """The whole tensor again and again along each axis, batch included."""

    name = "tile"
    repeats: Sequence[int]

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference."""
        return np.tile(inputs[0], self.repeats)


@dataclass(frozen=True)
class Reshape(Kind):
    """The same numbers in another shape; the only one whose order is known is from maps to rows."""

    name = "reshape"
    identity_in_inference = keeps_rows = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference: of maps [n, h, w, c] rows [n, h * w * c]."""
        return inputs[0].reshape(len(inputs[0]), -1)


@dataclass(frozen=True)
class Slice(Kind):
    """Part of a tensor. Of each axis, batch included: None for all of it, [start, stop, step], or the number it is at.

    An axis at one number goes.
    """

    name = "slice"
    index: Sequence[int | Sequence[int] | None]

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference: of inputs [n, ...] of as many axes as the index has."""
        parts = [
            slice(None) if part is None else part if isinstance(part, int) else slice(*part) for part in self.index
        ]
        return np.asarray(inputs[0][tuple(parts)])

    @property
    def subscript(self) -> str:
        """The index as it is written in brackets: ":, 0, 1:7:2"."""
        return ", ".join(
            ":" if part is None else str(part) if isinstance(part, int) else ":".join(map(str, part))
            for part in self.index
        )


def sliced(key: Any, shape: Sequence[int], *, channels_second: bool = False) -> Kind:
    """A slice by what stands in the brackets.

    Args:
        key: numbers, slices of numbers, an ellipsis, or a tuple of these.
        shape: of the tensor, batch included.
        channels_second: of maps and sequences; the index has the channels last.

    Returns:
        `Slice`; `Identity` of an index that takes all; `Other` of one with new axes, or of numbers that are tensors.

    Example:
        >>> sliced((slice(None), -1), (2, 9, 4))
        Slice(index=[None, 8, None])
    """
    parts = list(key) if isinstance(key, tuple) else [key]
    if any(isinstance(part, bool) or not isinstance(part, (int, np.integer, slice, EllipsisType)) for part in parts):
        return Other("slice with new axes or by a tensor")
    if Ellipsis not in parts:
        parts.append(Ellipsis)
    gap = parts.index(Ellipsis)
    parts[gap : gap + 1] = [slice(None)] * (len(shape) - len(parts) + 1)
    index: list[Any] = []
    for part, extent in zip(parts, map(int, shape), strict=True):
        if not isinstance(part, slice):
            index.append(int(part) % extent)
        elif not all(bound is None or isinstance(bound, (int, np.integer)) for bound in (part.start, part.stop)):
            return Other("slice by a tensor")
        else:
            index.append(_bounds(part, extent))
    if not any(part is not None for part in index):
        return Identity()
    if channels_second and len(shape) in (3, 4):
        index.append(index.pop(1))
    return Slice(index)


def concatenated(axis: int, rank: int, *, channels_second: bool = False) -> Concat:
    """A concatenation along an axis of tensors of this rank, in their own order.

    Example:
        >>> concatenated(1, 4, channels_second=True), concatenated(1, 4)
        (Concat(axis=None), Concat(axis=1))
    """
    axis = channels_last_axis(axis, rank, channels_second=channels_second)
    return Concat(None if axis == rank - 1 else axis)


def stacked(axis: int, rank: int, *, channels_second: bool = False) -> Stack:
    """A stack along a new axis of the output, of tensors of this rank in their own order.

    Example:
        >>> stacked(-1, 2), stacked(1, 4, channels_second=True)
        (Stack(axis=2), Stack(axis=1))
    """
    axis %= rank + 1
    # behind the channels, which the output then has one axis earlier
    return Stack(axis - 1 if channels_second and rank > 2 and 1 < axis <= rank else axis)


def turned(permutation: Sequence[int]) -> Kind:
    """A transposition; `Identity` where it leaves every axis where it is.

    Example:
        >>> turned([0, 2, 1])
        Transpose(permutation=[0, 2, 1])
    """
    axes = [int(axis) % len(permutation) for axis in permutation]
    return Identity() if axes == list(range(len(axes))) else Transpose(axes)


def flipped(axes: Sequence[int], shape: Sequence[int], *, channels_second: bool = False) -> Kind:
    """The slice that takes some axes backwards.

    Example:
        >>> flipped([1], (2, 9, 4))
        Slice(index=[None, [8, -10, -1], None])
    """
    backwards = {int(axis) % len(shape) for axis in axes}
    key = tuple(slice(None, None, -1) if axis in backwards else slice(None) for axis in range(len(shape)))
    return sliced(key, shape, channels_second=channels_second)


def _bounds(part: slice, extent: int) -> list[int] | None:
    """Start, stop and step; None for all of an axis."""
    start, stop, step = part.indices(extent)
    if (start, stop, step) == (0, extent, 1):
        return None
    return [start, stop if stop >= 0 else -extent - 1, step]  # of a slice backwards to the first element
