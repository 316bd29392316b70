"""Why values part: the layers and functions between the last values that agree and the first that do not.

Layers of one kind are compared number by number. A number is the cause where numpy, given TensorFlow's inputs and
weights, computes what Paddle computed with Paddle's number, and what TensorFlow computed with TensorFlow's. Of several
possible causes those are named with which Paddle's part of the segment, run again, gives TensorFlow's numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from parity.kinds.activation import Activation, ReLU, Sigmoid, SiLU, Tanh
from parity.migration.align.found import Alignment, Parting
from parity.migration.align.recorded_graph import RecordedGraph, RecordedStep
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.explain.acting_dropout import dropout_cause
from parity.migration.explain.arrays_alone import arrays_alone
from parity.migration.explain.causes import UNKNOWN, Cause
from parity.migration.explain.constants import constant_cause
from parity.migration.explain.hypotheses import other_numbers
from parity.migration.explain.other_functions import other_function
from parity.migration.explain.other_inputs import other_input, reversed_axis
from parity.migration.explain.relevance import relevant
from parity.migration.explain.remedies import Remedy, exchanged, explaining, instead, of_changes, with_function, without
from parity.migration.explain.replays import Replay, own_and_expected
from parity.migration.explain.segments import Segment, begins, in_order_of, layer_before, place_of, segment_of
from parity.migration.explain.single_operations import constant_of_operation
from parity.migration.explain.step_changes import AUXILIARY, step_causes
from parity.migration.explain.steps import paired_steps
from parity.migration.explain.weight_norm import weight_norm_cause
from parity.migration.specs import FIRST, SECOND
from parity.numerics.signature import alike, arrangement
from parity.printable import few
from parity.records.records import Diagnosis
from parity.workers.errors import WorkerError
from parity.workers.frameworks import FRAMEWORKS

MOST_UNPAIRED = 12  # functions of a segment without a counterpart, up to which each is tried

TURNING = ("Transpose", "Reshape")  # TensorFlow's operations that only move numbers

PLAIN: dict[str, Activation] = {"tanh": Tanh(), "sigmoid": Sigmoid(), "relu": ReLU(), "silu": SiLU()}  # of operations


def explain(pair: RecordedPair, walked: Alignment, partings: Sequence[Parting], *, every: bool = False) -> list[Cause]:
    """Find the causes of partings.

    Args:
        pair: whose graphs are those of a traced walk.
        walked: that walk.
        partings: of it.
        every: whether those are among them that change what follows by no more than rounding does.

    Returns:
        The causes, in the order of the models, each once.

    Raises:
        WorkerError: a worker fails.
    """
    chosen = partings if every else relevant(pair, walked, partings)
    segments = [segment_of(pair, walked, parting) for parting in chosen]
    segments = [segment for segment in segments if any(segment.operations) or _another_order(segment.parting)]
    causes, moved = _moved(pair, segments)
    reshaped: set[int] = set()  # Paddle values of another shape for which a cause is known
    found: list[list[Cause]] = []
    for number, segment in enumerate(segments):
        if number in moved:
            continue
        made = _causes_or_unexplained(pair, walked, segment)
        if segment.parting.gap == math.inf:
            if not any(cause.known for cause in made) and _made_of(pair.graphs[SECOND], segment, reshaped):
                continue  # of another shape, as what it is made of
            reshaped |= {segment.parting.second} if all(cause.known for cause in made) else set()
        found.append(made)
    for made in _without_unproven(found):
        for cause in made:
            if cause.key not in {known.key for known in causes}:
                causes.append(cause)
    # a padding that is part of the next layer's step is explained there
    first = pair.graphs[FIRST]
    inside = {path for cause in causes if cause.known for path in _merged_paths(first, cause.diagnosis.stage)}
    kept = [cause for cause in causes if cause.known or cause.diagnosis.stage not in inside]
    return kept or _turned_outputs(pair)


def _causes_or_unexplained(pair: RecordedPair, walked: Alignment, segment: Segment) -> list[Cause]:
    """As `_causes`; where a kernel ends its worker on numbers that are tried, that the segment is not explained."""
    try:
        return _causes(pair, walked, segment)
    except WorkerError as error:
        if error.cause == "raised":
            raise
        pair.recover()
        return [_unexplained(pair, walked, segment)]


def _without_unproven(found: Sequence[list[Cause]]) -> list[list[Cause]]:
    """Of the causes of each segment those that say nothing of a step for which another segment has a proven cause."""
    proven = {
        cause.first.index
        for causes in found
        for cause in causes
        if cause.first is not None and cause.diagnosis.after < cause.diagnosis.before
    }
    return [
        causes
        for causes in found
        if not any(
            cause.first is not None
            and cause.first.index in proven
            and not cause.diagnosis.after < cause.diagnosis.before
            for cause in causes
        )
    ]


def _made_of(graph: RecordedGraph, segment: Segment, values: AbstractSet[int]) -> bool:
    """Whether what a segment ends with is made of some of these values."""
    operations, _ = graph.ancestors(segment.parting.second, set()) if segment.parting.second >= 0 else ([], set())
    return any(values & set(graph.operations[index].outputs) for index in operations)


def _another_order(parting: Parting) -> bool:
    return "another order" in parting.why


def _moved(pair: RecordedPair, segments: Sequence[Segment]) -> tuple[list[Cause], set[int]]:
    """Layers with arrays that stand at another place in the other model, and the segments that this explains."""
    causes, explained = [], set()
    graphs = pair.graphs[FIRST], pair.graphs[SECOND]
    for unit_pair in pair.alignment.pairs:
        units = [graphs[0].units[index] for index in unit_pair.first], [graphs[1].units[unit_pair.second]]
        at = [
            {
                number
                for number, segment in enumerate(segments)
                if any(set(unit.operations) & set(segment.operations[side]) for unit in units[side])
            }
            for side in (0, 1)
        ]
        if at[0] and at[1] and not at[0] & at[1]:
            one, other = units[0][0].path or units[0][0].arrays[0], units[1][0].path or units[1][0].arrays[0]
            first, second = (segments[min(places)] for places in at)
            after = place_of(graphs[0], first)
            change = f"{one} stands at another place in Paddle"
            text = f"{one} / {other}: in TensorFlow it works on what {after} takes, in Paddle at another place"
            gap = second.parting.gap
            causes.append(Cause(Diagnosis(SECOND, one, "", text, gap, gap, change=change)))
            explained |= at[0] | at[1]
    return causes, explained


def _merged_paths(graph: RecordedGraph, name: str) -> set[str]:
    """The layers whose operations lie between the inputs and the output of a step."""
    for step in graph.steps:
        if step.name == name and step.output >= 0:
            operations, _ = graph.ancestors(step.output, set(step.inputs))
            return {graph.path_of(index) for index in operations}
    return set()


def _turned_outputs(pair: RecordedPair) -> list[Cause]:
    """Outputs of the same numbers whose axes are in another order."""
    first, second = pair.graphs[FIRST], pair.graphs[SECOND]
    causes = []
    for (_, one), (_, other) in zip(first.outputs, second.outputs, strict=False):
        shapes = [graph.values[number].shape for graph, number in ((first, one), (second, other))]
        if one in pair.signatures and shapes[0] != shapes[1] and sorted(shapes[0]) == sorted(shapes[1]):
            found = pair.workers[SECOND].value_signatures(pair.name, [other])[0]
            if alike(pair.signatures[one], found, pair.close.exact) and not _as_maps(pair, *shapes):
                stage = place_of(first, Segment(Parting((one,), other, -1, math.nan, ""), ([], []), ([], [])))
                shown = " in TensorFlow, ".join(str(list(shape)) for shape in shapes)
                change = f"the output is transposed: shape {shown} in Paddle"
                causes.append(
                    Cause(Diagnosis(SECOND, stage, "", f"{stage}: {change}", math.inf, math.inf, change=change))
                )
    return causes


def _as_maps(pair: RecordedPair, one: Sequence[int], other: Sequence[int]) -> bool:
    """Whether outputs of these shapes are compared as maps, whose channels each framework has in its own place."""
    maps = len(one) > 3 or (len(one) == 3 and pair.sequences_turned)
    return maps and tuple(other) == (one[0], one[-1], *one[1:-1])


def _same_inputs(walked: Alignment, cause: Cause) -> bool:
    """Whether the steps of a cause take values that are known to agree, where they take several."""
    assert cause.first is not None
    assert cause.second is not None
    taken = [walked.matches[number].first for number in cause.second.inputs if number in walked.matches]
    return len(cause.second.inputs) < 2 or sorted(taken) == sorted(cause.first.inputs)


def _causes(pair: RecordedPair, walked: Alignment, segment: Segment) -> list[Cause]:
    first, second = pair.graphs[FIRST], pair.graphs[SECOND]
    pairs, only_first, only_second = paired_steps(pair, *segment.steps)
    alone = arrays_alone(pair, segment)
    found = [step_causes(pair, walked, segment, one, other, beside=bool(alone)) for one, other in pairs]
    idle = [cause for made in found for cause in made if cause.idle]
    by_pair = [acting for made in found if (acting := [cause for cause in made if not cause.idle])]
    changes = [cause for made in by_pair for cause in made]
    if alone:
        return [*alone, *(cause for cause in changes if math.isfinite(cause.diagnosis.before))]
    unpaired = [
        _only(pair, walked, segment, framework, step)
        for framework, graph, only in ((FIRST, first, only_first), (SECOND, second, only_second))
        for step in (graph.steps[index] for index in only)
        if not step.what.identity_in_inference
        and step.kind not in AUXILIARY
        and not _has_counterpart(pair, framework, step)
    ]
    whole = {c.second.output for c in changes if c.number == "sequences" and c.second is not None}
    unpaired = [c for c in unpaired if c.second is None or c.second.kind != "slice" or not whole & {*c.second.inputs}]
    auxiliary = [c for c in changes if c.first is not None and c.first.kind in AUXILIARY]
    same_inputs = all(_same_inputs(walked, cause) for cause in changes if cause.number == "kind")
    plain = len(by_pair) == 1 and not unpaired and not auxiliary and same_inputs
    if plain and all(math.isfinite(cause.diagnosis.after) for cause in changes):
        return changes
    if not plain and (dropout := dropout_cause(pair, segment)) is not None:
        return [dropout]
    replay = Replay(pair, walked, SECOND, segment.operations[1], segment.parting.second)
    ends = _ends(pair, segment, replay)
    if plain:
        other = other_function(pair, segment, replay, ends[1]) if ends is not None else None
        return changes if other is None else [other]
    for explained in _explanations(pair, walked, segment, replay, ends, by_pair, unpaired) if ends is not None else ():
        if explained:
            return explained
    if ends is not None and len(unpaired) > MOST_UNPAIRED:  # steps of a loop, paired by chance
        return [_unexplained(pair, walked, segment)]
    if ends is not None:  # two steps of other values, which are no counterparts
        changes = [cause for cause in changes if cause.number != "kind" or _same_inputs(walked, cause)]
    known = [cause for cause in changes if cause not in auxiliary] or ([] if ends is not None else changes)
    opaque = {
        framework
        for framework, graph, only in ((FIRST, first, only_first), (SECOND, second, only_second))
        if any(graph.steps[index].kind == "other" and graph.steps[index].layer for index in only)
    }
    sides = {cause.diagnosis.framework for cause in unpaired} | opaque
    if unpaired and (len(sides) == 2 or len(unpaired) > MOST_UNPAIRED):
        return [*known, _unexplained(pair, walked, segment)]
    return [*known, *_grouped(segment, unpaired)] or [*idle, _unexplained(pair, walked, segment)]


def _explanations(
    pair: RecordedPair,
    walked: Alignment,
    segment: Segment,
    replay: Replay,
    ends: tuple[np.ndarray, np.ndarray],
    by_pair: Sequence[Sequence[Cause]],
    unpaired: Sequence[Cause],
) -> Iterator[list[Cause]]:
    """What may explain a segment whole, one way after the other; empty where it does not."""
    own, expected = ends
    changes = [cause for causes in by_pair for cause in causes]
    loop = len(unpaired) > MOST_UNPAIRED  # such as a recurrent cell by hand
    if not loop:
        yield explaining(pair, replay, expected, _remedies(pair, segment, replay, by_pair, [])) or []
    other = other_function(pair, segment, replay, expected)
    yield [other] if other is not None else []
    if unpaired and not loop:
        yield explaining(pair, replay, expected, _remedies(pair, segment, replay, by_pair, unpaired)) or []
    for find in (constant_cause, weight_norm_cause, *(() if loop else (reversed_axis,))):
        cause = find(pair, segment, replay, expected)
        yield [cause] if cause is not None else []
    if all(cause.first is not None and cause.first.kind in AUXILIARY for cause in changes):
        masked = _mask_cause(pair, segment)
        yield [masked] if masked is not None else []
    yield other_numbers(pair, walked, segment, own, *segment.steps)
    if not changes:
        constant = constant_of_operation(pair, walked, segment, replay, expected)
        yield [constant] if constant is not None else []
    if loop:
        yield explaining(pair, replay, expected, _exchanges(pair, segment, replay)) or []
    else:
        taken = other_input(pair, walked, segment, replay, expected)
        yield [taken] if taken is not None else []


def _ends(pair: RecordedPair, segment: Segment, replay: Replay) -> tuple[np.ndarray, np.ndarray] | None:
    """What Paddle and TensorFlow give at the end of a segment."""
    if not segment.parting.first or segment.parting.second < 0 or not segment.operations[1]:
        return None
    return own_and_expected(pair, segment.parting.first[0], replay)


def _remedies(
    pair: RecordedPair,
    segment: Segment,
    replay: Replay,
    by_pair: Sequence[Sequence[Cause]],
    unpaired: Sequence[Cause],
) -> list[Remedy]:
    """What to try, the likeliest first."""
    remedies = [
        of_changes(pair, replay, [cause])
        for causes in by_pair
        for cause in causes
        if cause.number and cause.first is not None and cause.second is not None
    ]
    ones = [cause for cause in unpaired if cause.first is not None]
    others = [cause for cause in unpaired if cause.second is not None]
    roots = begins(pair.graphs[SECOND], segment)
    for same in _alike(ones):  # one function behind all branches does what one in each of them does
        remedies += [Remedy(tuple(same), remedy.made) for remedy in with_function(replay, same[:1], roots)]
    for cause in others:
        remedies += without(replay, cause)
    for cause in others:
        remedies += instead(replay, ones, cause, _exchanged(segment, ones, cause)) if ones else []
    if len(ones) > 1:
        remedies += with_function(replay, ones, roots)
    for causes in by_pair:
        if len(causes) > 1 and all(cause.number for cause in causes):
            remedies.append(of_changes(pair, replay, causes))
    return remedies


def _alike(causes: Sequence[Cause]) -> list[list[Cause]]:
    """Causes that are about the same function, by function."""
    groups: dict[str, list[Cause]] = {}
    for cause in causes:
        groups.setdefault(str(cause.first), []).append(cause)
    return list(groups.values())


def _exchanges(pair: RecordedPair, segment: Segment, replay: Replay) -> list[Remedy]:
    """Activations that TensorFlow's operations have in the place of those that Paddle's functions have."""
    first, second = pair.graphs[FIRST], pair.graphs[SECOND]
    own: dict[str, list[RecordedStep]] = {}
    for step in (second.steps[index] for index in segment.steps[1]):
        if isinstance(step.what, Activation) and len(step.inputs) == 1 and min(step.inputs[0], step.output) >= 0:
            own.setdefault(step.what.key, []).append(step)
    theirs = {first.operations[index].name.lower() for index in segment.operations[0]}
    where, gap, remedies = place_of(first, segment), segment.parting.gap, []
    for name, steps in own.items():
        for other in sorted(theirs - own.keys()):
            if other in PLAIN:
                change = f"activation: TensorFlow has {other}, Paddle {name}"
                text = f"{where} / {steps[0].name}: {change}"
                cause = Cause(Diagnosis(SECOND, where, "act-other", text, gap, gap, change=change), None, steps[0])
                remedies.append(exchanged(replay, steps, PLAIN[other], cause))
    return remedies


def _exchanged(segment: Segment, ones: Sequence[Cause], other: Cause) -> Cause:
    """That Paddle has another function where TensorFlow has one or several."""
    steps = [cause.first for cause in ones if cause.first is not None]
    second, gap = other.second, segment.parting.gap
    names = ", ".join(step.name for step in steps)
    change = f"layer: TensorFlow has {' and '.join(f'({step})' for step in steps)}, Paddle ({second})"
    trap = steps[0].what.traps.get("function", "")
    text = f"{names} / {second.name if second else ''}: {change}"
    diagnosis = Diagnosis(SECOND, ones[0].diagnosis.stage, trap, text, gap, gap, change=change)
    return Cause(diagnosis, steps[0] if len(steps) == 1 else None, second, "kind")


def _before(pair: RecordedPair, walked: Alignment, step: RecordedStep, framework: str) -> str:
    """The TensorFlow layer that gives what a function takes; empty where that is not known."""
    taken = [number for number in step.inputs if number >= 0]
    if framework == SECOND:
        taken = [walked.matches[number].first for number in taken if number in walked.matches]
    return layer_before(pair.graphs[FIRST], max(taken)) if taken else ""


def _only(pair: RecordedPair, walked: Alignment, segment: Segment, framework: str, step: RecordedStep) -> Cause:
    """That only one of the models has a step; placed at the TensorFlow layer in or after which that is."""
    inside = framework == FIRST and (step.layer or "." in step.name)
    stage = step.name if inside else _before(pair, walked, step, framework)
    stage = stage or place_of(pair.graphs[FIRST], segment)
    where = step.name if inside or stage in (step.name, "input") else f"{stage}: {step.name}"
    change, gap = f"({step}) exists in {FRAMEWORKS[framework].title} only", segment.parting.gap
    found = Diagnosis(framework, stage, step.what.missing_trap, f"{where} {change}", gap, gap, change=change)
    return Cause(found, step, None) if framework == FIRST else Cause(found, None, step)


def _grouped(segment: Segment, unpaired: Sequence[Cause]) -> list[Cause]:
    """Functions that only one of the models has as one cause; layers, and what is a trap, as one each."""
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


def _mask_cause(pair: RecordedPair, segment: Segment) -> Cause | None:
    """A mask that only one of the models makes of its input."""
    masks = [
        _has_mask(pair.graphs[framework], segment.operations[side]) for side, framework in enumerate((FIRST, SECOND))
    ]
    if masks[0] == masks[1]:
        return None
    has, lacks = (FRAMEWORKS[framework].title for framework in ((FIRST, SECOND) if masks[0] else (SECOND, FIRST)))
    where = place_of(pair.graphs[FIRST], segment)
    change, gap = f"mask: {has} has one, {lacks} has none", segment.parting.gap
    return Cause(Diagnosis(SECOND, where, "", f"{where}: {change}", gap, gap, change=change))


def _has_mask(graph: RecordedGraph, operations: Sequence[int]) -> bool:
    """Whether operations make or take truth values that are made of the model's inputs, with no array between."""
    for index in operations:
        operation = graph.operations[index]
        for number in (*operation.outputs, *operation.inputs):
            if graph.values[number].dtype == "bool" and graph.data[number]:
                made, _ = graph.ancestors(number, set())
                if not any(graph.arrays_of(before) for before in made):
                    return True
    return False


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


def _unexplained(pair: RecordedPair, walked: Alignment, segment: Segment) -> Cause:
    first, second = pair.graphs[FIRST], pair.graphs[SECOND]
    gap, where = segment.parting.gap, place_of(first, segment)
    turned = _turned(pair, walked, segment) or _reordered(pair, walked, segment)
    if turned is not None or segment.mixed or _another_order(segment.parting):
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
