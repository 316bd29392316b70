"""In what corresponding steps of two equal models differ that the inputs of the comparison could not show."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from parity.migration.align.found import Alignment
from parity.migration.align.recorded_graph import RecordedStep
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.explain.step_causes import same_in_place
from parity.migration.explain.step_changes import AUXILIARY, Change, change_text, changes_of
from parity.migration.explain.step_effects import changed_effect, inputs_of
from parity.migration.specs import FIRST
from parity.numerics.signature import alike

SCALES = (0.01, 1.0, 100.0)  # of numbers drawn for a step: near zero, usual, and so large that they reach every end

ROUNDING = 1e-14

AXES = {"axis", "axes"}  # numbers whose meaning depends on the order of axes, which is known of values only


def unseen_changes(
    pair: RecordedPair, walked: Alignment, matched: Sequence[tuple[RecordedStep, RecordedStep]]
) -> list[str]:
    """Changes by which other inputs would set the models apart.

    Args:
        pair: of equal models, whose graphs are those of a traced run.
        walked: that run.
        matched: steps of both models that correspond, TensorFlow's first.

    Returns:
        A line each. Not those that change nothing whatever a step takes, such as whether padding is counted where
        there is none; nor those that these inputs show in the step, and that the rest of the model undoes.

    Raises:
        WorkerError: a worker fails.
    """
    matched = list(_in_another_order(matched))
    lines = []
    for first, second in matched:
        if "other" in (first.kind, second.kind):  # such as a layer that holds operations of a program
            continue
        changes = changes_of(first, second)
        if _others(pair, walked, first, second):
            continue
        if not changes or ({key for key, _, _ in changes} <= AXES and same_in_place(pair, first, second)):
            continue
        for key, a, b in changes:
            if key == "kind" and first.what.family != "activation":
                continue  # nothing says that they are counterparts
            if _could_show(pair, first, second, (key, a, b)):
                lines.append(f"{first.name} / {second.name}: {change_text(first, second, key, a, b)}")
    return lines


def _others(pair: RecordedPair, walked: Alignment, first: RecordedStep, second: RecordedStep) -> bool:
    """Whether steps of equal models give other numbers, so that they are no counterparts."""
    one, other = pair.signatures.get(first.output), walked.signatures.get(second.output)
    return one is not None and other is not None and not alike(one, other, pair.close.exact)


def _in_another_order(
    matched: Sequence[tuple[RecordedStep, RecordedStep]],
) -> Iterator[tuple[RecordedStep, RecordedStep]]:
    """The pairs without those of comparisons and the like that both models have, but not in the same order."""
    differing = [both for both in matched if both[0].kind in AUXILIARY and changes_of(*both)]
    counts = Counter(str(first) for first, _ in differing)
    both_have = counts & Counter(str(second) for _, second in differing)
    for first, second in matched:
        if not ((first, second) in differing and str(first) in both_have and str(second) in both_have):
            yield first, second


def _could_show(pair: RecordedPair, first: RecordedStep, second: RecordedStep, change: Change) -> bool:
    inputs = inputs_of(pair, first)
    arrays = pair.workers[FIRST].read_step_arrays(pair.name, first.index)
    effect = changed_effect(first, second, change[0], inputs, arrays)
    if inputs is None or effect is None:
        return True
    if effect > pair.close.confirmed:
        return False
    rng = np.random.default_rng(0)
    effects = [
        changed_effect(first, second, change[0], [_drawn(rng, x, scale) for x in inputs], arrays) for scale in SCALES
    ]
    return any(effect is None or ROUNDING < effect < math.inf for effect in effects)


def _drawn(rng: np.random.Generator, x: np.ndarray, scale: float) -> np.ndarray:
    """Numbers that a step may take: of a mask or of whole numbers those that there are, in any order."""
    values = np.unique(x)
    if x.dtype.kind != "f" or len(values) <= 2:
        return rng.choice(values, x.shape) if len(values) else x
    return scale * rng.standard_normal(x.shape)
