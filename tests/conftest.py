"""What the tests share: both frameworks' workers, started once; a small data set; interpreters with a fault in them."""

import functools
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
import pytest

from parity.data import generated, registry
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.interpreter import shared_threads
from parity.workers.pool import Workers
from parity.workers.worker import Worker

MakePython = Callable[[Mapping[str, str]], Path]

FaultyPair = Callable[[str, Mapping[str, str]], Workers]

Draw = TypeVar("Draw", bound=Callable[..., tuple[np.ndarray, ...]])


def _drawn_once(draw: Draw) -> Draw:
    """As `draw`, whose arrays all callers share; nothing can write to them."""

    @functools.cache
    def drawn(*args: int, **options: int) -> tuple[np.ndarray, ...]:
        arrays = draw(*args, **options)
        for array in arrays:
            array.flags.writeable = False
        return arrays

    return cast(Draw, drawn)


generated.generate = _drawn_once(generated.generate)  # drawing takes longer than most of what commands do with it


def pytest_configure() -> None:
    """What a test starts is none of pytest-xdist's processes: in those, pytest-benchmark measures nothing.

    Threads of Paddle's without work sleep at once. By default they first keep a core busy for 0.2 s, which other
    workers need: a worker of Paddle with two threads then takes twice the processor time.
    """
    os.environ.pop("PYTEST_XDIST_WORKER", None)
    os.environ.setdefault("KMP_BLOCKTIME", "0")


@pytest.fixture(scope="session")
def workers() -> Iterator[Workers]:
    """Both frameworks' workers, with their share of the CPU. A test that harms one uses its own instead."""
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    with Workers(device="cpu", threads=shared_threads(processes)) as both:
        yield both


@pytest.fixture(scope="session")
def dataset() -> registry.Dataset:
    """The first 300 images of the generated data set."""
    return registry.load("generated").limited(300)


SITECUSTOMIZE = """
import importlib.abc, importlib.machinery, sys

ADDITIONS = {additions!r}

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name not in ADDITIONS:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        spec.loader = Loader(spec.loader)
        return spec

class Loader(importlib.abc.Loader):
    def __init__(self, own):
        self.own = own
    def create_module(self, spec):
        return self.own.create_module(spec)
    def exec_module(self, module):
        self.own.exec_module(module)
        exec(ADDITIONS[module.__name__], module.__dict__)

sys.meta_path.insert(0, Finder())
"""


@pytest.fixture(scope="session")
def altered_python(tmp_path_factory: pytest.TempPathFactory) -> MakePython:
    """Makes a Python in which some modules of the project end with additional source: {module: source}.

    Everything else is as in the tests' own interpreter, so that one worker can be given a real fault, a missing line or
    an extra verb, while the product carries no switches for it.
    """

    def make(additions: Mapping[str, str]) -> Path:
        folder = tmp_path_factory.mktemp("altered")
        (folder / "sitecustomize.py").write_text(SITECUSTOMIZE.format(additions=dict(additions)))
        python = folder / "python"
        path, own = shlex.quote(str(folder)), shlex.quote(sys.executable)
        python.write_text(f'#!/bin/sh\nPYTHONPATH={path}:"$PYTHONPATH" exec {own} "$@"\n')
        python.chmod(0o755)
        return python

    return make


class FaultyWorker(Worker):
    """A worker that always starts with an interpreter of its own, again after it died, too."""

    def __init__(self, framework: str, python: Path, threads: int) -> None:
        super().__init__(framework, threads=threads)
        self.python = python

    def _start(self, network: str | None, verb: str) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(FRAMEWORKS[self.framework].interpreter_variable, str(self.python))
            super()._start(network, verb)


class Pair(Workers):
    """A faulty worker beside the healthy one of the other framework."""

    def __init__(self, healthy: Workers, faulty: Worker) -> None:
        self._workers = {name: faulty if name == faulty.framework else healthy[name] for name in healthy}


@pytest.fixture(scope="module")
def faulty_pair(workers: Workers, altered_python: MakePython) -> Iterator[FaultyPair]:
    """Makes a pair of workers of which one framework's runs with additional source, see `altered_python`."""
    pairs: dict[str, Pair] = {}

    def make(framework: str, additions: Mapping[str, str]) -> Workers:
        key = f"{framework} {additions}"
        if key not in pairs:
            faulty = FaultyWorker(framework, altered_python(additions), workers[framework].threads)
            pairs[key] = Pair(workers, faulty)
        return pairs[key]

    yield make
    for key, pair in pairs.items():
        pair[key.partition(" ")[0]].stop()


# What only tests ask a worker for.
SPY = """
PRODUCT = dict(VERBS)

def signatures():
    import inspect
    from PACKAGE.training import Trainer
    def of(function):
        return [
            {"name": parameter.name, "kind": parameter.kind.name, "required": parameter.default is parameter.empty,
             "default": None if parameter.default is parameter.empty else parameter.default}
            for parameter in inspect.signature(function).parameters.values()
        ]
    return {"verbs": {name: of(verb) for name, verb in PRODUCT.items()}, "trainer": of(Trainer)}

def modules():
    import sys
    return {"modules": sorted(sys.modules)}

def import_module(name):
    import importlib
    importlib.import_module(name)

def held(network):
    from PACKAGE.twin import twin
    return {}, twin.export_state(twin.cached(network, "float32"))

def overwrite(network, arrays):
    from PACKAGE.twin import twin
    twin.load_state(twin.cached(network, "float32"), arrays, network)
    return {}

def crash():
    import ctypes
    ctypes.string_at(0)

def leave(code):
    import os
    os._exit(code)

def sleep(seconds):
    import time
    time.sleep(seconds)

def burn(seconds):
    import time
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass

def burn_in_a_child(seconds):
    import subprocess, sys
    code = "import time\\nwhile time.process_time() < " + str(seconds) + ": pass"
    subprocess.run([sys.executable, "-c", code], check=True)

def deadlock():
    import threading
    lock = threading.Lock()
    with lock:
        threading.Thread(target=lock.acquire).start()
        lock.acquire()

def report(steps, seconds, progress):
    import time
    for step in range(steps):
        time.sleep(seconds)
        progress(step=step)
    return {"steps": steps}

def shout():
    import os, sys
    print("printed", flush=True)
    sys.stdout.write("written\\n")
    os.write(1, b"\\x00" * 64 + b"raw bytes on descriptor 1\\n")
    os.system("echo from a child")
    return {"read": sys.stdin.read()}

WORK = (burn, burn_in_a_child, deadlock)
for verb in (signatures, modules, import_module, held, overwrite, crash, leave, sleep, report, shout, *WORK):
    VERBS[verb.__name__] = verb
"""


@pytest.fixture(scope="session")
def _expendable(altered_python: MakePython) -> Iterator[tuple[Workers, dict[str, Path]]]:
    pythons = {}
    for framework in FRAMEWORKS.values():
        additions = {f"{framework.package}.verbs": SPY.replace("PACKAGE", framework.package)}
        pythons[framework.interpreter_variable] = altered_python(additions)
    with Workers(device="cpu", threads=1) as both:
        yield both, pythons


@pytest.fixture
def expendable(_expendable: tuple[Workers, dict[str, Path]], monkeypatch: pytest.MonkeyPatch) -> Workers:
    """Both workers once more, one thread each, to look into and to kill: the product's verbs and those of `SPY`.

    A test that uses these does not use `workers`, which must start with the interpreter of its own.
    """
    both, pythons = _expendable
    for variable, python in pythons.items():
        monkeypatch.setenv(variable, str(python))
    return both
