"""The batches of an epoch, computed in numpy from its plan and the data set: what both frameworks must train on."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from parity.catalogue.networks import network
from parity.catalogue.recipes import RECIPES, Recipe, learning_rates
from parity.data.dataset import Dataset
from parity.data.epoch_plan import EpochPlan, augment, epoch_plan, pad_images
from parity.numerics.arrays import Arrays, batch_digest, pack
from parity.weights.description import Description, DropoutSites
from parity.weights.initializers import training_state


def plan_arrays(dataset: Dataset, recipe: Recipe, batch: int, seed: int, epoch: int, dropout: DropoutSites) -> Arrays:
    """The plan and the learning rates of one epoch, as a worker's `train_epoch` takes them.

    Args:
        dataset: whose training images are drawn.
        recipe: augmentation and learning rate schedule.
        batch: images a step.
        seed: of the plan, 0 to 2**64 - 1.
        epoch: counted from 0.
        dropout: the dropout layers of the network, as a worker's `describe` gives them.

    Returns:
        int32 `order`, `dy`, `dx`, `flip` [steps, batch] and `dropout` [steps, sites], see `EpochPlan`; float32 `rate`
        [steps].

    Raises:
        ValueError: the batch is larger than the number of training images.
    """
    plan = epoch_plan(
        seed,
        epoch,
        images=len(dataset.train_images),
        batch=batch,
        augmentation=recipe.augmentation,
        dropout_sites=dropout.sites,
        pool_spare=dropout.largest * batch,  # the pool is twice as long as the largest mask
    )
    rate = learning_rates(recipe.schedule, epoch, len(plan.order))
    return {name: getattr(plan, name) for name in ("order", "dy", "dx", "flip", "dropout")} | {"rate": rate}


def prepared(dataset: Dataset, recipe: Recipe) -> Arrays:
    """The arrays of a training, as a worker's `start_training` takes them.

    Args:
        dataset: images and labels.
        recipe: its augmentation says how to pad, and it may subtract the mean image.

    Returns:
        `images` uint8 [n, h + 2 * pad, w + 2 * pad, c], `labels` uint8 [n], `test_images` uint8 [m, h, w, c],
        `test_labels` uint8 [m]; where the recipe subtracts the mean image also float32 `mean` (padded as `images`) and
        `test_mean` [h, w, c].
    """
    arrays = {
        "images": pad_images(dataset.train_images, recipe.augmentation),
        "labels": dataset.train_labels,
        "test_images": dataset.test_images,
        "test_labels": dataset.test_labels,
    }
    if recipe.subtract_mean:
        mean = mean_image(dataset)
        arrays |= {"mean": pad_images(mean[None], recipe.augmentation)[0], "test_mean": mean}
    return arrays


def mean_image(dataset: Dataset) -> np.ndarray:
    """The mean of the training images, of every pixel and channel.

    Args:
        dataset: of which the test images are not used.

    Returns:
        float32 [h, w, c] in 0..1: after division by 255.
    """
    return (dataset.train_images.mean(axis=0, dtype=np.float64) / 255).astype(np.float32)


def timing_arrays(
    name: str, description: Description, dataset: Dataset, batch: int, seed: int, steps: int = 16
) -> Arrays:
    """The arrays of a short training by a network's own recipe, as a worker's `start_timing` takes them.

    Args:
        name: of the network.
        description: of the network, as a worker's `describe` gives it.
        dataset: of which the first images are used.
        batch: images a step.
        seed: of weights and epoch plan.
        steps: of the plan.

    Returns:
        The groups `state`, `data` and `plan` of a training, packed.
    """
    recipe = RECIPES[network(name).recipe]
    few = dataset.limited(batch * steps)
    return pack(
        state=training_state(description.entries, recipe.init, seed),
        data=prepared(few, recipe),
        plan=plan_arrays(few, recipe, batch, seed, 0, description.dropout),
    )


@lru_cache(maxsize=4)
def reference_digest(dataset: Dataset, recipe: Recipe, batch: int, seed: int) -> str:
    """The sha256 (hex) of the batches of the first epoch, computed in numpy; both frameworks must have the same.

    Args:
        dataset: whose training images are drawn.
        recipe: its augmentation and mean image.
        batch: images a step.
        seed: of the plan.

    Returns:
        64 digits, as the verb `digest_batches` gives them; the four last ones are kept.

    Raises:
        ValueError: the batch is larger than the number of training images.
    """
    images = len(dataset.train_images)
    plan = epoch_plan(seed, 0, images=images, batch=batch, augmentation=recipe.augmentation)
    return batch_digest(_reference_batches(prepared(dataset, recipe), plan))


def _reference_batches(arrays: Arrays, plan: EpochPlan) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """What `reference_batch` makes of every step."""
    return (reference_batch(arrays, plan, step) for step in range(len(plan.order)))


def reference_batch(arrays: Arrays, plan: EpochPlan, step: int) -> tuple[np.ndarray, np.ndarray]:
    """The images and labels of one step.

    Args:
        arrays: from `prepared`.
        plan: of the epoch.
        step: row of the plan.

    Returns:
        Images float32 [batch, h, w, c] in 0..1, minus the mean image where there is one; labels int32 [batch].
    """
    size = arrays["test_images"].shape[1]
    pixels, labels = augment(arrays["images"], arrays["labels"], plan, step, size)
    images = pixels.astype(np.float32) * np.float32(1 / 255)
    if "mean" in arrays:
        # the mean image is cropped and mirrored like the images, because it is subtracted before the crop
        moving = np.broadcast_to(arrays["mean"], (len(labels), *arrays["mean"].shape))
        own_order = np.arange(len(labels), dtype=np.int32)
        rows = (own_order, plan.dy[step], plan.dx[step], plan.flip[step], plan.dropout[step])
        own = EpochPlan(*(row[None] for row in rows))
        images = images - augment(moving, labels, own, 0, size)[0]
    return images, labels.astype(np.int32)
