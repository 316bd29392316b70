"""Which of several possible causes explain a segment: those with which Paddle's part of it gives TensorFlow's numbers.

Each possible cause is taken away in the numbers alone, by a reference in numpy for one of Paddle's steps, and what
comes after it in the segment runs again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from msgspec import structs

from parity.kinds.activation import Activation, Softmax
from parity.kinds.elementwise import Clip, Math, Power, Scale
from parity.migration.align.recorded_graph import RecordedStep
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.explain.causes import Cause
from parity.migration.explain.replays import Changes, Replay, close, closing_gap
from parity.migration.explain.step_effects import as_rows, inputs_of, reference
from parity.migration.specs import FIRST
from parity.numerics.arrays import Arrays

MOST_PLACES = 12  # in a segment, at which a function that Paddle does not have is tried

Order = Callable[[np.ndarray], np.ndarray]

ORDERS: tuple[Order, ...] = (  # in which Paddle may have what is [n, ..., c]
    lambda x: x,
    lambda x: np.moveaxis(x, -1, 1) if x.ndim > 3 else x,
    lambda x: np.moveaxis(x, -1, 1) if x.ndim > 2 else x,
)

BACK: tuple[Order, ...] = (
    lambda x: x,
    lambda x: np.moveaxis(x, 1, -1) if x.ndim > 3 else x,
    lambda x: np.moveaxis(x, 1, -1) if x.ndim > 2 else x,
)


@dataclass(frozen=True)
class Remedy:
    """How Paddle's values change without one or several possible causes.

    Attributes:
        causes: that it takes away.
        made: of what was changed already, what else to change; None where that is not known.
    """

    causes: tuple[Cause, ...]
    made: Callable[[Changes], Changes | None]


def explaining(
    pair: RecordedPair, replay: Replay, expected: np.ndarray, remedies: Sequence[Remedy]
) -> list[Cause] | None:
    """The fewest causes that explain a segment.

    Args:
        pair: after a traced walk.
        replay: of Paddle's operations in it.
        expected: TensorFlow's numbers at its end, in Paddle's order.
        remedies: for possible causes; those of several at once come last.

    Returns:
        The causes of the first remedy after which the segment gives what TensorFlow does, else those of the fewest that
        do together; None where nothing of the kind was found.
    """

    def left_by(some: Sequence[Remedy]) -> float | None:
        changes: Changes = {}
        for remedy in some:
            more = remedy.made(changes)
            if more is None:
                return None
            changes = {**changes, **more}
        at_end = changes[replay.end] if replay.end in changes else replay.at_end(changes)
        return closing_gap(pair, expected, at_end)

    for remedy in remedies:
        if (left := left_by([remedy])) is not None:
            return [_proven(cause, left) for cause in remedy.causes]
    single = [remedy for remedy in remedies if len(remedy.causes) == 1 and remedy.made({}) is not None]
    if len(single) < 2 or (left := left_by(single)) is None:
        return None
    for remedy in list(single):
        rest = [other for other in single if other is not remedy]
        if rest and (fewer := left_by(rest)) is not None:
            single, left = rest, fewer
    causes: list[Cause] = []
    for remedy in single:
        causes += [_proven(cause, left) for cause in remedy.causes if cause.key not in {known.key for known in causes}]
    return causes


def _proven(cause: Cause, left: float) -> Cause:
    """A cause without which, together with the others, so much is left of the gap; its own measurement is kept."""
    own = cause.diagnosis.after
    after = own if own < cause.diagnosis.before else left
    return dataclasses.replace(cause, diagnosis=structs.replace(cause.diagnosis, after=after))


def of_changes(pair: RecordedPair, replay: Replay, causes: Sequence[Cause]) -> Remedy:
    """One Paddle step with TensorFlow's numbers.

    Args:
        pair: after a traced walk.
        replay: of Paddle's operations in the segment.
        causes: of one pair of steps, the numbers.
    """
    first, second = causes[0].first, causes[0].second
    assert first is not None
    assert second is not None
    keys = [cause.number for cause in causes]
    arrays = pair.workers[FIRST].read_step_arrays(pair.name, first.index)
    kind, numbers = _changed_numbers(first, second, keys)

    def made(changes: Changes) -> Changes | None:
        theirs = inputs_of(pair, first) or []
        own = 3 if {"added", "mask"} & set(keys) else 1 if "masked" in keys else len(second.inputs)
        return remade(pair, replay, second, changes, arrays, (kind, numbers), own=own, more=theirs)

    return Remedy(tuple(causes), made)


def remade(
    pair: RecordedPair,
    replay: Replay,
    step: RecordedStep,
    changes: Changes,
    arrays: Arrays,
    other: tuple[str, Mapping[str, Any]],
    *,
    order: Sequence[int] = (),
    own: int | None = None,
    more: Sequence[np.ndarray] = (),
) -> Changes | None:
    """What a Paddle step would give if it computed something else, by the reference.

    Args:
        pair: after a traced walk.
        replay: of Paddle's operations in a segment.
        step: in the segment.
        changes: what is changed already.
        arrays: of the step.
        other: the kind and numbers that it is given.
        order: of its inputs in the other one; as they are if empty.
        own: the other one takes so many of its inputs; None for all.
        more: inputs of TensorFlow's, of which the other one takes those behind.

    Returns:
        The output by its number; None where the reference does not give what the step does.
    """
    if step.output < 0 or min(step.inputs, default=-1) < 0:
        return None
    values = replay.values(changes, [*step.inputs, step.output])
    if values is None:
        return None
    output = 1.0 * values[step.output]  # of truth values, too
    raw = [values[number] for number in step.inputs]
    for forth, back in zip(ORDERS, BACK, strict=True):
        taken = [as_rows(back(array)) for array in raw]
        before = reference(step.kind, step.numbers, taken, arrays)
        given = [taken[index] for index in order] if order else taken[:own]
        after = reference(*other, [*given, *more[len(given) :]], arrays)
        if before is None or after is None:
            continue
        if values[step.output].dtype.kind in "iu":
            before = np.trunc(before)
        for turn in (forth, *ORDERS):
            if close(pair, output, _shaped(1.0 * turn(before), output.shape)):
                shaped = _shaped(turn(after), output.shape)
                return {step.output: turn(after) if shaped is None else shaped}
    return None


def _shaped(array: np.ndarray, shape: Sequence[int]) -> np.ndarray | None:
    return array.reshape(shape) if array.size == np.prod(shape) else None


def _changed_numbers(first: RecordedStep, second: RecordedStep, keys: Sequence[str]) -> tuple[str, Mapping[str, Any]]:
    """Kind and numbers of a Paddle step with some of TensorFlow's numbers."""
    if {"kind", "function"} & set(keys):
        return first.kind, first.numbers
    own = {key: getattr(first.what, key) for key in keys}
    if "mask" in own or "added" in own:
        own |= {key: getattr(first.what, key) for key in ("mask", "added")}
    return second.kind, second.numbers | own


