"""A function of Paddle's code that computes another one than it should: proven by Paddle's own segment, run again.

Where TensorFlow has one layer, Paddle's code may have several functions: a mean over a mask by a sum and a division. No
step of TensorFlow's then says what each of them should be. So each is tried as others of its kind, by a reference in
numpy, and the one with which the segment gives TensorFlow's numbers is the cause.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from parity.kinds import of
from parity.kinds.activation import ELU, SELU, Activation, ReLU, ReLU6, Sigmoid, Softmax, Softplus, Softsign, Tanh
from parity.kinds.elementwise import RELATIONS, Compare, Divide, Subtract, Where
from parity.kinds.kind import Kind, shown
from parity.kinds.pad import MODES, Pad, ZeroPad
from parity.kinds.pool import GlobalAveragePool, GlobalMaxPool
from parity.kinds.reduction import CumulativeSum, Reduce
from parity.kinds.shape import Concat, Slice, Stack
from parity.migration.align.recorded_graph import RecordedStep
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.explain.causes import Cause
from parity.migration.explain.remedies import remade
from parity.migration.explain.replays import Replay, closing_gap
from parity.migration.explain.segments import Segment, place_of
from parity.migration.specs import FIRST, SECOND
from parity.records.records import Diagnosis

# by name of TensorFlow's operation, with the numbers that no argument of it changes
OPERATIONS: dict[str, Activation] = {
    "Elu": ELU(1.0),
    "Relu": ReLU(),
    "Relu6": ReLU6(),
    "Selu": SELU(),
    "Sigmoid": Sigmoid(),
    "Softplus": Softplus(1.0, None),
    "Softsign": Softsign(),
    "Tanh": Tanh(),
}

REDUCTIONS = ("sum", "mean", "max", "min")

MOST = 16  # functions of a segment up to which each is tried

Variant = tuple[str, str, Kind, Sequence[int]]  # what differs in words, what it should be, the kind, order of inputs


def other_function(pair: RecordedPair, segment: Segment, replay: Replay, expected: np.ndarray) -> Cause | None:
    """Whether a segment differs by nothing but one of Paddle's functions.

    Args:
        pair: whose graphs are those of a traced walk.
        segment: of it.
        replay: of Paddle's operations in the segment.
        expected: TensorFlow's numbers at its end, in Paddle's order.

    Returns:
        The cause, proven: with another function of the kind in its place the segment gives `expected`. None for none.

    Raises:
        WorkerError: a worker fails.
    """
    steps = [pair.graphs[SECOND].steps[index] for index in segment.steps[1]]
    if len(steps) > MOST:
        return None
    first = pair.graphs[FIRST]
    seen = {first.steps[index].what.key for index in segment.steps[0]}  # as steps, of which more is known
    names = [first.operations[index].name for index in segment.operations[0]]
    theirs = [name for name in names if name in OPERATIONS and OPERATIONS[name].key not in seen]
    for step in steps:
        if step.shapes or step.output < 0:
            continue
        for number, value, kind, order in _variants(step, _rank(replay, step), theirs):
            change = remade(pair, replay, step, {}, {}, (kind.name, kind.numbers()), order=order)
            left = None if change is None else closing_gap(pair, expected, replay.at_end(change))
            if left is not None:
                return _cause(pair, segment, step, number, value, left)
    return None


def _rank(replay: Replay, step: RecordedStep) -> int:
    return len(replay.graph.values[step.inputs[0]].shape) if step.inputs and step.inputs[0] >= 0 else 0


def _variants(step: RecordedStep, rank: int, theirs: Sequence[str]) -> Iterator[Variant]:
    """What else a function could be beside these of TensorFlow's operations, the likeliest first."""
    what, order = step.what, range(len(step.inputs))

    def with_number(key: str, value: Any) -> Variant:
        return what.label(key), shown(value), of(step.kind, step.numbers | {key: value}), order

    if isinstance(what, Reduce):
        yield from (with_number("function", name) for name in REDUCTIONS if name != what.function)
    elif isinstance(what, (GlobalAveragePool, GlobalMaxPool)) and rank > 2:
        same = "mean" if isinstance(what, GlobalAveragePool) else "max"
        for name in REDUCTIONS:
            if name != same:
                yield "reduction", name, Reduce(name, list(range(1, rank - 1))), order
    elif isinstance(what, Compare):
        yield from (with_number("relation", name) for name in RELATIONS if name != what.relation)
    elif isinstance(what, CumulativeSum):
        yield from (with_number(key, not getattr(what, key)) for key in ("exclusive", "backwards"))
    elif isinstance(what, Softmax):
        own = -1 if what.axis is None else what.axis
        yield from (with_number("axis", axis) for axis in range(1, rank) if axis != own % rank)
    elif isinstance(what, Activation):
        for activation in (OPERATIONS[name] for name in dict.fromkeys(theirs)):
            if activation != what:
                yield "activation", _named(activation), activation, order
    elif isinstance(what, Pad):
        yield from (with_number("mode", mode) for mode in MODES if mode != what.mode)
    elif isinstance(what, ZeroPad) and rank in (3, 4):
        sides = [*what.padding[4 - rank :], [0, 0]]
        # the border of a max pool; it comes first, as a copy of numbers inside changes no largest one either
        yield "pad value", "-inf", Pad(sides, "constant", -math.inf), order
        yield from (("pad mode", mode, Pad(sides, mode), order) for mode in MODES if mode != "constant")
    elif isinstance(what, Slice):
        for axis, part in enumerate(what.index):
            if axis and isinstance(part, int):
                for other in (0, -1):
                    yield with_number("index", [*what.index[:axis], other, *what.index[axis + 1 :]])
    elif isinstance(what, Where):
        if what.true is None and what.false is None:
            yield "order of where", "the opposite one", what, (0, 2, 1)
        else:
            yield "order of where", "the opposite one", Where(what.false, what.true), order
    elif isinstance(what, (Subtract, Divide, Concat, Stack)) and len(step.inputs) > 1:
        yield f"order of {step.kind} operands", "the opposite one", what, order[::-1]


def _named(activation: Activation) -> str:
    numbers = ", ".join(f"{name} {shown(value)}" for name, value in activation.numbers().items() if name != "function")
    return f"{activation.key} ({numbers})" if numbers else activation.key


def _cause(pair: RecordedPair, segment: Segment, step: RecordedStep, number: str, value: str, left: float) -> Cause:
    where, gap = place_of(pair.graphs[FIRST], segment), segment.parting.gap
    change = f"{number}: PaddlePaddle has {step}; what TensorFlow computes comes of {value}"
    before = f" from {gap:.1e}" if math.isfinite(gap) else ""
    text = f"{where} / {step.name}: {change}; with it the gap falls{before} to {left:.1e}"
    todo = {SECOND: f"{number} of {step.name}: {value}"}
    return Cause(Diagnosis(SECOND, where, "", text, gap, left, change=change), second=step, todo=todo)
