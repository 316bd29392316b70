"""In what ways the arrays of a Paddle layer may be made of those of a TensorFlow layer.

No rule here needs to be right: of the maps that are proposed, the one under which the two models agree is taken.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from parity.migration.align.array_roles import GATED, role
from parity.migration.align.gated_maps import gated
from parity.weights.parts import Part, Piece, Pieces, Shapes, Term

# Orders of axes in which kernels are usually turned: rank 2 as they are, HWIO to OIHW and the like.
USUAL: dict[int, list[tuple[int, ...]]] = {
    2: [(0, 1), (1, 0)],
    3: [(2, 1, 0), (0, 1, 2), (1, 0, 2)],
    4: [(3, 2, 0, 1), (2, 3, 0, 1), (0, 1, 2, 3)],
    5: [(4, 3, 0, 1, 2), (3, 4, 0, 1, 2), (0, 1, 2, 3, 4)],
}

MOST_MAPS = 400  # that are proposed for two layers

MOST_SLICES = 16  # into which an array is cut for as many layers


@dataclass(frozen=True)
class Flattened:
    """How the features that reach the Paddle layer are arranged from those that reach the TensorFlow layer.

    Attributes:
        split: of the TensorFlow features into the axes that they were flattened from.
        order: of these axes among the Paddle features.
    """

    split: tuple[int, ...]
    order: tuple[int, ...]


def own_pieces(name: str, shape: Sequence[int]) -> list[Piece]:
    """An array that is drawn for itself.

    Args:
        name: of the array.
        shape: of it.
    """
    whole = Part.whole(shape)
    return [Piece(whole, (Term(name, whole),))]


def turned(
    source: Sequence[int], target: Sequence[int], usual: Mapping[int, Sequence[tuple[int, ...]]] = USUAL
) -> Iterator[tuple[int, ...]]:
    """Orders of an array's axes after which it can be reshaped to another shape, axes only merged or split.

    Args:
        source: the shape that the array has.
        target: the shape that it is to have.
        usual: by rank, the orders that come first; of arrays of rank 4 and more the only ones, where they fit.

    Yields:
        The orders; none where the sizes differ.

    Example:
        >>> list(turned((3, 3, 4, 8), (8, 4, 3, 3)))[0]
        (3, 2, 0, 1)
    """
    if math.prod(source) != math.prod(target):
        return
    likely = [order for order in usual.get(len(source), []) if _fits([source[axis] for axis in order], target)]
    yield from likely
    if likely and len(source) > 3:
        return
    seen = {_moving(order, source) for order in likely}
    for order in itertools.permutations(range(len(source))):
        if (key := _moving(order, source)) not in seen and _fits([source[axis] for axis in order], target):
            seen.add(key)
            yield order


def _moving(order: Sequence[int], shape: Sequence[int]) -> tuple[int, ...]:
    """An order without axes of extent 1, which move no number."""
    return tuple(axis for axis in order if shape[axis] > 1)


def _fits(extents: Sequence[int], target: Sequence[int]) -> bool:
    """Whether axes of these extents become those of the target by merging or splitting only."""
    ends, others = (set(itertools.accumulate(shape, operator.mul, initial=1)) for shape in (extents, target))
    return ends <= others or others <= ends


def maps(sources: Shapes, targets: Shapes, flattened: Flattened | None = None, auxiliary: str = "") -> Iterator[Pieces]:
    """Ways in which one layer's arrays may be made of another's.

    Args:
        sources: shapes of the TensorFlow layer's arrays by name.
        targets: shapes of the Paddle layer's arrays by name.
        flattened: of the features that reach the layers, where these are not in one order.
        auxiliary: the name of a drawn array of the shape of a bias: where Paddle has two biases that are added, one
            holds it and the other the TensorFlow bias without it. Empty where no such array may be used.

    Yields:
        Pieces for every array of `targets`, the most usual first, at most `MOST_MAPS`.
    """
    yield from itertools.islice(_unique(_maps(sources, targets, flattened, auxiliary)), MOST_MAPS)


def _unique(proposed: Iterator[Pieces]) -> Iterator[Pieces]:
    seen: set[str] = set()
    for pieces in proposed:
        if (key := repr(pieces)) not in seen:
            seen.add(key)
            yield pieces


def _maps(sources: Shapes, targets: Shapes, flattened: Flattened | None, auxiliary: str) -> Iterator[Pieces]:
    kernels = [name for name in sources if role(name) == "kernel"]
    for pairs in _pairings(sources, targets):
        choices = []
        for target, source in pairs.items():
            # of a norm every array has a number for each feature, of a dense layer the kernel a row
            rows = flattened if role(source) == "kernel" or not kernels else None
            parts = _ways(sources[source], targets[target], rows)
            whole = Part.whole(targets[target])
            choices.append([(target, [Piece(whole, (Term(source, part),))]) for part in parts])
        for chosen in itertools.product(*choices):
            yield dict(chosen)
    yield from gated(sources, targets, auxiliary)
    yield from _gated_with_others(sources, targets, auxiliary)


def _gated_with_others(sources: Shapes, targets: Shapes, auxiliary: str) -> Iterator[Pieces]:
    """Recurrent layers that run with arrays of the user's own beside theirs, such as learned initial states."""
    others = [{name: shape for name, shape in side.items() if role(name) not in GATED} for side in (sources, targets)]
    if not others[0] or len(others[0]) != len(others[1]):
        return
    sides = zip((sources, targets), others, strict=True)
    gates = [{name: side[name] for name in side if name not in rest} for side, rest in sides]
    for made in gated(gates[0], gates[1], auxiliary):
        for pairs in _pairings(others[0], others[1]):
            whole = {
                target: [Piece(Part.whole(targets[target]), (Term(source, Part.whole(sources[source])),))]
                for target, source in pairs.items()
            }
            yield made | whole


