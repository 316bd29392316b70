"""The causes that two corresponding steps are: what of their differences shows in what they compute."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from parity.kinds.attention import Attention
from parity.kinds.kind import shown
from parity.kinds.recurrent import Recurrent
from parity.migration.align.axis_orders import closest
from parity.migration.align.found import Alignment
from parity.migration.align.recorded_graph import RecordedGraph, RecordedStep
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.explain.causes import Cause
from parity.migration.explain.replays import Replay
from parity.migration.explain.segments import Segment, padding_layer, place_of
from parity.migration.explain.step_changes import AUXILIARY, Change, change_text, changes_of
from parity.migration.explain.step_effects import changed_effect, confirmed_gap, effect_of, inputs_of, reference
from parity.migration.specs import FIRST, SECOND
from parity.numerics.arrays import Arrays
from parity.numerics.comparison import relative_gap
from parity.numerics.signature import alike
from parity.records.records import Diagnosis


def step_causes(
    pair: RecordedPair, walked: Alignment, segment: Segment, one: int, other: int, *, beside: bool = False
) -> list[Cause]:
    """In what two corresponding steps differ, confirmed by a reference where there is one.

    Args:
        pair: whose graphs are those of a traced walk.
        walked: that walk.
        segment: in which the steps are.
        one: index of the TensorFlow step.
        other: index of the Paddle step.
        beside: whether something else explains the segment, too, so that what shows nothing here is left out.

    Returns:
        A cause for each number that changes something.

    Raises:
        WorkerError: a worker fails.
    """
    first, second = pair.graphs[FIRST].steps[one], pair.graphs[SECOND].steps[other]
    changes = _without_equal_masks(pair, first, second, changes_of(first, second))
    where = f"{first.name} / {second.name}"
    stage = place_of(pair.graphs[FIRST], segment) if first.kind in AUXILIARY and not first.layer else first.name
    if not changes or same_in_place(pair, first, second, walked):
        return _order_causes(pair, segment, where, first, second, _order(pair, walked, first, second))
    inputs, arrays = inputs_of(pair, first), pair.workers[FIRST].read_step_arrays(pair.name, first.index)
    effects = {key: changed_effect(first, second, key, inputs, arrays) for key, _, _ in changes}
    effects |= {key: None for key, a, _ in changes if hasattr(second.what, key) and getattr(second.what, key) == a}
    confirmed = confirmed_gap(pair, first, inputs, arrays)
    least = _least_effect(pair, segment, confirmed)
    if len(changes) > 1 or beside:  # less those that change nothing here, or only what the rest of the model undoes
        finite = any(effect is None or least < effect < math.inf for effect in effects.values())
        undone = (finite or beside) and math.isfinite(segment.parting.gap)
        changes = [
            change
            for change in changes
            if (effect := effects[change[0]]) is None or (effect > least and not (undone and effect == math.inf))
        ]
    changes = _sufficient(pair, first, second, changes, inputs, arrays)
    if len(changes) > 1:
        all_numbers = second.kind, second.numbers
        effects = dict.fromkeys(effects, effect_of(first, all_numbers, inputs, arrays))
    causes = []
    for key, a, b in changes:
        effect = effects[key]
        idle = effect is not None and effect <= least
        before = segment.parting.gap if effect is None or idle or not math.isfinite(effect) else effect
        if math.isnan(before) and confirmed is not None:  # nothing was measured that could fall
            continue
        change = change_text(first, second, key, a, b)
        padders = [
            padding_layer(graph, step) for graph, step in zip(pair.graphs.values(), (first, second), strict=True)
        ]
        place, label = stage, where
        if key == "padding" and padders[0]:  # the layer where it is written
            place, label = padders[0], f"{padders[0]} / {padders[1] or second.name}"
        others = [first.what.label(other) for other, _, _ in changes if other != key]
        together = f", and with TensorFlow's {' and '.join(others)} beside it," if others else ""
        measured = confirmed is not None and not idle
        tail = f"; with {shown(a)}{together} the gap falls from {before:.1e} to {confirmed:.1e}" if measured else ""
        tail = "; it changes nothing of what this step makes here" if idle else tail
        after = confirmed if confirmed is not None and measured else math.nan
        trap = first.what.traps.get(key, "")
        diagnosis = Diagnosis(SECOND, place, trap, f"{label}: {change}{tail}", before, after, change=change)
        causes.append(Cause(diagnosis, first, second, key, idle=idle))
    return causes


def _least_effect(pair: RecordedPair, segment: Segment, confirmed: float | None) -> float:
    """The largest effect of a number that may be one of rounding."""
    if confirmed is None or segment.parting.float32:
        return pair.close.confirmed
    return min(max(pair.close.exact, 16 * confirmed), pair.close.confirmed)


def _sufficient(
    pair: RecordedPair,
    first: RecordedStep,
    second: RecordedStep,
    changes: list[Change],
    inputs: list[np.ndarray] | None,
    arrays: Arrays,
) -> list[Change]:
    """The one of several changes that is enough by itself, where there is one, else all: they act together."""
    if len(changes) > 1 and inputs is not None:
        expected = reference(first.kind, first.numbers, inputs, arrays)
        for change in changes:
            numbers = second.numbers | {change[0]: getattr(first.what, change[0])}
            made = reference(second.kind, numbers, inputs, arrays)
            if expected is None or made is None or made.shape != expected.shape:
                continue
            if relative_gap(expected, made) <= pair.close.shown:
                return [change]
    return changes


def _without_equal_masks(
    pair: RecordedPair, first: RecordedStep, second: RecordedStep, changes: list[Change]
) -> list[Change]:
    """The changes of two attention or recurrent layers, with what is said of masks by what these let through."""
    kinds = first.what, second.what
    if all(isinstance(kind, Attention) for kind in kinds):
        key, at, seen = "mask", 3, "keys"
    elif all(isinstance(kind, Recurrent) and kind.masked for kind in kinds):
        key, at, seen = "masked", 1, "steps"
    else:
        return changes
    masks = []
    for framework, step in ((FIRST, first), (SECOND, second)):
        if len(step.inputs) <= at or step.inputs[at] < 0:
            return changes
        mask = pair.workers[framework].read_values(pair.name, [step.inputs[at]])[str(step.inputs[at])]
        added = isinstance(step.what, Attention) and step.what.added
        masks.append(mask > -1e3 if added and mask.dtype.kind == "f" else mask != 0 if key == "mask" else mask)
    others = [change for change in changes if change[0] not in ("mask", "added")]
    try:
        one, other = _alike_masks(masks)
    except ValueError:
        return changes
    if np.array_equal(one, other):
        return others
    return [*others, (key, getattr(first.what, key), f"one by which other {seen} are seen")]


def _alike_masks(masks: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Two masks in one shape; those of sequences may be lengths. Raises ValueError where there is none."""
    steps = max((mask.shape[1] for mask in masks if mask.ndim == 2), default=0)
    if steps and min(mask.ndim for mask in masks) == 1:
        masks = [mask != 0 if mask.ndim == 2 else np.arange(steps) < mask[:, None] for mask in masks]
    rank = max(mask.ndim for mask in masks)
    one, other = np.broadcast_arrays(*(mask if mask.ndim == rank else np.expand_dims(mask, 1) for mask in masks))
    return one, other


