"""Paddle layers whose arrays are slices of those of a TensorFlow layer: parts of one, members of a list, summands."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from parity.migration.align.added_maps import added
from parity.migration.align.array_maps import sliced
from parity.migration.align.found import UnitPair
from parity.migration.align.recorded_graph import Unit
from parity.migration.align.stacked_layers import covered, families, stacks
from parity.migration.align.trials import Trials
from parity.migration.align.unit_candidates import MOST_CANDIDATES
from parity.weights.parts import Pieces

MOST_ADDED = 6  # layers behind one that may be added to it


class SlicedUnits:
    """Puts slices of TensorFlow arrays into Paddle's.

    Args:
        trials: of the walk.
    """

    def __init__(self, trials: Trials) -> None:
        self.trials, self.values, self.units = trials, trials.values, trials.units
        self.second, self.found = trials.values.second, trials.found
        self.slices: dict[str, set[int]] = {}  # of TensorFlow arrays, those that are parts of Paddle arrays

    def settle_slice(
        self, number: int, unit: Unit, candidates: Sequence[int], targets: Sequence[str], *, injection: bool
    ) -> int | None:
        """The TensorFlow unit whose arrays' slices are those of a Paddle unit, or of several like it.

        Args:
            number: of the Paddle unit.
            unit: that unit.
            candidates: TensorFlow units, the likeliest first.
            targets: the Paddle unit's arrays that have no numbers yet.
            injection: whether it takes TensorFlow's inputs.
        """
        alike_units = [
            other for other in range(number, len(self.second.units)) if self.units.alike_units(number, other, targets)
        ]
        for index in candidates[:MOST_CANDIDATES]:
            sources = {name: tuple(self.units.facts[0][name]["shape"]) for name in self.units.free(index)}
            slices = list(itertools.islice(sliced(sources, self.units.targets(unit, targets), self.slices), 64))
            # a slice that another layer holds may agree, too, as far as TensorFlow has its numbers apart
            likely = self.trials.best_first((index,), unit, [pieces for _, _, pieces in slices], injection=injection)
            if likely and self.trials.agreeing((index,), unit, likely[0], injection=injection):
                count, place = next((count, place) for count, place, pieces in slices if pieces is likely[0])
                self._take_slices(index, number, likely[0], sources, [place], count)
                return index
            for count in {count for count, _, _ in slices}:
                units = [self.second.units[other] for other in alike_units[:count]]
                if len(units) < count:
                    continue
                every: Pieces = {}
                for place, other in enumerate(units):
                    ways = sliced(sources, self.units.targets(other, other.arrays), self.slices)
                    every |= next((made for c, p, made in ways if (c, p) == (count, place)), {})
                if self.trials.agreeing((index,), unit, every, injection=injection):
                    self._take_slices(index, number, every, sources, range(count), count)
                    return index
        return None

    def settle_sum(self, number: int, unit: Unit, candidates: Sequence[int]) -> bool:
        """Whether a Paddle unit and others that are added have together the kernel of a TensorFlow unit.

        Args:
            number: of the Paddle unit.
            unit: that unit.
            candidates: TensorFlow units, the likeliest first.
        """
        later = [other for other in self.second.units[number + 1 :] if not self.values.assigned & set(other.arrays)]
        shapes = {name: tuple(fact["shape"]) for name, fact in self.units.facts[1].items()}
        for index in candidates[:MOST_CANDIDATES]:
            sources = {name: tuple(self.units.facts[0][name]["shape"]) for name in self.units.free(index)}
            for count in (1, 2, 3):
                for others in itertools.combinations(later[:MOST_ADDED], count):
                    layers = [{name: shapes[name] for name in one.arrays} for one in (unit, *others)]
                    for pieces in added(sources, layers):
                        if self.trials.agreeing((index,), unit, pieces, injection=False):
                            self.trials.take(UnitPair((index,), number, tuple(pieces), True), pieces)
                            return True
        return False

    def settle_stack(self, unit: Unit, candidates: Sequence[int]) -> bool:
        """Whether the arrays of a list's layers are slices of those of TensorFlow units, and values agree behind all.

        None of the layers need give a value that TensorFlow has.

        Args:
            unit: of Paddle, one of the list's.
            candidates: TensorFlow units, the likeliest first.
        """
        shapes = {name: tuple(fact["shape"]) for name, fact in self.units.facts[1].items()}
        free = [other for other in self.second.units if not self.values.assigned & set(other.arrays)]
        for chosen in families(free, shapes, unit):
            likely = candidates[:MOST_CANDIDATES]
            for group in [*itertools.combinations(likely, 1), *itertools.combinations(likely, 2)]:
                names = [name for index in group for name in self.units.free(index)]
                sources = {name: tuple(self.units.facts[0][name]["shape"]) for name in names}
                for pieces in stacks(sources, chosen, shapes):
                    self.trials.assign(pieces)
                    made, undo = self.values.trial(pieces)
                    agreeing = [self.values.depends[n] for n in made if n in self.found.matches]
                    if covered(pieces, agreeing):
                        members = [other for family in chosen for other in family]
                        for other in members:
                            arrays = {name: pieces[name] for name in other.arrays}
                            self.trials.take(
                                UnitPair(group, self.second.units.index(other), tuple(arrays), True), arrays
                            )
                        return True
                    undo()
        return False

    def _take_slices(
        self,
        index: int,
        number: int,
        pieces: Pieces,
        sources: Iterable[str],
        places: Iterable[int],
        count: int,
    ) -> None:
        self.found.pairs.append(UnitPair((index,), number, tuple(pieces), True))
        self.found.pieces |= pieces
        for name in sources:
            self.slices.setdefault(name, set()).update(places)
            if len(self.slices[name]) == count:
                self.units.taken.add(name)
