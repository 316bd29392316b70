"""Causes in single layers.

Every layer is run alone in both frameworks on the activations that really reach it, so that no fault hides another. A
layer that differs from numpy's output for its spec is compared with every trap that it can fall into
(`parity.diagnosis.hypotheses`). The trap that gives its output to the last bits is the cause.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from parity import kinds
from parity.diagnosis import hypotheses
from parity.diagnosis.attribution import Mismatch, diagnosis_of, identify_cause
from parity.diagnosis.scene import scene_of
from parity.kinds.norm import batch_norm_training, of_running_statistics
from parity.numerics.arrays import Arrays, pack
from parity.numerics.comparison import FLOAT64_LIMIT, finite_gap
from parity.proofs.context import ProofContext
from parity.proofs.extremes import scaled_up
from parity.proofs.forward import probe_layers
from parity.proofs.train_mode import (
    probe_batch_norms,
    probe_inputs_of_batch_norms,
    recipe_for,
    start,
    training_stages,
)
from parity.records.records import Diagnosis

IMAGES_ALONE = 2  # for layers that are run alone

REDUCED = {"TF32": 11, "bfloat16": 8}  # significant bits

CLOSES = 8.0  # a hypothesis on float32 rounding must reduce the error by this factor


def layers_alone(context: ProofContext) -> list[Diagnosis]:
    """Every layer of either framework that differs from its spec, in inference, in float64.

    First on its real inputs; where that shows nothing, on the same inputs scaled so large that a clip would show.
    """
    inputs, actual = _probed(context, "float64")
    different = _unlike_numpy(context, inputs, actual)
    return different or _unlike_numpy(context, *_probed_alone(context, scaled_up(inputs)))


def _unlike_numpy(context: ProofContext, inputs: Arrays, actual: Mapping[str, Arrays]) -> list[Diagnosis]:
    state, scene = context.state("float64"), scene_of(context)
    diagnoses = []
    for layer in context.layers():
        name = layer["name"]
        if name not in inputs:
            continue
        x, own = inputs[name], own_arrays(state, name)
        expected = kinds.layer(layer, x, own)
        for framework, outputs in actual.items():
            before = finite_gap(expected, outputs[name])
            if not before <= FLOAT64_LIMIT:
                maps = scene.flattened(name) if layer["kind"] == "dense" else None
                mismatch = Mismatch(framework, name, layer["kind"], before)
                largest = float(np.nanmax(outputs[name]))
                candidates = hypotheses.of_layer(layer, x, own, state, maps, largest=largest)
                diagnoses.append(identify_cause(mismatch, candidates, outputs[name]))
    return diagnoses


def reduced_precision(context: ProofContext) -> list[Diagnosis]:
    """Every convolution or dense layer of either framework that multiplies in less than float32."""
    state = context.state("float64")
    inputs, actual = _probed(context, "float32")
    diagnoses = []
    for layer in context.layers():
        name = layer["name"]
        if layer["kind"] not in ("conv", "dense"):
            continue
        x, own = inputs[name].astype(np.float64), own_arrays(state, name)
        exact = kinds.layer(layer, x, own)
        for framework, outputs in actual.items():
            before = finite_gap(exact, outputs[name])
            for title, bits in REDUCED.items():
                lowered = {
                    kind: hypotheses.rounded_to_bits(array, bits) if kind == "kernel" else array
                    for kind, array in own.items()
                }
                after = finite_gap(kinds.layer(layer, hypotheses.rounded_to_bits(x, bits), lowered), outputs[name])
                if after * CLOSES < before:
                    text = f"products of {title} numbers ({bits} significant bits)"
                    mismatch = Mismatch(framework, name, layer["kind"], before)
                    diagnoses.append(diagnosis_of(mismatch, "tf32", text, after))
                    break
    return diagnoses


def running_statistics(context: ProofContext) -> list[Diagnosis]:
    """Every batch norm whose running statistics are not updated as its spec says."""
    facts = context.network.batch_norm
    if facts is None:
        return []
    state, inputs = context.state("float64"), probe_inputs_of_batch_norms(context)
    outputs = probe_batch_norms(context, "float64", pack(state=state, input=inputs))
    diagnoses = []
    for name, x in inputs.items():
        own = own_arrays(state, name)
        _, *moved = batch_norm_training(x, own, facts.epsilon, facts.momentum)
        for framework, arrays in outputs.items():
            actual = [arrays[f"{name}/{kind}"] for kind in ("mean", "variance")]
            before = max(map(finite_gap, moved, actual))
            if not before <= FLOAT64_LIMIT:
                mismatch = Mismatch(framework, name, "running statistics", before)
                candidates = (
                    (trap, text, np.concatenate([statistics["mean"], statistics["variance"]]))
                    for trap, text, statistics in of_running_statistics(own, x, facts.momentum)
                )
                diagnoses.append(identify_cause(mismatch, candidates, np.concatenate(actual)))
    return diagnoses


def dropout_masks(context: ProofContext) -> list[Diagnosis]:
    """Every dropout whose kept activations are not scaled by 1 / (1 - rate); from the ratio of output and input."""
    layers = context.layers()
    stages = stages_of_first_row(context)
    diagnoses = []
    for index, layer in enumerate(layers):
        if layer["kind"] != "dropout":
            continue
        name, rate = layer["name"], layer["rate"]
        fed = [earlier["name"] for earlier in layers[:index] if earlier["kind"] != "flatten"][-1]
        for framework, outputs in stages.items():
            x, y = outputs[fed], outputs[name]
            kept = (np.abs(x) > 0) & (np.abs(y) > 0)
            if x.shape != y.shape or not kept.any():
                continue
            scale, share = float(np.median(y[kept] / x[kept])), kept.sum() / (np.abs(x) > 0).sum()
            mismatch = Mismatch(framework, name, "dropout", abs(scale * (1 - rate) - 1))
            if mismatch.before < 1e-6:
                continue
            if abs(scale * rate - 1) < 1e-6:
                text = f"rate {1 - rate:g} ({share:.0%} kept), where the network says {rate:g}: the share that is kept"
                diagnoses.append(diagnosis_of(mismatch, "dropout-mode", text, abs(scale * rate - 1)))
            elif abs(scale - 1) < 1e-6:
                text = "no scaling in training"
                diagnoses.append(diagnosis_of(mismatch, "dropout-mode", text, abs(scale - 1)))
    return diagnoses


def own_arrays(state: Arrays, name: str) -> Arrays:
    """A layer's arrays by kind."""
    return {full.rpartition("/")[2]: array for full, array in state.items() if full.rpartition("/")[0] == name}


