"""What a run matrix still needs: seeds until a verdict can be expected, and the CPU hours that they cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from parity.records.equivalence import FEWEST_SEEDS, POINTS
from parity.records.records import Training
from parity.records.sequential import SequentialPlan, SequentialResult, sequential_verdict
from parity.records.sequential_power import SeedsNeeded, seeds_needed
from parity.training.matrix import Cell
from parity.workers.frameworks import FRAMEWORKS

SECONDS = 3600.0


@dataclass(frozen=True)
class Forecast:
    """Of one network, trained one way.

    Attributes:
        network: its name.
        variant: as in `Cell`.
        seeds: that both frameworks have finished.
        verdict: of the sequential test so far; None with fewer seeds than its first look has.
        needed: the forecast; None with fewer than two seeds, or where the verdict holds already.
        cpu_hours: that the seeds to come cost, of both frameworks; 0 where none are needed, None where that is open.
        problem: why there is no forecast; empty where there is one.
    """

    network: str
    variant: str
    seeds: int
    verdict: SequentialResult | None
    needed: SeedsNeeded | None
    cpu_hours: float | None
    problem: str = ""


def forecasts(cells: Iterable[Cell], plan: SequentialPlan) -> list[Forecast]:
    """What every network of a matrix still needs.

    Args:
        cells: of the matrix.
        plan: of the sequential test.

    Returns:
        One for each network and variant, in their order.
    """
    rows: dict[tuple[str, str], dict[str, dict[int, Training]]] = {}
    for cell in cells:
        trainings = rows.setdefault(cell.row, {name: {} for name in FRAMEWORKS})
        if cell.state == "done" and cell.record is not None and cell.record.finished:
            trainings[cell.framework][cell.seed] = cell.record
    return [_forecast(network, variant, trainings, plan) for (network, variant), trainings in rows.items()]


def _forecast(
    network: str, variant: str, trainings: Mapping[str, Mapping[int, Training]], plan: SequentialPlan
) -> Forecast:
    common = sorted(set.intersection(*(set(records) for records in trainings.values())))
    first, second = (
        [POINTS * records[seed].epochs[-1].test_accuracy for seed in common] for records in trainings.values()
    )
    if len(common) < FEWEST_SEEDS:
        text = f"expected {FEWEST_SEEDS} seeds that both frameworks have finished, found {len(common)}"
        return Forecast(network, variant, len(common), None, None, None, text)
    verdict = sequential_verdict(first, second, plan) if len(common) >= plan.first else None
    if verdict is not None and (verdict.verdict != "undecided" or verdict.exhausted):
        return Forecast(network, variant, len(common), verdict, None, 0.0)
    needed = seeds_needed(first, second, plan)
    further = (needed.seeds or plan.most) - len(common)
    return Forecast(network, variant, len(common), verdict, needed, further * _cost(trainings))


def _cost(trainings: Mapping[str, Mapping[int, Training]]) -> float:
    """CPU hours of one seed in all frameworks: training and first steps; evaluations are some percent more."""
    return (
        sum(
            sum(
                (record.seconds + record.first_seconds) * record.threads * record.replicas
                for record in records.values()
            )
            / len(records)
            for records in trainings.values()
        )
        / SECONDS
    )
