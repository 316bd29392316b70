"""From a level that failed to its causes: which framework, at which stage, and which trap.

Every layer is run alone in both frameworks on the activations that really reach it, so that no fault hides another. A
layer that differs from numpy's output for its spec is compared with every trap that it can fall into
(`parity.diagnosis.hypotheses`). The trap that gives its output to the last bits is the cause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from parity import kinds
from parity.catalogue.recipes import Recipe
from parity.data.batches import prepared, reference_batch
from parity.data.dataset import Dataset
from parity.data.epoch_plan import EpochPlan
from parity.diagnosis import hypotheses
from parity.diagnosis.attribution import Mismatch, diagnosis_of, identify_cause
from parity.diagnosis.hypotheses import Hypothesis
from parity.diagnosis.optimizer import extreme_losses, optimizer_alone
from parity.diagnosis.scene import IMAGES, LOSS, scene_of
from parity.diagnosis.trained_path import (
    counted_images,
    counted_steps,
    evaluated_images,
    first_of_epoch,
    first_weights,
    layers_backwards,
    reported_step,
    side_effects_of_evaluation,
)
from parity.kinds.norm import batch_norm_training, of_running_statistics
from parity.numerics.arrays import Arrays, pack
from parity.numerics.comparison import FLOAT64_LIMIT, gap
from parity.numerics.losses import cross_entropy
from parity.proofs.context import ProofContext
from parity.proofs.extremes import scaled_up
from parity.proofs.forward import probe_layers
from parity.proofs.train_mode import (
    gradients_of,
    probe_batch_norms,
    probe_inputs_of_batch_norms,
    recipe_for,
    start,
    training_part,
    training_stages,
)
from parity.records.records import Diagnosis

IMAGES_ALONE = 2  # for layers that are run alone

REDUCED = {"TF32": 11, "bfloat16": 8}  # significant bits

CLOSES = 8.0  # a hypothesis on float32 rounding must reduce the error by this factor


def diagnose(context: ProofContext, level: int, recipe: Recipe | None = None) -> list[Diagnosis]:
    """The causes of a level's failure.

    Args:
        context: the network, its workers and its data.
        level: that failed, 1 to 8.
        recipe: in place of the network's own, for level 6.

    Returns:
        A diagnosis with its stage for each cause; without a trap where none fits. Empty where the layers alone, the
        images, the loss and the update rule are all right, and where the twins' layers do not correspond.

    Raises:
        WorkerError: a worker failed, with what it said.
    """
    if not _correspond(context):
        return []
    for search in _searches(recipe)[level]:
        if causes := search(context):
            return causes
    return []


def diagnose_all(context: ProofContext) -> list[Diagnosis]:
    """The causes that the searches of all levels find, whether the levels failed or not.

    Args:
        context: the network, its workers and its data.

    Returns:
        In the order of the levels; none where the two states do not correspond, which level 1 reports.

    Raises:
        WorkerError: a worker failed, with what it said.
    """
    if not _correspond(context):
        return []
    searches = dict.fromkeys(search for of_level in _searches(None).values() for search in of_level)  # each once
    return [cause for search in searches for cause in search(context)]


def _searches(recipe: Recipe | None) -> dict[int, tuple[Callable[[ProofContext], list[Diagnosis]], ...]]:
    """By level, in the order in which they are tried."""
    return {
        1: (layers_alone,),
        2: (layers_alone, fed_images),
        3: (reduced_precision,),
        4: (layers_alone, running_statistics, dropout_masks, training_images, loss_value, reported_step),
        5: (layers_alone, loss_value),
        6: (lambda context: optimizer_alone(context, recipe), extreme_losses, layers_alone),
        7: (first_weights, evaluated_images, counted_images, side_effects_of_evaluation, layers_alone),
        8: (first_weights, layers_backwards, counted_steps, first_of_epoch, reduced_precision),
    }


def _correspond(context: ProofContext) -> bool:
    """Whether the twins have the same layers at all, which level 1 judges."""
    one, other = context.describe().values()
    return one.entries == other.entries and one.layers == other.layers


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
        x, own = inputs[name], _own(state, name)
        expected = kinds.layer(layer, x, own)
        for framework, outputs in actual.items():
            before = gap(expected, outputs[name])
            if not before <= FLOAT64_LIMIT:
                maps = scene.flattened(name) if layer["kind"] == "dense" else None
                mismatch = Mismatch(framework, name, layer["kind"], before)
                largest = float(np.nanmax(outputs[name]))
                candidates = hypotheses.of_layer(layer, x, own, state, maps, largest=largest)
                diagnoses.append(identify_cause(mismatch, candidates, outputs[name]))
    return diagnoses


def fed_images(context: ProofContext) -> list[Diagnosis]:
    """Whether the first layer was given other images than it should have been."""
    layer, state = context.layers()[0], context.state("float64")
    images = context.images().astype(np.float64)
    return _first_layer(layer, state, images, context.stages("float64"), hypotheses.of_images(images))


def reduced_precision(context: ProofContext) -> list[Diagnosis]:
    """Every convolution or dense layer of either framework that multiplies in less than float32."""
    state = context.state("float64")
    inputs, actual = _probed(context, "float32")
    diagnoses = []
    for layer in context.layers():
        name = layer["name"]
        if layer["kind"] not in ("conv", "dense"):
            continue
        x, own = inputs[name].astype(np.float64), _own(state, name)
        exact = kinds.layer(layer, x, own)
        for framework, outputs in actual.items():
            before = gap(exact, outputs[name])
            for title, bits in REDUCED.items():
                lowered = {
                    kind: hypotheses.rounded_to_bits(array, bits) if kind == "kernel" else array
                    for kind, array in own.items()
                }
                after = gap(kinds.layer(layer, hypotheses.rounded_to_bits(x, bits), lowered), outputs[name])
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
        own = _own(state, name)
        _, *moved = batch_norm_training(x, own, facts.epsilon, facts.momentum)
        for framework, arrays in outputs.items():
            actual = [arrays[f"{name}/{kind}"] for kind in ("mean", "variance")]
            before = max(map(gap, moved, actual))
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
    stages = _training_stages(context)
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


def training_images(context: ProofContext) -> list[Diagnosis]:
    """Whether the training's first batch is the recipe's preprocessing of its images."""
    recipe, layer, state = recipe_for(context), context.layers()[0], context.state("float64")
    stages = _training_stages(context)
    part, plan = _first_row(context)
    arrays = prepared(part, recipe)

    def images(**changed: np.ndarray) -> np.ndarray:
        return reference_batch(arrays | changed, plan, 0)[0].astype(np.float64)

    def candidates() -> Iterator[Hypothesis]:
        if "mean" in arrays:
            mean = arrays["mean"]
            channels = np.broadcast_to(mean.mean(axis=(0, 1)), mean.shape).astype(mean.dtype)
            text = "images less the mean of each channel, where the recipe says of each pixel"
            yield "preprocess", text, images(mean=channels)
            yield "preprocess", "images without their mean subtracted", images(mean=np.zeros_like(mean))
        yield from hypotheses.of_images(images())

    return _first_layer(layer, state, images(), stages, candidates())


def loss_value(context: ProofContext) -> list[Diagnosis]:
    """Whether the loss is the cross entropy of the logits."""
    recipe = recipe_for(context)
    stages = _training_stages(context)
    plan = start(context, recipe)
    batches = gradients_of(context, plan)
    part, first = _first_row(context)
    labels = part.train_labels[first.order[0]].astype(int)
    diagnoses = []
    for framework, batch in batches.items():
        logits, loss = stages[framework]["head/logits"], np.array(batch.loss)
        before = gap(np.array(cross_entropy(logits, labels)), loss)
        if not before <= FLOAT64_LIMIT:
            candidates = ((trap, text, np.array(value)) for trap, text, value in hypotheses.of_loss(logits, labels))
            diagnoses.append(identify_cause(Mismatch(framework, LOSS, "loss", before), candidates, loss))
    return diagnoses


def _own(state: Arrays, name: str) -> Arrays:
    """A layer's arrays by kind."""
    return {full.rpartition("/")[2]: array for full, array in state.items() if full.rpartition("/")[0] == name}


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


