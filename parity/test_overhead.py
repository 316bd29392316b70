"""The suite's own speed: its training loop against bare loops and Model.fit, and the transfer against plain copies."""

from __future__ import annotations

from typing import Any

import pytest

from parity.clock import CLOCK, replay
from parity.data import Dataset
from parity.results import Overhead
from parity.speed import BASELINES, overhead
from parity.workers import Workers

NETWORK, BATCH = "resnet20_v1", 128
LARGE, TRANSFER_ROUNDS, TRANSFER_TARGET = "vgg16_imagenet", 15, 0.5
HOPS = ("export", "load", "save file", "load file")


@pytest.fixture(scope="session")
def overheads(workers: Workers, dataset: Dataset, seed: int) -> dict[tuple[str, str], Overhead]:
    """Every baseline of both frameworks; one framework computes at a time."""
    found = {}
    for framework in BASELINES:
        for record in overhead(workers, framework, NETWORK, dataset, batch=BATCH, seed=seed):
            found[framework, record.baseline] = record
    return found


@pytest.mark.full
@pytest.mark.benchmark(timer=CLOCK, group="overhead: baseline seconds / suite seconds")
@pytest.mark.parametrize(
    "loop", [(framework, what) for framework in BASELINES for what in BASELINES[framework]], ids=" ".join
)
def test_overhead(loop: tuple[str, str], overheads: dict[tuple[str, str], Overhead], benchmark: Any) -> None:
    """Records the interleaved ratios; a noisy machine is no reason to fail, so there is no limit here."""
    record = overheads[loop]
    replay(benchmark, record.ratios, record.as_dict())
    assert len(record.ratios) == BASELINES[record.framework][record.baseline].pairs


@pytest.fixture(scope="session")
def transfers(workers: Workers) -> dict[str, dict[str, Any]]:
    """Bytes and seconds of every hop in each framework, one after the other."""
    return {
        framework: workers[framework].call("time_transfer", network=LARGE, rounds=TRANSFER_ROUNDS).result
        for framework in workers
    }


@pytest.mark.full
@pytest.mark.parametrize("hop", HOPS)
@pytest.mark.benchmark(timer=CLOCK, group="transfer: copy seconds / hop seconds, 553 MB")
def test_transfer(framework: str, hop: str, transfers: dict[str, Any], benchmark: Any) -> None:
    """Records each hop of the transfer layer against a plain copy of the same arrays."""
    ratios = [copied / moved for moved, copied in transfers[framework]["seconds"][hop]]
    record = Overhead(
        network=LARGE, framework=framework, baseline=f"plain copy, against {hop}", batch=0, threads=1, ratios=ratios,
        target=TRANSFER_TARGET,
    )  # fmt: skip
    replay(benchmark, ratios, record.as_dict())
    assert len(ratios) == TRANSFER_ROUNDS
