"""Put two recorded models together by their values, layer by layer, while the weights of one are moved to the other.

The TensorFlow model has run once on drawn weights. The operations of the Paddle model run again in their order; where
one needs arrays that have no numbers yet, the arrays of the next TensorFlow layer are tried, in every layout that may
be theirs, and the one after which the outputs agree is taken: that agreement is its certificate. Where values part,
TensorFlow's are put in the place of Paddle's, so that one difference hides no other.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence

from parity.migration.align.array_maps import Pieces, role, sliced
from parity.migration.align.axis_orders import channels_moved
from parity.migration.align.closeness import FLOAT64, Closeness
from parity.migration.align.column_orders import ColumnOrders
from parity.migration.align.found import Alignment, Parting, UnitPair
from parity.migration.align.injections import Injections
from parity.migration.align.laws import law_for
from parity.migration.align.paddle_values import PaddleValues
from parity.migration.align.recorded_graph import RecordedGraph, Unit
from parity.migration.align.stacked_layers import covered, families, stacks
from parity.migration.align.unit_candidates import MOST_CANDIDATES, Attempt, UnitCandidates
from parity.migration.align.unit_maps import UnitMaps
from parity.numerics.signature import Signature, alike, arrangement
from parity.weights.parts import Part, Piece, Term
from parity.weights.random_arrays import Law, enlarged
from parity.workers.client.recorded_models import ArrayFacts
from parity.workers.worker import Worker

MOST_PARTS = 6  # arrays of a layer that the user's code takes one by one

MOST_JOINT_MAPS = 96  # of several TensorFlow layers to one of Paddle: all orders of four, and three numbers of heads


def _owner(name: str) -> str:
    """The path of the layer that has a Paddle array."""
    return name.rpartition(".")[0]


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
        large_weights: bool = False,
    ) -> None:
        self.close, self.large_weights = close, large_weights
        self.name, self.first, self.second = name, first, second
        self.workers, self.seed = workers, seed
        self.known = known
        self.found = Alignment()
        self.values = PaddleValues(name, first, second, signatures, workers, self.found, close)
        self.units = UnitCandidates(self.values, facts, forced)
        self.maps = UnitMaps(self.units, known)
        self.injections = Injections(self.values)
        shapes = {name: fact["shape"] for name, fact in facts[1].items()}
        self.columns = ColumnOrders(self.values, shapes, self._assign)
        self.slices: dict[str, set[int]] = {}  # of TensorFlow arrays, those that are parts of Paddle arrays
        self.unit_of = {name: index for index, unit in enumerate(second.units) for name in unit.arrays}

    def run(self) -> Alignment:
        """Walk to the end.

        Returns:
            What was found.
        """
        self.values.assigned |= {name for name in self.units.facts[1] if name not in self.unit_of}
        if self.known is not None:
            self.values.assigned |= set(self.known.kept)
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
        if self.known is None and self._settle_parts(number, unit, recurrent=True):
            return
        for injection in (False, True):
            for group, sources, own in attempts:
                choices = self.maps.of_units(group, sources, unit, own)
                if len(group) > 1 and self.known is None:
                    choices = self._best_first(group, unit, choices, injection=injection)
                for pieces in choices:
                    if self._agreeing(group, unit, pieces, injection=injection):
                        self._accept(group, number, pieces, candidates, injection=injection)
                        return
            if not injection and attempts and self.known is None and self.columns.reorder(attempts[0][0][0], unit):
                self._settle(index)
                return
            if not injection and self.known is None and self._settle_slice(number, unit, candidates, targets):
                return
            if not injection and self.known is None and self._settle_stack(unit, candidates):
                return
            if not injection and self.known is None and self._settle_parts(number, unit):
                return
        self._give_up(number, unit, attempts, candidates)

    def _settle_slice(self, number: int, unit: Unit, candidates: Sequence[int], targets: Sequence[str]) -> bool:
        """Whether the arrays of a Paddle unit, or of several like it, are slices of those of a TensorFlow unit."""
        alike_units = [
            other for other in range(number, len(self.second.units)) if self.units.alike_units(number, other, targets)
        ]
        for index in candidates[:MOST_CANDIDATES]:
            sources = {name: tuple(self.units.facts[0][name]["shape"]) for name in self.units.free(index)}
            slices = list(itertools.islice(sliced(sources, self.units.targets(unit, targets), self.slices), 64))
            for count, place, pieces in slices:
                if self._agreeing((index,), unit, pieces, injection=False):
                    self._take_slices(index, number, pieces, sources, [place], count)
                    return True
            for count in {count for count, _, _ in slices}:
                units = [self.second.units[other] for other in alike_units[:count]]
                if len(units) < count:
                    continue
                every: Pieces = {}
                for place, other in enumerate(units):
                    ways = sliced(sources, self.units.targets(other, other.arrays), self.slices)
                    every |= next((made for c, p, made in ways if (c, p) == (count, place)), {})
                if self._agreeing((index,), unit, every, injection=False):
                    self._take_slices(index, number, every, sources, range(count), count)
                    return True
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

    def _settle_stack(self, unit: Unit, candidates: Sequence[int]) -> bool:
        """Whether the arrays of a list's layers are slices of those of TensorFlow units, and values agree behind all.

        None of the layers need give a value that TensorFlow has.
        """
        shapes = {name: tuple(fact["shape"]) for name, fact in self.units.facts[1].items()}
        free = [other for other in self.second.units if not self.values.assigned & set(other.arrays)]
        for chosen in families(free, shapes, unit):
            likely = candidates[:MOST_CANDIDATES]
            for group in [*itertools.combinations(likely, 1), *itertools.combinations(likely, 2)]:
                names = [name for index in group for name in self.units.free(index)]
                sources = {name: tuple(self.units.facts[0][name]["shape"]) for name in names}
                for pieces in stacks(sources, chosen, shapes):
                    self._assign(pieces)
                    made, undo = self.values.trial(pieces)
                    agreeing = [self.values.depends[n] for n in made if n in self.found.matches]
                    if covered(pieces, agreeing):
                        members = [other for family in chosen for other in family]
                        for other in members:
                            arrays = {name: pieces[name] for name in other.arrays}
                            self._take(UnitPair(group, self.second.units.index(other), tuple(arrays), True), arrays)
                        return True
                    undo()
        return False

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
                return list(pair.first), [(pair.first, [], list(pair.arrays))]
        return [], []

    def _agreeing(
        self, group: tuple[int, ...], unit: Unit, pieces: Pieces, *, injection: bool, keep: bool = True
    ) -> int:
        """How many values behind a unit agree with these numbers in its arrays.

        Args:
            group: TensorFlow units.
            unit: of Paddle.
            pieces: for its arrays.
            injection: whether it takes TensorFlow's inputs.
            keep: whether values stay as they then are, where some agree.
        """
        injected: list[int] = []
        if injection:
            injected = self.injections.of_inputs(group, unit)
            if not injected:
                return 0
        self._assign(pieces)
        made, undo = self.values.trial(pieces)
        depends = self.values.depends
        count = sum(n in self.found.matches and bool(depends.get(n, frozenset()) & set(pieces)) for n in made)
        if count and keep:
            return count
        undo()
        self.values.restore(injected)
        return count

    def _best_first(
        self, group: tuple[int, ...], unit: Unit, choices: Iterable[Pieces], *, injection: bool
    ) -> list[Pieces]:
        """The maps of several layers to one, those first under which the most values agree.

        A part of such a layer may agree while the others stand in each other's place.
        """
        counted = [
            (self._agreeing(group, unit, pieces, injection=injection, keep=False), pieces)
            for pieces in itertools.islice(choices, MOST_JOINT_MAPS)
        ]
        return [pieces for count, pieces in sorted(counted, key=lambda one: -one[0]) if count]

    def _assign(self, pieces: Pieces) -> None:
        laws = {}
        for own in pieces.values():
            for piece in own:
                for term in piece.terms:
                    law = self._law(term.source, piece, term)
                    laws[term.source] = enlarged(law) if self.large_weights else law
        self.workers[1].assign_arrays(self.name, pieces, laws, self.seed)
        self.found.laws.update(laws)

    def _law(self, name: str, piece: Piece, term: Term) -> Law:
        if name in self.units.facts[0]:
            return law_for(name, self.units.facts[0][name])
        if name in self.units.facts[1]:
            return law_for(name, self.units.facts[1][name])
        return Law(name, term.part.split, "normal", 0.0, 0.3)

    def _accept(
        self, group: tuple[int, ...], number: int, pieces: Pieces, candidates: Sequence[int], *, injection: bool
    ) -> None:
        unit = self.second.units[number]
        self._take(UnitPair(group, number, tuple(pieces), True, self.units.rivals(group, candidates)), pieces)
        if injection:
            second = self.second.inputs_of(unit)[0]
            self.found.partings.append(
                Parting(
                    tuple(self.first.inputs_of(self.first.units[group[0]])),
                    second,
                    -1,
                    self.values.gaps.get(second, math.nan),
                    "before",
                    limit=self.close.parting,
                )
            )

    def _take(self, pair: UnitPair, pieces: Pieces) -> None:
        self.found.pairs.append(pair)
        self.found.pieces |= pieces
        self.units.taken |= {term.source for own in pieces.values() for piece in own for term in piece.terms}

    def _give_up(self, number: int, unit: Unit, attempts: Sequence[Attempt], candidates: Sequence[int]) -> None:
        """No map makes values agree: take the likeliest layer and layout, and go on from TensorFlow's values."""
        pieces: Pieces | None = None
        group: tuple[int, ...] = ()
        for group, sources, wanted in attempts:
            # a part of a layer's arrays is no sign that the layers correspond
            gated = any(role(name) == "recurrent" for index in group for name in self.first.units[index].arrays)
            alone = not gated and self._only_ones(sources, wanted)
            whole = self.known is not None or self._whole(group, sources) or alone
            pieces = next(iter(self.maps.of_units(group, sources, unit, wanted)), None) if whole else None
            if pieces is not None:
                break
        if pieces is None and self.known is None:
            if self._keeps_statistics(unit):
                return
            group, pieces = self._of_parts(number, unit)
        if pieces is None:
            self._alone(unit)
            return
        scope = self._scope(unit, pieces)
        parts, unit = scope is not unit, scope
        best = self.first.units[group[0]]
        # what reaches operations on a layer's arrays is not what reaches the layer
        injected = [] if parts else self.injections.of_inputs(group, unit)
        if injected:
            self.found.partings.append(
                Parting(
                    tuple(self.first.inputs_of(best)),
                    injected[0],
                    -1,
                    self.values.gaps[injected[0]],
                    "before",
                    limit=self.close.parting,
                )
            )
        self._assign(pieces)
        self.values.assigned |= set(pieces)
        self.values.advance()
        self._take(UnitPair(group, number, tuple(pieces), False, self.units.rivals(group, candidates)), pieces)
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

    def _settle_parts(self, number: int, unit: Unit, *, recurrent: bool = False) -> bool:
        """Whether arrays that the user's code takes one by one are those of a TensorFlow layer, together.

        Those of a recurrent layer are tried together first: alone each agrees with its gates in any order.
        """
        for own in self._parts(unit):
            sizes, together = self.units.sizes(own, 1), self._part(unit, own)
            for index in self.units.candidates(number, own)[:MOST_CANDIDATES]:
                free = self.units.free(index)
                if recurrent and not any(role(name) == "recurrent" for name in free):
                    continue
                if not self.units.may_be(self.units.sizes(free, 0), sizes):
                    continue
                choices = self.maps.of_units((index,), free, together, own)
                for pieces in self._best_first((index,), together, choices, injection=False):
                    if self._agreeing((index,), together, pieces, injection=False):
                        self._take(UnitPair((index,), number, tuple(pieces), True), pieces)
                        return True
        return False

    def _of_parts(self, number: int, unit: Unit) -> tuple[tuple[int, ...], Pieces | None]:
        """A layer that is not called, as the user's code takes its arrays one by one: all of them together.

        Returns:
            The TensorFlow unit that has arrays of these sizes, and the likeliest layout.
        """
        for own in self._parts(unit):
            sizes, together = self.units.sizes(own, 1), self._part(unit, own)
            for index in self.units.candidates(number, own):
                free = self.units.free(index)
                if self.units.sizes(free, 0) == sizes:
                    return (index,), next(iter(self.maps.of_units((index,), free, together, own)), None)
        return (), None

    def _parts(self, unit: Unit) -> list[list[str]]:
        """Arrays without numbers that may belong to one layer with those of a unit: of one owner, or of one number."""
        left = [name for name in unit.arrays if name not in self.values.assigned]
        bare = [name for other in self.second.units if other.call < 0 for name in other.arrays]
        free = left if unit.call >= 0 else [name for name in bare if name not in self.values.assigned]
        numbers = re.findall(r"\d+", left[0])
        listed = left[0].rpartition(".")[2].isdecimal()  # of a list of arrays, which is no layer
        groups = [] if listed else [[name for name in free if _owner(name) == _owner(left[0])]]
        groups += [[name for name in free if re.findall(r"\d+", name) == numbers]] if numbers else []
        return [own for own in groups if own != left and 1 < len(own) <= MOST_PARTS]

    def _only_ones(self, sources: Sequence[str], wanted: Sequence[str]) -> bool:
        """Whether no other arrays that are left, of either model, have the sizes of these."""
        free = [name for index in range(len(self.first.units)) for name in self.units.free(index)]
        left = [name for name in self.unit_of if name not in self.values.assigned]
        for side, every, own in ((0, free, sources), (1, left, wanted)):
            sizes, others = self.units.sizes(own, side), self.units.sizes(every, side)
            if len(set(sizes)) < len(sizes) or any(others.count(size) > 1 for size in sizes):
                return False
        return True

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

    def _scope(self, unit: Unit, pieces: Pieces) -> Unit:
        """The unit, or where some of its arrays, or others beside them, have numbers together, a unit of these."""
        whole = {name for name in unit.arrays if name in pieces or self.units.facts[1][name]["trainable"]}
        return unit if whole == set(pieces) else self._part(unit, list(pieces))

    def _part(self, unit: Unit, arrays: list[str]) -> Unit:
        """Arrays that the user's code takes one by one, with the operations that take them."""
        own = set(arrays)
        indices = sorted({i for name in arrays for i in self.second.units[self.unit_of[name]].operations})
        operations = [index for index in indices if self.second.arrays_of(index) & own]
        return Unit(_owner(arrays[0]) or unit.path, unit.kind, arrays, operations, own=unit.own)

    def _alone(self, unit: Unit) -> None:
        """Arrays that the TensorFlow model does not have: drawn for themselves."""
        names = [name for name in unit.arrays if name not in self.values.assigned]
        pieces = {
            name: [
                Piece(
                    Part.whole(self.units.facts[1][name]["shape"]),
                    (Term(name, Part.whole(self.units.facts[1][name]["shape"])),),
                )
            ]
            for name in names
            if "float" in self.units.facts[1][name]["dtype"] and self.units.facts[1][name]["trainable"]
        }
        if pieces:
            self._assign(pieces)
            self.found.pieces |= pieces
        self.values.assigned |= set(names)
        self.found.alone[1].extend(pieces)
        self.found.kept.extend(name for name in names if name not in pieces)

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
