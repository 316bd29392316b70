"""Tables of the proofs: which level each network passed, and how large the gaps were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from parity.records.records import Proof
from reports.evidence.network_facts import facts
from reports.evidence.verdict import ALL_REQUIRED, REPORTED_LEVELS, REQUIRED, NetworkStatus, NetworkVerdict
from reports.formatting import (
    NOTHING,
    TITLES,
    code,
    count_text,
    framework_title,
    gap_text,
    listed,
    plain,
    scaled,
    table,
    within,
)

# What was compared, where a column's header should be narrow.
SHORT = {
    "running statistics": "statistics",
    "batch norms alone": "batch norms",
    "dropout masks": "masks",
    "replicas": "processes",
}


def verdict_table(verdicts: Sequence[NetworkVerdict]) -> str:
    """Network, verdict, and the outcome of every required and every recorded level; a column is a level's number.

    Where the report covers several versions of the frameworks, each row says which its verdict holds for.
    """
    levels = _levels(verdicts)
    several = any(verdict.versions for verdict in verdicts)
    rows = []
    for verdict in verdicts:
        word = str(verdict.status) if verdict.status is NetworkStatus.EQUAL else f"**{verdict.status}**"
        names = [code(verdict.network), *([plain(verdict.versions)] if several else [])]
        rows.append([*names, word, *(verdict.text_of(level) for level in levels)])
    return table(["network", *(["in"] if several else []), "verdict", *map(str, levels)], rows)


def level_key(verdicts: Sequence[NetworkVerdict]) -> str:
    """The meaning of the level numbers in the verdict table's header."""
    names = [f"{level} {REPORTED_LEVELS.get(level, 'further')}" for level in _levels(verdicts)]
    return f"The levels: {listed(names)}. {ALL_REQUIRED} are required."


def _levels(verdicts: Sequence[NetworkVerdict]) -> list[int]:
    return sorted({*REQUIRED, *(level for verdict in verdicts for level in verdict.levels)})


def source_table(networks: Sequence[str]) -> str:
    """The document of each network, and where the suite departs from it."""
    rows = []
    for name in networks:
        entry = facts(name)
        departures = " ".join(plain(erratum) for erratum in entry.errata) if entry else ""
        rows.append(
            [code(name), plain(entry.source) if entry else "not in the catalogue", departures or "none recorded"]
        )
    return table(["network", "document", "departures from it"], rows)


def float64_table(verdicts: Sequence[NetworkVerdict]) -> str:
    """Size of each network, what was compared, and the largest float64 gap between the frameworks."""
    headers = [
        "network",
        "parameters",
        "forward",
        "stages",
        "elements",
        "gap",
        "limit",
        "at",
    ]
    rows = []
    for verdict in verdicts:
        entry = facts(verdict.network)
        size = [count_text(entry.params), scaled(entry.flops, "FLOP")] if entry else [NOTHING, NOTHING]
        for proof in _proofs(verdict, 2):
            compared = [_compared(proof, "stages"), _compared(proof, "elements")]
            gaps = _gap(proof.gap, proof.limit, proof.worst) if proof else [NOTHING] * 3
            rows.append([verdict.label, *size, *compared, *gaps])
    return table(headers, rows, numeric=headers[1:-1])


def float32_table(verdicts: Sequence[NetworkVerdict]) -> str:
    """The float32 error of each framework against the float64 oracle."""
    headers = ["network"]
    for framework in TITLES:
        headers += [f"{framework_title(framework)}, error", "tolerance", "at"]
    rows = []
    for verdict in verdicts:
        for proof in _proofs(verdict, 3):
            row = [verdict.label]
            for framework in TITLES:
                own = proof.frameworks.get(framework) if proof else None
                row += _gap(own.gap, own.limit, own.worst) if own else [NOTHING] * 3
            rows.append(row)
    return table(headers, rows, numeric=[header for header in headers if header not in ("network", "at")])


def level_table(verdicts: Sequence[NetworkVerdict], level: int) -> str | None:
    """The proofs of a level in training mode, a row each; None when no network has one.

    A title such as `optimizer steps: adam` names one of several proofs: what follows the colon gets a column. So does
    every kind of thing that was compared.
    """
    return proofs_table([(verdict.label, proof) for verdict in verdicts for proof in verdict.proofs.get(level, ())])


def proofs_table(labelled: Sequence[tuple[str, Proof]], which: str = "rule") -> str | None:
    """As `level_table`, of proofs with the name of what each is of; `which` heads what follows the colon."""
    proofs = [proof for _, proof in labelled]
    if not proofs:
        return None
    by_rule = any(": " in proof.title for proof in proofs)
    counts = [_counts(proof) for proof in proofs]
    kinds = list(dict.fromkeys(kind for compared in counts for kind in compared))
    columns = [plain(SHORT.get(kind, kind)) for kind in kinds]
    headers = ["network", *([which] if by_rule else []), "gap", "limit", "at", *columns]
    rows = []
    for (label, proof), compared in zip(labelled, counts, strict=True):
        rule = [plain(proof.title.partition(": ")[2] or "not stated")] if by_rule else []
        gaps = _gap(proof.gap, proof.limit, proof.worst)
        numbers = [count_text(compared[kind]) if kind in compared else NOTHING for kind in kinds]
        rows.append([label, *rule, *gaps, *numbers])
    return table(headers, rows, numeric=["gap", "limit", *columns])


def _proofs(verdict: NetworkVerdict, level: int) -> Sequence[Proof | None]:
    """The proofs of a level, or None once: a network without any has a row too."""
    return verdict.proofs.get(level) or [None]


def _compared(proof: Proof | None, kind: str) -> str:
    return count_text(proof.compared[kind]) if proof and kind in proof.compared else NOTHING


def _counts(proof: Proof) -> dict[str, int]:
    """What a proof compared; what differs only after a comma (`batch norms alone, paddle float64`) is added up."""
    total: dict[str, int] = {}
    for kind, number in proof.compared.items():
        name = kind.partition(",")[0]
        total[name] = total.get(name, 0) + number
    return total


def _gap(value: Any, limit: Any, worst: Any) -> list[str]:
    """Gap, bold when it is not within its limit; the limit; the place of the largest gap."""
    return [
        gap_text(value) if within(value, limit) else f"**{gap_text(value)}**",
        gap_text(limit),
        code(worst) if worst else NOTHING,
    ]
