"""What is said of a segment that no known cause explains: what either model computes there, and nothing guessed."""

from __future__ import annotations

import math
from collections.abc import Sequence

from parity.migration.align.found import Alignment, Parting
from parity.migration.align.recorded_graph import RecordedGraph
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.explain.causes import UNKNOWN, Cause
from parity.migration.explain.segments import Segment, begins, in_order_of, layer_before, place_of
from parity.migration.specs import FIRST, SECOND
from parity.numerics.signature import alike, arrangement
from parity.printable import few
from parity.records.records import Diagnosis
from parity.workers.frameworks import FRAMEWORKS

TURNING = ("Transpose", "Reshape")  # TensorFlow's operations that only move numbers


def of_another_order(parting: Parting) -> bool:
    """Whether values part by nothing but the order of their numbers.

    Args:
        parting: of a walk.
    """
    return "another order" in parting.why


def unexplained(pair: RecordedPair, walked: Alignment, segment: Segment) -> Cause:
    """A cause that says what both models compute in a segment.

    Args:
        pair: whose graphs are those of a traced walk.
        walked: that walk.
        segment: of it.
    """
    first, second = pair.graphs[FIRST], pair.graphs[SECOND]
    gap, where = segment.parting.gap, place_of(first, segment)
    turned = _turned(pair, walked, segment) or _reordered(pair, walked, segment)
    if turned is not None or segment.mixed or of_another_order(segment.parting):
        change = "the numbers are the same ones in another order: a transpose or reshape differs"
        where = turned or where
        found = Diagnosis(SECOND, where, "", f"{where}: {change}", gap, gap, change=change)
        return Cause(found, todo=dict.fromkeys((FIRST, SECOND), "give both models the same transpose, or reshape"))
    texts = [
        f"{FRAMEWORKS[framework].title} computes {_listed(graph, segment.operations[side], segment.steps[side])}"
        for side, (framework, graph) in enumerate(((FIRST, first), (SECOND, second)))
    ]
    measured = "" if math.isnan(gap) else f", which differ by {gap:.1e}" if math.isfinite(gap) else ", of other shapes"
    begin = _first_operations(pair, walked, segment)
    text = f"{where}: {texts[0]}; {texts[1]}{measured}{begin}; {UNKNOWN}"
    return Cause(Diagnosis(SECOND, where, "", text, gap, gap, change=segment.parting.why))


def _turned(pair: RecordedPair, walked: Alignment, segment: Segment) -> str | None:
    """The TensorFlow layer that flattens what Paddle flattens in an order that is none of a framework's."""
    first, second = pair.graphs[FIRST], pair.graphs[SECOND]
    for number in begins(second, segment):
        match = walked.matches.get(number)
        one, other = (pair.signatures.get(match.first) if match else None), walked.signatures.get(number)
        if match is None or one is None or other is None or len(other.shape) >= len(one.shape):
            continue
        made = arrangement(one, other, pair.close.exact_order, first.flattened_from(match.first))
        last = len(one.shape) - 1
        channels_first = made is not None and made.order == (0, last, *range(1, last))
        if made is not None and not made.plain and not channels_first:
            users = [first.path_of(index) for index in first.consumers.get(match.first, [])]
            return next((path for path in users if path), None)
    return None


def _reordered(pair: RecordedPair, walked: Alignment, segment: Segment) -> str | None:
    """The TensorFlow layer that turns numbers, or gives those, which the models use in different orders."""
    first, second = pair.graphs[FIRST], pair.graphs[SECOND]
    made = {number for index in segment.operations[0] for number in first.operations[index].outputs}
    taken = {number for index in segment.operations[0] for number in first.operations[index].inputs} - made
    for number in [*segment.mixed, *begins(second, segment)]:
        match = walked.matches.get(number)
        if match is None or (own := pair.signatures.get(match.first)) is None or len(own.shape) < 3:
            continue
        same = [n for n, one in pair.signatures.items() if n not in made and alike(one, own, pair.close.exact)]
        if not any(n in taken and not in_order_of(pair, walked, n, number) for n in same):
            continue
        turning = [n for n in same if n in first.producer and first.operations[first.producer[n]].name in TURNING]
        if place := layer_before(first, max(turning or same)):
            return place
    return None


def _first_operations(pair: RecordedPair, walked: Alignment, segment: Segment) -> str:
    """The first Paddle operation that makes of values that agree one that does not, and TensorFlow's on the same."""
    first, second = pair.graphs[FIRST], pair.graphs[SECOND]
    for index in segment.operations[1]:
        operation = second.operations[index]
        inputs = [n for n in operation.inputs if second.data[n]]
        known = [
            walked.matches[n].first for n in inputs if n in walked.matches and walked.matches[n].gap <= pair.close.exact
        ]
        if len(known) < len(inputs) or any(
            n in walked.matches and n != segment.parting.second for n in operation.outputs
        ):
            continue
        users = [first.operations[user].name for n in known for user in first.consumers.get(n, [])]
        if users:
            return (
                f". It begins with {operation.name} in Paddle, where TensorFlow has {few(list(dict.fromkeys(users)))}"
            )
    return ""


def _listed(graph: RecordedGraph, operations: Sequence[int], steps: Sequence[int]) -> str:
    shown = [graph.steps[index] for index in steps]
    plain = [f"{step.name} ({step})" if step.kind != "other" and not step.shapes else step.name for step in shown]
    names = plain or [graph.operations[index].name for index in operations]
    return few(names) if names else "nothing"
