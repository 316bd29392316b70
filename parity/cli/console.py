"""The terminal: consoles that escape what they print, messages, tables, JSON. No results are computed here."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from parity.printable import printable

if TYPE_CHECKING:  # each command has imported what it prints; the others need not wait for it
    from parity.catalogue.designs import Network
    from parity.cli.doctor import Finding

STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red"}


class SafeConsole(Console):
    """Escapes control characters: names from files and models may hold some that move the cursor, or do worse."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Escape a plain text that is printed directly or in a table."""
        return super().render_str(printable(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Escape styled texts, too; rich's own control sequences stay."""
        if isinstance(renderable, Text) and (shown := printable(renderable.plain)) != renderable.plain:
            wrap = {name: getattr(renderable, name) for name in ("justify", "overflow", "no_wrap", "end")}
            renderable = Text(shown, renderable.style, **wrap)  # without the styles of its parts
        return super().render(renderable, options)


def stdout() -> Console:
    """A console for results. Piped output is never wrapped: a row stays a line."""
    return _console(sys.stdout.isatty(), stderr=False)


def stderr() -> Console:
    """A console for notes, progress and errors."""
    return _console(sys.stderr.isatty(), stderr=True)


def _console(terminal: bool, *, stderr: bool) -> Console:
    # without markup: an install hint like tensorflow[and-cuda] holds brackets
    return SafeConsole(stderr=stderr, highlight=False, markup=False, emoji=False, width=None if terminal else 1000)


def escaped(text: str, style: str = "") -> Text:
    """A text with escaped control characters: rich's Text drops some of them before `SafeConsole` gets them."""
    return Text(printable(text), style)


def print_message(console: Console, text: str, style: str = "", indent: int = 0) -> None:
    """Print a message: wrapped between words on a terminal, as long lines elsewhere.

    Args:
        console: `stdout()` or `stderr()`.
        text: of one or more lines; control characters in it are escaped.
        style: of rich, such as "red".
        indent: spaces before each line.
    """
    if console.is_terminal:
        console.print(Padding(escaped(text, style), (0, 0, 0, indent)))
    else:
        margin = " " * indent
        console.print(margin + text.replace("\n", f"\n{margin}"), soft_wrap=True)


def busy(console: Console, what: str) -> contextlib.AbstractContextManager[Any]:
    """A context manager that shows a spinner with a text on a terminal; elsewhere it shows nothing."""
    return console.status(escaped(what)) if console.is_terminal else contextlib.nullcontext()


def print_json(value: Any) -> None:
    """Print one JSON object on standard output; numbers that JSON does not have (NaN, infinity) become null.

    Example:
        >>> print_json({"gap": float("nan")})
        {
          "gap": null
        }
    """
    print(json.dumps(_json_value(value), indent=2, allow_nan=False))


def _json_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_table(console: Console, table: Table) -> None:
    """Print a table; without trailing spaces where the output is no terminal."""
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as captured:
        console.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()), file=console.file)


def networks_table(networks: Sequence[Network]) -> Table:
    """The catalogue as a table: one row for each network."""
    table = table_of("network", "params", "trainable", "MFLOP", "published", "source", right=(1, 2, 3, 4))
    for entry in networks:
        table.add_row(
            entry.name,
            f"{entry.params:,}",
            f"{entry.trainable:,}",
            f"{entry.flops / 1e6:,.1f}",
            ", ".join(f"{published.accuracy:.2f} %" for published in entry.published) or "-",
            entry.source,
        )
    return table


def network_facts(entry: Network) -> dict[str, Any]:
    """One network for --json: FLOPs of one image's forward, accuracy in percent."""
    return {
        "name": entry.name,
        "source": entry.source,
        "params": entry.params,
        "trainable": entry.trainable,
        "flops": entry.flops,
        "recipe": entry.recipe,
        "checked_by_default": entry.in_profile,
        "published": [
            {"source": published.source, "accuracy": published.accuracy, "epochs": published.epochs}
            for published in entry.published
        ],
    }


def findings_table(findings: Sequence[Finding]) -> Table:
    """The findings of `parity doctor` as a table, with what to do."""
    table = table_of("", "what", "found")
    for column in table.columns[:2]:
        column.no_wrap = True
    for finding in findings:
        detail = escaped(finding.detail)
        if finding.advice:
            detail.append(escaped(f"\nwhat to do: {finding.advice}", STYLES[finding.severity]))
        table.add_row(Text(finding.severity, STYLES[finding.severity]), finding.what, detail)
    return table


def table_of(*headings: str, right: Sequence[int] = ()) -> Table:
    """A table without rows, in the style of all commands.

    Args:
        headings: of the columns.
        right: indices of the columns that are aligned to the right.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="right" if index in right else "left", overflow="fold")
    return table
