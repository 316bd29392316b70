"""What is to be trained: a network in every framework with every seed; and one of these trainings, with its files."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import msgspec.structs

from parity.catalogue.networks import variant
from parity.data.dataset import Dataset
from parity.system import file_version
from parity.training.checkpoint import Checkpoint, CheckpointError
from parity.training.fingerprint import configuration
from parity.training.remote_folder import RemoteError
from parity.training.run import Outcome, Progress, Settings, not_begun, train
from parity.training.sharing import Sharing
from parity.training.store import ALONE, Store, TrainingFiles, TrainingStatus, training_status
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.worker import Worker


@dataclass(frozen=True)
class Job:
    """One training: the arguments of `parity.training.run.train`, and where its files are kept."""

    worker: Worker
    network: str
    images: Dataset
    settings: Settings
    files: TrainingFiles | None  # None: nowhere
    looks: tuple[int, ...] = ()  # of the sequential plan by which seeds are added; none: their number is fixed

    @property
    def title(self) -> str:
        """For messages."""
        return f"{self.network}, {FRAMEWORKS[self.worker.framework].title}, seed {self.settings.seed}"

    @property
    def epochs(self) -> int:
        """Epochs in all."""
        return self.settings.resolved(self.network).epochs

    def status(self) -> TrainingStatus:
        """How far the training has come already.

        Returns:
            Nothing finished and 0 epochs where the training has no files.

        Raises:
            CheckpointError: the checkpoint is damaged, or another training's.
            WorkerError: the worker cannot describe its environment.
        """
        if self.files is None:
            return TrainingStatus()
        settings = self.settings.resolved(self.network)
        configured = configuration(self.worker, self.network, self.images, settings)
        return training_status(self.files, configured, settings.epochs)

    def explain(self, status: TrainingStatus) -> str:
        """What follows from the status, in one line; empty where the training begins anew and replaces nothing.

        Args:
            status: of this job.

        Returns:
            The line for the user, which begins with the training's title.
        """
        if status.finished is not None and self.files is not None:
            return f"{self.title}: already finished ({self.files.record.name})"
        if status.epochs and self.files is not None:
            name = self.files.checkpoint.name
            return f"{self.title}: going on after epoch {status.epochs} of {self.epochs} ({name})"
        if status.replaces:
            return f"{self.title}: trained again; at its end this replaces a finished training: {status.replaces}"
        return ""

    def mark_running(self, runs: bool) -> None:
        """Say in the store whether this training really runs at the moment, or waits.

        Args:
            runs: whether it does.
        """
        if self.files is not None:
            # what only informs must not end a training: a full disk, say
            with contextlib.suppress(OSError):
                self.files.running.touch() if runs else self.files.running.unlink(missing_ok=True)

    def given_up(self, problem: str) -> Outcome:
        """The outcome of a training that does not go on: with the epochs of its checkpoint, where it has one.

        Args:
            problem: why, for the record.

        Returns:
            A partial outcome, without weights.
        """
        outcome = not_begun(self.worker, self.network, self.images, self.settings, problem)
        if self.files is None:
            return outcome
        settings = self.settings.resolved(self.network)
        configured = configuration(self.worker, self.network, self.images, settings)
        try:
            saved = Checkpoint.load(self.files.checkpoint, configured, settings.epochs)
        except CheckpointError:
            return outcome
        if saved is None:
            return outcome
        record = msgspec.structs.replace(
            outcome.record,
            epochs=saved.epochs,
            seconds=sum(epoch.seconds for epoch in saved.epochs),
            sessions=saved.sessions,
            first_seconds=saved.sessions[0].first_seconds if saved.sessions else 0.0,
            initial_digest=saved.digests["initial"],
            batches_digest=saved.digests["batches"],
            problems=[*saved.problems, problem],
        )
        return replace(outcome, record=record)

    def train(self, on_progress: Callable[[Progress], None]) -> Outcome:
        """Train, or continue from the checkpoint. The caller has stopped the other workers.

        Args:
            on_progress: called with the progress of the training.

        Returns:
            The outcome, not saved yet; the worker is stopped. A worker that fails makes it a partial one, with the
            error among its problems.

        Raises:
            CheckpointError: the checkpoint is damaged, or another training's.
        """
        checkpoint = self.files.checkpoint if self.files else None
        outcome = train(
            self.worker,
            self.network,
            self.images,
            self.settings,
            checkpoint=checkpoint,
            on_progress=self._pushing(on_progress),
        )
        self.worker.stop()  # frees its memory and threads for the next training
        outcome = self.described(outcome)
        record = outcome.record
        return replace(outcome, warnings=(*outcome.warnings, *self.other_mode(record.mode)))

    def described(self, outcome: Outcome) -> Outcome:
        """An outcome whose record also says how the training was shared, and by which plan its seed was added.

        Args:
            outcome: of this job.
        """
        record = msgspec.structs.replace(outcome.record, synchronised=self.worker.synchronised, looks=list(self.looks))
        return replace(outcome, record=record)

    def other_mode(self, mode: str) -> tuple[str, ...]:
        """What to say where the steps ran in another mode than was asked for.

        Args:
            mode: in which they ran; empty where there were none.

        Returns:
            One line, or none.
        """
        asked = self.settings.mode
        if asked in ("auto", mode) or not mode:
            return ()
        return (f"--mode {asked}: the steps ran in mode {mode}, which is the only one here for a network with dropout",)

    def _pushing(self, on_progress: Callable[[Progress], None]) -> Callable[[Progress], None]:
        """The same callback, which also brings every new checkpoint to a store behind a URL."""
        files = self.files
        if files is None or files.remote is None:
            return on_progress
        pushed = file_version(files.checkpoint)

        def report(progress: Progress) -> None:
            nonlocal pushed
            on_progress(progress)
            if (version := file_version(files.checkpoint)) != pushed:
                # one that cannot be brought there costs nothing: the next one will be
                with contextlib.suppress(RemoteError):
                    files.push(files.checkpoint)
                    pushed = version

        return report


@dataclass(frozen=True)
class TrainingPlan:
    """What is to be trained: every seed in every framework.

    Raises:
        ValueError: the batch is larger than the number of training images, so that there would be no step; or the
            processes that share it cannot do so evenly.
    """

    network: str  # a network or variant that fits the images, see `fitting`
    frameworks: tuple[str, ...]  # in the order in which they train
    images: Dataset
    seeds: tuple[int, ...] = (0,)
    settings: Settings = field(default_factory=Settings)  # its seed is ignored
    sharing: Sharing = ALONE  # that of the workers
    looks: tuple[int, ...] = ()  # of the sequential plan by which seeds are added; none: their number is fixed

    def __post_init__(self) -> None:
        self.sharing.require_shares(self.network, self.batch)
        if self.batch > (count := len(self.images.train_images)):
            whose = "of its recipe" if self.settings.batch is None else "asked for"
            raise ValueError(
                f"{self.network}: the batch of {self.batch} images {whose} is larger than the {count} training images "
                f"of {self.images.title!r}, so there would be no step. Use --batch {count} or less, or a larger "
                "--limit."
            )

    @property
    def batch(self) -> int:
        """Images a step."""
        return self.settings.resolved(self.network).batch

    @property
    def trainings(self) -> int:
        """How many there are."""
        return len(self.seeds) * len(self.frameworks)

    def jobs(self, workers: Mapping[str, Worker], store: Store | None) -> Iterator[Job]:
        """All trainings, seed by seed and within a seed framework by framework.

        Args:
            workers: by framework.
            store: where they are kept; None: nowhere.

        Yields:
            The jobs in the order in which they are to run.
        """
        for seed in self.seeds:
            settings = replace(self.settings, seed=seed)
            for framework in self.frameworks:
                files = store.files(self.network, framework, settings, self.sharing) if store else None
                yield Job(workers[framework], self.network, self.images, settings, files, self.looks)


def fitting(name: str, images: Dataset) -> str:
    """The network that fits a data set.

    Args:
        name: of a network of the catalogue.
        images: whose size and number of classes it must fit.

    Returns:
        The same name, or that of the variant that fits.

    Raises:
        UnknownNetworkError: there is no network of that name, or no such variant.
    """
    return variant(name, classes=len(images.classes), size=images.train_images.shape[1])
