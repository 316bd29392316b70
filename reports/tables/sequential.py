"""Tables of the sequential test of accuracies: how many seeds it took, and how often it errs in simulations."""

from __future__ import annotations

from collections.abc import Sequence

from parity.records.accuracy_records import SequentialErrors, SequentialLook
from parity.records.sequential_errors import NORMAL, exceeds, standard_error
from reports.evidence.outcomes import Tested
from reports.formatting import NBSP, NOTHING, figures, interval_text, listed, signed, table
from reports.tables.outcomes import verdict_text


def sequential_table(tests: Sequence[tuple[Tested, SequentialLook]]) -> str:
    """One row a test: the seeds that it took, of how many, and how strict its last look was."""
    numeric = ["most seeds", "seeds", "looks", "difference", "interval", "alpha, equivalent", "alpha, different"]
    rows = [
        [
            test.label,
            str(look.looks[-1]),
            str(look.seeds),
            f"{look.number} of {len(look.looks)}",
            signed(test.record.difference),
            interval_text(test.record.interval),
            figures(1 - test.record.confidence),
            figures(look.alpha_different),
            verdict_text(test.record),
        ]
        for test, look in tests
    ]
    return table(["network", *numeric, "verdict"], rows, numeric)


def errors_table(records: Sequence[SequentialErrors]) -> str:
    """One row for the simulations of one setting, which are of one plan; a share above the test's bound is bold."""
    settings: dict[tuple[str, str], list[SequentialErrors]] = {}
    for record in records:
        settings.setdefault(_setting(record), []).append(record)
    differences = sorted({abs(record.true_difference) for record in records})
    margin = records[0].margin
    seeds = f"mean seeds at a difference of {' / '.join(f'{difference:g}' for difference in differences)}"
    numeric = ["“different” without a difference", f"“equivalent” at a difference of {margin:g}", seeds]
    rows = []
    for (distributions, deviations), own in settings.items():
        # of a difference and its opposite, the one with the larger error
        ascending = sorted(own, key=lambda record: record.error or 0.0)
        by_difference = {abs(record.true_difference): record for record in ascending}
        known = [by_difference.get(difference) for difference in differences]
        cells = [_error(by_difference.get(difference)) for difference in (0.0, margin)]
        means = " / ".join(f"{record.mean_seeds:.1f}" if record else NOTHING for record in known)
        rows.append([distributions, deviations, *cells, means])
    return table(["accuracies", "standard deviations", *numeric], rows, numeric)


def errors_lines(records: Sequence[SequentialErrors]) -> list[str]:
    """The largest error of normal accuracies, and every error above the test's bound, in a sentence each."""
    lines = []
    normal = [record for record in records if record.distributions == NORMAL and record.error is not None]
    if normal:
        largest = max(normal, key=lambda record: record.error or 0.0)
        lines.append(f"The largest error with normal accuracies: {_described(largest)}.")
    if above := [record for record in records if exceeds(record)]:
        lines.append(
            f"Above {100 * records[0].bound:g} %: {listed([_described(record) for record in above])}. A t-test takes "
            "accuracies to be normal; where they are not, and one framework's spread makes nearly all of the error, it "
            "errs more often."
        )
    return lines


def _setting(record: SequentialErrors) -> tuple[str, str]:
    """The distributions, and the standard deviations, of both frameworks; one name where both have the same."""
    return (
        listed(list(dict.fromkeys(record.distributions))),
        listed([f"{deviation:g}" for deviation in record.deviations]),
    )


def _error(record: SequentialErrors | None) -> str:
    if record is None:
        return NOTHING
    return f"**{_share(record)}**" if exceeds(record) else _share(record)


def _share(record: SequentialErrors) -> str:
    """The error with its standard error, in percent."""
    error = record.error or 0.0
    spread = standard_error(error, record.matrices)
    return f"{100 * error:.2f}{NBSP}±{NBSP}{100 * spread:.2f}{NBSP}%"


def _described(record: SequentialErrors) -> str:
    distributions, deviations = _setting(record)
    word = f"“equivalent” at {record.true_difference:g}" if record.true_difference else "“different”"
    return f"{_share(record)} ({word}; {distributions}, standard deviations {deviations})"
