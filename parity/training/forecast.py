"""What a run matrix still needs: seeds until a verdict can be expected, and the CPU hours that they cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from parity.records.equivalence import FEWEST_SEEDS, POINTS, check_settings, faults
from parity.records.records import Training
from parity.records.sequential import SequentialPlan, SequentialResult, sequential_verdict
from parity.records.sequential_equivalence import conflict, plans_of
from parity.records.sequential_power import SeedsNeeded, seeds_needed
from parity.training.matrix import MatrixEntry
from parity.workers.frameworks import FRAMEWORKS

SECONDS = 3600.0


@dataclass(frozen=True)
class Forecast:
    """Of one network, trained one way.

    Attributes:
        network: its name.
        variant: as in `MatrixEntry`.
        seeds: that both frameworks have finished, from the first one on without a gap.
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


def forecasts(entries: Iterable[MatrixEntry], plan: SequentialPlan) -> list[Forecast]:
    """What every network of a matrix still needs.

    Args:
        entries: of the matrix.
        plan: of the sequential test, where the trainings carry none.

    Returns:
        One for each network and variant, in their order.
    """
    rows: dict[tuple[str, str], dict[int, dict[str, MatrixEntry]]] = {}
    for entry in entries:
        rows.setdefault(entry.row, {}).setdefault(entry.seed, {})[entry.framework] = entry
    return [_forecast(network, variant, seeds, plan) for (network, variant), seeds in rows.items()]


def _forecast(
    network: str, variant: str, seeds: Mapping[int, Mapping[str, MatrixEntry]], plan: SequentialPlan
) -> Forecast:
    """What one network still needs. As in a training, the seeds count in their order, and none is left out."""
    trainings: dict[str, list[Training]] = {name: [] for name in FRAMEWORKS}
    problem = ""
    for seed in range(min(seeds), max(seeds) + 1):
        entries = seeds.get(seed, {})
        if problem := _failure(seed, entries):
            break
        done = {name: entry.record for name, entry in entries.items() if entry.state == "done" and entry.record}
        if len(done) < len(trainings):
            break
        for name, record in done.items():
            trainings[name].append(record)
    records = [record for framework in trainings.values() for record in framework]
    count = len(records) // len(trainings)
    plans = plans_of(records)
    if problem := problem or _unfit(records, plans):
        return Forecast(network, variant, count, None, None, None, problem)
    plan = plans[0] if plans else plan
    first, second = ([POINTS * record.epochs[-1].test_accuracy for record in records] for records in trainings.values())
    verdict = sequential_verdict(first, second, plan) if count >= plan.first else None
    if verdict is not None and (verdict.verdict != "undecided" or verdict.exhausted):
        return Forecast(network, variant, count, verdict, None, 0.0)
    needed = seeds_needed(first, second, plan)
    further = (needed.seeds or plan.most) - count
    return Forecast(network, variant, count, verdict, needed, further * _cost(trainings))


def _unfit(records: Sequence[Training], plans: Sequence[SequentialPlan]) -> str:
    """Why trainings are no sample that a plan could test; empty where nothing speaks against it."""
    if (seeds := len({record.seed for record in records})) < FEWEST_SEEDS:
        return f"expected {FEWEST_SEEDS} seeds that both frameworks have finished, found {seeds}"
    try:
        check_settings(records)
    except ValueError as error:
        return str(error)
    return conflict(plans) or next(iter(faults(records)), "")


def _failure(seed: int, entries: Mapping[str, MatrixEntry]) -> str:
    """Why no verdict can hold with this seed in it; empty where nothing speaks against one."""
    for name, entry in entries.items():
        if reason := entry.problem if entry.state == "failed" else "":
            return (
                f"{FRAMEWORKS[name].title}, seed {seed}: {reason}. No verdict may leave a seed out for what came of "
                "it: train it again"
            )
    return ""


def _cost(trainings: Mapping[str, Sequence[Training]]) -> float:
    """CPU hours of one seed in all frameworks: training and first steps; evaluations are some percent more."""
    return (
        sum(
            sum((record.seconds + record.first_seconds) * record.threads * record.replicas for record in records)
            / len(records)
            for records in trainings.values()
        )
        / SECONDS
    )
