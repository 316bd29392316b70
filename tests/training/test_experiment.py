"""Seeds are added until a sequential test decides, and no further. Trainings are those of a table: the loop counts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from msgspec import structs

from parity.data.dataset import Dataset
from parity.records.accuracy_records import CrossEvaluation
from parity.records.records import Training
from parity.records.sequential import SequentialPlan
from parity.training.engines import Done, LocalEngine
from parity.training.experiment import ExperimentResult, run
from parity.training.jobs import Job, TrainingPlan
from parity.training.matrix import matrix_of
from parity.training.run import Outcome, Progress, Settings
from parity.training.store import Store, StoreError, TrainingStatus
from parity.weights.state import State
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.pool import Workers
from parity.workers.worker import Worker
from tests.command_line import parity
from tests.records.test_equivalence import training

PLAN = SequentialPlan(batch=2, most=8)

ALIKE = [0.600, 0.602, 0.601, 0.603, 0.602, 0.600, 0.601, 0.602]

SPREAD = [0.58, 0.62, 0.61, 0.59, 0.62, 0.58, 0.60, 0.61]


@dataclass
class TableEngine:
    """An engine whose trainings are finished at once, with the accuracies of a table."""

    accuracies: Mapping[str, Sequence[float]]
    lost: tuple[str, int] | None = None  # framework and seed of one that ends without weights
    workers: Mapping[str, Worker] = field(default_factory=lambda: {name: Worker(name) for name in FRAMEWORKS})
    trained_seeds: list[tuple[str, int]] = field(default_factory=list)

    def trained(self, jobs: Sequence[tuple[Job, TrainingStatus]]) -> Iterator[Done]:
        for job, _ in reversed(jobs):  # a cluster's end in any order
            framework, seed = job.worker.framework, job.settings.seed
            self.trained_seeds.append((framework, seed))
            record = training(framework, seed, self.accuracies[framework][seed])
            if (framework, seed) == self.lost:
                yield Done(job, Outcome(structs.replace(record, epochs=[], problems=["killed"]), None), "")
            else:
                yield Done(job, Outcome(record, {}), "")

    def cross_evaluations(self, images: Dataset, trained: Sequence[tuple[Training, State]]) -> list[CrossEvaluation]:
        return []


def experiment(engine: TableEngine, dataset: Dataset) -> tuple[ExperimentResult, list[str]]:
    lines: list[str] = []
    plan = TrainingPlan("lenet5", tuple(FRAMEWORKS), dataset, seeds=tuple(range(PLAN.most)))
    (result,) = run(engine, [plan], None, {}, lines.append, PLAN)
    return result, lines


@pytest.mark.parametrize(
    ("paddle", "tensorflow", "seeds", "verdict"),
    [
        (ALIKE, ALIKE[::-1], 4, "equivalent"),
        (ALIKE, [value + 0.05 for value in ALIKE[::-1]], 4, "different"),
        (SPREAD, SPREAD[::-1], 8, "undecided"),
    ],
)
def test_seeds_are_added_until_the_verdict(
    paddle: list[float], tensorflow: list[float], seeds: int, verdict: str, dataset: Dataset
) -> None:
    engine = TableEngine({"paddle": paddle, "tensorflow": tensorflow})
    result, lines = experiment(engine, dataset)
    assert sorted(engine.trained_seeds) == sorted((name, seed) for name in FRAMEWORKS for seed in range(seeds))
    assert result.equivalence is not None
    assert (result.equivalence.verdict, result.equivalence.seeds) == (verdict, list(range(seeds)))
    assert result.equivalence.sequential is not None
    assert result.equivalence.sequential.seeds == seeds
    assert [record.seed for record in result.records] == [seed for seed in range(seeds) for _ in FRAMEWORKS]
    assert f"lenet5: {seeds} of at most 8 seeds: {verdict}" in lines
    assert not result.partial


@pytest.mark.parametrize("framework", list(FRAMEWORKS))
def test_a_training_without_a_final_number_ends_the_search(framework: str, dataset: Dataset) -> None:
    """Further seeds could decide nothing: none may be left out for what came of it."""
    diverged = [*ALIKE[:1], math.nan, *ALIKE[2:]]
    engine = TableEngine({name: diverged if name == framework else SPREAD for name in FRAMEWORKS})
    result, lines = experiment(engine, dataset)
    assert len(engine.trained_seeds) == 8
    assert result.equivalence is not None
    assert result.equivalence.verdict == "undecided"
    assert lines[0].endswith(f"{framework}, seed 1: the final test accuracy is nan: no more seeds could decide")


def test_a_training_that_was_lost_ends_the_search(dataset: Dataset) -> None:
    engine = TableEngine({"paddle": ALIKE, "tensorflow": ALIKE[::-1]}, lost=("paddle", 2))
    result, _ = experiment(engine, dataset)
    assert len(engine.trained_seeds) == 8
    assert result.partial
    assert result.equivalence is not None
    assert result.equivalence.verdict == "undecided"


def test_a_plan_does_not_follow_the_results_of_another(dataset: Dataset, tmp_path: Path) -> None:
    few, store = dataset.limited(200), Store(tmp_path)
    settings = Settings(epochs=1)

    def begin(most: int | None, workers: Workers, seeds: int) -> ExperimentResult:
        plan = TrainingPlan("lenet5", tuple(FRAMEWORKS), few, seeds=tuple(range(seeds)), settings=settings)
        engine = LocalEngine(workers, {}, lambda _: None, lambda _: None)
        sequential = SequentialPlan(batch=2, most=most) if most else None
        return run(engine, [plan], store, {}, lambda _: None, sequential)[0]

    with Workers(threads=1) as workers:
        records = begin(4, workers, 4).records
        assert all(record.looks == [4] for record in records)
        assert len({(record.framework, record.setup) for record in records}) == 2
        assert len({record.configuration for record in records}) == len(records)
        with pytest.raises(StoreError, match=r"looks at \[4, 6\] seeds, found one of a plan with looks at \[4\]"):
            begin(6, workers, 6)
        fixed = begin(None, workers, 4)  # what is there was added by a plan, however it is asked for now
        assert fixed.equivalence is not None
        assert fixed.equivalence.sequential is not None


def test_a_checkpoint_that_a_killed_process_left_beside_a_finished_training(dataset: Dataset, tmp_path: Path) -> None:
    plan = TrainingPlan("lenet5", ("tensorflow",), dataset.limited(200), settings=Settings(epochs=2))
    store = Store(tmp_path)
    checkpoint = store.files("lenet5", "tensorflow", plan.settings).checkpoint
    kept = tmp_path / "kept"

    def keep(progress: Progress) -> None:
        if checkpoint.exists():
            kept.write_bytes(checkpoint.read_bytes())

    with Workers(["tensorflow"], threads=1) as workers:
        engine = LocalEngine(workers, {}, keep, lambda _: None)
        run(engine, [plan], store, {}, lambda _: None)
        kept.rename(checkpoint)
        assert [entry.state for entry in matrix_of(store)] == ["done"]
        lines: list[str] = []
        run(replace(engine, on_message=lines.append), [plan], store, {}, lines.append)
    assert "already finished" in lines[0]
    assert checkpoint.exists()  # with more epochs the training would go on from it


@pytest.mark.slow
def test_the_command_adds_seeds_and_repeats_none(tmp_path: object) -> None:
    arguments = ("train", "lenet5", "--dataset", "generated", "--limit", "200", "--epochs", "1", "--seeds", "6")
    done = parity(*arguments, "--until-decided", "--out", f"{tmp_path}/runs")
    looks = [line for line in done.stderr.splitlines() if " of at most 6 seeds: " in line]
    assert looks
    assert looks[0].startswith("lenet5: 4 of at most 6 seeds: ")
    again = parity(*arguments, "--until-decided", "--out", f"{tmp_path}/runs")
    assert [line for line in again.stderr.splitlines() if " of at most 6 seeds: " in line] == looks
    assert again.stderr.count("already finished") == 2 * (4 if len(looks) == 1 else 6)
