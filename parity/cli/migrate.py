"""The commands about a user's own pair of models: compare, convert, repro."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from parity.cli.options import (
    DIFFERENT,
    UNUSABLE,
    DatasetOption,
    JsonOption,
    ProofDevice,
    ProofDeviceOption,
    ThreadsOption,
    await_ready,
    begin_workers,
    command_line,
    dataset_or_default,
)

if TYPE_CHECKING:
    from rich.console import Console

    from parity.catalogue.user_models import ModelSpec
    from parity.migration.align.recorded_pair import RecordedPair
    from parity.records.migrations import Migration
    from parity.workers.pool import Workers


class Dtype(StrEnum):
    """The precision in which two models are compared."""

    float64 = "float64"
    float32 = "float32"


class Weights(StrEnum):
    """The weights with which two models are compared."""

    drawn = "drawn"
    own = "own"


class FixedModel(StrEnum):
    """The model that suggestions change."""

    paddle = "paddle"
    tensorflow = "tensorflow"


FirstArgument = Annotated[
    str, typer.Argument(metavar="TF_TARGET", help="package.module:callable(...) or a .keras file.")
]

SecondArgument = Annotated[
    str, typer.Argument(metavar="PADDLE_TARGET", help="package.module:callable, with arguments or without.")
]

InputOption = Annotated[
    list[str],
    typer.Option(
        "--input",
        metavar="[NAME=]SHAPE[:dtype]",
        help="Shape of one input without the batch: H,W,C or T,C or N; N:int:1000 of ids. Once for each input.",
    ),
]

ShapesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        metavar="[NAME=]SHAPE[:dtype]",
        help="Shape of one input without the batch: H,W,C or T,C or N; N:int:1000 of ids. Once for each input; "
        "not needed where --inputs shows it.",
    ),
]

InputsOption = Annotated[
    str | None,
    typer.Option(
        "--inputs",
        metavar="FILE.npz|module:callable",
        help="Inputs of your own, an array [n, ...] for each input by its name; the verdict counts them.",
    ),
]

ClassesOption = Annotated[
    int | None, typer.Option("--classes", min=1, help="Passed to callables that take a number of classes.")
]

TokensOption = Annotated[int | None, typer.Option("--tokens", min=1, help="Inputs are token ids below this number.")]

MapOption = Annotated[
    Path | None, typer.Option("--map", metavar="FILE.toml", help="Which layers belong together, where that is unclear.")
]

FirstWeights = Annotated[
    Path | None, typer.Option("--tensorflow-weights", metavar="FILE", help=".weights.h5 or .keras for the first model.")
]

SecondWeights = Annotated[
    Path | None, typer.Option("--paddle-weights", metavar="FILE", help=".pdparams for the second model.")
]

ProofSeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of the weights and inputs of the proofs.")]


def compare(
    first: FirstArgument,
    second: SecondArgument,
    shape: ShapesOption = None,
    own_inputs: InputsOption = None,
    weights: Annotated[
        Weights,
        typer.Option("--weights", help="own: also compare the weights that both have, array by array."),
    ] = Weights.drawn,
    classes: ClassesOption = None,
    tokens: TokensOption = None,
    mapping: MapOption = None,
    write_map: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="Write the matching to this file, and stop.")
    ] = None,
    apply_fixes: Annotated[
        bool,
        typer.Option("--apply-fixes", help="Show the code of the suggested changes, and the verdict with these."),
    ] = False,
    fix: Annotated[FixedModel, typer.Option("--fix", help="Whose model the suggestions change.")] = FixedModel.paddle,
    dtype: Annotated[
        Dtype, typer.Option("--dtype", help="float32 only for models that cannot be built in float64: it proves less.")
    ] = Dtype.float64,
    training: Annotated[bool, typer.Option("--training", help="Also compare training mode and gradients.")] = False,
    impact: Annotated[
        bool, typer.Option("--impact/--no-impact", help="Count the inputs whose predicted class changes.")
    ] = True,
    dataset: DatasetOption = None,
    first_weights: FirstWeights = None,
    second_weights: SecondWeights = None,
    seed: ProofSeedOption = 0,
    threads: ThreadsOption = None,
    device: ProofDeviceOption = ProofDevice.cpu,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE.md", help="Write a report.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show every cause, remark and line of code.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare your TensorFlow model with your Paddle model, layer by layer; say what differs and how to fix it."""
    from parity.migration.prove.user_inputs import pair_inputs
    from parity.migration.specs import FIRST, SECOND, model_specs, require_float64
    from parity.system import require_writable

    if output is not None:
        require_writable(output)
    require_float64(training, dtype.value)
    inputs, user_inputs = pair_inputs(shape, tokens, own_inputs)
    specs = model_specs(
        first,
        second,
        inputs,
        classes=classes,
        weights={FIRST: first_weights, SECOND: second_weights},
        dtype=dtype.value,
    )
    with _workers(threads) as workers:
        from msgspec.structs import replace

        from parity.cli import console
        from parity.cli.migration_events import MigrationEvents
        from parity.migration.compare import compare_pair
        from parity.workers.environment import collect

        out = console.stderr() if as_json else console.stdout()
        if device is not ProofDevice.cpu:
            await_ready(workers, device)
        pair = recorded_pair(workers, specs, mapping, dataset, seed)
        pair.user_inputs = user_inputs
        if write_map is not None:
            _write_map(pair, write_map)
            return
        events = MigrationEvents(pair, out, verbose=verbose, own_weights=weights is Weights.own)
        migration = compare_pair(
            pair,
            apply_fixes=apply_fixes,
            fix=fix.value,
            training=training,
            impact=impact,
            own_weights=weights is Weights.own,
            on_event=events,
        )
        if as_json or output is not None:  # only these show the environment
            facts = collect(workers, dataset=pair.dataset, profile="compare", seed=seed, command=command_line())
            migration = replace(migration, environment=facts)
    _show(migration, out, as_json, output, verbose)
    if not migration.equal:
        raise typer.Exit(DIFFERENT if migration.verdict == "different" else UNUSABLE)


