"""From one array that is not what it should be to its cause: the hypothesis that gives just what was found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from parity.catalogue.traps import TRAPS
from parity.diagnosis.hypotheses import Hypothesis
from parity.numerics.comparison import FLOAT64_LIMIT, gap
from parity.records.records import Diagnosis, Proof
from parity.workers.frameworks import FRAMEWORKS


@dataclass(frozen=True)
class Suspect:
    """One array that is not what it should be."""

    framework: str
    stage: str
    kind: str
    before: float  # the gap from what the network says


def named(suspect: Suspect, played: Iterable[Hypothesis], found: np.ndarray) -> Diagnosis:
    """The hypothesis that gives what was found, with those that cannot be told from it; else a cause without a name."""
    tried = sorted((gap(made, found), trap, text) for trap, text, made in played)
    if tried and tried[0][0] <= FLOAT64_LIMIT:
        after, trap, text = tried[0]
        alike = {other for left, other, _ in tried if left <= FLOAT64_LIMIT} - {trap}
        return accuse(suspect, trap, text, after, sorted(alike))
    if not np.isfinite(found).all():
        return accuse(suspect, "nan", f"{np.sum(~np.isfinite(found))} numbers that are not finite", 0.0)
    return accuse(suspect, "", "no known trap", tried[0][0] if tried else suspect.before)


def accuse(suspect: Suspect, trap: str, text: str, after: float | None = None, alike: Iterable[str] = ()) -> Diagnosis:
    """The cause of it; `after` is the gap that is left when the trap is taken into account, None where none is made."""
    title = FRAMEWORKS[suspect.framework].title
    line = f"{suspect.stage} ({suspect.kind}): {title} computed {text}"
    if trap and after is not None:
        line += f"; taken so, the gap falls from {suspect.before:.1e} to {after:.1e}"
    return Diagnosis(
        framework=suspect.framework,
        stage=suspect.stage,
        trap=trap,
        alike=list(alike),
        text=line,
        before=suspect.before,
        after=suspect.before if after is None else after,
    )


def cause_lines(proof: Proof) -> list[str]:
    """The causes of a failed proof, each with what to do about it."""
    return [
        line
        for cause in proof.causes
        for line in (
            f"cause: {cause.text}",
            *(f"what to do ({trap}): {TRAPS[trap].fix}" for trap in (cause.trap, *cause.alike) if trap),
        )
    ]
