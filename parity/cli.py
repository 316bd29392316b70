"""The command `parity`: networks, check, train, report, doctor.

Exit codes: 0 equal or done; 1 different; 2 wrong usage, or something needed is missing; 130 interrupted.
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

from parity import __version__, console
from parity.data import DataError, Dataset, find, load
from parity.environment import ask, collect, diagnose, prefer_gpu, start_workers, without_frames
from parity.networks import NETWORKS, UnknownNetworkError, default_networks, network
from parity.results import Proof, RecordError
from parity.workers import FRAMEWORKS, WorkerError, Workers

if TYPE_CHECKING:  # the rest is imported by the commands that need it, so that the others start at once
    from parity.saving import Output
    from parity.side_by_side import Result

DEBUG = "PARITY_DEBUG"  # set: errors come with their traceback
BENCHMARKS = Path(".benchmarks")  # pytest-benchmark's own storage
DIFFERENT, UNUSABLE, INTERRUPTED = 1, 2, 130


class Device(StrEnum):
    """Where to compute."""

    auto = "auto"
    cpu = "cpu"
    gpu = "gpu"


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
            from parity.weights import StateError

            known = (DataError, OSError, RecordError, StateError, UnknownNetworkError, ValueError, WorkerError)
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
    images = _images(dataset, seed)
    out = console.stderr() if as_json else console.stdout()
    found: dict[str, list[Proof]] = {}
    with started(tuple(FRAMEWORKS), device, threads) as workers:
        for name in wanted:
            out.print(f"{name} on {images.title}", soft_wrap=True)
            found[name] = list(_proofs(workers, name, images, seed, out))
            console.print_verdict(out, name, found[name])
        if as_json:
            environment = collect(workers, dataset=images, profile="check", seed=seed, command=_command())
    if as_json:
        verdicts = {
            name: {"equal": all(p.passed for p in proofs), "proofs": [p.as_dict() for p in proofs]}
            for name, proofs in found.items()
        }
        console.print_json({"networks": verdicts, "environment": environment})
    proofs = [proof for each in found.values() for proof in each]
    if not all(proof.passed for proof in proofs):
        raise typer.Exit(DIFFERENT if all(proof.compared for proof in proofs) else UNUSABLE)


def _proofs(workers: Workers, name: str, images: Dataset, seed: int, out: Any) -> Iterator[Proof]:
    """Each level's proof, printed as soon as it is there."""
    from parity.evidence import LEVELS, Evidence, prove_level

    evidence = Evidence(workers, network(name), images, seed)
    for level, title in LEVELS.items():
        with console.busy(console.stderr(), f"level {level}, {title}"):
            proof = prove_level(evidence, level)
        console.print_proof(out, proof)
        yield proof


def _images(dataset: str | None, seed: int) -> Dataset:
    """The data set asked for; when none was, CIFAR-10 if that needs no download, else drawn images."""
    if dataset is None and find() is None:
        note = "note: CIFAR-10 is not on this machine, so the inputs are generated images"
        console.say(console.stderr(), f"{note} (`--dataset cifar10` downloads it).")
        dataset = "generated"
    return load(dataset or "cifar10", seed=seed, progress=sys.stderr.isatty())


@app.command()
def train(
    name: Annotated[str, typer.Argument(metavar="NETWORK")],
    framework: Annotated[str, typer.Option(help="both, or one of: " + ", ".join(FRAMEWORKS), metavar="NAME")] = "both",
    dataset: Annotated[str, typer.Option(help="cifar10, generated or a path.", metavar="DATA")] = "cifar10",
    epochs: Annotated[int | None, typer.Option(min=1, help="Instead of the recipe's.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Images a step, instead of the recipe's.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Use the first so many images only.")] = None,
    seed: SeedOption = 0,
    device: DeviceOption = Device.auto,
    threads: ThreadsOption = None,
    out: Annotated[Path | None, typer.Option(help="Directory for weights and results.", metavar="DIR")] = None,
) -> None:
    """Train a network on the same batches in both frameworks, one after the other, and compare."""
    from parity.progress import TrainingDisplay
    from parity.saving import Output
    from parity.side_by_side import Plan, require_one_precision, run

    network(name)  # an unknown name is found before anything is made or loaded
    if framework not in ("both", *FRAMEWORKS):
        raise ValueError(f"--framework {framework}: expected both, or one of {', '.join(FRAMEWORKS)}")
    frameworks = tuple(FRAMEWORKS) if framework == "both" else (framework,)
    output = Output(out, name, seed, frameworks) if out else None
    images = load(dataset, seed=seed, progress=sys.stderr.isatty()).limited(limit)
    plan = Plan(name, frameworks, images, seed, epochs, batch)
    with started(frameworks, device, threads) as workers:
        environment = collect(workers, dataset=images, profile="train", seed=seed, command=_command())
        require_one_precision(environment)
        with TrainingDisplay(frameworks, plan.batch, console=console.stderr()) as display:
            result = run(workers, plan, output, environment, display.update)
    raise typer.Exit(_conclude(result, output))


def _conclude(result: Result, output: Output | None) -> int:
    """Print the comparison, and find the exit code."""
    out, err = console.stdout(), console.stderr()
    if result.records:
        console.say(out, f"\n{console.training_title(result.records[0])}\n")
        console.print_table(out, console.training_table(result.records))
    if len(result.records) > 1:
        batches = {record.framework: record.batches_digest for record in result.records}
        out.print(console.same("batches identical (the whole first epoch)", batches))
        initial = {record.framework: record.initial_digest for record in result.records}
        out.print(console.same("initial weights identical", initial))
    for record in result.records:
        for problem in record.problems:
            console.say(err, f"{FRAMEWORKS[record.framework].title}: {problem}")
    if output is None:
        out.print("nothing was saved (`--out DIR` saves weights and results)")
    elif result.save_error:
        console.say(err, result.save_error, "bold red")
    elif result.outcomes:
        kind = "the partial result" if result.partial else "results"
        out.print(f"saved {kind}: {output.run_path(partial=result.partial)}", soft_wrap=True)
    if result.interrupted:
        err.print("interrupted: this is a partial result", style="bold yellow")
        return INTERRUPTED
    if result.partial or result.save_error:
        return UNUSABLE
    return DIFFERENT if result.unlike or any(record.problems for record in result.records) else 0


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

    if output.is_dir():
        raise ValueError(f"-o {output}: expected a file to write, found a directory. Name a file in it.")
    print(write_report(runs or [_newest_run()], output))


def _newest_run() -> Path:
    """pytest-benchmark's last saved run in the current directory. Raises RecordError."""
    saved = sorted(BENCHMARKS.glob("*/*.json"), key=lambda path: (path.stat().st_mtime, path.name))
    if not saved:
        raise RecordError(
            f"no saved run: expected {BENCHMARKS}/<machine>/<number>_<name>.json in {Path.cwd()}, found none. "
            "Save one with `pytest parity/ --benchmark-save=NAME`, or name the file of `parity train --out DIR`."
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


def _command() -> str:
    return shlex.join(["parity", *sys.argv[1:]])


def _message(error: Exception) -> str:
    """What the user reads of an error."""
    if isinstance(error, WorkerError) and error.step in ("start", "setup"):  # the framework or device is not there
        return without_frames(str(error)) + "\n`parity doctor` shows what is missing and what to do."
    return str(error)


def _fail(message: str, code: int) -> None:
    console.say(console.stderr(), f"parity: {message}", "red")
    raise typer.Exit(code)


if __name__ == "__main__":
    main()
