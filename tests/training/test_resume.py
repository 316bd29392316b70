"""Long runs that are killed, interrupted or run out of disk: what they leave; trainings continue bit for bit."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from parity.data.dataset import Dataset
from parity.records.records import Detection
from parity.records.saved_run import load_run
from parity.training.checkpoint import KEY
from parity.training.run import Progress, Settings, train
from parity.training.store import Store, locked
from parity.weights.files import load_state, read_metadata
from parity.weights.state import digest
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.pool import Workers
from tests.command_line import parity, running, training_of, without_seconds, workers_of

if TYPE_CHECKING:
    from tests.conftest import MakePython

EPOCHS = 4

TRAIN = ("train", "lenet5", "--dataset", "generated", "--threads", "1")

LONG = (*TRAIN, "--limit", "1000", "--batch", "10", "--epochs", str(EPOCHS))  # 100 steps an epoch

SHORT = (*TRAIN, "--limit", "200", "--epochs", "1", "--framework", "tensorflow")


def checkpoint_in(folder: Path, framework: str) -> Path:
    return Store(folder).files("lenet5", framework, Settings()).checkpoint


def epochs_in(checkpoint: Path) -> int:
    return len(json.loads(read_metadata(checkpoint)[KEY])["epochs"])


def wait_for(what: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Until it is true; the process must not have ended before."""
    end = time.monotonic() + 300
    while not what():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)


def assert_gone(workers: list[psutil.Process]) -> None:
    """Every one of these processes ends by itself, whatever it was doing; a few seconds are for a slow machine."""
    assert workers
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not alive


