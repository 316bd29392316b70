"""Every layer alone, backwards: its float32 gradients against the same framework's float64 ones.

The float32 gradient of a whole network is uncertain, because ReLUs and pools flip. A layer alone is not: no two of its
inputs are near each other, and none is near zero, so that nothing flips.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity import kinds
from parity.numerics.arrays import Arrays, pack
from parity.numerics.comparison import Comparison, compare, joined, layer_scales
from parity.numerics.tolerance import FLOAT32_ROUNDING, alarm_factor, perturb, perturb_like_terms, sum_roundings
from parity.proofs.context import ProofContext
from parity.proofs.extremes import LARGEST_INPUT
from parity.proofs.forward import probe_shape
from parity.weights.state import State

IMAGES_PER_LAYER = 4  # of a layer alone

SKIPPED = ("dropout",)  # its mask belongs to a training; whole steps include it

INPUT_GRADIENT = "input"  # names the gradient of a layer's input

LARGE_FACTOR = LARGEST_INPUT / 2  # factor for one of the images, in the inputs of layers without weights

NUMBERS = 2**24  # in inputs, gradients and weights that are sent at once


@dataclass(frozen=True)
class ProbeArrays:
    """Inputs of layers alone, and gradients of their outputs, by the layer's name; float32."""

    inputs: Arrays
    gradients: Arrays

    def of(self, layers: Iterable[str]) -> ProbeArrays:
        """The probes of some layers."""
        return self.changed(lambda arrays: {name: arrays[name] for name in layers})

    def changed(self, change: Callable[[Arrays], Arrays]) -> ProbeArrays:
        """The probes with `change` applied to inputs and to gradients."""
        return ProbeArrays(change(self.inputs), change(self.gradients))


def gradients_alone(context: ProofContext) -> dict[str, Comparison]:
    """Each framework's float32 gradients of every layer's input and arrays, against its float64 ones.

    Limits are derived from float64 runs with inputs, gradients and weights that are perturbed by float32 rounding.

    Args:
        context: the network, its workers and its data.

    Returns:
        By framework: a comparison of arrays named `<layer>/input`, `<layer>/kernel` and so on.

    Raises:
        WorkerError: a worker failed, with what it said.
    """
    probes, state = probes_of(context), context.state("float32")
    largest = max(array[..., 0].size for array in [*probes.inputs.values(), *probes.gradients.values()])
    rounding = FLOAT32_ROUNDING * sum_roundings(largest)
    trainable = sum(math.prod(entry.shape) for entry in context.entries() if entry.trainable)
    factor = alarm_factor(sum(array.size for array in probes.inputs.values()) + trainable)
    draw = np.random.default_rng(context.seed)
    parts: dict[str, list[Comparison]] = {name: [] for name in context.workers}

    def moved_terms(arrays: Arrays) -> Arrays:
        return {name: perturb_like_terms(array, draw) for name, array in arrays.items()}

    for layers in _in_parts(probes, state):
        fed, own = probes.of(layers), of_layers(state, layers)
        rounded = backwards(context, fed, own, "float32")
        exact = backwards(context, fed, own, "float64")
        moved = backwards(context, fed.changed(moved_terms), perturb(own, draw, rounding, "float32"), "float64")
        for name, comparisons in parts.items():
            comparisons.append(_compared(exact[name], rounded[name], moved[name], factor))
    return {name: joined(comparisons) for name, comparisons in parts.items()}


def backwards(context: ProofContext, probes: ProbeArrays, state: State, dtype: str) -> dict[str, Arrays]:
    """Each framework's gradients of layers alone, in training mode.

    Args:
        context: the network and its workers.
        probes: inputs and gradients of outputs.
        state: the layers' arrays, float32.
        dtype: "float32" or "float64", in which it is computed.

    Returns:
        By framework: arrays named `<layer>/input`, `<layer>/kernel` and so on.
    """
    arrays = pack(
        state=state,
        input={name: array.astype(dtype, copy=False) for name, array in probes.inputs.items()},
        gradient={name: array.astype(dtype, copy=False) for name, array in probes.gradients.items()},
    )
    return context.workers.map(lambda worker: worker.probe_gradients(context.network.name, dtype, arrays))


