"""The command check: proofs that the twins of the catalogue's networks are equal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Annotated, Any

import typer

from parity.cli.options import (
    DIFFERENT,
    UNUSABLE,
    DatasetOption,
    JsonOption,
    ProofDevice,
    ProofDeviceOption,
    SaveOption,
    SeedOption,
    ThreadsOption,
    await_ready,
    begin_workers,
    command_line,
    dataset_or_default,
    try_to_save,
)

if TYPE_CHECKING:
    from rich.console import Console

    from parity.proofs.context import ProofContext
    from parity.records.records import Proof
    from parity.workers.replicated_worker import ReplicatedWorkers


def check(
    names: Annotated[list[str] | None, typer.Argument(metavar="NETWORK", help="All default ones if none.")] = None,
    as_json: JsonOption = False,
    save: SaveOption = None,
    dataset: DatasetOption = None,
    seed: SeedOption = 0,
    device: ProofDeviceOption = ProofDevice.auto,
    threads: ThreadsOption = None,
    replicas: Annotated[
        int,
        typer.Option(
            min=1,
            help="With 2 or more: prove, too, that so many processes that share every batch train as one does; on the "
            "CPU. Networks with batch norm twice: with statistics of each process's share, and of all.",
        ),
    ] = 1,
) -> None:
    """Prove that both frameworks' twins of a network are equal, level by level."""
    from parity.catalogue.networks import default_networks, network
    from parity.system import require_writable
    from parity.training.sharing import Sharing
    from parity.workers.frameworks import FRAMEWORKS
    from parity.workers.interpreter import shared_threads

    Sharing(replicas)  # or ValueError: more than there are cores
    networks = [network(name).name for name in dict.fromkeys(names or [])] or default_networks()
    if save is not None:
        require_writable(save)
    proofs_by_network: dict[str, list[Proof]] = {}
    unsaved = False
    updates: dict[str, Any] = {}  # results of optimizers alone, which all networks share
    with begin_workers(tuple(FRAMEWORKS), threads or shared_threads()) as workers, ExitStack() as started:
        from parity.cli import console, proof_output
        from parity.proofs.context import ProofContext
        from parity.workers.environment import collect
        from parity.workers.replicated_worker import ReplicatedWorkers

        groups = [
            started.enter_context(ReplicatedWorkers(replicas, synchronised=synchronised, threads=threads))
            for synchronised in (False, True)
            if replicas > 1
        ]

        images = dataset_or_default(dataset, seed)
        out = console.stderr() if as_json else console.stdout()
        await_ready(workers, device)
        environment: dict[str, Any] = {}
        for name in networks:
            out.print(f"{name} on {images.title}", soft_wrap=True)
            context = ProofContext(workers, network(name), images, seed, updates)
            proofs_by_network[name] = list(_shown(context, groups, out))
            proof_output.print_verdict(out, name, proofs_by_network[name])
            if not environment and (save is not None or as_json):  # while there are results to describe
                environment = collect(workers, dataset=images, profile="check", seed=seed, command=command_line())
            if save is not None:  # after every network, so that an interruption loses none
                unsaved = not try_to_save(
                    save,
                    [proof for network_proofs in proofs_by_network.values() for proof in network_proofs],
                    environment,
                )
    if as_json:
        verdicts = {
            name: {"equal": all(p.passed for p in proofs), "proofs": [p.as_dict() for p in proofs]}
            for name, proofs in proofs_by_network.items()
        }
        console.print_json({"networks": verdicts, "environment": environment})
    proofs = [proof for network_proofs in proofs_by_network.values() for proof in network_proofs]
    if unsaved:
        raise typer.Exit(UNUSABLE)
    if not all(proof.passed for proof in proofs):
        raise typer.Exit(DIFFERENT if all(proof.compared for proof in proofs) else UNUSABLE)


def _shown(context: ProofContext, groups: Sequence[ReplicatedWorkers], out: Console) -> Iterator[Proof]:
    """The proofs of a network, each printed as soon as it is there."""
    from parity.cli import console, proof_output
    from parity.diagnosis.prove import prove
    from parity.proofs.replicas import prove_replicas
    from parity.records.levels import LEVELS

    def spinner(level: int) -> AbstractContextManager[object]:
        return console.busy(console.stderr(), f"level {level}, {LEVELS[level]}")

    for proof in prove(context, during=spinner):
        proof_output.print_proof(out, proof)
        yield proof
    for replicated in groups:
        if replicated.synchronised and context.network.batch_norm is None:
            continue  # there are no statistics: it would be the same proof again
        with console.busy(console.stderr(), f"level 6, {replicated.replicas} replicas"):
            proof = prove_replicas(context, replicated)
        proof_output.print_proof(out, proof)
        yield proof
