"""Versions: one set of bounds, older ones refused in one line; tensors by their memory; what newer ones rename."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from parity.catalogue.versions import OLDEST, OLDEST_PYTHON, is_older, needs, version_limits
from parity.cli.doctor import try_out
from parity.data.dataset import Dataset
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.compare import compare_pair
from parity.migration.specs import input_specs, model_specs
from parity.workers.environment import collect
from parity.workers.errors import WorkerError
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.interpreter import interpreter_of
from parity.workers.pool import Workers
from tests.command_line import ROOT
from tests.conftest import FaultyPair, MakePython

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

MODULES = {
    "paddlepaddle": "paddle",
    "paddlepaddle-gpu": "paddle",
    "tensorflow-cpu": "tensorflow",
    "tensorflow": "tensorflow",
    "keras": "keras",
}


def lower_bounds(requirements: list[str]) -> dict[str, str]:
    """The bound of each requirement that has one, by the name of its distribution."""
    matches = [re.match(r"([a-z-]+)(?:\[[a-z-]+\])?>=([\d.]+)", requirement) for requirement in requirements]
    return {match[1]: match[2] for match in matches if match}


@pytest.mark.parametrize("extra", ["paddle", "paddle-gpu", "tensorflow", "tensorflow-gpu"])
def test_pyproject_has_the_bounds_that_workers_hold_to(extra: str) -> None:
    modules = OLDEST[extra.removesuffix("-gpu")]
    bounds = lower_bounds(PROJECT["optional-dependencies"][extra])
    assert {MODULES[name]: bound for name, bound in bounds.items() if name in MODULES} == {
        name: oldest for name, oldest in modules.items() if name != "numpy"
    }


def test_pyproject_has_the_python_and_the_numpy_that_workers_hold_to() -> None:
    assert PROJECT["requires-python"] == ">=" + ".".join(map(str, OLDEST_PYTHON))
    bounds = lower_bounds(PROJECT["dependencies"])
    for framework, modules in OLDEST.items():
        assert bounds["numpy"] == modules["numpy"]
        assert set(needs(framework)) - {"setuptools"} <= set(bounds)


def test_the_environment_of_the_oldest_paddle_has_the_oldest() -> None:
    (line,) = [line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith("OLDEST_PACKAGES")]
    packages = dict(package.split("==") for package in line.split(":= ")[1].split())
    assert packages["paddlepaddle"] == OLDEST["paddle"]["paddle"]
    assert packages["numpy"].startswith(OLDEST["paddle"]["numpy"] + ".")


@pytest.mark.parametrize(
    ("version", "oldest", "older"),
    [
        ("2.6.1", "2.6.2", True),
        ("2.6.2", "2.6.2", False),
        ("2.10.0", "2.6.2", False),
        ("3.0.0rc1", "2.6.2", False),
        ("2.5", "2.6.2", True),
        ("2.6.2.post118", "2.6.2", False),
        ("1.26.0", "1.26", False),
        ("0.0.0", "2.6.2", False),  # Paddle's own name of a build from its source
    ],
)
def test_versions_are_compared_by_their_numbers(version: str, oldest: str, older: bool) -> None:
    assert is_older(version, oldest) is older


@pytest.mark.parametrize(
    ("framework", "module", "version"),
    [
        ("paddle", "paddle", "2.5.2"),
        ("paddle", "numpy", "1.24.4"),
        ("tensorflow", "tensorflow", "2.15.1"),
        ("tensorflow", "keras", "2.15.0"),
    ],
)
def test_an_older_version_is_refused_at_start_in_one_line(
    monkeypatch: pytest.MonkeyPatch, altered_python: MakePython, framework: str, module: str, version: str
) -> None:
    python = altered_python({module: f"__version__ = {version!r}"})
    monkeypatch.setenv(FRAMEWORKS[framework].interpreter_variable, str(python))
    with Workers([framework], threads=1) as alone:
        with pytest.raises(WorkerError) as caught:
            alone[framework].settings()
        assert alone[framework].pid is None
    assert (caught.value.cause, caught.value.step) == ("missing", "start")
    oldest = OLDEST[framework][module]
    assert f"{module} {version} is older than {oldest}, the oldest version that" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_older_python_is_refused_at_start_in_one_line(
    monkeypatch: pytest.MonkeyPatch, altered_python: MakePython
) -> None:
    """It reads nothing of the suite but `versions` before: a real one could not."""
    python = altered_python(
        {"parity.catalogue.versions": "sys.version_info = (3, 10, 4); platform.python_version = '3.10.4'.strip"}
    )
    monkeypatch.setenv("PARITY_PADDLE_PYTHON", str(python))
    with Workers(["paddle"]) as alone, pytest.raises(WorkerError) as caught:
        alone["paddle"].settings()
    assert str(caught.value).endswith("is Python 3.10.4; expected 3.11 or later")
    assert "\n" not in str(caught.value)


def test_a_python_that_cannot_read_the_suite_is_refused_at_start_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As Python 3.6 does: it stops at the first `from __future__ import annotations`."""
    python = tmp_path / "python3.6"
    python.write_text(
        '#!/bin/sh\n[ "$1" = -c ] && echo 3.6.15 && exit\necho "SyntaxError: invalid syntax" >&2\nexit 1\n'
    )
    python.chmod(0o755)
    monkeypatch.setenv("PARITY_PADDLE_PYTHON", str(python))
    with Workers(["paddle"]) as alone, pytest.raises(WorkerError) as caught:
        alone["paddle"].settings()
    assert str(caught.value).endswith(f"{python} is Python 3.6.15; expected 3.11 or later")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("framework", "version", "numpy", "says"),
    [
        ("paddle", "2.6.2", "2.4.6", "import numpy.random before paddle"),
        ("paddle", "2.6.2", "2.2.6", ""),
        ("paddle", "3.0.0", "2.4.6", ""),
        ("tensorflow", "2.16.2", "2.4.6", ""),
    ],
)
def test_what_a_version_cannot_do_is_said(framework: str, version: str, numpy: str, says: str) -> None:
    assert says in "".join(version_limits(framework, version, numpy, []))
    assert bool(says) == bool(version_limits(framework, version, numpy, []))
    assert "has no paddle.sigmoid: " in version_limits(framework, version, numpy, ["paddle.sigmoid"])[0]


