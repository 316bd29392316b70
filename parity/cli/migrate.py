"""The commands about a user's own pair of models: compare, convert, repro."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from parity.cli.options import (
    DIFFERENT,
    UNUSABLE,
    DatasetOption,
    JsonOption,
    ThreadsOption,
    begin_workers,
    command_line,
    dataset_or_default,
)

if TYPE_CHECKING:
    from rich.console import Console

    from parity.catalogue.user_models import ModelSpec
    from parity.migration.pair import ModelPair
    from parity.migration.recorded_pair import RecordedPair
    from parity.records.records import Migration
    from parity.workers.pool import Workers


class Dtype(StrEnum):
    """The precision in which two models are compared."""

    float64 = "float64"
    float32 = "float32"


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
    shape: InputOption,
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
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE.md", help="Write a report.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare your TensorFlow model with your Paddle model, layer by layer; say what differs and how to fix it."""
    from parity.migration.specs import FIRST, SECOND, input_specs, model_specs, require_float64
    from parity.system import require_writable

    if output is not None:
        require_writable(output)
    require_float64(training, dtype.value)
    specs = model_specs(
        first,
        second,
        input_specs(shape, tokens),
        classes=classes,
        weights={FIRST: first_weights, SECOND: second_weights},
        dtype=dtype.value,
    )
    with _workers(threads) as workers:
        from msgspec.structs import replace

        from parity.cli import console, proof_output
        from parity.migration.compare import compare_pair
        from parity.workers.environment import collect

        out = console.stderr() if as_json else console.stdout()

        def on_event(kind: str, event: Any) -> None:
            if kind == "proof":
                proof_output.print_proof(out, event)
            else:
                _show_step(event)

        pair = _recorded_pair(workers, specs, mapping, dataset, seed)
        if write_map is not None:
            _write_map(pair, write_map)
            return
        migration = compare_pair(
            pair, apply_fixes=apply_fixes, fix=fix.value, training=training, impact=impact, on_event=on_event
        )
        if as_json or output is not None:  # only these show the environment
            facts = collect(workers, dataset=pair.dataset, profile="compare", seed=seed, command=command_line())
            migration = replace(migration, environment=facts)
    _show(migration, out, as_json, output)
    if not migration.equal:
        raise typer.Exit(DIFFERENT if migration.verdict == "different" else UNUSABLE)


def convert(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help=".weights.h5, .keras, .pdparams or .safetensors with the weights.")
    ],
    destination: Annotated[
        Path,
        typer.Argument(metavar="DEST", help="The new file; its suffix says which kind, another one than SOURCE's."),
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
    from parity.migration.convert import ConversionFiles, convert_weights
    from parity.migration.specs import input_specs, model_specs

    files = ConversionFiles(source, destination)
    specs = model_specs(first, second, input_specs(shape, tokens), classes=classes)
    with _workers(threads) as workers:
        from parity.cli import console, migration_output

        pair = _pair(workers, specs, mapping, dataset, seed)
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
    from parity.migration.repro import NothingToReproduceError, find_differing_layer, require_free, write_repro
    from parity.migration.specs import FIRST, SECOND, input_specs, model_specs

    require_free(output)
    weights = {FIRST: first_weights, SECOND: second_weights}
    specs = model_specs(first, second, input_specs(shape, tokens), classes=classes, weights=weights)
    with _workers(threads) as workers:
        from parity.cli import console

        pair = _pair(workers, specs, mapping, dataset, seed)
        try:
            differing = find_differing_layer(pair, layer, _show_step)
        except NothingToReproduceError as error:
            console.print_message(console.stdout(), str(error))
            raise typer.Exit(DIFFERENT) from None
        versions = {name: settings.version for name, settings in workers.map(lambda worker: worker.settings()).items()}
        write_repro(differing, output, versions)
    console.print_message(console.stdout(), f"{differing.cause}\nwritten: {output}, see README.md there")


def _show(migration: Migration, out: Console, as_json: bool, output: Path | None) -> None:
    """Print the outcome of a comparison, and write the report that was asked for."""
    from parity.cli import console, migration_output

    if as_json:
        console.print_json(migration.as_dict())
    else:
        for line in migration_output.migration_lines(migration):
            console.print_message(out, line)
    if output is not None:
        from reports import write_migration_report

        console.print_message(out, f"report: {write_migration_report(migration, output)}")


def _show_step(what: str) -> None:
    from parity.cli import console

    console.print_message(console.stderr(), f"{what} ...", "dim")


def _pair(
    workers: Workers, specs: dict[str, ModelSpec], mapping: Path | None, dataset: str | None, seed: int
) -> ModelPair:
    """The pair of models that the options describe, not yet loaded.

    Images are loaded only where the models take some. Raises DataError, or MatchError for a map that cannot be read.
    """
    from parity.migration.map_file import read_map
    from parity.migration.pair import ModelPair

    images = dataset_or_default(dataset, seed) if all(spec.takes_images for spec in specs.values()) else None
    return ModelPair(workers, specs, images, seed, read_map(mapping) if mapping else {})


def _recorded_pair(
    workers: Workers, specs: dict[str, ModelSpec], mapping: Path | None, dataset: str | None, seed: int
) -> RecordedPair:
    """The pair of models that the options describe, not yet open; see `_pair`."""
    from parity.migration.map_file import read_map
    from parity.migration.recorded_pair import RecordedPair

    images = dataset_or_default(dataset, seed) if all(spec.takes_images for spec in specs.values()) else None
    return RecordedPair(workers, specs, images, seed, read_map(mapping) if mapping else {})


def _write_map(pair: RecordedPair, path: Path) -> None:
    from parity.cli import console
    from parity.migration.inputs import designed_inputs
    from parity.migration.map_file import write_map
    from parity.migration.specs import FIRST
    from parity.migration.user_errors import user_errors

    with user_errors():
        pair.open()
        found = pair.align(designed_inputs(pair.specs[FIRST].inputs, pair.seed, pair.images)[0].arrays)
    write_map(path, pair)
    agreeing = sum(one.certified for one in found.pairs)
    alone = " and ".join(str(len(names)) for names in found.alone)
    counts = f"{len(found.pairs)} layers with arrays put together, of {agreeing} values agree; {alone} arrays alone"
    console.print_message(console.stdout(), f"{path}: {counts}")


def _workers(threads: int | None) -> Workers:
    from parity.workers.frameworks import FRAMEWORKS
    from parity.workers.interpreter import shared_threads

    return begin_workers(tuple(FRAMEWORKS), threads or shared_threads())
