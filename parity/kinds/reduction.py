"""What makes one number of many: means, sums and largest ones over axes; running sums, indices, norms of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.kinds.kind import Kind, optional
from parity.kinds.pool import GlobalAveragePool, GlobalMaxPool
from parity.numerics.geometry import channels_last_axis

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "mean": np.mean,
    "sum": np.sum,
    "max": np.max,
    "min": np.min,
    "product": np.prod,
    "std": np.std,
    "var": np.var,
}


@dataclass(frozen=True)
class Reduce(Kind):
    """A function of `FUNCTIONS`, or "logsumexp", over some axes, batch included in their count, channels last."""

    name = "reduce"
    function: str
    axes: Sequence[int]
    kept: bool = optional(default=False)  # the axes stay, of extent 1
    unbiased: bool = optional(default=False)  # a variance divides by n - 1

    def label(self, number: str) -> str:
        """The field in words."""
        return {"function": "reduction", "axes": "axes of a reduction"}.get(number, super().label(number))

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference."""
        axes = tuple(self.axes)
        if self.function == "logsumexp":
            largest = inputs[0].max(axis=axes, keepdims=True)
            sums = np.log(np.exp(inputs[0] - largest).sum(axis=axes, keepdims=True)) + largest
            return np.asarray(sums if self.kept else sums.squeeze(axes))
        more = {"ddof": 1} if self.unbiased else {}
        return np.asarray(FUNCTIONS[self.function](inputs[0], axis=axes, keepdims=self.kept, **more))


@dataclass(frozen=True)
class CumulativeSum(Kind):
    """Each number and all before it along an axis, counted with channels last."""

    name = "cumulative_sum"
    axis: int
    exclusive: bool = optional(default=False)  # without the number itself
    backwards: bool = optional(default=False)  # from the last one

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference."""
        x = np.flip(inputs[0], self.axis) if self.backwards else inputs[0]
        y = np.cumsum(x, axis=self.axis)
        y = y - x if self.exclusive else y
        return np.flip(y, self.axis) if self.backwards else y


@dataclass(frozen=True)
class Index(Kind):
    """Where along an axis, counted with channels last, the largest or smallest number is."""

    name = "index"
    of: str  # "max" or "min"
    axis: int
    kept: bool = optional(default=False)

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference: whole numbers."""
        find = np.argmax if self.of == "max" else np.argmin
        return np.asarray(find(inputs[0], axis=self.axis, keepdims=self.kept))


@dataclass(frozen=True)
class OneHot(Kind):
    """Whole numbers [...] -> [..., depth], 1 at the number and 0 elsewhere."""

    name = "one_hot"
    depth: int

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference; a number that is none of 0 to depth - 1 gives zeros."""
        return (inputs[0][..., None] == np.arange(self.depth)).astype(float)


@dataclass(frozen=True)
class Normalize(Kind):
    """x over its norm along some axes, counted with channels last; over `floor` where the norm is smaller."""

    name = "normalize"
    axes: Sequence[int]
    floor: float
    order: float = optional(2.0)  # of the norm

    traps = {"floor": "act-default"}

    def label(self, number: str) -> str:
        """The field in words."""
        return {"floor": "epsilon, the smallest norm", "axes": "axes of a norm", "order": "order of a norm"}[number]

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference."""
        x = inputs[0]
        powers = np.sum(np.abs(x) ** self.order, axis=tuple(self.axes), keepdims=True)
        return np.asarray(x / np.maximum(powers ** (1 / self.order), self.floor))


def axes_of(axis: Any, rank: int, *, channels_second: bool = False) -> list[int]:
    """Axes of a tensor of this rank, channels last, in order.

    Args:
        axis: a number, several, or None for all, in the tensor's own order.
        rank: of the tensor.
        channels_second: its channels come second.

    Example:
        >>> axes_of([2, 3], 4, channels_second=True), axes_of(None, 2)
        ([1, 2], [0, 1])
    """
    given = range(rank) if axis is None else np.ravel(np.asarray(axis)).tolist()
    return sorted({channels_last_axis(int(one), rank, channels_second=channels_second) for one in given})


def reduced(
    function: str, axis: Any, rank: int, *, kept: bool = False, channels_second: bool = False, unbiased: bool = False
) -> Kind:
    """A reduction; a mean or maximum over the whole of maps or a sequence is the global pool.

    Args:
        function: as of `Reduce`.
        axis: as in `axes_of`.
        rank: of the tensor.
        kept: the axes stay, of extent 1.
        channels_second: the tensor's channels come second.
        unbiased: of a variance.

    Example:
        >>> reduced("mean", [1, 2], 4), reduced("sum", -1, 3)
        (GlobalAveragePool(masked=False), Reduce(function='sum', axes=[2], kept=False, unbiased=False))
    """
    axes = axes_of(axis, rank, channels_second=channels_second)
    if axes == {3: [1], 4: [1, 2]}.get(rank) and function in ("mean", "max"):
        return GlobalAveragePool() if function == "mean" else GlobalMaxPool()
    return Reduce(function, axes, kept, unbiased)
