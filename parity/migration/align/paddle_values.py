"""What Paddle's operations give, one after the other, and which TensorFlow values hold the same numbers."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np

from parity.migration.align.axis_orders import closest
from parity.migration.align.closeness import Closeness
from parity.migration.align.found import Alignment, Match
from parity.migration.align.recorded_graph import RecordedGraph
from parity.numerics.comparison import relative_gap
from parity.numerics.signature import Arrangement, Signature, alike, arrangement
from parity.workers.errors import WorkerError
from parity.workers.worker import Worker

SLACK = 1e3  # moments of numbers that differ are near by chance, so that which is the nearest says little


class PaddleValues:
    """The values of a recorded Paddle model while its operations run again.

    Args:
        name: of the pair.
        first: the TensorFlow graph.
        second: the Paddle graph.
        signatures: of the TensorFlow values, by number.
        workers: of TensorFlow and Paddle.
        found: takes the matches, and the arrays on which agreeing values depend.
        close: what is near, in the precision of the models.
    """

    def __init__(
        self,
        name: str,
        first: RecordedGraph,
        second: RecordedGraph,
        signatures: Mapping[int, Signature],
        workers: tuple[Worker, Worker],
        found: Alignment,
        close: Closeness,
    ) -> None:
        self.name, self.first, self.second = name, first, second
        self.signatures, self.workers, self.found, self.close = signatures, workers, found, close
        self.candidates = _BySum(signatures)
        self.returned = tuple({n for call in graph.calls for n in call.outputs} for graph in (first, second))
        self.now: dict[int, Signature] = {}  # of the Paddle values
        self.done: set[int] = set()  # Paddle operations that have run
        self.begun = 0  # all operations before this one have run
        self.failed: set[int] = set()  # Paddle operations that cannot run on the values that they have
        self.assigned: set[str] = set()  # Paddle arrays that have numbers
        self.injected: set[int] = set()
        self.gaps: dict[int, float] = {}  # of injected values
        self.orders: dict[int, tuple[int, ...]] = {}  # by rank, see `_order_of_maps`
        self.depends: dict[int, frozenset[str]] = {}  # of each Paddle value, the arrays that it is made of

    def _ready(self, index: int) -> bool:
        operation = self.second.operations[index]
        return self.second.arrays_of(index) <= self.assigned and all(
            self.second.producer.get(number) in self.done
            or number not in self.second.producer
            or number in self.injected
            for number in operation.inputs
        )

    def advance(self) -> list[int]:
        """Run every operation that can run; the indices of those that did."""
        ran: list[int] = []
        for index in self._left():
            if index not in self.failed and self._ready(index):
                self.done.add(index)
                ran.append(index)
        self.evaluate(ran)
        return ran

    def trial(self, arrays: Collection[str]) -> tuple[list[int], Callable[[], None]]:
        """Run what can run once arrays have numbers.

        Args:
            arrays: of the Paddle model, which were just assigned.

        Returns:
            The values that this made, and a function that undoes it but for the arrays' numbers.
        """
        before, failed, begun = set(self.done), set(self.failed), self.begun
        self.assigned |= set(arrays)
        ran = self.advance()
        made = [number for index in ran if index in self.done for number in self.second.operations[index].outputs]

        def undo() -> None:
            self.done, self.failed, self.begun = before, failed, begun
            self.assigned -= set(arrays)
            for number in made:
                self.now.pop(number, None)
                self.found.matches.pop(number, None)

        return made, undo

    def _left(self) -> Iterator[int]:
        """Operations that have not run yet."""
        while self.begun in self.done:
            self.begun += 1
        for index in range(self.begun, len(self.second.operations)):
            if index not in self.done:
                yield index

    def evaluate(self, operations: Sequence[int]) -> None:
        """Run operations, and note what they give; each alone where together they fail."""
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
                        self.evaluate([index])
                    else:
                        self._fail(index)
            else:
                self._fail(operations[0])
            return
        for number, signature in zip(wanted, signatures, strict=True):
            if number not in self.injected:
                self.note(number, signature)

    def _can_run(self, index: int) -> bool:
        return all(
            self.second.producer.get(number) not in self.failed or number in self.injected
            for number in self.second.operations[index].inputs
        )

    def _fail(self, index: int) -> None:
        self.failed.add(index)
        self.done.discard(index)

    def signatures_now(self, numbers: Sequence[int]) -> list[Signature]:
        """The signatures of what Paddle values hold now."""
        return self.workers[1].value_signatures(self.name, numbers)

    def note(self, number: int, signature: Signature) -> None:
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
        for candidate in self.candidates.near(signature, self.close.near):
            own = self.signatures[candidate]
            if alike(own, signature, self.close.exact):
                exact.append(Match(candidate, _distance(own, signature)))
            elif not exact and alike(own, signature, self.close.near):
                near.append(Match(candidate, max(_distance(own, signature), math.nextafter(self.close.exact, 1.0))))
        if exact:  # the first of those that rounding alone sets apart
            return Match(min(exact, key=lambda match: max(match.gap, self.close.exact / 8)).first, 0.0)
        if not near:
            return None
        nearest = min(near, key=lambda match: match.gap)
        if number in self.returned[1]:  # what a layer gives, before a number inside of one that happens to come near
            layers = [match for match in near if match.first in self.returned[0] and match.gap <= SLACK * nearest.gap]
            nearest = min(layers, key=lambda match: match.gap, default=nearest)
        return nearest

    def waiting(self) -> int | None:
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

    def inject(self, first: int, second: int) -> float | None:
        """Put a TensorFlow value in the place of a Paddle value; their gap, None where they cannot be compared."""
        theirs = self.workers[0].read_values(self.name, [first])[str(first)]
        own = self.workers[1].read_values(self.name, [second])[str(second)]
        made = closest(theirs, own, self._order_of_maps(theirs.ndim))
        if made is None:
            return None
        self.workers[1].inject_values(self.name, {str(second): made})
        self.injected.add(second)
        self.found.matches[second] = Match(first, 0.0)
        self.now[second] = self.signatures_now([second])[0]
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
            self.evaluate(sorted(again))

    def restore(self, numbers: Sequence[int]) -> None:
        if numbers:
            self.workers[1].release_values(self.name, numbers)
        for number in numbers:
            self.injected.discard(number)
            index = self.second.producer.get(number)
            if index is not None:
                self.evaluate([index])
            else:  # an input
                self.note(number, self.signatures_now([number])[0])
            self._rerun_after(number)

    def rerun(self, arrays: set[str]) -> None:
        """Run again everything that depends on arrays which hold other numbers now."""
        again: set[int] = set()
        changed: set[int] = set()
        for index in sorted(self.done):
            operation = self.second.operations[index]
            if self.second.arrays_of(index) & arrays or changed & set(operation.inputs):
                again.add(index)
                changed |= set(operation.outputs)
        self.evaluate(sorted(again))

    def float32(self, number: int) -> bool:
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

    def same_numbers(self, value: int, firsts: Iterable[int]) -> bool:
        """Whether a TensorFlow value holds the numbers of one of others, or is one of them."""
        own = self.signatures.get(value)
        return own is not None and any(
            value == first or (first in self.signatures and alike(own, self.signatures[first], self.close.exact))
            for first in firsts
        )

    def arrangement(self, firsts: Sequence[int], seconds: Sequence[int]) -> Arrangement | None:
        """How the first Paddle value that is near to a TensorFlow value is made of it; None where none is."""
        for second in seconds:
            for first in firsts:
                if first in self.signatures and second in self.now:
                    one, other = self.signatures[first], self.now[second]
                    if alike(one, other, self.close.near):
                        return arrangement(one, other, self.close.order, self.first.flattened_from(first))
        return None

    def gap(self, first: int, second: int) -> float:
        """How far a TensorFlow value is from a Paddle value, relative."""
        theirs = self.workers[0].read_values(self.name, [first])[str(first)]
        own = self.workers[1].read_values(self.name, [second])[str(second)].astype(np.float64)
        made = closest(theirs, own)
        return math.inf if made is None or made.shape != own.shape else relative_gap(made, own)


class _BySum:
    """TensorFlow values by their size and the sum of their absolute values, in which those that are alike are near."""

    def __init__(self, signatures: Mapping[int, Signature]) -> None:
        found: dict[int, list[tuple[float, int]]] = {}
        for number, signature in signatures.items():
            if signature.finite:
                found.setdefault(signature.size, []).append((float(signature.moments[1]), number))
        self.found = {size: sorted(numbers) for size, numbers in found.items()}

    def near(self, signature: Signature, tolerance: float) -> list[int]:
        """Those that may be alike, in their own order; among them all that are."""
        numbers, total = self.found.get(signature.size, []), float(signature.moments[1])
        if not signature.finite:
            return []
        low = bisect.bisect_left(numbers, (total / (1 + 2 * tolerance) - 1e-299, -1))
        high = bisect.bisect_right(numbers, (total / (1 - 2 * tolerance) + 1e-299, math.inf))
        return sorted(number for _, number in numbers[low:high])


def _distance(one: Signature, other: Signature) -> float:
    """A lower bound of how much two tensors differ, relative, from their moments."""
    largest = max(abs(one.moments[4]), abs(one.moments[5]), 1e-300)
    mean = np.abs(one.moments[:2] - other.moments[:2]).max() / max(one.moments[1], 1e-300)
    ends = np.abs(one.moments[4:] - other.moments[4:]).max() / largest
    return float(max(mean, ends))
