"""Processes that share a training: one worker to whoever asks, one error where one of them fails, one state."""

from __future__ import annotations

import inspect
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from parity.catalogue.recipes import trainer_settings
from parity.data.batches import plan_arrays, prepared
from parity.data.dataset import Dataset
from parity.numerics.arrays import Arrays, pack
from parity.numerics.comparison import FLOAT64_LIMIT, compare
from parity.proofs.optimizer import rule_recipe
from parity.training.fingerprint import configuration
from parity.training.run import Settings, train
from parity.weights.initializers import proof_state
from parity.workers.client.replicas import ReplicaRequests
from parity.workers.client.training import TrainingRequests
from parity.workers.errors import WorkerError
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.interpreter import default_threads
from parity.workers.pool import Workers
from parity.workers.replicated_worker import ReplicasDifferError, ReplicatedWorker
from parity.workers.worker import Worker

pytestmark = pytest.mark.skipif(default_threads() < 2, reason="replicas are processes that each need a core")

NAME, BATCH = "lenet5", 8


@pytest.fixture(scope="module", params=list(FRAMEWORKS))
def replicated(request: pytest.FixtureRequest) -> Iterator[ReplicatedWorker]:
    """Two replicas of one framework, with one thread each."""
    worker = ReplicatedWorker(request.param, 2, threads=1)
    yield worker
    worker.stop()


def start(worker: Worker, dataset: Dataset, batch: int = BATCH) -> Arrays:
    """Start a training in float64, and return the plan of its first epoch."""
    recipe = rule_recipe("momentum")
    description = worker.describe(NAME)
    arrays = pack(state=proof_state(description.entries, 0), data=prepared(dataset, recipe))
    worker.start_training(NAME, 0, arrays, trainer_settings(recipe, batch=batch, precision="float64"))
    return plan_arrays(dataset, recipe, max(2, batch), 0, 0, description.dropout)


def running(pids: list[int | None]) -> list[int]:
    """Those of the processes that have not ended."""
    return [pid for pid in pids if pid and psutil.pid_exists(pid)]


def test_a_whole_training_gives_what_one_process_gives(replicated: ReplicatedWorker, dataset: Dataset) -> None:
    settings = Settings(epochs=2, batch=20, precision="float64")
    few = dataset.limited(60)
    shared = train(replicated, NAME, few, settings)
    with Workers([replicated.framework], threads=1) as one:
        alone = train(one[replicated.framework], NAME, few, settings)
    assert shared.record.problems == alone.record.problems  # float64 batches are not those of the float32 reference
    assert shared.record.replicas == 2
    assert shared.record.batches_digest == alone.record.batches_digest
    assert shared.weights is not None
    assert alone.weights is not None
    assert compare(alone.weights, shared.weights, 1e-10).passed  # Adam divides by small numbers
    for mine, other in zip(shared.record.epochs, alone.record.epochs, strict=True):
        assert mine.train_loss == pytest.approx(other.train_loss, rel=1e-10)
        assert mine.test_loss == pytest.approx(other.test_loss, rel=1e-10)
        assert (mine.train_accuracy, mine.test_accuracy) == (other.train_accuracy, other.test_accuracy)


def test_a_shared_training_continues_from_a_checkpoint(
    replicated: ReplicatedWorker, dataset: Dataset, tmp_path: Path
) -> None:
    few, file = dataset.limited(60), tmp_path / "checkpoint"
    whole = train(replicated, NAME, few, Settings(epochs=2, batch=20))
    train(replicated, NAME, few, Settings(epochs=1, batch=20), checkpoint=file)
    continued = train(replicated, NAME, few, Settings(epochs=2, batch=20), checkpoint=file)
    assert continued.record.problems == whole.record.problems == []  # the shares make up the reference's batches
    assert len(continued.record.sessions) == 2
    assert continued.record.weights_digest == whole.record.weights_digest != ""


def test_a_shared_training_is_not_taken_for_one_of_a_single_process(
    replicated: ReplicatedWorker, dataset: Dataset
) -> None:
    settings = Settings().resolved(NAME)
    shared = configuration(replicated, NAME, dataset, settings)
    with Workers([replicated.framework], threads=1) as one:
        alone = configuration(one[replicated.framework], NAME, dataset, settings)
    assert {key: shared[key] for key in alone} == alone
    further = {key: shared[key] for key in shared.keys() - alone.keys()}
    assert further.pop("code of replicas")
    assert further == {"replicas": 2, "batch norm over all replicas": False}


def test_stages_and_evaluation_are_those_of_the_whole_batch(replicated: ReplicatedWorker, dataset: Dataset) -> None:
    plan = start(replicated, dataset.limited(41))  # one replica has a test image more
    shared = replicated.training_stages(NAME, plan).stages, replicated.evaluate(NAME)
    with Workers([replicated.framework], threads=1) as one:
        start(one[replicated.framework], dataset.limited(41))
        alone = one[replicated.framework].training_stages(NAME, plan).stages, one[replicated.framework].evaluate(NAME)
    assert compare(alone[0], shared[0], FLOAT64_LIMIT).passed
    assert shared[1].images == alone[1].images == 41
    assert shared[1].loss == pytest.approx(alone[1].loss, rel=1e-12)
    assert shared[1].accuracy == alone[1].accuracy
    assert np.allclose(shared[1].logits, alone[1].logits, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (7, "batch: expected a multiple of 2, the number of replicas, found 7"),
        (1, "batch: expected an image for each of the 2 replicas, found 1"),
    ],
)
def test_a_batch_that_cannot_be_shared_is_refused(
    replicated: ReplicatedWorker, dataset: Dataset, batch: int, message: str
) -> None:
    replicated.describe(NAME)  # which starts the processes
    pids = replicated.pids
    with pytest.raises(ValueError, match=message):
        start(replicated, dataset, batch)
    assert replicated.pids == pids  # nothing was sent
    assert None not in pids