def by_layer(state: State) -> dict[str, State]:
    """The arrays of a state, grouped by layer; full names are kept.

    Example:
        >>> list(by_layer({"a/kernel": np.ones(1), "a/bias": np.ones(1), "b/kernel": np.ones(1)}))
        ['a', 'b']
    """
    layers: dict[str, State] = {}
    for name, array in state.items():
        layers.setdefault(name.rpartition("/")[0], {})[name] = array
    return layers


def of_layers(state: State, layers: Iterable[str]) -> State:
    """The arrays of some layers, by their full names.

    Args:
        state: canonical names and arrays.
        layers: names of layers; those without arrays add nothing.

    Returns:
        In the order of `layers`, not copied.
    """
    own = by_layer(state)
    return {name: array for layer in layers for name, array in own.get(layer, {}).items()}


def probes_of(context: ProofContext) -> ProbeArrays:
    """Probes for every layer that has one input and a numpy reference, and that both twins have.

    Args:
        context: the network and its workers.

    Returns:
        Inputs [4, h, w, c] or [4, features] and gradients of the outputs, evenly spaced in -2..2; of layers without
        weights the last input is `LARGE_FACTOR` times as large.

    Raises:
        WorkerError: a worker failed, with what it said.
    """
    states = by_layer(context.state("float64"))
    draw = np.random.default_rng(context.seed)
    inputs: Arrays = {}
    gradients: Arrays = {}
    common = [{layer["name"] for layer in description.layers} for description in context.describe().values()]
    for layer in context.layers():
        known = kinds.of_spec(layer) is not None and layer["kind"] not in SKIPPED
        if not known or not all(layer["name"] in names for names in common):
            continue  # level 1 says where the twins' layers differ
        name = layer["name"]
        own = {full.rpartition("/")[2]: array for full, array in states.get(name, {}).items()}
        inputs[name] = apart((IMAGES_PER_LAYER, *probe_shape(layer, own)[1:]), draw)
        if not own:  # sums over images of very different size would hide the smaller ones
            inputs[name][-1] *= np.float32(LARGE_FACTOR)
        gradients[name] = apart(_output_shape(layer, inputs[name], own), draw)
    return ProbeArrays(inputs, gradients)


def _in_parts(probes: ProbeArrays, state: State) -> Iterator[list[str]]:
    """The layers in order, in groups of at most `NUMBERS` numbers or of one layer: all at once take much memory."""
    part: list[str] = []
    count, states = 0, by_layer(state)
    for name, x in probes.inputs.items():
        own = sum(array.size for array in states.get(name, {}).values()) + x.size + probes.gradients[name].size
        if part and count + own > NUMBERS:
            yield part
            part, count = [], 0
        part.append(name)
        count += own
    yield part


def apart(shape: tuple[int, ...], draw: np.random.Generator) -> np.ndarray:
    """float32 numbers in -2..2 in random order, evenly spaced, none of them zero.

    Args:
        shape: of the array.
        draw: decides the order.

    Example:
        >>> np.sort(apart((4,), np.random.default_rng(0))).tolist()
        [-1.5, -0.5, 0.5, 1.5]
    """
    count = math.prod(shape)
    numbers = (np.arange(count) - (count - 1) / 2 + (count % 2) / 4) * (4 / count)
    return draw.permutation(numbers).reshape(shape).astype(np.float32)


def _output_shape(layer: Mapping[str, Any], x: np.ndarray, own: Mapping[str, np.ndarray]) -> tuple[int, ...]:
    return len(x), *kinds.layer(layer, x[:1].astype(np.float64), own).shape[1:]


def _compared(exact: Arrays, rounded: Arrays, moved: Arrays, factor: float) -> Comparison:
    """The float32 gradients against the exact ones, within a limit for each layer, relative to its largest gradient."""
    scales = layer_scales(exact)
    noise: dict[str, float] = {}
    for name, array in exact.items():
        layer = name.rpartition("/")[0]
        distance = float(np.abs(moved[name] - array).max()) / scales[name]
        noise[layer] = float(np.maximum(noise.get(layer, 0.0), distance))  # keeps a NaN
    limits = {name: factor * noise[name.rpartition("/")[0]] for name in exact}
    return compare(exact, rounded, limits, scales=scales)
