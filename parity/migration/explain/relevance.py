"""Which of the partings of a walk matter to the outputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from parity.migration.align.found import Alignment, Parting
from parity.migration.align.recorded_graph import RecordedGraph
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.explain.replays import run_again
from parity.migration.specs import SECOND
from parity.numerics.signature import Signature, alike
from parity.workers.errors import WorkerError


def relevant(pair: RecordedPair, walked: Alignment, partings: Sequence[Parting]) -> list[Parting]:
    """The partings that something depends on.

    Args:
        pair: whose graphs are those of the walk.
        walked: that walk.
        partings: of it.

    Returns:
        Those that differ by more than rounding, at values whose numbers change an output, or what is computed at a
        parting that is relevant itself. A padded step that a mask drops later changes neither.

    Raises:
        WorkerError: a worker fails.
    """
    graph = pair.graphs[SECOND]
    reached = reaching(graph)
    outputs = {number for _, number in graph.outputs}
    dropped: set[int] = set()  # values of partings that change nothing
    kept = []
    for parting in reversed(partings):
        number = parting.second
        apart = "another order" in parting.why or math.isnan(parting.gap) or parting.gap > pair.close.exact
        if not apart or (number >= 0 and number not in reached):
            continue
        if number in walked.injected and number not in outputs and not _changes(pair, walked, number, dropped):
            if not parting.rounding:  # that a tiny difference changes nothing does not say that a large one does not
                dropped.add(number)
            continue
        kept.append(parting)
    return kept[::-1]


def reaching(graph: RecordedGraph) -> set[int]:
    """The values of whose numbers outputs are made.

    Args:
        graph: of either model.
    """
    reached: set[int] = set()
    waiting = [number for _, number in graph.outputs]
    while waiting:
        number = waiting.pop()
        if number in reached:
            continue
        reached.add(number)
        index = graph.producer.get(number)
        if index is not None and graph.on_data(index):
            waiting.extend(graph.operations[index].inputs)
    return reached


def _changes(pair: RecordedPair, walked: Alignment, number: int, dropped: AbstractSet[int]) -> bool:
    """Whether Paddle's own numbers, in the place of TensorFlow's, change what comes next that matters."""
    graph, worker = pair.graphs[SECOND], pair.workers[SECOND]
    producer = graph.producer.get(number)
    after, ends = _behind(graph, number, walked.injected)
    watched = sorted(ends - dropped)
    if producer is None or not watched:
        return producer is None
    held = [end for end in watched if end in walked.injected]
    before = worker.read_values(pair.name, [number, *held])
    try:
        worker.release_values(pair.name, [*held, number])
        with_theirs = worker.evaluate_operations(pair.name, after, watched)
        worker.evaluate_operations(pair.name, [producer], [])
        with_own = worker.evaluate_operations(pair.name, after, watched)
    except WorkerError:
        return True
    finally:
        worker.inject_values(pair.name, before)
        run_again(worker, pair.name, after)
    return any(not _same(pair, one, other) for one, other in zip(with_theirs, with_own, strict=True))


def _same(pair: RecordedPair, one: Signature, other: Signature) -> bool:
    return one.size == 0 == other.size or alike(one, other, pair.close.exact)


def _behind(graph: RecordedGraph, number: int, injected: AbstractSet[int]) -> tuple[list[int], set[int]]:
    """Operations that depend on a value up to those that make injected values, and the injected values and outputs."""
    outputs = {output for _, output in graph.outputs}
    operations: set[int] = set()
    ends: set[int] = set()
    waiting = [number]
    while waiting:
        for index in graph.consumers.get(waiting.pop(), []):
            if index in operations or not graph.on_data(index):
                continue
            operations.add(index)
            for made in graph.operations[index].outputs:
                if made in injected or made in outputs:
                    ends.add(made)
                if made not in injected:
                    waiting.append(made)
    return sorted(operations), ends
