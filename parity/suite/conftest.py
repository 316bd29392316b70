"""Fixtures of the suite: the workers, the data set, what has been measured so far, and what is saved with a run."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from pytest_benchmark.session import PerformanceRegression
from pytest_benchmark.storage.file import FileStorage

from parity.catalogue.networks import default_networks
from parity.cluster.connection import connected
from parity.cluster.engine import ClusterEngine
from parity.cluster.errors import ClusterError
from parity.cluster.nodes import describe_nodes, require_like
from parity.data.dataset import DataError, Dataset
from parity.data.registry import find, load
from parity.printable import printable
from parity.records.equivalence import FEWEST_SEEDS
from parity.suite import recording
from parity.suite.recording import Keep
from parity.suite.speed import Stopwatch
from parity.suite.trainings import Trainings
from parity.training.experiment import require_one_precision
from parity.training.run import Settings
from parity.training.store import Store, StoreError
from parity.workers.environment import collect, of_run
from parity.workers.errors import WorkerError
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.interpreter import shared_threads
from parity.workers.pool import Workers
from parity.workers.start import start_workers

ENVIRONMENT = pytest.StashKey[Mapping[str, Any]]()

SESSION = pytest.StashKey[pytest.Session]()

QUICK_EPOCHS, QUICK_LIMIT, QUICK_TRAINED, QUICK_SEEDS = 3, 5000, ("lenet5",), 1

QUICK_TIMED = ("vgg16", "resnet20_v1", "mini_vgg", "lenet5")  # a large, a deep and two small networks

SHARED = ("lenet5", "mini_vgg", "resnet20_v1", "vgg16")  # whose sharing is timed: few parameters and many

FULL_SEEDS, FULL_RUNS = 3, ".parity"

OUTCOMES = "test_outcomes"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test for every selected, trained or timed network, every seed of a training, and every framework."""
    config = metafunc.config
    if not config.pluginmanager.has_plugin("parity.suite.plugin"):
        raise pytest.UsageError(
            "the suite's options are missing: expected `pytest -p parity.suite.plugin --pyargs parity`"
        )
    selected = config.getoption("--network") or default_networks()
    if "trained" in metafunc.fixturenames:
        metafunc.parametrize("trained", trained_networks(config))
    if "training_seed" in metafunc.fixturenames:
        metafunc.parametrize("training_seed", seeds_of(config), ids="seed{}".format)
    if "timed" in metafunc.fixturenames:
        named = config.getoption("--network")
        metafunc.parametrize("timed", QUICK_TIMED if is_quick(config) and not named else selected)
    if "shared" in metafunc.fixturenames:
        metafunc.parametrize("shared", config.getoption("--network") or SHARED)
    if "network" in metafunc.fixturenames:
        metafunc.parametrize("network", selected)
    if "framework" in metafunc.fixturenames:
        metafunc.parametrize("framework", list(FRAMEWORKS))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect tests marked `full` in the quick profile, those of replicas without any, of several seeds with one.

    Tests that compare the trainings run last.
    """
    left_out = [
        item
        for item in items
        if (is_quick(config) and item.get_closest_marker("full"))
        or (config.getoption("--replicas") is None and item.get_closest_marker("replicas"))
        or ("training_seeds" in _fixtures(item) and len(seeds_of(config)) < FEWEST_SEEDS)
    ]
    items[:] = sorted((item for item in items if item not in left_out), key=lambda item: item.path.stem == OUTCOMES)
    config.hook.pytest_deselected(items=left_out)


def _fixtures(item: pytest.Item) -> Sequence[str]:
    return item.fixturenames if isinstance(item, pytest.Function) else ()


def is_quick(config: pytest.Config) -> bool:
    """Whether the profile is the quick one."""
    return bool(config.getoption("--profile") == "quick")


def seeds_of(config: pytest.Config) -> tuple[int, ...]:
    """The seeds to train with."""
    first, count = config.getoption("--seed"), config.getoption("--seeds")
    return tuple(range(first, first + (count or (QUICK_SEEDS if is_quick(config) else FULL_SEEDS))))


def trained_networks(config: pytest.Config) -> Sequence[str]:
    """The networks of --train, or those that the profile trains."""
    selected = config.getoption("--network") or default_networks()
    chosen: Sequence[str] = config.getoption("--train") or (QUICK_TRAINED if is_quick(config) else selected)
    return chosen


def runs_place(config: pytest.Config) -> str | None:
    """The folder or URL at which trainings are kept and continued; None: nowhere."""
    return config.getoption("--runs") or (None if is_quick(config) else FULL_RUNS)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Print which data set is used, with a warning where it is generated, and where trainings are kept."""
    name = dataset_name(config)
    lines = [f"parity: profile {config.getoption('--profile')}, data set {name}"]
    if (place := runs_place(config)) is not None:
        lines.append(f"parity: trainings are kept in {place}, and not done again where they are finished there")
    if name == "generated":
        lines.append("parity: *** GENERATED IMAGES, not CIFAR-10: accuracies mean nothing outside of this run ***")
    return lines


