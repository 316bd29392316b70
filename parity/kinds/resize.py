"""Maps of another size: by the nearest pixel, linear, cubic, over areas."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from parity.kinds.elementwise import Identity
from parity.kinds.kind import Kind, Other, optional
from parity.kinds.pool import adaptive
from parity.numerics.geometry import as_maps

TABLE = 1024  # entries for each pixel


@dataclass(frozen=True)
class Resize(Kind):
    """Maps [n, ..., c] of another `size`, such as [h, w], along each axis for itself; sequences are maps of one row.

    Where a pixel of the output lies among those of the input: their centres at the same share of the extent
    (`half_pixels`), their first and last ones on each other (`aligned_corners`), or at i times the ratio of extents.
    """

    name = "resize"
    size: Sequence[int]
    method: str  # "nearest", "linear", "cubic", "lanczos3" or "lanczos5"
    half_pixels: bool
    aligned_corners: bool = optional(default=False)
    antialias: bool = optional(default=False)  # as wide a window as the output's pixels are among those of the input
    cubic: float | None = optional(None)  # the parameter of a cubic kernel: -0.5 or -0.75
    outside: str | None = optional(None)  # of a window, beyond the maps: "repeated" pixels, or "left out"
    factors: Sequence[float] | None = optional(None)  # by which an axis was enlarged, where not the ratio of extents

    family = "resize"
    on_maps = True

    def label(self, number: str) -> str:
        """The field in words: "resize half pixels"."""
        return super().label(number).replace("_", " ")

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference.

        Args:
            inputs: one float64 array.
            arrays: not used.

        Returns:
            Maps [n, *size, c].

        Raises:
            ValueError: a method without a reference.
        """
        y = as_maps(inputs[0])
        for axis, out in enumerate(self.size):
            factor = self.factors[axis] if self.factors is not None else out / y.shape[1 + axis]
            weights = self._weights(y.shape[1 + axis], out, factor)
            y = np.moveaxis(np.tensordot(weights, y, axes=(1, 1 + axis)), 0, 1 + axis)
        return y

    def _weights(self, into: int, out: int, factor: float) -> np.ndarray:
        """[out, into]: the share of each pixel of the input in each one of the output."""
        if into == out and not self.antialias:
            return np.eye(into)
        index = np.arange(out)
        if self.aligned_corners:
            where = index * ((into - 1) / (out - 1) if out > 1 else 0.0)
        else:
            where = (index + 0.5) / factor - 0.5 if self.half_pixels else index / factor
        if self.method == "nearest":
            # a centre on the border of two pixels belongs to the second
            shift = 0.5 if self.half_pixels or self.aligned_corners else 0.0
            nearest = np.clip(np.floor(where + shift).astype(int), 0, into - 1)
            return np.eye(into)[nearest]
        kernel, reach = self._kernel()
        alone = self.outside == "left out" or self.antialias or self.method.startswith("lanczos")  # pixels that exist
        if self.method == "cubic" and alone and not self.antialias:  # TensorFlow looks its kernel up in a table
            where = np.floor(where) + np.rint((where - np.floor(where)) * TABLE) / TABLE
        wide = max(1 / factor, 1.0) if self.antialias else 1.0
        reach = math.ceil(reach * wide) + 1
        weights = np.zeros((out, into))
        for row, centre in enumerate(where):
            taps = np.arange(math.floor(centre) - reach, math.floor(centre) + reach + 1)
            shares = kernel((taps - centre) / wide)
            if alone:
                inside = (taps >= 0) & (taps < into)
                shares = np.where(inside, shares, 0.0) / shares[inside].sum()
            np.add.at(weights[row], np.clip(taps, 0, into - 1), shares)
        return weights

    def _kernel(self) -> tuple[Callable[[np.ndarray], np.ndarray], float]:
        """A window's function of the distance in pixels, and how far it reaches."""
        if self.method == "linear":
            return lambda t: np.maximum(1 - np.abs(t), 0.0), 1.0
        if self.method == "cubic":
            a = -0.5 if self.cubic is None else self.cubic

            def cubic(t: np.ndarray) -> np.ndarray:
                t = np.abs(t)
                near = ((a + 2) * t - (a + 3)) * t * t + 1
                return np.where(t <= 1, near, np.where(t < 2, a * (((t - 5) * t + 8) * t - 4), 0.0))

            return cubic, 2.0
        if self.method in ("lanczos3", "lanczos5"):
            radius = int(self.method[-1])
            return lambda t: np.where(np.abs(t) < radius, np.sinc(t) * np.sinc(t / radius), 0.0), float(radius)
        raise ValueError(f"no reference for a resize by {self.method!r}")


def resized(
    method: str,
    into: Sequence[int],
    out: Sequence[int],
    *,
    half_pixels: bool,
    aligned_corners: bool = False,
    antialias: bool = False,
    cubic: float | None = None,
    outside: str | None = None,
    factors: Sequence[float] | None = None,
) -> Kind:
    """A resize with what does nothing left out, so that two that compute the same have the same numbers.

    Args:
        method: as of `Resize`, or "area".
        into: extents of the maps, such as [h, w].
        out: of the output.
        half_pixels: as of `Resize`.
        aligned_corners: as there.
        antialias: as there.
        cubic: as there.
        outside: as there.
        factors: by which each axis was enlarged, as far as it was given; its product with an extent may be no whole
            number.

    Returns:
        `Identity` where no extent changes, a pool for areas of one size, else `Resize`; `Other` of uneven areas.

    Example:
        >>> resized("nearest", [4, 4], [8, 8], half_pixels=False)
        Resize(size=[8, 8], method='nearest', half_pixels=True, aligned_corners=False, antialias=False, cubic=None, \
outside=None, factors=None)
    """
    into, out = [int(extent) for extent in into], [int(extent) for extent in out]
    if method == "area":
        whole = len(into) == 2 and not any(extent % size for extent, size in zip(into, out, strict=True))
        return adaptive("average", into, out) if whole else Other("resize over uneven areas")
    if into == out:
        return Identity()
    smaller = any(size < extent for extent, size in zip(into, out, strict=True))
    whole = not any(size % extent for extent, size in zip(into, out, strict=True))
    exact = factors is None or all(
        extent * factor == size for extent, size, factor in zip(into, out, factors, strict=True)
    )
    return Resize(
        out,
        method,
        # each pixel repeated as often; with aligned corners centres are not asked for
        half_pixels=half_pixels or aligned_corners or (method == "nearest" and whole and exact),
        aligned_corners=aligned_corners,
        antialias=antialias and smaller and method != "nearest",
        cubic=cubic if method == "cubic" else None,
        outside=outside if method == "cubic" else None,
        factors=None if exact or aligned_corners else list(factors or ()),
    )
