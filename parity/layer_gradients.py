"""Every layer alone, backwards: what it makes of a gradient in float32, against its own float64 run.

The gradient of a whole network in float32 is uncertain by as much as its ReLUs and pools flip. A layer alone is not: it
is fed numbers of which no two, and none and zero, are near each other, so that nothing flips.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity import reference
from parity.compare import Comparison, alarm_factor, compare
from parity.evidence import Evidence
from parity.forward_proofs import FLOAT32_ROUNDING, moved_like_terms, perturb, probe_shape, sum_roundings
from parity.protocol import Arrays, pack
from parity.training_proofs import layer_scales
from parity.weights import State

IMAGES = 4  # of a layer alone
SKIPPED = ("dropout",)  # its mask is a training's; whole steps have it
INPUT = "input"  # the gradient of what a layer is fed


@dataclass(frozen=True)
class Probes:
    """What layers alone are fed, and the gradients of their outputs; float64, of float32 numbers."""

    inputs: Arrays
    gradients: Arrays


def gradients_alone(evidence: Evidence) -> dict[str, Comparison]:
    """Each framework's float32 gradients of every layer's input and arrays; `<layer>/input`, `<layer>/kernel`, ..."""
    probes, state = probes_of(evidence), evidence.state("float32")
    found = backwards(evidence, probes, state, "float32")
    exact = backwards(evidence, probes, state, "float64")
    draw = np.random.default_rng(evidence.seed)
    largest = max(array[..., 0].size for array in [*probes.inputs.values(), *probes.gradients.values()])
    rounding = FLOAT32_ROUNDING * sum_roundings(largest)

    def shaken(arrays: Mapping[str, np.ndarray]) -> Arrays:
        return {name: moved_like_terms(array, draw, FLOAT32_ROUNDING) for name, array in arrays.items()}

    others = Probes(shaken(probes.inputs), shaken(probes.gradients))
    moved = backwards(evidence, others, perturb(state, draw, rounding, "float32"), "float64")
    return {name: _compared(exact[name], found[name], moved[name]) for name in found}


def backwards(evidence: Evidence, probes: Probes, state: State, dtype: str) -> dict[str, Arrays]:
    """Each framework's gradients of all layers alone, in training mode, from these weights (float32 in any dtype)."""
    arrays = pack(
        state=state,
        input={name: array.astype(dtype) for name, array in probes.inputs.items()},
        gradient={name: array.astype(dtype) for name, array in probes.gradients.items()},
    )
    replies = evidence.workers.each("probe_gradients", network=evidence.network.name, dtype=dtype, arrays=arrays)
    return {name: reply.arrays for name, reply in replies.items()}


def probes_of(evidence: Evidence) -> Probes:
    """Inputs and gradients for every layer that computes something of one input, and that both twins have."""
    state = evidence.state("float64")
    draw = np.random.default_rng(evidence.seed)
    inputs: Arrays = {}
    gradients: Arrays = {}
    common = [{layer["name"] for layer in description["layers"]} for description in evidence.describe().values()]
    for layer in evidence.layers():
        known = layer["kind"] in reference.KINDS and layer["kind"] not in SKIPPED
        if not known or not all(layer["name"] in names for names in common):
            continue  # level 1 says where the twins' layers differ
        name = layer["name"]
        own = {full.rpartition("/")[2]: array for full, array in state.items() if full.rpartition("/")[0] == name}
        inputs[name] = apart((IMAGES, *probe_shape(layer, own)[1:]), draw)
        gradients[name] = apart(_output_shape(layer, inputs[name], own), draw)
    return Probes(inputs, gradients)


def apart(shape: tuple[int, ...], draw: np.random.Generator) -> np.ndarray:
    """Numbers in -2..2 in drawn order, evenly spaced, none of them zero; float32 numbers as float64."""
    count = math.prod(shape)
    numbers = (np.arange(count) - (count - 1) / 2 + (count % 2) / 4) * (4 / count)
    return draw.permutation(numbers).reshape(shape).astype(np.float32).astype(np.float64)


def _output_shape(layer: Mapping[str, Any], x: np.ndarray, own: Mapping[str, np.ndarray]) -> tuple[int, ...]:
    return len(x), *reference.layer(layer, x[:1], own).shape[1:]


def _compared(exact: Arrays, found: Arrays, moved: Arrays) -> Comparison:
    """Within limits for each layer, relative to its largest gradient."""
    scales = layer_scales(exact)
    factor = alarm_factor(sum(array.size for array in exact.values()))
    noise: dict[str, float] = {}
    for name, array in exact.items():
        layer = name.rpartition("/")[0]
        distance = float(np.abs(moved[name] - array).max()) / scales[name]
        noise[layer] = float(np.maximum(noise.get(layer, 0.0), distance))  # keeps a NaN
    limits = {name: factor * noise[name.rpartition("/")[0]] for name in exact}
    return compare(exact, found, limits, scales=scales)