def stages_of_first_row(context: ProofContext) -> dict[str, Arrays]:
    """Every stage of the first row of a plan in training mode, by framework."""
    plan = start(context, recipe_for(context))
    row = {name: array[:1] for name, array in plan.items()}
    return {framework: run.stages for framework, run in training_stages(context, row).items()}


def _probed(context: ProofContext, dtype: str) -> tuple[Arrays, dict[str, Arrays]]:
    """The inputs of every layer that has a numpy reference, and each framework's outputs of the layer alone."""
    images = context.images()[:IMAGES_ALONE]
    state = context.state(dtype)
    arrays = pack(state=state, images={"nhwc": images})
    reaching = context.workers.map(lambda worker: worker.layer_inputs(context.network.name, dtype, arrays))
    known = {layer["name"] for layer in context.layers() if kinds.of_spec(layer) is not None}
    given = list(reaching.values())
    inputs = {}
    for name in given[0]:
        if name in known:
            choices = [own_inputs[name] for own_inputs in given if name in own_inputs]
            finite = [array for array in choices if np.isfinite(array).all()]
            inputs[name] = finite[0] if finite else np.nan_to_num(choices[0], posinf=1.0, neginf=-1.0)
    return _probed_alone(context, inputs, dtype)


def _probed_alone(context: ProofContext, inputs: Arrays, dtype: str = "float64") -> tuple[Arrays, dict[str, Arrays]]:
    """These inputs, and each framework's outputs of the layers alone."""
    arrays = pack(state=context.state(dtype), input=inputs)
    return inputs, probe_layers(context, dtype, arrays)
