"""Trainings of networks in both frameworks on the same batches, seed by seed, and the comparison of what comes out."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from parity.records.accuracy_records import CrossEvaluation, Equivalence
from parity.records.equivalence import DIGESTS, FEWEST_SEEDS, faults
from parity.records.records import Training
from parity.records.saved_run import save_records
from parity.records.sequential import SequentialPlan
from parity.records.sequential_equivalence import planned_equivalence
from parity.training.engines import Engine, OnMessage
from parity.training.jobs import Job, TrainingPlan
from parity.training.run import Outcome
from parity.training.store import Store, StoreError, TrainingStatus, locked
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.pool import Workers


@dataclass
class ExperimentResult:
    """The outcomes of the trainings of a plan, and their comparison."""

    plan: TrainingPlan
    outcomes: list[Outcome] = field(default_factory=list)
    equivalence: Equivalence | None = None
    cross_evaluations: list[CrossEvaluation] = field(default_factory=list)
    interrupted: bool = False
    save_errors: list[str] = field(default_factory=list)
    decided: bool = False  # a sequential test needs no more seeds; the plan's are those that were trained

    @property
    def records(self) -> list[Training]:
        """The record of every training that has begun."""
        return [outcome.record for outcome in self.outcomes]

    @property
    def partial(self) -> bool:
        """Whether any training is unfinished."""
        return len(self.outcomes) < self.plan.trainings or any(outcome.weights is None for outcome in self.outcomes)

    @property
    def inputs_differ(self) -> bool:
        """Whether the frameworks trained on different batches or from different weights, as far as it is known."""
        return any(
            len({getattr(record, digest) for record in self.records if record.seed == seed} - {""}) > 1
            for seed in self.plan.seeds
            for digest in DIGESTS
        )

    @property
    def different(self) -> bool:
        """Whether anything contradicts parity: different batches, a problem, a gap above rounding."""
        problems = any(record.problems for record in self.records)
        verdict = self.equivalence is not None and self.equivalence.verdict == "different"
        return self.inputs_differ or problems or verdict or not all(cross.passed for cross in self.cross_evaluations)


def run(
    engine: Engine,
    plans: Sequence[TrainingPlan],
    store: Store | None,
    environment: Mapping[str, Any],
    on_message: OnMessage,
    sequential: SequentialPlan | None = None,
) -> list[ExperimentResult]:
    """Train what is not finished in the store, then compare.

    Stops at an interruption; continues after a training that failed. The files of every training are locked and checked
    before the first training begins.

    Args:
        engine: which trains.
        plans: what to train, each another network.
        store: where trainings are kept; None: nowhere.
        environment: the environment record, saved with the comparisons.
        on_message: called with each line for the user.
        sequential: test after each of its batches of seeds, and train no more where a verdict holds; its largest number
            of seeds is that of the plans. None: train all seeds, and test once.

    Returns:
        For each plan the outcomes so far, and the comparison where all trainings are there.

    Raises:
        StoreError: another process trains the same, or seeds of it were trained by another plan than `sequential`.
        CheckpointError: a checkpoint is damaged, or another training's.
        WorkerError: a worker cannot describe its environment.
    """
    looks = sequential.looks() if sequential else ()
    experiments = {plan.network: ExperimentResult(replace(plan, looks=looks)) for plan in plans}
    with contextlib.ExitStack() as locks:
        try:
            every = [job for experiment in experiments.values() for job in experiment.plan.jobs(engine.workers, store)]
            _lock(every, locks)
            jobs = [(job, job.status()) for job in every]
            if sequential is not None:
                _require_one_plan(jobs)
            begun = 0
            for seeds in looks or (max(len(plan.seeds) for plan in plans),):
                batch = [
                    (job, status)
                    for job, status in jobs
                    if not (experiment := experiments[job.network]).decided
                    and begun <= experiment.plan.seeds.index(job.settings.seed) < seeds
                ]
                _train(engine, batch, experiments)
                if sequential is not None:
                    for experiment in experiments.values():
                        _look(experiment, seeds, sequential, on_message)
                begun = seeds
            for experiment in experiments.values():
                if len(experiment.plan.frameworks) > 1:
                    _compare(experiment, engine, store, environment, sequential, on_message)
        except KeyboardInterrupt:  # in a training, between two, while saving, or while comparing
            for experiment in experiments.values():
                experiment.interrupted = True
    return list(experiments.values())


def _lock(jobs: Sequence[Job], locks: contextlib.ExitStack) -> None:
    """Lock the files of all trainings. Raises StoreError."""
    try:
        for job in jobs:
            if job.files is not None:
                locks.enter_context(locked(job.files))
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise
        raise StoreError(
            f"expected to lock the files of {len(jobs)} trainings, found that this process may not open so many. Raise "
            "`ulimit -n`, or train fewer seeds or networks at once"
        ) from None


def _require_one_plan(jobs: Sequence[tuple[Job, TrainingStatus]]) -> None:
    """Refuse finished trainings of another sequential plan, or seeds enough for a test that no plan foresaw."""
    finished = [(job, status.finished.record) for job, status in jobs if status.finished is not None]
    for job, record in finished:
        tested = {other.seed for _, other in finished if other.network == record.network and not other.looks}
        if (record.looks or len(tested) >= FEWEST_SEEDS) and tuple(record.looks) != job.looks:
            found = f"of a plan with looks at {record.looks}" if record.looks else "of a fixed number of seeds"
            where = job.files.record.name if job.files else "not saved"
            raise StoreError(
                f"{job.title}: expected a training of the plan with looks at {list(job.looks)} seeds, found one "
                f"{found} ({where}). A plan that follows results keeps no error rate: give the --seeds and "
                "--seed-batch with which it began, or another --out"
            )


def _train(
    engine: Engine, jobs: Sequence[tuple[Job, TrainingStatus]], experiments: Mapping[str, ExperimentResult]
) -> None:
    """Train the jobs and keep their outcomes with their experiments, in the order of the plans."""
    for job, outcome, unsaved in engine.trained(jobs):
        experiment = experiments[job.network]
        experiment.outcomes.append(outcome)
        # a full disk must not cost the comparison of what was trained: the error is kept for the end
        experiment.save_errors += [f"{job.title}: {unsaved}"] if unsaved else []
        if outcome.interrupted:
            raise KeyboardInterrupt
    for experiment in experiments.values():
        experiment.outcomes.sort(key=lambda outcome: _order(experiment.plan, outcome.record))


def _look(experiment: ExperimentResult, seeds: int, sequential: SequentialPlan, on_message: OnMessage) -> None:
    """Test the accuracies of so many seeds; an experiment that is decided is given no more."""
    if experiment.decided:
        return
    plan = experiment.plan
    verdict = compared(experiment.records, plan.frameworks, sequential).verdict
    failed = faults(experiment.records)
    if verdict != "undecided" or failed:
        experiment.decided, experiment.plan = True, replace(plan, seeds=plan.seeds[:seeds])
    why = f"{failed[0]}: no more seeds could decide" if failed else verdict
    on_message(f"{plan.network}: {seeds} of at most {sequential.most} seeds: {why}")


def _order(plan: TrainingPlan, record: Training) -> tuple[int, int]:
    return plan.seeds.index(record.seed), plan.frameworks.index(record.framework)


def _compare(
    experiment: ExperimentResult,
    engine: Engine,
    store: Store | None,
    environment: Mapping[str, Any],
    sequential: SequentialPlan | None,
    on_message: OnMessage,
) -> None:
    """Test the accuracies for equivalence, and evaluate every finished training's weights in the other framework."""
    plan = experiment.plan
    if len(plan.seeds) >= FEWEST_SEEDS:
        experiment.equivalence = compared(experiment.records, plan.frameworks, sequential)
    trained = [(outcome.record, outcome.weights) for outcome in experiment.outcomes if outcome.weights is not None]
    on_message(f"{plan.network}: evaluating in both frameworks what each has trained, {len(trained)} trainings")
    experiment.cross_evaluations = engine.cross_evaluations(plan.images, trained)
    if store is not None and not experiment.partial:
        records = [record for record in (experiment.equivalence, *experiment.cross_evaluations) if record is not None]
        path = store.outcome_path(plan.network, plan.settings, plan.sharing)
        try:
            save_records(path, records, environment)
            if store.remote is not None:
                store.remote.push([path.name])
        except OSError as error:
            experiment.save_errors.append(f"the comparison could not be saved: {error}")


def compared(
    records: Sequence[Training], frameworks: Sequence[str], sequential: SequentialPlan | None = None
) -> Equivalence:
    """Test whether the final accuracies of two frameworks are equivalent.

    Args:
        records: their trainings, in any order.
        frameworks: the two names.
        sequential: by which seeds were added; None: their number was fixed.

    Returns:
        The record of the test, see `parity.records.equivalence.equivalence`; "undecided" with fewer than two seeds.
    """
    trainings = {name: [record for record in records if record.framework == name] for name in frameworks}
    return planned_equivalence(trainings, sequential)


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
