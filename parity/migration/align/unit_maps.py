"""The layouts in which the arrays of a Paddle unit may be made of those of TensorFlow units."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from parity.migration.align.added_maps import appended
from parity.migration.align.array_maps import Flattened, maps, stacked
from parity.migration.align.found import Alignment
from parity.migration.align.gated_maps import gated
from parity.migration.align.joined_maps import joined, joined_convolutions
from parity.migration.align.recorded_graph import Unit
from parity.migration.align.unit_candidates import UnitCandidates
from parity.weights.parts import Piece, Pieces


class UnitMaps:
    """Layouts to try for a Paddle unit.

    Args:
        units: that are left.
        known: an earlier alignment, whose pieces are taken as they are.
    """

    def __init__(self, units: UnitCandidates, known: Alignment | None) -> None:
        self.units, self.values, self.known = units, units.values, known
        self.first, self.second = units.first, units.second

    def of_units(
        self, group: tuple[int, ...], sources: Sequence[str], unit: Unit, wanted: Sequence[str]
    ) -> Iterable[Pieces]:
        if self.known is not None:
            return [{name: self.known.pieces[name] for name in wanted}]
        targets = {name: tuple(self.units.facts[1][name]["shape"]) for name in wanted}
        shapes = {name: tuple(self.units.facts[0][name]["shape"]) for name in sources}
        if len(group) > 1:
            layers = [{name: shapes[name] for name in self.units.free(index) if name in shapes} for index in group]
            auxiliary = f"{unit.path}#auxiliary"
            return itertools.chain(
                joined(layers, targets, self._heads(unit)),
                joined_convolutions(layers, targets),
                appended(layers, targets),
                gated(shapes, targets, auxiliary),
                stacked(layers, targets, auxiliary),
            )
        proposed = maps(shapes, targets, self._flattened(group[0], unit), f"{unit.path}#auxiliary")
        if not (self.first.units[group[0]].own and unit.own):
            return proposed
        return (pieces for pieces in proposed if not self._turns_square(pieces))

    def _turns_square(self, pieces: Pieces) -> bool:
        """Whether an array of the user's own code is transposed although it could be taken as it is.

        That is how a difference hides, such as transitions to a state for those from it. Where others of the same
        layer have to be transposed, its author writes kernels so.
        """
        turned = {target for target, own in pieces.items() if _turned(own)}
        square = {name for name in turned if self._shape(name) == self._source_shape(pieces[name])}
        if not square:
            return False
        owners = {name.rpartition(".")[0] for name in square}
        beside = {
            name
            for name, own in {**self.values.found.pieces, **pieces}.items()
            if name not in square and name.rpartition(".")[0] in owners and _turned(own)
        }
        return not beside

    def _shape(self, target: str) -> tuple[int, ...]:
        return tuple(self.units.facts[1][target]["shape"])

    def _source_shape(self, own: Sequence[Piece]) -> tuple[int, ...] | None:
        """The shape of the only array that a Paddle array is made of."""
        names = {term.source for piece in own for term in piece.terms} & set(self.units.facts[0])
        return tuple(self.units.facts[0][names.pop()]["shape"]) if len(names) == 1 else None

    def _heads(self, unit: Unit) -> list[int]:
        """Numbers of heads that shapes behind a unit suggest."""
        extents = {
            extent
            for number in self.second.outputs_of(unit)
            for index in self.second.consumers.get(number, [])
            for made in self.second.operations[index].outputs
            for extent in self.second.values[made].shape[1:]
        }
        return sorted(extent for extent in extents if 1 < extent <= 64)

    def _flattened(self, index: int, unit: Unit) -> Flattened | None:
        """How the features that reach a Paddle unit are arranged from those that reach the TensorFlow unit."""
        made = self.values.arrangement(self.first.inputs_of(self.first.units[index]), self.second.inputs_of(unit))
        if made is None or not made.shape:
            return None
        # the parts that make the last axis of the Paddle value
        size, parts = made.shape[-1], []
        for axis in reversed(made.order):
            if size == 1:
                break
            parts.append(axis)
            if size % made.split[axis]:
                return None
            size //= made.split[axis]
        parts.reverse()
        moving = [axis for axis in parts if made.split[axis] > 1]
        if len(moving) < 2 or moving == sorted(moving):
            return None
        ordered = sorted(moving)
        if moving != [ordered[-1], *ordered[:-1]] and moving != [*ordered[1:], ordered[0]]:
            return None  # no order in which a framework has its channels
        return Flattened(tuple(made.split[axis] for axis in ordered), tuple(ordered.index(axis) for axis in moving))


def _turned(own: Sequence[Piece]) -> bool:
    """Whether an array is made of another one whose axes change places."""
    parts = [term.part for piece in own for term in piece.terms]
    moving = [[axis for axis in part.order if part.split[axis] > 1] for part in parts]
    return any(axes != sorted(axes) for axes in moving)
