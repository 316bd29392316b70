"""Trainings on a cluster end as on one machine, bit for bit, whatever was killed on the way."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from parity.cluster.errors import ClusterError
from parity.cluster.nodes import Nodes, require_like
from parity.records.records import Training
from parity.records.saved_run import load_run
from parity.workers.frameworks import FRAMEWORKS
from tests.command_line import ROOT, parity, running

if TYPE_CHECKING:
    from tests.conftest import MakePython

ON_TENSORFLOW = ("--framework", "tensorflow")

TRAIN = ("train", "lenet5", "--dataset", "generated", "--threads", "1")

WAIT_SECONDS = 300.0


def records(folder: Path) -> dict[tuple[str, int], Training]:
    every = [record for path in folder.glob("*-seed?.json") for record, _ in load_run(path).entries]
    return {(record.framework, record.seed): record for record in every if isinstance(record, Training)}


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


@pytest.mark.slow
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
    arguments = (*TRAIN, "--epochs", "10", "--limit", "4000")
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
        results, messages = driver.communicate(timeout=WAIT_SECONDS)
        assert driver.returncode == 0, results + messages
    assert "cluster: 2 CPUs on " in messages
    assert "0 of 1,000 predictions differ" in results
    assert "going on after epoch" in messages
    assert "the task was lost" in messages
    require_equal(here, there)
    assert not checkpoints()
    assert any(len(record.sessions) > 1 for record in records(there).values())


def test_sigterm_leaves_a_partial_result(cluster: Any, tmp_path: Path) -> None:
    """Although Ray has a handler of its own for it."""
    arguments = (*TRAIN, *ON_TENSORFLOW, "--epochs", "100", "--limit", "4000", "--out", tmp_path)
    with running(*arguments, "--cluster", cluster.address) as driver:
        wait_for(lambda: list(tmp_path.glob("*.checkpoint.safetensors")), driver)
        driver.terminate()
        results, messages = driver.communicate(timeout=WAIT_SECONDS)
    assert driver.returncode == 143, results + messages
    assert "terminated: this is a partial result" in messages
    assert "SIGTERM received" not in messages
    assert "stopped" in parity("matrix", "status", "--out", tmp_path).stdout


@pytest.mark.slow
def test_a_node_that_joins_with_other_versions_is_left_out(
    cluster: Any, altered_python: MakePython, tmp_path: Path
) -> None:
    other = altered_python({"tf_impl.device": "Device.version = '2.16.99'"})
    arguments = (*TRAIN, *ON_TENSORFLOW, "--seeds", "4", "--epochs", "4", "--limit", "4000", "--out", tmp_path)
    with running(*arguments, "--cluster", cluster.address) as driver:
        wait_for(lambda: list(tmp_path.glob("*.checkpoint.safetensors")), driver)
        node = cluster.add_node(num_cpus=1, env_vars={"PARITY_TENSORFLOW_PYTHON": str(other)})
        try:
            _, messages = driver.communicate(timeout=WAIT_SECONDS)
        finally:
            cluster.remove_node(node, allow_graceful=False)
    assert driver.returncode == 0, messages
    (line,) = (line for line in messages.splitlines() if "joined and is left out" in line)
    assert "2.16.99" in line
    assert len(records(tmp_path)) == 4
    assert all(record.finished for record in records(tmp_path).values())


@pytest.mark.slow
def test_a_training_whose_tasks_die_again_and_again_is_given_up_with_its_epochs(cluster: Any, tmp_path: Path) -> None:
    arguments = (*TRAIN, *ON_TENSORFLOW, "--epochs", "50", "--limit", "20000", "--out", tmp_path)
    with running(*arguments, "--cluster", cluster.address) as driver:
        wait_for(lambda: list(tmp_path.glob("*.checkpoint.safetensors")), driver)
        while driver.poll() is None:
            for task in tasks(cluster):
                with contextlib.suppress(psutil.NoSuchProcess):
                    task.kill()
            time.sleep(0.5)
        _, messages = driver.communicate(timeout=WAIT_SECONDS)
    assert driver.returncode == 2, messages
    (path,) = tmp_path.glob("*-partial.json")
    (record,) = (record for record, _ in load_run(path).entries)
    assert isinstance(record, Training)
    assert record.problems[-1].startswith("given up after 3 attempts without a finished epoch")
    assert 1 <= len(record.epochs) < 50
    assert record.batches_digest
    assert "failed; goes on after epoch" in parity("matrix", "status", "--out", tmp_path).stdout


@pytest.mark.slow
def test_a_pytest_run_trains_on_the_cluster(cluster: Any, tmp_path: Path) -> None:
    """Both frameworks, and a report of it."""
    arguments = ["--network", "lenet5", "--dataset", "generated", "--limit", "400", "--epochs", "1", "-k", "training"]
    kept = ["--benchmark-save", "night", "--benchmark-storage", f"file://{tmp_path}", "--runs", f"{tmp_path}/runs"]
    command = [sys.executable, "-m", "pytest", "parity/", *arguments, *kept, "--threads", "1"]
    done = subprocess.run(
        [*command, "--cluster", cluster.address], cwd=ROOT, capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert {key: record.finished for key, record in records(tmp_path / "runs").items()} == {
        (framework, 0): True for framework in FRAMEWORKS
    }
    (saved,) = tmp_path.glob("*/*_night.json")
    assert "--cluster" in parity("report", saved, "-o", tmp_path / "report.md").stdout + (
        tmp_path / "report.md"
    ).read_text(encoding="utf-8")


def test_nodes_unlike_this_machine_are_refused_where_proofs_are_made_here() -> None:
    facts = {"version": "3.3.1", "device": "cpu", "packages": {"numpy": "2.4.6"}, "variables": {}}
    here = {"cpu": "one", "frameworks": {"paddle": facts}}
    nodes = Nodes(("a", "b"), ("1", "2"), {"a": "one", "b": "another"}, 2, 0, here, {})
    with pytest.raises(ClusterError, match="processor: one here, another on node b"):
        require_like(nodes, here)
    there = {**here, "frameworks": {"paddle": {**facts, "version": "3.2.2"}}}
    with pytest.raises(ClusterError, match=r"version of PaddlePaddle: 3\.3\.1 here, 3\.2\.2 on the cluster"):
        require_like(replace(nodes, processors={"a": "one"}, environment=there), here)
    require_like(replace(nodes, processors={"a": "one"}), here)
