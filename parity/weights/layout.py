"""Where each framework keeps an axis: canonical arrays to its own and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from parity.weights.state import StateError


@dataclass(frozen=True)
class Layout:
    """How a framework stores a canonical array.

    `views` gives pairs of views of one shape, on the stored and on the canonical memory; copying one of each pair to
    the other is the whole transfer, either way, without a temporary array.
    """

    # "same"; "OIHW", a kernel stored as [out, in, h, w], and "OIDHW", one of volumes; "CHW rows", see `maps`;
    # "depthwise", stored as [h, w, in, m] and canonically the kernel [h, w, 1, in * m] of as many groups as inputs;
    # "OIHW 1x1" and "HWIO 1x1", a 1x1 kernel that works on 1x1 maps and is canonically a dense one [in, out]; "row" and
    # "OIK", kernels of sequences, stored as [k, in, out] and [out, in, k] and canonically [1, k, in, out]; "shared",
    # stored with axes of extent 1 before those that the array has canonically; "heads", stored as [..., heads, size],
    # and "heads out", as [heads, size, out], both axes of which are one canonically; "transposed", a matrix stored as
    # [out, in]; "rzc" and "rzc transposed", three gates of which the first two are canonically exchanged, along the
    # first axis as stored; "first row" and "second row", one of two arrays that are stored as one
    kind: str = "same"
    # (channels, height, width) that the rows of a dense kernel, or the numbers of a vector, were flattened from
    maps: tuple[int, int, int] = (0, 0, 0)

    def views(self, stored: np.ndarray, canonical: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Pairs of views of one shape whose elements correspond.

        Args:
            stored: an array in the framework's layout; contiguous where the layout splits or joins axes, else its
                "view" is a copy.
            canonical: C-contiguous, in the canonical layout.

        Returns:
            Of each pair the view of `stored`, then that of `canonical`; one pair unless the layout exchanges gates.

        Raises:
            StateError: the two shapes do not correspond under this layout: another rank, other extents, or rows that do
                not divide into `maps`.
        """
        try:
            pairs = self._gates(stored, canonical) if "rzc" in self.kind else [self._views(stored, canonical)]
        except ValueError as error:  # numpy's, of an array of another rank or size
            raise self._unlike(stored.shape, canonical.shape) from error
        if any(one.shape != other.shape for one, other in pairs):
            raise self._unlike(stored.shape, canonical.shape)
        return pairs

    def _gates(self, stored: np.ndarray, canonical: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Reset, update, candidate as stored; update, reset, candidate canonically."""
        turned = canonical.T if "transposed" in self.kind else canonical
        reset, update, candidate = np.split(stored, 3)
        return list(zip((update, reset, candidate), np.split(turned, 3), strict=True))

    def _views(self, stored: np.ndarray, canonical: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.kind == "OIHW":
            return stored.transpose(2, 3, 1, 0), canonical
        if self.kind == "OIDHW":
            return stored.transpose(2, 3, 4, 1, 0), canonical
        if self.kind == "OIK":
            return stored.transpose(2, 1, 0)[None], canonical
        if self.kind == "CHW rows":
            c, h, w = self.maps
            return stored.reshape(c, h, w, -1).transpose(1, 2, 0, 3), canonical.reshape(h, w, c, -1)
        if self.kind == "OIHW 1x1":
            return stored.reshape(stored.shape[:2]).T, canonical
        if self.kind == "transposed":
            return stored.T, canonical
        if self.kind in ("first row", "second row"):
            first, second = stored
            return first if self.kind == "first row" else second, canonical
        if self.kind in ("HWIO 1x1", "depthwise", "heads", "heads out", "row", "shared"):
            return stored.reshape(self.canonical_shape(stored.shape)), canonical
        return stored, canonical

    def _unlike(self, stored: Sequence[int], canonical: Sequence[int]) -> StateError:
        return StateError(f"layout {self.kind}: stored {stored} does not correspond to {canonical}")

    def canonical_shape(self, stored: Sequence[int]) -> tuple[int, ...]:
        """The canonical shape of an array that is stored with this shape.

        Args:
            stored: extents of the axes in the framework's order.

        Returns:
            Of kernels (h, w, in, out) or (in, out); of as many elements.

        Raises:
            StateError: a kernel of another rank.

        Example:
            >>> Layout("OIHW").canonical_shape((64, 3, 7, 7))
            (7, 7, 3, 64)
        """
        try:
            return self._canonical_shape(stored)
        except (ValueError, IndexError) as error:  # of a shape that has fewer or more extents
            raise StateError(f"layout {self.kind}: stored {tuple(stored)} is of another rank") from error

    def _canonical_shape(self, stored: Sequence[int]) -> tuple[int, ...]:
        if self.kind == "OIHW":
            out, into, height, width = stored
            return height, width, into, out
        if self.kind == "OIDHW":
            out, into, depth, height, width = stored
            return depth, height, width, into, out
        if self.kind == "OIHW 1x1":
            return stored[1], stored[0]
        if self.kind in ("transposed", "rzc transposed"):
            out, into = stored
            return into, out
        if self.kind in ("first row", "second row"):
            _, extent = stored
            return (extent,)
        if self.kind == "HWIO 1x1":
            return tuple(stored[-2:])
        if self.kind == "row":
            return 1, *stored
        if self.kind == "OIK":
            return 1, *tuple(stored)[::-1]
        if self.kind == "depthwise":
            return stored[0], stored[1], 1, stored[2] * stored[3]
        if self.kind == "heads":
            return *stored[:-2], stored[-2] * stored[-1]
        if self.kind == "heads out":
            return stored[0] * stored[1], stored[2]
        if self.kind == "shared":
            first = next((axis for axis, extent in enumerate(stored) if extent > 1), len(stored) - 1)
            return tuple(stored[first:])
        return tuple(stored)

    def read(self, stored: np.ndarray) -> np.ndarray:
        """A new canonical array from the framework's memory: one copy.

        Args:
            stored: of any dtype, in the framework's layout.

        Returns:
            C-contiguous, of the same dtype.

        Raises:
            StateError: an array of another rank, or rows that do not divide into `maps`.

        Example:
            >>> Layout("OIHW").read(np.zeros((64, 3, 7, 7), np.float32)).shape
            (7, 7, 3, 64)
        """
        canonical = np.empty(self.canonical_shape(stored.shape), stored.dtype)
        for source, target in self.views(stored, canonical):
            np.copyto(target, source)
        return canonical

    def write(self, canonical: np.ndarray, stored: np.ndarray) -> None:
        """Copy a canonical array into the framework's own memory.

        Args:
            canonical: of a dtype that numpy casts to that of `stored` without changing its kind.
            stored: is overwritten, but for a row that is not this array's; see `views`.

        Raises:
            StateError: the two shapes do not correspond under this layout.
        """
        for target, source in self.views(stored, np.ascontiguousarray(canonical)):
            np.copyto(target, source)


SAME = Layout()
