"""Where causes lie along the matched layers of a pair, for those that are at no matched layer themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from parity.migration.align.recorded_graph import RecordedGraph, RecordedStep
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.specs import FIRST, SECOND


def marks_of(
    pair: RecordedPair, places: Iterable[str], matched: Sequence[tuple[RecordedStep, RecordedStep]]
) -> dict[str, str]:
    """The matched layer that comes next behind each place of a cause, such as behind a padding.

    Args:
        pair: whose graphs are those of a traced walk.
        places: names of layers and functions of either model, or "input" and "output".
        matched: steps of both models that correspond.

    Returns:
        By place that is no matched TensorFlow step, the name of one: the last where none comes behind it. Empty where
        nothing is matched.
    """
    names = {first.name for first, _ in matched}
    marks = {}
    for place in dict.fromkeys(places):
        if place in names or not matched:
            continue
        side, start = _first_operation(pair, place)
        graph = pair.graphs[(FIRST, SECOND)[side]]
        ends = [(graph.producer.get(both[side].output, -1), number) for number, both in enumerate(matched)]
        behind = min((end for end in ends if end[0] >= start), default=max(ends))
        marks[place] = matched[behind[1]][0].name
    return marks


def _first_operation(pair: RecordedPair, place: str) -> tuple[int, int]:
    """The side that has a place (0: TensorFlow), and the index of its first operation there."""
    if place == "input":
        return 0, 0
    for side, framework in enumerate((FIRST, SECOND)):
        if (index := _operation_at(pair.graphs[framework], place)) is not None:
            return side, index
    return 0, len(pair.graphs[FIRST].operations)


def _operation_at(graph: RecordedGraph, place: str) -> int | None:
    inside = (f"{place}/", f"{place}.")
    for index in range(len(graph.operations)):
        path = graph.path_of(index)
        if path == place or path.startswith(inside):
            return index
    made = [graph.producer[step.output] for step in graph.steps if step.name == place and step.output in graph.producer]
    return min(made, default=None)
