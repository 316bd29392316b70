"""Tables of the proofs: which level each network passed, and how large the gaps were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from parity.networks import NETWORKS
from parity.results import Proof
from reports.evidence import lookup
from reports.text import NOTHING, TITLES, code, count, framework_title, gap, is_number, plain, scaled, table
from reports.verdict import LEVELS, REQUIRED, State, Verdict


def verdict_table(verdicts: Sequence[Verdict]) -> str:
    """Network, verdict, and the outcome of every required and every recorded level."""
    levels = sorted({*REQUIRED, *(level for verdict in verdicts for level in verdict.proofs)})
    rows = []
    for verdict in verdicts:
        word = str(verdict.state) if verdict.state is State.EQUAL else f"**{verdict.state}**"
        rows.append([code(verdict.network), word, *(verdict.cell(level) for level in levels)])
    return table(["network", "verdict", *(f"{level}: {LEVELS.get(level, 'further')}" for level in levels)], rows)


def source_table(networks: Sequence[str]) -> str:
    """The document of each network, and where the suite departs from it."""
    rows = []
    for name in networks:
        entry = NETWORKS.get(name)
        departures = " ".join(plain(erratum) for erratum in entry.errata) if entry else ""
        rows.append(
            [code(name), plain(entry.source) if entry else "not in the catalogue", departures or "none recorded"]
        )
    return table(["network", "document", "departures from it"], rows)


def float64_table(verdicts: Sequence[Verdict]) -> str:
    """Size of each network, what was compared, and the largest float64 gap between the frameworks."""
    headers = [
        "network",
        "parameters",
        "forward, an image",
        "stages",
        "elements compared",
        "float64 gap",
        "limit",
        "at",
    ]
    rows = []
    for verdict in verdicts:
        entry, proof = NETWORKS.get(verdict.network), verdict.proofs.get(2)
        size = [count(entry.params), scaled(entry.flops, "FLOP")] if entry else [NOTHING, NOTHING]
        compared = [_compared(proof, "stages"), _compared(proof, "elements")]
        gaps = _gap(proof.gap, proof.limit, proof.worst) if proof else [NOTHING] * 3
        rows.append([code(verdict.network), *size, *compared, *gaps])
    return table(headers, rows, numeric=headers[1:-1])


def float32_table(verdicts: Sequence[Verdict]) -> str:
    """The float32 error of each framework against the float64 oracle."""
    headers = ["network"]
    for framework in TITLES:
        headers += [f"float32 error of {framework_title(framework)}", "tolerance", "at"]
    rows = []
    for verdict in verdicts:
        row = [code(verdict.network)]
        for framework in TITLES:
            proof = verdict.proofs.get(3)
            own = lookup(proof.frameworks, framework) if proof else None
            row += _gap(lookup(own, "gap"), lookup(own, "limit"), lookup(own, "worst")) if own else [NOTHING] * 3
        rows.append(row)
    return table(headers, rows, numeric=[header for header in headers if header not in ("network", "at")])


def _compared(proof: Proof | None, kind: str) -> str:
    return count(proof.compared[kind]) if proof and kind in proof.compared else NOTHING


def _gap(value: Any, limit: Any, worst: Any) -> list[str]:
    """Gap, bold when it is not within its limit; the limit; the place of the largest gap."""
    within = is_number(value) and is_number(limit) and value <= limit
    return [gap(value) if within else f"**{gap(value)}**", gap(limit), code(worst) if worst else NOTHING]
