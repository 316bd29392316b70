"""Train one network in one framework's worker: the same recipe, weights, batches, crops, flips and masks for both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from parity.data import Dataset
from parity.evidence import entries_of
from parity.initial import training_state
from parity.networks import network
from parity.plan import EpochPlan, augment, batch_digest, epoch_plan, pad_images
from parity.protocol import Arrays, pack
from parity.recipes import RECIPES, Recipe, as_arguments, learning_rates
from parity.results import Epoch, Training
from parity.weights import State, digest
from parity.workers import Worker, WorkerError


@dataclass(frozen=True)
class Progress:
    """News of a running training, for a display; a finished epoch comes with its `record`."""

    network: str
    framework: str
    epoch: int  # counted from 1; 0 while preparing
    epochs: int
    step: int
    steps: int
    loss: float = 0.0
    accuracy: float = 0.0
    record: Epoch | None = None


@dataclass(frozen=True)
class Outcome:
    """A finished or interrupted training: its record, and the weights when it came to its end."""

    record: Training
    weights: State | None
    interrupted: bool = False  # by Ctrl-C


def train(
    worker: Worker,
    name: str,
    dataset: Dataset,
    *,
    epochs: int | None = None,
    batch: int | None = None,
    seed: int = 0,
    mode: str = "auto",
    on_progress: Callable[[Progress], None] = lambda news: None,
) -> Outcome:
    """Train the network by its recipe (or for another number of epochs, or with another batch).

    A worker that fails, and Ctrl-C, end the training early: the outcome then has the epochs so far, no weights, and
    says why in `record.problems`. Raises ValueError when the data set is smaller than a batch.
    """
    recipe = RECIPES[network(name).recipe]
    interrupted = False
    run = _Run(worker, name, dataset, recipe, epochs or recipe.epochs, batch or recipe.batch, seed, mode, on_progress)
    try:
        run.prepare()
        for epoch in range(run.epochs):
            run.train_epoch(epoch)
        run.finish()
    except WorkerError as error:
        run.problems.append(str(error))
    except KeyboardInterrupt:
        worker.stop()
        interrupted = True
        run.problems.append(f"interrupted in epoch {len(run.records) + 1} of {run.epochs}")
    return Outcome(run.record(), run.weights, interrupted)


@dataclass
class _Run:
    """The state of one training."""

    worker: Worker
    name: str
    dataset: Dataset
    recipe: Recipe
    epochs: int
    batch: int
    seed: int
    mode: str
    on_progress: Callable[[Progress], None]

    def __post_init__(self) -> None:
        self.records: list[Epoch] = []
        self.problems: list[str] = []
        self.weights: State | None = None
        self.peak_memory = 0
        self.first_seconds = 0.0
        self.digests = {"initial": "", "batches": ""}
        self.dropout: dict[str, int] = {}
        self.step_mode = ""

    def prepare(self) -> None:
        """Data and weights to the device; compile; compare the first epoch's batches with the reference's."""
        self._report(0, 0)
        description = self.worker.call("describe", network=self.name).result
        state = training_state(entries_of(description), self.recipe.init, self.seed)
        self.digests["initial"] = digest(state)
        self.dropout = description["dropout"]
        self.step_mode = self.worker.call(
            "start_training",
            network=self.name,
            arrays=pack(state=state, data=prepared(self.dataset, self.recipe)),
            seed=self.seed,
            mode=self.mode,
            **(as_arguments(self.recipe) | {"batch": self.batch}),
        ).result["mode"]
        plan = self._plan(0)
        self.first_seconds = self.worker.call("warm_up", network=self.name, arrays=plan).result["first_seconds"]
        found = self.worker.call("digest_batches", network=self.name, arrays=plan).result["digest"]
        self.digests["batches"] = found
        if found != reference_digest(self.dataset, self.recipe, self.batch, self.seed):
            self.problems.append("the first epoch's batches are not bit-identical to the numpy reference's")

    def train_epoch(self, epoch: int) -> None:
        """Train and evaluate the epoch (counted from 0)."""
        plan = self._plan(epoch)

        def on_progress(news: dict[str, Any]) -> None:
            self._report(epoch + 1, news["step"], news["loss"], news["accuracy"])

        trained = self.worker.call("train_epoch", network=self.name, arrays=plan, on_progress=on_progress).result
        tested = self.worker.call("evaluate", network=self.name).result
        record = Epoch(
            epoch=epoch + 1,
            learning_rate=float(plan["rate"][0]),
            train_loss=trained["loss"],
            train_accuracy=trained["accuracy"],
            test_loss=tested["loss"],
            test_accuracy=tested["accuracy"],
            seconds=trained["seconds"],
            images_per_second=trained["images"] / trained["seconds"],
        )
        if not np.isfinite([record.train_loss, record.test_loss]).all():
            self.problems.append(f"epoch {epoch + 1}: the loss is not a number")
        self.records.append(record)
        self._report(epoch + 1, self.steps, record.train_loss, record.train_accuracy, record)

    def finish(self) -> None:
        """Fetch the weights and the peak of memory."""
        reply = self.worker.call("export_training", network=self.name)
        self.weights, self.peak_memory = reply.arrays, reply.result["peak_memory"]

    def record(self) -> Training:
        """What is known so far."""
        return Training(
            network=self.name,
            framework=self.worker.framework,
            recipe=self.recipe.name,
            dataset=self.dataset.title,
            train_images=len(self.dataset.train_images),
            test_images=len(self.dataset.test_images),
            batch=self.batch,
            seed=self.seed,
            mode=self.step_mode,
            precision="float32",
            device=self.worker.device,
            threads=self.worker.threads,
            epochs=[asdict(record) for record in self.records],
            epochs_planned=self.epochs,
            seconds=sum(record.seconds for record in self.records),
            first_seconds=self.first_seconds,
            peak_memory=self.peak_memory,
            initial_digest=self.digests["initial"],
            batches_digest=self.digests["batches"],
            problems=self.problems,
        )

    @property
    def steps(self) -> int:
        """Steps an epoch; the last incomplete batch is dropped."""
        return len(self.dataset.train_images) // self.batch

    def _plan(self, epoch: int) -> Arrays:
        return plan_arrays(self.dataset, self.recipe, self.batch, self.seed, epoch, self.dropout)

    def _report(
        self, epoch: int, step: int, loss: float = 0.0, accuracy: float = 0.0, record: Epoch | None = None
    ) -> None:
        self.on_progress(
            Progress(self.name, self.worker.framework, epoch, self.epochs, step, self.steps, loss, accuracy, record)
        )


def plan_arrays(
    dataset: Dataset, recipe: Recipe, batch: int, seed: int, epoch: int, dropout: Mapping[str, int]
) -> Arrays:
    """The plan and the learning rates of one epoch (counted from 0); `dropout` as a worker describes it."""
    plan = epoch_plan(
        seed,
        epoch,
        images=len(dataset.train_images),
        batch=batch,
        augmentation=recipe.augmentation,
        dropout_sites=dropout["sites"],
        pool_spare=dropout["largest"] * batch,  # the pool is twice as long as the largest mask
    )
    rate = learning_rates(recipe.schedule, epoch, len(plan.order))
    return {name: getattr(plan, name) for name in ("order", "dy", "dx", "flip", "dropout")} | {"rate": rate}


def prepared(dataset: Dataset, recipe: Recipe) -> Arrays:
    """The arrays of a training: padded uint8 images, labels, and the mean image where the recipe subtracts it."""
    arrays = {
        "images": pad_images(dataset.train_images, recipe.augmentation),
        "labels": dataset.train_labels,
        "test_images": dataset.test_images,
        "test_labels": dataset.test_labels,
    }
    if recipe.subtract_mean:
        mean = (dataset.train_images.mean(axis=0, dtype=np.float64) / 255).astype(np.float32)
        arrays |= {"mean": pad_images(mean[None], recipe.augmentation)[0], "test_mean": mean}
    return arrays


@lru_cache(maxsize=4)
def reference_digest(dataset: Dataset, recipe: Recipe, batch: int, seed: int) -> str:
    """The digest that both frameworks' first epoch must have, made in numpy."""
    images = len(dataset.train_images)
    plan = epoch_plan(seed, 0, images=images, batch=batch, augmentation=recipe.augmentation)
    return batch_digest(_reference_batches(prepared(dataset, recipe), plan))


def _reference_batches(arrays: Arrays, plan: EpochPlan) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """float32 images NHWC in 0..1 (less the mean) and int32 labels of every step."""
    size = arrays["test_images"].shape[1]
    for step in range(len(plan.order)):
        pixels, labels = augment(arrays["images"], arrays["labels"], plan, step, size)
        images = pixels.astype(np.float32) * np.float32(1 / 255)
        if "mean" in arrays:
            # the mean image moves along: it was subtracted before the crop
            moving = np.broadcast_to(arrays["mean"], (len(labels), *arrays["mean"].shape))
            each = np.arange(len(labels), dtype=np.int32)
            rows = (each, plan.dy[step], plan.dx[step], plan.flip[step], plan.dropout[step])
            own = EpochPlan(*(row[None] for row in rows))
            images = images - augment(moving, labels, own, 0, size)[0]
        yield images, labels.astype(np.int32)