def dataset_name(config: pytest.Config) -> str:
    """The data set of --dataset; without it CIFAR-10, or generated images where the quick profile finds no CIFAR-10."""
    given = config.getoption("--dataset")
    if given:
        return str(given)
    if is_quick(config):
        try:
            return "cifar10" if find() else "generated"
        except DataError as error:
            raise pytest.UsageError(printable(error)) from None
    return "cifar10"


@pytest.fixture
def keep(request: pytest.FixtureRequest) -> Keep:
    """Saves a record with the run. Speeds are saved as benchmarks instead, see `parity.suite.recording.Kept`."""
    return lambda record: recording.keep(request.node, record)


@pytest.fixture(scope="session")
def profile(pytestconfig: pytest.Config) -> str:
    """quick or full."""
    return str(pytestconfig.getoption("--profile"))


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """--seed."""
    return int(pytestconfig.getoption("--seed"))


@pytest.fixture(scope="session")
def replicas(pytestconfig: pytest.Config) -> int:
    """--replicas; tests that use it are deselected without it."""
    return int(pytestconfig.getoption("--replicas"))


@pytest.fixture(scope="session")
def dataset(pytestconfig: pytest.Config) -> Dataset:
    """The data set that --dataset names; the generated one is the same for every seed of a training."""
    try:
        return load(dataset_name(pytestconfig), progress=True)
    except DataError as error:
        pytest.exit(printable(error), returncode=2)


@pytest.fixture(scope="session")
def workers(pytestconfig: pytest.Config, dataset: Dataset, profile: str, seed: int) -> Iterator[Workers]:
    """The workers of both frameworks; the environment that they report is saved with the run."""
    threads = pytestconfig.getoption("--threads")
    try:
        pair = start_workers(device=pytestconfig.getoption("--device"), threads=threads)
    except WorkerError as error:
        pytest.exit(f"{error}\nSee `parity doctor`.", returncode=2)
    with pair:
        command = shlex.join(["pytest", *map(str, pytestconfig.invocation_params.args)])
        pytestconfig.stash[ENVIRONMENT] = collect(pair, dataset=dataset, profile=profile, seed=seed, command=command)
        try:
            require_one_precision(pytestconfig.stash[ENVIRONMENT])
        except ValueError as error:
            pytest.exit(printable(error), returncode=2)
        yield pair


@pytest.fixture(scope="module")
def provers(workers: Workers, pytestconfig: pytest.Config) -> Iterator[Workers]:
    """Workers for loss curves, in which both frameworks work at the same time."""
    workers.stop()
    threads = pytestconfig.getoption("--threads") or shared_threads()
    with Workers(device=workers[next(iter(workers))].device, threads=threads) as pair:
        yield pair


@pytest.fixture(scope="session")
def stopwatch(workers: Workers, dataset: Dataset, profile: str, seed: int) -> Stopwatch:
    """Measures each network once, both frameworks in turns, and keeps the result for the other framework's test."""
    return Stopwatch(workers, dataset, seed=seed, full=profile == "full")


@pytest.fixture(scope="session")
def training_images(pytestconfig: pytest.Config, dataset: Dataset, profile: str) -> Dataset:
    """The images of trainings and evaluations."""
    return dataset.limited(pytestconfig.getoption("--limit") or (QUICK_LIMIT if profile == "quick" else None))


@pytest.fixture(scope="session")
def training_seeds(pytestconfig: pytest.Config) -> tuple[int, ...]:
    """All seeds of the trainings; used by tests that need several."""
    return seeds_of(pytestconfig)


