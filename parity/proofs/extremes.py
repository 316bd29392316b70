"""Inputs that no random draw gives: activations up to 1e4, losses from 1e-7 to 100, gradients from 1e-8 to 1e4.

A clip, a saturation or a threshold shows only with numbers as large, or as small, as it. Two designed states, each with
its own images, take a training step; single layers are given larger numbers besides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.numerics.arrays import Arrays
from parity.weights.state import State

LARGEST_INPUT = 1e4  # the largest number in the inputs of single layers

LOGITS = "head/logits"

CLASS = 0  # whose bias is raised

FACTORS = {"batch_norm": ("gamma", "beta"), "conv": ("kernel", "bias"), "dense": ("kernel", "bias")}


@dataclass(frozen=True)
class Extreme:
    """A designed state and batch.

    Attributes:
        name: for the report.
        features: factor for the outputs of the last layer before the logits.
        margin: by precision, how far the logit of the raised class is above all others.
        right: whether the images are of the raised class, or of the other classes.
    """

    name: str
    features: float
    margin: Mapping[str, float]
    right: bool


EXTREMES = (
    Extreme("large", features=3e3, margin={"float64": 100.0, "float32": 100.0}, right=False),
    # In float32 a probability near 1 has an error of 2**-24 with any kernel, so gradients of 1e-7 are rounding alone.
    Extreme("tiny", features=1e-2, margin={"float64": 19.0, "float32": 8.0}, right=True),
)


def extreme_state(state: State, layers: Sequence[Mapping[str, Any]], extreme: Extreme, precision: str) -> State:
    """The state with the last layer before the logits scaled, and the bias of one class raised.

    Args:
        state: canonical weights and statistics.
        layers: the layers' specs in the order of the network.
        extreme: the factor and the margin.
        precision: "float32" or "float64", which the margin depends on.

    Returns:
        A new state with the dtypes of `state`.
    """
    names = [layer["name"] for layer in layers]
    last = next(layer for layer in reversed(layers[: names.index(LOGITS)]) if layer["kind"] in FACTORS)
    changed = dict(state)
    for kind in FACTORS[last["kind"]]:
        if (name := f"{last['name']}/{kind}") in state:
            changed[name] = (state[name] * extreme.features).astype(state[name].dtype)
    kernel, bias = f"{LOGITS}/kernel", f"{LOGITS}/bias"
    changed[kernel] = (state[kernel] * (0.1 / max(1.0, extreme.features))).astype(state[kernel].dtype)
    changed[bias] = state[bias].copy()
    changed[bias][CLASS] += extreme.margin[precision]
    return changed


def scaled_up(arrays: Mapping[str, np.ndarray]) -> Arrays:
    """Each array scaled so that its largest number is `LARGEST_INPUT`.

    Args:
        arrays: of any shape and floating-point dtype, none of them empty.

    Returns:
        New arrays by the same names; an array of zeros stays as it is.

    Example:
        >>> scaled_up({"a": np.array([0.5, -2.0])})["a"].tolist()
        [2500.0, -10000.0]
    """
    return {name: array * (LARGEST_INPUT / (np.abs(array).max() or 1.0)) for name, array in arrays.items()}


def extreme_plan(plan: Arrays, labels: np.ndarray, extreme: Extreme) -> Arrays:
    """The plan with other images in its first row: those of the raised class only, or of every other class in turn.

    Args:
        plan: arrays of an epoch, as `parity.data.batches.plan_arrays` makes them.
        labels: [n], of the images that `plan["order"]` counts.
        extreme: which of the two.

    Returns:
        A new plan that shares all arrays but `order`; images that are too few stand in the row several times.
    """
    chosen = np.flatnonzero((labels == CLASS) == extreme.right)
    if not extreme.right:
        by_class = [chosen[labels[chosen] == label] for label in np.unique(labels[chosen])]
        longest = max(map(len, by_class))
        turns = [[images[turn] for images in by_class if turn < len(images)] for turn in range(longest)]
        chosen = np.array([image for turn in turns for image in turn])
    order = plan["order"].copy()
    order[0] = np.resize(chosen, order[0].shape)
    return plan | {"order": order}
