"""What a store of trainings holds, and what it still needs for a verdict."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from parity.data.dataset import Dataset
from parity.records.equivalence import MARGIN
from parity.records.records import Epoch, Training
from parity.records.saved_run import save_records
from parity.records.sequential import SequentialPlan
from parity.training.engines import train_or_reuse
from parity.training.forecast import forecasts
from parity.training.jobs import Job
from parity.training.matrix import matrix_of
from parity.training.run import Progress, Settings
from parity.training.store import Store, locked, save
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.pool import Workers
from tests.command_line import parity, running

PLAN = SequentialPlan(batch=2, most=20)


def trained(framework: str, seed: int, accuracy: float, problems: list[str] | None = None) -> Training:
    epoch = Epoch(1, 0.1, 1.0, 0.5, 1.0, accuracy, 1800.0, 100.0)
    return Training(
        network="lenet5", framework=framework, recipe="mini", dataset="d", train_images=100, test_images=100, batch=10,
        seed=seed, mode="eager", precision="float32", device="cpu", threads=2, epochs=[epoch], epochs_planned=1,
        seconds=1800.0, first_seconds=0.0, peak_memory=1, initial_digest="i", batches_digest="b",
        problems=problems or [],
    )  # fmt: skip


def fill(folder: Path, accuracies: dict[str, list[float]]) -> Store:
    for framework, values in accuracies.items():
        for seed, accuracy in enumerate(values):
            save_records(folder / f"lenet5-{framework}-seed{seed}.json", [trained(framework, seed, accuracy)], {})
    return Store(folder)


def test_every_state_of_a_training(workers: Workers, dataset: Dataset, tmp_path: Path) -> None:
    store, few = Store(tmp_path), dataset.limited(200)

    def interrupt(progress: Progress) -> None:
        if progress.epoch == 2:
            raise KeyboardInterrupt

    def job(seed: int, framework: str = "tensorflow", precision: str = "float32") -> Job:
        settings = Settings(epochs=2, seed=seed, precision=precision)
        return Job(workers[framework], "lenet5", few, settings, store.files("lenet5", framework, settings))

    for seed, on_progress in ((0, lambda _: None), (1, interrupt)):
        one = job(seed)
        assert one.files is not None
        save(one.files, one.train(on_progress), {})
    failed = job(2)
    assert failed.files is not None
    record = structs.replace(trained("tensorflow", 2, 0.5), problems=["the worker was killed"], epochs=[])
    save_records(failed.files.partial, [record], {})
    bfloat16, diverged = job(3, precision="bfloat16"), job(4)
    assert bfloat16.files is not None
    assert diverged.files is not None
    save_records(bfloat16.files.partial, [structs.replace(record, seed=3)], {})
    record = structs.replace(trained("tensorflow", 4, 0.5), problems=["epoch 1: the loss is not a number"])
    save_records(diverged.files.record, [record], {})
    entries = matrix_of(store, ["lenet5"], seeds=2)
    states = {(entry.variant, entry.framework, entry.seed): (entry.state, entry.epochs) for entry in entries}
    begun = {place: state for place, state in states.items() if state[0] != "not begun"}
    assert begun == {
        ("", "tensorflow", 0): ("done", 2),
        ("", "tensorflow", 1): ("stopped", 1),
        ("", "tensorflow", 2): ("failed", 0),
        ("bfloat16", "tensorflow", 3): ("failed", 0),
        ("", "tensorflow", 4): ("failed", 1),
    }
    bfloat16_too = {("bfloat16", framework, seed) for framework in FRAMEWORKS for seed in range(2)}
    assert states.keys() - begun.keys() == {("", "paddle", 0), ("", "paddle", 1)} | bfloat16_too
    problems = [entry.problem for entry in entries if entry.state == "failed"]
    assert sorted(problems) == ["epoch 1: the loss is not a number", *2 * ["the worker was killed"]]
    assert not any(entry.state == "done" for entry in entries if entry.problem)
    assert matrix_of(store, ["vgg16"]) == []
    one = job(1)
    assert one.files is not None
    one.files.checkpoint.write_bytes(b"damaged")
    damaged = next(entry for entry in matrix_of(store) if entry.seed == 1)
    assert "cannot be read" in damaged.problem
    assert damaged.goes_on_after == 0


def test_a_training_whose_worker_died_goes_on_from_its_checkpoint(
    expendable: Workers, dataset: Dataset, tmp_path: Path
) -> None:
    """A real SIGKILL at the end of the second of three epochs, and of the first, before its checkpoint is written."""
    store, worker, few = Store(tmp_path), expendable["tensorflow"], dataset.limited(200)
    for seed, epoch in ((0, 2), (1, 1)):
        settings = Settings(epochs=3, seed=seed)
        files = store.files("lenet5", "tensorflow", settings)

        def kill(progress: Progress, epoch: int = epoch) -> None:
            if progress.epoch == epoch and progress.record and worker.pid:
                os.kill(worker.pid, signal.SIGKILL)

        save(files, Job(worker, "lenet5", few, settings, files).train(kill), {})
    assert [(entry.state, entry.epochs, entry.goes_on_after) for entry in matrix_of(store)] == [
        ("failed", 2, 1),
        ("failed", 1, 0),
    ]
    first, second = (
        line.split("  ") for line in parity("matrix", "status", "--out", tmp_path).stdout.splitlines()[2:4]
    )
    assert "failed; goes on after epoch 1" in map(str.strip, first)
    assert "failed" in map(str.strip, second)
    listed = json.loads(parity("matrix", "status", "--out", tmp_path, "--json").stdout)["trainings"]
    assert [training["goes on after epoch"] for training in listed] == [1, None]


def test_a_training_that_runs_is_seen_to_run(tmp_path: Path) -> None:
    arguments = ("lenet5", "--framework", "tensorflow", "--dataset", "generated", "--limit", "5000", "--out", tmp_path)
    with running("train", *arguments, "--epochs", "50") as process:
        while not list(tmp_path.glob("*.checkpoint.safetensors")):
            assert process.poll() is None, process.communicate()
        done = parity("matrix", "status", "--out", tmp_path, "--json")
    (entry,) = json.loads(done.stdout)["trainings"]
    assert (entry["state"], entry["framework"]) == ("running", "tensorflow")
    assert entry["epochs"] >= 1


def test_what_waits_for_others_does_not_run(workers: Workers, dataset: Dataset, tmp_path: Path) -> None:
    """All trainings of a command are locked; one has a file only after its first epoch, and is listed before it."""
    store = Store(tmp_path)
    settings = Settings(epochs=1)
    first, second = (
        Job(workers[name], "lenet5", dataset.limited(200), settings, store.files("lenet5", name, settings))
        for name in FRAMEWORKS
    )
    assert first.files is not None
    assert second.files is not None
    states = []

    def look(progress: Progress) -> None:
        states.append([(entry.framework, entry.state) for entry in matrix_of(store)])

    with locked(first.files), locked(second.files):
        train_or_reuse(first, first.status(), workers, {}, look, lambda _: None)
        after = [(entry.framework, entry.state) for entry in matrix_of(store)]
    assert states
    assert all(state == [("paddle", "running"), ("tensorflow", "waiting")] for state in states)
    assert after == [("paddle", "done"), ("tensorflow", "waiting")]
    first.files.running.touch()  # as a process leaves it that was killed
    assert [(entry.framework, entry.state) for entry in matrix_of(store)] == [("paddle", "done")]


def test_the_forecast_counts_seeds_and_their_cost(tmp_path: Path) -> None:
    store = fill(tmp_path, {"paddle": [0.600, 0.601], "tensorflow": [0.601, 0.600]})
    (forecast,) = forecasts(matrix_of(store), PLAN)
    assert (forecast.network, forecast.seeds, forecast.verdict) == ("lenet5", 2, None)
    assert forecast.needed is not None
    assert forecast.needed.seeds is not None
    assert 4 <= forecast.needed.seeds <= PLAN.most
    # half an hour with two threads, in each framework
    assert forecast.cpu_hours == pytest.approx((forecast.needed.seeds - 2) * 2 * 1.0)


@pytest.mark.parametrize(("gap", "verdict"), [(0.0, "equivalent"), (0.05, "different")])
def test_a_verdict_that_holds_needs_no_more_seeds(gap: float, verdict: str, tmp_path: Path) -> None:
    finals = [0.600, 0.601, 0.6005, 0.6002]
    assert gap == 0 or 100 * gap > MARGIN
    store = fill(tmp_path, {"paddle": finals, "tensorflow": [value + gap for value in reversed(finals)]})
    (forecast,) = forecasts(matrix_of(store), PLAN)
    assert forecast.verdict is not None
    assert (forecast.verdict.verdict, forecast.needed, forecast.cpu_hours) == (verdict, None, 0.0)


def test_one_seed_or_one_framework_gives_no_forecast(tmp_path: Path) -> None:
    store = fill(tmp_path, {"paddle": [0.6, 0.61, 0.6], "tensorflow": [0.6]})
    (forecast,) = forecasts(matrix_of(store), PLAN)
    assert forecast.problem == "expected 2 seeds that both frameworks have finished, found 1"


def test_a_seed_that_is_missing_ends_what_counts(tmp_path: Path) -> None:
    """On a cluster later seeds may end first; a test looks at them in their order."""
    store = fill(tmp_path, {name: [0.600, 0.601, 0.6005, 0.6002, 0.601] for name in FRAMEWORKS})
    (tmp_path / "lenet5-paddle-seed2.json").unlink()
    (forecast,) = forecasts(matrix_of(store), PLAN)
    assert (forecast.seeds, forecast.verdict) == (2, None)
    assert forecast.needed is not None


def test_no_verdict_leaves_out_a_seed_that_failed(tmp_path: Path) -> None:
    store = fill(tmp_path, {name: [0.600, 0.601, 0.6005, 0.6002, 0.601] for name in FRAMEWORKS})
    save_records(tmp_path / "lenet5-paddle-seed2.json", [trained("paddle", 2, 0.6, ["the loss is not a number"])], {})
    (forecast,) = forecasts(matrix_of(store), PLAN)
    assert (forecast.verdict, forecast.needed, forecast.cpu_hours) == (None, None, None)
    assert forecast.problem.startswith("PaddlePaddle, seed 2: the loss is not a number.")


def test_a_seed_of_both_frameworks_that_is_missing_ends_what_counts(tmp_path: Path) -> None:
    store = fill(tmp_path, {name: [0.600, 0.601, 0.6005, 0.6002, 0.601] for name in FRAMEWORKS})
    for framework in FRAMEWORKS:
        (tmp_path / f"lenet5-{framework}-seed2.json").unlink()
    (forecast,) = forecasts(matrix_of(store), PLAN)
    assert (forecast.seeds, forecast.verdict) == (2, None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"batches_digest": "c"}, "the frameworks saw different batches: seed 1"),
        ({"initial_digest": "c"}, "the frameworks began with different weights: seed 1"),
        ({"setup": "other"}, "paddle: seeds 0, 2, 3 and seed 1 differ in code, versions, data"),
    ],
)
def test_what_is_no_sample_of_one_experiment_has_no_forecast(
    changes: dict[str, str], reason: str, tmp_path: Path
) -> None:
    store = fill(tmp_path, {name: [0.600, 0.601, 0.6005, 0.6002] for name in FRAMEWORKS})
    for seed in range(4):
        record = structs.replace(trained("paddle", seed, 0.6 + seed / 1000), setup="one")
        changed = structs.replace(record, **changes) if seed == 1 else record
        save_records(tmp_path / f"lenet5-paddle-seed{seed}.json", [changed], {})
    (forecast,) = forecasts(matrix_of(store), PLAN)
    assert forecast.verdict is None
    assert forecast.problem.startswith(reason)


@pytest.mark.parametrize("change", [{"framework": "paddle"}, {"seed": 0}, {"network": "mini_vgg"}])
def test_a_file_that_holds_another_training_than_its_name_says(change: dict[str, Any], tmp_path: Path) -> None:
    store = fill(tmp_path, {name: [0.600, 0.601, 0.6005, 0.6002] for name in FRAMEWORKS})
    record = structs.replace(trained("tensorflow", 1, 0.6), **change)
    save_records(tmp_path / "lenet5-tensorflow-seed1.json", [record], {})
    (forecast,) = forecasts(matrix_of(store), PLAN)
    assert forecast.verdict is None
    assert "lenet5-tensorflow-seed1: expected the training that its name says, found that of" in forecast.problem


def test_the_plan_of_the_trainings_counts(tmp_path: Path) -> None:
    store = fill(tmp_path, {})
    for framework in FRAMEWORKS:
        for seed in range(4):
            record = structs.replace(trained(framework, seed, 0.6 + seed / 100), looks=[4])
            save_records(tmp_path / f"lenet5-{framework}-seed{seed}.json", [record], {})
    (forecast,) = forecasts(matrix_of(store), PLAN)
    assert forecast.verdict is not None
    assert forecast.verdict.exhausted


def test_trainings_of_different_experiments_are_not_pooled(tmp_path: Path) -> None:
    store = fill(tmp_path, {name: [0.600, 0.601, 0.6005, 0.6002] for name in FRAMEWORKS})
    record = structs.replace(trained("paddle", 1, 0.6), train_images=50)
    save_records(tmp_path / "lenet5-paddle-seed1.json", [record], {})
    (forecast,) = forecasts(matrix_of(store), PLAN)
    assert "the trainings differ in train images: 100, 50" in forecast.problem


def test_the_commands_print_what_is_there(tmp_path: Path) -> None:
    fill(tmp_path, {"paddle": [0.600, 0.601], "tensorflow": [0.601, 0.600]})
    done = parity("matrix", "status", "--out", tmp_path, "--seeds", "3", "lenet5")
    assert "4 done, 2 not begun" in done.stdout
    done = parity("matrix", "plan", "--out", f"file://{tmp_path}", "--cpus", "4")
    assert "hours on 4 CPUs" in done.stdout
    assert "lenet5" in done.stdout
    empty = tmp_path / "empty"
    for command in ("status", "plan"):
        assert (
            "expected the folder of `parity train --out`, found none"
            in parity("matrix", command, "--out", empty, code=2).stderr
        )
        assert f"file://{empty}" in parity("matrix", command, "--out", f"file://{empty}", code=2).stderr
    assert not empty.exists()
    assert (
        "found both" in parity("matrix", "plan", "--out", tmp_path, "--cpus", "4", "--cluster", "auto", code=2).stderr
    )
    empty.mkdir()
    assert "no trainings are there" in parity("matrix", "status", "--out", empty).stdout


def test_names_of_files_are_read_back(tmp_path: Path) -> None:
    for framework in FRAMEWORKS:
        for precision in ("float32", "bfloat16"):
            files = Store(tmp_path).files("resnet20_v1-nobn-100c", framework, Settings(seed=12, precision=precision))
            save_records(files.record, [trained(framework, 12, 0.5)], {})
    entries = matrix_of(Store(tmp_path))
    assert {(entry.network, entry.variant, entry.framework, entry.seed) for entry in entries} == {
        ("resnet20_v1-nobn-100c", variant, framework, 12) for framework in FRAMEWORKS for variant in ("", "bfloat16")
    }
