"""Numbers and words as a reader of GitHub-flavoured Markdown should see them.

Everything that comes from a saved run passes through `plain` or `code` on its way to the page: both take directories of
the machine out of it, escape Markdown's own characters, and show what `parity.printable` makes of the rest.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Sequence
from typing import Any, TypeGuard

from tabulate import tabulate

from parity.catalogue.titles import TITLES
from parity.printable import printable

NOT_RECORDED = "not recorded"

NOTHING = "-"

NBSP = "\N{NO-BREAK SPACE}"  # keeps a number and its unit on one line of a narrow cell

_ENDS = r"[^\s/\\'\"`,;()<>|]+"  # one component of a path

_PATH = re.compile(
    rf"(?<![\w./~])(?:file://)?(?:~|/{_ENDS}(?=/))(?:/{_ENDS})+/?"  # two components or more, or a home
    rf"|(?<![^\s='\"`])/[A-Za-z_]{_ENDS}/?"  # one component on its own or after an option's =
    rf"|\b[A-Za-z]:[\\/](?:{_ENDS}[\\/]?)+"  # a drive
)


def framework_title(framework: str) -> str:
    """The name a reader knows the framework by."""
    return TITLES.get(framework, framework)


def framework_order(framework: str) -> tuple[int, str]:
    """Sort key: the two frameworks of the project first, in the project's order."""
    known = list(TITLES)
    return (known.index(framework) if framework in known else len(known), framework)


def is_number(value: Any) -> TypeGuard[float]:
    """Whether `value` is a finite number; NaN, infinity, None, text and booleans are not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def without_directories(text: str) -> str:
    """`text` with every absolute path cut down to its last name: a report travels, a machine's directories do not."""
    return _PATH.sub(lambda match: re.split(r"[\\/]", match.group().rstrip("\\/"))[-1], text)


def one_line(value: Any) -> str:
    """Text from a record on one line, without directories and without characters that do not print; Markdown stays."""
    return " ".join(without_directories(printable(value)).split())


def plain(value: Any) -> str:
    """Text from a record as one line of Markdown in which nothing is markup; 'not recorded' when there is none."""
    if value is None or value == "":
        return NOT_RECORDED
    line = one_line(value)
    line = re.sub(r"([\\`*\[\]<>~$])", r"\\\1", line)
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", line)  # an underscore inside a name is no markup


def code(value: Any) -> str:
    """A name from a record in code type; 'not recorded' when there is none."""
    if value is None or value == "":
        return NOT_RECORDED
    return "`" + one_line(value).replace("`", "'") + "`"


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[str] = ()) -> str:
    """A Markdown table; the columns whose header is in `numeric` are aligned right, pipes in the texts are escaped.

    >>> print(table(["network", "gap"], [["`lenet5`", "0"]], numeric=["gap"]))
    | network   |   gap |
    |:----------|------:|
    | `lenet5`  |     0 |

    Args:
        headers: Markdown, one for each column.
        rows: Markdown; as many texts in a row as there are headers.
        numeric: some of `headers`.
    """
    align = ["right" if header in numeric else "left" for header in headers]
    escaped = [[text.replace("|", "\\|") for text in row] for row in rows]
    return str(tabulate(escaped, headers=headers, tablefmt="pipe", colalign=align, disable_numparse=True))


def count_text(value: Any) -> str:
    """A whole number with thousands separators.

    >>> count_text(1234567)
    '1,234,567'
    """
    return f"{value:,.0f}" if is_number(value) else NOT_RECORDED


def gap_text(value: Any) -> str:
    """A relative gap or its limit: `2.1e-15`, `1e-12`, `0` when exactly equal, `NaN` and `none` spelled out.

    >>> [gap_text(value) for value in (2.13e-15, 1e-12, 0.0, None)]
    ['2.1e-15', '1e-12', '0', 'none']
    """
    if value is None:
        return "none"
    if not is_number(value):
        return "NaN" if isinstance(value, float) and math.isnan(value) else plain(value)
    return "0" if value == 0 else f"{value:.1e}".replace("1.0e", "1e")


def within(gap: Any, limit: Any) -> bool:
    """Whether a gap is a number within its limit; one that was not measured, or has no limit, is not."""
    return is_number(gap) and is_number(limit) and gap <= limit


def percent(fraction: Any) -> str:
    """An accuracy in 0..1 as percent with two decimals."""
    return f"{100 * fraction:.2f}" if is_number(fraction) else NOTHING


