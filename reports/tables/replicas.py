"""Tables of processes that share every batch: faults, images a second, reductions, and more replicas on paper."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from parity.records.replicas import ReductionSpeed, ReplicaDetection
from reports.evidence.sharing import Link, Sharing
from reports.formatting import TITLES, code, count_text, figures, framework_title, listed, plain, table


def fault_table(detections: Sequence[ReplicaDetection]) -> str:
    """One row a fault: how often it was put in, caught, placed and named, and in which networks."""
    grouped: dict[str, list[ReplicaDetection]] = {}
    for record in detections:
        grouped.setdefault(record.fault, []).append(record)
    rows = []
    for fault, records in grouped.items():
        hits = (
            sum(record.caught for record in records),
            sum(record.placed for record in records),
            sum(record.named for record in records),
        )
        networks = listed([code(name) for name in dict.fromkeys(record.network for record in records)])
        counts = [str(hit) if hit == len(records) else f"**{hit}**" for hit in hits]
        rows.append([plain(fault), str(len(records)), *counts, networks, plain(records[0].diagnosis or "none")])
    numeric = ["put in", "caught", "placed", "named"]
    return table(["fault", *numeric, "networks", "what the proof says"], rows, numeric)


def sharing_table(every: Sequence[Sharing]) -> str:
    """One row a network and framework: images a second in each way, and what the replicas gain."""
    rows = []
    for own in every:
        batch, count = own.record.batch, own.record.replicas
        rates = [batch / step for step in (own.one, own.threaded, own.engine, own.shared)]
        rows.append(
            [
                code(own.record.network),
                framework_title(own.record.framework),
                count_text(own.record.parameters),
                count_text(batch),
                str(count),
                *map(figures, rates),
                f"{own.one / own.shared:.2f}",
                f"{own.threaded / own.shared:.2f}",
            ]
        )
    ways = ["1 process, 1 thread", "1 process, N threads", "1 replica", "N replicas"]
    ratios = ["N replicas / 1 thread", "N replicas / N threads"]
    numeric = ["parameters", "batch", "N", *ways, *ratios]
    return table(["network", "framework", *numeric], rows, numeric)


def cost_table(every: Sequence[Sharing]) -> str:
    """One row a network and framework, by parameters: what sharing adds to a step on one share."""
    rows = [
        [
            count_text(own.record.parameters),
            code(own.record.network),
            framework_title(own.record.framework),
            _milliseconds(own.share),
            _milliseconds(own.shared),
            _milliseconds(own.cost),
            f"{100 * own.cost / own.shared:.0f}",
        ]
        for own in sorted(every, key=lambda own: (own.record.parameters, list(TITLES).index(own.record.framework)))
    ]
    numeric = ["parameters", "share alone, ms", "shared, ms", "added, ms", "of the step, %"]
    return table([numeric[0], "network", "framework", *numeric[1:]], rows, numeric)


def reduction_table(reductions: Sequence[ReductionSpeed]) -> str:
    """One row a size: milliseconds of one reduction in each framework, median and range."""
    frameworks = [name for name in TITLES if any(record.framework == name for record in reductions)]
    rows = []
    for elements in sorted({record.elements for record in reductions}):
        row = [count_text(elements), f"{elements * 4 / 1e6:,.3g}"]
        for framework in frameworks:
            own = [r for r in reductions if (r.elements, r.framework) == (elements, framework)]
            row.append(_reading(own[0].readings) if own else "not measured")
        rows.append(row)
    titles = [f"{framework_title(name)}, ms" for name in frameworks]
    return table(["elements", "MB", *titles], rows, ["elements", "MB", *titles])


def projection_table(every: Sequence[tuple[Sharing, Link]], counts: Sequence[int]) -> str:
    """One row a network and framework: images a second on paper, and the part of them that sharing leaves."""
    rows = []
    for own, link in every:
        share = own.record.batch // own.record.replicas
        cells = []
        for count in counts:
            step = own.step_of(count, link)
            cells.append(f"{figures(count * share / step)} ({100 * own.share / step:.0f} %)")
        rows.append([code(own.record.network), framework_title(own.record.framework), count_text(share), *cells])
    headers = [f"{count} replicas" for count in counts]
    return table(["network", "framework", "share", *headers], rows, ["share", *headers])


def _milliseconds(seconds: float) -> str:
    return figures(1000 * seconds) if seconds >= 0 else f"-{figures(-1000 * seconds)}"


def _reading(readings: Sequence[float]) -> str:
    middle, low, high = (1000 * value for value in (statistics.median(readings), min(readings), max(readings)))
    return f"{figures(middle)} ({figures(low)} to {figures(high)})"
