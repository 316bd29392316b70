"""Replicas compute what one process computes; and what the proof says of those that do not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from parity.catalogue.networks import network
from parity.catalogue.recipes import Schedule
from parity.catalogue.replica_faults import ReplicaFault
from parity.data.dataset import Dataset
from parity.faults.replica_detection import detect_replica_fault, detect_replica_faults
from parity.numerics.arrays import pack
from parity.numerics.comparison import FLOAT64_LIMIT
from parity.proofs.context import ProofContext
from parity.proofs.optimizer import rule_recipe
from parity.proofs.replica_causes import gradient_cause, short_share_cause, statistics_cause
from parity.proofs.replicas import replica_steps
from parity.records.records import Proof
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.interpreter import default_threads
from parity.workers.pool import Workers
from parity.workers.replicated_worker import ReplicatedWorkers

real = pytest.mark.skipif(default_threads() < 2, reason="replicas are processes that each need a core")

STEPS = 20  # ten of each framework

CAUSES = {
    ReplicaFault.ADDED_UP: "the gradients are 2 times those of one process: added up over the replicas, not averaged",
    ReplicaFault.DIVIDED_TWICE: "the gradients are 0.5 times those of one process: the loss is divided by the number",
    ReplicaFault.PARTS_ADDED_UP: "the gradients are 4 times those of one process: added up over 4 parts of a batch",
    ReplicaFault.CUT_BEFORE_THE_REDUCTION: "each replica's gradients are cut to a norm of 0.001 before they are",
    ReplicaFault.NOT_REDUCED: "gradients were not reduced over the replicas, in one step at least",
    ReplicaFault.UNEVEN_SHARES: "the last replica's share is short of an image, and its mean is weighted like those of",
    ReplicaFault.ONE_SHARE_FOR_ALL: "the gradients are those of replica 0's share alone: all replicas took the",
    ReplicaFault.STATISTICS_OF_REPLICA_0: "the running statistics are those of replica 0, not the mean over",
}


@pytest.fixture(scope="module")
def replicated() -> Iterator[ReplicatedWorkers]:
    """Two replicas of each framework, with one thread each; batch norm normalises each share alone."""
    with ReplicatedWorkers(2, threads=1) as replicas:
        yield replicas


@pytest.fixture(scope="module")
def synchronised() -> Iterator[ReplicatedWorkers]:
    """As `replicated`, but batch norm normalises over both replicas."""
    with ReplicatedWorkers(2, synchronised=True, threads=1) as replicas:
        yield replicas


def assert_passed(proof: Proof, comparisons: int) -> None:
    assert proof.problems == []
    assert proof.passed
    assert proof.compared["comparisons"] == comparisons
    assert proof.compared["steps"] == STEPS
    assert proof.compared["replicas"] == 4
    assert set(proof.frameworks) == set(FRAMEWORKS)


@real
@pytest.mark.parametrize(
    "name", ["lenet5", pytest.param("mini_resnet_nobn", marks=pytest.mark.slow), "mini_inception-nobn"]
)
def test_two_replicas_are_one_process(
    workers: Workers, replicated: ReplicatedWorkers, dataset: Dataset, name: str
) -> None:
    proof = replica_steps(ProofContext(workers, network(name), dataset), replicated)
    assert_passed(proof, 5)
    assert proof.gap is not None
    assert proof.gap < FLOAT64_LIMIT / 100
    assert proof.title == "optimizer steps: 2 replicas"


@real
@pytest.mark.parametrize("name", [pytest.param("mini_resnet", marks=pytest.mark.slow), "mini_inception"])
def test_the_frameworks_agree_on_batch_norm_of_each_share(
    workers: Workers, replicated: ReplicatedWorkers, dataset: Dataset, name: str
) -> None:
    """With dropout, too, whose masks of a share are a part of the whole batch's."""
    proof = replica_steps(ProofContext(workers, network(name), dataset), replicated)
    assert_passed(proof, 5)
    assert proof.title.endswith("2 replicas, statistics of each replica")


@real
@pytest.mark.parametrize("name", ["mini_resnet", pytest.param("mini_inception", marks=pytest.mark.slow)])
def test_with_batch_norm_over_all_replicas_they_are_one_process(
    workers: Workers, synchronised: ReplicatedWorkers, dataset: Dataset, name: str
) -> None:
    proof = replica_steps(ProofContext(workers, network(name), dataset), synchronised)
    assert_passed(proof, 7)
    assert proof.title.endswith("2 replicas, statistics over all replicas")


@real
@pytest.mark.parametrize("fault", ReplicaFault)
@pytest.mark.parametrize("framework", ["paddle", pytest.param("tensorflow", marks=pytest.mark.slow)])
def test_a_fault_of_one_framework_is_seen_and_named(
    workers: Workers, replicated: ReplicatedWorkers, dataset: Dataset, framework: str, fault: ReplicaFault
) -> None:
    name = "mini_resnet" if fault == ReplicaFault.STATISTICS_OF_REPLICA_0 else "lenet5"
    record = detect_replica_fault(ProofContext(workers, network(name), dataset), replicated, framework, fault)
    assert record.as_expected
    assert CAUSES[fault] in record.diagnosis
    assert (record.severity is None) == (fault == ReplicaFault.NOT_REDUCED)  # its replicas differ from each other


