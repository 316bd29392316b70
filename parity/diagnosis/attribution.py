"""From one wrong array to its cause: the hypothesis that gives exactly the numbers that were computed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from parity.catalogue.traps import TRAPS
from parity.diagnosis.hypotheses import Hypothesis
from parity.numerics.comparison import FLOAT64_LIMIT, finite_gap
from parity.records.records import Diagnosis, Proof
from parity.workers.frameworks import FRAMEWORKS


@dataclass(frozen=True)
class Mismatch:
    """One array of one framework that differs from what the network's description says."""

    framework: str
    stage: str  # a layer's name, or one of the constants of `parity.diagnosis.scene`
    kind: str  # of the layer, or what was compared
    before: float  # the gap to the expected array


def identify_cause(mismatch: Mismatch, candidates: Iterable[Hypothesis], actual: np.ndarray) -> Diagnosis:
    """The cause of a mismatch: the hypothesis that gives the array that was computed.

    Args:
        mismatch: where, and by how much, the array differs.
        candidates: (trap, description, expected array) for each hypothesis.
        actual: the array that the framework computed, of the shape of the expected ones.

    Returns:
        The diagnosis with the hypothesis that fits to float64 rounding, and in `alike` the traps that fit as well.
        Where none fits, one without a trap; numbers that are not finite are a cause of their own, "nan".
    """
    tried = sorted((finite_gap(expected, actual), trap, text) for trap, text, expected in candidates)
    if tried and tried[0][0] <= FLOAT64_LIMIT:
        after, trap, text = tried[0]
        alike = {other for left, other, _ in tried if left <= FLOAT64_LIMIT} - {trap}
        return diagnosis_of(mismatch, trap, text, after, sorted(alike))
    if not np.isfinite(actual).all():
        return diagnosis_of(mismatch, "nan", f"{np.sum(~np.isfinite(actual))} numbers that are not finite", 0.0)
    return diagnosis_of(mismatch, "", "no known trap", tried[0][0] if tried else mismatch.before)


def diagnosis_of(
    mismatch: Mismatch, trap: str, text: str, after: float | None = None, alike: Iterable[str] = ()
) -> Diagnosis:
    """The record of a cause.

    Args:
        mismatch: where, and by how much, an array differs.
        trap: the id of a trap of `parity.catalogue.traps`; empty for a cause that is none of them.
        text: what the framework computed instead, for the user.
        after: the gap that is left when the trap is taken into account; None where no such gap was computed.
        alike: ids of traps that no measurement here distinguishes from this one.
    """
    title = FRAMEWORKS[mismatch.framework].title
    line = f"{mismatch.stage} ({mismatch.kind}): {title} computed {text}"
    if trap and after is not None:
        line += f"; with that, the gap falls from {mismatch.before:.1e} to {after:.1e}"
    return Diagnosis(
        framework=mismatch.framework,
        stage=mismatch.stage,
        trap=trap,
        alike=list(alike),
        text=line,
        before=mismatch.before,
        after=mismatch.before if after is None else after,
    )


def cause_lines(proof: Proof) -> list[str]:
    """The causes of a failed proof as lines for the user, each followed by what to do about it.

    Args:
        proof: with its causes.

    Returns:
        Empty for a proof without causes; a cause that fits no known trap has no advice.
    """
    return [
        line
        for cause in proof.causes
        for line in (
            f"cause: {cause.text}",
            *(f"what to do ({trap}): {TRAPS[trap].fix}" for trap in (cause.trap, *cause.alike) if trap),
        )
    ]
