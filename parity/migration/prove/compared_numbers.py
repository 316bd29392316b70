"""Numbers that models look for in their inputs, such as the one that stands for padding."""

from __future__ import annotations

from parity.migration.align.recorded_graph import RecordedGraph
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.specs import FIRST, SECOND
from parity.numerics.arrays import Arrays

EQUALITY = {"equal", "notequal", "not_equal", "equal_all", "eq", "ne"}  # operations, in small letters

RELATIONS = ("equal", "not_equal")  # of steps


def compared_numbers(pair: RecordedPair, inputs: Arrays) -> tuple[float, ...]:
    """The numbers with which one of the models compares what it is given, or what it makes of that.

    Args:
        pair: aligned.
        inputs: by `input_keys`, [n, *shape], channels last.

    Returns:
        Sorted; none where no operation looks for equal numbers.

    Raises:
        WorkerError: a model does not run.
    """
    if not any(operation.name.lower() in EQUALITY for graph in pair.graphs.values() for operation in graph.operations):
        return ()
    found: set[float] = set()
    for framework in (FIRST, SECOND):
        run = pair.workers[framework].record_run(pair.name, inputs, traced=True)
        for step in RecordedGraph(run, set(pair.drawn(framework))).steps:
            number = step.numbers.get("constant")
            if step.kind == "compare" and step.numbers.get("relation") in RELATIONS and number is not None:
                found.add(float(number))
    return tuple(sorted(found))
