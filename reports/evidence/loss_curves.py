"""Level 9: where the losses of several runs part, and what that shows.

It is measured against a framework's own divergence: the same run again, from weights that were moved by one rounding.
Where two frameworks part no earlier than that, rounding alone explains it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from parity.records.loss_curves import relative_gaps
from parity.records.records import Curves, RunPair
from reports.formatting import code, is_number, plain


class CurveFinding(StrEnum):
    """What a pair of frameworks shows, from the best to the worst."""

    TOGETHER = "together to the end"
    DIVERGENCE = "rounding"
    UNMEASURED = "no perturbed run: open"
    EARLY = "earlier than rounding: open"
    DIFFERENT = "DIFFERENT"


@dataclass(frozen=True)
class CurveReading:
    """Two frameworks' losses in one precision against each framework's own divergence in that precision."""

    precision: str
    parted: int | None  # the frameworks; None: together for all steps
    divergence: int | None  # the first framework to part from its own perturbed run; None: none did, or none was run
    finding: CurveFinding


def readings(curves: Curves) -> list[CurveReading]:
    """One for every pair of frameworks, float64 first. No pair at all gives none."""
    by_precision = []
    for pair in pairs_meaning(curves, "frameworks"):
        kind = precision_of(pair)
        own = pairs_meaning(curves, "divergence", kind)
        parted = pair.parted
        divergence = _first(own)
        if not all(is_number(compared.largest) for compared in (pair, *own)) or not _steps(curves, pair):
            finding = CurveFinding.DIFFERENT
        elif parted is None:
            finding = CurveFinding.TOGETHER
        elif divergence is not None and parted >= divergence:
            finding = CurveFinding.DIVERGENCE
        elif kind == "float64" and _beyond_float32(curves, parted):
            finding = CurveFinding.DIFFERENT
        else:
            finding = CurveFinding.EARLY if own else CurveFinding.UNMEASURED
        by_precision.append(CurveReading(kind, parted, divergence, finding))
    return sorted(by_precision, key=lambda reading: reading.precision != "float64")


def worst(curves: Curves) -> CurveFinding | None:
    """The worst finding of the frameworks in float64, or in what precision there is; None when they never met."""
    every = readings(curves)
    order = list(CurveFinding)
    counting = [reading for reading in every if reading.precision == "float64"] or every
    return max((reading.finding for reading in counting), key=order.index, default=None)


def curve_faults(curves: Curves) -> list[str]:
    """Why the curves show a difference of the frameworks, in Markdown; empty when they do not."""
    every = readings(curves)
    if not every:
        return [f"loss curves by recipe {code(curves.recipe)}: the frameworks were not compared"]
    return [
        f"loss curves in {plain(reading.precision)} by recipe {code(curves.recipe)}: the frameworks part at step "
        f"{plain(reading.parted)}, {_why(curves, reading)}"
        for reading in every
        if reading.finding is CurveFinding.DIFFERENT
    ]


def _why(curves: Curves, reading: CurveReading) -> str:
    pairs = pairs_of(curves, reading.precision)
    if not all(is_number(pair.largest) and _steps(curves, pair) for pair in pairs):
        return "and a loss is not a finite number, or absent"
    return "earlier than a rounding of float32 would have parted them"


def relative_differences(curves: Curves, pair: RunPair) -> list[float]:
    """|a - b| / max(|a|, |b|) of the losses of two runs, up to the end of the shorter; NaN where one is no number."""
    first, second = _runs(curves, pair)
    steps = min(len(first), len(second))
    return [float(gap) for gap in relative_gaps(np.array(first[:steps]), np.array(second[:steps]))]


def precisions(curves: Curves) -> list[str]:
    """The precisions of its pairs, float64 first."""
    names = dict.fromkeys(precision_of(pair) for pair in curves.pairs)
    return sorted(names, key=lambda name: (name != "float64", name))


def pairs_of(curves: Curves, precision: str) -> list[RunPair]:
    """The pairs of that precision: the frameworks first, then each one's own divergence."""
    return [*pairs_meaning(curves, "frameworks", precision), *pairs_meaning(curves, "divergence", precision)]


def pairs_meaning(curves: Curves, meaning: str, precision: str | None = None) -> list[RunPair]:
    """The pairs of runs that show "frameworks", "divergence", ...; of one precision if one is given."""
    pairs = [pair for pair in curves.pairs if pair.meaning == meaning]
    return [pair for pair in pairs if precision is None or precision_of(pair) == precision]


def precision_of(pair: RunPair) -> str:
    """The precision that a pair's runs are named with: `paddle float64 perturbed` ran in float64."""
    words = [run.split()[1:2] for run in (pair.one, pair.other)]
    return words[0][0] if words[0] and words[0] == words[1] else "mixed"


def _first(own: Sequence[RunPair]) -> int | None:
    """Where the first of these pairs parts."""
    return min((pair.parted for pair in own if pair.parted is not None), default=None)


def _beyond_float32(curves: Curves, parted: int) -> bool:
    """Whether the step lies before any at which a float32 rounding parts a framework from itself."""
    single = _first(pairs_meaning(curves, "divergence", "float32"))
    return single is not None and parted < single


def _runs(curves: Curves, pair: RunPair) -> list[list[float]]:
    """The losses of both; none where they are absent."""
    return [curves.losses.get(run, []) for run in (pair.one, pair.other)]


def _steps(curves: Curves, pair: RunPair) -> bool:
    """Whether both runs of the pair are there with a loss for every step, all of them numbers."""
    return curves.steps > 0 and all(
        len(run) == curves.steps and all(map(is_number, run)) for run in _runs(curves, pair)
    )
