"""Several processes that share every batch: what they compute, and what sharing costs. Run with --replicas N."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from parity.catalogue.networks import network as entry
from parity.data.dataset import Dataset
from parity.proofs.context import ProofContext
from parity.proofs.replicas import prove_replicas
from parity.suite.recording import Keep
from parity.suite.replica_speed import ELEMENTS, reduction_speeds, replica_speed
from parity.workers.interpreter import shared_threads
from parity.workers.pool import Workers
from parity.workers.replicated_worker import ReplicatedWorkers

pytestmark = pytest.mark.replicas


@pytest.fixture(scope="module")
def single(workers: Workers, pytestconfig: pytest.Config) -> Iterator[Workers]:
    """One process of each framework, which compute at the same time."""
    workers.stop()
    with Workers(threads=pytestconfig.getoption("--threads") or shared_threads()) as pair:
        yield pair


@pytest.fixture(scope="module", params=[False, True], ids=["own", "all"])
def replicated(
    request: pytest.FixtureRequest, replicas: int, pytestconfig: pytest.Config
) -> Iterator[ReplicatedWorkers]:
    """The replicas; batch norm's statistics are of each one's own share, or of all."""
    threads = pytestconfig.getoption("--threads")
    with ReplicatedWorkers(replicas, synchronised=request.param, threads=threads) as groups:
        yield groups


def test_replica_steps(
    network: str, single: Workers, replicated: ReplicatedWorkers, dataset: Dataset, seed: int, keep: Keep
) -> None:
    """Replicas compute what one process computes, and the frameworks' replicas what the other's do."""
    if replicated.synchronised and entry(network).batch_norm is None:
        pytest.skip("no batch norm, whose statistics could be of one replica or of all")
    proof = prove_replicas(ProofContext(single, entry(network), dataset, seed), replicated)
    keep(proof)
    assert proof.passed, "\n".join([f"{network}: {proof.title}", *proof.problems])
    assert all(count > 0 for count in proof.compared.values())


@pytest.mark.benchmark
def test_replica_speed(
    shared: str, framework: str, workers: Workers, dataset: Dataset, replicas: int, profile: str, seed: int, keep: Keep
) -> None:
    """Records seconds a step; without a limit, because a noisy machine must not fail the test."""
    workers.stop()
    rounds, least = (7, 2.0) if profile == "full" else (3, 0.5)
    record = replica_speed(framework, shared, dataset, replicas, rounds=rounds, reading_seconds=least, seed=seed)
    keep(record)
    assert all(len(readings.seconds) == rounds for readings in record.readings)


@pytest.mark.benchmark
def test_reduction_speed(framework: str, workers: Workers, replicas: int, profile: str, keep: Keep) -> None:
    """Records the seconds of a reduction alone, by the number of elements."""
    workers.stop()
    records = reduction_speeds(framework, replicas, times=15 if profile == "full" else 5)
    for record in records:
        keep(record)
    assert [record.elements for record in records] == list(ELEMENTS)
