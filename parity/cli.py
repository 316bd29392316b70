"""The command `parity`: networks, check, traps, train, report, doctor; and of user's models compare, convert, repro.

Exit codes: 0 equal or done; 1 different; 2 wrong usage, or something needed is missing, or a training or its saving
failed; 130 interrupted.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from parity import __version__, console, pair_cli
from parity.data import DataError, Dataset, find, load
from parity.environment import ask, collect, diagnose, prefer_gpu, start_workers, without_frames
from parity.networks import NETWORKS, UnknownNetworkError, default_networks, network
from parity.results import Proof, RecordError, require_writable
from parity.workers import FRAMEWORKS, WorkerError, Workers, shared_threads

if TYPE_CHECKING:  # the rest is imported by the commands that need it, so that the others start at once
    from parity.side_by_side import Result
    from parity.store import Store

DEBUG = "PARITY_DEBUG"  # set: errors come with their traceback
BENCHMARKS = Path(".benchmarks")  # pytest-benchmark's own storage
DIFFERENT, UNUSABLE, INTERRUPTED = 1, 2, 130


class Device(StrEnum):
    """Where to compute."""

    auto = "auto"
    cpu = "cpu"
    gpu = "gpu"


class Precision(StrEnum):
    """What activations and gradients are computed in; weights are float32."""

    float32 = "float32"
    bfloat16 = "bfloat16"


class Guarded(TyperGroup):
    """Turns the suite's errors into one message and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _fail("interrupted", INTERRUPTED)
        except BrokenPipeError:
            raise  # the reader of our output has gone: typer ends quietly
        except Exception as error:
            from parity.checkpoint import CheckpointError
            from parity.matching import MatchError
            from parity.pdparams import WeightsError
            from parity.store import StoreError
            from parity.targets import TargetError
            from parity.weights import StateError

            usual = (DataError, OSError, RecordError, UnknownNetworkError, ValueError, WorkerError)
            known = (CheckpointError, MatchError, StateError, StoreError, TargetError, WeightsError, *usual)
            if DEBUG in os.environ or not isinstance(error, known):
                raise
            _fail(_message(error), UNUSABLE)


app = typer.Typer(
    cls=Guarded,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

DeviceOption = Annotated[Device, typer.Option("--device", help="auto: the GPU if both frameworks see one.")]
ThreadsOption = Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads of each framework.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Of weights, order of images, crops and flips.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")]


def main() -> None:
    """The console script: nothing ends in a traceback unless $PARITY_DEBUG is set."""
    try:
        app(prog_name="parity")
    except Exception as error:
        if DEBUG in os.environ:
            raise
        console.say(
            console.stderr(),
            f"parity: an error of the suite itself, {type(error).__name__}: {error}\n"
            f"Please report it with the traceback that the same command shows with {DEBUG}=1.",
        )
        sys.exit(UNUSABLE)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"parity {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Prove that twin networks in PaddlePaddle and TensorFlow compute the same thing, and train both."""


@app.command()
def networks(as_json: JsonOption = False) -> None:
    """List the networks of the catalogue."""
    if as_json:
        console.print_json({"networks": [console.network_facts(entry) for entry in NETWORKS.values()]})
    else:
        console.print_table(console.stdout(), console.networks_table(list(NETWORKS.values())))


@app.command()
def check(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NETWORK]...", help="All default ones if none.")] = None,
    as_json: JsonOption = False,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="cifar10, generated or a path. Without it: cifar10 if it is on this machine.", metavar="DATA"
        ),
    ] = None,
    seed: SeedOption = 0,
    device: DeviceOption = Device.auto,
    threads: ThreadsOption = None,
) -> None:
    """Prove that both frameworks' twins of a network are equal, level by level."""
    wanted = [network(name).name for name in dict.fromkeys(names or [])] or default_networks()
    images = images_of(dataset, seed)
    out = console.stderr() if as_json else console.stdout()
    found: dict[str, list[Proof]] = {}
    with started(tuple(FRAMEWORKS), device, threads or shared_threads()) as workers:
        for name in wanted:
            out.print(f"{name} on {images.title}", soft_wrap=True)
            found[name] = list(_proofs(workers, name, images, seed, out))
            console.print_verdict(out, name, found[name])
        if as_json:
            environment = collect(workers, dataset=images, profile="check", seed=seed, command=command())
    if as_json:
        verdicts = {
            name: {"equal": all(p.passed for p in proofs), "proofs": [p.as_dict() for p in proofs]}
            for name, proofs in found.items()
        }
        console.print_json({"networks": verdicts, "environment": environment})
    proofs = [proof for each in found.values() for proof in each]
    if not all(proof.passed for proof in proofs):
        raise typer.Exit(DIFFERENT if all(proof.compared for proof in proofs) else UNUSABLE)