def _pairings(sources: Shapes, targets: Shapes) -> Iterator[dict[str, str]]:
    """For each target a source of its size: by role where roles are clear, else every permutation of sizes."""
    if len(sources) != len(targets):
        return
    by_role: dict[str, str] = {}
    for target, shape in targets.items():
        alike = [s for s, own in sources.items() if math.prod(own) == math.prod(shape) and _same_role(s, target)]
        if len(alike) == 1:
            by_role[target] = alike[0]
    if len(by_role) == len(targets) == len(set(by_role.values())):
        yield by_role
        return
    if len(targets) > 6:
        return
    for order in itertools.permutations(sources):
        pairs = dict(zip(targets, order, strict=True))
        if pairs != by_role and all(math.prod(sources[s]) == math.prod(targets[t]) for t, s in pairs.items()):
            yield pairs


def _same_role(source: str, target: str) -> bool:
    one, other = role(source), role(target)
    # the weight of a norm is its scale, that of all else its kernel
    return one == other or {one, other} == {"scale", "kernel"}


def _ways(source: tuple[int, ...], target: tuple[int, ...], flattened: Flattened | None) -> Iterator[Part]:
    """Ways to read a whole array of one shape so that its elements are in the order of another shape."""
    if flattened is not None and math.prod(flattened.split) in source:
        axis = source.index(math.prod(flattened.split))
        split = (*source[:axis], *flattened.split, *source[axis + 1 :])
        inner = [axis + number for number in flattened.order]
        last = len(flattened.split) - 1
        for outer in turned(source, target):
            groups = [[number] if number < axis else inner if number == axis else [number + last] for number in outer]
            flat = tuple(number for group in groups for number in group)
            yield Part(split, flat)
    for outer in turned(source, target):
        yield Part(tuple(source), outer)


def stacked(layers: Sequence[Shapes], targets: Shapes, auxiliary: str = "") -> Iterator[Pieces]:
    """One Paddle layer that is several recurrent layers: directions, or one on the other.

    Args:
        layers: shapes of each TensorFlow layer's arrays by name.
        targets: shapes of the Paddle layer's, whose names end alike in each of its parts ("_l0", "_l0_reverse").
        auxiliary: see `maps`.

    Yields:
        Pieces for every array of `targets`.
    """
    parts: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, shape in targets.items():
        last = name.rpartition(".")[2]
        parts.setdefault(last.partition("_l")[2], {})[name] = shape
    if len(parts) != len(layers):
        return
    own = [parts[ending] for ending in sorted(parts, key=lambda ending: (ending.partition("_")[0], ending))]
    for order in itertools.permutations(range(len(layers))):
        ways = [
            list(itertools.islice(maps(layers[number], part, None, auxiliary and f"{auxiliary}{place}"), 2))
            for place, (number, part) in enumerate(zip(order, own, strict=True))
        ]
        for chosen in itertools.product(*ways):
            yield {name: pieces for way in chosen for name, pieces in way.items()}


def sliced(sources: Shapes, targets: Shapes, free: Mapping[str, Collection[int]]) -> Iterator[tuple[int, int, Pieces]]:
    """One of several Paddle layers that one TensorFlow layer holds side by side, such as the query of a fused kernel.

    Args:
        sources: shapes of the TensorFlow layer's arrays by name.
        targets: shapes of the Paddle layer's.
        free: by array, the slices of it that other layers have got already.

    Yields:
        Into how many slices the arrays are cut, which of these it is, and pieces for every array of `targets`.
    """
    for pairs in _pairings_of_slices(sources, targets):
        count = math.prod(sources[next(iter(pairs.values()))]) // math.prod(targets[next(iter(pairs))])
        for index in range(count):
            if any(index in free.get(name, ()) for name in pairs.values()):
                continue
            choices = [
                [
                    (target, [Piece(Part.whole(targets[target]), (Term(source, part),))])
                    for part in _slices(sources[source], targets[target], count, index)
                ]
                for target, source in pairs.items()
            ]
            for chosen in itertools.product(*choices):
                yield count, index, dict(chosen)


def _pairings_of_slices(sources: Shapes, targets: Shapes) -> Iterator[dict[str, str]]:
    """For each target a source that is a multiple of it, by the same factor and of the same role."""
    if len(sources) != len(targets):
        return
    for order in itertools.permutations(sources):
        pairs = dict(zip(targets, order, strict=True))
        factors = {math.prod(sources[s]) / math.prod(targets[t]) for t, s in pairs.items()}
        matrices = all((len(sources[s]) > 1) >= (len(targets[t]) > 1) for t, s in pairs.items())
        if len(factors) == 1 and matrices and (factor := factors.pop()) == int(factor) and 1 < factor <= MOST_SLICES:
            yield pairs


def _slices(source: tuple[int, ...], target: tuple[int, ...], count: int, index: int) -> Iterator[Part]:
    """Parts of an array that can be a target: one of `count` blocks on an axis, the last axis first."""
    for axis in reversed(range(len(source))):
        if source[axis] % count:
            continue
        split = (*source[:axis], count, source[axis] // count, *source[axis + 1 :])
        start = tuple(index if place == axis else 0 for place in range(len(split)))
        stop = tuple(index + 1 if place == axis else extent for place, extent in enumerate(split))
        block = (*source[:axis], 1, source[axis] // count, *source[axis + 1 :])
        for order in itertools.islice(turned(block, target, {}), 4):
            yield Part(split, order, start, stop)
