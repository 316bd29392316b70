"""Train one network in one framework's worker: the same recipe, weights, batches, crops, flips and masks for both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parity.catalogue.networks import network
from parity.catalogue.recipes import Recipe, recipe_of, trainer_settings
from parity.data.batches import plan_arrays, prepared, reference_digest
from parity.data.dataset import Dataset
from parity.numerics.arrays import Arrays, pack
from parity.records.records import Epoch, Training, TrainingSession
from parity.training.checkpoint import Checkpoint
from parity.training.fingerprint import ResolvedSettings, configuration, fingerprint
from parity.weights.description import DropoutSites
from parity.weights.initializers import initial_state
from parity.weights.state import State, digest
from parity.workers.client.training import EpochProgress
from parity.workers.errors import WorkerError
from parity.workers.worker import Worker


@dataclass(frozen=True)
class Progress:
    """The progress of a training, for a display; after a finished epoch with its `record`."""

    network: str
    framework: str
    epoch: int  # counted from 1; 0 while preparing
    epochs: int
    step: int
    steps: int
    loss: float = 0.0
    accuracy: float = 0.0
    record: Epoch | None = None
    seed: int = 0


@dataclass(frozen=True)
class Settings:
    """How a network is trained.

    Attributes:
        recipe: None: the network's own.
        epochs: None: the recipe's.
        batch: images a step; None: the recipe's.
        seed: of weights, epoch plans and dropout.
        mode: of the steps: "auto", or one that the framework has ("eager", "to_static", "tf.function", "xla").
        precision: "float32", "float64", "tf32" or "bfloat16".
    """

    recipe: Recipe | None = None
    epochs: int | None = None
    batch: int | None = None
    seed: int = 0
    mode: str = "auto"
    precision: str = "float32"

    def resolved(self, name: str) -> ResolvedSettings:
        """These settings, and the recipe's where they say nothing.

        Args:
            name: of the network, whose own recipe counts where they name none.

        Example:
            >>> settings = Settings(epochs=3).resolved("lenet5")
            >>> settings.recipe.name, settings.epochs, settings.batch
            ('mini', 3, 100)
        """
        recipe = self.recipe or recipe_of(network(name).recipe)
        epochs, batch = self.epochs or recipe.epochs, self.batch or recipe.batch
        return ResolvedSettings(recipe, epochs, batch, self.seed, self.mode, self.precision)


@dataclass(frozen=True)
class Outcome:
    """A finished or interrupted training: its record, and the weights when it came to its end."""

    record: Training
    weights: State | None
    interrupted: bool = False  # by Ctrl-C
    warnings: tuple[str, ...] = ()  # problems that do not change the result, as a checkpoint that could not be written


def train(
    worker: Worker,
    name: str,
    dataset: Dataset,
    settings: Settings = Settings(),
    *,
    checkpoint: Path | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Outcome:
    """Train a network in one framework.

    Args:
        worker: the framework's.
        name: of the network.
        dataset: what it is trained on and evaluated with.
        settings: recipe, seed and so on.
        checkpoint: a file from which the training continues where it exists, and which is written after each epoch.
        on_progress: called before the first epoch, twice a second, and after each epoch.

    Returns:
        The outcome. A worker that fails, and Ctrl-C, end the training early: the outcome then has the epochs so far and
        no weights, and `record.problems` says why.

    Raises:
        ValueError: the data set is smaller than a batch.
        CheckpointError: the checkpoint is damaged, or another training's.

    Example::

        with Workers() as workers:
            outcome = train(workers["paddle"], "lenet5", load("generated"), Settings(epochs=2))
            print(outcome.record.epochs[-1].test_accuracy)
    """
    interrupted = False
    run = _Run(worker, name, dataset, settings.resolved(name), checkpoint, on_progress)
    try:
        run.prepare()
        for epoch in range(len(run.records), run.settings.epochs):
            run.train_epoch(epoch)
            run.save()
        run.finish()
    except WorkerError as error:
        run.problems.append(str(error))
    except KeyboardInterrupt:
        worker.stop()
        interrupted = True
        run.problems.append(f"interrupted in epoch {len(run.records) + 1} of {run.settings.epochs}")
    return Outcome(run.record(), run.weights, interrupted, tuple(run.warnings))


@dataclass
class _Run:
    """The state of one training."""

    worker: Worker
    name: str
    dataset: Dataset
    settings: ResolvedSettings
    checkpoint: Path | None
    on_progress: Callable[[Progress], None]

    def __post_init__(self) -> None:
        self.configuration: dict[str, Any] = {}
        self.records: list[Epoch] = []
        self.sessions: list[TrainingSession] = []
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self.weights: State | None = None
        self.peak_memory = 0
        self.digests = {"initial": "", "batches": ""}
        self.dropout = DropoutSites()
        self.step_mode = ""

    def prepare(self) -> None:
        """Put data and weights on the device; compile; compare the first epoch's batches with the reference's.

        With a checkpoint, continue from it instead of the comparison.
        """
        self._report(0, 0)
        settings = self.settings
        self.configuration = configuration(self.worker, self.name, self.dataset, settings)
        saved = Checkpoint.load(self.checkpoint, self.configuration, settings.epochs) if self.checkpoint else None
        description = self.worker.describe(self.name)
        state = initial_state(description.entries, settings.recipe.init, settings.seed, settings.precision)
        self.digests["initial"] = digest(state)
        self.dropout = description.dropout
        self.step_mode = self.worker.start_training(
            self.name,
            settings.seed,
            pack(state=state, data=prepared(self.dataset, settings.recipe)),
            trainer_settings(settings.recipe, batch=settings.batch, mode=settings.mode, precision=settings.precision),
        )
        plan = self._plan(0)
        first_seconds = self.worker.warm_up(self.name, plan)
        if saved is not None:
            self._go_on(saved)
        else:
            batches_digest = self.worker.digest_batches(self.name, plan)
            self.digests["batches"] = batches_digest
            if batches_digest != reference_digest(self.dataset, settings.recipe, settings.batch, settings.seed):
                self.problems.append("the first epoch's batches are not bit-identical to the numpy reference's")
        self.sessions.append(TrainingSession(len(self.records), first_seconds))

    def _go_on(self, saved: Checkpoint) -> None:
        self.worker.load_training(self.name, saved.arrays)
        self.digests, self.sessions, self.problems = dict(saved.digests), list(saved.sessions), list(saved.problems)
        self.records = list(saved.epochs)

    def train_epoch(self, epoch: int) -> None:
        """Train and evaluate the epoch (counted from 0)."""
        plan = self._plan(epoch)

        def on_progress(progress: EpochProgress) -> None:
            self._report(epoch + 1, progress.step, progress.loss, progress.accuracy)

        trained = self.worker.train_epoch(self.name, plan, on_progress)
        tested = self.worker.evaluate(self.name)
        if tested.images != len(self.dataset.test_images):
            expected = len(self.dataset.test_images)
            self.problems.append(f"epoch {epoch + 1}: expected {expected} test images, found {tested.images}")
        record = Epoch(
            epoch=epoch + 1,
            learning_rate=float(plan["rate"][0]),
            train_loss=trained.loss,
            train_accuracy=trained.accuracy,
            test_loss=tested.loss,
            test_accuracy=tested.accuracy,
            seconds=trained.seconds,
            images_per_second=trained.images / trained.seconds,
        )
        if not np.isfinite([record.train_loss, record.test_loss]).all():
            self.problems.append(f"epoch {epoch + 1}: the loss is not a number")
        self.records.append(record)
        self._report(epoch + 1, self.steps, record.train_loss, record.train_accuracy, record)

    def save(self) -> None:
        """Write the checkpoint; where that fails the training continues, and the earlier checkpoint stays."""
        if self.checkpoint is None:
            return
        arrays = self.worker.export_training(self.name, optimizer=True).arrays
        saved = Checkpoint(
            configuration=self.configuration,
            arrays=arrays,
            epochs=list(self.records),
            sessions=self.sessions,
            digests=self.digests,
            problems=self.problems,
        )
        try:
            saved.save(self.checkpoint)
        except OSError as error:
            self.warnings.append(f"the checkpoint after epoch {len(self.records)} could not be written: {error}")

    def finish(self) -> None:
        """Fetch the weights and the peak of memory."""
        trained = self.worker.export_training(self.name)
        self.weights, self.peak_memory = trained.state, trained.peak_memory

    def record(self) -> Training:
        """The record of the training so far."""
        return Training(
            network=self.name,
            framework=self.worker.framework,
            recipe=self.settings.recipe.name,
            dataset=self.dataset.title,
            train_images=len(self.dataset.train_images),
            test_images=len(self.dataset.test_images),
            batch=self.settings.batch,
            seed=self.settings.seed,
            mode=self.step_mode,
            precision=self.settings.precision,
            device=self.worker.device,
            threads=self.worker.threads,
            epochs=list(self.records),
            epochs_planned=self.settings.epochs,
            seconds=sum(record.seconds for record in self.records),
            first_seconds=self.sessions[0].first_seconds if self.sessions else 0.0,
            peak_memory=self.peak_memory,
            initial_digest=self.digests["initial"],
            batches_digest=self.digests["batches"],
            problems=self.problems,
            configuration=fingerprint(self.configuration) if self.configuration else "",
            setup=fingerprint(self.configuration | {"seed": None}) if self.configuration else "",
            weights_digest=digest(self.weights) if self.weights is not None else "",
            sessions=self.sessions,
            replicas=self.worker.replicas,
        )

    @property
    def steps(self) -> int:
        """Steps an epoch; the last incomplete batch is dropped."""
        return len(self.dataset.train_images) // self.settings.batch

    def _plan(self, epoch: int) -> Arrays:
        settings = self.settings
        return plan_arrays(self.dataset, settings.recipe, settings.batch, settings.seed, epoch, self.dropout)

    def _report(
        self, epoch: int, step: int, loss: float = 0.0, accuracy: float = 0.0, record: Epoch | None = None
    ) -> None:
        position = self.name, self.worker.framework, epoch, self.settings.epochs, step, self.steps
        self.on_progress(Progress(*position, loss, accuracy, record, self.settings.seed))


def not_begun(worker: Worker, name: str, dataset: Dataset, settings: Settings, problem: str) -> Outcome:
    """The outcome of a training that could not begin.

    Args:
        worker: of the framework.
        name: of the network.
        dataset: of the training.
        settings: of the training.
        problem: why it could not begin, for the record.

    Returns:
        A partial outcome: a record without epochs, and no weights.
    """
    run = _Run(worker, name, dataset, settings.resolved(name), None, lambda progress: None)
    run.problems.append(problem)
    return Outcome(run.record(), None)
