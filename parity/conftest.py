"""Fixtures of the suite: the workers, the data set, what has been measured so far, and what is saved with a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from parity.data import DataError, Dataset, find, load
from parity.environment import collect, start_workers
from parity.networks import default_networks
from parity.side_by_side import require_one_precision
from parity.speed import Stopwatch
from parity.training import Outcome
from parity.workers import FRAMEWORKS, WorkerError, Workers

ENVIRONMENT = pytest.StashKey[Mapping[str, Any]]()
QUICK_EPOCHS, QUICK_LIMIT, QUICK_TRAINED = 3, 5000, ("lenet5",)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for every selected network (or trained one) and framework."""
    config = metafunc.config
    selected = config.getoption("--network") or default_networks()
    if "trained" in metafunc.fixturenames:
        quick = config.getoption("--profile") == "quick"
        metafunc.parametrize("trained", config.getoption("--train") or (QUICK_TRAINED if quick else selected))
    if "network" in metafunc.fixturenames:
        metafunc.parametrize("network", selected)
    if "framework" in metafunc.fixturenames:
        metafunc.parametrize("framework", list(FRAMEWORKS))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The quick profile leaves out what is marked `full`."""
    if config.getoption("--profile") == "quick":
        left_out = [item for item in items if item.get_closest_marker("full")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say which data will be used, loudly when it is not real."""
    name = dataset_name(config)
    lines = [f"parity: profile {config.getoption('--profile')}, data set {name}"]
    if name == "generated":
        lines.append("parity: *** GENERATED IMAGES, not CIFAR-10: accuracies mean nothing outside of this run ***")
    return lines


def dataset_name(config: pytest.Config) -> str:
    """What --dataset asks for; without it CIFAR-10, or generated images where the quick profile finds none."""
    given = config.getoption("--dataset")
    if given:
        return str(given)
    if config.getoption("--profile") == "quick":
        try:
            return "cifar10" if find() else "generated"
        except DataError as error:
            raise pytest.UsageError(str(error)) from None
    return "cifar10"


@pytest.fixture(scope="session")
def profile(pytestconfig: pytest.Config) -> str:
    """quick or full."""
    return str(pytestconfig.getoption("--profile"))


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """--seed."""
    return int(pytestconfig.getoption("--seed"))


@pytest.fixture(scope="session")
def dataset(pytestconfig: pytest.Config, seed: int) -> Dataset:
    """The data set that --dataset names."""
    try:
        return load(dataset_name(pytestconfig), seed=seed, progress=True)
    except DataError as error:
        pytest.exit(str(error), returncode=2)


@pytest.fixture(scope="session")
def workers(pytestconfig: pytest.Config, dataset: Dataset, profile: str, seed: int) -> Iterator[Workers]:
    """Both frameworks' workers; the environment that they report is saved with the run."""
    threads = pytestconfig.getoption("--threads")
    try:
        pair = start_workers(device=pytestconfig.getoption("--device"), threads=threads)
    except WorkerError as error:
        pytest.exit(f"{error}\nSee `parity doctor`.", returncode=2)
    with pair:
        command = " ".join(["pytest", *pytestconfig.invocation_params.args])
        pytestconfig.stash[ENVIRONMENT] = collect(pair, dataset=dataset, profile=profile, seed=seed, command=command)
        try:
            require_one_precision(pytestconfig.stash[ENVIRONMENT])
        except ValueError as error:
            pytest.exit(str(error), returncode=2)
        yield pair


@pytest.fixture(scope="session")
def stopwatch(workers: Workers, dataset: Dataset, profile: str, seed: int) -> Stopwatch:
    """Measures each subject once, the frameworks taking turns, and remembers it for the other framework's test."""
    return Stopwatch(workers, dataset, seed=seed, full=profile == "full")


@pytest.fixture(scope="session")
def outcomes() -> dict[tuple[str, str], Outcome]:
    """The trainings done so far, by network and framework."""
    return {}


def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """Save the environment; leave out the machine's name, which a report has no use for."""
    output_json["machine_info"]["parity"] = config.stash.get(ENVIRONMENT, {})
    output_json["machine_info"].pop("node", None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Point at the next step after a saved run."""
    if terminalreporter.config.getoption("--benchmark-save", None):
        terminalreporter.write_line("Make the report of the saved run: parity report")
