"""The tables of the loss curves, and how they are to be read."""

from __future__ import annotations

from collections.abc import Sequence

from parity.records.records import Curves, RunPair
from reports.evidence.loss_curves import CurveFinding, pairs_meaning, precision_of, readings
from reports.formatting import code, count_text, framework_title, gap_text, is_number, listed, plain, table


def summary_table(labelled: Sequence[tuple[str, Curves]]) -> str:
    """One row a network and precision: where the frameworks part, where one parts from itself, and the reading.

    The labels are the names of the networks in the report, in Markdown.
    """
    headers = ["network", "recipe", "precision", "steps", "frameworks part at", "rounding parts at", "reading"]
    rows = []
    for label, curves in labelled:
        for reading in readings(curves):
            own = bool(pairs_meaning(curves, "divergence", reading.precision))
            word = f"**{reading.finding}**" if reading.finding is CurveFinding.DIFFERENT else str(reading.finding)
            rows.append(
                [
                    label,
                    code(curves.recipe),
                    plain(reading.precision),
                    count_text(curves.steps),
                    _step_text(reading.parted),
                    _step_text(reading.divergence) if own else "not run",
                    word,
                ]
            )
    return table(headers, rows, ["steps", "frameworks part at", "rounding parts at"])


def run_pair_table(curves: Curves) -> str:
    """Every pair of runs: who, what the pair means, where it parts, the largest relative difference of a loss."""
    headers = ["runs", "meaning", "precision", "part at step", "largest difference"]
    rows = []
    for pair in curves.pairs:
        rows.append(
            [
                pair_title(pair),
                "both frameworks" if pair.meaning == "frameworks" else "rounding",
                plain(precision_of(pair)),
                f"together for all {count_text(curves.steps)}" if pair.parted is None else count_text(pair.parted),
                gap_text(pair.largest) if is_number(pair.largest) else f"**{gap_text(pair.largest)}**",
            ]
        )
    return table(headers, rows, headers[3:])


def pair_title(pair: RunPair) -> str:
    """Who is compared: both frameworks, or one with itself."""
    one, other = (run.partition(" ")[0] for run in (pair.one, pair.other))
    if pair.meaning == "frameworks":
        return f"{plain(framework_title(one))} and {plain(framework_title(other))}"
    return f"{plain(framework_title(one))} and itself, perturbed"


def reading_guide(every: Sequence[Curves]) -> str:
    """How to read the section, in one paragraph."""
    limits = listed(list(dict.fromkeys(f"{100 * curves.together:g} %" for curves in every)))
    return (
        "The same batches, masks and first weights in both frameworks, step by step; two losses part where they differ "
        f"by more than {limits} of the larger. Training multiplies every rounding error, so two correct runs part "
        "sooner or later. How soon is measured within one framework, by a second run whose first weights were "
        "perturbed by one rounding of their precision. **Where the frameworks part no earlier than one of them parts "
        "from itself, rounding explains it: it is not a difference.** Somewhat earlier decides nothing: a framework "
        "rounds at every operation, and the perturbation is a single rounding. A difference is shown where the "
        "frameworks in float64 part before a float32 run parts from itself, whose rounding is half a billion times "
        "coarser."
    )


def _step_text(step: int | None) -> str:
    return "together" if step is None else count_text(step)
