"""The steps that a trace finds in either framework: their names, and paddings merged into their layers."""

from __future__ import annotations

import inspect
import itertools
from collections import Counter
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from parity.kinds import of
from parity.numerics.geometry import Sides, used_padding
from parity.weights.layout import Layout

INPUT, UNKNOWN = -1, -2  # of a step's inputs: the model's own, and what no traced step made


@dataclass
class TracedStep:
    """One layer or function as it ran. Kinds and numbers are those of `parity.kinds`.

    Tensors and layers are the framework's own.
    """

    name: str
    kind: str
    numbers: dict[str, Any]
    inputs: tuple[int, ...]
    operands: tuple[Any, ...]  # the tensors that it took
    output: Any  # a tensor; None once the values are no longer needed
    made: tuple[int, ...]  # its shape, batch included
    shapes: tuple[tuple[int, ...], ...]  # of its inputs, batch included, in the framework's own layout
    arrays: dict[str, tuple[Any, Layout]] = field(default_factory=dict)  # by canonical kind
    layer: Any = None
    part: int = 0  # which of the results of its first input's step it takes


S = TypeVar("S", bound=TracedStep)


def tensors_of(args: Sequence[Any], kind: type) -> list[Any]:
    """The tensors of this type among arguments, those in lists and tuples too.

    Args:
        args: of a call; lists within lists are not looked into.
        kind: the framework's type of tensors.

    Returns:
        In the order of the arguments; a tensor that is given twice stands there twice.

    Example:
        >>> tensors_of([1.5, [2.5, "same"]], float)
        [1.5, 2.5]
    """
    flat = [value for arg in args for value in (arg if isinstance(arg, (list, tuple)) else [arg])]
    return [value for value in flat if isinstance(value, kind)]


def results_of(result: Any) -> list[Any]:
    """All tensors that a layer gave, its output first.

    Args:
        result: one tensor, or lists and tuples of several.

    Example:
        >>> results_of(("outputs", ("state", "cell")))
        ['outputs', 'state', 'cell']
    """
    if not isinstance(result, (list, tuple)):
        return [result]
    return [tensor for part in result for tensor in results_of(part)]


