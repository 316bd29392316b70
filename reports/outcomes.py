"""Evidence 10: accuracy over several seeds, and weights of one framework evaluated in the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from parity.equivalence import FEWEST_SEEDS, equivalence
from parity.results import CrossEvaluation, Equivalence
from reports.experiments import Experiment
from reports.text import (
    TITLES,
    code,
    count,
    framework_title,
    gap,
    is_number,
    numbers,
    plain,
    signed,
    some,
    table,
)
from reports.text import probability as p_value

DIFFERENT = "different"


@dataclass(frozen=True)
class Tested:
    """A test of equivalence, with the name of what was tested for tables and for pictures."""

    record: Equivalence
    label: str  # Markdown
    title: str


def tested(groups: Sequence[Experiment], recorded: Sequence[Equivalence], versions: str) -> list[Tested]:
    """The tests of all experiments that have seeds enough, made of the trainings themselves.

    A recorded test counts only where the runs do not hold its trainings: so figures and verdicts never part company.
    All are of the same versions of the frameworks; `versions` names them in plain text, where there are others.
    """
    found = []
    keys = set()
    for group in groups:
        seeds = [len(group.records(framework)) for framework in TITLES]
        if min(seeds) == 0 or max(seeds) < FEWEST_SEEDS:
            continue
        record = equivalence({framework: group.records(framework) for framework in TITLES})
        keys.add(_key(record))
        found.append(Tested(record, group.label, group.title))
    for record in recorded:
        if _key(record) not in keys:
            words = ", ".join([record.recipe, some(record.epochs, "epoch"), *([versions] if versions else [])])
            found.append(Tested(record, f"{code(record.network)} ({plain(words)})", f"{record.network} ({words})"))
    return found


def _key(record: Equivalence) -> tuple[str, str, str, int, int]:
    return record.network, record.recipe, record.dataset, record.train_images, record.epochs


def equivalence_faults(record: Equivalence) -> list[str]:
    """Why the test speaks against the network, in Markdown; empty when it does not."""
    if record.verdict != DIFFERENT:
        return []
    return [
        f"accuracy by recipe {code(record.recipe)}, {some(len(record.seeds), 'seed')}: {signed(record.difference)} "
        f"points, interval {_interval(record)}, margin {record.margin:g}"
    ]


def holds(record: Equivalence) -> bool:
    """Whether a test says "equivalent", and its own figures do too."""
    inside = all(is_number(bound) and abs(bound) < record.margin for bound in record.interval)
    return record.verdict == "equivalent" and len(record.interval) == 2 and inside


def equivalence_table(tests: Sequence[Tested]) -> str:
    """One row a test: the difference of the means, its interval, the margin, both p values and the verdict."""
    levels = {_level(test.record) for test in tests}
    interval = f"{levels.pop()} interval" if len(levels) == 1 else "interval"
    headers = ["network", "seeds", "difference", interval, "margin", "p equivalent", "p different", "verdict"]
    rows = []
    for test in tests:
        record = test.record
        word = "equivalent" if holds(record) else f"**{plain(record.verdict)}**"
        if record.verdict == "equivalent" and not holds(record):
            word = "**undecided** (recorded as equivalent, against its own interval)"
        rows.append(
            [
                test.label,
                str(len(record.seeds)),
                signed(record.difference) if record.seeds else "-",
                _interval(record) + (f" ({_level(record)})" if interval == "interval" else ""),
                f"±{record.margin:g}",
                p_value(record.p_equivalent),
                p_value(record.p_different),
                word,
            ]
        )
    return table(headers, rows, headers[1:-1])


def equivalence_problems(tests: Sequence[Tested]) -> list[str]:
    """What was left out or is missing, one Markdown line each."""
    return [f"- {test.label}: {plain(problem)}" for test in tests for problem in test.record.problems]


def _level(record: Equivalence) -> str:
    """The two-sided level of the interval: 90 % where each one-sided test is at 95 %."""
    return f"{100 * (2 * record.confidence - 1):.0f} %"


def _interval(record: Equivalence) -> str:
    if len(record.interval) != 2 or any(not isinstance(b, int | float) or math.isnan(b) for b in record.interval):
        return "**NaN**"
    if any(math.isinf(bound) for bound in record.interval):
        return "unbounded"
    return f"{signed(record.interval[0])} to {signed(record.interval[1])}"


def cross_faults(record: CrossEvaluation) -> list[str]:
    """Why a cross-evaluation speaks against the network, in Markdown; empty when it does not."""
    who = (
        f"weights of {framework_title(record.trained_in)}, seed {plain(record.seed)}, in "
        f"{framework_title(record.evaluated_in)}"
    )
    found = [f"{who}: {plain(problem)}" for problem in record.problems]
    if not (is_number(record.images) and record.images > 0):
        found.append(f"{who}: no image was evaluated")
    if not is_number(record.largest_gap):
        found.append(f"{who}: the largest gap of a logit is {gap(record.largest_gap)}")
    if unsettled := [each for each in record.differing if each.get("float64_agree") is not True]:
        noun = "differs" if len(unsettled) == 1 else "differ"
        found.append(f"{who}: {some(len(unsettled), 'prediction')} {noun} in float64 too")
    return found


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
    grouped: dict[tuple[str, ...], list[CrossEvaluation]] = {}
    for record in records:
        key = (record.network, record.recipe, record.dataset, record.trained_in, record.evaluated_in)
        grouped.setdefault(key, []).append(record)
    rows = []
    for (network, recipe, _, home, abroad), found in grouped.items():
        differing = [each for record in found for each in record.differing]
        margins = [each.get("margin") for each in differing]
        gaps = [record.largest_gap for record in found]
        rows.append(
            [
                code(network),
                code(recipe) if recipe else "-",
                framework_title(home),
                framework_title(abroad),
                numbers(sorted(record.seed for record in found)),
                count(sum(record.images for record in found)),
                count(len(differing)),
                _largest(margins) if differing else "-",
                _settled(found, differing),
                _largest(gaps),
            ]
        )
    return table(headers, rows, [*headers[4:8], "logit gap"])


def _largest(values: Sequence[object]) -> str:
    """The largest of some gaps; one that is no number is loud."""
    known = [value for value in values if is_number(value)]
    return gap(max(known)) if len(known) == len(values) else "**NaN**"


def _settled(found: Sequence[CrossEvaluation], differing: Sequence[dict[str, object]]) -> str:
    if any(record.problems or not record.images > 0 for record in found):
        return "**not evaluated**"
    if not differing:
        return "nothing to settle"
    agreed = sum(each.get("float64_agree") is True for each in differing)
    return "all" if agreed == len(differing) else f"**{agreed} of {len(differing)}**"
