"""The order of the features that a dense layer makes where both models use them as maps, in orders of their own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from parity.migration.align.array_maps import turned
from parity.migration.align.paddle_values import PaddleValues
from parity.migration.align.recorded_graph import Unit
from parity.numerics.signature import alike, arrangement
from parity.weights.parts import Part, Piece, Pieces, Term


class ColumnOrders:
    """Gives features the order in which Paddle uses them.

    Args:
        values: of the Paddle model.
        shapes: of its arrays.
        assign: gives Paddle's arrays their numbers.
    """

    def __init__(
        self, values: PaddleValues, shapes: Mapping[str, Sequence[int]], assign: Callable[[Pieces], None]
    ) -> None:
        self.values, self.shapes, self.assign = values, shapes, assign
        self.first, self.second, self.found, self.close = values.first, values.second, values.found, values.close
        self.unit_of = {name: unit for unit in values.second.units for name in unit.arrays}
        self.reordered: set[int] = set()  # Paddle values for which an order of features was looked for

    def reorder(self, index: int, unit: Unit) -> bool:
        """Give the features that a dense layer before makes the order in which they are used as maps.

        Where one model makes maps [h, w, c] of features and the other [c, h, w], the weights of the layer that made
        the features can be in the order that each of them needs.
        """
        firsts = [n for n in self.first.inputs_of(self.first.units[index]) if n in self.values.signatures]
        seconds = [n for n in self.second.inputs_of(unit) if n in self.values.now]
        if not firsts or not seconds or seconds[0] in self.reordered:
            return False
        one, other = self.values.signatures[firsts[0]], self.values.now[seconds[0]]
        if (
            not alike(one, other, self.close.near)
            or arrangement(one, other, self.close.order, self.first.flattened_from(firsts[0])) is not None
        ):
            return False
        self.reordered.add(seconds[0])
        features = one.shape[1:]
        maker = self._maker(seconds[0], math.prod(features))
        if maker is None:
            return False
        old = {name: self.found.pieces[name] for name in maker if name in self.found.pieces}
        first_last = (len(features) - 1, *range(len(features) - 1))  # [h, w, c] to [c, h, w]
        fitting = list(turned(features, other.shape[1:]))
        for order in sorted(fitting, key=lambda order: order != first_last):
            new = {name: _columns(own, features, order) for name, own in old.items()}
            self.assign(new)
            self.values.rerun(set(new))
            own = self.values.now[seconds[0]]
            if arrangement(one, own, self.close.order) is not None:
                self.found.pieces |= new
                return True
        self.assign(old)
        self.values.rerun(set(old))
        return False

    def _maker(self, number: int, features: int) -> list[str] | None:
        """The arrays of the layer whose features, element by element, a value is made of, and of norms on the way."""
        found: list[str] = []
        while (index := self.second.producer.get(number)) is not None:
            if arrays := self.second.arrays_of(index):
                unit = self.unit_of[next(iter(arrays))]
                if any(self.shapes[name][-1] != features for name in arrays):
                    return None
                found += [n for n in unit.arrays if self.shapes[n][-1] == features and n not in found]
                if any(len(self.shapes[name]) > 1 for name in arrays):
                    return found
            sources = [n for n in self.second.operations[index].inputs if self.second.data[n]]
            if len(sources) != 1:
                return None
            number = sources[0]
        return None


def _columns(pieces: Sequence[Piece], features: Sequence[int], order: Sequence[int]) -> list[Piece]:
    """The pieces of a kernel [in, out] or bias [out] whose columns `features` are in another order of their axes."""
    reordered = []
    for piece in pieces:
        terms = []
        for term in piece.terms:
            split, axes = term.part.split, term.part.order
            last = axes[-1]  # the columns
            parts = {axis: [axis] for axis in range(len(split))}
            new_split: list[int] = []
            for axis, extent in enumerate(split):
                extents = list(features) if axis == last else [extent]
                parts[axis] = list(range(len(new_split), len(new_split) + len(extents)))
                new_split += extents
            columns = [parts[last][number] for number in order]
            new_order = [number for axis in axes[:-1] for number in parts[axis]] + columns
            terms.append(Term(term.source, Part(tuple(new_split), tuple(new_order)), term.sign))
        reordered.append(Piece(piece.part, tuple(terms)))
    return reordered
