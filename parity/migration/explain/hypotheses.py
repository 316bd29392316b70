"""A TensorFlow layer with other numbers that computes what Paddle's functions do, where Paddle has no such layer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, fields
from typing import Any

import numpy as np

from parity.kinds import ACTIVATIONS
from parity.kinds.activation import Activation, Linear, OtherActivation
from parity.kinds.attention import Attention
from parity.kinds.elementwise import Power, Scale
from parity.kinds.kind import shown
from parity.kinds.norm import EPSILONS, BatchNorm, in_both_precisions
from parity.kinds.recurrent import Recurrent
from parity.migration.align.axis_orders import closest
from parity.migration.align.found import Alignment
from parity.migration.align.recorded_graph import RecordedGraph, RecordedStep
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.explain.causes import Cause
from parity.migration.explain.replays import Replay, between, closing_gap
from parity.migration.explain.segments import Segment
from parity.migration.explain.step_effects import inputs_of, reference
from parity.migration.specs import FIRST, SECOND
from parity.numerics.arrays import Arrays
from parity.records.records import Diagnosis
from parity.workers.frameworks import FRAMEWORKS

RECURRENT_FUNCTIONS = ("tanh", "sigmoid", "relu", "linear", "hard_sigmoid", "softsign", "silu", "gelu")

Variant = tuple[str, Any, dict[str, Any]]  # the number, its value, all numbers


def other_numbers(
    pair: RecordedPair,
    walked: Alignment,
    segment: Segment,
    own: np.ndarray,
    steps: Sequence[int],
    others: Sequence[int],
) -> list[Cause]:
    """Find a TensorFlow layer of a segment that gives Paddle's numbers once one of its own is another one.

    Args:
        pair: whose graphs are those of a traced walk.
        walked: that walk.
        segment: without a counterpart of the layer in Paddle.
        own: what Paddle gives at its end.
        steps: indices of TensorFlow steps in it.
        others: indices of Paddle steps in it, whose constants are tried.

    Returns:
        One cause, or none.

    Raises:
        WorkerError: a worker fails.
    """
    graph = pair.graphs[FIRST]
    paddle = [pair.graphs[SECOND].steps[index] for index in others]
    for index in steps:
        step = graph.steps[index]
        inputs = inputs_of(pair, step)
        if inputs is None or step.output < 0 or not segment.parting.first:
            continue
        arrays = pair.workers[FIRST].read_step_arrays(pair.name, step.index)
        theirs = pair.workers[FIRST].read_values(pair.name, [step.output])[str(step.output)]
        plain = reference(step.kind, step.numbers, inputs, arrays)
        if plain is None:
            continue
        if _gap(pair, theirs, plain) is None:
            batch = _by_batch(step.what, inputs[0], arrays) if isinstance(step.what, BatchNorm) else None
            left = _gap(pair, theirs, batch) if batch is not None else None
            if left is not None:
                change = (
                    "training mode: TensorFlow uses the batch's own statistics in inference, Paddle the running ones"
                )
                gap, text = segment.parting.gap, f"{step.name}: {change}"
                return [Cause(Diagnosis(SECOND, step.name, "bn-frozen", text, gap, left, change=change), step, None)]
            continue
        compared = _Compared(pair, walked, segment, own, step)
        for key, value, numbers in _variants(step, inputs, arrays, paddle):
            made = reference(step.kind, numbers, inputs, arrays)
            left = compared.gap(made) if made is not None and made.size == plain.size else None
            if left is not None:
                before = getattr(step.what, key) if key != "function" else step.what.key
                change = f"{step.what.label(key)}: TensorFlow has {_words(step, key, before)}, Paddle {shown(value)}"
                text = f"{step.name}: {change}; with {shown(value)} it gives what Paddle does"
                gap = segment.parting.gap
                diagnosis = Diagnosis(SECOND, step.name, step.what.traps.get(key, ""), text, gap, left, change=change)
                label, wanted = step.what.label(key), _words(step, key, before)
                todo = {
                    FIRST: f"give {step.name} of {FRAMEWORKS[FIRST].title} the {label} {shown(value)}",
                    SECOND: f"what {FRAMEWORKS[SECOND].title} computes there needs the {label} {wanted}",
                }
                return [Cause(diagnosis, step, None, key, todo=todo)]
    return []


def _by_batch(norm: BatchNorm, x: np.ndarray, arrays: Arrays) -> np.ndarray:
    axes = tuple(range(x.ndim - 1))
    return norm.compute([x], {**arrays, "mean": x.mean(axis=axes), "variance": x.var(axis=axes)})


def _words(step: RecordedStep, key: str, value: Any) -> str:
    if isinstance(step.what, Attention) and key == "scale" and value is None:
        return "1 / root of the size of a head"
    return shown(value)


def _gap(pair: RecordedPair, theirs: np.ndarray, made: np.ndarray) -> float | None:
    """How far numbers are from those of a reference, in any order of axes; None where that is more than rounding."""
    turned = closest(theirs, made)
    return None if turned is None else closing_gap(pair, made, turned)


class _Compared:
    """Whether numbers in the place of a TensorFlow step's output go with what Paddle gives at the segment's end."""

    def __init__(
        self, pair: RecordedPair, walked: Alignment, segment: Segment, own: np.ndarray, step: RecordedStep
    ) -> None:
        self.pair, self.own, self.step = pair, own, step
        first, second = pair.graphs[FIRST], pair.graphs[SECOND]
        start, end = segment.parting.first[0], segment.parting.second
        self.known = True  # whether numbers can be compared at all
        self.after: list[RecordedStep] = []  # TensorFlow's between the step and the segment's end
        if start == step.output:
            return
        if between(first, step.output, start):
            self.after = _steps_between(first, step.output, start)
            self.known = bool(self.after)
            return
        # the parting lies inside of the layer: what Paddle makes of its own numbers where the layer ends
        ends = [number for number, match in walked.matches.items() if match.first == step.output]
        for number in ends:
            operations = between(second, end, number)
            if operations:
                made = Replay(pair, walked, SECOND, operations, number).at_end({end: own})
                self.own = made if made is not None else own
                return

    def gap(self, made: np.ndarray) -> float | None:
        """The gap that they leave; None where they do not go with it.

        Args:
            made: canonical.
        """
        if self.after:
            at_end = self._forward(made)
            return None if at_end is None else _gap(self.pair, at_end, self.own)
        return _gap(self.pair, made, self.own) if self.known and made.size == self.own.size else None

    def _forward(self, made: np.ndarray) -> np.ndarray | None:
        """What TensorFlow's steps after it make of other numbers; None without a reference of one of them."""
        values = {self.step.output: made}
        for step in self.after:
            given = inputs_of(self.pair, step)
            if given is None:
                return None
            inputs = [values.get(number, array) for number, array in zip(step.inputs, given, strict=True)]
            arrays = self.pair.workers[FIRST].read_step_arrays(self.pair.name, step.index)
            result = reference(step.kind, step.numbers, inputs, arrays)
            if result is None:
                return None
            values[step.output] = made = result
        return made


