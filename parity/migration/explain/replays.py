"""A segment of a model run again on other numbers: what it would give if one of its steps computed something else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress

import numpy as np

from parity.migration.align.axis_orders import closest
from parity.migration.align.found import Alignment
from parity.migration.align.recorded_graph import RecordedGraph
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.specs import FIRST, SECOND
from parity.numerics.comparison import relative_gap
from parity.workers.errors import WorkerError
from parity.workers.worker import Worker

Changes = Mapping[int, np.ndarray]  # by number of the value, what it is given


class Replay:
    """Operations of one model between values that agree and one value, the end. Every method leaves all as it was.

    Args:
        pair: after a walk.
        walked: that walk.
        framework: whose operations.
        operations: their indices, in order.
        end: number of the value.
    """

    def __init__(
        self, pair: RecordedPair, walked: Alignment, framework: str, operations: Sequence[int], end: int
    ) -> None:
        self.name, self.worker, self.graph = pair.name, pair.workers[framework], pair.graphs[framework]
        self.operations, self.end = list(operations), end
        self.held: Set[int] = walked.injected if framework == SECOND else frozenset()

    def values(self, changes: Changes, wanted: Sequence[int]) -> dict[int, np.ndarray] | None:
        """What values are once others are changed.

        Args:
            changes: values of the segment, or those at which it begins.
            wanted: numbers of values.

        Returns:
            By number, in the framework's own order; None where the operations cannot run on such values.

        Raises:
            WorkerError: the worker dies of it.
        """
        with self._changed(changes):
            try:
                self.worker.evaluate_operations(self.name, self.operations, [])
                return self._read(wanted)
            except WorkerError as error:
                if error.cause != "raised":  # the worker died
                    raise
                return None

    def at_end(self, changes: Changes) -> np.ndarray | None:
        """As `values`, of the end alone."""
        made = self.values(changes, [self.end])
        return None if made is None else made[self.end]

    def _read(self, numbers: Sequence[int]) -> dict[int, np.ndarray]:
        read = self.worker.read_values(self.name, list(dict.fromkeys(numbers)))
        return {number: read[str(number)] for number in numbers}

    @contextmanager
    def _changed(self, changes: Changes) -> Iterator[None]:
        before = self._read([*changes, self.end])
        if self.end in self.held:
            self.worker.release_values(self.name, [self.end])
        died = False
        try:
            if changes:
                self.worker.inject_values(self.name, {str(number): array for number, array in changes.items()})
            yield
        except WorkerError as error:
            died = error.cause != "raised"
            raise
        finally:
            if not died:
                self._put_back(changes, before)

    def _put_back(self, changes: Changes, before: Mapping[int, np.ndarray]) -> None:
        back = {str(number): array for number, array in before.items() if number in changes or number in self.held}
        if back:
            self.worker.inject_values(self.name, back)
        if free := [number for number in changes if number not in self.held]:
            self.worker.release_values(self.name, free)
        run_again(self.worker, self.name, self.operations)


def run_again(worker: Worker, name: str, operations: Sequence[int]) -> None:
    """Run operations again to put back what they gave; those that cannot run could not before.

    Args:
        worker: of the model.
        name: of the pair.
        operations: indices, in order.
    """
    try:
        worker.evaluate_operations(name, operations, [])
    except WorkerError:
        for index in operations:
            with suppress(WorkerError):
                worker.evaluate_operations(name, [index], [])


def own_and_expected(pair: RecordedPair, first: int, replay: Replay) -> tuple[np.ndarray, np.ndarray] | None:
    """What Paddle's segment gives at its end, and TensorFlow's numbers in Paddle's order.

    Args:
        pair: after a walk.
        first: TensorFlow's value at the end.
        replay: of Paddle's operations.

    Returns:
        Two arrays of one shape; None where they cannot be compared.
    """
    own = replay.at_end({})
    theirs = pair.workers[FIRST].read_values(pair.name, [first])[str(first)]
    if own is None:
        return None
    now = (
        pair.workers[SECOND].read_values(pair.name, [replay.end])[str(replay.end)]
        if replay.end in replay.held
        else None
    )
    expected = now if now is not None else closest(theirs, own)
    return (own, expected) if expected is not None and expected.shape == own.shape else None


def closing_gap(pair: RecordedPair, expected: np.ndarray, made: np.ndarray | None) -> float | None:
    """The gap that is left where a replay gives what it should, as a reference in numpy does; else None."""
    if made is None or made.shape != expected.shape:
        return None
    gap = relative_gap(expected, made)
    return gap if gap <= pair.close.confirmed else None


def close(pair: RecordedPair, expected: np.ndarray, made: np.ndarray | None) -> bool:
    """Whether a replay gives what it should."""
    return closing_gap(pair, expected, made) is not None


def between(graph: RecordedGraph, start: int, end: int) -> list[int]:
    """The operations by which one value is made of another, in order.

    Args:
        graph: of a recorded run.
        start: number of a value.
        end: number of another.
    """
    operations, _ = graph.ancestors(end, {start})
    after, kept = {start}, []
    for index in operations:
        if after & set(graph.operations[index].inputs):
            after |= set(graph.operations[index].outputs)
            kept.append(index)
    return kept
