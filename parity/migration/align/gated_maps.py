"""Ways in which the arrays of a recurrent layer may be made of another's: gates in another order, kernels side by side.

A layer has a kernel for what it is given and one for its state, whose outputs are its gates one after the other. Code
of the user's own may have one kernel for both, which takes the input and the state one after the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from parity.migration.align.array_roles import role
from parity.weights.parts import Part, Piece, Pieces, Shapes, Term

MOST_GATES = 4  # of a cell; those of layers of the frameworks have 1, 3 or 4


class _Features(NamedTuple):
    """Some of the features that a kernel takes: of which array, and from where to where."""

    name: str
    start: int
    stop: int


_Halves = tuple[_Features, _Features]  # those of the input, and those of the state


@dataclass(frozen=True)
class _Gates:
    """How Paddle has the gates of a layer.

    Attributes:
        units: of each gate.
        order: which of TensorFlow's gates stands at each place.
        interleaved: the model in which all gates of a unit stand next to each other, and not all units of a gate:
            "first" for TensorFlow's, "second" for Paddle's, "" for none.
    """

    units: int
    order: tuple[int, ...]
    interleaved: str = ""

    def own(self, gate: int) -> Part:
        """Of TensorFlow's vector of all gates, one."""
        return self._part(gate, self.interleaved == "first")

    def put(self, place: int) -> Part:
        """Of Paddle's vector of all gates, one."""
        return self._part(place, self.interleaved == "second")

    def _part(self, gate: int, interleaved: bool) -> Part:
        if interleaved:
            return Part((self.units, len(self.order)), (1, 0), (0, gate), (self.units, gate + 1))
        return Part((len(self.order), self.units), (0, 1), (gate, 0), (gate + 1, self.units))

    def vector(self, name: str, auxiliary: str = "") -> list[Piece]:
        """A vector, less another one where that is named."""
        return [
            Piece(self.put(place), (Term(name, self.own(gate)), *less))
            for place, gate in enumerate(self.order)
            for less in [(Term(auxiliary, self.put(place), -1.0),) if auxiliary else ()]
        ]

    def row(self, name: str, row: int) -> list[Piece]:
        """A vector that is a row of an array of two."""
        split = (2, len(self.order), self.units)
        return [
            Piece(self.put(place), (Term(name, part),))
            for place, gate in enumerate(self.order)
            for part in [Part(split, (0, 1, 2), (row, gate, 0), (row + 1, gate + 1, self.units))]
        ]

    def kernel(
        self, taken: _Features, source: Sequence[int], put: _Features, target: Sequence[int], *, rows: bool
    ) -> list[Piece]:
        """A kernel, or the part of one that takes some of its features.

        Args:
            taken: these features of TensorFlow's array.
            source: its shape: [*extents, in, gates * units].
            put: the same features of Paddle's array.
            target: its shape: [gates * units, in, *extents], or with `rows` [in, gates * units].
            rows: whether features are the rows.

        Returns:
            Nothing where it does not fit.
        """
        *extents, into, out = source
        rank = len(extents)
        whole = target[0] if rows else target[1]
        if tuple(target) != ((whole, out) if rows else (out, whole, *extents)) or (rows and extents):
            return []
        pieces = []
        for place, gate in enumerate(self.order):
            gates = self.own(gate)
            own = Part(
                (*extents, into, *gates.split),
                (*(rank + 1 + axis for axis in gates.order), rank, *range(rank)),
                (*[0] * rank, taken.start, *gates.start),
                (*extents, taken.stop, *gates.stop),
            )
            gates = self.put(place)
            if rows:
                turned = (*(1 + axis for axis in gates.order), 0)
                part = Part((whole, *gates.split), turned, (put.start, *gates.start), (put.stop, *gates.stop))
            else:
                turned = (*gates.order, *range(2, rank + 3))
                first, last = (*gates.start, put.start, *[0] * rank), (*gates.stop, put.stop, *extents)
                part = Part((*gates.split, whole, *extents), turned, first, last)
            pieces.append(Piece(part, (Term(taken.name, own),)))
        return pieces


