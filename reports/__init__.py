"""The report generator: saved results in, Markdown and pictures out; it measures nothing.

`write_report` takes saved runs, `write_migration_report` what `parity compare` found of two models:

    from pathlib import Path
    from reports import write_report

    write_report([Path("0001_parity.json"), Path("0002_training.json")], Path("parity-report.md"))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from parity.records.migrations import Migration
from parity.system import write_together
from reports.evidence.merged_runs import read_runs
from reports.pages import migration
from reports.pages.report import compose_report

__all__ = ["write_migration_report", "write_report"]


def write_report(runs: Sequence[Path], output: Path) -> Path:
    """Write the report on saved runs: Markdown at `output`, its pictures in the folder `<stem>_files` beside it.

    Where runs hold a record for the same key (see `reports.evidence.merged_runs`), the one of the later run counts;
    later is by the runs' own dates, not by their order here. The same runs give the same bytes. Everything is made
    before anything is written, and each file is replaced as a whole: a failure leaves the old report or none, never a
    half.

    Args:
        runs: JSON files of `pytest --benchmark-save` or `parity train`.
        output: the Markdown file; its directory is made when it is missing.

    Returns:
        `output`.

    Raises:
        RecordError: a file cannot be read as a saved run, or the runs hold no record at all.
        OSError: the report cannot be written.
    """
    output = Path(output)
    folder = output.with_name(f"{output.stem}_files")
    text, pictures = compose_report(read_runs(runs), output.name, folder.name)
    _write(output, text, folder, pictures)
    return output


def write_migration_report(comparison: Migration, output: Path) -> Path:
    """Write the report on two models, for the engineer who signs the migration; files as those of `write_report`.

    Args:
        comparison: what `parity compare` found; the same record gives the same bytes.
        output: the Markdown file; its directory is made when it is missing.

    Returns:
        `output`.

    Raises:
        RecordError: the record's environment is not in the form of one.
        OSError: the report cannot be written.
    """
    output = Path(output)
    folder = output.with_name(f"{output.stem}_files")
    text, pictures = migration.compose_migration_report(comparison, folder.name)
    _write(output, text, folder, pictures)
    return output


def _write(output: Path, text: str, folder: Path, pictures: Mapping[str, bytes]) -> None:
    """Pictures first, then the text that shows them: all are there under temporary names before any is renamed."""
    write_together({folder / name: picture for name, picture in pictures.items()} | {output: text.encode()})
