"""Workers that die, hang, raise or cannot start: each causes one clear error, and the next call works."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import venv
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from parity.catalogue.recipes import Optimizer
from parity.workers.errors import WorkerError, WorkersError
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.interpreter import default_threads
from parity.workers.pool import Workers
from parity.workers.worker import LONGEST_SILENCE, Worker

ROOT = Path(__file__).resolve().parents[2]

BOTH = pytest.mark.parametrize("framework", list(FRAMEWORKS))


def other(framework: str) -> str:
    return next(name for name in FRAMEWORKS if name != framework)


@contextmanager
def frozen_during_call(worker: Worker, then: list[signal.Signals]) -> Iterator[None]:
    """Stop the process, so that no call can finish, and send it signals a moment after the call has begun."""
    pid = worker.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)

    def send() -> None:
        for one in then:
            os.kill(pid, one)

    timer = threading.Timer(0.3, send)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


@contextmanager
def patience(worker: Worker, timeout: float, longest_silence: float = LONGEST_SILENCE) -> Iterator[None]:
    """Give the calls of a worker that is ready less time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker, "timeout", timeout)
        patch.setattr(worker, "longest_silence", longest_silence)
        yield


def exists(pid: int) -> bool:
    """Whether the process runs; one that only waits to be reaped does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def describes(worker: Worker, network: str = "lenet5") -> bool:
    """Whether real work gets done."""
    return len(worker.describe(network).entries) == 10


@BOTH
def test_a_worker_killed_during_a_call_is_named_and_replaced(expendable: Workers, framework: str) -> None:
    worker = expendable[framework]
    assert describes(worker)
    before = worker.pid
    with frozen_during_call(worker, [signal.SIGKILL]), pytest.raises(WorkerError) as caught:
        worker.describe("resnet18")
    error = caught.value
    assert (error.cause, error.framework, error.network, error.step) == ("killed", framework, "resnet18", "describe")
    for part in (FRAMEWORKS[framework].title, "resnet18", "'describe'", "SIGKILL", "memory is short"):
        assert part in str(error)
    assert worker.pid is None
    assert describes(worker)
    assert worker.pid not in (before, None)


def test_a_segmentation_fault_is_named_and_costs_the_other_framework_nothing(expendable: Workers) -> None:
    """A real one: the process reads address 0. Paddle catches the signal, prints a report and dies of it."""
    assert describes(expendable["tensorflow"])
    before = expendable["tensorflow"].pid
    with pytest.raises(WorkerError) as caught:
        expendable["paddle"].call("crash", network="lenet5")
    assert caught.value.cause == "killed"
    assert "PaddlePaddle, network lenet5, step 'crash': the worker was killed by SIGSEGV" in str(caught.value)
    assert "it last printed:" in str(caught.value)
    assert describes(expendable["tensorflow"])
    assert expendable["tensorflow"].pid == before
    assert describes(expendable["paddle"])


def test_a_signal_from_outside_between_two_calls_is_reported_by_the_second(expendable: Workers) -> None:
    worker = expendable["paddle"]
    assert describes(worker)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGSEGV)
    time.sleep(0.2)
    with pytest.raises(WorkerError, match="PaddlePaddle, step 'environment': the worker was killed by SIGSEGV"):
        worker.environment()
    assert describes(worker)


@BOTH
def test_what_a_good_start_printed_is_no_part_of_a_failure(expendable: Workers, framework: str) -> None:
    worker = expendable[framework]
    worker.environment()
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(WorkerError, match="killed by SIGKILL") as caught:
        worker.environment()
    assert "it last printed" not in str(caught.value)


def test_a_hang_is_stopped_and_the_next_call_works(expendable: Workers) -> None:
    worker = expendable["paddle"]
    assert describes(worker)
    pid = worker.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    start = time.monotonic()
    with patience(worker, 0.5), pytest.raises(WorkerError) as caught:
        worker.describe("lenet5")
    assert time.monotonic() - start < 10
    assert caught.value.cause == "hang"
    reason = "no message and no use of a processor for 0.5 s; the worker was stopped"
    assert f"PaddlePaddle, network lenet5, step 'describe': {reason}" in str(caught.value)
    assert not exists(pid)
    assert describes(worker)


def test_a_hang_is_noticed_while_a_large_request_is_still_being_written(expendable: Workers) -> None:
    """A pipe holds 64 KiB: a frozen worker blocks the write itself, before any reply is waited for."""
    worker = expendable["paddle"]
    assert describes(worker)
    pid = worker.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    rescue = threading.Timer(20, os.kill, [pid, signal.SIGKILL])  # so that a regression fails rather than hangs
    rescue.start()
    start = time.monotonic()
    with patience(worker, 0.5), pytest.raises(WorkerError) as caught:
        worker.call("round_trip", network="lenet5", arrays={"a": np.zeros(10_000_000)})
    rescue.cancel()
    assert time.monotonic() - start < 10
    assert caught.value.cause == "hang"
    assert "no message and no use of a processor for 0.5 s" in str(caught.value)
    assert not exists(pid)


def test_progress_is_a_sign_of_life(expendable: Workers) -> None:
    """One second of steps under a timeout of half a second: alive, because each step reports."""
    assert describes(expendable["paddle"])
    events: list[Any] = []
    with patience(expendable["paddle"], 0.5):
        reply = expendable["paddle"].call("report", steps=10, seconds=0.1, on_progress=events.append)
    assert reply.result == {"steps": 10}
    assert events == [{"step": step} for step in range(10)]


@BOTH
@pytest.mark.parametrize("verb", ["burn", "burn_in_a_child"])
def test_work_is_a_sign_of_life_without_any_message(expendable: Workers, framework: str, verb: str) -> None:
    """Two seconds of a processor under a timeout of one: as an evaluation on a crowded machine."""
    assert describes(expendable[framework])
    before = expendable[framework].pid
    with patience(expendable[framework], 1):
        assert expendable[framework].call(verb, seconds=2).result is None
    assert expendable[framework].pid == before


@BOTH
@pytest.mark.parametrize(("verb", "arguments"), [("deadlock", {}), ("sleep", {"seconds": 120})])
def test_a_worker_that_waits_for_itself_hangs_though_its_other_threads_live(
    expendable: Workers, framework: str, verb: str, arguments: dict[str, Any]
) -> None:
    """A deadlock: Python runs on, the thread that reads requests too, but nothing uses a processor."""
    worker = expendable[framework]
    assert describes(worker)
    start = time.monotonic()
    reason = "no message and no use of a processor for 2 s; the worker was stopped"
    with patience(worker, 2), pytest.raises(WorkerError, match=reason) as caught:
        worker.call(verb, **arguments)
    assert time.monotonic() - start < 60
    assert caught.value.cause == "hang"
    assert describes(worker)


def test_a_loop_without_an_end_is_bounded_too(expendable: Workers) -> None:
    worker = expendable["paddle"]
    assert describes(worker)
    reason = "step 'burn': busy without a message for 2 s; the worker was stopped"
    with patience(worker, 1, 2), pytest.raises(WorkerError, match=reason) as caught:
        worker.call("burn", seconds=600)
    assert caught.value.cause == "hang"
    assert describes(worker)
    events: list[Any] = []
    with patience(worker, 1, 2):
        assert worker.call("report", steps=6, seconds=0.4, on_progress=events.append).result == {"steps": 6}


def test_a_listener_that_raises_does_not_leave_its_reply_to_the_next_call(expendable: Workers) -> None:
    worker = expendable["paddle"]

    def listener(event: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        worker.call("report", steps=2, seconds=0.0, on_progress=listener)
    assert worker.environment().version


@BOTH
def test_an_error_inside_names_its_reason_and_leaves_the_worker_alive(workers: Workers, framework: str) -> None:
    worker = workers[framework]
    assert describes(worker)
    before = worker.pid
    with pytest.raises(WorkerError) as caught:
        worker.describe("lenet6")
    assert caught.value.cause == "raised"
    message = str(caught.value)
    assert message.startswith(f"{FRAMEWORKS[framework].title}, network lenet6, step 'describe': UnknownNetworkError")
    assert "Did you mean 'lenet5'?" in message
    assert describes(worker)
    assert worker.pid == before


@BOTH
def test_an_unknown_verb_is_named(workers: Workers, framework: str) -> None:
    with pytest.raises(WorkerError, match=r"(?s)step 'fly'.*fly.*known: .*describe") as caught:
        workers[framework].call("fly")
    assert caught.value.cause == "raised"
    assert describes(workers[framework])


@BOTH
def test_a_wrong_argument_is_an_error_not_a_death(workers: Workers, framework: str) -> None:
    with pytest.raises(WorkerError, match="TypeError") as caught:
        workers[framework].call("describe", network="lenet5", colour="red")
    assert caught.value.cause == "raised"
    assert describes(workers[framework])


def test_both_errors_are_reported_when_both_workers_fail(workers: Workers) -> None:
    with pytest.raises(WorkersError) as caught:
        workers.map(lambda worker: worker.describe("vgg17"))
    for framework in FRAMEWORKS.values():
        assert f"{framework.title}, network vgg17, step 'describe': UnknownNetworkError" in str(caught.value)
    assert caught.value.cause == "raised"
    assert isinstance(caught.value, WorkerError)


def test_one_failing_worker_does_not_cut_the_other_short(expendable: Workers) -> None:
    """The job of the healthy one is finished before the error is raised, so its worker is not left half-way."""
    finished = []

    def job(worker: Worker) -> Any:
        if worker.framework == "paddle":
            return worker.call("leave", code=3)
        reply = worker.call("sleep", seconds=0.5)
        finished.append(worker.framework)
        return reply

    with pytest.raises(WorkerError, match=r"PaddlePaddle, step 'leave'.*exit code 3"):
        expendable.map(job)
    assert finished == ["tensorflow"]


def bare_python(folder: Path) -> Path:
    """A real environment that has this one's packages except the frameworks."""
    venv.create(folder, with_pip=False, symlinks=True)
    site = next(folder.glob("lib/python*/site-packages"))
    installed = Path(np.__file__).parent.parent
    for package in installed.iterdir():
        if package.name.startswith(("numpy", "psutil", "safetensors", "setuptools")):
            (site / package.name).symlink_to(package)
    return folder / "bin" / "python"


