"""Put two recorded models together by their values, layer by layer, while the weights of one are moved to the other.

The TensorFlow model has run once on drawn weights. The operations of the Paddle model run again in their order; where
one needs arrays that have no numbers yet, the arrays of the next TensorFlow layer are tried, in every layout that may
be theirs, and the one after which the outputs agree is taken: that agreement is its certificate. Where values part,
TensorFlow's are put in the place of Paddle's, so that one difference hides no other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from parity.migration.align.array_roles import role
from parity.migration.align.axis_orders import channels_moved
from parity.migration.align.closeness import FLOAT64, Closeness
from parity.migration.align.column_orders import ColumnOrders
from parity.migration.align.found import Alignment, Parting, UnitPair
from parity.migration.align.injections import Injections
from parity.migration.align.loose_arrays import LooseArrays
from parity.migration.align.paddle_values import PaddleValues
from parity.migration.align.recorded_graph import RecordedGraph, Unit
from parity.migration.align.sliced_units import SlicedUnits
from parity.migration.align.trials import Trials
from parity.migration.align.unit_candidates import Attempt, UnitCandidates
from parity.migration.align.unit_maps import UnitMaps
from parity.numerics.signature import Signature, alike, arrangement
from parity.weights.parts import Pieces
from parity.workers.client.recorded_models import ArrayFacts
from parity.workers.worker import Worker


class Walk:
    """One walk through a pair of recorded models.

    Args:
        name: of the pair.
        first: the TensorFlow graph.
        second: the Paddle graph.
        signatures: of the TensorFlow values, by number.
        facts: of the arrays, of either model.
        workers: of TensorFlow and Paddle.
        seed: of the weights.
        forced: by index of a Paddle unit, the TensorFlow units that it must be put together with.
        known: an earlier alignment, whose pairs and pieces are taken as they are.
        close: what is near, in the precision of the models.
    """

    def __init__(
        self,
        name: str,
        first: RecordedGraph,
        second: RecordedGraph,
        signatures: Mapping[int, Signature],
        facts: tuple[Mapping[str, ArrayFacts], Mapping[str, ArrayFacts]],
        workers: tuple[Worker, Worker],
        seed: int,
        forced: Mapping[int, tuple[int, ...]] | None = None,
        known: Alignment | None = None,
        close: Closeness = FLOAT64,
        *,
        enlarged: float = 1.0,
    ) -> None:
        self.close, self.first, self.second = close, first, second
        self.known = known
        self.found = Alignment()
        self.values = PaddleValues(name, first, second, signatures, workers, self.found, close)
        self.units = UnitCandidates(self.values, facts, forced)
        self.maps = UnitMaps(self.units, known)
        self.injections = Injections(self.values)
        shapes = {name: fact["shape"] for name, fact in facts[1].items()}
        self.trials = Trials(self.values, self.units, self.injections, seed, enlarged)
        self.columns = ColumnOrders(self.values, shapes, self.trials.assign)
        self.unit_of = {name: index for index, unit in enumerate(second.units) for name in unit.arrays}
        self.sliced = SlicedUnits(self.trials)
        self.loose = LooseArrays(self.trials, self.maps, self.unit_of)

    def run(self) -> Alignment:
        """Walk to the end.

        Returns:
            What was found.
        """
        self.values.assigned |= {name for name in self.units.facts[1] if name not in self.unit_of}
        if self.known is not None:
            self.values.assigned |= {*self.known.kept, *self.known.alone[1]}
            self.found.alone[1].extend(self.known.alone[1])
            self.found.kept.extend(name for name in self.known.kept if name in self.unit_of)
        self.values.done |= {  # constants; random numbers among them stay those of the recorded run
            index
            for index in range(len(self.second.operations))
            if not self.second.on_data(index) and not self.second.arrays_of(index)
        }
        for number, value in enumerate(self.second.values):
            if value.source == "input":
                self.values.note(number, self.values.signatures_now([number])[0])
        while True:
            self.values.advance()
            self._correct()
            waiting = self.values.waiting()
            if waiting is None:
                break
            self._settle(waiting)
        self._check_outputs()
        alone = [name for unit in self.first.units for name in unit.arrays if name not in self.units.taken]
        self.found.alone = (alone, self.found.alone[1])
        self.found.signatures, self.found.injected = self.values.now, self.values.injected
        return self.found

    def _correct(self) -> None:
        """Put TensorFlow's numbers in the place of those that are almost the same, from there on and only there."""
        while True:
            near = [
                number
                for number, match in self.found.matches.items()
                if match.gap > self.close.exact and number not in self.values.injected and self.second.data[number]
            ]
            if not near:
                return
            number = min(near, key=lambda value: self.second.producer.get(value, -1))
            first = self.found.matches[number].first
            gap = self.values.inject(first, number)
            if gap is None:
                del self.found.matches[number]
            elif gap > self.close.exact:
                shape = self.second.values[number].shape
                float32 = self.values.float32(first)
                self.found.partings.append(
                    Parting(
                        (first,),
                        number,
                        -1,
                        gap,
                        "almost the same",
                        float32,
                        max(shape, default=1),
                        self.close.parting,
                    )
                )

    def _settle(self, index: int) -> None:
        """Give the arrays that an operation waits for their numbers."""
        waiting = [name for name in self.second.units_order(index) if name not in self.values.assigned]
        number = self.unit_of[waiting[0]]
        unit = self.second.units[number]
        targets = [name for name in unit.arrays if name not in self.values.assigned]
        if self.known is not None:
            candidates, attempts = self._known(waiting[0])
        else:
            candidates = self.units.candidates(number, targets)
            attempts = self.units.attempts(unit, candidates, targets, [name for name in waiting if name in targets])
        if self._keeps_own(waiting):
            return
        if self.known is None and self.loose.settle(number, unit, recurrent=True):
            return
        for injection in (False, True):
            for attempt in attempts:
                group, beside = attempt.group, self.trials.beside(unit, attempt)
                choices = self.maps.of_units(group, attempt.sources, unit, attempt.wanted)
                joined = self.known is None and (len(group) > 1 or len(attempt.sources) > len(attempt.wanted))
                if joined:
                    choices = self.trials.best_first(group, unit, choices, injection=injection)
                tied = self.trials.tied if joined else None
                self.trials.neutralize(beside)
                for pieces in choices:
                    if self.trials.agreeing(group, unit, pieces, injection=injection, beside=beside):
                        taken = injection or self.trials.nearer_injected(group, unit, pieces)
                        self._accept(group, number, pieces, candidates, injection=taken, tied=tied)
                        self.trials.take_alone(beside)
                        return
            if not injection and attempts and self.known is None and self.columns.reorder(attempts[0].group[0], unit):
                self._settle(index)
                return
            if self.known is None:
                own = self.sliced.settle_slice(number, unit, candidates, targets, injection=injection)
                if own is not None:
                    if injection:
                        self._parted_before(own, self.second.inputs_of(unit)[0])
                    return
            if not injection and self.known is None and self.sliced.settle_sum(number, unit, candidates):
                return
            if not injection and self.known is None and self.sliced.settle_stack(unit, candidates):
                return
            if not injection and self.known is None and self.loose.settle(number, unit):
                return
        self._give_up(number, unit, attempts, candidates)

    def _keeps_own(self, names: Sequence[str]) -> bool:
        """Whether arrays that are not trained agree with constants of the TensorFlow model as they are."""
        if any(self.units.facts[1][name]["trainable"] for name in names):
            return False
        if self.known is not None:
            kept = set(names) <= set(self.known.kept)
            if kept:
                self.values.assigned |= set(names)
                self.found.kept.extend(names)
            return kept
        matched = {match.first for match in self.found.matches.values()}
        made, undo = self.values.trial(names)
        agree = (self.found.matches[n] for n in made if n in self.found.matches and self.values.depends[n] & set(names))
        # running statistics as they were built change next to nothing: what they are applied to is no witness
        if any(match.gap <= self.close.constants and match.first not in matched for match in agree):
            self.found.kept.extend(names)
            return True
        undo()
        return False

    def _known(self, name: str) -> tuple[list[int], list[Attempt]]:
        """As an earlier walk had it."""
        assert self.known is not None
        for pair in self.known.pairs:
            if name in pair.arrays:
                return list(pair.first), [Attempt(pair.first, [], list(pair.arrays))]
        return [], []

    def _accept(
        self,
        group: tuple[int, ...],
        number: int,
        pieces: Pieces,
        candidates: Sequence[int],
        *,
        injection: bool,
        tied: bool | None,
    ) -> None:
        unit = self.second.units[number]
        rivals = self.units.rivals(group, candidates)
        self.trials.take(UnitPair(group, number, tuple(pieces), True, rivals, tied), pieces)
        if injection:
            self._parted_before(group[0], self.second.inputs_of(unit)[0])

    def _parted_before(self, index: int, second: int) -> None:
        """Note that the counterpart of a TensorFlow unit takes other values."""
        firsts = self.first.inputs_of(self.first.units[index])
        gap = self.values.gaps.get(second, math.nan)
        self.found.partings.append(Parting(tuple(firsts), second, -1, gap, "before", limit=self.close.parting))

    def _give_up(self, number: int, unit: Unit, attempts: Sequence[Attempt], candidates: Sequence[int]) -> None:
        """No map makes values agree: take the likeliest layer and layout, and go on from TensorFlow's values."""
        pieces: Pieces | None = None
        group: tuple[int, ...] = ()
        beside: list[str] = []
        for attempt in attempts:
            group, sources, wanted = attempt.group, attempt.sources, attempt.wanted
            # a part of a layer's arrays is no sign that the layers correspond
            gated = any(role(name) == "recurrent" for index in group for name in self.first.units[index].arrays)
            alone = not gated and self.loose.only_ones(sources, wanted)
            whole = self.known is not None or attempt.lacking or self._whole(group, sources) or alone
            pieces = next(iter(self.maps.of_units(group, sources, unit, wanted)), None) if whole else None
            if pieces is not None:
                beside = self.trials.beside(unit, attempt)
                break
        if pieces is None and self.known is None:
            if self._keeps_statistics(unit):
                return
            group, pieces = self.loose.likeliest(number, unit)
        if pieces is None:
            self._alone(unit)
            return
        parts = False
        if not beside:
            scope = self.loose.scope(unit, pieces)
            parts, unit = scope is not unit, scope
        best = self.first.units[group[0]]
        # what reaches operations on a layer's arrays is not what reaches the layer
        injected = [] if parts else self.injections.of_inputs(group, unit)
        if injected:
            self._parted_before(group[0], injected[0])
        self.trials.neutralize(beside)
        self.trials.take_alone(beside)
        self.trials.assign(pieces)
        self.values.assigned |= {*pieces, *beside}
        self.values.advance()
        self.trials.take(UnitPair(group, number, tuple(pieces), False, self.units.rivals(group, candidates)), pieces)
        made = self.injections.outputs(best, unit)
        firsts, seconds = [first for first, _ in made], [second for _, second in made]
        gaps = [self.values.inject(first, second) for first, second in made]
        gap = max((gap for gap in gaps if gap is not None), default=math.inf)
        self.found.partings.append(
            Parting(
                tuple(firsts),
                seconds[0] if seconds else -1,
                len(self.found.pairs) - 1,
                gap,
                "inside",
                limit=self.close.parting,
            )
        )

    def _whole(self, group: Sequence[int], sources: Sequence[str]) -> bool:
        """Whether arrays are all that is left of layers, and more than the bias of one that has its counterpart."""
        more = any(len(self.units.facts[0][name]["shape"]) > 1 for name in sources)
        every = sum(len(self.first.units[index].arrays) for index in group)
        return len(sources) == sum(len(self.units.free(index)) for index in group) and (more or len(sources) == every)

    def _keeps_statistics(self, unit: Unit) -> bool:
        """Whether arrays that are not trained, such as the vectors of a spectral norm, keep their own numbers.

        The others of the unit may then correspond to TensorFlow's, which has none of these.
        """
        left = [name for name in unit.arrays if name not in self.values.assigned]
        kept = [n for n in left if not self.units.facts[1][n]["trainable"] and role(n) not in ("mean", "variance")]
        if not kept or len(kept) == len(left):
            return False
        self.values.assigned |= set(kept)
        self.found.kept.extend(kept)
        return True

    def _alone(self, unit: Unit) -> None:
        """Arrays that the TensorFlow model does not have: drawn for themselves."""
        names = [name for name in unit.arrays if name not in self.values.assigned]
        facts = self.units.facts[1]
        drawn = [name for name in names if "float" in facts[name]["dtype"] and facts[name]["trainable"]]
        if drawn:
            self.trials.take_alone(drawn)
            self.trials.assign({name: self.found.pieces[name] for name in drawn})
        self.values.assigned |= set(names)
        self.found.kept.extend(name for name in names if name not in drawn)

    def _check_outputs(self) -> None:
        """Whether the outputs agree, in the values that they have after all injections."""
        seconds = self.second.outputs
        if {path for path, _ in seconds} == {path for path, _ in self.first.outputs}:
            by_path = dict(seconds)
            seconds = [(path, by_path[path]) for path, _ in self.first.outputs]
        for (_, first), (_, second) in zip(self.first.outputs, seconds, strict=False):
            one, other = self.values.signatures.get(first), self.values.now.get(second)
            if one is None or other is None:
                continue  # whole numbers, which are compared as they are
            gap, why = math.nan, "the output differs"
            if alike(one, other, self.close.exact):
                made = arrangement(one, other, self.close.exact_order)
                if made is not None and (made.plain or channels_moved(made, len(one.shape))):
                    continue
                why = "the output has the same numbers in another order"
            self.found.partings.append(Parting((first,), second, -1, gap, why, limit=self.close.parting))
