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
from parity.migration.explain.causes import Cause
from parity.migration.explain.constants import constant_cause
from parity.migration.explain.hypotheses import other_numbers
from parity.migration.explain.other_functions import other_function
from parity.migration.explain.other_inputs import other_input, reversed_axis
from parity.migration.explain.relevance import relevant
from parity.migration.explain.remedies import Remedy, exchanged, explaining, instead, of_changes, with_function, without
from parity.migration.explain.replays import Replay, own_and_expected
from parity.migration.explain.segments import Segment, begins, place_of, segment_of
from parity.migration.explain.single_operations import constant_of_operation
from parity.migration.explain.step_causes import step_causes
from parity.migration.explain.step_changes import AUXILIARY
from parity.migration.explain.steps import paired_steps
from parity.migration.explain.unexplained import of_another_order, unexplained
from parity.migration.explain.unpaired import grouped_functions, unpaired_steps
from parity.migration.explain.weight_norm import weight_norm_cause
from parity.migration.specs import FIRST, SECOND
from parity.numerics.signature import alike
from parity.records.records import Diagnosis
from parity.workers.errors import WorkerError
from parity.workers.frameworks import FRAMEWORKS

MOST_UNPAIRED = 12  # functions of a segment without a counterpart, up to which each is tried

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
    segments = [segment for segment in segments if any(segment.operations) or of_another_order(segment.parting)]
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
        return [unexplained(pair, walked, segment)]


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


def same_inputs_of(walked: Alignment, cause: Cause) -> bool:
    """Whether the steps of a cause take values that are known to agree, where they take several.

    Args:
        walked: a traced walk.
        cause: about a step of either model.
    """
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
    unpaired = unpaired_steps(pair, walked, segment, only_first, only_second)
    whole = {c.second.output for c in changes if c.number == "sequences" and c.second is not None}
    unpaired = [c for c in unpaired if c.second is None or c.second.kind != "slice" or not whole & {*c.second.inputs}]
    auxiliary = [c for c in changes if c.first is not None and c.first.kind in AUXILIARY]
    same_inputs = all(same_inputs_of(walked, cause) for cause in changes if cause.number == "kind")
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
        return [unexplained(pair, walked, segment)]
    if ends is not None:  # two steps of other values, which are no counterparts
        changes = [cause for cause in changes if cause.number != "kind" or same_inputs_of(walked, cause)]
    known = [cause for cause in changes if cause not in auxiliary] or ([] if ends is not None else changes)
    opaque = {
        framework
        for framework, graph, only in ((FIRST, first, only_first), (SECOND, second, only_second))
        if any(graph.steps[index].kind == "other" and graph.steps[index].layer for index in only)
    }
    sides = {cause.diagnosis.framework for cause in unpaired} | opaque
    if unpaired and (len(sides) == 2 or len(unpaired) > MOST_UNPAIRED):
        return [*known, unexplained(pair, walked, segment)]
    return [*known, *grouped_functions(segment, unpaired)] or [*idle, unexplained(pair, walked, segment)]


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


def _mask_cause(pair: RecordedPair, segment: Segment) -> Cause | None:
    """A mask that only one of the models makes of its input."""
    masks = [
        _has_mask(pair.graphs[framework], segment.operations[side]) for side, framework in enumerate((FIRST, SECOND))
    ]
    if masks[0] == masks[1]:
        return None
    has = FRAMEWORKS[FIRST if masks[0] else SECOND].title
    where = place_of(pair.graphs[FIRST], segment)
    change, gap = f"truth values, such as a mask, are made of the input in {has} only", segment.parting.gap
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
