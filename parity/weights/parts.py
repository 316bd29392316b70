"""Arrays of one model made of arrays of another: parts of them, rearranged, and sums of such.

A map needs no trust: models that agree on random numbers under it are proven equal by it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Part:
    """A part of an array: `array.reshape(split)[start:stop].transpose(order)`.

    Attributes:
        split: extents of the array's axes, or of parts of these.
        order: of these axes in the part.
        start: of each axis of `split`, the first index; empty for all zero.
        stop: of each axis of `split`, the index behind the last; empty for whole axes.
    """

    split: tuple[int, ...]
    order: tuple[int, ...]
    start: tuple[int, ...] = ()
    stop: tuple[int, ...] = ()

    @classmethod
    def whole(cls, shape: Sequence[int]) -> Part:
        """The array as it is.

        Args:
            shape: of the array.
        """
        return cls(tuple(shape), tuple(range(len(shape))))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Part:
        """From plain JSON values.

        Args:
            values: by field; lists or tuples.
        """
        return cls(*(tuple(values[name]) for name in ("split", "order", "start", "stop")))

    def of(self, array: np.ndarray) -> np.ndarray:
        """The part.

        Args:
            array: C-contiguous, of as many elements as `split` says.

        Returns:
            A view: what is written to it is written to the array.

        Example:
            >>> Part((2, 3), (1, 0), (1, 0), (2, 3)).of(np.arange(6)).tolist()
            [[3], [4], [5]]
        """
        viewed = array.reshape(self.split)
        if self.start:
            viewed = viewed[tuple(slice(*ends) for ends in zip(self.start, self.stop, strict=True))]
        return viewed.transpose(self.order)

    @property
    def size(self) -> int:
        """The number of elements."""
        size = 1
        for axis, extent in enumerate(self.split):
            size *= self.stop[axis] - self.start[axis] if self.start else extent
        return size


@dataclass(frozen=True)
class Term:
    """A part of an array of the other model, times `sign`."""

    source: str
    part: Part
    sign: float = 1.0


@dataclass(frozen=True)
class Piece:
    """A part of an array, and the sum of terms that it holds; both in one order of elements.

    Attributes:
        part: of the array.
        terms: at least one; of as many elements as the part.
    """

    part: Part
    terms: tuple[Term, ...]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Piece:
        """From plain JSON values.

        Args:
            values: by field; lists or tuples.
        """
        terms = (Term(term["source"], Part.from_dict(term["part"]), term["sign"]) for term in values["terms"])
        return cls(Part.from_dict(values["part"]), tuple(terms))


Pieces = dict[str, list[Piece]]  # by array of the other model

Shapes = Mapping[str, tuple[int, ...]]  # by array


def assembled(shape: Sequence[int], pieces: Sequence[Piece], source: Callable[[str], np.ndarray]) -> np.ndarray:
    """An array made of its pieces.

    Args:
        shape: of the array.
        pieces: that cover it, each element once.
        source: gives the arrays that terms name.

    Returns:
        In the dtype of the first term's array; where terms are added, in float64.

    Raises:
        ValueError: pieces that do not cover the array, or do so twice, or terms of another size.

    Example:
        >>> transposed = Piece(Part.whole((2, 3)), (Term("w", Part((3, 2), (1, 0))),))
        >>> assembled((2, 3), [transposed], {"w": np.arange(6).reshape(3, 2)}.__getitem__).tolist()
        [[0, 2, 4], [1, 3, 5]]
    """
    covered = np.zeros(tuple(shape), np.uint8)
    array: np.ndarray | None = None
    for piece in pieces:
        piece.part.of(covered)[...] += 1
        total: np.ndarray | None = None
        for term in piece.terms:
            own = term.part.of(np.ascontiguousarray(source(term.source)))
            if own.size != piece.part.size:
                raise ValueError(f"a part of {piece.part.size} elements is to hold {own.size} of {term.source!r}")
            if len(piece.terms) == 1 and term.sign == 1:
                total = own
            else:  # in float64: the sum of two arrays of the model must not be rounded
                signed = own.astype(np.float64) * term.sign
                total = signed if total is None else total + signed.reshape(total.shape)
        assert total is not None
        if array is None:
            exact = np.float64 if any(len(own.terms) > 1 for own in pieces) else total.dtype
            array = np.empty(tuple(shape), exact)
        target = piece.part.of(array)
        target[...] = total.reshape(target.shape)
    if array is None or not (covered == 1).all():
        raise ValueError(f"pieces that cover {int((covered == 1).sum())} of {covered.size} elements once")
    return array


def same_map(
    one: Mapping[str, Sequence[Piece]], other: Mapping[str, Sequence[Piece]], shapes: Mapping[str, Sequence[int]]
) -> bool:
    """Whether two maps put the same numbers at the same places, in whatever pieces.

    Args:
        one: by array, its pieces.
        other: the same of another map.
        shapes: of these arrays.

    Example:
        >>> ends = [Part((2,), (0,), (at,), (at + 1,)) for at in (0, 1)]
        >>> halves = [Piece(end, (Term("w", end),)) for end in ends]
        >>> same_map({"v": halves}, {"v": [Piece(Part.whole((2,)), (Term("w", Part.whole((2,))),))]}, {"v": (2,)})
        True
    """
    pieces = [piece for own in (one, other) for part in own.values() for piece in part]
    sizes = {term.source: math.prod(term.part.split) for piece in pieces for term in piece.terms}
    draw = np.random.default_rng(0)
    numbers = {name: draw.random(size) for name, size in sizes.items()}  # no two are the same
    made = [{name: assembled(shapes[name], own[name], numbers.__getitem__) for name in own} for own in (one, other)]
    return one.keys() == other.keys() and all(np.array_equal(made[0][name], made[1][name]) for name in one)


def taken_apart(
    pieces: Mapping[str, Sequence[Piece]], arrays: Mapping[str, np.ndarray], shapes: Mapping[str, Sequence[int]]
) -> dict[str, np.ndarray]:
    """The arrays that pieces name, out of those that are made of them: the inverse of `assembled`.

    Where several arrays hold one number, the first is taken: whether they agree shows when they are assembled again.

    Args:
        pieces: by array of the other model.
        arrays: these, by name; no NaN among their numbers.
        shapes: of the arrays that terms name.

    Returns:
        float32 by name, NaN where no array says it. What follows from a sum was computed in float64, and rounded.

    Raises:
        ValueError: a sum of which more than one term is not known.

    Example:
        >>> transposed = Piece(Part.whole((2, 3)), (Term("w", Part((3, 2), (1, 0))),))
        >>> taken_apart({"v": [transposed]}, {"v": np.arange(6.0).reshape(2, 3)}, {"w": (3, 2)})["w"].tolist()
        [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
    """
    sources = {term.source for own in pieces.values() for piece in own for term in piece.terms}
    made = {name: np.full(tuple(shapes[name]), np.nan, np.float32) for name in sorted(sources)}
    waiting = [(name, piece) for name, own in pieces.items() for piece in own]
    while waiting:
        left = [(name, piece) for name, piece in waiting if not _solved(piece, arrays[name], made)]
        if len(left) == len(waiting):
            name, piece = left[0]
            terms = " and ".join(repr(term.source) for term in piece.terms)
            raise ValueError(f"{name!r} holds a sum of {terms}, and neither can be told from it")
        waiting = left
    return made


def _solved(piece: Piece, array: np.ndarray, made: Mapping[str, np.ndarray]) -> bool:
    """Whether all terms of a piece are known, after the only one that was not was computed."""
    views = [term.part.of(made[term.source]) for term in piece.terms]
    unknown = [index for index, view in enumerate(views) if np.isnan(view).any()]
    if len(unknown) > 1:
        return False
    if unknown:
        target, sign = views[unknown[0]], piece.terms[unknown[0]].sign
        total = piece.part.of(np.ascontiguousarray(array)).reshape(target.shape)
        if len(views) > 1 or sign != 1:
            total = total.astype(np.float64)
            for index, (view, term) in enumerate(zip(views, piece.terms, strict=True)):
                total = total if index == unknown[0] else total - term.sign * view.reshape(target.shape)
            total = total * sign
        target[...] = total
    return True


def gathered(name: str, shape: Sequence[int], pieces: Mapping[str, Sequence[Piece]], arrays: Mapping[str, Any]) -> Any:
    """An array of the one model out of what the other model's arrays hold of it, such as its gradient.

    Args:
        name: of the array, as terms name it.
        shape: of the array.
        pieces: by array of the other model.
        arrays: the other model's, by name; those that are missing hold nothing of it.

    Returns:
        float64, NaN where no array holds it; None where none holds anything of it.
    """
    made = np.full(tuple(shape), np.nan)
    touched = False
    for other, own in pieces.items():
        for piece in own if other in arrays else ():
            for term in piece.terms:
                if term.source == name and term.sign > 0:
                    target = term.part.of(made)
                    target[...] = piece.part.of(np.ascontiguousarray(arrays[other])).reshape(target.shape)
                    touched = True
    return made if touched else None