def convert(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help=".weights.h5, .keras, .pdparams or .safetensors with the weights.")
    ],
    destination: Annotated[
        Path,
        typer.Argument(
            metavar="DEST", help="A new file; its suffix says which kind; .safetensors: the TensorFlow names."
        ),
    ],
    first: Annotated[
        str, typer.Option("--tensorflow", metavar="TF_TARGET", help="package.module:callable(...) or a .keras file.")
    ],
    second: Annotated[
        str,
        typer.Option("--paddle", metavar="PADDLE_TARGET", help="package.module:callable, with arguments or without."),
    ],
    shape: InputOption,
    classes: ClassesOption = None,
    tokens: TokensOption = None,
    mapping: MapOption = None,
    apply_fixes: Annotated[
        bool,
        typer.Option(
            "--apply-fixes", help="First make the changes that compare suggests to the Paddle model in memory."
        ),
    ] = False,
    dataset: DatasetOption = None,
    seed: ProofSeedOption = 0,
    threads: ThreadsOption = None,
) -> None:
    """Convert trained weights from one framework's file to the other's; DEST is written only after the proof."""
    from parity.migration.conversion.conversion_files import ConversionFiles
    from parity.migration.specs import input_specs, model_specs

    files = ConversionFiles(source, destination)
    specs = model_specs(first, second, input_specs(shape, tokens), classes=classes)
    with _workers(threads) as workers:
        from parity.cli import console, migration_output
        from parity.migration.conversion.convert import convert_weights

        pair = recorded_pair(workers, specs, mapping, dataset, seed)
        conversion = convert_weights(pair, files, apply_fixes=apply_fixes, on_message=_show_step)
    for line in migration_output.conversion_lines(conversion):
        console.print_message(console.stdout(), line)
    if conversion.problems:
        raise typer.Exit(DIFFERENT)


