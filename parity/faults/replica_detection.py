"""The detection of faults of replicas: every one put into one framework's replicas, and what the proof says of it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

from parity.catalogue.replica_faults import ReplicaFault
from parity.proofs.context import ProofContext
from parity.proofs.replicas import replica_steps
from parity.records.replicas import ReplicaDetection, ReplicaProof
from parity.workers.replicated_worker import ReplicatedWorkers


def detect_replica_faults(context: ProofContext, replicated: ReplicatedWorkers) -> Iterator[ReplicaDetection]:
    """Put every fault into the replicas of each framework, one at a time, and prove them.

    Args:
        context: the network and its workers, of one process each.
        replicated: the replicas of the same frameworks; batch norm's statistics are of each one's own share.

    Yields:
        The record of each fault. Statistics of replica 0 are left out where the network has no batch norm.

    Raises:
        ValueError: a batch of the proofs cannot be shared by so many replicas; or statistics over all replicas, with
            which no share has gradients of its own, by which some faults are told apart.
        WorkerError: a worker failed, with what it said.

    Example::

        with Workers(threads=1) as workers, ReplicatedWorkers(2, threads=1) as replicated:
            context = ProofContext(workers, network("lenet5"), load("generated"))
            print(all(found.as_expected for found in detect_replica_faults(context, replicated)))
    """
    if replicated.synchronised:
        raise ValueError("replicated: expected batch norm of each replica's own share, found it over all replicas")
    for fault in ReplicaFault:
        if fault == ReplicaFault.STATISTICS_OF_REPLICA_0 and context.network.batch_norm is None:
            continue
        for framework in context.workers:
            yield detect_replica_fault(context, replicated, framework, fault)


def detect_replica_fault(
    context: ProofContext, replicated: ReplicatedWorkers, framework: str, fault: ReplicaFault
) -> ReplicaDetection:
    """Put one fault in, prove, and take it out.

    Args:
        context: as for `detect_replica_faults`.
        replicated: as there; without a fault afterwards, whatever happens.
        framework: into whose replicas it is put.
        fault: which.

    Raises:
        WorkerError: a worker failed, with what it said.
    """
    begin = time.perf_counter()
    name = context.network.name
    replicated[framework].inject(name, fault)
    try:
        proof = replica_steps(context, replicated)
    finally:
        replicated[framework].restore()
    here = [cause for cause in proof.replica_causes if cause.framework == framework]
    return ReplicaDetection(
        network=name,
        framework=framework,
        replicas=replicated.replicas,
        fault=fault.value,
        caught=not proof.passed,
        placed=bool(here) and len(here) == len(proof.replica_causes) and not _names_another(proof, framework),
        named=any(fault.value in cause.faults for cause in here),
        severity=_severity(proof),
        diagnosis=(here or proof.replica_causes)[0].text if proof.replica_causes else "",
        seconds=time.perf_counter() - begin,
    )


def _names_another(proof: ReplicaProof, framework: str) -> bool:
    """Whether a problem is put down to a framework that has no fault."""
    others = set(proof.frameworks) - {framework}
    return any(problem.startswith((f"{other}:", f"{other},")) for problem in proof.problems for other in others)


def _severity(proof: ReplicaProof) -> float | None:
    """The largest gap in units of its limit; None where none is above it (replicas that differ have no gap)."""
    if proof.gap is None or not proof.limit or not math.isfinite(proof.gap) or proof.gap <= proof.limit:
        return None
    return proof.gap / proof.limit
