"""By how much a number of a step changes what it computes, and how near a reference is to it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from parity.kinds import compute
from parity.migration.align.axis_orders import closest
from parity.migration.align.recorded_graph import RecordedStep
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.specs import FIRST
from parity.numerics.arrays import Arrays
from parity.numerics.comparison import relative_gap
from parity.numerics.geometry import flattened_1x1


def inputs_of(pair: RecordedPair, step: RecordedStep) -> list[np.ndarray] | None:
    """TensorFlow's inputs of a step, canonical; None where one is not known.

    Args:
        pair: after a walk.
        step: of the TensorFlow model.
    """
    if not step.inputs or any(number < 0 for number in step.inputs):
        return None
    values = pair.workers[FIRST].read_values(pair.name, step.inputs)
    return [as_rows(values[str(number)]) for number in step.inputs]


def as_rows(array: np.ndarray) -> np.ndarray:
    """Maps of 1x1 as rows, as `parity.kinds.compute` takes them.

    Example:
        >>> as_rows(np.zeros((4, 1, 1, 8))).shape
        (4, 8)
    """
    return array.reshape(len(array), *flattened_1x1(array.shape[1:])) if array.ndim else array


def reference(kind: str, numbers: Mapping[str, Any], inputs: Sequence[np.ndarray], arrays: Arrays) -> np.ndarray | None:
    """As `parity.kinds.compute`; None where no reference is known for such numbers and inputs."""
    try:
        return compute(kind, numbers, inputs, arrays)
    except (ValueError, KeyError, IndexError, TypeError):
        return None


def changed_effect(
    first: RecordedStep, second: RecordedStep, key: str, inputs: list[np.ndarray] | None, arrays: Arrays
) -> float | None:
    """By how much one of Paddle's numbers changes what a TensorFlow step makes; None where no reference is known.

    Args:
        first: TensorFlow's step.
        second: Paddle's.
        key: of the change.
        inputs: canonical; None where they are not known.
        arrays: of the TensorFlow step.

    Returns:
        The relative gap; infinite for another shape.
    """
    return effect_of(first, _with(first, second, key), inputs, arrays)


def _with(first: RecordedStep, second: RecordedStep, key: str) -> tuple[str, Mapping[str, Any]]:
    """Kind and numbers of the TensorFlow step with one of Paddle's numbers."""
    if key in ("kind", "function"):
        return second.kind, second.numbers
    return first.kind, first.numbers | {key: getattr(second.what, key)}


def effect_of(
    first: RecordedStep, changed: tuple[str, Mapping[str, Any]], inputs: list[np.ndarray] | None, arrays: Arrays
) -> float | None:
    """By how much a change of numbers changes what a step makes of TensorFlow's inputs; None without a reference.

    Args:
        first: TensorFlow's step.
        changed: kind and numbers instead of its own.
        inputs: canonical; None where they are not known.
        arrays: of the TensorFlow step.

    Returns:
        The relative gap; infinite for another shape.
    """
    if inputs is None:
        return None
    expected, actual = reference(first.kind, first.numbers, inputs, arrays), reference(*changed, inputs, arrays)
    if expected is None or actual is None:
        return None
    return relative_gap(expected, actual) if expected.shape == actual.shape else math.inf


def confirmed_gap(
    pair: RecordedPair, first: RecordedStep, inputs: list[np.ndarray] | None, arrays: Arrays
) -> float | None:
    """How far the reference is from what TensorFlow computed; None where there is none, or it is far.

    Args:
        pair: after a walk.
        first: TensorFlow's step.
        inputs: canonical; None where they are not known.
        arrays: of the TensorFlow step.

    Raises:
        WorkerError: a worker fails.
    """
    if inputs is None or first.output < 0:
        return None
    expected = reference(first.kind, first.numbers, inputs, arrays)
    if expected is None:
        return None
    own = pair.workers[FIRST].read_values(pair.name, [first.output])[str(first.output)]
    made = closest(own, expected)
    gap = math.inf if made is None or made.shape != expected.shape else relative_gap(made, expected)
    return gap if gap <= pair.close.confirmed else None
