"""Numbers that are tried in Paddle's arrays, and how many values then agree."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Sequence

from parity.migration.align.array_maps import own_pieces
from parity.migration.align.array_roles import role
from parity.migration.align.found import UnitPair
from parity.migration.align.injections import Injections
from parity.migration.align.laws import law_for
from parity.migration.align.paddle_values import PaddleValues
from parity.migration.align.recorded_graph import Unit
from parity.migration.align.unit_candidates import Attempt, UnitCandidates
from parity.weights.parts import Piece, Pieces, Term, same_map
from parity.weights.random_arrays import Law, enlarged

MOST_JOINT_MAPS = 192  # of several TensorFlow layers to one of Paddle: orders of four gates, of kernels and biases


class Trials:
    """Numbers for the arrays of Paddle units, of those that TensorFlow units have.

    Args:
        values: of the Paddle model.
        units: of both models.
        injections: of TensorFlow's values into Paddle's.
        seed: of the weights.
        enlarged: how far they reach beyond the usual ones, see `parity.weights.random_arrays.enlarged`.
    """

    def __init__(
        self, values: PaddleValues, units: UnitCandidates, injections: Injections, seed: int, enlarged: float
    ) -> None:
        self.values, self.units, self.injections, self.found = values, units, injections, values.found
        self.seed, self.enlarged = seed, enlarged
        self.tied: bool | None = None  # of the last `best_first`, see `UnitPair`

    def assign(self, pieces: Pieces) -> None:
        """Give Paddle arrays these numbers.

        Args:
            pieces: by Paddle array, what it is made of.
        """
        laws = {}
        for own in pieces.values():
            for piece in own:
                for term in piece.terms:
                    law = self._law(term.source, piece, term)
                    laws[term.source] = enlarged(law, self.enlarged)
        self.values.workers[1].assign_arrays(self.values.name, pieces, laws, self.seed)
        self.found.laws.update(laws)

    def beside(self, unit: Unit, attempt: Attempt) -> list[str]:
        """The arrays of a Paddle unit that a TensorFlow unit lacks which is like it otherwise.

        Args:
            unit: of Paddle.
            attempt: for it.
        """
        return [name for name in unit.arrays if name not in attempt.wanted] if attempt.lacking else []

    def neutralize(self, names: Sequence[str]) -> None:
        """Give scales of Paddle's alone ones, and shifts zeros: what they do nothing with.

        Args:
            names: of the arrays.
        """
        drawn = self._drawn(names)
        laws = {
            name: Law(name, tuple(self.units.facts[1][name]["shape"]), "normal", float(role(name) != "bias"), 0.0)
            for name in drawn
        }
        if drawn:
            self.values.workers[1].assign_arrays(self.values.name, drawn, laws, self.seed)

    def take_alone(self, names: Sequence[str]) -> None:
        """Keep that Paddle has arrays alone: drawn for themselves, when the walk is at its end.

        Args:
            names: of the arrays.
        """
        self.found.pieces |= self._drawn(names)
        self.found.laws.update({name: law_for(name, self.units.facts[1][name]) for name in names})
        self.found.alone[1].extend(names)

    def _drawn(self, names: Sequence[str]) -> Pieces:
        return {name: own_pieces(name, self.units.facts[1][name]["shape"]) for name in names}

    def _law(self, name: str, piece: Piece, term: Term) -> Law:
        if name in self.units.facts[0]:
            return law_for(name, self.units.facts[0][name])
        if name in self.units.facts[1]:
            return law_for(name, self.units.facts[1][name])
        return Law(name, term.part.split, "normal", 0.0, 0.3)

    def agreeing(
        self,
        group: tuple[int, ...],
        unit: Unit,
        pieces: Pieces,
        *,
        injection: bool,
        keep: bool = True,
        beside: Sequence[str] = (),
    ) -> int:
        """How many values behind a unit agree with these numbers in its arrays.

        Args:
            group: TensorFlow units.
            unit: of Paddle.
            pieces: for its arrays.
            injection: whether it takes TensorFlow's inputs.
            keep: whether values stay as they then are, where some agree.
            beside: arrays that hold what they do nothing with.
        """
        injected: list[int] = []
        if injection:
            injected = self.injections.of_inputs(group, unit)
            if not injected:
                return 0
        self.assign(pieces)
        made, undo = self.values.trial([*pieces, *beside])
        depends = self.values.depends
        count = sum(n in self.found.matches and bool(depends.get(n, frozenset()) & set(pieces)) for n in made)
        if count and keep:
            return count
        undo()
        self.values.restore(injected)
        return count

    def nearer_injected(self, group: tuple[int, ...], unit: Unit, arrays: Collection[str]) -> bool:
        """Whether values behind a unit that are near come nearer once it takes TensorFlow's inputs; it then does.

        What differs before a unit, such as a bias, may be small enough for its outputs to be near without that.

        Args:
            group: TensorFlow units.
            unit: of Paddle, with numbers under which values agree.
            arrays: of Paddle, that got these numbers.
        """
        gap = self._gap_behind(arrays)
        if gap <= self.values.close.exact or not (injected := self.injections.of_inputs(group, unit)):
            return False
        if 2 * self._gap_behind(arrays) < gap:
            return True
        self.values.restore(injected)
        return False

    def _gap_behind(self, arrays: Collection[str]) -> float:
        """The smallest gap of values that depend on arrays and agree."""
        own, injected = set(arrays), self.values.injected
        depending = (n for n in self.found.matches if n not in injected and self.values.depends[n] & own)
        return min((self.found.matches[number].gap for number in depending), default=math.inf)

    def best_first(
        self, group: tuple[int, ...], unit: Unit, choices: Iterable[Pieces], *, injection: bool
    ) -> list[Pieces]:
        """The maps of several layers to one, or of one to several, those first under which the most values agree.

        A part of such a layer may agree while the others stand in each other's place.

        Args:
            group: TensorFlow units.
            unit: of Paddle.
            choices: numbers for its arrays.
            injection: whether it takes TensorFlow's inputs.

        Returns:
            Those under which some agree.
        """
        counted = [
            (self.agreeing(group, unit, pieces, injection=injection, keep=False), pieces)
            for pieces in itertools.islice(choices, MOST_JOINT_MAPS)
        ]
        counted.sort(key=lambda one: -one[0])
        shapes = {name: fact["shape"] for name, fact in self.units.facts[1].items()}
        self.tied = (
            None
            if len(counted) < 2
            else any(
                count == counted[0][0] and not same_map(pieces, counted[0][1], shapes) for count, pieces in counted[1:]
            )
        )
        return [pieces for count, pieces in counted if count]

    def take(self, pair: UnitPair, pieces: Pieces) -> None:
        """Keep what was found.

        Args:
            pair: units that correspond.
            pieces: for the Paddle unit's arrays.
        """
        self.found.pairs.append(pair)
        self.found.pieces |= pieces
        self.units.taken |= {term.source for own in pieces.values() for piece in own for term in piece.terms}
