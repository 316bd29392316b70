"""The command train: the same batches in both frameworks."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from parity import termination
from parity.cli.options import (
    DIFFERENT,
    UNUSABLE,
    Device,
    DeviceOption,
    SyncBatchNormOption,
    ThreadsOption,
    TrainingPrecision,
)
from parity.data.names import CHOICES
from parity.workers.frameworks import FRAMEWORKS

if TYPE_CHECKING:  # the rest is imported by the command, so that the others start at once
    from parity.records.sequential import SequentialPlan
    from parity.training.experiment import ExperimentResult
    from parity.training.store import Store

SEED_BATCH = 2  # seeds that --until-decided adds at a time


def train(
    names: Annotated[list[str], typer.Argument(metavar="NETWORK...")],
    framework: Annotated[str, typer.Option(help="both, or one of: " + ", ".join(FRAMEWORKS), metavar="NAME")] = "both",
    dataset: Annotated[str, typer.Option(help=f"{CHOICES}.", metavar="DATA")] = "cifar10",
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's number.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Images a step, instead of the recipe's.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Use only this many images, the first ones.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds; with two or more, accuracies are tested.")] = 1,
    until_decided: Annotated[
        bool,
        typer.Option(
            "--until-decided",
            help="Add seeds in batches, at most --seeds, until the accuracies are equivalent or different by a "
            "sequential test.",
        ),
    ] = False,
    seed_batch: Annotated[
        int | None,
        typer.Option(min=1, help=f"With --until-decided: seeds in a batch after the first 4 (default: {SEED_BATCH})."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The first seed, of weights, order of images, crops and flips.")] = 0,
    recipe: Annotated[str | None, typer.Option(help="Instead of the network's own.", metavar="NAME")] = None,
    no_batch_norm: Annotated[
        bool, typer.Option("--no-batch-norm", help="Train the variant without batch norm.")
    ] = False,
    no_augmentation: Annotated[bool, typer.Option("--no-augmentation", help="No crops, shifts or flips.")] = False,
    precision: Annotated[
        TrainingPrecision, typer.Option(help="Of activations and gradients.")
    ] = TrainingPrecision.float32,
    mode: Annotated[
        str,
        typer.Option(
            help="How steps run; with --framework one of: "
            + "; ".join(f"{', '.join(entry.modes)} ({entry.title})" for entry in FRAMEWORKS.values()),
            metavar="NAME",
        ),
    ] = "auto",
    replicas: Annotated[
        int,
        typer.Option(
            min=1,
            help="Processes of a framework that share every batch, each with its part of the CPU's cores.",
        ),
    ] = 1,
    sync_batch_norm: SyncBatchNormOption = False,
    device: DeviceOption = Device.auto,
    threads: ThreadsOption = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            help="Train on a Ray cluster, each training with --threads CPUs (default: 1): HOST:PORT of its head, auto: "
            "the one that runs here, local: one of this machine.",
            metavar="ADDRESS",
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            help="Folder, or URL such as s3://bucket/runs, for weights, results and checkpoints, from which training "
            "continues.",
            metavar="DIR",
        ),
    ] = None,
) -> None:
    """Train networks on the same batches in both frameworks, one after the other, and compare.

    With --out, the same command continues after an interruption, and does not repeat what is finished.
    """
    from parity.catalogue.networks import network, variant
    from parity.catalogue.recipes import recipe_of
    from parity.cli import console
    from parity.cli.training_places import train_here, train_on_cluster
    from parity.data.registry import load
    from parity.training.jobs import TrainingPlan, fitting
    from parity.training.run import Settings
    from parity.training.sharing import Sharing
    from parity.training.store import Store

    if seed_batch is not None and not until_decided:
        raise ValueError(
            f"--seed-batch {seed_batch}: expected --until-decided with it, found none, and all --seeds would "
            "be trained and tested once. Add --until-decided, or leave out --seed-batch"
        )
    seed_batch = seed_batch or SEED_BATCH
    frameworks = _frameworks(framework, mode)
    sharing = Sharing(replicas, sync_batch_norm)
    if replicas > 1:
        device = _device_of_replicas(device, mode, precision, cluster)
    sequential = _sequential(seeds, seed_batch, frameworks) if until_decided else None
    # all names first: one that is unknown is refused before anything is made or loaded
    chosen = list(dict.fromkeys(variant(name, batch_norm=not no_batch_norm) for name in names))
    recipes = {name: recipe_of(recipe or network(name).recipe, augmentation=not no_augmentation) for name in chosen}
    with Store.opened(out) if out else contextlib.nullcontext() as store:
        images = load(dataset, progress=sys.stderr.isatty()).limited(limit)
        plans = []
        for name in chosen:
            fitted = fitting(name, images)
            if fitted != name:
                side, classes = images.train_images.shape[1], len(images.classes)
                held = f"{images.title} holds {side}x{side} images of {classes} classes"
                note = f"{held}: training {fitted}, the variant for them"
                console.print_message(console.stderr(), note)
            settings = Settings(recipe=recipes[name], epochs=epochs, batch=batch, mode=mode, precision=precision.value)
            plans.append(TrainingPlan(fitted, frameworks, images, tuple(range(seed, seed + seeds)), settings, sharing))
        if cluster is None:
            results = train_here(plans, store, device, threads, sequential)
        else:
            results = train_on_cluster(plans, store, cluster, device, threads or 1, sequential)
        codes = [_conclude(result, store) for result in results]
        raise typer.Exit(max(codes))


def _frameworks(framework: str, mode: str) -> tuple[str, ...]:
    """The frameworks that train. Raises ValueError for a name or a mode that is none."""
    if framework not in ("both", *FRAMEWORKS):
        raise ValueError(f"--framework {framework}: expected both, or one of {', '.join(FRAMEWORKS)}")
    modes = {name: entry.modes for name, entry in FRAMEWORKS.items() if framework in ("both", name)}
    if mode != "auto" and any(mode not in own for own in modes.values()):
        listed = "; ".join(f"of {FRAMEWORKS[name].title}: {', '.join(own)}" for name, own in modes.items())
        alone = "; with --framework NAME one trains alone" if len(modes) > 1 else ""
        raise ValueError(f"--mode {mode}: expected auto, or a mode of every framework that trains ({listed}){alone}")
    return tuple(modes)


def _device_of_replicas(device: Device, mode: str, precision: TrainingPrecision, cluster: str | None) -> Device:
    """The device of replicas. Raises ValueError for what replicas cannot do."""
    if cluster is not None:
        raise ValueError(
            "--replicas: expected no --cluster, found both. Replicas share one training among processes of this "
            "machine; a cluster does many trainings, each in one process."
        )
    if device == Device.gpu:
        raise ValueError("--replicas: expected --device cpu, found gpu. Replicas were proven on the CPU alone.")
    if mode != "auto":
        raise ValueError(f"--replicas: expected --mode auto, found {mode}. Replicas have one mode for each framework.")
    if precision == TrainingPrecision.tf32:
        raise ValueError("--replicas: expected a precision of the CPU, found tf32. Use float32 or bfloat16.")
    return Device.cpu


def _sequential(seeds: int, batch: int, frameworks: tuple[str, ...]) -> SequentialPlan:
    """The plan of --until-decided. Raises ValueError where it can decide nothing."""
    from parity.records.sequential import FIRST, SequentialPlan

    if len(frameworks) < 2:
        raise ValueError("--until-decided: expected both frameworks, whose accuracies it tests; leave out --framework")
    if seeds < FIRST:
        raise ValueError(f"--until-decided: expected --seeds {FIRST} or more, the most to train, found {seeds}")
    return SequentialPlan(batch=batch, most=seeds)


def _conclude(result: ExperimentResult, store: Store | None) -> int:
    """Print the comparison; the exit code."""
    from parity.cli import console, training_output

    out, err = console.stdout(), console.stderr()
    if result.records:
        console.print_message(out, f"\n{training_output.training_title(result.records)}\n")
        console.print_table(out, training_output.training_table(result.records))
    lines = training_output.same_start(result.records) if len(result.plan.frameworks) > 1 and result.records else []
    lines += training_output.equivalence_lines(result.equivalence) if result.equivalence else []
    for line in [*lines, *(line for cross in result.cross_evaluations for line in training_output.cross_lines(cross))]:
        console.print_message(out, line)
    for record in result.records:
        for problem in record.problems:
            console.print_message(err, f"{FRAMEWORKS[record.framework].title}, seed {record.seed}: {problem}")
    for error in result.save_errors:
        console.print_message(err, error, "bold red")
    if store is None:
        out.print("nothing was saved (`--out DIR` saves weights, results and checkpoints)")
    elif result.records:
        kind = "results, some of them partial" if result.partial else "results"
        out.print(f"{kind}: {store.title}", soft_wrap=True)
    if result.interrupted:
        way = "" if store is None else "; the same command continues after the last finished epoch"
        how = "terminated" if termination.terminated() else "interrupted"
        console.print_message(err, f"{how}: this is a partial result{way}", "bold yellow")
        return termination.exit_code()
    if result.partial or result.save_errors:
        return UNUSABLE
    return DIFFERENT if result.different else 0
