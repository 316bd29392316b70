"""Layers and functions of a segment that only one of the models has."""

from __future__ import annotations

from collections.abc import Sequence

from parity.migration.align.found import Alignment
from parity.migration.align.recorded_graph import RecordedStep
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.explain.causes import Cause
from parity.migration.explain.segments import Segment, layer_before, place_of
from parity.migration.explain.step_changes import AUXILIARY
from parity.migration.specs import FIRST, SECOND
from parity.printable import few
from parity.records.records import Diagnosis
from parity.workers.frameworks import FRAMEWORKS


def unpaired_steps(
    pair: RecordedPair,
    walked: Alignment,
    segment: Segment,
    only_first: Sequence[int],
    only_second: Sequence[int],
) -> list[Cause]:
    """A cause for each step of a segment without a counterpart that acts in inference and may be what differs.

    Args:
        pair: whose graphs are those of a traced walk.
        walked: that walk.
        segment: of it.
        only_first: indices of the TensorFlow steps without a counterpart in the segment.
        only_second: of the Paddle steps.
    """
    first, second = pair.graphs[FIRST], pair.graphs[SECOND]
    return [
        _only(pair, walked, segment, framework, step)
        for framework, graph, only in ((FIRST, first, only_first), (SECOND, second, only_second))
        for step in (graph.steps[index] for index in only)
        if not step.what.identity_in_inference
        and step.kind not in AUXILIARY
        and not _has_counterpart(pair, framework, step)
    ]


def grouped_functions(segment: Segment, unpaired: Sequence[Cause]) -> list[Cause]:
    """Functions that only one of the models has as one cause; layers, and what is a trap, as one each.

    Args:
        segment: in which they are.
        unpaired: as `unpaired_steps` gives them.
    """
    plain = [cause for cause in unpaired if not cause.diagnosis.trap and not (cause.first or cause.second).layer]  # type: ignore[union-attr]
    if len(plain) < 2:
        return list(unpaired)
    framework = plain[0].diagnosis.framework
    steps = [cause.first or cause.second for cause in plain]
    listed = few([f"{step.name} ({step})" for step in steps if step is not None])
    stage, gap = plain[0].diagnosis.stage, segment.parting.gap
    change = f"{listed} exist in {FRAMEWORKS[framework].title} only"
    joint = Cause(
        Diagnosis(framework, stage, "", f"{stage}: {change}", gap, gap, change=change), plain[0].first, plain[0].second
    )
    return [cause for cause in unpaired if cause not in plain] + [joint]


def _only(pair: RecordedPair, walked: Alignment, segment: Segment, framework: str, step: RecordedStep) -> Cause:
    """That only one of the models has a step; placed at the TensorFlow layer in or after which that is."""
    inside = framework == FIRST and (step.layer or "." in step.name)
    stage = step.name if inside else _before(pair, walked, step, framework)
    stage = stage or place_of(pair.graphs[FIRST], segment)
    where = step.name if inside or stage in (step.name, "input") else f"{stage}: {step.name}"
    change, gap = f"({step}) exists in {FRAMEWORKS[framework].title} only", segment.parting.gap
    found = Diagnosis(framework, stage, step.what.missing_trap, f"{where} {change}", gap, gap, change=change)
    return Cause(found, step, None) if framework == FIRST else Cause(found, None, step)


def _before(pair: RecordedPair, walked: Alignment, step: RecordedStep, framework: str) -> str:
    """The TensorFlow layer that gives what a function takes; empty where that is not known."""
    taken = [number for number in step.inputs if number >= 0]
    if framework == SECOND:
        taken = [walked.matches[number].first for number in taken if number in walked.matches]
    return layer_before(pair.graphs[FIRST], max(taken)) if taken else ""


def _has_counterpart(pair: RecordedPair, framework: str, step: RecordedStep) -> bool:
    """Whether a layer's arrays are those of a layer of the other model."""
    graph = pair.graphs[framework]
    inside = f"{step.name}/", f"{step.name}."
    units = {
        index
        for index, unit in enumerate(graph.units)
        if step.layer and (unit.path == step.name or unit.path.startswith(inside))
    }
    taken = {
        index
        for unit_pair in pair.alignment.pairs
        for index in (unit_pair.first if framework == FIRST else (unit_pair.second,))
    }
    return bool(units & taken)
