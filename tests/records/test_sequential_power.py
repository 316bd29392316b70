"""How often and how soon a sequential test decides, simulated; and how many seeds a verdict will need."""

from __future__ import annotations

import math

import numpy as np
import pytest

from parity.records.equivalence import MARGIN
from parity.records.sequential import SequentialPlan, sequential_verdict
from parity.records.sequential_power import decide, seeds_needed, simulate

MATRICES = 10_000

PLAN = SequentialPlan(batch=2, most=20)


@pytest.mark.parametrize("deviations", [(0.1, 0.1), (0.3, 0.1), (0.3, 0.3), (0.1, 0.3)])
def test_power_with_few_seeds(deviations: tuple[float, float]) -> None:
    """Where the spread over seeds is that of the networks here, a verdict comes, and with half of the seeds."""
    alike, apart = (simulate(PLAN, difference, deviations, MATRICES, seed=6) for difference in (0.0, 2 * MARGIN))
    assert alike.equivalent > 0.95
    assert alike.seeds < 0.55 * PLAN.most
    assert apart.different > 0.999
    assert apart.seeds < 0.4 * PLAN.most


def test_power_grows_with_the_seeds_allowed() -> None:
    rates = [simulate(SequentialPlan(batch=2, most=most), 0.0, (0.5, 0.5), 2000) for most in (8, 12, 20, 30)]
    shares = [rate.equivalent for rate in rates]
    assert shares == sorted(shares)
    assert shares[0] < 0.2
    assert shares[-1] > 0.85


def test_rates_add_up() -> None:
    rates = simulate(PLAN, 0.3, (0.3, 0.5), 2000)
    assert rates.equivalent + rates.different + rates.undecided == pytest.approx(1)
    sizes, decided = zip(*rates.decided, strict=True)
    assert sizes == PLAN.looks()
    assert list(decided) == sorted(decided)
    assert decided[-1] == pytest.approx(1 - rates.undecided)
    before = [0.0, *decided[:-1]]
    seeds = sum(size * (after - earlier) for size, after, earlier in zip(sizes, decided, before, strict=True))
    assert rates.seeds == pytest.approx(seeds + rates.undecided * PLAN.most)


def test_seeds_needed_are_those_the_plan_then_needs() -> None:
    """With known deviations of 0.3 points, 12 seeds are needed for 0.8; six seeds leave the deviations open."""
    base = np.array([-1.0, -0.5, 0.0, 0.0, 0.5, 1.0])
    sample = (57 + 0.3 * base / base.std(ddof=1)).tolist()
    needed = seeds_needed(sample, sample[::-1], PLAN)
    known = simulate(PLAN, 0.0, (0.3, 0.3))
    assert next(size for size, share in known.decided if share >= 0.8) == 12
    assert needed.verdict == "equivalent"
    assert needed.seeds in (12, 14, 16)
    assert known.seeds < needed.expected_seeds < known.seeds + 2
    shares = dict(needed.rates.decided)
    assert shares[needed.seeds] >= 0.8 > shares[needed.seeds - PLAN.batch]
    more = seeds_needed(sample, sample[::-1], PLAN, power=0.95).seeds
    assert more is None or more > needed.seeds


def test_seeds_needed_says_which_verdict() -> None:
    sample = [57.0, 57.2, 56.9, 57.1]
    assert seeds_needed(sample, sample, PLAN).verdict == "equivalent"
    assert seeds_needed(sample, [value + 1.5 for value in sample], PLAN).verdict == "different"


def test_none_where_the_plan_does_not_suffice() -> None:
    sample = [55.0, 57.0, 59.0, 58.0, 56.0]
    needed = seeds_needed(sample, sample, PLAN)
    assert needed.seeds is None
    assert needed.rates.undecided > 0.5
    assert needed.expected_seeds > 0.9 * PLAN.most


def test_after_a_verdict_no_further_seeds_are_needed() -> None:
    a, b = [57.0, 57.1, 57.0, 57.1], [57.1, 57.0, 57.1, 57.0]
    assert sequential_verdict(a, b, PLAN).verdict == "equivalent"
    needed = seeds_needed(a, b, PLAN)
    assert (needed.seeds, needed.verdict, needed.expected_seeds) == (4, "equivalent", 4.0)
    assert needed.rates.equivalent == 1.0


@pytest.mark.parametrize("power", [0.0, 1.0, math.nan])
def test_power_out_of_range(power: float) -> None:
    with pytest.raises(ValueError, match="power: expected a number between 0 and 1"):
        seeds_needed([57.0, 57.1], [57.0, 57.1], PLAN, power=power)


def test_forecasts_come_true_as_often_as_they_say() -> None:
    """Verdicts fall within the forecast number of seeds in four of five experiments, or more."""
    draw = np.random.default_rng(11)
    one, other = draw.normal(57, 0.3, (60, 20)), draw.normal(57, 0.3, (60, 20))
    decisions = decide(one, other, PLAN)
    kept = []
    for row in range(len(one)):
        needed = seeds_needed(one[row, :5].tolist(), other[row, :5].tolist(), PLAN, matrices=300, seed=row)
        if needed.seeds is not None:
            decided = decisions.equivalent[row] | decisions.different[row]
            kept.append(decided and decisions.seeds[row] <= needed.seeds)
    assert len(kept) > 30
    assert np.mean(kept) > 0.8