def test_a_framework_s_own_environment_is_detected_inside_the_suite_s(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, altered_python: MakePython
) -> None:
    own = tmp_path / "frameworks" / "paddle" / "bin"
    own.mkdir(parents=True)
    (own / "python").symlink_to(altered_python({}))
    monkeypatch.delenv("PARITY_PADDLE_PYTHON", raising=False)
    assert interpreter_of("paddle") == sys.executable
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert interpreter_of("paddle") == str(own / "python")
    assert interpreter_of("tensorflow") == sys.executable
    with Workers(["paddle"], threads=1) as alone:
        assert alone["paddle"].settings().threads == 1
    monkeypatch.setenv("PARITY_PADDLE_PYTHON", sys.executable)
    assert interpreter_of("paddle") == sys.executable


def test_another_python_is_not_shown_this_one_s_packages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, altered_python: MakePython
) -> None:
    """Where the suite is installed, its folder is full of packages built for this Python."""
    verb = "def path():\n    import sys\n    return {'path': sys.path}\nVERBS['path'] = path"
    monkeypatch.setenv("PARITY_PADDLE_PYTHON", str(altered_python({"paddle_impl.verbs": verb})))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.chdir(tmp_path)
    with Workers(["paddle"], threads=1) as alone:
        path = alone["paddle"].call("path").result["path"]
    assert str(ROOT) not in path


def test_every_worker_s_versions_are_recorded(workers: Workers) -> None:
    environment = collect(workers, dataset=None, profile="quick", seed=0, command="")
    assert "keras" not in environment["packages"]
    assert set(environment["frameworks"]["paddle"]["packages"]) == {"numpy"}
    assert set(environment["frameworks"]["tensorflow"]["packages"]) == {"keras", "numpy"}
    for facts in environment["frameworks"].values():
        assert not is_older(facts["python"], "3.11")


def test_the_trial_passes_where_all_is_well(workers: Workers) -> None:
    findings = try_out(workers)
    assert [finding.what for finding in findings] == ["PaddlePaddle, trial", "TensorFlow, trial"]
    assert {finding.severity for finding in findings} == {"ok"}


MEMORY_IS = "_own = memory\n\ndef memory(tensor):\n    array = _own(tensor)\n    {}\n    return array\n"


