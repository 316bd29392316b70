"""Causes before the first layer and behind the last: other images than the recipe makes, and another loss."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from parity import kinds
from parity.data.batches import prepared, reference_batch
from parity.data.dataset import Dataset
from parity.data.epoch_plan import EpochPlan
from parity.diagnosis import hypotheses
from parity.diagnosis.attribution import Mismatch, identify_cause
from parity.diagnosis.hypotheses import Hypothesis
from parity.diagnosis.layers import own_arrays, stages_of_first_row
from parity.diagnosis.scene import IMAGES, LOSS
from parity.numerics.arrays import Arrays
from parity.numerics.comparison import FLOAT64_LIMIT, finite_gap
from parity.numerics.losses import cross_entropy
from parity.proofs.context import ProofContext
from parity.proofs.train_mode import (
    gradients_of,
    recipe_for,
    start,
    training_part,
)
from parity.records.records import Diagnosis


def fed_images(context: ProofContext) -> list[Diagnosis]:
    """Whether the first layer was given other images than it should have been."""
    layer, state = context.layers()[0], context.state("float64")
    images = context.images().astype(np.float64)
    return _first_layer(layer, state, images, context.stages("float64"), hypotheses.of_images(images))


def training_images(context: ProofContext) -> list[Diagnosis]:
    """Whether the training's first batch is the recipe's preprocessing of its images."""
    recipe, layer, state = recipe_for(context), context.layers()[0], context.state("float64")
    stages = stages_of_first_row(context)
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
    stages = stages_of_first_row(context)
    plan = start(context, recipe)
    batches = gradients_of(context, plan)
    part, first = _first_row(context)
    labels = part.train_labels[first.order[0]].astype(int)
    diagnoses = []
    for framework, batch in batches.items():
        logits, loss = stages[framework]["head/logits"], np.array(batch.loss)
        before = finite_gap(np.array(cross_entropy(logits, labels)), loss)
        if not before <= FLOAT64_LIMIT:
            candidates = ((trap, text, np.array(value)) for trap, text, value in hypotheses.of_loss(logits, labels))
            diagnoses.append(identify_cause(Mismatch(framework, LOSS, "loss", before), candidates, loss))
    return diagnoses


def _first_row(context: ProofContext) -> tuple[Dataset, EpochPlan]:
    """The images of the proofs' training, and its plan's first row."""
    plan = start(context, recipe_for(context))
    return training_part(context), EpochPlan(*(plan[name][:1] for name in ("order", "dy", "dx", "flip", "dropout")))


def _first_layer(
    layer: Mapping[str, Any],
    state: Arrays,
    images: np.ndarray,
    stages: Mapping[str, Arrays],
    candidates: Iterable[Hypothesis],
) -> list[Diagnosis]:
    """The cause of wrong images, by the outputs of the first layer."""
    own = own_arrays(state, layer["name"])
    expected = kinds.layer(layer, images, own)
    seen = [(trap, text, kinds.layer(layer, fed, own)) for trap, text, fed in candidates]
    diagnoses = []
    for framework, outputs in stages.items():
        before = finite_gap(expected, outputs[layer["name"]])
        if not before <= FLOAT64_LIMIT:
            mismatch = Mismatch(framework, IMAGES, "images", before)
            diagnoses.append(identify_cause(mismatch, seen, outputs[layer["name"]]))
    return diagnoses
