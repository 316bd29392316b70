"""Dropout that drops in inference, as it does where a model calls it in training mode."""

from __future__ import annotations

from parity.kinds.elementwise import Scale
from parity.kinds.kind import shown
from parity.migration.align.recorded_graph import RecordedGraph, RecordedStep
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.explain.causes import Cause
from parity.migration.explain.segments import Segment
from parity.migration.specs import FIRST, SECOND
from parity.numerics.signature import alike
from parity.records.records import Diagnosis


def dropout_cause(pair: RecordedPair, segment: Segment) -> Cause | None:
    """Whether a dropout that acts in inference has another rate in Paddle, or does not act there.

    Args:
        pair: whose graphs are those of a traced walk.
        segment: of it.

    Returns:
        The cause; None where TensorFlow has no such dropout in the segment.
    """
    first, second = pair.graphs[FIRST], pair.graphs[SECOND]
    acting = _rate(first, segment)
    if acting is None:
        return None
    path, rate = acting
    steps = [second.steps[index] for index in segment.steps[1]]
    own = next((step for step in steps if step.kind == "dropout" and acts(pair, SECOND, step)), None)
    gap = segment.parting.gap
    if own is None:
        change = f"dropout: TensorFlow drops in inference, too, at a rate of {shown(rate)}; Paddle does not"
    elif abs(own.numbers["rate"] - rate) > 1e-6:
        change = f"dropout rate: TensorFlow has {shown(rate)}, Paddle {shown(own.numbers['rate'])}"
    else:
        return None
    where = f"{path} / {own.name}" if own is not None else path
    return Cause(Diagnosis(SECOND, path, "dropout-mode", f"{where}: {change}", gap, gap, change=change))


def acts(pair: RecordedPair, framework: str, step: RecordedStep) -> bool:
    """Whether a step that should leave its input as it is in inference changes it.

    Args:
        pair: after a recorded run.
        framework: of the step.
        step: of one input.

    Raises:
        WorkerError: the worker fails.
    """
    if step.output < 0 or not step.inputs or step.inputs[0] < 0 or step.output == step.inputs[0]:
        return False
    before, after = pair.workers[framework].value_signatures(pair.name, [step.inputs[0], step.output])
    return not alike(before, after, pair.close.exact)


def _rate(graph: RecordedGraph, segment: Segment) -> tuple[str, float] | None:
    """The path and rate of a Keras dropout that multiplies by a mask: what it keeps is divided by its share."""
    made = {number for index in segment.operations[0] for number in graph.operations[index].outputs}
    for index in segment.operations[0]:
        call = graph.operations[index].call
        if call < 0 or "Dropout" not in graph.calls[call].kind:
            continue
        path = graph.calls[call].path
        for step in graph.steps:
            what = step.what
            inside = step.output in made and step.name.startswith(f"{path}.")
            if inside and isinstance(what, Scale) and isinstance(what.scale, float) and what.scale > 1:
                return path, 1 - 1 / what.scale
    return None