@pytest.mark.parametrize(
    ("additions", "says"),
    [
        (  # as np.from_dlpack is with most versions of Paddle and numpy
            {"paddle_impl.weights": MEMORY_IS.format("array.flags.writeable = False")},
            "read-only",
        ),
        (  # a copy, which takes no weights
            {"paddle_impl.weights": MEMORY_IS.format("array = array.copy()")},
            "came back changed: ",
        ),
        (
            {"paddle_impl.optimizers": "import paddle\npaddle.optimizer.Adam.step = lambda self: None"},
            "moved no weight",
        ),
    ],
    ids=["read-only", "a copy", "no step"],
)
def test_the_trial_shows_what_imports_do_not(faulty_pair: FaultyPair, additions: Mapping[str, str], says: str) -> None:
    paddle, tensorflow = try_out(faulty_pair("paddle", additions))
    assert (paddle.what, paddle.severity) == ("PaddlePaddle, trial", "problem")
    assert says in paddle.detail
    assert tensorflow.severity == "ok"


MEMORY = """
import numpy.random, numpy as np, paddle
from paddle_impl.weights import memory
for dtype in ("float32", "float64", "int64"):
    tensor = paddle.arange(12, dtype=dtype).reshape([3, 4])
    array = memory(tensor)
    assert (array.dtype, array.shape) == (np.dtype(dtype), (3, 4)), array
    array[1, 2] = 77
    assert tensor.numpy()[1, 2] == 77, tensor
    tensor[2, 0] = 5
    assert array[2, 0] == 5, array
    del tensor
    junk = [paddle.ones([3, 4], dtype) for _ in range(100)]
    assert array[1, 2] == 77, array
assert memory(paddle.to_tensor(3.0)).shape == ()
assert memory(paddle.empty([0, 2])).shape == (0, 2)
weight = paddle.nn.Linear(2, 3).weight
memory(weight)[:] = 4
assert (weight.numpy() == 4).all() and not weight.stop_gradient
try:
    memory(paddle.ones([2, 3]).T)
except ValueError as error:
    assert "contiguous" in str(error)
else:
    raise AssertionError("a strided view was taken for an array")
print("fine")
"""


def test_a_tensor_s_memory_is_writeable_shared_and_kept_alive() -> None:
    python = os.environ.get("PARITY_PADDLE_PYTHON", sys.executable)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([python, "-c", MEMORY], capture_output=True, text=True, env=environment)
    assert done.stdout.splitlines()[-1:] == ["fine"], done.stderr


KNOWN = """
def known():
    from paddle_impl.kinds import registry
    return {name: len(functions) for name, functions in registry.called.items()}

VERBS["known"] = known
"""


def test_functions_that_a_version_lacks_are_left_out(
    altered_python: MakePython, monkeypatch: pytest.MonkeyPatch
) -> None:
    additions = {"paddle.nn.functional": "del celu, swish", "paddle_impl.verbs": KNOWN}
    monkeypatch.setenv("PARITY_PADDLE_PYTHON", str(altered_python(additions)))
    with Workers(["paddle"], threads=1) as alone:
        known = alone["paddle"].call("known").result
        lacks = alone["paddle"].environment().lacks
    assert lacks == ["paddle.nn.functional.swish", "paddle.nn.functional.celu"]
    assert "celu" not in known
    assert known["silu"] == 1
    assert known["relu"] == 1


# GELU as a version might have it that keeps the number under another name, as Paddle 3.3 did with ZeroPad2D's padding
RENAMED = """
_init = GELU.__init__

def _renamed(self, approximate=False, name=None):
    _init(self, approximate, name)
    self.approximate = self.__dict__.pop("_approximate")

GELU.__init__ = _renamed
GELU.forward = lambda self, x: F.gelu(x, self.approximate)
"""


def test_a_layer_that_the_suite_cannot_read_is_compared_by_its_values(
    faulty_pair: FaultyPair, dataset: Dataset
) -> None:
    workers = faulty_pair("paddle", {"paddle.nn.layer.activation": RENAMED})
    second = "tests.migration.paddle_models:small(act='GELU')"
    for activation, verdict in (("gelu", "equal"), ("relu", "different")):
        first = f"tests.migration.keras_models:small(activation={activation!r})"
        specs = model_specs(first, second, input_specs("16,16,3"))
        migration = compare_pair(RecordedPair(workers, specs, dataset), impact=False)
        assert migration.verdict == verdict
        assert migration.stages == []  # what the model consists of is not known
