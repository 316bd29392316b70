"""The weights that two models have, array by array: the same bits, rounded, or other numbers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
from msgspec.structs import replace

from parity.migration.align.closeness import UNIT_ROUNDOFF
from parity.numerics.arrays import Arrays
from parity.numerics.comparison import largest
from parity.records.migrations import OwnArray
from parity.weights.parts import Pieces, assembled
from parity.weights.state import all_finite

HALF = ("float16", "bfloat16")

GLANCE = 16  # numbers by which arrays that hold other numbers are told apart at once


def own_array(name: str, sources: Sequence[str], expected: np.ndarray, held: np.ndarray) -> OwnArray:
    """What an array holds, against what it should hold.

    Args:
        name: of the array.
        sources: of which arrays of the other model the expected numbers were made.
        expected: float32; sums of several arrays in float64.
        held: of the same shape, in either type.

    Returns:
        "same bits"; "rounded" where one of both is the other one rounded to float16 or bfloat16, or where no number is
        further off than the next float32 number; else "other", as all arrays with NaN or infinity are.

    Example:
        >>> own_array("w", ["k"], np.float32([1.0, 2.0]), np.float32([1.0, 2.5])).gap
        0.2
    """
    made = OwnArray(name, list(sources), held.size, "same bits")
    if not (all_finite(expected) and all_finite(held)):
        odd = ~(np.isfinite(expected) & np.isfinite(held))
        return replace(made, state="other", index=np.argwhere(odd)[0].tolist())
    single, own = expected.astype(np.float32), held.astype(np.float32)
    if np.array_equal(expected, held) and single.tobytes() == own.tobytes():
        return made
    if rounding := _rounding(single, own):
        return replace(made, state="rounded", rounding=rounding)
    difference = np.abs(expected.astype(np.float64) - held)
    scale = max(largest(expected), largest(held))
    index = [int(i) for i in np.unravel_index(int(difference.argmax()), difference.shape)]
    why = _plain(single, own)
    return replace(made, state="other", gap=float(difference.max()) / scale, index=index, why=why)


def _plain(expected: np.ndarray, held: np.ndarray) -> str:
    """What other numbers are, where that is plain; else empty."""
    for one, other in itertools.combinations(range(held.ndim), 2):
        if held.shape[one] == held.shape[other] and np.array_equal(expected.swapaxes(one, other), held):
            return f"the right numbers with axes {one} and {other} exchanged"
    number = constant(held)
    return "" if number is None or held.size < 2 else f"{number:g} everywhere, as a model is built"


def _rounding(one: np.ndarray, other: np.ndarray) -> str:
    """The type to which one of two float32 arrays was rounded where that makes them the same; else empty."""
    ends = np.maximum(np.abs(one), np.abs(other))
    if np.all(np.abs(one.astype(np.float64) - other) <= np.spacing(ends)):
        return "float32"
    gap = float(np.abs(one.astype(np.float64) - other).max()) / float(ends.max())
    for kind in HALF:  # small numbers get lost in float16: not so many that the array is another one
        if gap <= UNIT_ROUNDOFF[kind] and any(
            np.array_equal(rounded(a, kind), b) for a, b in ((one, other), (other, one))
        ):
            return kind
    return ""


def rounded(array: np.ndarray, kind: str) -> np.ndarray:
    """float32 numbers rounded to half precision, half to even.

    Args:
        array: float32.
        kind: "float16" or "bfloat16".

    Returns:
        float32; infinite where a number is too large for float16.

    Example:
        >>> rounded(np.float32([1.001]), "bfloat16").tolist()
        [1.0]
    """
    if kind == "float16":
        with np.errstate(over="ignore"):
            return array.astype(np.float16).astype(np.float32)
    bits = np.array(array, np.float32).view(np.uint32)  # finite, so that adding does not reach beyond 32 of them
    return ((bits + np.uint32(0x7FFF) + ((bits >> 16) & np.uint32(1))) & np.uint32(0xFFFF0000)).view(np.float32)


def own_arrays(pieces: Pieces, first: Arrays, second: Arrays) -> list[OwnArray]:
    """Compare every array of a map.

    Args:
        pieces: by Paddle array, what it is made of; names of no TensorFlow array stand for numbers that several Paddle
            arrays share out among them, such as the second bias of a recurrent layer: only their sum says something.
        first: TensorFlow's own arrays, by name.
        second: Paddle's own arrays, by name.

    Returns:
        In the order of the map; arrays that share something out all have what their sum is.

    Raises:
        ValueError: a map that does not cover an array.
    """
    made: dict[str, OwnArray] = {}
    for names in _groups(pieces, first):
        sources = list(dict.fromkeys(term for name in names for term in _sources(pieces, name) if term in first))
        expected = [expected_array(pieces, name, first, second[name].shape) for name in names]
        if len(names) == 1:
            made[names[0]] = own_array(names[0], sources, expected[0], second[names[0]])
            continue
        total = np.stack(expected).sum(axis=0, dtype=np.float64)
        held = np.stack([second[name] for name in names]).sum(axis=0, dtype=np.float64)
        whole = own_array(" + ".join(names), sources, total, held)
        made |= {name: replace(whole, name=name, elements=second[name].size) for name in names}
    return [made[name] for name in pieces]


def expected_array(pieces: Pieces, name: str, first: Arrays, shape: Sequence[int]) -> np.ndarray:
    """What TensorFlow's arrays make of a Paddle array; what is shared out among several counts as 0.

    Args:
        pieces: see `own_arrays`.
        name: of the Paddle array.
        first: TensorFlow's arrays.
        shape: of the Paddle array.

    Returns:
        An array of that shape, in the type of TensorFlow's; of sums in float64.
    """
    sizes = {term.source: term.part.split for piece in pieces[name] for term in piece.terms}

    def source(term: str) -> np.ndarray:
        return first[term] if term in first else np.zeros(sizes[term], np.float32)

    return assembled(shape, pieces[name], source)


def _sources(pieces: Pieces, name: str) -> list[str]:
    return [term.source for piece in pieces[name] for term in piece.terms]


def _groups(pieces: Pieces, first: Collection[str]) -> Iterator[list[str]]:
    """The arrays of a map, those together that share something out among them."""
    shared: dict[str, list[str]] = {}
    for name in pieces:
        for source in dict.fromkeys(_sources(pieces, name)):
            if source not in first:
                shared.setdefault(source, []).append(name)
    grouped = {name for names in shared.values() for name in names}
    yield from shared.values()
    yield from ([name] for name in pieces if name not in grouped)


def exchanged(others: Sequence[OwnArray], pieces: Pieces, first: Arrays, second: Arrays) -> dict[str, str]:
    """Of arrays with other numbers, those whose numbers another one of them holds.

    Args:
        others: the arrays whose state is "other".
        pieces: see `own_arrays`.
        first: TensorFlow's own arrays.
        second: Paddle's own arrays.

    Returns:
        Names to the names of the arrays of the same shape whose numbers they hold.
    """
    expected = {one.name: expected_array(pieces, one.name, first, second[one.name].shape) for one in others}
    holds = {}
    for one in others:
        held = second[one.name]
        for name, array in expected.items():
            if name == one.name or array.shape != held.shape or not _alike_at_a_glance(array, held):
                continue
            if own_array(name, [], array, held).state != "other":
                holds[one.name] = name
                break
    return holds


def _alike_at_a_glance(one: np.ndarray, other: np.ndarray) -> bool:
    a, b = one.ravel()[:GLANCE], other.ravel()[:GLANCE]
    return bool(np.allclose(a, b, rtol=1e-2, atol=1e-2 * float(np.abs(a).max(initial=0))))


def constant(array: np.ndarray) -> float | None:
    """The number that all elements of an array are; None of one with several, NaN, or no elements.

    Example:
        >>> constant(np.zeros((2, 3))), constant(np.array([1.0, 2.0]))
        (0.0, None)
    """
    if not array.size or not bool((array == array.flat[0]).all()) or not math.isfinite(float(array.flat[0])):
        return None
    return float(array.flat[0])


def constants(names: Mapping[str, Sequence[str]], own: Mapping[str, Arrays]) -> dict[str, list[str]] | None:
    """Arrays of both models, all of which are constants.

    Args:
        names: by framework.
        own: by framework, its own arrays.

    Returns:
        The names; None where an array is no constant, or there is none at all.
    """
    if not any(names.values()):
        return None
    if any(constant(own[framework][name]) is None for framework, listed in names.items() for name in listed):
        return None
    return {framework: list(listed) for framework, listed in names.items()}
