"""Which TensorFlow units may hold the arrays of a Paddle unit, the likeliest first."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from parity.migration.align.array_roles import role
from parity.migration.align.paddle_values import PaddleValues
from parity.migration.align.recorded_graph import RecordedGraph, Unit
from parity.migration.align.surroundings import Surroundings
from parity.workers.client.recorded_models import ArrayFacts

MOST_CANDIDATES = 4  # TensorFlow layers that are tried for a Paddle layer

WINDOW = 24  # TensorFlow layers that are looked at first, in the order in which they run

NEUTRAL = {"scale", "bias"}  # what a norm may do without


class Attempt(NamedTuple):
    """What is tried for a Paddle unit.

    Attributes:
        group: TensorFlow units.
        sources: the names of their arrays.
        wanted: those of the Paddle arrays that may be made of them.
        lacking: whether both are layers of one sort, but for vectors of one of them, such as the scale of a batch norm,
            which the other one does without.
    """

    group: tuple[int, ...]
    sources: list[str]
    wanted: list[str]
    lacking: bool = False


class UnitCandidates:
    """The TensorFlow units that are left while a walk gives Paddle's arrays their numbers.

    Args:
        values: of the Paddle model.
        facts: of the arrays, of either model.
        forced: by index of a Paddle unit, the TensorFlow units that it must be put together with.
    """

    def __init__(
        self,
        values: PaddleValues,
        facts: tuple[Mapping[str, ArrayFacts], Mapping[str, ArrayFacts]],
        forced: Mapping[int, tuple[int, ...]] | None,
    ) -> None:
        self.values, self.facts, self.forced = values, facts, dict(forced or {})
        self.first, self.second, self.found = values.first, values.second, values.found
        self.taken: set[str] = set()  # TensorFlow arrays that have a counterpart
        self.surroundings = Surroundings((self.first, self.second), facts)
        self.likeliest: list[int] = []  # of the last candidates, those that nothing but names and order sets apart

    def candidates(self, number: int, targets: Sequence[str]) -> list[int]:
        """TensorFlow units that may be this Paddle unit, the likeliest first."""
        unit = self.second.units[number]
        if number in self.forced:
            return list(self.forced[number])
        taken = self.second.inputs_of(unit)
        reached = self._origins(self.second, taken, self.found.matches)
        firsts = {self.found.matches[value].first for value in reached if value in self.found.matches}
        counterparts = {match.first for match in self.found.matches.values()}
        sizes = self.sizes(targets, 1)
        reserved = {index for group in self.forced.values() for index in group}
        waiting = [i for i in range(len(self.first.units)) if i not in reserved and self.free(i)]
        extents = {math.prod(self.second.values[value].shape) for value in taken}
        scored: list[tuple[tuple[int | bool, ...], int]] = []
        found = False  # one that begins where this one does and has arrays of these sizes, perhaps others beside them
        for place, index in enumerate(waiting):
            if place >= WINDOW and found:
                break
            other, own = self.first.units[index], self.sizes(self.free(index), 0)
            inputs = self.first.inputs_of(other)
            # of a value that agrees Paddle may have made, with no arrays, one of another size, which the layer takes
            fitting = any(math.prod(self.first.values[value].shape) in extents for value in inputs)
            known = fitting or any(value in self.found.matches for value in taken)
            given = [*inputs, *self._taken_by(other)] if known else []
            direct = any(self.values.same_numbers(value, firsts) for value in given)
            near = direct or self._near(inputs, counterparts, firsts)
            alike = own == sizes or self._but_for_vectors(index, unit, targets) is not None
            fit = 0 if alike else 1 if self.may_be(own, sizes) else 2
            found |= near and not Counter(sizes) - Counter(own)
            turned, behind = self.surroundings.unlike(index, number)
            name = _last(other.path) != _last(unit.path)
            scored.append(((fit, not direct, not near, not fitting, turned, name, behind, index), index))
        scored.sort()
        self.likeliest = [index for score, index in scored if score[:3] == scored[0][0][:3]]
        if not any(self._whole(index) for index in self.likeliest):  # what is left of a layer may be just as large
            self.likeliest += [index for score, index in scored if score[0] == 0 and self._whole(index)][:1]
        return [index for _, index in scored]

    def _near(self, inputs: Sequence[int], counterparts: set[int], firsts: set[int]) -> bool:
        """Whether the nearest counterparts of which TensorFlow values are made have the numbers of some values."""
        origins = self._origins(self.first, inputs, counterparts)
        return bool(origins & firsts) or any(self.values.same_numbers(value, firsts) for value in origins)

    def _whole(self, index: int) -> bool:
        """Whether no array of a TensorFlow unit has a counterpart yet."""
        return len(self.free(index)) == len(self.first.units[index].arrays)

    def _taken_by(self, unit: Unit) -> list[int]:
        """The values that the TensorFlow unit's operations on its arrays take."""
        return [n for i in unit.operations for n in self.first.operations[i].inputs if self.first.data[n]]

    def free(self, index: int) -> list[str]:
        """The arrays of a TensorFlow unit that have no counterpart yet."""
        return [name for name in self.first.units[index].arrays if name not in self.taken]

    def _origins(self, graph: RecordedGraph, values: Sequence[int], stop: Iterable[int]) -> set[int]:
        """The nearest values among `stop` that values are made of, themselves included."""
        stops = set(stop)
        reached: set[int] = set()
        for value in values:
            reached |= graph.ancestors(value, stops)[1]
        return reached

    def sizes(self, arrays: Sequence[str], side: int) -> list[int]:
        return sorted(math.prod(self.facts[side][name]["shape"]) for name in arrays)

    def attempts(
        self, unit: Unit, candidates: Sequence[int], targets: Sequence[str], waiting: Sequence[str]
    ) -> list[Attempt]:
        """What to try: TensorFlow units, their arrays, and the Paddle arrays that may be made of these."""
        sizes = self.sizes(targets, 1)
        attempts: list[Attempt] = []
        group = self.forced.get(self.second.units.index(unit), ())
        if len(group) > 1:
            return [Attempt(group, [name for index in group for name in self.free(index)], list(targets))]
        for index in candidates:
            if (both := self._but_for_vectors(index, unit, targets)) is not None:
                attempts.append(Attempt((index,), *both, lacking=True))
            elif self.may_be(self.sizes(self.free(index), 0), sizes):
                attempts.append(Attempt((index,), self.free(index), list(targets)))
        likely = [attempt for attempt in attempts if attempt.group[0] in self.likeliest]
        attempts = (likely or attempts)[:MOST_CANDIDATES]
        for group in self._joint(candidates, sizes):  # also where one of another place happens to be as large
            attempts.append(Attempt(group, [name for index in group for name in self.free(index)], list(targets)))
        if not attempts:  # one without the biases of several
            for group in self._joint(candidates, sizes, of=self._kernels):
                names = [name for index in group for name in self._kernels(index)]
                attempts.append(Attempt(group, names, list(targets)))
        if likely and (likely[0].lacking or self.sizes(self.free(likely[0].group[0]), 0) == sizes):
            return attempts
        for wanted in [list(waiting), list(targets)] if waiting != targets else [list(targets)]:
            needed = self.sizes(wanted, 1)
            for index in candidates:
                free = self.free(index)
                if len(free) > len(wanted):
                    chosen = [
                        list(some)
                        for some in itertools.combinations(free, len(wanted))
                        if self.sizes(some, 0) == needed
                    ]
                    attempts += [
                        Attempt((index,), some, wanted, wanted == targets and self._only_bias(index, some))
                        for some in chosen[:MOST_CANDIDATES]
                    ]
                elif wanted != targets and self.sizes(free, 0) == needed:
                    attempts.append(Attempt((index,), free, wanted))
        return attempts[: 4 * MOST_CANDIDATES]

    def _but_for_vectors(self, index: int, unit: Unit, targets: Sequence[str]) -> tuple[list[str], list[str]] | None:
        """The arrays of a TensorFlow norm and those of a Paddle norm that correspond by what they are.

        None where all do, where one has more alone than a scale or a shift, and of layers that are no norms.
        """
        names = self.first.units[index].arrays, unit.arrays
        if self.taken & set(names[0]) or set(names[1]) != set(targets):
            return None
        roles = [{self._vector_role(name, side): name for name in names[side]} for side in (0, 1)]
        sizes = {size for side in (0, 1) for size in self.sizes(names[side], side)}
        if len(sizes) > 1 or any("" in own or len(own) < len(names[side]) for side, own in enumerate(roles)):
            return None
        common = [what for what in roles[0] if what in roles[1]]
        alone = roles[0].keys() ^ roles[1].keys()
        if not common or not alone or not alone <= NEUTRAL:
            return None
        return [roles[0][what] for what in common], [roles[1][what] for what in common]

    def _only_bias(self, index: int, sources: Sequence[str]) -> bool:
        """Whether all of a TensorFlow unit's arrays are among these but a bias."""
        arrays = self.first.units[index].arrays
        left = [name for name in arrays if name not in sources]
        return not self.taken & set(arrays) and len(left) == 1 and self._vector_role(left[0], 0) == "bias"

    def _vector_role(self, name: str, side: int) -> str:
        """What a vector is in a layer that has nothing but vectors; empty for other arrays."""
        what = role(name)
        vector = len(self.facts[side][name]["shape"]) == 1
        return {"kernel": "scale"}.get(what, what) if vector else ""

    @staticmethod
    def may_be(own: Sequence[int], sizes: Sequence[int]) -> bool:
        """Whether arrays of these sizes may be made of each other, perhaps with a second bias."""
        return own == sizes or sum(own) == sum(sizes) or with_second_bias(own, sizes)

    def _kernels(self, index: int) -> list[str]:
        """The free arrays of a TensorFlow unit without its biases."""
        return [name for name in self.free(index) if len(self.facts[0][name]["shape"]) > 1]

    def _joint(
        self, candidates: Sequence[int], sizes: Sequence[int], of: Callable[[int], list[str]] | None = None
    ) -> list[tuple[int, ...]]:
        """Several TensorFlow units that together, or some arrays `of` each, are as large as one Paddle unit.

        Those first that take the same value, as the parts of one layer do, and of these those that follow each other.
        """
        nearest, total = sorted(candidates[:12]), sum(sizes)
        each = {index: self.sizes((of or self.free)(index), 0) for index in nearest}
        sums = {index: sum(own) for index, own in each.items()}
        found = []
        for count in (2, 3, 4):
            for group in itertools.combinations(nearest, count):
                own = sum(sums[index] for index in group)
                if own == total or with_second_bias([size for index in group for size in each[index]], sizes):
                    inputs = [frozenset(self.first.inputs_of(self.first.units[index])) for index in group]
                    apart = not frozenset.intersection(*inputs)
                    places = [nearest.index(index) for index in group]
                    found.append(((apart, max(places) - min(places), group), group))
        return [group for _, group in sorted(found)][:MOST_CANDIDATES]

    def shapes(self, index: int) -> list[tuple[int, ...]]:
        return [tuple(self.facts[0][name]["shape"]) for name in self.first.units[index].arrays]

    def rivals(self, group: tuple[int, ...], candidates: Sequence[int]) -> tuple[tuple[int, ...], ...]:
        """TensorFlow units with the same inputs and shapes as the one that was taken, or several as large together."""
        if len(group) > 1:
            return ()
        inputs = set(self.first.inputs_of(self.first.units[group[0]]))
        beside = [
            index
            for index in candidates
            if index not in group and inputs & set(self.first.inputs_of(self.first.units[index]))
        ]
        alike = [(index,) for index in beside if self.shapes(index) == self.shapes(group[0])]
        return (*alike, *self._joint(beside, self.sizes(self.first.units[group[0]].arrays, 0)))

    def targets(self, unit: Unit, names: Sequence[str]) -> dict[str, tuple[int, ...]]:
        return {name: tuple(self.facts[1][name]["shape"]) for name in unit.arrays if name in names}

    def alike_units(self, number: int, other: int, targets: Sequence[str]) -> bool:
        one, two = self.second.units[number], self.second.units[other]
        shapes = [sorted(self.targets(unit, unit.arrays).values()) for unit in (one, two)]
        fresh = not self.values.assigned & set(two.arrays)
        return fresh and shapes[0] == shapes[1] and self.second.inputs_of(one) == self.second.inputs_of(two)


def _last(path: str) -> str:
    """A layer's own name in its path."""
    return path.replace("/", ".").rpartition(".")[2]


def with_second_bias(own: Sequence[int], sizes: Sequence[int]) -> bool:
    """Whether arrays are as large together as others but for some that these have twice, such as biases.

    Args:
        own: sizes of TensorFlow arrays.
        sizes: of Paddle's, whose recurrent layers have two biases in each direction, which are added.

    Example:
        >>> with_second_bias([80, 64, 16], [64, 80, 16, 16]), with_second_bias([144, 16], [64, 80, 16, 16])
        (True, True)
    """
    more = sum(sizes) - sum(own)
    counts = Counter(own).items()
    return any(
        more == twice * size for size, count in counts for twice in range(1, count + 1) if twice < sizes.count(size)
    )