@app.command()
def traps(
    names: Annotated[
        list[str] | None, typer.Option("--network", help="Again for several; resnet20_v1 if none.", metavar="NETWORK")
    ] = None,
    seeds: Annotated[int, typer.Option(min=0, help="Of correct pairs, which must not be accused.")] = 1,
    as_json: JsonOption = False,
    save: Annotated[Path | None, typer.Option(help="Saved run for `parity report`.", metavar="FILE.json")] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="cifar10, generated or a path. Without it: cifar10 if it is on this machine.", metavar="DATA"
        ),
    ] = None,
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
) -> None:
    """Put every known fault into correct twins, one at a time, and show what the checks find of it.

    Exit 0: every fault was caught, placed and named, and no correct pair accused; 1: not so.
    """
    from parity.detection import detect, find_nothing
    from parity.results import Detection, Innocence
    from parity.store import save_records
    from parity.traps import TRAPS

    wanted = [network(name).name for name in dict.fromkeys(names or ["resnet20_v1"])]
    if save is not None:
        require_writable(save)
    images = images_of(dataset, seed)
    out = console.stderr() if as_json else console.stdout()
    found: list[Detection] = []
    innocent: list[Innocence] = []
    with started(tuple(FRAMEWORKS), Device.cpu, threads or shared_threads()) as workers:
        environment = collect(workers, dataset=images, profile="traps", seed=seed, command=command())
        for name in wanted:
            out.print(f"{name} on {images.title}", soft_wrap=True)
            if seeds:
                with console.busy(console.stderr(), f"{seeds} correct pairs"):
                    innocent.append(find_nothing(workers, name, images, range(seed, seed + seeds)))
            for detection in detect(workers, name, images, seed=seed):
                console.print_detection(out, detection)
                found.append(detection)
            if save is not None:  # a network takes minutes: what is done outlives an interruption
                save_records(save, [*found, *innocent], environment)
    if as_json:
        listed = {"detections": [each.as_dict() for each in found], "correct": [each.as_dict() for each in innocent]}
        console.print_json(listed | {"environment": environment})
    for line in console.detection_lines(found, innocent):
        console.say(out, line)
    for trap in TRAPS.values():
        if trap.elsewhere:
            console.say(out, f"not put in: {trap.id}, {trap.elsewhere}")
    good = all(each.caught and each.placed and each.named and not each.accused for each in found)
    if not good or any(each.accusations for each in innocent):
        raise typer.Exit(DIFFERENT)


def _proofs(workers: Workers, name: str, images: Dataset, seed: int, out: Any) -> Iterator[Proof]:
    """Each level's proof, printed as soon as it is there."""
    from parity.evidence import LEVELS, Evidence
    from parity.proving import prove_level

    evidence = Evidence(workers, network(name), images, seed)
    for level, title in LEVELS.items():
        with console.busy(console.stderr(), f"level {level}, {title}"):
            proof = prove_level(evidence, level)
        console.print_proof(out, proof)
        yield proof


