"""Train one network in one framework after the other on the same batches, seed by seed, and compare what comes out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from parity.catalogue.networks import variant
from parity.data.dataset import Dataset
from parity.records.equivalence import FEWEST_SEEDS, equivalence
from parity.records.records import CrossEvaluation, Equivalence, Training
from parity.records.saved_run import save_records
from parity.training.cross_evaluation import cross_evaluate
from parity.training.fingerprint import configuration
from parity.training.run import Outcome, Progress, Settings, train
from parity.training.store import Store, TrainingFiles, TrainingStatus, locked, save, training_status
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.pool import Workers
from parity.workers.worker import Worker

OnMessage = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """One training: the arguments of `parity.training.run.train`, and where its files are kept."""

    worker: Worker
    network: str
    images: Dataset
    settings: Settings
    files: TrainingFiles | None  # None: nowhere

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
            self.worker, self.network, self.images, self.settings, checkpoint=checkpoint, on_progress=on_progress
        )
        self.worker.stop()  # frees its memory and threads for the next training
        return outcome


@dataclass(frozen=True)
class TrainingPlan:
    """What is to be trained: every seed in every framework.

    Raises:
        ValueError: the batch is larger than the number of training images, so that there would be no step.
    """

    network: str  # a network or variant that fits the images, see `fitting`
    frameworks: tuple[str, ...]  # in the order in which they train
    images: Dataset
    seeds: tuple[int, ...] = (0,)
    settings: Settings = field(default_factory=Settings)  # its seed is ignored

    def __post_init__(self) -> None:
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

    def jobs(self, workers: Workers, store: Store | None) -> Iterator[Job]:
        """All trainings, seed by seed and within a seed framework by framework.

        Args:
            workers: those of the frameworks.
            store: where they are kept; None: nowhere.

        Yields:
            The jobs in the order in which they are to run.
        """
        for seed in self.seeds:
            settings = replace(self.settings, seed=seed)
            for framework in self.frameworks:
                files = store.files(self.network, framework, settings) if store else None
                yield Job(workers[framework], self.network, self.images, settings, files)


@dataclass
class ExperimentResult:
    """The outcomes of the trainings of a plan, and their comparison."""

    plan: TrainingPlan
    outcomes: list[Outcome] = field(default_factory=list)
    equivalence: Equivalence | None = None
    cross_evaluations: list[CrossEvaluation] = field(default_factory=list)
    interrupted: bool = False
    save_errors: list[str] = field(default_factory=list)

    @property
    def records(self) -> list[Training]:
        """The record of every training that has begun."""
        return [outcome.record for outcome in self.outcomes]

    @property
    def partial(self) -> bool:
        """Whether any training is unfinished."""
        expected = len(self.plan.seeds) * len(self.plan.frameworks)
        return len(self.outcomes) < expected or any(outcome.weights is None for outcome in self.outcomes)

    @property
    def inputs_differ(self) -> bool:
        """Whether the frameworks trained on different batches or from different weights, as far as it is known."""
        return any(
            len({getattr(record, digest) for record in self.records if record.seed == seed} - {""}) > 1
            for seed in self.plan.seeds
            for digest in ("batches_digest", "initial_digest")
        )

    @property
    def different(self) -> bool:
        """Whether anything contradicts parity: different batches, a problem, a gap above rounding."""
        problems = any(record.problems for record in self.records)
        verdict = self.equivalence is not None and self.equivalence.verdict == "different"
        return self.inputs_differ or problems or verdict or not all(cross.passed for cross in self.cross_evaluations)


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


def run(
    workers: Workers,
    plan: TrainingPlan,
    store: Store | None,
    environment: Mapping[str, Any],
    on_progress: Callable[[Progress], None],
    on_message: OnMessage,
) -> ExperimentResult:
    """Train what is not finished in the store, then compare.

    Stops at an interruption; continues after a worker that failed. The files of every training are locked and checked
    before the first training begins.

    Args:
        workers: those of the plan's frameworks.
        plan: what to train.
        store: where trainings are kept; None: nowhere.
        environment: the environment record, saved with every training.
        on_progress: called with the progress of a training.
        on_message: called with each line for the user.

    Returns:
        The outcomes so far, and the comparison where all trainings are there.

    Raises:
        StoreError: another process trains the same.
        CheckpointError: a checkpoint is damaged, or another training's.
        WorkerError: a worker cannot describe its environment.
    """
    experiment = ExperimentResult(plan)
    with contextlib.ExitStack() as locks:
        try:
            jobs = list(plan.jobs(workers, store))
            for job in jobs:
                if job.files is not None:
                    locks.enter_context(locked(job.files))
            for job, status in [(job, job.status()) for job in jobs]:
                outcome, unsaved = train_or_reuse(job, status, workers, environment, on_progress, on_message)
                experiment.outcomes.append(outcome)
                # a full disk must not cost the comparison of what was trained: the error is kept for the end
                experiment.save_errors += [f"{job.title}: {unsaved}"] if unsaved else []
                if outcome.interrupted:
                    experiment.interrupted = True
                    return experiment
            if len(plan.frameworks) > 1:
                _compare(experiment, workers, store, environment, on_message)
        except KeyboardInterrupt:  # between two trainings, while saving, or while comparing
            experiment.interrupted = True
    return experiment


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
    outcome = job.train(on_progress)
    for warning in outcome.warnings:
        on_message(f"{job.title}: {warning}")
    if job.files is not None:
        try:
            save(job.files, outcome, environment)
        except OSError as error:
            return outcome, f"the result could not be saved: {error}"
    return outcome, ""


def _compare(
    experiment: ExperimentResult,
    workers: Workers,
    store: Store | None,
    environment: Mapping[str, Any],
    on_message: OnMessage,
) -> None:
    """Test the accuracies for equivalence, and evaluate every finished training's weights in the other framework."""
    plan = experiment.plan
    if len(plan.seeds) >= FEWEST_SEEDS:
        experiment.equivalence = compared(experiment.records, plan.frameworks)
    for outcome in experiment.outcomes:
        if outcome.weights is not None:
            title = FRAMEWORKS[outcome.record.framework].title
            on_message(f"evaluating in both frameworks what {title} trained, seed {outcome.record.seed}")
            experiment.cross_evaluations.append(cross_evaluate(workers, plan.images, outcome.record, outcome.weights))
    if store is not None and not experiment.partial:
        records = [record for record in (experiment.equivalence, *experiment.cross_evaluations) if record is not None]
        path = store.outcome_path(plan.network, plan.settings)
        try:
            save_records(path, records, environment)
        except OSError as error:
            experiment.save_errors.append(f"the comparison could not be saved: {error}")