def arguments(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call by name; only the keywords of a function in C, which has no signature.

    Args:
        function: what was called.
        args: by position.
        kwargs: by keyword.

    Returns:
        What was given, without defaults; the keywords alone also where the arguments do not fit the signature.

    Example:
        >>> arguments(lambda x, axis=0: x, ("a tensor",), {"axis": 1})
        {'x': 'a tensor', 'axis': 1}
    """
    try:
        return dict(inspect.signature(function).bind(*args, **kwargs).arguments)
    except (TypeError, ValueError):
        return dict(kwargs)


def unique(name: str, taken: Container[str]) -> str:
    """The name; where it is taken already, because a layer runs again, with a number.

    Example:
        >>> unique("conv", ["conv"])
        'conv#2'
    """
    if name not in taken:
        return name
    return next(numbered for n in itertools.count(2) if (numbered := f"{name}#{n}") not in taken)


def merged(steps: Sequence[S], sides: Callable[[S, S], Sides]) -> list[S]:
    """Zero padding before a convolution or a max-pool becomes that layer's own; indices are counted anew.

    Args:
        steps: of a trace, in order.
        sides: for a step and the padding before it, the function from a shape to height and width.
    """
    users: dict[int, list[int]] = {}
    for index, step in enumerate(steps):
        for source in step.inputs:
            users.setdefault(source, []).append(index)
    padders = {}
    for index, step in enumerate(steps):
        if step.kind == "zero_pad" and len(users.get(index, [])) == 1:
            user, source = steps[users[index][0]], step.inputs[0]
            positive = source >= 0 and of(steps[source].kind, steps[source].numbers).positive
            # among numbers that are not negative a zero never wins: the same as a max-pool's own padding
            if user.kind == "conv" or (user.kind == "max_pool" and positive):
                padders[users[index][0]] = step
    gone = {id(padder) for padder in padders.values()}
    kept = [index for index, step in enumerate(steps) if id(step) not in gone]
    new = {old: index for index, old in enumerate(kept)} | {INPUT: INPUT, UNKNOWN: UNKNOWN}
    merged_steps = []
    for old in kept:
        step, padder = steps[old], padders.get(old)
        inputs = tuple(new[source] for source in (padder or step).inputs)
        if padder is None:
            merged_steps.append(replace(step, inputs=inputs))
        else:
            merged_steps.append(_padded(replace(step, inputs=inputs), padder, sides(step, padder)))
    return merged_steps


def _padded(step: S, padder: TracedStep, sides: Sides) -> S:
    """A step that pads for itself what `padder` padded for it."""
    padding = _padding_with(step, padder, sides(padder.shapes[0]), sides(step.made))
    numbers = step.numbers | {"padding": padding}
    return replace(step, numbers=numbers, operands=padder.operands, shapes=padder.shapes)


def composed(steps: Sequence[S]) -> list[S]:
    """What is written in several functions, as the single step that it is.

    Hard sigmoid and hard swish, which Keras's own networks compose; the last output of a recurrent layer; scalings one
    after the other; a convolution of whose output what the padding made at an end is cut off.
    """
    remaining = list(steps)
    for compose in (_hard_sigmoid, _hard_swish, _last_of_both, _last_output, _scaled, _cropped):
        gone: set[int] = set()
        users = Counter(source for step in remaining for source in step.inputs)
        for index in range(len(remaining)):
            if (made := compose(remaining, index, users)) is not None:
                remaining[index], parts = made
                gone |= parts
        kept = [index for index in range(len(remaining)) if index not in gone]
        new = {old: index for index, old in enumerate(kept)} | {INPUT: INPUT, UNKNOWN: UNKNOWN}
        remaining = [
            replace(step, inputs=tuple(new[source] for source in step.inputs))
            for step in (remaining[index] for index in kept)
        ]
    # what is left of slices of states is of something that no step gives
    return [replace(step, inputs=(UNKNOWN, *step.inputs[1:])) if step.part else step for step in remaining]


def _hard_sigmoid(steps: Sequence[S], index: int, users: Counter[int]) -> tuple[S, set[int]] | None:
    """(x + 3) to 0..6, times 1/6."""
    last = steps[index]
    if not _scales(last, 1 / 6, 0.0) or (middle := last.inputs[0]) < 0:
        return None
    clip = steps[middle]
    if clip.numbers.get("function") != "relu6" or users[middle] != 1 or (start := clip.inputs[0]) < 0:
        return None
    first = steps[start]
    if not _scales(first, 1.0, 3.0) or users[start] != 1:
        return None
    numbers = {"function": "hard_sigmoid", "slope": 1 / 6, "offset": 0.5}
    return _activation(last, numbers, first), {start, middle}


def _hard_swish(steps: Sequence[S], index: int, users: Counter[int]) -> tuple[S, set[int]] | None:
    """x times its hard sigmoid."""
    last = steps[index]
    if last.kind != "multiply" or len(last.inputs) != 2:
        return None
    for order, gate in enumerate(last.inputs):
        x = last.inputs[1 - order]
        alone = gate >= 0 and steps[gate].inputs == (x,) and users[gate] == 1
        if alone and steps[gate].numbers.get("function") == "hard_sigmoid":
            return _activation(last, {"function": "hard_swish"}, steps[gate]), {gate}
    return None


def _scaled(steps: Sequence[S], index: int, users: Counter[int]) -> tuple[S, set[int]] | None:
    """A scaling of what a scaling made, such as x / 127.5 - 1."""
    last = steps[index]
    if last.kind != "scale" or (source := last.inputs[0]) < 0 or users[source] != 1:
        return None
    first = steps[source]
    if first.kind != "scale" or "dropout" in first.numbers or "dropout" in last.numbers:
        return None
    (scale, offset), (factor, more) = (
        (np.asarray(step.numbers["scale"]), np.asarray(step.numbers["offset"])) for step in (first, last)
    )
    numbers = {"scale": (scale * factor).tolist(), "offset": (offset * factor + more).tolist()}
    return _instead(last, first, numbers=numbers), {source}


def _cropped(steps: Sequence[S], index: int, users: Counter[int]) -> tuple[S, set[int]] | None:
    """A convolution with stride 1 whose output is cut at its ends, by no more than it pads there."""
    step = steps[index]
    if step.kind != "slice" or (source := step.inputs[0]) < 0 or users[source] != 1:
        return None
    conv, parts = steps[source], step.numbers["index"]
    if conv.kind != "conv" or set(conv.numbers["stride"]) != {1} or len(parts) != len(step.made):
        return None
    rank = len(parts)
    axes = [axis for axis, part in enumerate(parts) if part is not None]
    sides = [list(side) for side in conv.numbers["padding"]]
    changed = [(into, out) for into, out in zip(step.shapes[0], step.made, strict=True) if into != out]
    spatial = set(axes) <= set(range(1, rank - 1)) and rank - 2 <= len(sides)
    if not axes or not spatial or len(changed) != len(axes):
        return None
    for axis, (extent, _) in zip(axes, changed, strict=True):
        start, stop, stride = parts[axis]
        side = sides[axis - (rank - 1)]  # the padding of a sequence is that of maps of one row
        side[0] -= start
        side[1] -= extent - stop
        if stride != 1 or min(side) < 0:
            return None
    return replace(conv, numbers=conv.numbers | {"padding": sides}, output=step.output, made=step.made), {source}


def _activation(last: S, numbers: dict[str, Any], first: S) -> S:
    return _instead(last, first, kind="activation", numbers=numbers)


def _instead(last: S, first: S, **facts: Any) -> S:
    """A step that takes what the first takes and makes what the last makes."""
    return replace(last, inputs=first.inputs, operands=first.operands, shapes=first.shapes, **facts)


def _last_output(steps: Sequence[S], index: int, users: Counter[int]) -> tuple[S, set[int]] | None:
    """The last step of a recurrent layer's outputs, or its last state."""
    step = steps[index]
    if step.kind != "slice" or (source := step.inputs[0]) < 0 or users[source] != 1:
        return None
    layer, axis = steps[source], int(step.part == 0)
    direction = layer.numbers.get("direction", "forward")
    if direction == "backward" or step.part > 1 or not layer.numbers.get("sequences", 1):
        return None
    if layer.kind != "recurrent" or _taken_last(step) != axis or (direction != "forward" and step.part):
        return None
    last = _with_last(layer, step, [step.part])
    return (last if direction == "forward" else replace(last, numbers=last.numbers | {"ends": False})), {source}


def _last_of_both(steps: Sequence[S], index: int, users: Counter[int]) -> tuple[S, set[int]] | None:
    """The last states of a layer in both directions, joined."""
    step = steps[index]
    if step.kind != "concat" or len(step.inputs) != 2 or min(step.inputs) < 0:
        return None
    first, second = (steps[source] for source in step.inputs)
    if first.kind != "slice" or second.kind != "slice" or first.inputs != second.inputs:
        return None
    if (source := first.inputs[0]) < 0 or users[source] != 2 or {first.part, second.part} != {1}:
        return None
    layer, last = steps[source], first.shapes[0][0] - 1
    both = layer.kind == "recurrent" and layer.numbers.get("direction") == "bidirectional"
    if not both or [part.numbers["index"][0] for part in (first, second)] != [last - 1, last]:
        return None
    return _with_last(layer, step, [1]), {source, *step.inputs}


def _taken_last(step: TracedStep) -> int | None:
    """The axis that a slice takes at its last number, if it takes nothing else."""
    taken = [axis for axis, part in enumerate(step.numbers["index"]) if part is not None]
    last = len(taken) == 1 and step.numbers["index"][taken[0]] == step.shapes[0][taken[0]] - 1
    return taken[0] if last else None


def _with_last(layer: S, step: S, parts: Sequence[int]) -> S:
    """A recurrent layer that gives what `step` made of its results."""
    numbers = layer.numbers | {"sequences": False}
    if 1 in parts and "masked_output" in numbers:  # states stay as they are over masked steps
        numbers |= {"masked_output": "repeated"}
    return replace(layer, numbers=numbers, output=step.output, made=step.made)


def _scales(step: Any, scale: float, offset: float) -> bool:
    numbers = step.numbers.get("scale"), step.numbers.get("offset")
    plain = step.kind == "scale" and all(isinstance(number, float) for number in numbers)
    return plain and np.allclose(numbers, (scale, offset), rtol=1e-7, atol=0)


def _padding_with(step: TracedStep, padder: TracedStep, into: Sequence[int], out: Sequence[int]) -> list[list[int]]:
    """A step's padding together with that of the step before it; `into` and `out` are [h, w] before and after both."""
    if (window := step.numbers.get("window")) is None:
        kernel, layout = step.arrays["kernel"]
        window = layout.canonical_shape(kernel.shape)[:2]
    return [
        used_padding(
            into[axis],
            out[axis],
            window[axis],
            step.numbers["stride"][axis],
            step.numbers.get("dilation", [1, 1])[axis],
            padder.numbers["padding"][axis][0] + step.numbers["padding"][axis][0],
        )
        for axis in range(2)
    ]