def without(replay: Replay, cause: Cause) -> list[Remedy]:
    """Paddle's segment without a function that only Paddle has, which then gives what it takes.

    Args:
        replay: of Paddle's operations in the segment.
        cause: that only Paddle has the step.
    """
    step = cause.second
    assert step is not None
    shapes = [replay.graph.values[number].shape if number >= 0 else None for number in (step.output, *step.inputs)]

    def giving(number: int) -> Remedy:
        def made(changes: Changes) -> Changes | None:
            values = replay.values(changes, [number])
            return None if values is None else {step.output: values[number]}

        return Remedy((cause,), made)

    alike = [n for n, shape in zip(step.inputs, shapes[1:], strict=True) if shape is not None and shape == shapes[0]]
    return [giving(number) for number in alike]


def with_function(replay: Replay, causes: Sequence[Cause], roots: Sequence[int]) -> list[Remedy]:
    """Paddle's segment with functions, one after the other, that only TensorFlow has.

    Args:
        replay: of Paddle's operations in the segment.
        causes: that only TensorFlow has the steps.
        roots: values at which the segment begins.

    Returns:
        One remedy for each place at which they may belong; none for what does not work on each number for itself.
    """
    steps = [cause.first for cause in causes if cause.first is not None]
    if not all(elementwise(step) for step in steps):
        return []
    made_values = [number for index in replay.operations for number in replay.graph.operations[index].outputs]
    floating = [n for n in (*reversed(made_values), *roots) if replay.graph.values[n].floating]

    def at(number: int) -> Remedy:
        def made(changes: Changes) -> Changes | None:
            values = replay.values(changes, [number])
            return None if values is None else {number: _applied(steps, values[number])}

        return Remedy(tuple(causes), made)

    return [at(number) for number in floating[:MOST_PLACES]]


def instead(replay: Replay, causes: Sequence[Cause], cause: Cause, joint: Cause) -> list[Remedy]:
    """Paddle's segment with TensorFlow's functions in the place of one of Paddle's.

    Args:
        replay: of Paddle's operations in the segment.
        causes: that only TensorFlow has some steps.
        cause: that only Paddle has a step.
        joint: what is said of both.
    """
    steps = [one.first for one in causes if one.first is not None]
    other = cause.second
    assert other is not None
    if not steps or not all(elementwise(step) for step in steps) or len(other.inputs) != 1 or other.inputs[0] < 0:
        return []

    def made(changes: Changes) -> Changes | None:
        values = replay.values(changes, [other.inputs[0]])
        return None if values is None else {other.output: _applied(steps, values[other.inputs[0]])}

    return [Remedy((joint,), made)]


def exchanged(replay: Replay, steps: Sequence[RecordedStep], function: Activation, cause: Cause) -> Remedy:
    """Paddle's segment with another activation in the place of all that it has of one kind.

    Args:
        replay: of Paddle's operations in the segment.
        steps: Paddle's, of one function, in their order.
        function: in its place.
        cause: that this is what differs.
    """

    def made(changes: Changes) -> Changes | None:
        more: dict[int, np.ndarray] = {}
        for step in steps:
            values = replay.values({**changes, **more}, [step.inputs[0]])
            if values is None:
                return None
            more[step.output] = function.of(values[step.inputs[0]])
        return more

    return Remedy((cause,), made)


def _applied(steps: Sequence[RecordedStep], array: np.ndarray) -> np.ndarray:
    for step in steps:
        array = step.what.compute([array], {})
    return array


def elementwise(step: RecordedStep) -> bool:
    """Whether a step is a known function of each number for itself, without arrays.

    Args:
        step: of either model.
    """
    what = step.what
    if isinstance(what, Scale):
        return isinstance(what.scale, float) and isinstance(what.offset, float)
    if isinstance(what, Activation):
        named = {field.name for field in fields(what)}
        return not step.shapes and not isinstance(what, Softmax) and "called" not in named
    return isinstance(what, (Clip, Power, Math))