@pytest.fixture(scope="session")
def trainings(
    pytestconfig: pytest.Config,
    workers: Workers,
    training_images: Dataset,
    profile: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Trainings]:
    """The trainings, each run on first use."""
    epochs = pytestconfig.getoption("--epochs") or (QUICK_EPOCHS if profile == "quick" else None)
    settings, environment = Settings(epochs=epochs), pytestconfig.stash[ENVIRONMENT]
    try:
        with Store.opened(runs_place(pytestconfig) or str(tmp_path_factory.mktemp("runs"))) as store:
            trainings = Trainings(workers, training_images, store, settings, environment)
            if address := pytestconfig.getoption("--cluster"):
                workers.stop()
                _train_on_cluster(trainings, pytestconfig, address)
            yield trainings
    except (ClusterError, StoreError) as error:
        pytest.exit(printable(error), returncode=2)


def _train_on_cluster(trainings: Trainings, config: pytest.Config, address: str) -> None:
    """Do all trainings of the run at the same time. Raises ClusterError."""
    environment = config.stash[ENVIRONMENT]
    keys = [
        (name, framework, seed)
        for name in trained_networks(config)
        for seed in seeds_of(config)
        for framework in FRAMEWORKS
    ]
    with connected(address) as ray:
        threads = config.getoption("--threads") or 1
        nodes = describe_nodes(ray, tuple(FRAMEWORKS), config.getoption("--device"), threads)
        require_like(nodes, environment)
        own = {name: environment[name] for name in of_run(None, profile="", seed=0, command="")}
        engine = ClusterEngine(
            ray, nodes, {**nodes.environment, **own}, lambda _: None, lambda line: print(printable(line))
        )
        trainings.train_all(engine, keys)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Store the session, whose exit status may change after its tests; have its run saved completely or not at all."""
    session.config.stash[SESSION] = session
    benchmarks = session.config.pluginmanager.get_plugin(recording.SESSION)
    if benchmarks is not None and isinstance(benchmarks.storage, FileStorage):
        benchmarks.storage = recording.CompleteRunStorage(benchmarks.storage)


def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    """Remove the machine's name, which no report needs, and clock rates, which change all the time."""
    machine_info.pop("node", None)
    cpu = machine_info.get("cpu", {})
    for name in [name for name in cpu if name.startswith("hz_actual")]:
        del cpu[name]


def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """Save the environment record with the run."""
    output_json["machine_info"]["parity"] = config.stash.get(ENVIRONMENT, {})


@pytest.hookimpl(tryfirst=True)
def pytest_benchmark_compare_machine_info(compared_benchmark: dict[str, Any]) -> None:
    """Compare only the machines: the environment of this run is not known before its workers have started."""
    pytest_benchmark_update_machine_info(compared_benchmark["machine_info"])
    compared_benchmark["machine_info"].pop("parity", None)


@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """Print the next step after a saved run; fail the run, without a traceback, where a speed has regressed."""
    config = terminalreporter.config
    try:
        yield
    except PerformanceRegression as error:  # its lines are written already
        terminalreporter.write_line(f"{error} See --benchmark-compare-fail.", red=True)
        if config.stash[SESSION].exitstatus == pytest.ExitCode.OK:
            config.stash[SESSION].exitstatus = pytest.ExitCode.TESTS_FAILED
    benchmarks = config.pluginmanager.get_plugin(recording.SESSION)
    if benchmarks is not None and recording.compared_nothing(benchmarks):
        text = "no speed of this run is in the runs that it is compared with: --benchmark-compare-fail compared nothing"
        terminalreporter.write_line(f"parity: {text}", red=True)
        if config.stash[SESSION].exitstatus == pytest.ExitCode.OK:
            config.stash[SESSION].exitstatus = pytest.ExitCode.TESTS_FAILED
    if problem := getattr(benchmarks and benchmarks.storage, "problem", ""):
        terminalreporter.write_line(f"parity: {problem}", red=True)
        if config.stash[SESSION].exitstatus == pytest.ExitCode.OK:
            config.stash[SESSION].exitstatus = pytest.ExitCode.INTERNAL_ERROR
    elif getattr(benchmarks and benchmarks.storage, "saved", False):
        terminalreporter.write_line("Make the report of the saved run: parity report")
