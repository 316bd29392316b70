"""The pytest plugin: --benchmark-save with and without a name, options, profiles."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from parity.records.records import Proof
from parity.records.saved_run import load_run
from parity.workers.interpreter import default_threads

ROOT = Path(__file__).resolve().parents[2]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """pytest in `folder`, with the suite's plugin loaded as pyproject.toml does."""
    command = [sys.executable, "-m", "pytest", "-p", "parity.suite.plugin", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one real, tiny benchmark."""
    (tmp_path / "test_tiny.py").write_text("def test_tiny(benchmark):\n    benchmark(sum, [1, 2])\n")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("test_tiny.py", "--benchmark-save"), "run"),
        (("--benchmark-save", "--benchmark-max-time=0.1"), "run"),
        (("test_tiny.py", "--benchmark-save", "mine"), "mine"),
        (("test_tiny.py", "--benchmark-save=mine"), "mine"),
    ],
)
def test_save_with_and_without_a_name(folder: Path, arguments: tuple[str, ...], name: str) -> None:
    """The run is saved either way."""
    done = run(folder, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    (saved,) = folder.glob(f".benchmarks/*/0001_{name}.json")
    assert len(json.loads(saved.read_text())["benchmarks"]) == 1


def test_a_path_taken_for_the_name_is_refused(folder: Path) -> None:
    """`--benchmark-save test_tiny.py` would otherwise run everything and save it as test_tiny.py."""
    done = run(folder, "--benchmark-save", "test_tiny.py")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "write the path first" in done.stderr
    assert not list(folder.glob(".benchmarks/*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--epochs", "0"), "--epochs: expected a number of at least 1"),
        (("--network", "vgg17"), "no network named 'vgg17'. Did you mean 'vgg16'?"),
        (("--train", "lenet5-1c"), "expected at least 2 classes, found 1"),
        (("--seeds", "0"), "--seeds: expected a number of at least 1"),
        (("--profile", "slow"), "invalid choice: 'slow'"),
        (("--replicas", "99999"), "--replicas: expected "),
        (("--replicas", "1"), "--replicas: expected "),
    ],
)
def test_bad_options_are_refused_with_a_reason(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    """Before anything runs."""
    done = run(folder, *arguments)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert message in done.stderr


KEPT = """
import time
from parity.records.records import Proof

def test_speed(benchmark):
    benchmark.pedantic(time.sleep, args=(0.001,), rounds=3)

def test_proof(keep):
    keep(Proof("lenet5", 1, "transfer certificate", True, "images", {"arrays": 1}, 0.0, 0.0, seconds=SECONDS))
"""


@pytest.fixture(scope="module")
def saved_suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the suite's own conftest, one speed, one record that is no measurement, and a saved run of them."""
    folder = tmp_path_factory.mktemp("suite")
    (folder / "conftest.py").write_text('pytest_plugins = ["parity.suite.conftest"]\n')
    (folder / "test_kept.py").write_text(KEPT.replace("SECONDS", "0.001"))
    assert run(folder, "--benchmark-save").returncode == 0
    return folder


@pytest.fixture
def suite(saved_suite: Path, tmp_path: Path) -> Path:
    """A copy of it, to change."""
    return Path(shutil.copytree(saved_suite, tmp_path / "suite"))


def hurry(suite: Path, factor: float) -> None:
    """Make the saved speed another one, and this run's proof a thousand times as slow as the saved one."""
    (saved,) = suite.glob(".benchmarks/*/0001_run.json")
    run = json.loads(saved.read_text())
    stats = next(entry["stats"] for entry in run["benchmarks"] if entry["name"] == "test_speed")
    stats |= {name: stats[name] * factor for name in ("min", "max", "mean", "median")}
    saved.write_text(json.dumps(run))
    (suite / "test_kept.py").write_text(KEPT.replace("SECONDS", "1.0"))


def test_what_is_no_measurement_is_saved_and_not_compared(suite: Path) -> None:
    (saved,) = suite.glob(".benchmarks/*/0001_run.json")
    (proof,) = [record for record, _ in load_run(saved).entries]
    assert isinstance(proof, Proof)
    entries = {entry["fullname"]: entry for entry in json.loads(saved.read_text())["benchmarks"]}
    assert set(entries) == {"test_kept.py::test_speed", "test_kept.py::test_proof"}
    assert set(entries["test_kept.py::test_proof"]["stats"]) >= {"min", "median", "iqr", "ops", "rounds"}

    hurry(suite, 1000)
    done = run(suite, "--benchmark-compare", "--benchmark-compare-fail=median:50%", "--benchmark-save=b")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_speed (0001_run)" in done.stdout
    assert "test_proof" not in done.stdout
    assert "machine_info is different" not in done.stdout + done.stderr
    assert len(load_run(next(suite.glob(".benchmarks/*/0002_b.json"))).entries) == 1


def test_a_speed_that_has_regressed_fails_the_run_without_a_traceback(suite: Path) -> None:
    hurry(suite, 1e-3)
    done = run(suite, "--benchmark-compare", "--benchmark-compare-fail=median:50%")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "test_speed (0001_run) - Field 'median' has failed" in done.stdout + done.stderr
    assert "test_proof (" not in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "2 passed" in done.stdout.splitlines()[-1]


def test_a_speed_that_is_compared_with_nothing_fails_the_run(suite: Path) -> None:
    """A run of proofs alone is the last one that was saved, and has no speed."""
    assert run(suite, "-k", "proof", "--benchmark-save=proofs").returncode == 0
    done = run(suite, "--benchmark-compare", "--benchmark-compare-fail=median:50%")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    assert "--benchmark-compare-fail compared nothing" in done.stdout


def test_where_nothing_is_saved_no_report_is_offered(suite: Path) -> None:
    offer = "Make the report of the saved run"
    assert offer in run(suite, "-k", "proof", "--benchmark-save=proofs").stdout
    done = run(suite, "-k", "neither", "--benchmark-save=none")
    assert offer not in done.stdout + done.stderr


def test_proofs_alone_are_saved(suite: Path) -> None:
    """Where no benchmark ran, the run is saved all the same."""
    done = run(suite, "-k", "test_proof", "--benchmark-save=alone")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(load_run(next(suite.glob(".benchmarks/*/0002_alone.json"))).entries) == 1


def test_help_explains_every_option(folder: Path) -> None:
    """`pytest --help` lists them with texts."""
    text = run(folder, "--help").stdout
    options = [
        "network",
        "profile",
        "dataset",
        "device",
        "seed",
        "seeds",
        "train",
        "epochs",
        "limit",
        "runs",
        "cluster",
        "replicas",
    ]
    assert all(f"\n  --{option}=" in text for option in options)


def test_markers_and_profiles_select() -> None:
    """The proofs run without the benchmarks, and the quick profile leaves the full one's measurements out."""
    command = [sys.executable, "-m", "pytest", "parity/", "--collect-only", "-q", "--network", "lenet5"]

    def listed(*more: str) -> str:
        whole = [*command, "--dataset", "generated", *more]
        return subprocess.run(whole, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True).stdout

    quick, full, proofs = listed(), listed("--profile", "full"), listed("-m", "not benchmark")
    assert "test_replicas.py" not in quick + full
    if default_threads() > 1:
        assert listed("--replicas", "2").count("test_replicas.py::") == 6  # two each: steps, speed, reduction
    counted = (
        "test_proof",
        "test_speed",
        "test_training",
        "test_equivalence",
        "test_cross_evaluation",
        "test_overhead",
    )

    def counts(text: str) -> list[int]:
        return [text.count(f"::{name}[") for name in counted]

    assert counts(quick)[1:] == [4, 2, 0, 2, 0]
    assert counts(full)[1:] == [4, 6, 1, 6, 11]
    assert counts(listed("--seeds", "2"))[1:] == [4, 4, 1, 4, 0]
    assert counts(proofs)[1:] == [0] * 5
    assert {line.split("::")[0] for line in proofs.splitlines() if "::" in line} == {"parity/suite/test_proofs.py"}
    assert counts(proofs)[0] == counts(quick)[0] >= 3
    order = [line.partition("::")[2] for line in full.splitlines() if "::test_training[" in line]
    assert order[:3] == [f"test_training[lenet5-seed{seed}]" for seed in ("0-paddle", "0-tensorflow", "1-paddle")]
    last = [line.split("::")[0] for line in full.splitlines() if "::" in line][-7:]
    assert set(last) == {"parity/suite/test_outcomes.py"}