def gated(sources: Shapes, targets: Shapes, auxiliary: str = "") -> Iterator[Pieces]:
    """Recurrent layers: transposed kernels, gates in another order, a bias beside a second one, one kernel for two.

    Args:
        sources: shapes of the TensorFlow layer's arrays by name: a kernel [*extents, in, gates * units], one that takes
            the state, or one that takes both, and perhaps a bias [gates * units] or [2, gates * units].
        targets: shapes of the Paddle layer's, or of what the user's code has in the place of one.
        auxiliary: see `parity.migration.align.array_maps.maps`.

    Yields:
        Pieces for every array of `targets`.

    Example:
        >>> sources = {"kernel": (5, 16), "recurrent_kernel": (4, 16), "bias": (16,)}
        >>> [sorted(made) for made in gated(sources, {"gates.weight": (9, 16), "gates.bias": (16,)})][0]
        ['gates.bias', 'gates.weight']
    """
    kernels = [[name for name in side if len(side[name]) > 1 and role(name) != "bias"] for side in (sources, targets)]
    bias, biases = (
        [name for name in side if name not in own] for side, own in zip((sources, targets), kernels, strict=True)
    )
    biases.sort(key=lambda name: role(name) != "bias")
    outs = {sources[name][-1] for name in kernels[0]}
    if len(outs) != 1 or len(bias) > 2 or any(tuple(targets[name]) != (*outs,) for name in biases):
        return
    out = outs.pop()
    # a layer of a framework, which calls its arrays so, has its gates one after the other
    named = [any(role(name) == "recurrent" for name in side) for side in (sources, targets)]
    ways = ["", *(side for side, layer in zip(("first", "second"), named, strict=True) if not layer)]
    for taken, put, rows in _places((sources, targets), kernels):
        units = taken[1].stop - taken[1].start
        gates = out // units
        if out % units or not (gates in (3, 4) or (named[0] and gates <= MOST_GATES)):
            continue
        orders = [(1, 0, 2), (0, 1, 2)] if gates == 3 else [tuple(range(gates))]
        orders += [order for order in itertools.permutations(range(gates)) if order not in orders]
        for interleaved, order in itertools.product(ways, orders):
            made = _Gates(units, order, interleaved)
            pieces: Pieces = {}
            for one, other in zip(taken, put, strict=True):
                found = made.kernel(one, sources[one.name], other, targets[other.name], rows=rows)
                pieces.setdefault(other.name, []).extend(found)
            if sum(map(len, pieces.values())) < 2 * gates:
                break
            if len(biases) == 2 and len(bias) == 1 and sources[bias[0]] == (2, out):  # reset_after: two rows
                yield pieces | {target: made.row(bias[0], row) for row, target in enumerate(biases)}
            elif len(biases) == 2 and len(bias) == 1 and sources[bias[0]] == (out,) and auxiliary:
                beside = {biases[1]: [Piece(Part.whole((out,)), (Term(auxiliary, Part.whole((out,))),))]}
                yield pieces | beside | {biases[0]: made.vector(bias[0], auxiliary)}
            elif len(biases) == len(bias) and all(sources[name] == (out,) for name in bias):
                for names in itertools.permutations(bias):
                    yield pieces | {target: made.vector(name) for target, name in zip(biases, names, strict=True)}
            else:
                return


def _places(sides: tuple[Shapes, Shapes], kernels: Sequence[Sequence[str]]) -> Iterator[tuple[_Halves, _Halves, bool]]:
    """Where both models may have what a cell takes, TensorFlow's first, and whether it is the rows of Paddle's."""
    sources, targets = sides
    if sorted(map(len, kernels)) not in ([1, 2], [2, 2]):
        return
    for rows in (False, True):
        ins = [
            {name: sources[name][-2] for name in kernels[0]},
            {name: targets[name][0 if rows else 1] for name in kernels[1]},
        ]
        apart = 0 if len(kernels[0]) == 2 else 1
        for one, other in _orders(kernels[apart]):
            sizes = ins[apart][one], ins[apart][other]
            halves = _Features(one, 0, sizes[0]), _Features(other, 0, sizes[1])
            for others in _likewise(kernels[1 - apart], ins[1 - apart], sizes):
                yield (halves, others, rows) if apart == 0 else (others, halves, rows)


def _likewise(names: Sequence[str], ins: Mapping[str, int], sizes: tuple[int, int]) -> Iterator[_Halves]:
    """Where an array, or two, may have as many features of the input and of the state."""
    if len(names) == 2:
        for one, other in _orders(names):
            if (ins[one], ins[other]) == sizes:
                yield _Features(one, 0, sizes[0]), _Features(other, 0, sizes[1])
    elif ins[names[0]] == sum(sizes):
        yield _Features(names[0], 0, sizes[0]), _Features(names[0], sizes[0], sum(sizes))
        yield _Features(names[0], sizes[1], sum(sizes)), _Features(names[0], 0, sizes[1])


def _orders(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Two arrays with that of the state behind; in both orders where no name says which that is."""
    orders = list(itertools.permutations(names))
    named = [order for order in orders if role(order[1]) == "recurrent" != role(order[0])]
    return named or orders
