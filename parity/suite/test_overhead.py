"""The suite's own speed: its training loop against bare loops and Model.fit, and the transfer against plain copies."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from parity.data.dataset import Dataset
from parity.records.records import Overhead
from parity.suite.recording import Keep
from parity.suite.speed import CONTESTS, Contest, overhead
from parity.workers.client.timing import TransferTimes
from parity.workers.pool import Workers

LARGE, TRANSFER_ROUNDS, TRANSFER_TARGET = "vgg16_imagenet", 15, 0.5

TRANSFERS = ("export", "load", "save file", "load file")


@pytest.fixture(scope="session")
def overheads(workers: Workers, dataset: Dataset, seed: int) -> Callable[[Contest, str], dict[str, Overhead]]:
    """Every baseline of one network and framework, measured together and once; one framework computes at a time."""
    measured: dict[tuple[str, str], dict[str, Overhead]] = {}

    def get(contest: Contest, framework: str) -> dict[str, Overhead]:
        key = contest.network, framework
        if key not in measured:
            measured[key] = overhead(workers, framework, contest, dataset, seed=seed)
        return measured[key]

    return get


@pytest.mark.full
@pytest.mark.benchmark
@pytest.mark.parametrize(
    ("contest", "timed_framework", "what"),
    [
        pytest.param(contest, timed_framework, what, id=f"{contest.network} {timed_framework} {what}")
        for contest in CONTESTS
        for timed_framework, baselines in contest.baselines.items()
        for what in baselines
    ],
)
def test_overhead(
    contest: Contest,
    timed_framework: str,
    what: str,
    overheads: Callable[[Contest, str], dict[str, Overhead]],
    keep: Keep,
) -> None:
    """Records the interleaved ratios; a noisy machine is no reason to fail, so there is no limit here."""
    record = overheads(contest, timed_framework)[what]
    keep(record)
    assert len(record.ratios) == contest.baselines[timed_framework][what].pairs


@pytest.fixture(scope="session")
def transfers(workers: Workers) -> dict[str, TransferTimes]:
    """Bytes and seconds of every hop in each framework, one after the other."""
    return {framework: workers[framework].time_transfer(LARGE, TRANSFER_ROUNDS) for framework in workers}


@pytest.mark.full
@pytest.mark.parametrize("transfer", TRANSFERS)
@pytest.mark.benchmark
def test_transfer(framework: str, transfer: str, transfers: dict[str, TransferTimes], keep: Keep) -> None:
    """Records each hop of the transfer layer against a plain copy of the same arrays."""
    ratios = [copied / moved for moved, copied in transfers[framework].seconds[transfer]]
    record = Overhead(
        network=LARGE,
        framework=framework,
        baseline=f"plain copy, against {transfer}",
        batch=0,
        threads=1,
        ratios=ratios,
        target=TRANSFER_TARGET,
    )
    keep(record)
    assert len(ratios) == TRANSFER_ROUNDS