def _first_row(context: ProofContext) -> tuple[Dataset, EpochPlan]:
    """The images of the proofs' training, and its plan's first row."""
    plan = start(context, recipe_for(context))
    return training_part(context), EpochPlan(*(plan[name][:1] for name in ("order", "dy", "dx", "flip", "dropout")))


def _training_stages(context: ProofContext) -> dict[str, Arrays]:
    """Every stage of the first row of a plan in training mode, by framework."""
    plan = start(context, recipe_for(context))
    row = {name: array[:1] for name, array in plan.items()}
    return {framework: run.stages for framework, run in training_stages(context, row).items()}


def _first_layer(
    layer: Mapping[str, Any],
    state: Arrays,
    images: np.ndarray,
    stages: Mapping[str, Arrays],
    candidates: Iterable[Hypothesis],
) -> list[Diagnosis]:
    """The cause of wrong images, by the outputs of the first layer."""
    own = _own(state, layer["name"])
    expected = kinds.layer(layer, images, own)
    seen = [(trap, text, kinds.layer(layer, fed, own)) for trap, text, fed in candidates]
    diagnoses = []
    for framework, outputs in stages.items():
        before = gap(expected, outputs[layer["name"]])
        if not before <= FLOAT64_LIMIT:
            mismatch = Mismatch(framework, IMAGES, "images", before)
            diagnoses.append(identify_cause(mismatch, seen, outputs[layer["name"]]))
    return diagnoses
