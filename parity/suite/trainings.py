"""The trainings of a pytest run: each network, framework and seed trained once, or read where it is finished."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from msgspec import structs

from parity.data.dataset import Dataset
from parity.printable import printable
from parity.records.records import Training
from parity.training.checkpoint import CheckpointError
from parity.training.engines import Engine, train_or_reuse
from parity.training.jobs import Job, fitting
from parity.training.run import Settings, not_begun
from parity.training.store import Store, StoreError, TrainingFiles, TrainingStatus, locked
from parity.weights.files import load_state
from parity.weights.state import State
from parity.workers.errors import WorkerError
from parity.workers.pool import Workers
from parity.workers.worker import Worker


@dataclass
class Trainings:
    """Runs each training on first use and keeps the records; weights stay in the store.

    Attributes:
        workers: both frameworks'.
        images: of all trainings; a network that does not fit them is replaced by its variant that does.
        store: where trainings are kept.
        settings: of all trainings, but for the seed.
        environment: the environment record, saved with every training.
    """

    workers: Workers
    images: Dataset
    store: Store
    settings: Settings
    environment: Mapping[str, Any]

    def __post_init__(self) -> None:
        self._records: dict[tuple[str, str, int], Training] = {}

    def record(self, name: str, framework: str, seed: int) -> Training:
        """The record of a training; one that failed, could not begin or could not be saved has problems.

        Args:
            name: of the network.
            framework: its name.
            seed: of the training.

        Raises:
            KeyboardInterrupt: Ctrl-C ended the training; the part that was done has been saved.
        """
        key = name, framework, seed
        if key not in self._records:
            job, files = self._job(*key)
            try:
                self._records[key] = self._train(job, files)
            except (CheckpointError, StoreError, WorkerError) as error:
                unstarted = not_begun(job.worker, job.network, job.images, job.settings, str(error))
                self._records[key] = unstarted.record
        return self._records[key]

    def train_all(self, engine: Engine, keys: Iterable[tuple[str, str, int]]) -> None:
        """Have an engine do trainings before they are asked for, as many at the same time as it can.

        Args:
            engine: which trains; its workers say what each training's configuration is.
            keys: network, framework and seed of each.

        Raises:
            KeyboardInterrupt: Ctrl-C; what was finished has been saved.
        """
        jobs: list[tuple[Job, TrainingStatus]] = []
        key_of: dict[TrainingFiles, tuple[str, str, int]] = {}
        with contextlib.ExitStack() as locks:
            for key in keys:
                job, files = self._job(*key, engine.workers)
                try:
                    locks.enter_context(locked(files))
                    jobs.append((job, job.status()))
                    key_of[files] = key
                except (CheckpointError, StoreError, WorkerError) as error:
                    unstarted = not_begun(job.worker, job.network, job.images, job.settings, str(error))
                    self._records[key] = unstarted.record
            for job, outcome, unsaved in engine.trained(jobs):
                if job.files is not None:
                    self._records[key_of[job.files]] = _with_problem(outcome.record, unsaved)

    def weights(self, name: str, framework: str, seed: int) -> State | None:
        """The trained weights, float32; None where the training is unfinished or could not be saved.

        Args and errors are those of `record`.
        """
        if not self.record(name, framework, seed).weights_digest:
            return None
        return load_state(self._job(name, framework, seed)[1].weights)

    def known(self, name: str, seed: int) -> list[Training]:
        """The records of a network and a seed that exist already."""
        return [record for key, record in self._records.items() if (key[0], key[2]) == (name, seed)]

    def _job(
        self, name: str, framework: str, seed: int, workers: Mapping[str, Worker] | None = None
    ) -> tuple[Job, TrainingFiles]:
        fit, settings = fitting(name, self.images), replace(self.settings, seed=seed)
        files = self.store.files(fit, framework, settings)
        worker = (workers or self.workers)[framework]
        return Job(worker, fit, self.images, settings, files), files

    def _train(self, job: Job, files: TrainingFiles) -> Training:
        with locked(files):
            outcome, unsaved = train_or_reuse(
                job, job.status(), self.workers, self.environment, lambda _: None, lambda line: print(printable(line))
            )
        if outcome.interrupted:
            raise KeyboardInterrupt
        return _with_problem(outcome.record, unsaved)


def _with_problem(record: Training, unsaved: str) -> Training:
    """The record of a training that could not be saved; itself where it was."""
    if not unsaved:
        return record
    return structs.replace(record, problems=[*record.problems, unsaved], weights_digest="")
