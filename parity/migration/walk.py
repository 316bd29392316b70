"""Put two recorded models together by their values, layer by layer, while the weights of one are moved to the other.

The TensorFlow model has run once on drawn weights. The operations of the Paddle model run again in their order; where
one needs arrays that have no numbers yet, the arrays of the next TensorFlow layer are tried, in every layout that may
be theirs, and the one after which the outputs agree is taken: that agreement is its certificate. Where values part,
TensorFlow's are put in the place of Paddle's, so that one difference hides no other.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from parity.migration.array_maps import Flattened, Pieces, joined, maps, sliced, stacked, turned
from parity.migration.closeness import FLOAT64, Closeness
from parity.migration.recorded_graph import RecordedGraph, Unit
from parity.numerics.comparison import relative_gap
from parity.numerics.signature import Arrangement, Signature, alike, arrangement
from parity.weights.parts import Part, Piece, Term
from parity.weights.random_arrays import Law, enlarged, law_of
from parity.workers.client.recorded_models import ArrayFacts
from parity.workers.errors import WorkerError
from parity.workers.worker import Worker

MOST_CANDIDATES = 4  # TensorFlow layers that are tried for a Paddle layer

WINDOW = 24  # TensorFlow layers that are looked at first, in the order in which they run


@dataclass(frozen=True)
class Match:
    """A Paddle value that holds the numbers of a TensorFlow value.

    Attributes:
        first: number of the TensorFlow value.
        gap: a lower bound of their largest difference, relative.
    """

    first: int
    gap: float


@dataclass(frozen=True)
class Parting:
    """Where values part.

    Attributes:
        first: numbers of TensorFlow values that should be found in the Paddle model, or empty.
        second: the Paddle value that differs.
        inside: the index of the pair of units in which it enters; -1 where it enters between layers with arrays.
        gap: how much they differ, relative; NaN where they cannot be compared.
        why: what was found, in words.
        float32: whether an operation on the way computes in float32 whatever it is given.
        extent: of the longest axis: positions on it are rounded to float32 by so much more than 1.
        limit: rounding makes values part by no more.
    """

    first: tuple[int, ...]
    second: int
    inside: int
    gap: float
    why: str
    float32: bool = False
    extent: int = 1
    limit: float = FLOAT64.parting

    @property
    def most(self) -> float:
        """How much float32 makes of a constant or an operation."""
        return self.limit * (self.extent if self.float32 else 1)

    @property
    def rounding(self) -> bool:
        """Whether values part by no more than that."""
        return self.gap <= self.most


@dataclass
class UnitPair:
    """A Paddle unit and the TensorFlow units whose arrays it holds.

    Attributes:
        first: indices of the TensorFlow units.
        second: index of the Paddle unit.
        arrays: the Paddle arrays that got their numbers here.
        certified: whether values agree behind it.
        rivals: other TensorFlow units that structure cannot tell from these.
    """

    first: tuple[int, ...]
    second: int
    arrays: tuple[str, ...]
    certified: bool
    rivals: tuple[int, ...] = ()


@dataclass
class Alignment:
    """What a walk found.

    Attributes:
        pairs: of units, in the order of the Paddle model.
        pieces: by Paddle array, what it is made of.
        laws: of the arrays that pieces name.
        matches: by number of the Paddle value.
        partings: in the order of the Paddle model.
        alone: arrays without a counterpart, by side (0 TensorFlow, 1 Paddle).
        certified: Paddle arrays on which an agreeing value depends.
        signatures: of the Paddle values.
        kept: Paddle arrays that are not trained and keep the numbers that they were built with.
        injected: Paddle values that hold TensorFlow's numbers now.
    """

    pairs: list[UnitPair] = field(default_factory=list)
    pieces: Pieces = field(default_factory=dict)
    laws: dict[str, Law] = field(default_factory=dict)
    matches: dict[int, Match] = field(default_factory=dict)
    partings: list[Parting] = field(default_factory=list)
    alone: tuple[list[str], list[str]] = field(default_factory=lambda: ([], []))
    certified: set[str] = field(default_factory=set)
    signatures: dict[int, Signature] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    injected: set[int] = field(default_factory=set)


# TensorFlow units, the names of their arrays, and those of the Paddle arrays that may be made of them.
Attempt = tuple[tuple[int, ...], list[str], list[str]]


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
        forced: by index of a Paddle unit, the TensorFlow unit that it must be put together with.
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
        forced: Mapping[int, int] | None = None,
        known: Alignment | None = None,
        close: Closeness = FLOAT64,
        *,
        large_weights: bool = False,
    ) -> None:
        self.close, self.large_weights = close, large_weights
        self.name, self.first, self.second = name, first, second
        self.signatures, self.facts, self.workers, self.seed = signatures, facts, workers, seed
        self.forced = dict(forced or {})
        self.known = known
        self.found = Alignment()
        self.by_size: dict[int, list[int]] = {}
        for number, signature in signatures.items():
            self.by_size.setdefault(signature.size, []).append(number)
        self.now: dict[int, Signature] = {}  # of the Paddle values
        self.done: set[int] = set()  # Paddle operations that have run
        self.begun = 0  # all operations before this one have run
        self.failed: set[int] = set()  # Paddle operations that cannot run on the values that they have
        self.assigned: set[str] = set()  # Paddle arrays that have numbers
        self.taken: set[str] = set()  # TensorFlow arrays that have a counterpart
        self.slices: dict[str, set[int]] = {}  # of TensorFlow arrays, those that are parts of Paddle arrays
        self.likeliest: list[int] = []  # of the last candidates, those that nothing but names and order sets apart
        self.injected: set[int] = set()
        self.gaps: dict[int, float] = {}  # of injected values
        self.orders: dict[int, tuple[int, ...]] = {}  # by rank, see `_order_of_maps`
        self.reordered: set[int] = set()  # Paddle values for which an order of features was looked for
        self.unit_of = {name: index for index, unit in enumerate(second.units) for name in unit.arrays}
        self.depends: dict[int, frozenset[str]] = {}  # of each Paddle value, the arrays that it is made of
        self.constant = {name for name, fact in facts[1].items() if not fact["trainable"] and name not in self.unit_of}

    def run(self) -> Alignment:
        """Walk to the end.

        Returns:
            What was found.
        """
        self.assigned |= {name for name in self.facts[1] if name not in self.unit_of}
        self.done |= {  # constants; random numbers among them stay those of the recorded run
            index
            for index in range(len(self.second.operations))
            if not self.second.on_data(index) and not self.second.arrays_of(index)
        }
        for number, value in enumerate(self.second.values):
            if value.source == "input":
                self._note(number, self._signatures([number])[0])
        while True:
            self._advance()
            self._correct()
            waiting = self._waiting()
            if waiting is None:
                break
            self._settle(waiting)
        self._check_outputs()
        alone = [name for unit in self.first.units for name in unit.arrays if name not in self.taken]
        self.found.alone = (alone, self.found.alone[1])
        self.found.signatures, self.found.injected = self.now, self.injected
        return self.found

    # the Paddle model's operations

    def _ready(self, index: int) -> bool:
        operation = self.second.operations[index]
        return self.second.arrays_of(index) <= self.assigned and all(
            self.second.producer.get(number) in self.done
            or number not in self.second.producer
            or number in self.injected
            for number in operation.inputs
        )

    def _advance(self, tentative: bool = False) -> list[int]:
        """Run every operation that can run; the indices of those that did."""
        ran: list[int] = []
        for index in self._left():
            if index not in self.failed and self._ready(index):
                self.done.add(index)
                ran.append(index)
        self._evaluate(ran, tentative)
        return ran

    def _correct(self) -> None:
        """Put TensorFlow's numbers in the place of those that are almost the same, from there on and only there."""
        while True:
            near = [
                number
                for number, match in self.found.matches.items()
                if match.gap > self.close.exact and number not in self.injected and self.second.data[number]
            ]
            if not near:
                return
            number = min(near, key=lambda value: self.second.producer.get(value, -1))
            first = self.found.matches[number].first
            gap = self._inject(first, number)
            if gap is None:
                del self.found.matches[number]
            elif gap > self.close.exact:
                shape = self.second.values[number].shape
                float32 = self._float32(first)
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

    def _float32(self, number: int) -> bool:
        """Whether an operation between matched TensorFlow values and this one computes in float32 only."""
        if self.close.precision != "float64":
            return False  # all of them do, and limits are for that
        stops = {match.first for match in self.found.matches.values() if match.gap <= self.close.exact} - {number}
        operations, _ = self.first.ancestors(number, stops)
        return any(
            self.first.values[made].dtype == "float32" and self.first.data[made]
            for index in operations
            for made in self.first.operations[index].outputs
        )

    def _left(self) -> Iterator[int]:
        """Operations that have not run yet."""
        while self.begun in self.done:
            self.begun += 1
        for index in range(self.begun, len(self.second.operations)):
            if index not in self.done:
                yield index

    def _evaluate(self, operations: Sequence[int], tentative: bool = False) -> None:
        wanted = [
            number
            for index in operations
            for number in self.second.operations[index].outputs
            if self.second.data[number]
        ]
        try:
            signatures = self.workers[1].evaluate_operations(self.name, operations, wanted)
        except WorkerError:
            if len(operations) > 1:
                for index in operations:
                    if self._can_run(index):
                        self._evaluate([index], tentative)
                    else:
                        self._fail(index)
            else:
                self._fail(operations[0])
            return
        for number, signature in zip(wanted, signatures, strict=True):
            if number not in self.injected:
                self._note(number, signature)

    def _can_run(self, index: int) -> bool:
        return all(
            self.second.producer.get(number) not in self.failed or number in self.injected
            for number in self.second.operations[index].inputs
        )

    def _fail(self, index: int) -> None:
        self.failed.add(index)
        self.done.discard(index)

    def _signatures(self, numbers: Sequence[int]) -> list[Signature]:
        return self.workers[1].value_signatures(self.name, numbers)

    def _note(self, number: int, signature: Signature) -> None:
        """Keep what a Paddle value holds now, and the TensorFlow value that it agrees with."""
        self.now[number] = signature
        self.found.matches.pop(number, None)
        index = self.second.producer.get(number)
        inputs = self.second.operations[index].inputs if index is not None else ()
        self.depends[number] = frozenset().union(
            *(self.second.arrays[n] | self.depends.get(n, frozenset()) for n in inputs)
        )
        if (match := self._match(number, signature)) is not None:
            self.found.matches[number] = match
            if match.gap <= self.close.exact:
                self.found.certified |= self.depends[number]

    def _match(self, number: int, signature: Signature) -> Match | None:
        if signature.size < 2 or (
            not self.second.values[number].floating and self.second.values[number].source != "input"
        ):
            return None
        exact: list[Match] = []
        near: list[Match] = []
        for candidate in self.by_size.get(signature.size, []):
            own = self.signatures[candidate]
            if alike(own, signature, self.close.exact):
                exact.append(Match(candidate, _distance(own, signature)))
            elif not exact and alike(own, signature, self.close.near):
                near.append(Match(candidate, max(_distance(own, signature), math.nextafter(self.close.exact, 1.0))))
        if exact:  # the first of those that rounding alone sets apart
            return Match(min(exact, key=lambda match: max(match.gap, self.close.exact / 8)).first, 0.0)
        return min(near, key=lambda match: match.gap) if near else None

    def _waiting(self) -> int | None:
        """The first Paddle operation that waits for arrays only."""
        for index in self._left():
            operation = self.second.operations[index]
            if index in self.failed or not self.second.on_data(index):
                continue
            if self.second.arrays_of(index) <= self.assigned:
                continue
            if all(
                not self.second.data[n]
                or self.second.producer.get(n) is None
                or self.second.producer[n] in self.done
                or n in self.injected
                for n in operation.inputs
            ):
                return index
        return None

    # units

    def _settle(self, index: int) -> None:
        """Give the arrays that an operation waits for their numbers."""
        waiting = [name for name in self.second.units_order(index) if name not in self.assigned]
        number = self.unit_of[waiting[0]]
        unit = self.second.units[number]
        targets = [name for name in unit.arrays if name not in self.assigned]
        if self.known is not None:
            candidates, attempts = self._known(waiting[0])
        else:
            candidates = self._candidates(number, targets)
            attempts = self._attempts(unit, candidates, targets, [name for name in waiting if name in targets])
        if self._keeps_own(waiting):
            return
        for injection in (False, True):
            for group, sources, own in attempts:
                for pieces in self._maps(group, sources, unit, own):
                    if self._certifies(group, unit, pieces, injection=injection):
                        self._accept(group, number, pieces, candidates, injection=injection)
                        return
            if not injection and attempts and self.known is None and self._reorder_columns(attempts[0], unit):
                self._settle(index)
                return
            if not injection and self.known is None and self._settle_slice(number, unit, candidates, targets):
                return
        self._give_up(number, unit, attempts, candidates)

    def _settle_slice(self, number: int, unit: Unit, candidates: Sequence[int], targets: Sequence[str]) -> bool:
        """Whether the arrays of a Paddle unit, or of several like it, are slices of those of a TensorFlow unit."""
        alike_units = [
            other for other in range(number, len(self.second.units)) if self._alike_units(number, other, targets)
        ]
        for index in candidates[:MOST_CANDIDATES]:
            sources = {name: tuple(self.facts[0][name]["shape"]) for name in self._free(index)}
            slices = list(itertools.islice(sliced(sources, self._targets(unit, targets), self.slices), 64))
            for count, place, pieces in slices:
                if self._certifies((index,), unit, pieces, injection=False):
                    self._take_slices(index, number, pieces, sources, [place], count)
                    return True
            for count in {count for count, _, _ in slices}:
                units = [self.second.units[other] for other in alike_units[:count]]
                if len(units) < count:
                    continue
                every: Pieces = {}
                for place, other in enumerate(units):
                    ways = sliced(sources, self._targets(other, other.arrays), self.slices)
                    every |= next((made for c, p, made in ways if (c, p) == (count, place)), {})
                if self._certifies((index,), unit, every, injection=False):
                    self._take_slices(index, number, every, sources, range(count), count)
                    return True
        return False

    def _targets(self, unit: Unit, names: Sequence[str]) -> dict[str, tuple[int, ...]]:
        return {name: tuple(self.facts[1][name]["shape"]) for name in unit.arrays if name in names}

    def _alike_units(self, number: int, other: int, targets: Sequence[str]) -> bool:
        one, two = self.second.units[number], self.second.units[other]
        shapes = [sorted(self._targets(unit, unit.arrays).values()) for unit in (one, two)]
        fresh = not self.assigned & set(two.arrays)
        return fresh and shapes[0] == shapes[1] and self.second.inputs_of(one) == self.second.inputs_of(two)

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
                self.taken.add(name)

    def _keeps_own(self, names: Sequence[str]) -> bool:
        """Whether arrays that are not trained agree with constants of the TensorFlow model as they are."""
        if any(self.facts[1][name]["trainable"] for name in names):
            return False
        if self.known is not None:
            kept = set(names) <= set(self.known.kept)
            if kept:
                self.assigned |= set(names)
                self.found.kept.extend(names)
            return kept
        before, failed, begun = set(self.done), set(self.failed), self.begun
        matched = {match.first for match in self.found.matches.values()}
        self.assigned |= set(names)
        ran = self._advance(tentative=True)
        made = [number for index in ran if index in self.done for number in self.second.operations[index].outputs]
        agree = (self.found.matches[n] for n in made if n in self.found.matches and self.depends[n] & set(names))
        # running statistics as they were built change next to nothing: what they are applied to is no witness
        if any(match.gap <= self.close.constants and match.first not in matched for match in agree):
            self.found.kept.extend(names)
            return True
        self.done, self.failed, self.begun = before, failed, begun
        self.assigned -= set(names)
        for number in made:
            self.now.pop(number, None)
            self.found.matches.pop(number, None)
        return False

    def _known(self, name: str) -> tuple[list[int], list[Attempt]]:
        """As an earlier walk had it."""
        assert self.known is not None
        for pair in self.known.pairs:
            if name in pair.arrays:
                return list(pair.first), [(pair.first, [], list(pair.arrays))]
        return [], []

    def _candidates(self, number: int, targets: Sequence[str]) -> list[int]:
        """TensorFlow units that may be this Paddle unit, the likeliest first."""
        unit = self.second.units[number]
        if number in self.forced:
            return [self.forced[number]]
        reached = self._origins(self.second, self.second.inputs_of(unit), self.found.matches)
        firsts = {self.found.matches[value].first for value in reached if value in self.found.matches}
        counterparts = {match.first for match in self.found.matches.values()}
        sizes = self._sizes(targets, 1)
        reserved = set(self.forced.values())
        waiting = [i for i in range(len(self.first.units)) if i not in reserved and self._free(i)]
        scored: list[tuple[tuple[int, bool, bool, bool, int], int]] = []
        for place, index in enumerate(waiting):
            if place >= WINDOW and any(score[:2] == (0, False) for score, _ in scored):
                break
            other, own = self.first.units[index], self._sizes(self._free(index), 0)
            inputs = self.first.inputs_of(other)
            origins = self._origins(self.first, inputs, counterparts)
            direct = any(self._same_numbers(value, firsts) for value in [*inputs, *self._taken_by(other)])
            near = bool(origins & firsts) or any(self._same_numbers(value, firsts) for value in origins)
            fit = 0 if own == sizes else 1 if self._may_be(own, sizes) else 2
            scored.append(((fit, not direct, not near, _last(other.path) != _last(unit.path), index), index))
        scored.sort()
        self.likeliest = [index for score, index in scored if score[:3] == scored[0][0][:3]]
        return [index for _, index in scored]

    def _taken_by(self, unit: Unit) -> list[int]:
        """The values that the TensorFlow unit's operations on its arrays take."""
        return [n for i in unit.operations for n in self.first.operations[i].inputs if self.first.data[n]]

    def _free(self, index: int) -> list[str]:
        """The arrays of a TensorFlow unit that have no counterpart yet."""
        return [name for name in self.first.units[index].arrays if name not in self.taken]

    def _same_numbers(self, value: int, firsts: Iterable[int]) -> bool:
        own = self.signatures.get(value)
        return own is not None and any(
            value == first or (first in self.signatures and alike(own, self.signatures[first], self.close.exact))
            for first in firsts
        )

    def _origins(self, graph: RecordedGraph, values: Sequence[int], stop: Iterable[int]) -> set[int]:
        """The nearest values among `stop` that values are made of, themselves included."""
        stops = set(stop)
        reached: set[int] = set()
        for value in values:
            reached |= graph.ancestors(value, stops)[1]
        return reached

    def _sizes(self, arrays: Sequence[str], side: int) -> list[int]:
        return sorted(math.prod(self.facts[side][name]["shape"]) for name in arrays)

    def _attempts(
        self, unit: Unit, candidates: Sequence[int], targets: Sequence[str], waiting: Sequence[str]
    ) -> list[Attempt]:
        """What to try: TensorFlow units, their arrays, and the Paddle arrays that may be made of these."""
        sizes = self._sizes(targets, 1)
        attempts: list[Attempt] = []
        for index in candidates:
            own = self._sizes(self._free(index), 0)
            if self._may_be(own, sizes):
                attempts.append(((index,), self._free(index), list(targets)))
        likely = [attempt for attempt in attempts if attempt[0][0] in self.likeliest]
        attempts = (likely or attempts)[:MOST_CANDIDATES]
        if not attempts:
            for group in self._joint(candidates, sizes):
                attempts.append((group, [name for index in group for name in self._free(index)], list(targets)))
        if likely and len(likely[0][0]) == 1 and self._sizes(self._free(likely[0][0][0]), 0) == sizes:
            return attempts
        for wanted in [list(waiting), list(targets)] if waiting != targets else [list(targets)]:
            needed = self._sizes(wanted, 1)
            for index in candidates:
                free = self._free(index)
                if len(free) > len(wanted):
                    chosen = [
                        list(some)
                        for some in itertools.combinations(free, len(wanted))
                        if self._sizes(some, 0) == needed
                    ]
                    attempts += [((index,), some, wanted) for some in chosen[:MOST_CANDIDATES]]
                elif wanted != targets and self._sizes(free, 0) == needed:
                    attempts.append(((index,), free, wanted))
        return attempts[: 4 * MOST_CANDIDATES]

    @staticmethod
    def _may_be(own: Sequence[int], sizes: Sequence[int]) -> bool:
        """Whether arrays of these sizes may be made of each other, perhaps with a second bias."""
        return own == sizes or sum(own) == sum(sizes) or _with_second_biases(own, sizes)

    def _joint(self, candidates: Sequence[int], sizes: Sequence[int]) -> list[tuple[int, ...]]:
        """Several TensorFlow units that together have as many numbers as one Paddle unit."""
        nearest, total = sorted(candidates[:12]), sum(sizes)
        found = []
        for start in range(len(nearest)):
            for count in (2, 3, 4):
                group = tuple(nearest[start : start + count])
                own = [size for index in group for size in self._sizes(self._free(index), 0)]
                if len(group) == count and (sum(own) == total or _with_second_biases(own, sizes)):
                    found.append(group)
        return found[:MOST_CANDIDATES]

    def _maps(
        self, group: tuple[int, ...], sources: Sequence[str], unit: Unit, wanted: Sequence[str]
    ) -> Iterable[Pieces]:
        if self.known is not None:
            return [{name: self.known.pieces[name] for name in wanted}]
        targets = {name: tuple(self.facts[1][name]["shape"]) for name in wanted}
        shapes = {name: tuple(self.facts[0][name]["shape"]) for name in sources}
        if len(group) > 1:
            layers = [{name: shapes[name] for name in self._free(index)} for index in group]
            auxiliary = f"{unit.path}#auxiliary"
            return itertools.chain(joined(layers, targets, self._heads(unit)), stacked(layers, targets, auxiliary))
        return maps(shapes, targets, self._flattened(group[0], unit), f"{unit.path}#auxiliary")

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
        made = self._arrangement(self.first.inputs_of(self.first.units[index]), self.second.inputs_of(unit))
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

    def _arrangement(self, firsts: Sequence[int], seconds: Sequence[int]) -> Arrangement | None:
        for second in seconds:
            for first in firsts:
                if first in self.signatures and second in self.now:
                    one, other = self.signatures[first], self.now[second]
                    if alike(one, other, self.close.near):
                        return arrangement(one, other, self.close.order, self.first.flattened_from(first))
        return None

    def _certifies(self, group: tuple[int, ...], unit: Unit, pieces: Pieces, *, injection: bool) -> bool:
        """Whether values behind a unit agree with these numbers in its arrays; leaves them as they then are."""
        injected: list[int] = []
        if injection:
            injected = self._inject_inputs(group, unit)
            if not injected:
                return False
        self._assign(pieces)
        before, failed, begun = set(self.done), set(self.failed), self.begun
        self.assigned |= set(pieces)
        ran = self._advance(tentative=True)
        made = [number for index in ran if index in self.done for number in self.second.operations[index].outputs]
        if any(number in self.found.matches and self.depends.get(number, frozenset()) & set(pieces) for number in made):
            return True
        self.done, self.failed, self.begun = before, failed, begun
        self.assigned -= set(pieces)
        for number in made:
            self.now.pop(number, None)
            self.found.matches.pop(number, None)
        self._restore(injected)
        return False

    def _inject_inputs(self, group: tuple[int, ...], unit: Unit) -> list[int]:
        """Put the TensorFlow unit's inputs in the place of the Paddle unit's that differ; the numbers of these."""
        firsts = [n for n in self.first.inputs_of(self.first.units[group[0]]) if n in self.signatures]
        seconds = [n for n in self.second.inputs_of(unit) if n in self.now]
        changed = []
        for first, second in zip(firsts, seconds, strict=False):
            match = self.found.matches.get(second)
            same = match is not None and match.gap <= self.close.exact and self._same_numbers(first, [match.first])
            if same and self._arrangement([first], [second]) is not None:
                continue
            first, second = self._of_one_size(first, second)
            if self.signatures[first].size != self.now[second].size:
                continue  # nothing could run on it
            gap = self._inject(first, second)
            if gap is not None:
                changed.append(second)
                self.gaps[second] = gap
        return changed

    def _of_one_size(self, first: int, second: int) -> tuple[int, int]:
        """Two values, or ones before them of as many numbers where one of the layers pads for itself."""
        size = self.now[second].size
        if self.signatures[first].size == size:
            return first, second
        for number in self._before(self.first, first):
            if number in self.signatures and self.signatures[number].size == size:
                return number, second
        for number in self._before(self.second, second):
            if number in self.now and self.now[number].size == self.signatures[first].size:
                return first, number
        return first, second

    @staticmethod
    def _before(graph: RecordedGraph, number: int) -> Iterator[int]:
        """The values of which operations without arrays made a value, one after the other."""
        while (index := graph.producer.get(number)) is not None and not graph.arrays_of(index):
            sources = [n for n in graph.operations[index].inputs if graph.data[n]]
            if len(sources) != 1:
                return
            number = sources[0]
            yield number

    def _inject(self, first: int, second: int) -> float | None:
        """Put a TensorFlow value in the place of a Paddle value; their gap, None where they cannot be compared."""
        theirs = self.workers[0].read_values(self.name, [first])[str(first)]
        own = self.workers[1].read_values(self.name, [second])[str(second)]
        made = closest(theirs, own, self._order_of_maps(theirs.ndim))
        if made is None:
            return None
        self.workers[1].inject_values(self.name, {str(second): made})
        self.injected.add(second)
        self.found.matches[second] = Match(first, 0.0)
        self.now[second] = self._signatures([second])[0]
        self._rerun_after(second)
        return relative_gap(made, own.astype(np.float64)) if made.shape == own.shape else math.inf

    def _order_of_maps(self, rank: int) -> tuple[int, ...]:
        """The order in which Paddle has TensorFlow's axes of maps that agree; empty where none of this rank do."""
        if rank < 4:
            return ()
        if rank not in self.orders:
            for number, match in self.found.matches.items():
                one, other = self.signatures[match.first], self.now[number]
                if (
                    len(one.shape) == len(other.shape) == rank
                    and match.gap <= self.close.exact
                    and number not in self.injected
                ):
                    made = arrangement(one, other, self.close.order)
                    moving = [axis for axis in made.order if one.shape[axis] > 1] if made else []
                    for order in (tuple(range(rank)), (0, rank - 1, *range(1, rank - 1))):
                        fits = tuple(one.shape[axis] for axis in order) == other.shape
                        if (
                            fits
                            and made
                            and made.split == one.shape
                            and moving == [a for a in order if one.shape[a] > 1]
                        ):
                            self.orders[rank] = order
                    if rank in self.orders:
                        break
        return self.orders.get(rank, ())

    def _rerun_after(self, number: int) -> None:
        """Run again what has run already on a value that is another one now."""
        waiting, again = [number], set()
        while waiting:
            for index in self.second.consumers.get(waiting.pop(), []):
                if index in self.done and index not in again:
                    again.add(index)
                    waiting.extend(self.second.operations[index].outputs)
        if again:
            self._evaluate(sorted(again))

    def _restore(self, numbers: Sequence[int]) -> None:
        if numbers:
            self.workers[1].release_values(self.name, numbers)
        for number in numbers:
            self.injected.discard(number)
            index = self.second.producer.get(number)
            if index is not None:
                self._evaluate([index])
            self._rerun_after(number)

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
        if name in self.facts[0]:
            return law_for(name, self.facts[0][name])
        if name in self.facts[1]:
            return law_for(name, self.facts[1][name])
        return Law(name, term.part.split, "normal", 0.0, 0.3)

    def _accept(
        self, group: tuple[int, ...], number: int, pieces: Pieces, candidates: Sequence[int], *, injection: bool
    ) -> None:
        unit = self.second.units[number]
        self._take(UnitPair(group, number, tuple(pieces), True, self._rivals(group, candidates)), pieces)
        if injection:
            second = self.second.inputs_of(unit)[0]
            self.found.partings.append(
                Parting(
                    tuple(self.first.inputs_of(self.first.units[group[0]])),
                    second,
                    -1,
                    self.gaps.get(second, math.nan),
                    "before",
                    limit=self.close.parting,
                )
            )

    def _rivals(self, group: tuple[int, ...], candidates: Sequence[int]) -> tuple[int, ...]:
        """TensorFlow units with the same inputs and shapes as the one that was taken."""
        if len(group) > 1:
            return ()
        inputs = set(self.first.inputs_of(self.first.units[group[0]]))
        return tuple(
            index
            for index in candidates
            if index not in group
            and self._shapes(index) == self._shapes(group[0])
            and inputs & set(self.first.inputs_of(self.first.units[index]))
        )

    def _take(self, pair: UnitPair, pieces: Pieces) -> None:
        self.found.pairs.append(pair)
        self.found.pieces |= pieces
        self.taken |= {term.source for own in pieces.values() for piece in own for term in piece.terms}

    def _shapes(self, index: int) -> list[tuple[int, ...]]:
        return [tuple(self.facts[0][name]["shape"]) for name in self.first.units[index].arrays]

    def _reorder_columns(self, attempt: Attempt, unit: Unit) -> bool:
        """Give the features that a dense layer before makes the order in which they are used as maps.

        Where one model makes maps [h, w, c] of features and the other [c, h, w], the weights of the layer that made
        the features can be in the order that each of them needs.
        """
        firsts = [n for n in self.first.inputs_of(self.first.units[attempt[0][0]]) if n in self.signatures]
        seconds = [n for n in self.second.inputs_of(unit) if n in self.now]
        if not firsts or not seconds or seconds[0] in self.reordered:
            return False
        one, other = self.signatures[firsts[0]], self.now[seconds[0]]
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
            self._assign(new)
            self._rerun(set(new))
            own = self.now[seconds[0]]
            if arrangement(one, own, self.close.order) is not None:
                self.found.pieces |= new
                return True
        self._assign(old)
        self._rerun(set(old))
        return False

    def _maker(self, number: int, features: int) -> list[str] | None:
        """The arrays of the layer whose features, element by element, a value is made of."""
        while (index := self.second.producer.get(number)) is not None:
            if arrays := self.second.arrays_of(index):
                shapes = [self.facts[1][name]["shape"] for name in arrays]
                unit = self.second.units[self.unit_of[next(iter(arrays))]]
                fits = all(shape[-1] == features for shape in shapes)
                return [name for name in unit.arrays if self.facts[1][name]["shape"][-1] == features] if fits else None
            sources = [n for n in self.second.operations[index].inputs if self.second.data[n]]
            if len(sources) != 1:
                return None
            number = sources[0]
        return None

    def _rerun(self, arrays: set[str]) -> None:
        """Run again everything that depends on arrays which hold other numbers now."""
        again: set[int] = set()
        changed: set[int] = set()
        for index in sorted(self.done):
            operation = self.second.operations[index]
            if self.second.arrays_of(index) & arrays or changed & set(operation.inputs):
                again.add(index)
                changed |= set(operation.outputs)
        self._evaluate(sorted(again))

    def _give_up(self, number: int, unit: Unit, attempts: Sequence[Attempt], candidates: Sequence[int]) -> None:
        """No map makes values agree: take the likeliest layer and layout, and go on from TensorFlow's values."""
        pieces: Pieces | None = None
        group: tuple[int, ...] = ()
        for group, sources, wanted in attempts:
            # a part of a layer's arrays is no sign that the layers correspond
            whole = self.known is not None or len(sources) == sum(len(self._free(index)) for index in group)
            pieces = next(iter(self._maps(group, sources, unit, wanted)), None) if whole else None
            if pieces is not None:
                break
        if pieces is None:
            self._alone(unit)
            return
        best = self.first.units[group[0]]
        injected = self._inject_inputs(group, unit)
        if injected:
            self.found.partings.append(
                Parting(
                    tuple(self.first.inputs_of(best)),
                    injected[0],
                    -1,
                    self.gaps[injected[0]],
                    "before",
                    limit=self.close.parting,
                )
            )
        self._assign(pieces)
        self.assigned |= set(pieces)
        self._advance()
        self._take(UnitPair(group, number, tuple(pieces), False, self._rivals(group, candidates)), pieces)
        made = self._made_by(best, unit)
        firsts, seconds = [first for first, _ in made], [second for _, second in made]
        gaps = [self._inject(first, second) for first, second in made]
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

    def _made_by(self, one: Unit, other: Unit) -> list[tuple[int, int]]:
        """What a TensorFlow unit and a Paddle unit give, value by value; an activation may be part of the first."""
        bare_steps = [s.output for s in self.first.steps if s.name == one.path and s.output in self.signatures]
        last = [n for n in self.first.operations[one.operations[-1]].outputs if n in self.signatures]
        seconds = [n for n in self.second.outputs_of(other) if n in self.now]
        pairs = []
        for first in [n for n in self.first.outputs_of(one) if n in self.signatures]:
            size = self.signatures[first].size
            fitting = [n for n in seconds if self.now[n].size == size] or seconds
            if not fitting:
                break
            second = fitting[0]
            if bare_steps and self.signatures[bare_steps[0]].size == size:
                pairs.append((bare_steps[0], second))
                seconds.remove(second)
                continue
            bare = [n for n in last if n != first and self.signatures[n].size == size == self.now[second].size]
            nearest = min([first, *bare], key=lambda number: self._gap(number, second)) if bare else first
            pairs.append((nearest, second))
            seconds.remove(second)
        return pairs

    def _gap(self, first: int, second: int) -> float:
        """How far a TensorFlow value is from a Paddle value, relative."""
        theirs = self.workers[0].read_values(self.name, [first])[str(first)]
        own = self.workers[1].read_values(self.name, [second])[str(second)].astype(np.float64)
        made = closest(theirs, own)
        return math.inf if made is None or made.shape != own.shape else relative_gap(made, own)

    def _alone(self, unit: Unit) -> None:
        """Arrays that the TensorFlow model does not have: drawn for themselves."""
        names = [name for name in unit.arrays if name not in self.assigned]
        pieces = {
            name: [
                Piece(
                    Part.whole(self.facts[1][name]["shape"]),
                    (Term(name, Part.whole(self.facts[1][name]["shape"])),),
                )
            ]
            for name in names
            if "float" in self.facts[1][name]["dtype"] and self.facts[1][name]["trainable"]
        }
        if pieces:
            self._assign(pieces)
            self.found.pieces |= pieces
        self.assigned |= set(names)
        self.found.alone[1].extend(pieces)
        self.found.kept.extend(name for name in names if name not in pieces)

    def _check_outputs(self) -> None:
        """Whether the outputs agree, in the values that they have after all injections."""
        seconds = self.second.outputs
        if {path for path, _ in seconds} == {path for path, _ in self.first.outputs}:
            by_path = dict(seconds)
            seconds = [(path, by_path[path]) for path, _ in self.first.outputs]
        for (_, first), (_, second) in zip(self.first.outputs, seconds, strict=False):
            one, other = self.signatures.get(first), self.now.get(second)
            if one is None or other is None:
                continue  # whole numbers, which are compared as they are
            gap, why = math.nan, "the output differs"
            if alike(one, other, self.close.exact):
                made = arrangement(one, other, self.close.exact_order)
                if made is not None and (made.plain or _channels_moved(made, len(one.shape))):
                    continue
                why = "the output has the same numbers in another order"
            self.found.partings.append(Parting((first,), second, -1, gap, why, limit=self.close.parting))


