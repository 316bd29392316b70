"""Which of the partings of a walk matter to the outputs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from parity.migration.recorded_graph import RecordedGraph
from parity.migration.recorded_pair import RecordedPair
from parity.migration.specs import SECOND
from parity.migration.walk import Alignment, Parting


def relevant(pair: RecordedPair, walked: Alignment, partings: Sequence[Parting]) -> list[Parting]:
    """The partings that something depends on.

    Args:
        pair: whose graphs are those of the walk.
        walked: that walk.
        partings: of it.

    Returns:
        Those that differ by more than rounding, at values of which an output is made.

    Raises:
        WorkerError: a worker fails.
    """
    graph = pair.graphs[SECOND]
    reached = _reaching(graph)
    return [
        parting
        for parting in partings
        if (parting.second < 0 or parting.second in reached)
        and ("another order" in parting.why or math.isnan(parting.gap) or parting.gap > pair.close.exact)
    ]


def _reaching(graph: RecordedGraph) -> set[int]:
    """The values of whose numbers outputs are made."""
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