@BOTH
def test_a_framework_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, framework: str) -> None:
    python = bare_python(tmp_path / "bare")
    monkeypatch.setenv(FRAMEWORKS[framework].interpreter_variable, str(python))
    with Workers([framework]) as alone:
        with pytest.raises(WorkerError) as caught:
            alone[framework].describe("lenet5")
        assert alone[framework].pid is None
    assert (caught.value.cause, caught.value.step) == ("missing", "start")
    assert FRAMEWORKS[framework].title in str(caught.value)
    assert f"not installed for {python}; install it with: {FRAMEWORKS[framework].install}" in str(caught.value)


def test_an_interpreter_without_the_suite_own_needs_shows_what_it_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No numpy either: that is not a missing framework; what is missing is said in one line."""
    venv.create(tmp_path / "empty", with_pip=False, symlinks=True)
    monkeypatch.setenv("PARITY_PADDLE_PYTHON", str(tmp_path / "empty" / "bin" / "python"))
    with Workers(["paddle"]) as alone, pytest.raises(WorkerError, match="lacks numpy, psutil, ") as caught:
        alone["paddle"].environment()
    assert caught.value.cause == "missing"
    assert "paddlepaddle" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_interpreter_that_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARITY_TENSORFLOW_PYTHON", str(tmp_path / "no" / "python"))
    with Workers(["tensorflow"]) as alone, pytest.raises(WorkerError) as caught:
        alone["tensorflow"].environment()
    assert caught.value.cause == "missing"
    for part in ("TensorFlow", str(tmp_path / "no" / "python"), "PARITY_TENSORFLOW_PYTHON"):
        assert part in str(caught.value)


def test_a_device_that_is_not_there_is_refused_by_every_call_not_only_the_first(workers: Workers) -> None:
    """A worker whose setup failed must not continue with another device."""
    if workers["paddle"].environment().gpus:
        pytest.skip("this machine has a GPU")
    with Workers(["paddle"], device="gpu") as alone:
        for _ in range(2):
            with pytest.raises(WorkerError, match="--device gpu"):
                alone["paddle"].settings()
            assert alone["paddle"].pid is None


def test_stop_ends_the_process_and_a_later_call_starts_another() -> None:
    with Workers(["paddle"]) as alone:
        assert alone["paddle"].pid is None
        alone["paddle"].settings()
        first = alone["paddle"].pid
        assert first is not None
        alone.stop()
        assert not exists(first)
        alone.stop()
        alone["paddle"].settings()
        second = alone["paddle"].pid
        assert second is not None
        assert second != first
    assert not exists(second)


def test_workers_die_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    """No process is left to stop them: they end when their input ends."""
    code = (
        "import sys, time\n"
        "from parity.workers.pool import Workers\n"
        "workers = Workers(['paddle'])\n"
        "workers['paddle'].settings()\n"
        "print(workers['paddle'].pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    assert exists(worker)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 20
    while exists(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not exists(worker)


def test_the_threads_asked_for_are_what_both_frameworks_report(expendable: Workers) -> None:
    thread_counts = {name: expendable[name].threads for name in expendable}
    assert thread_counts == dict.fromkeys(FRAMEWORKS, 1)
    reported = expendable.map(lambda worker: worker.environment().threads)
    assert reported == thread_counts


def test_without_a_wish_both_frameworks_get_every_cpu_of_this_process() -> None:
    with Workers(device="cpu") as alone:
        reported = alone.map(lambda worker: worker.environment().threads)
    assert reported == dict.fromkeys(FRAMEWORKS, default_threads())


@pytest.mark.parametrize(
    ("framework", "name", "best", "other"),
    [("paddle", "MKL_DEBUG_CPU_TYPE", "5", "4"), ("tensorflow", "TF_ENABLE_ONEDNN_OPTS", "1", "0")],
)
@pytest.mark.parametrize("amd", [True, False], ids=["AMD", "other processor"])
@pytest.mark.parametrize("own", [True, False], ids=["the user's own", "none"])
def test_a_worker_gets_its_fast_kernels_on_amd_processors_unless_the_user_wants_others(
    monkeypatch: pytest.MonkeyPatch, framework: str, name: str, best: str, other: str, amd: bool, own: bool
) -> None:
    monkeypatch.setattr("parity.workers.worker.is_amd_with_avx2", lambda: amd)
    monkeypatch.delenv(name, raising=False)
    if own:
        monkeypatch.setenv(name, other)
    expected = other if own else best if amd else None
    with Workers([framework], threads=1) as workers:
        workers[framework].settings()
        environment = Path(f"/proc/{workers[framework].pid}/environ").read_text().split("\0")
        variable = dict(line.split("=", 1) for line in environment if line).get(name)
        assert variable == expected
        assert workers[framework].variables.get(name) == expected


def test_both_frameworks_compute_in_float32(workers: Workers) -> None:
    for facts in workers.map(lambda worker: worker.environment()).values():
        assert facts.precision.verdict == "float32"
        assert 0 < facts.precision.matmul_error < 2.0**-16
        assert 0 < facts.precision.conv_error < 2.0**-16


@BOTH
def test_what_a_worker_prints_does_not_reach_the_protocol(expendable: Workers, framework: str) -> None:
    """print, sys.stdout, descriptor 1 and a child's output; and reading standard input gets nothing."""
    worker = expendable[framework]
    assert worker.call("shout").result == {"read": ""}
    assert describes(worker)


