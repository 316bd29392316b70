"""From a level that failed to its causes: which framework, at which stage, and which trap."""

from __future__ import annotations

from collections.abc import Callable

from parity.catalogue.recipes import Recipe
from parity.diagnosis.images_and_loss import fed_images, loss_value, training_images
from parity.diagnosis.layers import dropout_masks, layers_alone, reduced_precision, running_statistics
from parity.diagnosis.optimizer import extreme_losses, optimizer_alone
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
from parity.proofs.context import ProofContext
from parity.records.records import Diagnosis


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
