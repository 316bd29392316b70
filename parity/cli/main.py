"""The command `parity`: networks, check, traps, train, matrix, report, doctor; for own models compare, convert, repro.

Exit codes: 0 equal or done; 1 different; 2 wrong usage, or something needed is missing, or a training or its saving
failed; 130 interrupted, 143 by SIGTERM.
"""

from __future__ import annotations

import io
import os
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from parity import __version__, termination
from parity.cli import matrix
from parity.cli.check import check
from parity.cli.help_texts import epilog, help_of
from parity.cli.migrate import compare, convert, repro
from parity.cli.options import UNUSABLE, Device, DeviceOption, JsonOption, ThreadsOption
from parity.cli.train import train
from parity.cli.traps import traps
from parity.error_causes import DEBUG, cause

BENCHMARKS = Path(".benchmarks")  # pytest-benchmark's own storage


class ErrorMessages(TyperGroup):
    """Turns the suite's errors into one message and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _fail("terminated" if termination.terminated() else "interrupted", termination.exit_code())
        except (BrokenPipeError, typer.Exit):
            raise  # the reader of the output has ended: typer ends quietly; or the command has set its exit code
        except Exception as error:
            from parity.catalogue.networks import UnknownNetworkError
            from parity.catalogue.targets import TargetError
            from parity.cluster.errors import ClusterError
            from parity.data.dataset import DataError
            from parity.migration.specs import MatchError
            from parity.records.validation import RecordError
            from parity.training.checkpoint import CheckpointError
            from parity.training.store import StoreError
            from parity.weights.pdparams import WeightsError
            from parity.weights.state import StateError
            from parity.workers.errors import WorkerError

            usual = (DataError, OSError, RecordError, UnknownNetworkError, ValueError, WorkerError)
            known = (
                CheckpointError,
                ClusterError,
                MatchError,
                StateError,
                StoreError,
                TargetError,
                WeightsError,
                *usual,
            )
            if DEBUG in os.environ or not isinstance(error, known):
                raise
            _fail(_message(error), UNUSABLE)


app = typer.Typer(
    cls=ErrorMessages,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # its tables shorten the names of options at 80 columns
    epilog=epilog(""),
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """The console script: nothing ends in a traceback unless $PARITY_DEBUG is set."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a character that the terminal's encoding lacks is no error
    termination.end_like_ctrl_c()
    try:
        app(prog_name="parity")
    except Exception as error:
        if DEBUG in os.environ:
            traceback.print_exc()
            sys.exit(UNUSABLE)
        from parity.cli import console

        console.print_message(
            console.stderr(),
            f"parity: an error of the suite itself, {cause(error)}\n"
            f"Please report it with the traceback that the same command shows with {DEBUG}=1.",
        )
        sys.exit(UNUSABLE)


def _version(requested: bool) -> None:
    if requested:
        print(f"parity {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Prove that twin networks in PaddlePaddle and TensorFlow compute the same thing, and train both."""


@app.command(**help_of("networks"))
def networks(as_json: JsonOption = False) -> None:
    """List the networks of the catalogue."""
    from parity.catalogue.networks import NETWORKS
    from parity.cli import console

    if as_json:
        console.print_json({"networks": [console.network_facts(entry) for entry in NETWORKS.values()]})
    else:
        console.print_table(console.stdout(), console.networks_table(list(NETWORKS.values())))


for command in (check, traps, compare, convert, repro, train):
    app.command(**help_of(command.__name__))(command)

app.add_typer(matrix.app, name="matrix", **help_of("matrix"))


@app.command(**help_of("report"))
def report(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="SAVED_RUN", help="JSON files. Without any: the newest under .benchmarks/."),
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE.md")] = Path("parity-report.md"),
) -> None:
    """Write a Markdown report on saved runs."""
    from parity.system import require_writable

    require_writable(output)
    from reports import write_report

    print(write_report(runs or [_newest_run()], output))


def _newest_run() -> Path:
    """pytest-benchmark's last saved run in the current directory. Raises RecordError."""
    from parity.records.validation import RecordError

    saved = sorted(BENCHMARKS.glob("*/*.json"), key=lambda path: (path.stat().st_mtime, path.name))
    if not saved:
        raise RecordError(
            f"no saved run: expected {BENCHMARKS}/<machine>/<number>_<name>.json in {Path.cwd()}, found none. "
            "Save one with `pytest parity/ --benchmark-save=NAME`, or name the files of `parity train --out DIR`."
        )
    return saved[-1]


@app.command(**help_of("doctor"))
def doctor(as_json: JsonOption = False, device: DeviceOption = Device.auto, threads: ThreadsOption = None) -> None:
    """Test the installation: both frameworks, data, memory, settings; say what to do about problems."""
    from parity.cli import console
    from parity.cli.doctor import examine_machine, try_out
    from parity.workers.pool import Workers
    from parity.workers.start import ask_environments, prefer_gpu

    chosen = "gpu" if device is Device.gpu else "cpu"
    with Workers(device=chosen, threads=threads) as workers, console.busy(console.stderr(), "asking both frameworks"):
        if device is Device.auto:
            environments, errors = ask_environments(workers)
            if not errors:
                prefer_gpu(workers, environments)
        findings = [*examine_machine(workers), *try_out(workers)]
    problems = [finding for finding in findings if finding.severity == "problem"]
    if as_json:
        console.print_json({"usable": not problems, "findings": [vars(finding) for finding in findings]})
    else:
        out = console.stdout()
        console.print_table(out, console.findings_table(findings))
        out.print(f"problems to solve: {len(problems)}" if problems else "everything needed is there")
    if problems:
        raise typer.Exit(UNUSABLE)


def _message(error: Exception) -> str:
    """What the user reads of an error."""
    from parity.workers.errors import WorkerError, without_frames

    if isinstance(error, WorkerError) and error.step in ("start", "setup"):  # the framework or device is not there
        return without_frames(str(error)) + "\n`parity doctor` shows what is missing and what to do."
    return str(error)


def _fail(message: str, code: int) -> None:
    from parity.cli import console

    console.print_message(console.stderr(), f"parity: {message}", "red")
    raise typer.Exit(code)
