"""Which arrays of two models correspond, by the numbers that they have: for programs, which have no layers to see.

A map found so is a proposal, as is every other: with drawn weights it is proven, or it does not hold.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping

import numpy as np

from parity.catalogue.targets import PADDLE_FILES, parse
from parity.migration.align.array_maps import own_pieces, turned
from parity.migration.align.found import Alignment, UnitPair
from parity.migration.align.laws import law_for
from parity.migration.align.recorded_graph import RecordedGraph
from parity.migration.own_weights.arrays import constant, own_array
from parity.numerics.arrays import Arrays
from parity.numerics.signature import Signature, arrangement, signature
from parity.weights.parts import Part, Piece, Pieces, Term
from parity.workers.client.recorded_models import ArrayFacts

LAYOUT = 1e-2  # of profiles of arrays, one of which may be rounded to half precision

MOST_EQUAL = 0.5  # of the numbers of two arrays that are put together though some differ


def is_program(target: str) -> bool:
    """Whether a target is a saved program, which runs as one operation: a SavedModel, or Paddle's for inference.

    Raises:
        TargetError: it is malformed.
    """
    file = parse(target).file
    return file is not None and (file.is_dir() or file.suffix in (".pb", ".json", *PADDLE_FILES))


def constant_partners(first: Arrays, second: Arrays) -> dict[str, str]:
    """Arrays that hold the same constant throughout, as many of a size in one model as in the other.

    Args:
        first: of the first model, by name.
        second: of the second.

    Returns:
        Names of the second model to names of the first, in the order of both.

    Example:
        >>> constant_partners({"a": np.zeros(2), "b": np.ones(2)}, {"c": np.zeros(2), "d": np.zeros(2)})
        {}
    """
    groups: dict[tuple[int, float], tuple[list[str], list[str]]] = {}
    for side, arrays in enumerate((first, second)):
        for name, array in arrays.items():
            if (number := constant(array)) is not None and array.size > 1:
                groups.setdefault((array.size, number), ([], []))[side].append(name)
    same = [both for both in groups.values() if len(both[0]) == len(both[1])]
    return {other: one for ones, others in same for one, other in zip(ones, others, strict=True)}


def map_by_values(first: Arrays, second: Arrays) -> Pieces:
    """What each array of the second model is made of, by the numbers that both have.

    Args:
        first: of the first model, by name; float32.
        second: of the second.

    Returns:
        For those that hold the same numbers as an array of the first model, rounded or not, with their axes in another
        order or reshaped. Of those that are left, pairs of which most numbers are equal.

    Example:
        >>> kernel = np.float32([[1.5, 2.0, 3.0], [4.0, 5.0, 6.5]])
        >>> pieces = map_by_values({"fc/kernel": kernel}, {"w": kernel.T})
        >>> pieces["w"][0].terms[0].part.order
        (1, 0)
    """
    signatures = {name: signature(array) for name, array in first.items()}
    widths = sorted({array.size for array in first.values() if array.ndim == 1})
    made: Pieces = {}
    taken: set[str] = set()
    for name, held in second.items():
        own = signature(held)
        for source, array in sorted(first.items(), key=lambda item: item[0] in taken):  # of equal ones each once
            if array.size != held.size or not _near(signatures[source], own):
                continue
            parts = _parts(array, held, signatures[source], own, widths)
            part = next((p for p in parts if own_array(name, [], _of(p, array, held), held).state != "other"), None)
            if part is not None:
                made[name] = _pieces(source, part, held)
                taken.add(source)
                break
    for name, held in second.items():
        if name in made:
            continue
        rest = [source for source, array in first.items() if source not in taken and array.size == held.size]
        ways = [(source, Part(first[source].shape, order)) for source in rest for order in _orders(first[source], held)]
        equal = [float(np.mean(_of(part, first[source], held) == held)) for source, part in ways]
        if equal and max(equal) > MOST_EQUAL:
            source, part = ways[int(np.argmax(equal))]
            made[name] = _pieces(source, part, held)
            taken.add(source)
    return made


def _near(one: Signature, other: Signature) -> bool:
    """Whether the largest and smallest numbers are the same but for rounding, which tells most arrays apart."""
    if not (one.finite and other.finite):
        return False
    scale = float(np.abs(one.moments[4:]).max())
    return bool(np.abs(one.moments[4:] - other.moments[4:]).max() <= LAYOUT * scale)


def _orders(array: np.ndarray, held: np.ndarray) -> Iterator[tuple[int, ...]]:
    return turned(array.shape, held.shape)


def _parts(
    array: np.ndarray, held: np.ndarray, one: Signature, other: Signature, widths: Collection[int]
) -> Iterator[Part]:
    """Layouts: axes in another order; and rows of flattened maps, of which the channels are one of these widths."""
    yield from (Part(array.shape, order) for order in _orders(array, held))
    rows = array.shape[0] if array.ndim == 2 else 0
    sides = [(math.isqrt(rows // width), width) for width in widths if rows and rows % width == 0]
    hints = [(side, side, width) for side, width in sides if side * side * width == rows and side > 1]
    if hints and (found := arrangement(one, other, LAYOUT, hints)) is not None:
        yield Part(found.split, found.order)


def _of(part: Part, array: np.ndarray, held: np.ndarray) -> np.ndarray:
    return part.of(np.ascontiguousarray(array)).reshape(held.shape)


def _pieces(source: str, part: Part, held: np.ndarray) -> list[Piece]:
    return [Piece(Part.whole(held.shape), (Term(source, part),))]


def alignment_by(
    pieces: Pieces, graphs: tuple[RecordedGraph, RecordedGraph], facts: tuple[Mapping[str, ArrayFacts], ...]
) -> Alignment:
    """Two recorded models put together by a map.

    Args:
        pieces: by Paddle array; arrays that take no part in the runs are passed over.
        graphs: the runs.
        facts: of the arrays, of either model.

    Returns:
        Without values that agree, which nobody looked for. Paddle arrays that the map does not have are made of their
        own numbers, as those without a counterpart are.
    """
    used = [[name for unit in graph.units for name in unit.arrays] for graph in graphs]
    mapped = {name: own for name, own in pieces.items() if name in used[1]}
    sources = {name: {term.source for piece in own for term in piece.terms} for name, own in mapped.items()}
    taken = {source for names in sources.values() for source in names}
    alone = [name for name in used[0] if name not in taken], [name for name in used[1] if name not in mapped]
    mapped |= {name: own_pieces(name, facts[1][name]["shape"]) for name in alone[1]}
    laws = {name: law_for(name, facts[0][name]) for name in taken} | {
        name: law_for(name, facts[1][name]) for name in alone[1]
    }
    unit_of = {name: index for index, unit in enumerate(graphs[0].units) for name in unit.arrays}
    pairs = []
    for number, unit in enumerate(graphs[1].units):
        names = tuple(name for name in unit.arrays if name in sources)
        firsts = sorted({unit_of[source] for name in names for source in sources[name] if source in unit_of})
        if names and firsts:
            pairs.append(UnitPair(tuple(firsts), number, names, True))
    return Alignment(pairs, mapped, laws, alone=alone)
