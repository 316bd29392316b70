"""What a user installs: the wheel and the sdist, complete; and `pytest --pyargs parity` outside of a checkout."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.command_line import ROOT

PACKAGES = ("parity", "paddle_impl", "tf_impl", "reports")

LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", "__pycache__", ".*_cache", ".hypothesis", ".benchmarks", "build")

BUILD = (
    "from setuptools import build_meta\nprint(build_meta.build_sdist('dist'))\nprint(build_meta.build_wheel('dist'))\n"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[set[str], set[str]]:
    """The names of the files in the sdist, less its own folder, and in the wheel."""
    tree = tmp_path_factory.mktemp("build") / "tree"
    shutil.copytree(ROOT, tree, ignore=LEFT_OUT)
    done = subprocess.run([sys.executable, "-c", BUILD], cwd=tree, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    sdist, wheel = (tree / "dist" / name for name in done.stdout.splitlines() if name.endswith((".tar.gz", ".whl")))
    with tarfile.open(sdist) as archive:
        inside = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    with zipfile.ZipFile(wheel) as zipped:
        return inside, set(zipped.namelist())


def test_the_sdist_sets_up_tests_and_lints(built: tuple[set[str], set[str]]) -> None:
    sdist, _ = built
    expected = {"LICENSE", "Makefile", "README.md", "CHANGELOG.md", "constraints.txt", "pyproject.toml", ".ci/run"}
    expected |= {
        str(path.relative_to(ROOT)) for folder in (*PACKAGES, "tests") for path in (ROOT / folder).rglob("*.py")
    }
    expected |= {str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("*.json")}
    assert not expected - sdist
    assert not [name for name in sdist if name.endswith(".pyc")]


def test_the_wheel_holds_every_module_its_types_and_the_licence(built: tuple[set[str], set[str]]) -> None:
    _, wheel = built
    for package in PACKAGES:
        code = {str(path.relative_to(ROOT)) for path in (ROOT / package).rglob("*.py")}
        assert not code - wheel
        assert f"{package}/py.typed" in wheel
    assert any(name.endswith("dist-info/licenses/LICENSE") for name in wheel)
    assert not [name for name in wheel if name.startswith("tests/") or name.endswith((".json", ".md", ".png"))]


def pytest_elsewhere(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """As a user of an installed suite runs it: no pyproject.toml of the suite's is near."""
    command = [sys.executable, "-m", "pytest", "--pyargs", "parity", "--collect-only", "-q", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_pytest_runs_the_installed_suite_with_its_plugin_named(tmp_path: Path) -> None:
    done = pytest_elsewhere(tmp_path, "-p", "parity.suite.plugin", "--network", "lenet5", "--benchmark-save")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_proofs" in done.stdout
    assert "warning" not in done.stdout


def test_pytest_without_the_plugin_says_how(tmp_path: Path) -> None:
    done = pytest_elsewhere(tmp_path)
    assert done.returncode != 0
    assert "expected `pytest -p parity.suite.plugin --pyargs parity`" in done.stdout
