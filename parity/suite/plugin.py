"""The pytest plugin of the suite: its options, and `--benchmark-save` without a name.

Loaded early (`-p parity.suite.plugin` in pyproject.toml), so that `pytest parity/ --benchmark-save` works.
With an installed suite, name it on the command line: `pytest -p parity.suite.plugin --pyargs parity`. It is not
registered as a pytest entry point, because its options (`--network`, `--device`, `--seed`, ...) would then appear in
the tests of every project.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from parity import termination
from parity.catalogue.networks import UnknownNetworkError, network
from parity.data.names import CHOICES
from parity.workers.interpreter import require_cores

DEFAULT_SAVE_NAME = "run"

_parser: pytest.Parser | None = None


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the suite's options."""
    global _parser
    _parser = parser
    group = parser.getgroup("parity", "parity of PaddlePaddle and TensorFlow")
    group.addoption(
        "--network", action="append", type=_network_name, metavar="NAME",
        help="prove and benchmark this network only (repeatable; default: those that `parity check` takes when none is "
        "named; names: `parity networks`)",
    )  # fmt: skip
    group.addoption(
        "--profile", choices=("quick", "full"), default="quick",
        help="quick: minutes on two CPU cores, a short training, generated images where there is no CIFAR-10; "
        "full: batch 128, every training at its recipe's length with several seeds, and the suite's own speed",
    )  # fmt: skip
    group.addoption(
        "--dataset", metavar="DATA",
        help=f"{CHOICES}; default: cifar10, which the quick profile does not download but replaces by generated images",
    )  # fmt: skip
    group.addoption(
        "--device", choices=("auto", "cpu", "gpu"), default="auto",
        help="auto: the GPU when both frameworks see one, else the CPU (default)",
    )  # fmt: skip
    group.addoption(
        "--threads", type=int, metavar="N",
        help="CPU threads for each framework (default: all cores, and where frameworks compute at the same time, as "
        "in proofs and loss curves, its share of them)",
    )  # fmt: skip
    group.addoption("--seed", type=int, default=0, metavar="N", help="of weights, inputs and epoch plans (default: 0)")
    group.addoption(
        "--seeds", type=int, metavar="N",
        help="train with N seeds, from --seed on (default: quick 1, full 3); from two on the accuracies are tested",
    )  # fmt: skip
    group.addoption(
        "--train", action="append", type=_network_name, metavar="NAME",
        help="train this network, or its variant for the data set's images and classes (repeatable; default: lenet5 in "
        "the quick profile, the selected ones in the full one)",
    )  # fmt: skip
    group.addoption(
        "--runs", metavar="DIR",
        help="keep trainings in this folder or at this URL (s3://...): a finished one is not run again, a stopped one "
        "continues from its checkpoint (default: full .parity/, quick nowhere)",
    )  # fmt: skip
    group.addoption(
        "--cluster", metavar="ADDRESS",
        help="do the trainings on a Ray cluster, each with --threads CPUs (default: 1): HOST:PORT of its head, auto, "
        "the one that runs here, or local, one of this machine",
    )  # fmt: skip
    group.addoption(
        "--replicas", type=int, metavar="N",
        help="prove N processes that share every batch, too, on the CPU, and measure what sharing costs (default: not)",
    )  # fmt: skip
    group.addoption("--epochs", type=int, metavar="N", help="train for N epochs (default: quick 3, full the recipe's)")
    group.addoption("--limit", type=int, metavar="N", help="train on N images (default: quick 5000, full all)")


def _network_name(name: str) -> str:
    """The name of a network or of a variant, for argparse."""
    try:
        return network(name).name
    except UnknownNetworkError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def pytest_plugin_registered(plugin: object, manager: pytest.PytestPluginManager) -> None:
    """Make the name after --benchmark-save optional, once pytest-benchmark has added that option."""
    if _parser is None or getattr(plugin, "__name__", "") != "pytest_benchmark.plugin":
        return
    actions = _parser.optparser._option_string_actions
    actions["--benchmark-save"].nargs = "?"
    actions["--benchmark-save"].const = DEFAULT_SAVE_NAME


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a path that was taken for the name of a saved run, and numbers below one.

    From now on SIGTERM ends pytest as Ctrl-C does, so that fixtures are torn down and no worker or file stays.
    """
    termination.end_like_ctrl_c()
    config.addinivalue_line("markers", "full: left out of the quick profile; run with --profile full")
    name = config.getoption("--benchmark-save", None)
    if name and Path(name).exists():
        raise pytest.UsageError(
            f"--benchmark-save took the path {name!r} for the name of the saved run; "
            f"write the path first (pytest {name} --benchmark-save) or give a name"
        )
    config.addinivalue_line("markers", "replicas: of several processes that share every batch; run with --replicas N")
    if (replicas := config.getoption("--replicas")) is not None:
        if replicas < 2:
            raise pytest.UsageError(f"--replicas: expected 2 or more, found {replicas}")
        try:
            require_cores(replicas)
        except ValueError as error:
            raise pytest.UsageError(f"--{error}") from None
    for option in ("--epochs", "--limit", "--seeds", "--threads"):
        value = config.getoption(option)
        if value is not None and value < 1:
            raise pytest.UsageError(f"{option}: expected a number of at least 1, found {value}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Set the exit code of a process that was terminated."""
    if termination.terminated() and session.exitstatus == pytest.ExitCode.INTERRUPTED:
        session.exitstatus = termination.exit_code()


def pytest_unconfigure() -> None:
    """Restore the signal handler: pytest may run inside of another program."""
    termination.end_at_once()