def _steps_between(graph: RecordedGraph, start: int, end: int) -> list[RecordedStep]:
    """The steps by which one value is made of another; none where some of it is no step."""
    reached, steps = {start}, []
    for step in graph.steps:
        if reached & set(step.inputs) and (step.output == end or between(graph, step.output, end)):
            reached.add(step.output)
            steps.append(step)
    return steps if end in reached else []


def _variants(
    step: RecordedStep, inputs: Sequence[np.ndarray], arrays: Arrays, paddle: Sequence[RecordedStep]
) -> Iterator[Variant]:
    """A step with one number that is another one, those first that Paddle's functions have."""
    what = step.what
    constants = list(_constants(paddle))

    def one(key: str, value: Any) -> Variant:
        return key, value, step.numbers | {key: value}

    if isinstance(what, Activation):
        for name, kind in ACTIVATIONS.items():
            required = [
                field for field in fields(kind) if field.default is MISSING and field.default_factory is MISSING
            ]
            # none at all is told as a function that only TensorFlow has
            if kind not in (OtherActivation, Linear) and name != what.key and not required:
                yield "function", name, {"function": name}
    for key in ("epsilon", "floor"):
        own = getattr(what, key, None)
        if own is None:
            continue
        for value in [*constants, *in_both_precisions(EPSILONS)]:
            if not math.isclose(value, own, rel_tol=1e-6):
                yield one(key, value)
    if isinstance(what, Recurrent):
        for key in ("output_activation", "recurrent_activation", "activation"):
            for function in RECURRENT_FUNCTIONS:
                if getattr(what, key) not in (function, None):
                    yield one(key, function)
        if what.output_activation is not None:  # in Keras it is the candidate's
            for function in RECURRENT_FUNCTIONS:
                yield "activation", function, step.numbers | {"activation": function, "output_activation": function}
    if isinstance(what, Attention):
        width, out = inputs[0].shape[-1], arrays["query"].shape[-1]
        size = out // what.heads
        usual = [1.0, *(root for n in dict.fromkeys((width, out, what.heads, size)) for root in (n**-0.5, 1 / n))]
        for value in dict.fromkeys([*constants, *usual]):
            if not math.isclose(value, size**-0.5, rel_tol=1e-6):
                yield one("scale", float(value))
        yield from (one("axis", axis) for axis in (2, 1))
        for heads in range(1, out + 1):
            if out % heads == 0 and heads != what.heads:
                yield one("heads", heads)
        if what.mask is not None:
            yield "mask", None, {key: value for key, value in step.numbers.items() if key not in ("mask", "added")}


def _constants(steps: Sequence[RecordedStep]) -> Iterator[float]:
    """Constants of functions."""
    for step in steps:
        what = step.what
        numbers = [what.scale, what.offset] if isinstance(what, Scale) else []
        numbers += [what.factor] if isinstance(what, Power) else []
        yield from (abs(number) for number in numbers if isinstance(number, float) and number not in (0.0, 1.0))
