"""Targets in a user's folder, in real workers: files with names of Python's own, optional imports, scripts, output."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from parity.catalogue.user_models import InputSpec, ModelSpec
from parity.workers.errors import WorkerError
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.worker import Worker

BOTH = pytest.mark.parametrize("framework", FRAMEWORKS)

MODELS = {
    "paddle": "from paddle import nn\n\ndef net():\n    return nn.Linear(4, 2)\n",
    "tensorflow": "from keras import Input, Sequential, layers\n\n"
    "def net():\n    return Sequential([Input((4,)), layers.Dense(2)])\n",
}

# as packages do that work with several frameworks
OPTIONAL = """
import importlib.metadata, importlib.util

for name in {modules}:
    assert importlib.util.find_spec(name) is None, name
    try:
        __import__(name)
    except ModuleNotFoundError:
        pass
    else:
        raise AssertionError(name)
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
    else:
        raise AssertionError(name)
"""

LOUD = """
import os, sys

for _ in range(40):
    print("x" * 2**16)
    sys.stderr.write("y" * 2**16)
    os.write(1, b"\\x00\\xff" * 2**15)
os.system("head -c 4000000 /dev/zero")
"""


class Folder:
    """A user's working directory, and a worker of each framework that is started in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.workers = {name: Worker(name, threads=1) for name in FRAMEWORKS}

    def loads(self, framework: str, target: str, **files: str) -> int:
        """The number of arrays of the model that a target gives, with these modules in the folder."""
        for name, source in files.items():
            (self.path / f"{name}.py").write_text(source)
        spec = ModelSpec(target, [InputSpec([4])], dtype="float32")
        return len(self.workers[framework].open_model("user's", spec).arrays)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folder]:
    made = Folder(tmp_path_factory.mktemp("users"))
    # from the start: the names of modules that a worker imports first of all, and later ones
    for name in ("random", "types", "token", "wave"):
        (made.path / f"{name}.py").write_text(f"raise RuntimeError('the wrong {name}')\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made.path)
        yield made
    for worker in made.workers.values():
        worker.stop()


@BOTH
def test_files_with_names_of_pythons_own_modules_do_no_harm(folder: Folder, framework: str) -> None:
    source = f"import random, token, types, wave\n{MODELS[framework]}"
    assert folder.loads(framework, "own_a:net", own_a=source) == 2


@BOTH
def test_where_such_a_file_is_what_was_meant_the_message_says_so(folder: Folder, framework: str) -> None:
    source = f"import random\n{MODELS[framework]}    random.of_mine()\n".replace(
        "    return", "    random.of_mine()\n    return"
    )
    for target, files in (("own_b:net", {"own_b": source}), ("wave:net", {})):
        with pytest.raises(WorkerError, match=r"random\.py, .*types\.py, wave\.py have names of Python's standard"):
            folder.loads(framework, target, **files)


@BOTH
def test_a_package_that_only_looks_for_the_other_framework_is_imported(folder: Folder, framework: str) -> None:
    foreign = [module for name, other in FRAMEWORKS.items() if name != framework for module in other.modules]
    source = OPTIONAL.format(modules=foreign) + MODELS[framework]
    name = f"optional_{framework}"
    assert folder.loads(framework, f"{name}:net", **{name: source}) == 2


@BOTH
@pytest.mark.parametrize("wrapped", [False, True])
def test_one_that_needs_the_other_framework_is_told_how_the_targets_are_ordered(
    folder: Folder, framework: str, wrapped: bool
) -> None:
    other = next(name for name in FRAMEWORKS if name != framework)
    source, name = MODELS[other], f"needs_{other}_{wrapped}"
    if wrapped:
        module = FRAMEWORKS[other].modules[-1]
        source = f"try:\n    import {module}\nexcept ImportError as e:\n    raise ImportError('install it') from e\n"
    with pytest.raises(WorkerError, match="The TensorFlow model is the first target, the Paddle model the second"):
        folder.loads(framework, f"{name}:net", **{name: source})


def test_a_model_of_the_wrong_kind_is_told_how_the_targets_are_ordered(folder: Folder) -> None:
    for framework in FRAMEWORKS:
        with pytest.raises(WorkerError, match=r"found builtins\.list\. The TensorFlow model is the first target"):
            folder.loads(framework, "kinds:net", kinds="def net():\n    return [1]\n")


@BOTH
@pytest.mark.parametrize("at", ["import", "call"])
def test_a_script_that_ends_the_process_is_refused_and_the_worker_lives(
    folder: Folder, framework: str, at: str
) -> None:
    lines = "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--data', required=True)\n"
    source = lines + ("parser.parse_args()\n" if at == "import" else "def net():\n    parser.parse_args()\n")
    name = f"script_{framework}_{at}"
    assert folder.loads(framework, "own_c:net", own_c=MODELS[framework]) == 2
    before = folder.workers[framework].pid
    with pytest.raises(WorkerError, match=re.escape("it ends the process (SystemExit: 2)")):
        folder.loads(framework, f"{name}:net", **{name: source})
    assert folder.workers[framework].pid == before


@BOTH
def test_megabytes_of_output_reach_neither_the_protocol_nor_the_message(folder: Folder, framework: str) -> None:
    name = f"loud_{framework}"
    assert folder.loads(framework, f"{name}:net", **{name: LOUD + MODELS[framework]}) == 2
    assert folder.workers[framework].call("settings").result["threads"] == 1
    broken = f"{LOUD}\nraise ValueError('z' * 10**6)\n"
    with pytest.raises(WorkerError, match="ValueError: zzz") as caught:
        folder.loads(framework, f"{name}_broken:net", **{f"{name}_broken": broken})
    assert len(str(caught.value)) < 5000
    ended = f"{LOUD}\nimport os\nos._exit(3)\n"
    with pytest.raises(WorkerError, match="the worker ended with exit code 3; it last printed") as caught:
        folder.loads(framework, f"{name}_ended:net", **{f"{name}_ended": ended})
    assert len(str(caught.value)) < 30000
    assert folder.loads(framework, "own_d:net", own_d=MODELS[framework]) == 2


def test_a_target_that_takes_longer_than_a_hanging_worker_may_is_waited_for(folder: Folder) -> None:
    worker = folder.workers["paddle"]
    assert folder.loads("paddle", "own_e:net", own_e=MODELS["paddle"]) == 2
    busy = "import time\nend = time.process_time() + 3\nwhile time.process_time() < end: pass\n" + MODELS["paddle"]
    begin = time.monotonic()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker, "timeout", 1.0)
        assert folder.loads("paddle", "busy:net", busy=busy) == 2
    assert time.monotonic() - begin > 3
