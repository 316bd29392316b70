"""Level 10: weights that one framework trained, evaluated by both over all test images in float32."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from parity.catalogue.recipes import recipe_of
from parity.data.batches import mean_image
from parity.data.dataset import Dataset
from parity.numerics.arrays import Arrays, pack
from parity.numerics.comparison import relative_gap
from parity.numerics.losses import correct
from parity.records.accuracy_records import CrossEvaluation, DifferingImage
from parity.records.records import Training
from parity.weights.state import State
from parity.workers.errors import WorkerError
from parity.workers.pool import Workers

Logits = Mapping[str, np.ndarray]  # [n, classes] by framework


def cross_evaluate(workers: Workers, dataset: Dataset, record: Training, weights: State) -> CrossEvaluation:
    """Evaluate the weights of a finished training where it took place and in the other framework.

    The images whose predicted class differs are evaluated again in float64, where rounding is too small to matter.

    Args:
        workers: both frameworks'.
        dataset: whose test images are predicted.
        record: of the training.
        weights: float32, that the training ended with.

    Returns:
        The record. A worker that fails, logits that are not finite and a data set without test images are `problems`
        of it.
    """
    home = record.framework
    abroad = next(name for name in workers if name != home)
    labels = dataset.test_labels
    try:
        logits = _logits(workers, dataset, record, weights, "float32", np.arange(len(labels)))
        problems = _problems(logits, len(labels))
        differing = [] if problems else _differing(workers, dataset, record, weights, logits[home], logits[abroad])
    except WorkerError as error:
        logits, problems, differing = {}, [str(error)], []
    return CrossEvaluation(
        network=record.network,
        dataset=dataset.title,
        seed=record.seed,
        trained_in=home,
        evaluated_in=abroad,
        images=len(labels) if logits else 0,
        accuracy_home=math.nan if problems else _accuracy(logits[home], labels),
        accuracy_abroad=math.nan if problems else _accuracy(logits[abroad], labels),
        largest_gap=math.nan if problems else relative_gap(logits[home], logits[abroad]),
        differing=differing,
        problems=problems,
        recipe=record.recipe,
        precision=record.precision,
        replicas=record.replicas,
        synchronised=record.synchronised,
    )


def _logits(
    workers: Workers, dataset: Dataset, record: Training, weights: State, dtype: str, images: np.ndarray
) -> dict[str, np.ndarray]:
    """Both frameworks' logits of the test images with these indices; nothing where there are none."""
    if not len(images):
        return {}
    data: Arrays = {"images": dataset.test_images[images]}
    if recipe_of(record.recipe).subtract_mean:
        data["mean"] = mean_image(dataset)
    arrays = pack(state={name: array.astype(dtype) for name, array in weights.items()}, data=data)
    return workers.map(lambda worker: worker.predict(record.network, dtype, arrays))


def _problems(logits: Logits, images: int) -> list[str]:
    """Why the logits cannot be compared."""
    if not logits:
        return ["expected test images, found none: nothing was compared"]
    problems = []
    shapes = {name: array.shape for name, array in logits.items()}
    if len(set(shapes.values())) > 1 or any(len(array) != images for array in logits.values()):
        problems.append(f"expected logits of {images} images from both frameworks, found the shapes {shapes}")
    for name, array in logits.items():
        if bad := np.count_nonzero(~np.isfinite(array).all(axis=-1)):
            problems.append(f"{name}: the logits of {bad} of {len(array)} images are not finite")
        elif not array.any():
            problems.append(f"{name}: every logit is 0, so no class is predicted")
    return problems


def _differing(
    workers: Workers, dataset: Dataset, record: Training, weights: State, home: np.ndarray, abroad: np.ndarray
) -> list[DifferingImage]:
    """The images that the two predict differently, as `CrossEvaluation.differing`."""
    classes = home.argmax(axis=1), abroad.argmax(axis=1)
    images = np.flatnonzero(classes[0] != classes[1])
    agree = np.ones(len(images), bool)
    exact = _logits(workers, dataset, record, weights, "float64", images)
    for logits in exact.values():
        same_class = logits.argmax(axis=1) == exact[record.framework].argmax(axis=1)
        agree &= same_class & np.isfinite(logits).all(axis=1)
    top = np.sort(home[images], axis=1)
    return [
        DifferingImage(
            image=int(image),
            home=int(classes[0][image]),
            abroad=int(classes[1][image]),
            margin=float(top[row, -1] - top[row, -2]),
            float64_agree=bool(agree[row]),
        )
        for row, image in enumerate(images)
    ]


def _accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(correct(logits, labels).mean())
