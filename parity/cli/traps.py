"""The command traps: how many known faults the checks detect, and whether what is correct raises false alarms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from parity.cli.migrate import ClassesOption, MapOption, TokensOption
from parity.cli.options import (
    DIFFERENT,
    UNUSABLE,
    DatasetOption,
    Device,
    JsonOption,
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
    from parity.records.records import ControlRun, Detection


def traps(
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--network",
            help="Repeat it for several; if none resnet20_v1, with --replicas mini_resnet.",
            metavar="NETWORK",
        ),
    ] = None,
    pair: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--pair",
            help="Instead of a network: your own two models, which have to be equal; faults go into the Paddle one.",
            metavar="TF_TARGET PADDLE_TARGET",
        ),
    ] = None,
    shape: Annotated[
        list[str] | None,
        typer.Option("--input", help="Of --pair: as of `parity compare`.", metavar="[NAME=]SHAPE[:dtype]"),
    ] = None,
    tokens: TokensOption = None,
    classes: ClassesOption = None,
    mapping: MapOption = None,
    training: Annotated[
        bool, typer.Option("--training", help="Of --pair: also traps that show in training mode only.")
    ] = False,
    sites: Annotated[
        int, typer.Option(min=0, help="Of --pair: at most as many places for each form of a trap; 0: all.")
    ] = 0,
    ids: Annotated[
        list[str] | None,
        typer.Option("--trap", help="This one only; repeat it for several; all if none.", metavar="ID"),
    ] = None,
    seeds: Annotated[int, typer.Option(min=0, help="Control runs: correct twins, which must raise no alarm.")] = 1,
    faults: Annotated[bool, typer.Option("--faults/--no-faults", help="--no-faults: the control runs only.")] = True,
    replicas: Annotated[
        int,
        typer.Option(
            min=1,
            help="With 2 or more: faults of so many processes that share every batch, instead of faults of a twin.",
        ),
    ] = 1,
    as_json: JsonOption = False,
    save: SaveOption = None,
    dataset: DatasetOption = None,
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
) -> None:
    """Put every known fault into correct twins, or into your own pair, one at a time; show which ones are detected."""
    from parity.catalogue.networks import network
    from parity.catalogue.traps import TRAPS
    from parity.system import require_writable
    from parity.workers.frameworks import FRAMEWORKS
    from parity.workers.interpreter import shared_threads

    of_pair = training or sites > 0 or any(option is not None for option in (tokens, classes, mapping))
    if not (faults or seeds):
        raise ValueError("--no-faults --seeds 0: expected faults or control runs to check, found neither")
    if replicas > 1:
        from parity.cli.replica_traps import show_replica_traps

        if pair is not None or shape or of_pair or ids or not faults or seeds != 1:
            raise ValueError(
                "--replicas: expected all faults of networks, found --pair, --trap, --seeds, --no-faults or an option "
                "of theirs. Leave it out: correct replicas are proven once, before the faults"
            )
        replicated = [network(name).name for name in dict.fromkeys(names or ["mini_resnet"])]
        show_replica_traps(
            replicated, replicas, as_json=as_json, save=save, dataset=dataset, seed=seed, threads=threads
        )
        return
    if pair is not None or shape:
        from parity.cli.pair_traps import PairTraps, show_pair_traps

        if pair is None or not shape or names:
            raise ValueError("expected --pair with --input and without --network: traps of two models, or of networks")
        asked = PairTraps(pair, shape, tokens, classes, mapping, training, sites, ids or [], seeds, faults)
        show_pair_traps(asked, as_json=as_json, save=save, dataset=dataset, seed=seed, threads=threads)
        return
    if of_pair:
        raise ValueError("--tokens, --classes, --map, --training, --sites: expected --pair with them, found none")
    _require_known(ids or [])
    networks = [network(name).name for name in dict.fromkeys(names or ["resnet20_v1"])]
    if save is not None:
        require_writable(save)
    detections: list[Detection] = []
    control_runs: list[ControlRun] = []
    unsaved = False
    with begin_workers(tuple(FRAMEWORKS), threads or shared_threads()) as workers:
        from parity.cli import console, proof_output
        from parity.faults.detection import control_run, detect
        from parity.workers.environment import collect

        images = dataset_or_default(dataset, seed)
        out = console.stderr() if as_json else console.stdout()
        await_ready(workers, Device.cpu)
        environment = collect(workers, dataset=images, profile="traps", seed=seed, command=command_line())
        for name in networks:
            out.print(f"{name} on {images.title}", soft_wrap=True)
            if seeds:
                with console.busy(console.stderr(), f"{seeds} control runs"):
                    control_runs.append(control_run(workers, name, images, range(seed, seed + seeds)))
            before = len(detections)
            for detection in detect(workers, name, images, seed=seed, traps=ids) if faults else ():
                proof_output.print_detection(out, detection)
                detections.append(detection)
            if faults and len(detections) == before:
                console.print_message(
                    out, f"no fault of {', '.join(ids or ['any trap'])} can be put into {name}", "bold red"
                )
            if save is not None:  # after every network, so that an interruption loses none
                unsaved = not try_to_save(save, [*detections, *control_runs], environment)
    if as_json:
        listed = {
            "detections": [record.as_dict() for record in detections],
            "correct": [record.as_dict() for record in control_runs],
        }
        console.print_json(listed | {"environment": environment})
    lines = proof_output.detection_lines(detections, control_runs)
    if faults and not ids:
        lines += [f"not put in: {trap.id}, {trap.elsewhere}" for trap in TRAPS.values() if trap.elsewhere]
    for line in lines:
        console.print_message(out, line)
    if unsaved or (faults and not detections):  # nothing was put in: nothing is shown
        raise typer.Exit(UNUSABLE)
    if not all(record.as_expected for record in detections) or any(record.false_alarms for record in control_runs):
        raise typer.Exit(DIFFERENT)


def _require_known(ids: Sequence[str]) -> None:
    """Raise ValueError for a trap that no fault stands for."""
    from parity.catalogue.traps import TRAPS

    known = {trap.id for trap in TRAPS.values() if not trap.elsewhere}
    if unknown := sorted(set(ids) - known):
        raise ValueError(f"--trap: expected some of {', '.join(sorted(known))}, found {', '.join(unknown)}")