def compared(records: Sequence[Training], frameworks: Sequence[str]) -> Equivalence:
    """Test whether the final accuracies of two frameworks are equivalent.

    Args:
        records: their trainings, in any order.
        frameworks: the two names.

    Returns:
        The record of the test, see `parity.records.equivalence.equivalence`; "undecided" with fewer than two seeds.
    """
    return equivalence({name: [record for record in records if record.framework == name] for name in frameworks})


def require_one_precision(environment: Mapping[str, Any]) -> None:
    """Refuse frameworks of which only one computes in full float32: their times cannot be compared.

    Args:
        environment: the environment record, see `parity.workers.environment.collect`.

    Raises:
        ValueError: the precisions differ; the message says what to do.
    """
    facts = environment["frameworks"]
    verdicts = {name: entry["precision"]["verdict"] for name, entry in facts.items() if "precision" in entry}
    if len(set(verdicts.values())) > 1:
        listed = ", ".join(f"{name}: {verdict}" for name, verdict in verdicts.items())
        raise ValueError(
            f"the frameworks compute in different precisions ({listed}), which must not be compared. "
            "Switch TF32 and bfloat16 off, or use --device cpu; see `parity doctor`."
        )


def require_precision(workers: Workers, precision: str) -> None:
    """Refuse a precision that not every framework of a training has.

    Args:
        workers: of the frameworks that are to train.
        precision: "float32", "float64", "tf32" or "bfloat16".

    Raises:
        ValueError: a framework does not have it; the message says why.
    """
    replies = workers.map(lambda worker: worker.supports(precision))
    problems = {FRAMEWORKS[name].title: problem for name, problem in replies.items()}
    if listed := "; ".join(f"{title} has {problem}" for title, problem in problems.items() if problem):
        able = [name for name, problem in replies.items() if not problem]
        advice = f" --framework {able[0]} trains in it alone." if able else ""
        raise ValueError(f"--precision {precision}: expected every framework to have it, found: {listed}.{advice}")
