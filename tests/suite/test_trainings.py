"""The trainings of a run: they continue after one that fails, and a later run does only what is missing."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from msgspec import structs

from parity.data.dataset import Dataset
from parity.records.accuracy_records import CrossEvaluation, DifferingImage, Equivalence
from parity.records.records import Training
from parity.records.saved_run import load_run
from parity.training.experiment import ExperimentResult
from parity.training.jobs import TrainingPlan, fitting
from parity.training.run import Outcome, Settings, not_begun
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.pool import Workers
from tests.command_line import ROOT, surroundings

if TYPE_CHECKING:
    from tests.conftest import MakePython

FAULT = """
_train_epoch = VERBS["train_epoch"]
_start_training = VERBS["start_training"]
_seeds = []

def start_training(network, seed, arrays, **settings):
    _seeds.append(seed)
    return _start_training(network, seed, arrays, **settings)

def train_epoch(arrays, progress, **options):
    if _seeds[-1] == 1:
        raise RuntimeError("this training has a fault")
    return _train_epoch(arrays, progress, **options)

VERBS["start_training"], VERBS["train_epoch"] = start_training, train_epoch
"""


def matrix(folder: Path, *arguments: str, code: int, python: Path | None = None) -> list[Any]:
    """Run the trainings and their comparison in `folder`; the records that the run saved."""
    command = [
        sys.executable, "-m", "pytest", str(ROOT / "parity"), "-q", "-rA", "-p", "no:cacheprovider", "--rootdir",
        str(ROOT), "-c", str(ROOT / "pyproject.toml"), "-k", "test_training or test_outcomes", "--profile", "full",
        "--network", "lenet5", "--dataset", "generated", "--limit", "200", "--epochs", "2", "--threads", "1",
        "--benchmark-save=night", *arguments,
    ]  # fmt: skip
    extra = {"PARITY_TENSORFLOW_PYTHON": str(python)} if python else {}
    done = subprocess.run(
        command, cwd=folder, env=surroundings(extra), capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    (saved,) = folder.glob(".benchmarks/*/*_night.json")
    records = [record for record, _ in load_run(saved).entries]
    saved.unlink()
    return records


@pytest.mark.slow
def test_the_matrix_goes_on_after_a_failure_and_a_later_run_does_what_is_missing(
    tmp_path: Path, altered_python: MakePython
) -> None:
    faulty = altered_python({"tf_impl.verbs": FAULT})
    first = matrix(tmp_path, "--seeds", "2", code=1, python=faulty)
    trainings = [record for record in first if isinstance(record, Training)]
    assert [(training.seed, training.framework) for training in trainings] == [
        (s, f) for s in (0, 1) for f in FRAMEWORKS
    ]
    for training in trainings:
        if (training.seed, training.framework) == (1, "tensorflow"):
            assert "this training has a fault" in training.problems[0]
        else:
            assert training.finished
    (verdict,) = (record for record in first if isinstance(record, Equivalence))
    assert (verdict.verdict, verdict.seeds) == ("undecided", [0])
    assert any("this training has a fault" in problem for problem in verdict.problems)
    assert sum(isinstance(record, CrossEvaluation) for record in first) == 3
    store = tmp_path / ".parity"
    stems = {f"lenet5-{name}-seed{seed}" for name in FRAMEWORKS for seed in (0, 1)}
    done = {f"{stem}.json" for stem in stems - {"lenet5-tensorflow-seed1"}}
    assert {path.name for path in store.glob("*.json")} == done | {"lenet5-tensorflow-seed1-partial.json"}

    second = matrix(tmp_path, "--seeds", "2", code=0)
    again = [record for record in second if isinstance(record, Training)]
    assert all(record.finished for record in again)
    for old, new in zip(trainings, again, strict=True):
        assert (old == new) == old.finished  # to the last second: only the failed one was trained
    (verdict,) = (record for record in second if isinstance(record, Equivalence))
    assert verdict.seeds == [0, 1]
    crosses = [record for record in second if isinstance(record, CrossEvaluation)]
    assert len(crosses) == 4
    assert all(cross.passed and cross.images == 200 for cross in crosses)
    assert {path.name for path in store.glob("*.json")} == {f"{stem}.json" for stem in stems}


def test_a_damaged_checkpoint_costs_no_other_training(tmp_path: Path) -> None:
    """The first of two trainings has one: it is not begun and its file stays; the second is trained and saved."""
    checkpoint = tmp_path / ".parity" / "lenet5-paddle-seed0.checkpoint.safetensors"
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"damaged")
    run = matrix(tmp_path, "--seeds", "1", "-k", "test_training", code=1)
    broken, other = (record for record in run if isinstance(record, Training))
    assert "expected a checkpoint, found" in broken.problems[0]
    assert (broken.framework, broken.epochs, broken.epochs_planned) == ("paddle", [], 2)
    assert (other.framework, other.finished) == ("tensorflow", True)
    assert checkpoint.read_bytes() == b"damaged"


def images(dataset: Dataset, side: int, classes: int) -> Dataset:
    return dataclasses.replace(
        dataset,
        train_images=np.zeros((200, side, side, 3), np.uint8),
        test_images=np.zeros((200, side, side, 3), np.uint8),
        classes=tuple(str(index) for index in range(classes)),
    )


@pytest.mark.parametrize(
    ("name", "side", "classes", "fit"),
    [
        ("lenet5", 32, 10, "lenet5"),
        ("lenet5", 32, 100, "lenet5-100c"),
        ("resnet20_v1-nobn", 64, 200, "resnet20_v1-nobn-200c-64px"),
        ("lenet5-100c", 32, 10, "lenet5"),
        ("vgg16_imagenet", 32, 10, "vgg16_imagenet-10c-32px"),
    ],
)
def test_a_network_that_does_not_fit_the_images_gives_way_to_its_variant(
    dataset: Dataset, name: str, side: int, classes: int, fit: str
) -> None:
    assert fitting(name, images(dataset, side, classes)) == fit


def outcome(workers: Workers, dataset: Dataset, framework: str, seed: int, **changes: Any) -> Outcome:
    record = not_begun(workers[framework], "lenet5", dataset, Settings(epochs=1, seed=seed), "").record
    return Outcome(structs.replace(record, problems=[], **changes), {})


def test_a_result_is_different_when_anything_speaks_against_parity(workers: Workers, dataset: Dataset) -> None:
    plan = TrainingPlan("lenet5", tuple(FRAMEWORKS), dataset, seeds=(0, 1))

    def experiment_result(**changes: Any) -> ExperimentResult:
        """Of two seeds in both frameworks, the last one of which is changed."""
        facts = {"initial_digest": "a", "batches_digest": "b"}
        outcomes = [
            outcome(workers, dataset, name, seed, **{key: f"{value}{seed}" for key, value in facts.items()})
            for seed in (0, 1)
            for name in FRAMEWORKS
        ]
        last = structs.replace(outcomes[-1].record, **changes)
        return ExperimentResult(plan, [*outcomes[:-1], Outcome(last, {})])

    assert not experiment_result().different
    assert not experiment_result().partial
    assert not experiment_result(batches_digest="").different  # unknown
    assert experiment_result(batches_digest="b0").inputs_differ
    assert experiment_result(initial_digest="other").different
    assert experiment_result(problems=["epoch 1: the loss is not a number"]).different
    cross = CrossEvaluation("lenet5", "images", 0, "paddle", "tensorflow", 10, 0.5, 0.5, 1e-7, [])
    comparison = experiment_result()
    comparison.cross_evaluations = [cross]
    assert not comparison.different
    comparison.cross_evaluations = [cross, structs.replace(cross, differing=[DifferingImage(1, 3, 5, 0.1, False)])]
    assert comparison.different
    comparison.outcomes.pop()
    assert comparison.partial


def test_a_plan_without_a_step_is_refused(dataset: Dataset) -> None:
    with pytest.raises(ValueError, match="batch of 100 images of its recipe is larger than the 50 training images"):
        TrainingPlan("lenet5", ("paddle",), dataset.limited(50))
    with pytest.raises(ValueError, match="batch of 500 images asked for"):
        TrainingPlan("lenet5", ("paddle",), dataset, settings=Settings(batch=500))
    assert TrainingPlan("lenet5", ("paddle",), dataset, settings=Settings(batch=50)).batch == 50
