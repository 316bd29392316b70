"""Inputs that no random draw reaches: activations up to 1e4, losses from 1e-7 to 100, gradients from 1e-8 to 1e4.

A clip, a saturation or a threshold shows only where something is as large, or as small, as it. Two designed states,
each with images to go with it, take a step of training there; single layers are fed larger numbers besides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.numerics.arrays import Arrays
from parity.weights.state import State

LARGEST_INPUT = 1e4  # the largest number that single layers are fed

LOGITS = "head/logits"

CLASS = 0  # the one whose bias is raised

FACTORS = {"batch_norm": ("gamma", "beta"), "conv": ("kernel", "bias"), "dense": ("kernel", "bias")}


@dataclass(frozen=True)
class Extreme:
    """A state and a batch: what reaches the last layer, by which margin one class wins there, and whether rightly."""

    name: str
    features: float  # by which the outputs of the last layer before the logits are multiplied
    margin: Mapping[str, float]  # by precision: of the raised class over all others
    right: bool  # whether the images are of that class, or of any other


EXTREMES = (
    Extreme("large", features=3e3, margin={"float64": 100.0, "float32": 100.0}, right=False),
    # In float32 a probability next to 1 is off by 2**-24 whatever the kernel, so that gradients of 1e-7 mean nothing.
    Extreme("tiny", features=1e-2, margin={"float64": 19.0, "float32": 8.0}, right=True),
)


def extreme_state(state: State, layers: Sequence[Mapping[str, Any]], extreme: Extreme, precision: str) -> State:
    """The state with the last layer before the logits made louder or quieter, and the bias of one class raised."""
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
    """Each array so much larger that its largest number is `LARGEST_INPUT`; zeros stay."""
    return {name: array * (LARGEST_INPUT / (np.abs(array).max() or 1.0)) for name, array in arrays.items()}


def extreme_plan(plan: Arrays, labels: np.ndarray, extreme: Extreme) -> Arrays:
    """The plan, in its first row with images of the raised class only, or of every other class in turn."""
    chosen = np.flatnonzero((labels == CLASS) == extreme.right)
    if not extreme.right:
        by_class = [chosen[labels[chosen] == label] for label in np.unique(labels[chosen])]
        longest = max(map(len, by_class))
        turns = [[images[turn] for images in by_class if turn < len(images)] for turn in range(longest)]
        chosen = np.array([image for turn in turns for image in turn])
    order = plan["order"].copy()
    order[0] = np.resize(chosen, order[0].shape)
    return plan | {"order": order}
