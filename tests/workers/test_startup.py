"""Workers start at the same time, without the caller waiting, and load only what they need."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from parity.workers.errors import WorkerError
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.pool import Workers
from parity.workers.worker import Worker
from tests.command_line import surroundings

BOTH = pytest.mark.parametrize("framework", list(FRAMEWORKS))

# Of `parity`: the packages, and the modules of packages of which a worker needs a part.
ROOMS = ("catalogue", "kinds", "numerics", "runtime", "weights")

MODULES = (
    "data.epoch_plan",
    "error_causes",
    "printable",
    "system",
    "workers.frameworks",
    "workers.protocol",
    "workers.serve",
)


def output_of(code: str) -> list[str]:
    """The words that a Python process with this code prints."""
    done = subprocess.run([sys.executable, "-c", code], env=surroundings(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@BOTH
def test_a_worker_loads_of_the_suite_what_it_works_with_and_nothing_of_the_side_that_asks(
    expendable: Workers, framework: str
) -> None:
    worker = expendable[framework]
    worker.call("environment")
    loaded = [name for name in worker.call("modules").result["modules"] if name.startswith("parity.")]
    inner = [name.removeprefix("parity.") for name in loaded]
    assert {"catalogue.networks", "runtime.training_loop", "weights.state", "workers.protocol"} <= set(inner)
    above = {module.partition(".")[0] for module in MODULES}  # the packages themselves, whose own files are empty
    assert [name for name in inner if name.partition(".")[0] not in ROOMS and name not in (*MODULES, *above)] == []


@BOTH
def test_what_a_framework_only_looks_for_is_not_loaded_and_can_be(expendable: Workers, framework: str) -> None:
    worker = expendable[framework]
    worker.stop()  # other tests may have had it import something
    worker.call("environment")
    extras = FRAMEWORKS[framework].extras
    assert not {name.partition(".")[0] for name in worker.call("modules").result["modules"]} & set(extras)
    present = {"paddle": ["click"], "tensorflow": ["matplotlib", "scipy"]}[framework]  # in this environment
    for name in present:
        worker.call("import_module", name=name)
    assert set(present) <= set(worker.call("modules").result["modules"])


def test_a_quick_import_hides_what_is_named_and_leaves_the_collector_as_it_was() -> None:
    code = """
import gc, importlib, sys
from parity.workers.serve import quick_imports

def able(name):
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True

finders = list(sys.meta_path)
with quick_imports(["wave", "xml"]):
    print(gc.isenabled(), able("wave"), able("xml.dom"), able("colorsys"))
print(gc.isenabled(), able("wave"), able("xml.dom"), sys.meta_path == finders, gc.get_freeze_count() > 0)
try:
    with quick_imports(["wave"]):
        raise ImportError
except ImportError:
    print(gc.isenabled(), sys.meta_path == finders)
"""
    assert output_of(code) == ["False"] * 3 + ["True"] * 8


def test_calls_cost_no_memory_map_wherever_they_are_made() -> None:
    """A call from the end of a piece of the stack of frames maps memory; one of 400 frames is at such an end."""
    code = """
import resource
from parity.workers.serve import with_large_frame

def page_faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def call():
    pass

def most_faults(frames):
    before = page_faults()
    for _ in range(1000):
        call()
    faults = page_faults() - before
    return max(faults, most_faults(frames - 1)) if frames else faults

def main():
    print(most_faults(400) < 100)

with_large_frame(main)()
"""
    assert output_of(code) == ["True"]


@BOTH
def test_the_process_that_was_begun_is_the_one_that_answers(framework: str) -> None:
    worker = Worker(framework, threads=1)
    try:
        worker.begin()
        pid = worker.pid
        assert pid is not None
        worker.begin()
        assert worker.call("settings").result["threads"] == 1
        assert worker.pid == pid
    finally:
        worker.stop()
    assert worker.pid is None
    assert not psutil.pid_exists(pid)


def test_nobody_waits_for_what_was_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interpreters that never answer: if either were waited for, the test would not end."""
    silent = tmp_path / "python"
    silent.write_text("#!/bin/sh\nexec sleep 1000\n")
    silent.chmod(0o755)
    for framework in FRAMEWORKS.values():
        monkeypatch.setenv(framework.interpreter_variable, str(silent))
    both = Workers(threads=1)
    with both:
        both.begin()
        pids = [both[name].pid for name in both]
        assert all(pid is not None and psutil.pid_exists(pid) for pid in pids)
        assert len(set(pids)) == len(FRAMEWORKS)
    assert not any(pid is not None and psutil.pid_exists(pid) for pid in pids)


def test_what_cannot_begin_is_reported_by_the_first_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FRAMEWORKS["paddle"].interpreter_variable, "/nonexistent")
    with Workers(threads=1) as both:
        both.begin()
        assert both["paddle"].pid is None
        with pytest.raises(WorkerError, match="PaddlePaddle, network lenet5, step 'start': cannot start /nonexistent"):
            both["paddle"].call("describe", network="lenet5")


def test_one_that_died_while_nobody_waited_is_reported_and_replaced(workers: Workers) -> None:
    worker = Worker("paddle", threads=1)
    try:
        worker.begin()
        pid = worker.pid
        assert pid is not None
        os.kill(pid, 9)
        with pytest.raises(WorkerError, match="PaddlePaddle, network lenet5, step 'start': the worker was killed by"):
            worker.call("describe", network="lenet5")
        assert worker.call("settings").result["threads"] == 1
        assert worker.pid != pid
    finally:
        worker.stop()


def test_workers_begin_before_numpy_and_the_like_are_imported() -> None:
    code = f"""
import os, sys
for variable in {[framework.interpreter_variable for framework in FRAMEWORKS.values()]}:
    os.environ[variable] = "/bin/cat"
import parity.cli.main
from parity.cli.migrate import _workers
with _workers(1) as workers:
    print(all(workers[name].pid for name in workers), *({{"numpy", "rich", "scipy", "matplotlib"}} & set(sys.modules)))
"""
    assert output_of(code) == ["True"]
