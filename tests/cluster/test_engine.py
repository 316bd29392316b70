"""Trainings on a cluster end as on one machine, bit for bit, whatever was killed on the way."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import psutil

from parity.records.records import Training
from parity.records.saved_run import load_run
from tests.command_line import parity, running

TRAIN = ("train", "lenet5", "--dataset", "generated", "--threads", "1")

WAIT_SECONDS = 300.0


def records(folder: Path) -> dict[tuple[str, int], Training]:
    found = [record for path in folder.glob("*-seed?.json") for record, _ in load_run(path).entries]
    return {(record.framework, record.seed): record for record in found if isinstance(record, Training)}


def require_equal(one: Path, other: Path) -> None:
    """The same weights and the same curves, as far as they do not tell the time."""
    first, second = records(one), records(other)
    assert len(first) == 2
    assert first.keys() == second.keys()
    for key, record in first.items():
        assert record.finished
        assert record.weights_digest
        for name in ("weights_digest", "initial_digest", "batches_digest", "configuration"):
            assert getattr(record, name) == getattr(second[key], name), (key, name)
        curves = [
            [(e.train_loss, e.train_accuracy, e.test_loss, e.test_accuracy, e.learning_rate) for e in r.epochs]
            for r in (record, second[key])
        ]
        assert curves[0] == curves[1], key


def wait_for(what: Any, process: Any) -> None:
    begun = time.monotonic()
    while not what():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() - begun < WAIT_SECONDS, "nothing happened"
        time.sleep(0.05)


def tasks(cluster: Any) -> list[psutil.Process]:
    """The processes of this cluster that train at the moment; another one may run beside it."""
    raylets = [node.all_processes["raylet"][0].process.pid for node in cluster.worker_nodes]
    return [
        process
        for pid in raylets
        for process in psutil.Process(pid).children()
        if any(part.startswith("ray::lenet5") for part in process.cmdline())
    ]


def test_a_cluster_trains_as_one_machine_and_repeats_nothing(cluster: Any, tmp_path: Path) -> None:
    arguments = (*TRAIN, "--epochs", "2", "--limit", "400")
    here, there = tmp_path / "here", tmp_path / "there"
    parity(*arguments, "--out", here)
    done = parity(*arguments, "--out", there, "--cluster", cluster.address)
    assert "cluster: 2 CPUs on " in done.stderr
    assert "0 of 400 predictions differ" in done.stdout
    require_equal(here, there)
    again = parity(*arguments, "--out", here, "--cluster", cluster.address)
    assert again.stderr.count("already finished") == 2


def test_killed_drivers_tasks_and_nodes_change_nothing(cluster: Any, tmp_path: Path) -> None:
    draw = random.Random(0)
    arguments = (*TRAIN, "--framework", "tensorflow", "--seeds", "2", "--epochs", "10", "--limit", "4000")
    here, there = tmp_path / "here", tmp_path / "there"
    parity(*arguments, "--out", here)
    on_cluster = (*arguments, "--out", there, "--cluster", cluster.address)

    def checkpoints() -> list[tuple[Path, int]]:
        return [(path, path.stat().st_ino) for path in there.glob("*.checkpoint.safetensors")]

    with running(*on_cluster) as driver:
        wait_for(checkpoints, driver)
        driver.kill()
    assert not list(there.glob("*-seed?.json"))  # it was killed in the middle
    left = checkpoints()
    with running(*on_cluster) as driver:
        wait_for(lambda: set(checkpoints()) - set(left), driver)
        draw.choice(tasks(cluster)).kill()
        time.sleep(draw.uniform(1, 4))
        node = draw.choice(list(cluster.worker_nodes))
        cluster.remove_node(node, allow_graceful=False)
        time.sleep(1)
        cluster.add_node(num_cpus=1)
        _, messages = driver.communicate(timeout=WAIT_SECONDS)
        assert driver.returncode == 0, messages
    assert "going on after epoch" in messages
    assert "the task was lost" in messages
    require_equal(here, there)
    assert not checkpoints()
    assert any(len(record.sessions) > 1 for record in records(there).values())
