"""Pools over windows, over whole maps, and to maps of a given size."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from parity.kinds.elementwise import Identity
from parity.kinds.kind import Hypothesis, Kind, Surroundings, optional
from parity.numerics.arrays import Arrays
from parity.numerics.geometry import PerAxis, WindowPadding, as_maps, pair, window_taps


@dataclass(frozen=True)
class MaxPool(Kind):
    """The largest of each window; padding never wins. Window and stride [h, w]; padding as of a convolution."""

    name = "max_pool"
    window: PerAxis
    stride: PerAxis
    padding: WindowPadding

    traps = {"padding": "pool-pad"}
    family = "pool"
    on_maps = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference: [n, h, w, c] -> [n, h', w', c]."""
        parts = window_taps(as_maps(inputs[0]), self.window, self.stride, self.padding, fill=-np.inf)
        return functools.reduce(np.maximum, (values for _, values in parts))

    def hypotheses(self, x: np.ndarray, own: Arrays, around: Surroundings) -> Iterator[Hypothesis]:
        """Padding on both sides alike."""
        if self.padding == "same":
            sides = pair(self.window)[0] // 2
            text = f"{sides} pixels of padding on every side, where the network says SAME"
            yield "pool-pad", text, replace(self, padding=sides).compute([x], own)


@dataclass(frozen=True)
class AveragePool(Kind):
    """The sum of each window over its size, or over how many of its pixels lie in the maps."""

    name = "average_pool"
    window: PerAxis
    stride: PerAxis
    padding: WindowPadding
    count_padding: bool | None = None  # whether padding counts; None where there is none

    traps = {"padding": "pool-pad", "count_padding": "avg-pool-exclusive"}
    family = "pool"
    on_maps = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference: [n, h, w, c] -> [n, h', w', c].

        Args:
            inputs: one float64 array; a row is a 1x1 map, a sequence a map of one row.
            arrays: not used.

        Returns:
            Maps, of rows and sequences too.

        Raises:
            ValueError: padding where `count_padding` is not given, because the frameworks differ in it; or a window
                that is larger than the padded maps.
        """
        x = as_maps(inputs[0])
        if self.count_padding is None and self.padding != "valid":
            raise ValueError(
                f"unless count_padding is given, averages are without padding only, found {self.padding!r}"
            )
        size = math.prod(pair(self.window)) if self.count_padding else self._sums(np.ones((1, *x.shape[1:-1], 1)))
        return self._sums(x) / size

    def _sums(self, maps: np.ndarray) -> np.ndarray:
        parts = window_taps(maps, self.window, self.stride, self.padding, fill=0.0)
        return functools.reduce(np.add, (values for _, values in parts))


@dataclass(frozen=True)
class AdaptiveAveragePool(Kind):
    """Means over side x side windows, the i-th along an axis of m pixels over [i m / side], [(i + 1) m / side]."""

    name = "adaptive_average_pool"
    side: int

    on_maps = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference: [n, h, w, c] -> [n, side, side, c]."""
        x = as_maps(inputs[0])
        y = np.empty((len(x), self.side, self.side, x.shape[3]), x.dtype)
        for i, j in np.ndindex(self.side, self.side):
            rows, columns = (
                slice(math.floor(k * extent / self.side), math.ceil((k + 1) * extent / self.side))
                for k, extent in zip((i, j), x.shape[1:3], strict=True)
            )
            y[:, i, j] = x[:, rows, columns].mean(axis=(1, 2))
        return y


@dataclass(frozen=True)
class AdaptivePool(Kind):
    """The mean or largest of windows that are not all of one size, which cover the maps, to a `size` [h, w].

    The i-th of k windows along an axis of m pixels reaches from the pixel that holds i m / k to the one that ends
    (i + 1) m / k.
    """

    name = "adaptive_pool"
    function: str  # "average" or "max"
    size: Sequence[int]

    family = "pool"
    on_maps = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference: [n, h, w, c] -> [n, *size, c]."""
        x, reduce = as_maps(inputs[0]), np.mean if self.function == "average" else np.max
        y = np.empty((len(x), *self.size, x.shape[-1]), x.dtype)
        for index in np.ndindex(*self.size):
            window = tuple(
                slice(i * extent // count, -(-(i + 1) * extent // count))
                for i, count, extent in zip(index, self.size, x.shape[1:], strict=False)
            )
            axes = tuple(range(1, 1 + len(index)))
            y[(slice(None), *index)] = reduce(x[(slice(None), *window)], axis=axes)
        return y


@dataclass(frozen=True)
class GlobalMaxPool(Kind):
    """The largest of each whole map: [n, h, w, c] -> [n, 1, 1, c]."""

    name = "global_max_pool"
    family = "pool"
    on_maps = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference."""
        x = as_maps(inputs[0])
        return x.max(axis=tuple(range(1, x.ndim - 1)), keepdims=True)


@dataclass(frozen=True)
class GlobalAveragePool(Kind):
    """The mean of each whole map: [n, h, w, c] -> [n, 1, 1, c]; masked: of the steps that a mask of Keras leaves."""

    name = "global_average_pool"
    masked: bool = optional(False)

    family = "pool"
    on_maps = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference; raises ValueError for a masked one, whose mask is no input."""
        if self.masked:
            raise ValueError("no reference for a masked pool")
        x = as_maps(inputs[0])
        return x.mean(axis=tuple(range(1, x.ndim - 1)), keepdims=True)


def of_windows(what: str, numbers: Mapping[str, Any], into: Sequence[int], *, counted: bool = False) -> Kind:
    """A pool over windows; one whose window is the whole map is the global pool.

    Args:
        what: "max" or "average".
        numbers: `window` and `stride` [h, w], and `padding` [[top, bottom], [left, right]].
        into: [h, w] of the maps.
        counted: whether an average counts the padding.

    Returns:
        `MaxPool` or `AveragePool`, whose `count_padding` is False without padding; or, where the window is the whole
        map and nothing is padded, `GlobalMaxPool` or `GlobalAveragePool`.

    Example:
        >>> of_windows("average", {"window": [7, 7], "stride": [7, 7], "padding": [[0, 0], [0, 0]]}, into=[7, 7])
        GlobalAveragePool(masked=False)
    """
    padded = any(map(any, numbers["padding"]))
    whole = numbers["window"] == list(into) and not padded
    if what == "max":
        return GlobalMaxPool() if whole else MaxPool(**numbers)
    # without padding there is nothing to count
    return GlobalAveragePool() if whole else AveragePool(**numbers, count_padding=counted and padded)


def adaptive(what: str, into: Sequence[int], out: Sequence[int]) -> Kind:
    """An adaptive pool as the plain pool that computes the same on maps of this size.

    Args:
        what: "max" or "average".
        into: [h, w] of the maps.
        out: [h, w] of the output.

    Returns:
        A pool over windows or a global one; `Identity` where both sizes are equal; `AdaptivePool` where the windows
        would not all have one size.

    Example:
        >>> adaptive("average", [8, 8], [2, 2]).window
        [4, 4]
    """
    if list(out) == list(into):
        return Identity()
    if any(extent % side for extent, side in zip(into, out, strict=True)):
        return AdaptivePool(what, [int(side) for side in out])
    window = [extent // side for extent, side in zip(into, out, strict=True)]
    return of_windows(what, {"window": window, "stride": window, "padding": [[0, 0]] * len(window)}, into)