def _channels_moved(made: Arrangement, rank: int) -> bool:
    """Whether maps [n, c, h, w] are made of [n, h, w, c], or volumes or sequences alike."""
    return made.split == made.split[:rank] and made.order == (0, rank - 1, *range(1, rank - 1))


def law_for(name: str, fact: ArrayFacts) -> Law:
    """The distribution of which an array is drawn.

    Args:
        name: of the array.
        fact: what its model was built with.
    """
    return law_of(name, fact["shape"], fact["mean"], fact["deviation"])


def closest(theirs: np.ndarray, own: np.ndarray, order: tuple[int, ...] = ()) -> np.ndarray | None:
    """A TensorFlow tensor in the order of axes of a Paddle tensor, the order in which they are most alike.

    Args:
        theirs: TensorFlow's.
        own: Paddle's, which differs.
        order: of axes, where it is known; a tensor of another rank has another one.

    Returns:
        Of Paddle's shape where the sizes agree; else TensorFlow's, turned as maps are.
    """
    theirs = theirs.astype(np.float64)
    if order and theirs.ndim == own.ndim:
        return theirs.transpose(order)
    if theirs.size == own.size:
        distances: list[tuple[float, bool, np.ndarray]] = []
        rank = theirs.ndim
        usual = (tuple(range(rank)), (0, rank - 1, *range(1, rank - 1)) if rank > 2 else ())
        for order in turned(theirs.shape, own.shape, {}):
            made = theirs.transpose(order).reshape(own.shape)
            with np.errstate(all="ignore"):
                distance = float(np.nansum(np.square(made - own)))
            distances.append((distance, order in usual, made))
        if not distances:
            return None
        likely = min((entry for entry in distances if entry[1]), key=operator.itemgetter(0), default=None)
        best = min(distances, key=operator.itemgetter(0))
        # among orders of which none comes near, the usual one
        return likely[2] if likely is not None and likely[0] <= 4 * best[0] else best[2]
    if theirs.ndim == own.ndim == 4:
        return np.moveaxis(theirs, -1, 1)
    return theirs if theirs.ndim == own.ndim else None


def _last(path: str) -> str:
    """A layer's own name in its path."""
    return path.replace("/", ".").rpartition(".")[2]


def _with_second_biases(own: Sequence[int], sizes: Sequence[int]) -> bool:
    """Whether the second sizes are the first, the smallest of them twice, as Paddle's recurrent layers have biases."""
    extra = Counter(sizes) - Counter(own)
    least = min(own, default=0)
    return not Counter(own) - Counter(sizes) and set(extra) == {least} and extra[least] <= Counter(own)[least]


def _distance(one: Signature, other: Signature) -> float:
    """A lower bound of how much two tensors differ, relative, from their moments."""
    largest = max(abs(one.moments[4]), abs(one.moments[5]), 1e-300)
    mean = np.abs(one.moments[:2] - other.moments[:2]).max() / max(one.moments[1], 1e-300)
    ends = np.abs(one.moments[4:] - other.moments[4:]).max() / largest
    return float(max(mean, ends))


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
