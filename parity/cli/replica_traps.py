"""`parity traps --replicas`: faults of processes that share every batch, put in one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from parity.cli.options import (
    DIFFERENT,
    UNUSABLE,
    Device,
    await_ready,
    begin_workers,
    command_line,
    dataset_or_default,
    try_to_save,
)

if TYPE_CHECKING:
    from parity.records.replicas import ReplicaDetection, ReplicaProof


def show_replica_traps(
    names: Sequence[str],
    replicas: int,
    *,
    as_json: bool,
    save: Path | None,
    dataset: str | None,
    seed: int,
    threads: int | None,
) -> None:
    """Prove correct replicas, put every fault in, and show, print and save what became of it.

    Args:
        names: of networks.
        replicas: processes of each framework.
        as_json: whether to print one JSON object instead.
        save: a file for the records.
        dataset: of the proofs' images.
        seed: of weights and inputs.
        threads: CPU threads of each process.

    Raises:
        ValueError: more replicas than cores, or a batch of the proofs that so many cannot share.
        typer.Exit: with `DIFFERENT` where a fault was not seen or not named, or correct replicas were accused,
            `UNUSABLE` where the records could not be saved.
    """
    from parity.catalogue.networks import network
    from parity.system import require_writable
    from parity.training.sharing import Sharing
    from parity.workers.frameworks import FRAMEWORKS
    from parity.workers.interpreter import shared_threads

    sharing = Sharing(replicas)
    if save is not None:
        require_writable(save)
    proofs: list[ReplicaProof] = []
    detections: list[ReplicaDetection] = []
    unsaved = False
    with (
        begin_workers(tuple(FRAMEWORKS), threads or shared_threads()) as workers,
        begin_workers(tuple(FRAMEWORKS), threads, sharing=sharing) as replicated,
    ):
        from parity.cli import console, proof_output
        from parity.faults.replica_detection import detect_replica_faults
        from parity.proofs.context import ProofContext
        from parity.proofs.replicas import prove_replicas
        from parity.workers.environment import collect
        from parity.workers.replicated_worker import ReplicatedWorkers

        assert isinstance(replicated, ReplicatedWorkers)
        images = dataset_or_default(dataset, seed)
        out = console.stderr() if as_json else console.stdout()
        await_ready(workers, Device.cpu)
        environment = collect(workers, dataset=images, profile="traps", seed=seed, command=command_line())
        for name in names:
            out.print(f"{name} on {images.title}, {sharing.words}", soft_wrap=True)
            context = ProofContext(workers, network(name), images, seed)
            with console.busy(console.stderr(), "replicas without a fault"):
                proofs.append(prove_replicas(context, replicated))
            proof_output.print_proof(out, proofs[-1])
            for detection in detect_replica_faults(context, replicated) if proofs[-1].passed else ():
                proof_output.print_replica_detection(out, detection)
                detections.append(detection)
            if save is not None:  # after every network, so that an interruption loses none
                unsaved = not try_to_save(save, [*proofs, *detections], environment)
    if as_json:
        listed = {
            "proofs": [record.as_dict() for record in proofs],
            "detections": [record.as_dict() for record in detections],
        }
        console.print_json(listed | {"environment": environment})
    for line in proof_output.replica_detection_lines(detections):
        console.print_message(out, line)
    if unsaved:
        raise typer.Exit(UNUSABLE)
    if not all(proof.passed for proof in proofs) or not all(record.as_expected for record in detections):
        raise typer.Exit(DIFFERENT if all(proof.compared for proof in proofs) else UNUSABLE)
