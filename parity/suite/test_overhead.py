"""The suite's own speed: its training loop against bare loops and Model.fit, and the transfer against plain copies."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from parity.data.dataset import Dataset
from parity.records.speed_records import Overhead
from parity.suite.recording import Keep
from parity.suite.speed import LOOP_COMPARISONS, LoopComparison, overhead
from parity.workers.client.timing import TransferSeconds
from parity.workers.pool import Workers

LARGE_NETWORK, TRANSFER_ROUNDS, TRANSFER_TARGET = "vgg16_imagenet", 15, 0.5

TRANSFERS = ("export", "load", "save file", "load file")


@pytest.fixture(scope="session")
def overheads(workers: Workers, dataset: Dataset, seed: int) -> Callable[[LoopComparison, str], dict[str, Overhead]]:
    """Every baseline of one network and framework, measured together and once; one framework computes at a time."""
    measured: dict[tuple[str, str], dict[str, Overhead]] = {}

    def get(comparison: LoopComparison, framework: str) -> dict[str, Overhead]:
        key = comparison.network, framework
        if key not in measured:
            measured[key] = overhead(workers, framework, comparison, dataset, seed=seed)
        return measured[key]

    return get


@pytest.mark.full
@pytest.mark.benchmark
@pytest.mark.parametrize(
    ("comparison", "timed_framework", "what"),
    [
        pytest.param(comparison, timed_framework, what, id=f"{comparison.network} {timed_framework} {what}")
        for comparison in LOOP_COMPARISONS
        for timed_framework, baselines in comparison.baselines.items()
        for what in baselines
    ],
)
def test_overhead(
    comparison: LoopComparison,
    timed_framework: str,
    what: str,
    overheads: Callable[[LoopComparison, str], dict[str, Overhead]],
    keep: Keep,
) -> None:
    """Records the ratios of neighbouring readings; without a limit, because a noisy machine must not fail the test."""
    record = overheads(comparison, timed_framework)[what]
    keep(record)
    assert len(record.ratios) == comparison.baselines[timed_framework][what].pairs


@pytest.fixture(scope="session")
def transfers(workers: Workers) -> dict[str, TransferSeconds]:
    """The seconds of every transfer in each framework, one after the other."""
    return {framework: workers[framework].time_transfer(LARGE_NETWORK, TRANSFER_ROUNDS) for framework in workers}


@pytest.mark.full
@pytest.mark.parametrize("transfer", TRANSFERS)
@pytest.mark.benchmark
def test_transfer(framework: str, transfer: str, transfers: dict[str, TransferSeconds], keep: Keep) -> None:
    """Records each transfer of a state compared with a plain copy of the same arrays."""
    ratios = [copied / moved for moved, copied in transfers[framework][transfer]]
    record = Overhead(
        network=LARGE_NETWORK,
        framework=framework,
        baseline=f"plain copy, against {transfer}",
        batch=0,
        threads=1,
        ratios=ratios,
        target=TRANSFER_TARGET,
    )
    keep(record)
    assert len(ratios) == TRANSFER_ROUNDS
