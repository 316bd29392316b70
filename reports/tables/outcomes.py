"""The tables of what trainings came to: equivalence of accuracies, and weights evaluated in the other framework."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from parity.records.accuracy_records import CrossEvaluation, DifferingImage, Equivalence
from reports.evidence.outcomes import Tested, crossing_key, holds, trained_by
from reports.formatting import (
    code,
    count_text,
    framework_title,
    gap_text,
    interval_text,
    is_number,
    numbers,
    plain,
    signed,
    table,
)
from reports.formatting import probability as p_value


def equivalence_table(tests: Sequence[Tested]) -> str:
    """One row a test: the difference of the means, its interval, the margin, both p values and the verdict."""
    levels = {_level(test.record) for test in tests}
    interval = f"{levels.pop()} interval" if len(levels) == 1 else "interval"
    headers = ["network", "seeds", "difference", interval, "margin", "p equivalent", "p different", "verdict"]
    rows = []
    for test in tests:
        record = test.record
        rows.append(
            [
                test.label,
                str(len(record.seeds)),
                signed(record.difference) if record.seeds else "-",
                interval_text(record.interval) + (f" ({_level(record)})" if interval == "interval" else ""),
                f"±{record.margin:g}",
                p_value(record.p_equivalent),
                p_value(record.p_different),
                verdict_text(record),
            ]
        )
    return table(headers, rows, headers[1:-1])


def equivalence_problems(tests: Sequence[Tested]) -> list[str]:
    """What was left out or is missing, one Markdown line each."""
    return [f"- {test.label}: {plain(problem)}" for test in tests for problem in test.record.problems]


def verdict_text(record: Equivalence) -> str:
    """The verdict for a table, bold but for "equivalent", which the record's own interval has to show."""
    if record.verdict == "equivalent" and not holds(record):
        return "**undecided** (recorded as equivalent, against its own interval)"
    return "equivalent" if holds(record) else f"**{plain(record.verdict)}**"


def _level(record: Equivalence) -> str:
    """The two-sided level of the interval: 90 % where each one-sided test is at 95 %."""
    return f"{100 * (2 * record.confidence - 1):.{1 if record.sequential else 0}f} %"


def cross_table(records: Sequence[CrossEvaluation]) -> str:
    """One row a network and direction, all seeds together."""
    headers = [
        "network",
        "recipe",
        "trained in",
        "evaluated in",
        "seeds",
        "images",
        "differing",
        "largest margin",
        "settled by float64",
        "logit gap",
    ]
    grouped: dict[tuple[Hashable, ...], list[CrossEvaluation]] = {}
    for record in records:
        grouped.setdefault(crossing_key(record), []).append(record)
    rows = []
    for group in grouped.values():
        first = group[0]
        differing = [image for record in group for image in record.differing]
        margins = [image.margin for image in differing]
        gaps = [record.largest_gap for record in group]
        rows.append(
            [
                code(first.network),
                ", ".join([code(first.recipe) if first.recipe else "-", *map(plain, trained_by(first))]),
                framework_title(first.trained_in),
                framework_title(first.evaluated_in),
                numbers(sorted(record.seed for record in group)),
                count_text(sum(record.images for record in group)),
                count_text(len(differing)),
                _largest(margins) if differing else "-",
                _settled(group, differing),
                _largest(gaps),
            ]
        )
    return table(headers, rows, [*headers[4:8], "logit gap"])


def _largest(values: Sequence[object]) -> str:
    """The largest of some gaps; one that is no number is bold."""
    known = [value for value in values if is_number(value)]
    return gap_text(max(known)) if len(known) == len(values) else "**NaN**"


def _settled(records: Sequence[CrossEvaluation], differing: Sequence[DifferingImage]) -> str:
    if any(record.problems or not record.images > 0 for record in records):
        return "**not evaluated**"
    if not differing:
        return "nothing to settle"
    agreed = sum(image.float64_agree for image in differing)
    return "all" if agreed == len(differing) else f"**{agreed} of {len(differing)}**"