def figures(value: Any) -> str:
    """Three significant digits, never in scientific notation: 0.0123, 1.23, 12.3, 123, 12,300 (rounded)."""
    if not is_number(value):
        return NOTHING
    if value == 0:
        return "0"
    decimals = 2 - int(f"{value:.2e}".partition("e")[2])  # of the rounded value: 99.99 is 100, not 100.0
    return f"{round(value, decimals):,.{max(decimals, 0)}f}"


def duration(seconds: Any) -> str:
    """Seconds for reading: `0.42 s`, `41.2 s`, `12 min 5 s`, `16 h 21 min`."""
    if not is_number(seconds):
        return NOTHING
    if seconds < 120:
        return f"{figures(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def brief(seconds: Any) -> str:
    """Seconds for a narrow column, in one unit: `41.2 s`, `13.0 min`, `16.4 h`."""
    if not is_number(seconds):
        return NOTHING
    for size, unit in ((7200, "h"), (120, "min")):
        if seconds >= size:
            return f"{figures(seconds / (3600 if unit == 'h' else 60))}{NBSP}{unit}"
    return f"{figures(seconds)}{NBSP}s"


def signed(value: Any) -> str:
    """A difference with its sign and two decimals, never `-0.00`; one that is no number is bold."""
    return f"{round(value, 2) + 0.0:+.2f}" if is_number(value) else "**NaN**"


def interval_text(bounds: Sequence[float]) -> str:
    """A confidence interval of a difference, from its two bounds; one that is no number is bold."""
    if any(math.isnan(bound) for bound in bounds):
        return "**NaN**"
    if any(math.isinf(bound) for bound in bounds):
        return "unbounded"
    return f"{signed(bounds[0])} to {signed(bounds[1])}"


def percents(fractions: Sequence[float]) -> str:
    """Accuracies in 0..1 as percent: mean ± standard deviation over the seeds, or the one value."""
    if not fractions:
        return NOTHING
    if len(fractions) == 1:
        return percent(fractions[0])
    values = [100 * fraction for fraction in fractions]
    return f"{statistics.fmean(values):.2f}{NBSP}±{NBSP}{statistics.stdev(values):.2f}"


def probability(value: Any) -> str:
    """A p value: `0.031`, `< 0.001`; one that is no number is bold."""
    if not is_number(value):
        return "**NaN**"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def numbers(values: Sequence[int]) -> str:
    """Seeds or epochs, ascending: `0`, `0 and 2`, `0 to 4` where none between them is absent."""
    if len(values) > 2 and list(values) == list(range(values[0], values[0] + len(values))):
        return f"{values[0]} to {values[-1]}"
    return listed([str(value) for value in values])


def levels_text(levels: Sequence[int]) -> str:
    """Levels of evidence, by number.

    >>> levels_text([2]), levels_text([1, 2, 3])
    ('level 2', 'levels 1, 2 and 3')
    """
    return f"level{'s' if len(levels) > 1 else ''} {listed([str(level) for level in levels])}"


def scaled(value: Any, unit: str) -> str:
    """A large count with its prefix, three digits.

    >>> scaled(626e6, "FLOP")
    '626 MFLOP'
    """
    if not is_number(value) or value <= 0:
        return NOT_RECORDED
    for size, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{figures(value / size)} {prefix}{unit}"
    return f"{figures(value)} {unit}"


def memory(size: Any) -> str:
    """Bytes in MiB."""
    if not is_number(size) or size <= 0:
        return NOT_RECORDED
    return f"{size / 2**20:,.0f} MiB"


def network_label(network: str, versions: str) -> str:
    """A network's name in Markdown; `versions`, plain text where there are several, in brackets."""
    return code(network) + (f" ({plain(versions)})" if versions else "")


def listed(words: Sequence[str]) -> str:
    """Words in a sentence.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else list(words))


def some(number: int, noun: str) -> str:
    """A number with its noun, which is in the singular.

    >>> some(2000, "network")
    '2,000 networks'
    """
    return f"{number} {noun}" if number == 1 else f"{number:,} {noun}s"


def folded(summary: str, text: str) -> str:
    """A text that is shown on demand; the empty lines make Markdown of what is between the tags.

    >>> folded("All 3", "text").splitlines()
    ['<details>', '<summary>All 3</summary>', '', 'text', '', '</details>']
    """
    return f"<details>\n<summary>{summary}</summary>\n\n{text}\n\n</details>"