def test_a_worker_that_leaves_by_itself_shows_its_exit_code_and_what_it_printed_last(expendable: Workers) -> None:
    expendable["paddle"].call("shout")
    with pytest.raises(WorkerError, match="the worker ended with exit code 41; it last printed:") as caught:
        expendable["paddle"].call("leave", code=41)
    assert caught.value.cause == "killed"
    for line in ("printed", "written", "raw bytes on descriptor 1", "from a child"):
        assert f"{line}\n" in f"{caught.value}\n"


@BOTH
def test_after_real_work_no_module_of_the_other_framework_is_loaded(expendable: Workers, framework: str) -> None:
    worker = expendable[framework]
    assert describes(worker)
    assert worker.environment().version
    tops = {name.partition(".")[0] for name in worker.call("modules").result["modules"]}
    own, foreign = FRAMEWORKS[framework], FRAMEWORKS[other(framework)]
    assert {own.package, *own.modules} <= tops
    assert not {foreign.package, *foreign.modules} & tops


@BOTH
def test_importing_the_other_framework_in_a_worker_is_refused(expendable: Workers, framework: str) -> None:
    worker = expendable[framework]
    assert describes(worker)
    before = worker.pid
    for module in FRAMEWORKS[other(framework)].modules:
        for name in (module, f"{module}.nn"):
            with pytest.raises(WorkerError) as caught:
                worker.call("import_module", name=name)
            assert f"must not be imported in the {framework} worker" in str(caught.value)
    assert worker.pid == before