def same_in_place(
    pair: RecordedPair, first: RecordedStep, second: RecordedStep, walked: Alignment | None = None
) -> bool:
    """Whether Paddle's step makes of what it takes, with axes in the order of TensorFlow's, what TensorFlow's would.

    A tensor of four axes may hold maps or the heads of an attention, and a number of an axis means another one in each.

    Args:
        pair: after a walk.
        first: TensorFlow's step.
        second: Paddle's.
        walked: that walk, which may have put TensorFlow's numbers in the place of what Paddle's step makes.

    Raises:
        WorkerError: a worker fails.
    """
    numbers = (*first.inputs, first.output, *second.inputs, second.output)
    if min(numbers) < 0 or first.shapes or second.shapes or len(first.inputs) != len(second.inputs):
        return False
    theirs = pair.workers[FIRST].read_values(pair.name, [*first.inputs, first.output])
    own = pair.workers[SECOND].read_values(pair.name, [*second.inputs, second.output])
    if walked is not None and second.output in walked.injected:
        graph = pair.graphs[SECOND]
        operations = [i for i in graph.ancestors(second.output, set(second.inputs))[0] if graph.on_data(i)]
        if (output := Replay(pair, walked, SECOND, operations, second.output).at_end({})) is None:
            return False
        own[str(second.output)] = output
    for one, other in zip((*first.inputs, first.output), (*second.inputs, second.output), strict=True):
        if not _in_one_order(theirs[str(one)], own[str(other)]):
            return False
    made = reference(first.kind, first.numbers, [own[str(number)] for number in second.inputs], {})
    output = own[str(second.output)]
    return made is not None and made.shape == output.shape and relative_gap(output, made) <= pair.close.confirmed


