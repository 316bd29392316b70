"""Ways in which the arrays of a recurrent layer may be made of another's: gates in another order, kernels side by side.

A layer has a kernel for what it is given and one for its state, whose outputs are its gates one after the other. Code
of the user's own may have one kernel for both, which takes the input and the state one after the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from parity.migration.align.array_roles import role
from parity.weights.parts import Part, Piece, Pieces, Shapes, Term


@dataclass(frozen=True)
class _Gates:
    """How Paddle has the gates of a layer.

    Attributes:
        units: of each gate.
        order: which of TensorFlow's gates stands at each place.
        interleaved: whether all gates of a unit stand next to each other, and not all units of a gate.
    """

    units: int
    order: tuple[int, ...]
    interleaved: bool = False

    def own(self, gate: int) -> Part:
        """Of TensorFlow's vector of all gates, one."""
        return Part((len(self.order), self.units), (0, 1), (gate, 0), (gate + 1, self.units))

    def put(self, place: int) -> Part:
        """Of Paddle's vector of all gates, one."""
        if self.interleaved:
            return Part((self.units, len(self.order)), (1, 0), (0, place), (self.units, place + 1))
        return self.own(place)

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

    def kernel(self, source: Sequence[int], target: Sequence[int], name: str, start: int, *, rows: bool) -> list[Piece]:
        """A kernel, or a part of one that takes more features.

        Args:
            source: its shape in TensorFlow: [*extents, in, gates * units].
            target: that of Paddle's: [gates * units, in or more, *extents], or with `rows` [in or more, gates * units].
            name: of the TensorFlow kernel.
            start: the first of its features in Paddle's.
            rows: whether features are the rows.

        Returns:
            Nothing where it does not fit.
        """
        *extents, into, out = source
        count, stop = len(self.order), start + into
        whole = target[0] if rows else target[1]
        expected = (whole, out) if rows else (out, whole, *extents)
        if tuple(target) != expected or stop > whole or (rows and extents):
            return []
        rank = len(extents)
        pieces = []
        for place, gate in enumerate(self.order):
            own = Part(
                (*extents, into, count, self.units),
                (rank + 1, rank + 2, rank, *range(rank)),
                (*[0] * rank, 0, gate, 0),
                (*extents, into, gate + 1, self.units),
            )
            gates = self.put(place)
            if rows:
                turned = (*(1 + axis for axis in gates.order), 0)
                put = Part((whole, *gates.split), turned, (start, *gates.start), (stop, *gates.stop))
            else:
                turned = (*gates.order, *range(2, rank + 3))
                first, last = (*gates.start, start, *[0] * rank), (*gates.stop, stop, *extents)
                put = Part((*gates.split, whole, *extents), turned, first, last)
            pieces.append(Piece(put, (Term(name, own),)))
        return pieces


def gated(sources: Shapes, targets: Shapes, auxiliary: str = "") -> Iterator[Pieces]:
    """Recurrent layers: transposed kernels, gates in another order, a bias beside a second one, one kernel for two.

    Args:
        sources: shapes of the TensorFlow layer's arrays by name: a kernel [*extents, in, gates * units], one that takes
            the state, and perhaps a bias [gates * units] or [2, gates * units].
        targets: shapes of the Paddle layer's, or of what the user's code has in the place of one.
        auxiliary: see `parity.migration.align.array_maps.maps`.

    Yields:
        Pieces for every array of `targets`.

    Example:
        >>> sources = {"kernel": (5, 16), "recurrent_kernel": (4, 16), "bias": (16,)}
        >>> [sorted(made) for made in gated(sources, {"gates.weight": (9, 16), "gates.bias": (16,)})][0]
        ['gates.bias', 'gates.weight']
    """
    named = {what: [name for name in sources if role(name) == what] for what in ("kernel", "recurrent", "bias")}
    if any(len(named[what]) != 1 for what in ("kernel", "recurrent")) or sum(map(len, named.values())) < len(sources):
        return
    kernel, recurrent, own = named["kernel"][0], named["recurrent"][0], named["bias"]
    units, out = sources[recurrent][-2:]
    if not units or out % units or sources[kernel][-1] != out:
        return
    gates = out // units
    orders = [(1, 0, 2), (0, 1, 2)] if gates == 3 else [tuple(range(gates))]
    orders += [order for order in itertools.permutations(range(gates)) if order not in orders]
    places = list(_places(sources, targets, kernel, recurrent))
    # a layer of Paddle's, which calls its arrays so, has its gates one after the other
    ways = (False,) if any(role(name) == "recurrent" for name in targets) else (False, True)
    for interleaved, order, rows, put in itertools.product(ways, orders, (False, True), places):
        made = _Gates(units, order, interleaved)
        pieces: Pieces = {}
        for name, (target, start) in put.items():
            pieces.setdefault(target, []).extend(made.kernel(sources[name], targets[target], name, start, rows=rows))
        if not all(pieces.values()) or sum(map(len, pieces.values())) < 2 * gates:
            continue
        biases = sorted(set(targets) - set(pieces), key=lambda name: role(name) != "bias")
        if any(targets[name] != (out,) for name in biases):
            return
        if len(biases) == 2 and len(own) == 1 and sources[own[0]] == (2, out):  # reset_after: two rows
            pieces |= {target: made.row(own[0], row) for row, target in enumerate(biases)}
        elif len(biases) == 2 and len(own) == 1 and sources[own[0]] == (out,) and auxiliary:
            pieces[biases[0]] = made.vector(own[0], auxiliary)
            pieces[biases[1]] = [Piece(Part.whole((out,)), (Term(auxiliary, Part.whole((out,))),))]
        elif len(biases) == len(own) <= 1:
            pieces |= {target: made.vector(name) for target, name in zip(biases, own, strict=True)}
        else:
            return
        yield pieces


def _places(sources: Shapes, targets: Shapes, kernel: str, recurrent: str) -> Iterator[dict[str, tuple[str, int]]]:
    """Where Paddle may have the two kernels: the array, and its first feature of each."""
    matrices = [name for name, shape in targets.items() if len(shape) > 1]
    into, units = (sources[name][-2] for name in (kernel, recurrent))
    if len(matrices) == 1:
        yield {kernel: (matrices[0], 0), recurrent: (matrices[0], into)}
        yield {kernel: (matrices[0], units), recurrent: (matrices[0], 0)}
    elif len(matrices) == 2:
        by_role = sorted(matrices, key=lambda name: role(name) == "recurrent")
        yield {kernel: (by_role[0], 0), recurrent: (by_role[1], 0)}
        if role(by_role[1]) != "recurrent":
            yield {kernel: (by_role[1], 0), recurrent: (by_role[0], 0)}
