"""The command check: the evidence that the twins of the catalogue's networks are equal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    begun,
    command,
    images_of,
    kept_or_why_not,
    ready,
)

if TYPE_CHECKING:
    from rich.console import Console

    from parity.proofs.context import Evidence
    from parity.records.records import Proof


def check(
    names: Annotated[list[str] | None, typer.Argument(metavar="NETWORK", help="All default ones if none.")] = None,
    as_json: JsonOption = False,
    save: SaveOption = None,
    dataset: DatasetOption = None,
    seed: SeedOption = 0,
    device: ProofDeviceOption = ProofDevice.auto,
    threads: ThreadsOption = None,
) -> None:
    """Prove that both frameworks' twins of a network are equal, level by level."""
    from parity.catalogue.networks import default_networks, network
    from parity.system import require_writable
    from parity.workers.frameworks import FRAMEWORKS
    from parity.workers.pool import shared_threads

    wanted = [network(name).name for name in dict.fromkeys(names or [])] or default_networks()
    if save is not None:
        require_writable(save)
    found: dict[str, list[Proof]] = {}
    unsaved = ""
    updates: dict[str, Any] = {}  # of optimizers alone, which networks share
    with begun(tuple(FRAMEWORKS), threads or shared_threads()) as workers:
        from parity.cli import console
        from parity.diagnosis.prove import prove_level
        from parity.proofs.context import Evidence
        from parity.workers.environment import collect

        images = images_of(dataset, seed)
        out = console.stderr() if as_json else console.stdout()
        ready(workers, device)
        environment: dict[str, Any] = {}
        for name in wanted:
            out.print(f"{name} on {images.title}", soft_wrap=True)
            found[name] = list(_proofs(prove_level, Evidence(workers, network(name), images, seed, updates), out))
            console.print_verdict(out, name, found[name])
            if not environment and (save is not None or as_json):  # once there is something to be said of it
                environment = collect(workers, dataset=images, profile="check", seed=seed, command=command())
            if save is not None:  # what is done outlives an interruption
                unsaved = kept_or_why_not(save, [proof for each in found.values() for proof in each], environment)
    if as_json:
        verdicts = {
            name: {"equal": all(p.passed for p in proofs), "proofs": [p.as_dict() for p in proofs]}
            for name, proofs in found.items()
        }
        console.print_json({"networks": verdicts, "environment": environment})
    proofs = [proof for each in found.values() for proof in each]
    if unsaved:
        raise typer.Exit(UNUSABLE)
    if not all(proof.passed for proof in proofs):
        raise typer.Exit(DIFFERENT if all(proof.compared for proof in proofs) else UNUSABLE)


def _proofs(prove_level: Callable[[Evidence, int], Proof], evidence: Evidence, out: Console) -> Iterator[Proof]:
    """Each level's proof, printed as soon as it is there."""
    from parity.cli import console
    from parity.records.levels import LEVELS

    for level, title in LEVELS.items():
        with console.busy(console.stderr(), f"level {level}, {title}"):
            proof = prove_level(evidence, level)
        console.print_proof(out, proof)
        yield proof