@pytest.mark.parametrize("count", [0, default_threads() + 1])
def test_a_number_of_replicas_that_this_machine_has_no_cores_for_is_refused(count: int) -> None:
    message = f"replicas: expected 1 to {default_threads()}, a core for each, found {count}"
    with pytest.raises(ValueError, match=message):
        ReplicatedWorker("paddle", count)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_one_replica_alone_is_one_process(framework: str, dataset: Dataset) -> None:
    alone, one = ReplicatedWorker(framework, 1, threads=1), Worker(framework, threads=1)
    losses = []
    for worker in (alone, one):
        plan = start(worker, dataset)
        losses.append(worker.train_epoch(NAME, plan, losses=True, end=3).losses)
        worker.stop()
    assert len(losses[0]) == 3
    assert compare({"losses": losses[1]}, {"losses": losses[0]}, FLOAT64_LIMIT).passed


@pytest.mark.parametrize("rank", [0, 1])
def test_a_replica_that_dies_ends_all_with_one_error(replicated: ReplicatedWorker, dataset: Dataset, rank: int) -> None:
    plan = start(replicated, dataset)
    pids = replicated.pids
    killed = pids[rank]
    assert killed
    timer = threading.Timer(0.2, os.kill, (killed, signal.SIGKILL))
    timer.start()

    def train_on() -> None:
        while True:
            replicated.train_epoch(NAME, plan)

    with pytest.raises(WorkerError) as caught:
        train_on()
    assert caught.value.cause == "killed"
    assert f"replica {rank} of 2: the worker was killed by SIGKILL" in str(caught.value)
    assert str(caught.value).endswith("all replicas were stopped")
    assert running(pids) == []
    start(replicated, dataset)  # new ones
    assert not set(running(replicated.pids)) & set(pids)


def test_a_replica_that_raises_does_not_leave_the_others_waiting(
    replicated: ReplicatedWorker, dataset: Dataset
) -> None:
    plan = start(replicated, dataset)
    replicated._group[1].forget_training(NAME)
    with pytest.raises(WorkerError, match=r"replica 1 of 2: RuntimeError: no training was started") as caught:
        replicated.train_epoch(NAME, plan)
    assert caught.value.cause == "raised"


def test_an_error_that_is_no_replicas_own_leaves_them_alive(replicated: ReplicatedWorker, dataset: Dataset) -> None:
    plan = start(replicated, dataset)
    pids = replicated.pids
    with pytest.raises(WorkerError, match="no network named 'other'"):
        replicated.describe("other")
    assert replicated.train_epoch(NAME, plan).images
    assert replicated.pids == pids


def test_a_listener_that_raises_ends_the_replicas(replicated: ReplicatedWorker, dataset: Dataset) -> None:
    plan = start(replicated, dataset)
    pids = replicated.pids

    def listener(progress: object) -> None:
        raise ValueError("the listener's own")

    def evaluate_on() -> None:
        while True:
            replicated.evaluate(NAME, on_progress=listener)

    with pytest.raises(ValueError, match="the listener's own"):
        evaluate_on()
    assert running(pids) == []
    start(replicated, dataset)  # new ones
    assert replicated.train_epoch(NAME, plan).images


def test_replicas_that_differ_are_an_error_that_names_the_array(replicated: ReplicatedWorker, dataset: Dataset) -> None:
    start(replicated, dataset)
    state = replicated.export_training(NAME).state
    name = "head/fc1/bias"
    state[name] = np.nextafter(state[name], 1)
    replicated._group[1].load_training(NAME, pack(state=state))
    with pytest.raises(
        ReplicasDifferError, match=f"expected the same numbers in all replicas, found others in '{name}'"
    ):
        replicated.export_training(NAME)
    assert len(running(replicated.pids)) == 2  # they may be looked into


def test_every_request_to_a_training_is_made_of_all_replicas(replicated: ReplicatedWorker) -> None:
    assert set(replicated._combined) >= {name for name in TrainingRequests.__dict__ if not name.startswith("_")}


def test_every_request_of_replicas_is_a_verb_of_their_process(replicated: ReplicatedWorker) -> None:
    with pytest.raises(WorkerError) as caught:
        replicated._group[0].call("unknown")
    verbs = caught.value.detail.partition("known: ")[2].split(", ")
    methods = [name for name, _ in inspect.getmembers(ReplicaRequests, inspect.isfunction)]
    own = [name for name in ReplicaRequests.__dict__ if name in methods and not name.startswith("_")]
    assert own
    assert set(own) <= set(verbs)
