"""Whether two tensors hold the same numbers, in whatever order of axes and however reshaped, without sending them.

A signature has moments of all numbers, and for each axis a profile: for each index on it the sum of a function of the
numbers there. Tensors whose moments differ hold different numbers. Where moments agree, profiles say which axis of one
is which of the other, also where axes were merged or split.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

LONGEST_PROFILE = 2**20  # of a longer axis there is no profile


@dataclass(frozen=True)
class Signature:
    """Of one tensor.

    Attributes:
        shape: of the tensor.
        moments: float64 [6]: sums of x, |x|, x^2 and x^3, largest and smallest x.
        profiles: for each axis float64 of its extent; empty for an extent of 1 or beyond `LONGEST_PROFILE`.
        finite: whether all numbers are.
    """

    shape: tuple[int, ...]
    moments: np.ndarray
    profiles: tuple[np.ndarray, ...]
    finite: bool = True

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)


def signature(array: np.ndarray) -> Signature:
    """The signature of a tensor.

    Args:
        array: of any shape; numbers of any real type, or truth values.

    Returns:
        In float64; of an empty tensor zeros.

    Example:
        >>> signature(np.array([[1.0, 2.0], [3.0, 4.0]])).moments
        array([ 10.,  10.,  30., 100.,   4.,   1.])
    """
    x = np.asarray(array, np.float64)
    if not x.size:
        return Signature(x.shape, np.zeros(6), tuple(np.zeros(0) for _ in x.shape))
    with np.errstate(over="ignore", invalid="ignore"):  # such a tensor is not finite
        square = x * x
        moments = np.array(
            [x.sum(), np.abs(x).sum(), square.sum(), np.einsum("i,i->", square.ravel(), x.ravel()), x.max(), x.min()]
        )
    if not np.isfinite(moments).all():
        return Signature(x.shape, moments, tuple(np.zeros(0) for _ in x.shape), finite=False)
    scale = math.sqrt(moments[2] / x.size) or 1.0
    # no symmetry of usual tensors (rows that sum to 0 or 1, or have a norm of 1) makes these sums all alike
    bent = x / scale
    bent = bent * (1.0 + bent * (0.7 + bent))
    axes = range(x.ndim)
    profiles = tuple(
        bent.sum(axis=tuple(other for other in axes if other != axis))
        if _profile_length(x.shape[axis], True)
        else np.zeros(0)
        for axis in axes
    )
    return Signature(x.shape, moments, profiles)


def alike(one: Signature, other: Signature, tolerance: float) -> bool:
    """Whether two tensors may hold the same numbers in another order.

    Args:
        one: a signature.
        other: a signature.
        tolerance: relative, of the moments.

    Returns:
        False where the tensors differ by more, and where one is not finite or empty.
    """
    if one.size != other.size or not one.size or not (one.finite and other.finite):
        return False
    largest = max(abs(one.moments[4]), abs(one.moments[5]))
    scales = [one.moments[1], one.moments[1], one.moments[2], one.moments[2] * largest, largest, largest]
    # a number of which float64 keeps nothing but rounding is zero
    return all(
        abs(a - b) <= tolerance * scale + 1e-300 for a, b, scale in zip(one.moments, other.moments, scales, strict=True)
    )


@dataclass(frozen=True)
class Arrangement:
    """How a tensor is made of another one: `x.reshape(split).transpose(order).reshape(shape)`.

    Attributes:
        split: extents of the first tensor's axes, or of parts of these.
        order: of those in the second tensor.
        shape: of the second tensor.
    """

    split: tuple[int, ...]
    order: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def plain(self) -> bool:
        """Whether nothing but extents of 1 and the boundaries of axes change."""
        moving = [axis for axis in self.order if self.split[axis] > 1]
        return moving == sorted(moving)

    def of(self, array: np.ndarray) -> np.ndarray:
        """The second tensor of the first.

        Args:
            array: the first tensor.

        Returns:
            Of `shape`; may be a view.
        """
        return array.reshape(self.split).transpose(self.order).reshape(self.shape)

    def back(self, array: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        """The first tensor of the second.

        Args:
            array: the second tensor.
            shape: of the first.

        Returns:
            Of that shape; may be a view.
        """
        inverse = tuple(np.argsort(self.order))
        return array.reshape([self.split[axis] for axis in self.order]).transpose(inverse).reshape(shape)


def arrangement(
    one: Signature, other: Signature, tolerance: float, hints: Sequence[Sequence[int]] = ()
) -> Arrangement | None:
    """How the second of two tensors that are `alike` is arranged from the first.

    Args:
        one: of the first tensor.
        other: of the second.
        tolerance: relative, of the profiles.
        hints: shapes from which an axis of the first tensor may have been flattened.

    Returns:
        None where the axes do not correspond: the numbers are the same ones, or happen to look so, but are mixed.

    Example:
        >>> maps = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
        >>> found = arrangement(signature(maps), signature(maps.transpose(0, 3, 1, 2)), 1e-9)
        >>> found.order
        (0, 3, 1, 2)
    """
    if any(
        size > 1 and not len(profile) for s in (one, other) for size, profile in zip(s.shape, s.profiles, strict=True)
    ):
        return None
    ones = [(axis, size) for axis, size in enumerate(one.shape) if size > 1]
    others = [(axis, size) for axis, size in enumerate(other.shape) if size > 1]
    for groups in _partitions([size for _, size in ones], [size for _, size in others]):
        made = _arranged(one, other, ones, others, groups, tolerance, hints)
        if made is not None:
            return made
    return None


# For each group: axes of the first tensor and axes of the second, of as many elements.
Groups = list[tuple[tuple[int, ...], tuple[int, ...]]]


def _partitions(ones: list[int], others: list[int]) -> Iterator[Groups]:
    """Ways to put axes of one tensor and axes of the other together, each axis in one group; fewest merged first."""
    found = sorted(_groupings(tuple(range(len(ones))), tuple(range(len(others))), ones, others), key=_merged)
    yield from found


def _merged(groups: Groups) -> tuple[int, list[int]]:
    return sum(len(a) + len(b) - 2 for a, b in groups), [b[0] for _, b in groups]


def _groupings(left: tuple[int, ...], right: tuple[int, ...], ones: list[int], others: list[int]) -> Iterator[Groups]:
    if not left and not right:
        yield []
        return
    if not left or not right:
        return
    first = left[0]
    # one axis of the first tensor with one or several of the second, in any place
    for count in range(1, len(right) + 1):
        for chosen in itertools.combinations(right, count):
            if math.prod(others[axis] for axis in chosen) == ones[first]:
                rest = tuple(axis for axis in right if axis not in chosen)
                for groups in _groupings(left[1:], rest, ones, others):
                    yield [((first,), chosen), *groups]
    # several axes of the first tensor, beginning with this one, with one of the second
    for count in range(1, len(left)):
        for more in itertools.combinations(left[1:], count):
            chosen = (first, *more)
            size = math.prod(ones[axis] for axis in chosen)
            for axis in right:
                if others[axis] == size:
                    rest = tuple(a for a in left if a not in chosen)
                    for groups in _groupings(rest, tuple(b for b in right if b != axis), ones, others):
                        yield [(chosen, (axis,)), *groups]


def _arranged(
    one: Signature,
    other: Signature,
    ones: list[tuple[int, int]],
    others: list[tuple[int, int]],
    groups: Groups,
    tolerance: float,
    hints: Sequence[Sequence[int]],
) -> Arrangement | None:
    """The arrangement under which the profiles of every group agree; None where one of them does not."""
    split: dict[int, tuple[int, ...]] = {}  # of each axis of the first tensor into parts
    places: dict[int, list[tuple[int, int]]] = {}  # of each axis of the second: (axis of the first, part)
    for left, right in groups:
        a = [ones[index] for index in left]
        b = [others[index] for index in right]
        if len(a) == 1:
            axis = a[0][0]
            for order in itertools.permutations(range(len(b))):
                parts = tuple(b[position][1] for position in order)
                profiles = [other.profiles[b[position][0]] for position in order]
                if _orders(one.profiles[axis], profiles, parts, tolerance):
                    split[axis] = parts
                    for part, position in enumerate(order):
                        places[b[position][0]] = [(axis, part)]
                    break
            if axis in split:
                continue
            if len(b) == 1 and (hinted := _hinted(one.profiles[axis], other.profiles[b[0][0]], tolerance, hints)):
                split[axis], turned = hinted
                places[b[0][0]] = [(axis, part) for part in turned]
                continue
            return None
        # several axes of the first tensor, in some order, make one of the second
        index = b[0][0]
        for order in itertools.permutations(range(len(a))):
            sizes = tuple(a[position][1] for position in order)
            if _orders(other.profiles[index], [one.profiles[a[position][0]] for position in order], sizes, tolerance):
                for axis, size in a:
                    split[axis] = (size,)
                places[index] = [(a[position][0], 0) for position in order]
                break
        else:
            return None
    numbered: dict[tuple[int, int], int] = {}
    extents: list[int] = []
    for axis, size in enumerate(one.shape):
        for part, extent in enumerate(split.get(axis, (size,))):
            numbered[axis, part] = len(extents)
            extents.append(extent)
    moved = [numbered[place] for axis in range(len(other.shape)) for place in places.get(axis, [])]
    single = [number for number in range(len(extents)) if number not in moved]
    return Arrangement(tuple(extents), (*single, *moved), other.shape)


def _orders(whole: np.ndarray, parts: Sequence[np.ndarray], sizes: Sequence[int], tolerance: float) -> bool:
    """Whether a profile is that of these axes, flattened in this order."""
    folded = whole.reshape(sizes)
    return all(
        _close(folded.sum(axis=tuple(other for other in range(len(sizes)) if other != axis)), part, tolerance)
        for axis, part in enumerate(parts)
    )


def _hinted(
    one: np.ndarray, other: np.ndarray, tolerance: float, hints: Sequence[Sequence[int]]
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """A split of an axis and an order of the parts that makes one profile the other."""
    for hint in hints:
        sizes = tuple(size for size in hint if size > 1)
        if len(sizes) < 2 or math.prod(sizes) != len(one):
            continue
        folded = one.reshape(sizes)
        for order in itertools.permutations(range(len(sizes))):
            if _close(folded.transpose(order).ravel(), other, tolerance):
                return sizes, order
    return None


def _close(one: np.ndarray, other: np.ndarray, tolerance: float) -> bool:
    scale = max(float(np.abs(one).max()), float(np.abs(other).max()), 1e-300)
    return bool(np.abs(one - other).max() <= tolerance * scale)


def pack_signatures(signatures: Sequence[Signature]) -> tuple[list[list[int]], dict[str, np.ndarray]]:
    """Signatures as JSON values and named arrays, for the way between two processes.

    Args:
        signatures: any number.

    Returns:
        The shapes, and the arrays "moments" [n, 6] and "profiles", all profiles one after the other.
    """
    moments = np.array([one.moments for one in signatures]).reshape(len(signatures), 6)
    profiles = [profile for one in signatures for profile in one.profiles]
    return [list(one.shape) for one in signatures], {
        "moments": moments,
        "profiles": np.concatenate(profiles) if profiles else np.zeros(0),
    }


def unpack_signatures(shapes: Sequence[Sequence[int]], arrays: dict[str, np.ndarray]) -> list[Signature]:
    """The inverse of `pack_signatures`.

    Args:
        shapes: of the tensors.
        arrays: "moments" and "profiles".

    Returns:
        The signatures in order.
    """
    unpacked, position = [], 0
    for shape, moments in zip(shapes, arrays["moments"], strict=True):
        finite = bool(np.isfinite(moments).all())
        lengths = [_profile_length(size, finite and math.prod(shape) > 0) for size in shape]
        profiles = []
        for length in lengths:
            profiles.append(arrays["profiles"][position : position + length])
            position += length
        unpacked.append(Signature(tuple(shape), moments, tuple(profiles), finite))
    return unpacked


def _profile_length(size: int, known: bool) -> int:
    return size if known and 1 < size <= LONGEST_PROFILE else 0