def run_python(code: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_suite_and_the_reports_import_no_framework() -> None:
    output = run_python(
        "import importlib, pkgutil, sys\n"
        "import parity, reports\n"
        "names = []\n"
        "for package in (parity, reports):\n"
        "    for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        if module.name.rpartition('.')[2] not in ('conftest', '__main__'):\n"
        "            names.append(importlib.import_module(module.name).__name__)\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(loaded & {'tensorflow', 'keras', 'paddle', 'paddle_impl', 'tf_impl'}), *names)\n"
    )
    loaded, _, names = output.partition("]")
    assert loaded == "["
    assert {"parity.workers.pool", "parity.workers.serve", "parity.proofs.context", "parity.weights.state"} <= set(
        names.split()
    )


def test_the_packages_name_only_their_own_framework() -> None:
    """Neither source mentions the other framework's modules or package in an import, however deep."""
    for framework in FRAMEWORKS:
        foreign = FRAMEWORKS[other(framework)]
        sources = list((ROOT / FRAMEWORKS[framework].package).glob("**/*.py"))
        assert len(sources) > 5
        for source in sources:
            imported = re.findall(r"^\s*(?:from|import) (\w+)", source.read_text(), flags=re.MULTILINE)
            assert not {foreign.package, *foreign.modules} & set(imported), source


def test_a_stopped_worker_leaves_nothing_among_the_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Workers(threads=1) as both:
        for framework in both:
            given = {"gradient": np.ones(3, np.float32)}
            # which TensorFlow translates: it leaves its sources behind
            both[framework].repeated_updates("lenet5", Optimizer("sgd"), 0.1, [1], given)
        assert len(list(tmp_path.iterdir())) == 2
        assert any(tmp_path.rglob("__autograph_generated_file*"))
    assert list(tmp_path.iterdir()) == []


def test_threads_that_ask_one_worker_at_a_time_each_get_their_own_reply(workers: Workers) -> None:
    verbs = ("describe", "settings") * 4
    with ThreadPoolExecutor(len(verbs)) as pool:
        answers = list(pool.map(lambda verb: workers.map(lambda worker: worker.call(verb, network="lenet5")), verbs))
    for verb, replies in zip(verbs, answers, strict=True):
        assert all(("entries" in reply.result) == (verb == "describe") for reply in replies.values())
