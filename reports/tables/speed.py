"""Tables of speed: images a second of each framework, their ratio, and the suite's own overhead."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from parity.records.speed_records import Overhead, Speed
from reports.evidence.merged_runs import Sourced
from reports.evidence.network_facts import network_order
from reports.formatting import (
    NOTHING,
    TITLES,
    code,
    count_text,
    figures,
    framework_title,
    is_number,
    listed,
    plain,
    table,
)


@dataclass(frozen=True)
class Rate:
    """Images a second: the median of `rounds` measurements, `spread` is half the interquartile range."""

    median: float
    spread: float | None
    rounds: int


@dataclass(frozen=True)
class SpeedPair:
    """What was measured of one step, by framework."""

    network: str
    what: str
    batch: int
    measured: dict[str, Sourced[Speed]]


def rate(item: Sourced[Speed] | None) -> Rate | None:
    """Images a second from the benchmark's seconds a step; None when they are absent or make no sense."""
    if item is None:
        return None
    median, iqr, number = item.stats.median, item.stats.iqr, item.stats.rounds or 0
    if not is_number(median) or median <= 0:
        return None
    images = item.record.batch / median
    # To first order an interval of seconds is the same share of the seconds as of the images a second.
    spread = images * iqr / median / 2 if is_number(iqr) and number > 1 else None
    return Rate(images, spread, number)


def pairs(speeds: Sequence[Sourced[Speed]]) -> list[SpeedPair]:
    """Speed records grouped by network, step and batch; forward before train step."""
    grouped: dict[tuple[str, str, int], dict[str, Sourced[Speed]]] = {}
    for item in speeds:
        record = item.record
        grouped.setdefault((record.network, record.what, record.batch), {})[record.framework] = item
    order = sorted(grouped, key=lambda key: (network_order(key[0]), key[1], key[2]))
    return [SpeedPair(*key, grouped[key]) for key in order]


def unlike(pair: SpeedPair) -> str | None:
    """Why the two frameworks' figures cannot be compared, or None."""
    first, second = (pair.measured[framework].record for framework in TITLES)
    for name in ("precision", "device", "threads"):
        if getattr(first, name) != getattr(second, name):
            return f"{name} {plain(getattr(first, name))} and {plain(getattr(second, name))}"
    return None


def ratio(pair: SpeedPair) -> str:
    """First framework / second framework in images a second, or why there is no such figure."""
    rates = [rate(pair.measured.get(framework)) for framework in TITLES]
    if rates[0] is None or rates[1] is None:
        return NOTHING
    if difference := unlike(pair):
        return f"**refused: {difference}**"
    value = f"{rates[0].median / rates[1].median:.2f}"
    one_run = len({id(pair.measured[framework].run) for framework in TITLES}) == 1
    return value if one_run else f"{value} (two runs)"


def speed_table(groups: Sequence[SpeedPair]) -> str:
    """One row a network, step and batch; a cell is median ± half the interquartile range, n in brackets."""
    titles = [framework_title(framework) for framework in TITLES]
    headers = ["network", "step", "batch", *(f"{title}, images/s" for title in titles), "ratio", "first step, s"]
    numeric = headers[2:]
    rows = []
    for pair in groups:
        items = [pair.measured.get(framework) for framework in TITLES]
        rows.append(
            [code(pair.network), plain(pair.what), count_text(pair.batch)]
            + [_rate(item) for item in items]
            + [ratio(pair)]
            + [" / ".join(figures(item.record.first_seconds) if item else NOTHING for item in items)]
        )
    return table(headers, rows, numeric)


def _rate(item: Sourced[Speed] | None) -> str:
    measured = rate(item)
    if measured is None:
        return "not measured"
    spread = f" ± {figures_like(measured.spread, measured.median)}" if measured.spread is not None else ""
    return f"{figures(measured.median)}{spread} ({measured.rounds})"


def figures_like(spread: float, value: float) -> str:
    """A spread with as many decimals as `figures` gives the value it belongs to; at least one below 0.5."""
    decimals = len(figures(value).partition(".")[2])
    return f"{spread:,.{max(decimals, int(spread < 0.5))}f}"


def overhead_table(overheads: Sequence[Sourced[Overhead]]) -> str:
    """The suite's own loop against a baseline loop of the same framework: median ratio, range, target."""
    headers = ["network", "framework", "baseline", "batch", "baseline / suite", "range", "n", "target", "reached"]
    rows = []
    for item in overheads:
        record = item.record
        names = [code(record.network), framework_title(record.framework), plain(record.baseline)]
        names.append(count_text(record.batch) if record.batch else NOTHING)  # a transfer has no batches
        target = figures(record.target)
        if not record.ratios:
            rows.append([*names, "**not a number**", NOTHING, "0", target, "**no**"])
            continue
        reached = "yes" if statistics.median(record.ratios) >= record.target else "**no**"
        rows.append([*names, *ratio_cells(record.ratios), target, reached])
    return table(headers, rows, ["batch", "baseline / suite", "range", "n", "target"])


def ratio_cells(ratios: Sequence[float]) -> list[str]:
    """Ratios of interleaved pairs, one or more, for a table: their median, their range, and how many there are."""
    return [f"{statistics.median(ratios):.3f}", f"{min(ratios):.2f} to {max(ratios):.2f}", str(len(ratios))]


def speed_conditions(speeds: Sequence[Sourced[Speed]]) -> str:
    """How the steps ran, as a Markdown list: mode, precision, device, threads, steps a measurement, by framework."""
    lines = []
    for framework in dict.fromkeys(item.record.framework for item in speeds):
        ways: dict[tuple[str, ...], list[Speed]] = {}
        for record in (item.record for item in speeds if item.record.framework == framework):
            ways.setdefault((record.mode, record.precision, record.device, str(record.threads)), []).append(record)
        for (mode, precision, device, threads), records in ways.items():
            steps = [record.steps_per_measurement for record in records]
            extent = str(min(steps)) if min(steps) == max(steps) else f"{min(steps)} to {max(steps)}"
            names = listed(list(dict.fromkeys(code(record.network) for record in records)))
            lines.append(
                f"- {framework_title(framework)}{f' ({names})' if len(ways) > 1 else ''}: {code(mode)}, "
                f"{plain(precision)}, {plain(device)}, threads: {plain(threads)}, steps a measurement: {extent}"
            )
    return "\n".join(lines)