@real
def test_replicas_without_a_fault_are_accused_of_nothing(
    workers: Workers, replicated: ReplicatedWorkers, dataset: Dataset
) -> None:
    """After faults were put in and taken out again."""
    proof = replica_steps(ProofContext(workers, network("lenet5"), dataset), replicated)
    assert_passed(proof, 5)
    assert proof.replica_causes == []


@real
def test_faults_are_not_told_apart_with_statistics_over_all_replicas(
    workers: Workers, synchronised: ReplicatedWorkers, dataset: Dataset
) -> None:
    with pytest.raises(ValueError, match="expected batch norm of each replica's own share"):
        next(detect_replica_faults(ProofContext(workers, network("lenet5"), dataset), synchronised))


@real
def test_steps_that_end_in_no_numbers_fail(workers: Workers, replicated: ReplicatedWorkers, dataset: Dataset) -> None:
    recipe = replace(rule_recipe("momentum"), schedule=Schedule(1e30))
    proof = replica_steps(ProofContext(workers, network("lenet5"), dataset), replicated, recipe)
    assert not proof.passed
    assert proof.gap is None or not np.isfinite(proof.gap)


@real
def test_a_proof_without_a_framework_fails(workers: Workers, dataset: Dataset) -> None:
    with Workers([]) as none, ReplicatedWorkers(2, frameworks=[]) as replicas:
        context = ProofContext(none, network("lenet5"), dataset)
        context.descriptions = ProofContext(workers, network("lenet5"), dataset).describe()
        proof = replica_steps(context, replicas)
    assert not proof.passed
    assert proof.compared["comparisons"] == 0


ONE = {"fc/kernel": np.array([1.0, -2.0, 0.5])}
OTHER = {"fc/kernel": np.array([0.25, 1.0, 4.0])}
MEAN = {"fc/kernel": (ONE["fc/kernel"] + OTHER["fc/kernel"]) / 2}


@pytest.mark.parametrize(
    ("factors", "count", "cause", "faults"),
    [
        ((1.0, 1.0), 2, "2 times those of one process: added up over the replicas", [ReplicaFault.ADDED_UP]),
        ((0.25, 0.25), 2, "0.5 times those of one process: the loss is divided", [ReplicaFault.DIVIDED_TWICE]),
        ((2.0, 2.0), 2, "4 times those of one process: added up over 4 parts", [ReplicaFault.PARTS_ADDED_UP]),
        ((1.5, 1.5), 2, "3 times those of one process: added up over 3 parts", []),
        ((2.0, 2.0), 4, "4 times", [ReplicaFault.ADDED_UP, ReplicaFault.PARTS_ADDED_UP]),  # the very same numbers
        ((0.35, 0.35), 2, "0.7 times those of one process", []),
        ((0.0, 1.0), 2, "replica 1's share alone", [ReplicaFault.ONE_SHARE_FOR_ALL]),
        ((0.0, 0.5), 2, "replica 1's share alone times 0.5", [ReplicaFault.ONE_SHARE_FOR_ALL]),
        (  # the other's is smaller
            (0.5, 1.5 / np.linalg.norm(OTHER["fc/kernel"])),
            2,
            "cut to a norm of 3 before",
            [ReplicaFault.CUT_BEFORE_THE_REDUCTION],
        ),
        ((0.75, 0.25), 2, "weighted with 0.75, 0.25: expected 0.5 each", []),
    ],
)
def test_gradients_are_explained_by_factors_of_the_shares(
    factors: tuple[float, float], count: int, cause: str, faults: list[ReplicaFault]
) -> None:
    actual = {"fc/kernel": factors[0] * ONE["fc/kernel"] + factors[1] * OTHER["fc/kernel"]}
    explanation = gradient_cause([ONE, OTHER], MEAN, actual, count)
    assert explanation is not None
    assert cause in explanation.text
    assert list(explanation.faults) == faults


def test_what_no_known_fault_explains_is_not_named() -> None:
    strange = {"fc/kernel": np.array([5.0, 1.0, 1.0])}
    assert gradient_cause([ONE, OTHER], MEAN, strange, 2) is None
    assert gradient_cause([ONE, OTHER], MEAN, {"fc/kernel": np.array([np.nan, 1.0, 1.0])}, 2) is None
    assert gradient_cause([ONE, OTHER], MEAN, pack(other=MEAN), 2) is None
    # a gap of one layer alone, far below the whole's norm: nothing is wrong with the reduction
    slightly = {"fc/kernel": MEAN["fc/kernel"] * (1 + np.array([1e-9, 0.0, 0.0]))}
    assert gradient_cause([ONE, OTHER], MEAN, slightly, 2) is None
    assert short_share_cause([ONE, OTHER], strange, 1) is None
    assert statistics_cause([ONE, OTHER], MEAN) is None


def test_short_shares_and_single_replicas_are_named() -> None:
    short = short_share_cause([ONE, OTHER], MEAN, 2)
    assert short is not None
    assert short.text.startswith("the last replica's share is short of 2 images")
    assert short.faults == (ReplicaFault.UNEVEN_SHARES,)
    for rank, faults in ((0, (ReplicaFault.STATISTICS_OF_REPLICA_0,)), (1, ())):
        found = statistics_cause([ONE, OTHER], (ONE, OTHER)[rank])
        assert found is not None
        assert f"those of replica {rank}" in found.text
        assert found.faults == faults
