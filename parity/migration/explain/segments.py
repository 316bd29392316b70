"""What lies between the last values of two models that agree and the first that do not, and in which layer that is."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from parity.migration.align.found import Alignment, Parting
from parity.migration.align.recorded_graph import RecordedGraph, RecordedStep
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.specs import FIRST, SECOND
from parity.numerics.signature import Signature, alike, arrangement


@dataclass(frozen=True)
class Segment:
    """What lies between values that agree and the first that do not.

    Attributes:
        parting: the values that do not agree.
        operations: of each model, indices.
        steps: of each model, indices of layers and functions that made the values.
        mixed: Paddle values in it that hold the numbers of a TensorFlow value in another order.
    """

    parting: Parting
    operations: tuple[list[int], list[int]]
    steps: tuple[list[int], list[int]]
    mixed: tuple[int, ...] = ()


def segment_of(pair: RecordedPair, walked: Alignment, parting: Parting) -> Segment:
    """What lies between the values of a parting and those before it that agree.

    Args:
        pair: whose graphs are those of the walk.
        walked: the walk.
        parting: of it.
    """
    first, second = pair.graphs[FIRST], pair.graphs[SECOND]
    agreeing = {number: match.first for number, match in walked.matches.items() if match.gap <= pair.close.exact}
    agreeing.pop(parting.second, None)
    start = parting.first[0] if parting.first else -1
    turned: list[int] = []
    while True:  # values of the same numbers in another order do not agree
        seconds, roots = second.ancestors(parting.second, agreeing) if parting.second >= 0 else ([], set())
        mixed = [n for n in roots if n in agreeing and not in_order_of(pair, walked, agreeing[n], n)]
        if not mixed:
            break
        turned += mixed
        for number in mixed:
            del agreeing[number]
    if start in {agreeing.get(number) for number in roots}:
        firsts: list[int] = []  # what TensorFlow has there agrees already
    else:
        firsts = first.ancestors(start, set(agreeing.values()) - {start})[0] if start >= 0 else []
    # copies of a value that agrees, such as one without an axis of extent 1
    begin = [pair.signatures[agreeing[n]] for n in roots if agreeing.get(n) in pair.signatures]
    firsts = [index for index in firsts if not _copies(pair, index, begin, start)]
    operations = [i for i in firsts if first.on_data(i)], [i for i in seconds if second.on_data(i)]
    steps = _steps(first, operations[0]), _steps(second, operations[1])
    return Segment(parting, operations, steps, tuple(turned))


def _copies(pair: RecordedPair, index: int, begin: Sequence[Signature], start: int) -> bool:
    """Whether a TensorFlow operation makes nothing but the numbers of one of these values."""
    made = [n for n in pair.graphs[FIRST].operations[index].outputs if n in pair.signatures]
    return (
        bool(made)
        and start not in made
        and all(any(alike(pair.signatures[n], one, pair.close.exact) for one in begin) for n in made)
    )


def in_order_of(pair: RecordedPair, walked: Alignment, first: int, second: int) -> bool:
    """Whether a Paddle value has the numbers of a TensorFlow value in an order of axes that a framework may have.

    Args:
        pair: whose graphs are those of the walk.
        walked: the walk.
        first: number of the TensorFlow value.
        second: of the Paddle value.
    """
    one, other = pair.signatures.get(first), walked.signatures.get(second)
    if one is None or other is None or len(one.shape) < 2:
        return True
    return arrangement(one, other, pair.close.exact_order, pair.graphs[FIRST].flattened_from(first)) is not None


def _steps(graph: RecordedGraph, operations: Sequence[int]) -> list[int]:
    """Steps that make values of a segment, and those in which its last operation runs."""
    made = {number for index in operations for number in graph.operations[index].outputs}
    around: set[str] = set()
    call = graph.operations[operations[-1]].call if operations else -1
    while call >= 0:
        around.add(graph.calls[call].path)
        call = graph.calls[call].parent
    steps = [index for index, step in enumerate(graph.steps) if step.output in made or step.name in around]
    if steps or not operations:
        return steps
    last = operations[-1]  # of a padding, which is part of the next layer's step
    known = [index for index, step in enumerate(graph.steps) if min((step.output, *step.inputs)) >= 0 and step.inputs]
    covering = (
        index
        for index in known
        if last in graph.ancestors(graph.steps[index].output, set(graph.steps[index].inputs))[0]
    )
    return list(itertools.islice(covering, 1))


def place_of(graph: RecordedGraph, segment: Segment) -> str:
    """The TensorFlow layer in which a segment begins.

    Args:
        graph: TensorFlow's.
        segment: of it.

    Returns:
        The path of the first layer in it that is not the model itself; where there is none, that of the last layer
        before it; where there is none either, the name of a function or operation, or "input".
    """
    operations, values = segment.operations[0], segment.parting.first
    for index in operations:
        if path := _layer(graph, index):
            return path
    taken = [number for index in operations for number in graph.operations[index].inputs]
    for number in taken or values:
        if path := layer_before(graph, number):
            return path
    names = [graph.steps[index].name for index in segment.steps[0]]
    return next(iter(names), graph.operations[operations[0]].name if operations else "input")


def begins(graph: RecordedGraph, segment: Segment) -> list[int]:
    """The values at which a segment begins in Paddle.

    Args:
        graph: Paddle's.
        segment: of it.
    """
    made = {number for index in segment.operations[1] for number in graph.operations[index].outputs}
    taken = {number for index in segment.operations[1] for number in graph.operations[index].inputs}
    return sorted(number for number in taken - made if graph.data[number])


def padding_layer(graph: RecordedGraph, step: RecordedStep) -> str:
    """The layer of its own that pads what a step takes, where that is seen as part of the step.

    Args:
        graph: of a traced run.
        step: of it.

    Returns:
        Its path; empty where there is none.
    """
    if step.output < 0 or -1 in step.inputs:
        return ""
    operations, _ = graph.ancestors(step.output, set(step.inputs))
    calls = {call for index in operations if (call := graph.operations[index].call) >= 0}
    padding = [graph.calls[call] for call in sorted(calls) if "Pad" in graph.calls[call].kind]
    # a model or block of such a name, which holds the step, is none
    apart = [call for call in padding if call.parent >= 0 and not f"{step.name}.".startswith(f"{call.path}.")]
    return next((call.path for call in apart), "")


def layer_before(graph: RecordedGraph, number: int) -> str:
    """The nearest layer that a value comes from; a layer that leaves it as it is comes last.

    Args:
        graph: of a recorded run.
        number: of the value.

    Returns:
        Its path; empty where no layer but the model itself has run before.
    """
    passing = [
        call.path for call in graph.calls if call.parent >= 0 and number in call.inputs and number in call.outputs
    ]
    if passing:
        return passing[-1]
    waiting, seen = [number], set()
    while waiting:
        index = graph.producer.get(waiting.pop(0))
        if index is None or index in seen:
            continue
        seen.add(index)
        if path := _layer(graph, index):
            return path
        waiting.extend(value for value in graph.operations[index].inputs if graph.data[value])
    return ""


def _layer(graph: RecordedGraph, index: int) -> str:
    """The innermost layer in which an operation ran; empty for the model itself."""
    call = graph.operations[index].call
    return graph.calls[call].path if call >= 0 and graph.calls[call].parent >= 0 else ""
