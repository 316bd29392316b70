"""Levels 1 to 3: the transfer certificate, and the forward pass in inference in float64 and in float32."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from parity import kinds
from parity.numerics.arrays import Arrays, pack
from parity.numerics.comparison import FLOAT64_LIMIT, Comparison, compare
from parity.numerics.tolerance import derive_limits, perturb
from parity.proofs.context import ProofContext
from parity.proofs.extremes import LARGEST_INPUT, scaled_up
from parity.proofs.proof import by_framework, make_proof, worst_of
from parity.records.records import Proof
from parity.weights.state import Entry, parameter_counts, same_bits
from parity.workers.worker import Worker


def certificate(context: ProofContext) -> Proof:
    """Level 1. The two states correspond one to one by name, round trips are bit-exact, and every layer alone is right.

    The last part runs every layer that has parameters on random maps, alone, in both frameworks and in numpy. A
    transposed square kernel, or two exchanged arrays of one shape, survive a round trip; they do not survive that.

    Args:
        context: the network and its workers.

    Returns:
        The proof; failed before any transfer where the two states do not correspond.

    Raises:
        WorkerError: a worker failed, with what it said.
    """
    problems: list[str] = []
    first, second = (description.entries for description in context.describe().values())
    problems += _bijection(context, first, second)
    layers = [description.layers for description in context.describe().values()]
    if layers[0] != layers[1]:
        different = [f"{a} / {b}" for a, b in zip(layers[0], layers[1], strict=False) if a != b]
        problems.append(f"the twins' layers differ ({len(layers[0])} and {len(layers[1])}): {'; '.join(different[:3])}")
    if problems:  # no state fits both twins: there is nothing to transfer
        return make_proof(context, 1, {"arrays": len(first)}, problems)

    state = context.state("float32")
    returned = context.workers.map(lambda worker: worker.round_trip(context.network.name, state))
    for framework, back in returned.items():
        exact = [n for n, array in state.items() if n in back and same_bits(array, back[n])]
        if len(exact) != len(state) or len(back) != len(state):
            changed = sorted(set(state) - set(exact)) + sorted(set(back) - set(state))
            problems.append(f"{framework}: the round trip changed {len(changed)} arrays, first {changed[:3]}")

    probes = _probe_comparisons(context, layers[0])
    for size, comparisons in probes.items():
        for framework, comparison in comparisons.items():
            if size and not probes[""][framework].passed:
                continue  # whose problem is reported already
            problems += [f"{framework}, layers alone against numpy{size}: {line}" for line in comparison.explain()]
    every = [comparison for comparisons in probes.values() for comparison in comparisons.values()]
    worst = worst_of(every)
    compared = {
        "arrays": len(state),
        "layers": sum(len(comparison.gaps) for comparison in every),
        "elements": 2 * sum(array.size for array in state.values()) + sum(comparison.elements for comparison in every),
    }
    return make_proof(context, 1, compared, problems, worst)


def float64_forward(context: ProofContext) -> Proof:
    """Level 2. Every named stage of the twins agrees in float64: the algorithms are the same.

    Args:
        context: the network, its workers and its data.

    Returns:
        The proof; its first failure is the first stage, in the order of the network, that differs.

    Raises:
        WorkerError: a worker failed, with what it said.
    """
    first, second = context.stages("float64").values()
    comparison = compare(first, second, FLOAT64_LIMIT)
    return make_proof(context, 2, compared_counts({"": comparison}), comparison.explain(), comparison)


def float32_forward(context: ProofContext) -> Proof:
    """Level 3. Each framework's float32 stages against the float64 reference, within the limit derived for each stage.

    Args:
        context: the network, its workers and its data.

    Returns:
        The proof, with the gap of each framework.

    Raises:
        WorkerError: a worker failed, with what it said.
    """
    float64 = context.stages("float64")
    oracle = next(iter(float64.values()))
    state, images = context.state("float64"), context.images()

    def perturbed(worker: Worker) -> Arrays:
        draw = np.random.default_rng([context.seed, *worker.framework.encode()])
        arrays = pack(state=perturb(state, draw), images={"nhwc": perturb({"images": images}, draw)["images"]})
        return worker.stages(context.network.name, "float64", arrays)

    # Each twin is perturbed against itself: against the other's stages, a fault would widen its own limit.
    runs = context.workers.map(perturbed)
    comparisons = against_exact(float64, runs, context.stages("float32"), dict.fromkeys(float64, oracle))
    problems = labelled(comparisons)
    return make_proof(
        context, 3, compared_counts(comparisons), problems, worst_of(comparisons.values()), by_framework(comparisons)
    )


def against_exact(
    exact: Mapping[str, Arrays],
    moved: Mapping[str, Arrays],
    rounded: Mapping[str, Arrays],
    oracles: Mapping[str, Arrays],
) -> dict[str, Comparison]:
    """Each framework's float32 stages against its reference, within the larger of the limits derived from both.

    Args:
        exact: by framework, its float64 stages.
        moved: the same with weights and inputs perturbed by float32 rounding.
        rounded: its float32 stages.
        oracles: the float64 stages that these are compared with.

    Returns:
        By framework, with the same limits; a stage that a perturbed run lacks has the limit NaN, which fails.
    """
    derived = [derive_limits(exact[name], [moved[name]]) for name in exact]
    stages = next(iter(exact.values()))
    limits = {stage: float(np.max([own.get(stage, math.nan) for own in derived])) for stage in stages}
    return {name: compare(oracles[name], arrays, limits) for name, arrays in rounded.items()}


def labelled(comparisons: Mapping[str, Comparison]) -> list[str]:
    """The problems of several comparisons, one line each, with the comparison's name in front.

    Args:
        comparisons: by name.

    Returns:
        Empty where nothing is wrong.
    """
    return [f"{name}: {line}" for name, comparison in comparisons.items() for line in comparison.explain()]


def compared_counts(comparisons: Mapping[str, Comparison]) -> dict[str, int]:
    """How many stages and elements several comparisons compared, as a proof records it.

    Args:
        comparisons: by name.

    Returns:
        `stages` and `elements`, sums over all comparisons.
    """
    return {
        "stages": sum(len(comparison.gaps) for comparison in comparisons.values()),
        "elements": sum(comparison.elements for comparison in comparisons.values()),
    }


def _probe_comparisons(context: ProofContext, layers: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Comparison]]:
    """Every layer with a numpy reference, alone, against that: by the size of its inputs, then by framework.

    Drawn numbers are of the order of one: a layer that clips at 20 shows only with larger ones.
    """
    state = context.state("float32")
    draw = np.random.default_rng(context.seed)
    known = {layer["name"]: layer for layer in layers if kinds.of_spec(layer) is not None}
    own = {
        name: {kind: state[f"{name}/{kind}"].astype("float64") for kind in _ARRAY_KINDS if f"{name}/{kind}" in state}
        for name in known
    }
    drawn = {name: draw.normal(size=probe_shape(layer, own[name])) for name, layer in known.items()}
    comparisons: dict[str, dict[str, Comparison]] = {}
    for size, inputs in (("", drawn), (f", inputs up to {LARGEST_INPUT:g}", scaled_up(drawn))):
        expected = {name: kinds.layer(layer, inputs[name], own[name]) for name, layer in known.items()}
        outputs = probe_layers(context, "float64", pack(state=state, input=inputs))
        comparisons[size] = {n: compare(expected, actual, FLOAT64_LIMIT) for n, actual in outputs.items()}
    return comparisons


def probe_layers(context: ProofContext, dtype: str, arrays: Arrays) -> dict[str, Arrays]:
    """Each framework's outputs of single layers in inference, by framework and layer.

    Args:
        context: the network and its workers.
        dtype: "float32" or "float64", of the model.
        arrays: the groups `state` and `input`, packed; inputs by the layer's name.

    Returns:
        Outputs in `dtype`, maps NHWC.

    Raises:
        WorkerError: a worker failed, with what it said.
    """
    return context.workers.map(lambda worker: worker.probe_layers(context.network.name, dtype, arrays))


_ARRAY_KINDS = ("kernel", "bias", "gamma", "beta", "mean", "variance")


def probe_shape(layer: Mapping[str, Any], parameters: Mapping[str, np.ndarray]) -> tuple[int, ...]:
    """The shape of a small input for one layer: [n, h, w, c], or [n, features].

    Its sides are even, because odd ones hide a wrong SAME padding at stride 2.

    Args:
        layer: the layer's spec.
        parameters: its arrays by kind (`kernel`, `gamma`, ...).
    """
    if layer["kind"] == "dense":
        return 3, parameters["kernel"].shape[0]
    if layer["kind"] == "batch_norm" and not layer["maps"]:
        return 3, parameters["gamma"].shape[0]
    channels = 4
    if layer["kind"] == "conv":
        channels = parameters["kernel"].shape[2]
    elif layer["kind"] == "batch_norm":
        channels = parameters["gamma"].shape[0]
    elif layer["kind"] == "lrn":
        channels = 4 * layer["radius"]  # wider than the window, so that its width shows
    side = max(8, 2 * layer.get("window", 0))  # room for a second window
    return 1, side, side, channels


def _bijection(context: ProofContext, first: Sequence[Entry], second: Sequence[Entry]) -> list[str]:
    """What is wrong with how the two states correspond, and with their sizes against the catalogue; a line each."""
    names = list(context.descriptions)
    problems = []
    for framework, entries in zip(names, (first, second), strict=True):
        counts = parameter_counts(entries)
        expected = (context.network.params, context.network.trainable)
        if counts != expected:
            problems.append(f"{framework}: expected {expected} parameters (all, trainable), found {counts}")
        if len({entry.name for entry in entries}) != len(entries):
            problems.append(f"{framework}: two arrays share a name")
    one, other = ({entry.name: entry for entry in entries} for entries in (first, second))
    for name in sorted(set(one) ^ set(other)):
        problems.append(f"{name!r} exists in {names[0] if name in one else names[1]} only")
    problems += [f"{n!r}: {one[n]} against {other[n]}" for n in one if n in other and one[n] != other[n]]
    return problems