def listing(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith(".lock")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of both frameworks that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    done = parity(*LONG, "--out", folder)
    assert "going on" not in done.stderr
    return folder


def assert_the_same_training(folder: Path, whole: Path, framework: str) -> None:
    """Except for the seconds and the list of sessions."""
    training, expected = (training_of(directory / f"lenet5-{framework}-seed0.json") for directory in (folder, whole))
    assert len(training.weights_digest) == 64
    assert training.weights_digest == expected.weights_digest
    assert digest(load_state(folder / f"lenet5-{framework}-seed0.safetensors")) == training.weights_digest
    assert len(training.epochs) == EPOCHS
    assert without_seconds(training.epochs) == without_seconds(expected.epochs)
    assert training.configuration == expected.configuration
    assert training.problems == []
    assert len(expected.sessions) == 1
    assert [session.after_epochs for session in training.sessions] == sorted(
        {session.after_epochs for session in training.sessions}
    )
    assert len(training.sessions) > 1
    assert set(listing(folder)) == {f"lenet5-{framework}-seed0{end}" for end in (".json", ".safetensors")}


def test_a_training_whose_worker_was_killed_goes_on_bit_for_bit(
    expendable: Workers, dataset: Dataset, tmp_path: Path
) -> None:
    worker, few, settings = expendable["paddle"], dataset.limited(200), Settings(epochs=3)
    checkpoint = tmp_path / "checkpoint.safetensors"

    def kill(progress: Progress) -> None:
        if progress.epoch == 2 and worker.pid:
            os.kill(worker.pid, signal.SIGKILL)

    killed = train(worker, "lenet5", few, settings, checkpoint=checkpoint, on_progress=kill)
    assert epochs_in(checkpoint) == 1  # the second was not written yet
    assert not killed.record.finished
    resumed = train(worker, "lenet5", few, settings, checkpoint=checkpoint)
    whole = train(worker, "lenet5", few, settings)
    assert [session.after_epochs for session in resumed.record.sessions] == [0, 1]
    assert len(whole.record.weights_digest) == 64
    assert resumed.record.weights_digest == whole.record.weights_digest


@pytest.mark.slow
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_killed_in_an_epoch_it_goes_on_bit_for_bit(framework: str, whole: Path, tmp_path: Path) -> None:
    """At a random moment, with SIGKILL, which no process can handle; no worker survives its parent."""
    arguments = (*LONG, "--framework", framework, "--out", tmp_path)
    delay = random.uniform(0, 0.4)
    print(f"killed {delay:.3f} s after the first checkpoint")
    with running(*arguments) as process:
        wait_for(checkpoint_in(tmp_path, framework).exists, process)
        time.sleep(delay)
        workers = workers_of(process)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert_gone(workers)
    after = epochs_in(checkpoint_in(tmp_path, framework))
    assert 1 <= after < EPOCHS
    done = parity(*arguments)
    assert f"going on after epoch {after} of {EPOCHS} (lenet5-{framework}-seed0.checkpoint.safetensors)" in done.stderr
    assert_the_same_training(tmp_path, whole, framework)


HALF_WRITTEN = """
import os, signal

_write = safetensors.numpy.save_file

def _half(arrays, path, metadata=None):
    _write(arrays, path, metadata=metadata)
    final = path.with_name(path.name[1:].rsplit(".", 2)[0])
    if "checkpoint" in final.name and final.exists():
        os.truncate(path, path.stat().st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)

safetensors.numpy.save_file = _half
"""


@pytest.mark.slow
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_killed_while_it_writes_a_checkpoint_it_goes_on_from_the_one_before(
    framework: str, whole: Path, tmp_path: Path, altered_python: MakePython
) -> None:
    """SIGKILL with half of the second checkpoint written."""
    arguments = (*LONG, "--framework", framework, "--out", tmp_path)
    with running(*arguments, python=altered_python({"parity.weights.files": HALF_WRITTEN})) as process:
        wait_for(lambda: bool(workers_of(process)), process)
        workers = workers_of(process)
        assert process.wait(timeout=300) == -signal.SIGKILL
    assert_gone(workers)
    (half,) = tmp_path.glob(".*.part")
    assert 0 < half.stat().st_size < checkpoint_in(tmp_path, framework).stat().st_size
    done = parity(*arguments)
    assert f"going on after epoch 1 of {EPOCHS}" in done.stderr
    assert_the_same_training(tmp_path, whole, framework)
    assert not half.exists()


@pytest.mark.slow
def test_killed_in_its_second_network_a_run_of_traps_has_kept_the_first(tmp_path: Path) -> None:
    saved = tmp_path / "traps.json"
    networks = ("--network", "lenet5", "--network", "resnet20_v1")
    arguments = ("traps", *networks, "--trap", "nan", "--seeds", "0", "--dataset", "generated", "--save", saved)
    with running(*arguments) as process:
        wait_for(saved.exists, process)
        workers = workers_of(process)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert_gone(workers)
    assert {record.network for record, _ in load_run(saved).entries if isinstance(record, Detection)} == {"lenet5"}


@pytest.mark.slow
def test_ctrl_c_leaves_a_partial_result_and_the_same_command_goes_on(tmp_path: Path) -> None:
    arguments = (*TRAIN, "--limit", "400", "--framework", "tensorflow", "--out", tmp_path)
    with running(
        *arguments, "--epochs", "5000", preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    ) as process:  # a shell's `&` has SIGINT ignored
        wait_for(checkpoint_in(tmp_path, "tensorflow").exists, process)
        workers = workers_of(process)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stdout + stderr
    assert "Traceback" not in stderr
    assert "this is a partial result; the same command continues after the last finished epoch" in stderr
    assert_gone(workers)

    assert set(listing(tmp_path)) == {
        "lenet5-tensorflow-seed0-partial.json",
        "lenet5-tensorflow-seed0.checkpoint.safetensors",
    }
    partial = training_of(tmp_path / "lenet5-tensorflow-seed0-partial.json")
    epochs = len(partial.epochs)
    assert 1 <= epochs < partial.epochs_planned == 5000
    assert partial.problems == [f"interrupted in epoch {epochs + 1} of 5000"]
    assert partial.weights_digest == ""

    done = parity(*arguments, "--epochs", str(epochs + 1))
    assert f"going on after epoch {epochs} of {epochs + 1}" in done.stderr
    assert set(listing(tmp_path)) == {"lenet5-tensorflow-seed0.json", "lenet5-tensorflow-seed0.safetensors"}
    record = training_of(tmp_path / "lenet5-tensorflow-seed0.json")
    assert record.epochs[:epochs] == partial.epochs
    assert len(record.epochs) == epochs + 1


@pytest.mark.slow
def test_what_is_finished_is_not_trained_again_but_another_configuration_is(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(whole, folder)
    before = listing(folder)
    done = parity(*LONG, "--framework", "tensorflow", "--out", folder)
    assert "lenet5, TensorFlow, seed 0: already finished (lenet5-tensorflow-seed0.json)" in done.stderr
    assert "epoch 1/" not in done.stderr
    assert f"{EPOCHS}/{EPOCHS}" in done.stdout
    assert listing(folder) == before

    done = parity(*SHORT, "--out", folder)
    assert "trained again; at its end this replaces a finished training" in done.stderr
    record = training_of(folder / "lenet5-tensorflow-seed0.json")
    assert (record.batch, len(record.epochs)) == (100, 1)
    assert listing(folder)["lenet5-paddle-seed0.json"] == before["lenet5-paddle-seed0.json"]


@pytest.mark.slow
def test_a_damaged_or_foreign_checkpoint_stops_the_command_before_anything_is_touched(
    tmp_path: Path, workers: Workers, dataset: Dataset
) -> None:
    """It is the second training's, and the first one does not begin either."""
    saved = tmp_path / "saved.safetensors"
    train(workers["tensorflow"], "lenet5", dataset.limited(200), Settings(epochs=1), checkpoint=saved)
    foreign, folder = saved.read_bytes(), tmp_path / "runs"
    middle = len(foreign) // 2
    damaged = foreign[:middle] + bytes([foreign[middle] ^ 1]) + foreign[middle + 1 :]
    checkpoint_file = Store(folder).files("lenet5", "tensorflow", Settings(seed=1)).checkpoint
    for content, message in ((damaged, "it was damaged"), (foreign, "a checkpoint of another training")):
        checkpoint_file.write_bytes(content)
        done = parity(*SHORT, "--seeds", "2", "--out", folder, code=2)
        assert message in done.stderr
        assert str(checkpoint_file) in done.stderr
        assert "remove it or move it away" in done.stderr
        assert done.stdout == ""
        assert "epoch 1/" not in done.stderr
        assert listing(folder) == {checkpoint_file.name: content}


def test_a_command_keeps_away_from_what_another_process_is_training(tmp_path: Path) -> None:
    with locked(Store(tmp_path).files("lenet5", "tensorflow", Settings())):
        done = parity(*SHORT, "--out", tmp_path, code=2)
    assert "another process is training lenet5-tensorflow-seed0 there" in done.stderr
    assert listing(tmp_path) == {}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_on_a_full_disk_the_training_goes_on_and_keeps_the_earlier_checkpoint(
    framework: str, workers: Workers, dataset: Dataset, tmp_path: Path
) -> None:
    """No file may grow beyond 100 kB while the second checkpoint is written: what a full disk looks like."""
    checkpoint = tmp_path / "checkpoint.safetensors"
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    kept: list[int] = []

    def fill_disk(progress: Progress) -> None:
        if progress.record is None:
            return
        if progress.epoch == 2:
            kept.append(epochs_in(checkpoint))
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, unlimited[1]))
        elif progress.epoch == 3:
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
            kept.append(epochs_in(checkpoint))

    try:
        outcome = train(
            workers[framework],
            "lenet5",
            dataset.limited(200),
            Settings(epochs=3),
            checkpoint=checkpoint,
            on_progress=fill_disk,
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert kept == [1, 1]
    (warning,) = outcome.warnings
    assert "the checkpoint after epoch 2 could not be written" in warning
    assert "too large" in warning
    assert outcome.record.finished
    assert epochs_in(checkpoint) == 3
    assert [path.name for path in tmp_path.iterdir()] == [checkpoint.name]


def test_results_that_cannot_be_saved_are_still_printed_and_the_command_fails(tmp_path: Path) -> None:
    def fill_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    with running(*SHORT, "--out", tmp_path, preexec_fn=fill_disk) as process:
        stdout, stderr = process.communicate(timeout=300)
    assert process.returncode == 2, stdout + stderr
    assert "the checkpoint after epoch 1 could not be written" in stderr
    assert "the result could not be saved" in stderr
    assert "Traceback" not in stderr
    assert "1/1" in stdout
    assert listing(tmp_path) == {}