def repro(
    first: FirstArgument,
    second: SecondArgument,
    shape: InputOption,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="A new or empty directory.")],
    layer: Annotated[
        str, typer.Option("--layer", metavar="NAME", help="Instead of the first layer that differs by itself.")
    ] = "",
    classes: ClassesOption = None,
    tokens: TokensOption = None,
    mapping: MapOption = None,
    dataset: DatasetOption = None,
    first_weights: FirstWeights = None,
    second_weights: SecondWeights = None,
    seed: ProofSeedOption = 0,
    threads: ThreadsOption = None,
) -> None:
    """Write the layer in which your two models differ as two scripts for a bug report, which run without this suite."""
    from parity.migration.reproduction.repro import (
        NothingToReproduceError,
        find_differing_layer,
        require_free,
        write_repro,
    )
    from parity.migration.specs import FIRST, SECOND, input_specs, model_specs

    require_free(output)
    weights = {FIRST: first_weights, SECOND: second_weights}
    specs = model_specs(first, second, input_specs(shape, tokens), classes=classes, weights=weights)
    with _workers(threads) as workers:
        from parity.cli import console

        pair = recorded_pair(workers, specs, mapping, dataset, seed)
        try:
            differing = find_differing_layer(pair, layer, _show_step)
        except NothingToReproduceError as error:
            console.print_message(console.stdout(), str(error))
            raise typer.Exit(DIFFERENT) from None
        versions = {name: settings.version for name, settings in workers.map(lambda worker: worker.settings()).items()}
        write_repro(differing, output, versions)
    console.print_message(console.stdout(), f"{differing.cause}\nwritten: {output}, see README.md there")


def _show(migration: Migration, out: Console, as_json: bool, output: Path | None, verbose: bool) -> None:
    """Print what follows the verdict of a comparison, and write the report that was asked for."""
    from parity.cli import console, migration_output

    if as_json:
        console.print_json(migration.as_dict())
    else:
        for line in migration_output.migration_lines(migration, verbose=verbose):
            console.print_message(out, line)
    if output is not None:
        from reports import write_migration_report

        console.print_message(out, f"report: {write_migration_report(migration, output)}")


def _show_step(what: str) -> None:
    from parity.cli import console

    console.print_message(console.stderr(), f"{what} ...", "dim")


def recorded_pair(
    workers: Workers, specs: dict[str, ModelSpec], mapping: Path | None, dataset: str | None, seed: int
) -> RecordedPair:
    """The pair of models that the options describe, not yet open.

    Images are loaded only where the models take some. Raises DataError, or MatchError for a map that cannot be read.
    """
    from parity.migration.align.map_file import read_map
    from parity.migration.align.recorded_pair import RecordedPair

    images = dataset_or_default(dataset, seed) if all(spec.takes_images for spec in specs.values()) else None
    return RecordedPair(workers, specs, images, seed, read_map(mapping) if mapping else {})


def _write_map(pair: RecordedPair, path: Path) -> None:
    from parity.cli import console
    from parity.migration.align.map_file import write_map
    from parity.migration.align.pair_alignment import align
    from parity.migration.prove.inputs import designed_inputs
    from parity.migration.specs import FIRST
    from parity.migration.user_errors import user_errors

    with user_errors():
        pair.open()
        found = align(pair, designed_inputs(pair.specs[FIRST].inputs, pair.seed, pair.images)[0].arrays)
    write_map(path, pair)
    agreeing = sum(one.certified for one in found.pairs)
    alone = " and ".join(str(len(names)) for names in found.alone)
    counts = f"{len(found.pairs)} layers with arrays put together, of {agreeing} values agree; {alone} arrays alone"
    console.print_message(console.stdout(), f"{path}: {counts}")


def _workers(threads: int | None) -> Workers:
    from parity.workers.frameworks import FRAMEWORKS
    from parity.workers.interpreter import shared_threads

    return begin_workers(tuple(FRAMEWORKS), threads or shared_threads())