def images_of(dataset: str | None, seed: int) -> Dataset:
    """The data set asked for; when none was, CIFAR-10 if that needs no download, else drawn images."""
    if dataset is None and find() is None:
        note = "note: CIFAR-10 is not on this machine, so the inputs are generated images"
        console.say(console.stderr(), f"{note} (`--dataset cifar10` downloads it).")
        dataset = "generated"
    return load(dataset or "cifar10", seed=seed, progress=sys.stderr.isatty())


app.command()(pair_cli.compare)
app.command()(pair_cli.convert)
app.command()(pair_cli.repro)


@app.command()
def train(
    name: Annotated[str, typer.Argument(metavar="NETWORK")],
    framework: Annotated[str, typer.Option(help="both, or one of: " + ", ".join(FRAMEWORKS), metavar="NAME")] = "both",
    dataset: Annotated[
        str, typer.Option(help="cifar10, cifar100, tiny-imagenet, generated or a path.", metavar="DATA")
    ] = "cifar10",
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Images a step, instead of the recipe's.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Use the first so many images only.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds; from two on the accuracies are tested.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="The first seed, of weights, order of images, crops and flips.")] = 0,
    recipe: Annotated[str | None, typer.Option(help="Instead of the network's own.", metavar="NAME")] = None,
    no_batch_norm: Annotated[bool, typer.Option("--no-batch-norm", help="Train the variant without.")] = False,
    no_augmentation: Annotated[bool, typer.Option("--no-augmentation", help="No crops, shifts or flips.")] = False,
    precision: Annotated[Precision, typer.Option(help="Of activations and gradients.")] = Precision.float32,
    device: DeviceOption = Device.auto,
    threads: ThreadsOption = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Directory for weights, results and checkpoints, to go on from there.", metavar="DIR"),
    ] = None,
) -> None:
    """Train a network on the same batches in both frameworks, one after the other, and compare.

    With --out, the same command goes on where it was stopped or killed, and leaves alone what is finished.
    """
    from parity.networks import variant
    from parity.progress import TrainingDisplay
    from parity.recipes import recipe_of
    from parity.side_by_side import Plan, fitting, require_one_precision, require_precision, run
    from parity.store import Store
    from parity.training import Settings

    chosen = variant(name, batch_norm=not no_batch_norm)  # unknown names are found before anything is made or loaded
    followed = recipe_of(recipe or network(chosen).recipe, augmentation=not no_augmentation)
    if framework not in ("both", *FRAMEWORKS):
        raise ValueError(f"--framework {framework}: expected both, or one of {', '.join(FRAMEWORKS)}")
    frameworks = tuple(FRAMEWORKS) if framework == "both" else (framework,)
    store = Store(out) if out else None
    images = load(dataset, progress=sys.stderr.isatty()).limited(limit)
    fit = fitting(chosen, images)
    if fit != chosen:
        side, classes = images.train_images.shape[1], len(images.classes)
        note = f"{images.title} holds {side}x{side} images of {classes} classes: training {fit}, the variant for them"
        console.say(console.stderr(), note)
    settings = Settings(recipe=followed, epochs=epochs, batch=batch, precision=precision.value)
    plan = Plan(fit, frameworks, images, tuple(range(seed, seed + seeds)), settings)
    with started(frameworks, device, threads) as workers:
        require_precision(workers, precision.value)
        environment = collect(workers, dataset=images, profile="train", seed=seed, command=command())
        require_one_precision(environment)
        with TrainingDisplay(frameworks, plan.batch, several_seeds=seeds > 1, console=console.stderr()) as display:
            result = run(workers, plan, store, environment, display.update, display.note)
    raise typer.Exit(_conclude(result, store))


