"""Processes that share a training: what is refused before anything starts, and `parity train --replicas`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from parity.data.dataset import Dataset
from parity.records.records import Training
from parity.records.saved_run import load_run
from parity.training.jobs import TrainingPlan
from parity.training.run import Settings
from parity.training.sharing import Sharing
from parity.training.store import Store
from parity.workers.interpreter import default_threads
from tests.command_line import parity

real = pytest.mark.skipif(default_threads() < 2, reason="replicas are processes that each need a core")

MORE = default_threads() + 1


@pytest.mark.parametrize("replicas", [0, MORE])
def test_replicas_without_a_core_each_are_refused(replicas: int) -> None:
    with pytest.raises(ValueError, match=rf"replicas: expected 1 to {MORE - 1}, .* found {replicas}"):
        Sharing(replicas)


def test_statistics_of_one_process_have_nothing_to_be_joined_with() -> None:
    with pytest.raises(ValueError, match="--sync-batch-norm: expected --replicas 2 or more"):
        Sharing(synchronised=True)


@real
@pytest.mark.parametrize(("batch", "use"), [(31, "30 or 32"), (1, "2")])
def test_a_batch_that_cannot_be_shared_evenly_is_refused(dataset: Dataset, batch: int, use: str) -> None:
    says = (
        rf"lenet5: expected a batch of which each of 2 replicas takes the same share, found {batch}\b.* --batch {use}\."
    )
    few = dataset.limited(60)
    with pytest.raises(ValueError, match=says):
        TrainingPlan("lenet5", ("paddle",), few, settings=Settings(batch=batch), sharing=Sharing(2))
    TrainingPlan("lenet5", ("paddle",), few, settings=Settings(batch=batch))


@real
def test_files_of_a_shared_training_have_names_of_their_own(tmp_path: Path) -> None:
    store, settings = Store(tmp_path), Settings(precision="bfloat16")
    stems = [
        store.files("lenet5", "paddle", settings, sharing).stem
        for sharing in (Sharing(), Sharing(2), Sharing(2, synchronised=True))
    ]
    one = "lenet5-paddle-seed0-bfloat16"
    assert stems == [one, f"{one}-2replicas", f"{one}-2replicas-syncbn"]
    path = store.outcome_path("lenet5", Settings(), Sharing(2, synchronised=True))
    assert path.name == "lenet5-2replicas-syncbn-outcome.json"


@real
@pytest.mark.slow
def test_both_frameworks_train_with_two_replicas_and_are_compared(tmp_path: Path) -> None:
    options = ("--dataset", "generated", "--limit", "40", "--batch", "20", "--epochs", "1", "--out", tmp_path)
    done = parity("train", "mini_resnet", "--replicas", "2", "--sync-batch-norm", "--threads", "1", *options)
    assert "CPU with 2 replicas of 1 thread each, batch norm over all of them" in " ".join(done.stdout.split())
    assert re.search(r"batches identical .*: yes\ninitial weights identical: yes", done.stdout)
    assert done.stdout.count("of 40 predictions differ") == 2
    for framework in ("paddle", "tensorflow"):
        run = load_run(tmp_path / f"mini_resnet-{framework}-seed0-2replicas-syncbn.json")
        record = next(record for record, _ in run.entries if isinstance(record, Training))
        assert (record.replicas, record.synchronised, record.threads, record.finished) == (2, True, 1, True)
    again = parity("train", "mini_resnet", "--replicas", "2", "--sync-batch-norm", "--threads", "1", *options)
    assert again.stderr.count("already finished") == 2
    status = parity("matrix", "status", "--out", tmp_path).stdout
    assert status.count("mini_resnet (2replicas-syncbn)") == 2
