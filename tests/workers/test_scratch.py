"""Workers' temporary folders: none is left however the suite ends, and no other folder is removed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from parity.workers import scratch
from parity.workers.errors import WorkerError
from parity.workers.scratch import PREFIX, Scratch, sweep
from parity.workers.worker import Worker
from tests.command_line import ROOT, running, surroundings, training_of

HOLDER = """
import sys, time
from parity.workers.scratch import Scratch
held = Scratch()
print(held.path, flush=True)
time.sleep(600)
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory for temporary files, of this process and of those that it starts."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def holder() -> tuple[subprocess.Popen[str], Path]:
    """A process that has a folder, and the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER], cwd=ROOT, env=surroundings(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_has_is_not(temporary: Path) -> None:
    dead, left = holder()
    (left / "deep").mkdir()
    (left / "deep" / "file").write_text("x")
    kill(dead)
    assert left.is_dir()
    alive, used = holder()  # at the same time, and the next start
    try:
        assert not left.exists()
        sweep(temporary)
        assert used.is_dir()
        own = Scratch()
        sweep(temporary)
        assert own.path.is_dir()
        assert own.path.stat().st_mode & 0o777 == 0o700
        own.remove()
        assert list(temporary.iterdir()) == [used]
    finally:
        kill(alive)
    sweep(temporary)
    assert list(temporary.iterdir()) == []


def test_a_lock_ends_with_the_process_whatever_has_its_number_now(temporary: Path) -> None:
    """The child that outlives the process has not inherited the lock, and no process id is stored."""
    code = HOLDER.replace("time.sleep(600)", "import subprocess; subprocess.Popen(['sleep', '30']); time.sleep(600)")
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=surroundings(), stdout=subprocess.PIPE)
    assert process.stdout is not None
    left = Path(process.stdout.readline().decode().strip())
    deadline = time.monotonic() + 20
    while not (children := psutil.Process(process.pid).children()) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.wait()
    process.stdout.close()
    try:
        sweep(temporary)
        assert not left.exists()
        assert children[0].is_running()
    finally:
        children[0].kill()


def test_only_the_suites_own_folders_are_looked_at(temporary: Path, tmp_path: Path) -> None:
    """Of another name, not a folder, or behind a link."""
    target = tmp_path / "target"
    target.mkdir()
    (target / "precious").write_text("x")
    (temporary / f"{PREFIX}notes_of_mine").mkdir()
    (temporary / "parity-results").mkdir()
    (temporary / "parity-abcd1234").mkdir()
    (temporary / f"{PREFIX}file5678").write_text("x")
    (temporary / f"{PREFIX}link5678").symlink_to(target)
    (temporary / f"{PREFIX}left5678").mkdir()
    (temporary / f"{PREFIX}left5678" / "out").symlink_to(target)
    before = {path.name for path in temporary.iterdir()}
    sweep(temporary)
    assert before - {path.name for path in temporary.iterdir()} == {f"{PREFIX}left5678"}
    assert (target / "precious").read_text() == "x"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make what another user owns")
def test_another_users_folder_stays(temporary: Path) -> None:
    other = temporary / f"{PREFIX}other678"
    other.mkdir()
    os.chown(other, 12345, 12345)
    sweep(temporary)
    assert other.is_dir()


def test_a_directory_that_cannot_be_read_is_no_error(tmp_path: Path) -> None:
    sweep(tmp_path / "missing")


def test_many_processes_that_start_and_sweep_at_once_keep_their_folders(temporary: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from parity.workers import scratch
for _ in range(40):
    held = scratch.Scratch()
    (held.path / "file").write_text("x")
    scratch.sweep(held.path.parent)
    assert (held.path / "file").read_text() == "x"
    held.remove()
    assert not held.path.exists()
"""
    command = [sys.executable, "-c", code]
    processes = [
        subprocess.Popen(command, cwd=ROOT, env=surroundings(), stderr=subprocess.PIPE, text=True) for _ in range(6)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert list(temporary.iterdir()) == []


TRAIN = ("train", "lenet5", "--dataset", "generated", "--limit", "400", "--device", "cpu", "--threads", "1")


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert condition(), process.communicate()


def folders(temporary: Path) -> list[str]:
    return [path.name for path in temporary.iterdir() if path.name.startswith("parity-")]


@pytest.mark.slow
def test_sigterm_ends_a_training_as_ctrl_c_does(temporary: Path, tmp_path: Path) -> None:
    arguments = (*TRAIN, "--framework", "tensorflow", "--epochs", "5000", "--out", tmp_path / "runs")
    with running(*arguments) as process:
        wait_for((tmp_path / "runs" / "lenet5-tensorflow-seed0.checkpoint.safetensors").exists, process)
        assert len(folders(temporary)) == 1
        process.send_signal(signal.SIGTERM)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 143, stdout + stderr
    assert "terminated: this is a partial result; the same command continues after the last finished epoch" in stderr
    assert "Traceback" not in stderr
    assert training_of(tmp_path / "runs" / "lenet5-tensorflow-seed0-partial.json").epochs
    assert folders(temporary) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_other_commands_leave_nothing_either(temporary: Path, number: signal.Signals) -> None:
    names = [f"resnet{depth}_v1" for depth in (20, 32, 44, 56, 110)]
    with running(
        "check", *names, "--dataset", "generated", preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    ) as process:
        wait_for(lambda: len(folders(temporary)) == 2, process)
        time.sleep(1)  # in the middle of a start or of a proof
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + number, stdout + stderr
    assert "Traceback" not in stderr
    assert ("terminated" if number == signal.SIGTERM else "interrupted") in stderr
    assert folders(temporary) == []


def test_what_sigkill_left_the_next_start_removes(temporary: Path) -> None:
    with running(*TRAIN, "--epochs", "5000", "--framework", "paddle") as process:
        wait_for(lambda: folders(temporary), process)
        left = folders(temporary)
        process.kill()
        process.communicate()
    assert folders(temporary) == left
    with running(*TRAIN, "--epochs", "5000", "--framework", "paddle") as process:
        wait_for(lambda: folders(temporary) and not set(folders(temporary)) & set(left), process)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_pytest_tears_its_workers_down(temporary: Path, number: signal.Signals) -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "parity/suite/test_proofs.py",
        "--dataset",
        "generated",
        "-p",
        "no:cacheprovider",
    ]
    pytest_runs = {"cwd": ROOT, "env": surroundings(), "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    process = subprocess.Popen(command, text=True, **pytest_runs)  # type: ignore[call-overload]
    try:
        wait_for(lambda: folders(temporary), process)
        time.sleep(1)
        workers = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    psutil.wait_procs(workers, timeout=20)
    assert not any(worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE for worker in workers)
    if number == signal.SIGTERM:
        assert process.returncode == 143, output
        assert folders(temporary) == []
    else:
        assert folders(temporary)
        scratch.sweep(temporary)
        assert folders(temporary) == []


def test_a_worker_that_cannot_be_started_leaves_nothing(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARITY_PADDLE_PYTHON", str(temporary / "no" / "python"))
    worker = Worker("paddle")
    for _ in range(2):
        with pytest.raises(WorkerError, match="cannot start"):
            worker.settings()
        assert list(temporary.iterdir()) == []