def _conclude(result: Result, store: Store | None) -> int:
    """Print the comparison, and find the exit code."""
    out, err = console.stdout(), console.stderr()
    if result.records:
        console.say(out, f"\n{console.training_title(result.records)}\n")
        console.print_table(out, console.training_table(result.records))
    lines = console.same_start(result.records) if len(result.plan.frameworks) > 1 and result.records else []
    lines += console.equivalence_lines(result.equivalence) if result.equivalence else []
    for line in [*lines, *(line for cross in result.crosses for line in console.cross_lines(cross))]:
        console.say(out, line)
    for record in result.records:
        for problem in record.problems:
            console.say(err, f"{FRAMEWORKS[record.framework].title}, seed {record.seed}: {problem}")
    for error in result.save_errors:
        console.say(err, error, "bold red")
    if store is None:
        out.print("nothing was saved (`--out DIR` saves weights, results and checkpoints)")
    elif result.records:
        kind = "results, some of them partial" if result.partial else "results"
        out.print(f"{kind}: {store.folder}", soft_wrap=True)
    if result.interrupted:
        way = "" if store is None else "; the same command goes on after the last finished epoch"
        console.say(err, f"interrupted: this is a partial result{way}", "bold yellow")
        return INTERRUPTED
    if result.partial or result.save_errors:
        return UNUSABLE
    return DIFFERENT if result.different else 0


@app.command()
def report(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[SAVED_RUN]...", help="JSON files. Without any: the newest under .benchmarks/."),
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE.md")] = Path("parity-report.md"),
) -> None:
    """Write a Markdown report on saved runs."""
    from reports import write_report

    require_writable(output)
    print(write_report(runs or [_newest_run()], output))


def _newest_run() -> Path:
    """pytest-benchmark's last saved run in the current directory. Raises RecordError."""
    saved = sorted(BENCHMARKS.glob("*/*.json"), key=lambda path: (path.stat().st_mtime, path.name))
    if not saved:
        raise RecordError(
            f"no saved run: expected {BENCHMARKS}/<machine>/<number>_<name>.json in {Path.cwd()}, found none. "
            "Save one with `pytest parity/ --benchmark-save=NAME`, or name the files of `parity train --out DIR`."
        )
    return saved[-1]


@app.command()
def doctor(as_json: JsonOption = False, device: DeviceOption = Device.auto, threads: ThreadsOption = None) -> None:
    """Look at the installation: both frameworks, data, memory, settings; say what to do about problems."""
    chosen = "gpu" if device is Device.gpu else "cpu"
    with Workers(device=chosen, threads=threads) as workers, console.busy(console.stderr(), "asking both frameworks"):
        if device is Device.auto:
            facts, errors = ask(workers)
            if not errors:
                prefer_gpu(workers, facts)
        findings = diagnose(workers)
    problems = [finding for finding in findings if finding.state == "problem"]
    if as_json:
        console.print_json({"usable": not problems, "findings": [vars(finding) for finding in findings]})
    else:
        out = console.stdout()
        console.print_table(out, console.findings_table(findings))
        out.print(f"problems to solve: {len(problems)}" if problems else "everything needed is there")
    if problems:
        raise typer.Exit(UNUSABLE)


def started(frameworks: Sequence[str], device: Device, threads: int | None) -> Workers:
    """As `start_workers`, with a word to the user meanwhile."""
    titles = " and ".join(FRAMEWORKS[name].title for name in frameworks)
    with console.busy(console.stderr(), f"starting {titles}"):
        return start_workers(frameworks, device=device.value, threads=threads)


def command() -> str:
    return shlex.join(["parity", *sys.argv[1:]])


def _message(error: Exception) -> str:
    """What the user reads of an error."""
    if isinstance(error, WorkerError) and error.step in ("start", "setup"):  # the framework or device is not there
        return without_frames(str(error)) + "\n`parity doctor` shows what is missing and what to do."
    return str(error)


def _fail(message: str, code: int) -> None:
    console.say(console.stderr(), f"parity: {message}", "red")
    raise typer.Exit(code)
