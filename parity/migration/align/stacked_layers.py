"""Layers of a Paddle list, such as experts, whose arrays TensorFlow holds stacked along an axis."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence

from parity.migration.align.array_maps import turned
from parity.migration.align.recorded_graph import Unit
from parity.weights.parts import Part, Piece, Pieces, Shapes, Term

MOST_MEMBERS = 64  # layers of one list

MOST_COMBINED = 20_000  # choices of a slice for each array that are looked at

MOST_WAYS = 48  # in which the arrays of the layers may be slices of TensorFlow's

# The units at one place in each member of a list: the unit of the first member, that of the second, ...
Family = list[Unit]


def families(units: Sequence[Unit], shapes: Shapes, waiting: Unit) -> Iterator[list[Family]]:
    """The units of a list's members, such as `experts.0.up`, `experts.0.down`, `experts.1.up`, ...

    Args:
        units: those that have no numbers yet, `waiting` among them.
        shapes: of their arrays, by name.
        waiting: the unit that must be part of the list.

    Yields:
        For each number in its name that may count members: families of equally many units of equal shapes, that of
        `waiting` first.
    """
    for position in range(len(re.findall(r"\d+", min(waiting.arrays)))):
        found: dict[tuple[str, ...], dict[int, Unit]] = {}
        for unit in units:
            parts = re.split(r"(\d+)", min(unit.arrays))
            if (place := 2 * position + 1) < len(parts):
                found.setdefault((*parts[:place], "", *parts[place + 1 :]), {})[int(parts[place])] = unit
        own = next((members for members in found.values() if waiting in members.values()), {})
        if not 2 <= len(own) <= MOST_MEMBERS:
            continue
        alike = [
            [members[number] for number in sorted(members)]
            for members in sorted(found.values(), key=lambda members: waiting not in members.values())
            if members.keys() == own.keys() and len({_shapes(unit, shapes) for unit in members.values()}) == 1
        ]
        if alike and waiting in alike[0]:
            yield alike


def _shapes(unit: Unit, shapes: Shapes) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(shapes[name]) for name in sorted(unit.arrays))


def stacks(sources: Shapes, chosen: Sequence[Family], shapes: Shapes) -> Iterator[Pieces]:
    """Ways in which the arrays of a list's layers may be slices of arrays, one each, along an axis as long as the list.

    Args:
        sources: shapes of TensorFlow arrays by name.
        chosen: the units of the list's layers.
        shapes: of their arrays.

    Yields:
        Pieces for every array of the layers, at most `MOST_WAYS`.
    """
    count = len(chosen[0])
    # the arrays of a unit stand in the order of their use, which may not be that of another unit
    members = [[sorted(unit.arrays) for unit in family] for family in chosen]
    targets = [(arrays, index) for arrays in members for index in range(len(arrays[0]))]
    choices = []
    for arrays, index in targets:
        shape = tuple(shapes[arrays[0][index]])
        slices = [
            (name, way)
            for name, own in sources.items()
            if math.prod(own) == count * math.prod(shape)
            for way in _slices(tuple(own), shape, count)
        ]
        choices.append(slices)
    found = (
        ways
        for ways in itertools.islice(itertools.product(*choices), MOST_COMBINED)
        if len({name for name, _ in ways}) == len(targets)  # each source once
    )
    for ways in itertools.islice(found, MOST_WAYS):
        pieces: Pieces = {}
        for (arrays, index), (name, parts) in zip(targets, ways, strict=True):
            for own, part in zip(arrays, parts, strict=True):
                target = own[index]
                pieces[target] = [Piece(Part.whole(shapes[target]), (Term(name, part),))]
        yield pieces


def _slices(source: tuple[int, ...], target: tuple[int, ...], count: int) -> Iterator[list[Part]]:
    """Each of `count` slices along an axis of that extent, read in the order of a target's elements."""
    for axis, extent in enumerate(source):
        if extent != count:
            continue
        block = (*source[:axis], 1, *source[axis + 1 :])
        for order in itertools.islice(turned(block, target, {}), 2):
            starts = [tuple(number if place == axis else 0 for place in range(len(source))) for number in range(count)]
            stops = [
                tuple(number + 1 if place == axis else size for place, size in enumerate(source))
                for number in range(count)
            ]
            yield [Part(source, order, start, stop) for start, stop in zip(starts, stops, strict=True)]


def covered(pieces: Mapping[str, object], depends: Sequence[frozenset[str]]) -> bool:
    """Whether values that agree depend on every one of these arrays.

    Args:
        pieces: by array.
        depends: of each value that agrees, the arrays that it is made of.
    """
    return set(pieces) <= frozenset().union(*depends)