def _in_one_order(theirs: np.ndarray, own: np.ndarray) -> bool:
    """Whether two tensors have their axes in one order: by their extents, where channels elsewhere would show there."""
    if theirs.shape != own.shape or theirs.ndim < 3:
        return theirs.shape == own.shape
    if np.moveaxis(theirs, -1, 1).shape != own.shape:
        return True
    nearest = closest(theirs, own)
    return nearest is not None and np.array_equal(nearest, theirs)


def _order(pair: RecordedPair, walked: Alignment, first: RecordedStep, second: RecordedStep) -> list[int]:
    """Which of TensorFlow's inputs each of Paddle's is, where two steps take the same values in another order."""
    own = [walked.matches[n].first if n in walked.matches else -1 for n in second.inputs]
    if not first.what.ordered or len(own) < 2 or list(first.inputs) == own:
        return []
    firsts = [pair.signatures.get(n) for n in first.inputs]
    seconds = [pair.signatures.get(n) for n in own]
    if None in firsts or None in seconds:
        return []
    order = [
        next((i for i, one in enumerate(firsts) if one and other and alike(one, other, pair.close.exact)), -1)
        for other in seconds
    ]
    return order if sorted(order) == list(range(len(firsts))) != order else []


def _order_causes(
    pair: RecordedPair, segment: Segment, where: str, first: RecordedStep, second: RecordedStep, order: Sequence[int]
) -> list[Cause]:
    """That two steps take the same values in another order, where there is one."""
    if not order:
        return []
    names = [_made_by(pair.graphs[FIRST], n) or str(i + 1) for i, n in enumerate(first.inputs)]
    if len(set(names)) < len(names):  # such as a layer that runs twice
        names = [f"{name} ({i + 1})" for i, name in enumerate(names)]
    theirs = ", ".join(names[i] for i in order)
    what = "concatenation" if first.kind == "concat" else first.kind
    change = f"order of {what}: TensorFlow has {', '.join(names)}, Paddle {theirs}"
    inputs, arrays = inputs_of(pair, first), pair.workers[FIRST].read_step_arrays(pair.name, first.index)
    left = confirmed_gap(pair, first, inputs, arrays)
    gap = segment.parting.gap
    after = math.nan if left is None else left
    return [Cause(Diagnosis(SECOND, first.name, "", f"{where}: {change}", gap, after, change=change), first, second)]


def _made_by(graph: RecordedGraph, number: int) -> str:
    """The layer in which a value was made, or the input that it is; empty for neither."""
    index = graph.producer.get(number)
    return graph.values[number].name if index is None else graph.path_of(index)
