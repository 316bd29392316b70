"""Engines: what runs the trainings of an experiment, and the evaluations that compare them, and where."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from parity.data.dataset import Dataset
from parity.records.accuracy_records import CrossEvaluation
from parity.records.records import Training
from parity.training.cross_evaluation import cross_evaluate
from parity.training.jobs import Job
from parity.training.run import Outcome, Progress
from parity.training.store import TrainingStatus, save
from parity.weights.state import State
from parity.workers.pool import Workers
from parity.workers.worker import Worker

OnMessage = Callable[[str], None]


class Done(NamedTuple):
    """A training that has come to its end, or to an early one."""

    job: Job
    outcome: Outcome
    unsaved: str  # why it could not be saved; empty where it was


class Engine(Protocol):
    """Where trainings run: in this machine's workers, or on a cluster."""

    @property
    def workers(self) -> Mapping[str, Worker]:
        """By framework: what a training's configuration is read from, and its jobs name."""

    def trained(self, jobs: Sequence[tuple[Job, TrainingStatus]]) -> Iterator[Done]:
        """Every job's training, finished and saved; those that were finished before as they are in the store.

        Args:
            jobs: with their status; their files are locked.

        Yields:
            One for each job, in any order. After one that was interrupted there are no more.
        """

    def cross_evaluations(self, images: Dataset, trained: Sequence[tuple[Training, State]]) -> list[CrossEvaluation]:
        """The weights of finished trainings, evaluated in both frameworks.

        Args:
            images: whose test images are predicted.
            trained: records, with the weights that they ended with.

        Returns:
            One for each training, in their order.
        """


@dataclass(frozen=True)
class LocalEngine:
    """The engine of one machine: one training after the other, each with the machine for itself.

    Attributes:
        pool: the workers of the frameworks that train.
        environment: the environment record, saved with every training.
        on_progress: called with the progress of the training.
        on_message: called with each line for the user.
    """

    pool: Workers
    environment: Mapping[str, Any]
    on_progress: Callable[[Progress], None]
    on_message: OnMessage

    @property
    def workers(self) -> Mapping[str, Worker]:
        """As `Engine` says."""
        return {name: self.pool[name] for name in self.pool}

    def trained(self, jobs: Sequence[tuple[Job, TrainingStatus]]) -> Iterator[Done]:
        """As `Engine` says; in the order of the jobs."""
        for job, status in jobs:
            outcome, unsaved = train_or_reuse(
                job, status, self.pool, self.environment, self.on_progress, self.on_message
            )
            yield Done(job, outcome, unsaved)
            if outcome.interrupted:
                return

    def cross_evaluations(self, images: Dataset, trained: Sequence[tuple[Training, State]]) -> list[CrossEvaluation]:
        """As `Engine` says."""
        return [cross_evaluate(self.pool, images, record, weights) for record, weights in trained]


def train_or_reuse(
    job: Job,
    status: TrainingStatus,
    workers: Workers,
    environment: Mapping[str, Any],
    on_progress: Callable[[Progress], None],
    on_message: OnMessage,
) -> tuple[Outcome, str]:
    """Return the finished training, or train and save.

    All other workers are stopped first: they would slow it down, and the peak of memory has to be this training's.

    Args:
        job: the training.
        status: of the job.
        workers: all workers.
        environment: the environment record, saved with the training.
        on_progress: called with the progress of the training.
        on_message: called with each line for the user.

    Returns:
        The outcome, and why it could not be saved; empty where it was.
    """
    if line := job.explain(status):
        on_message(line)
    if status.finished is not None:
        return status.finished, ""
    for name in workers:
        if name != job.worker.framework:
            workers[name].stop()
    job.mark_running(True)
    outcome = job.train(on_progress)
    for warning in outcome.warnings:
        on_message(f"{job.title}: {warning}")
    return outcome, kept(job, outcome, environment)


def kept(job: Job, outcome: Outcome, environment: Mapping[str, Any]) -> str:
    """Save the outcome of a job, which runs no more.

    Args:
        job: the training; one without files is not saved.
        outcome: finished, or partial.
        environment: the environment record, saved with it.

    Returns:
        Why it could not be saved; empty where it was.
    """
    job.mark_running(False)
    if job.files is not None:
        try:
            save(job.files, outcome, environment)
        except OSError as error:
            return f"the result could not be saved: {error}"
    return ""
