"""How many seeds a plan of several looks will need, and how often it errs: by simulation of the very same tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parity.records.accuracy_distributions import standardised
from parity.records.equivalence import CONFIDENCE, FEWEST_SEEDS, MARGIN
from parity.records.records import Distribution
from parity.records.sequential import SequentialPlan, SequentialVerdict, looks_of

POWER = 0.8


@dataclass(frozen=True)
class Decisions:
    """The verdicts of many experiments, one an element of each array."""

    plan: SequentialPlan
    equivalent: NDArray[np.bool_]
    different: NDArray[np.bool_]
    seeds: NDArray[np.int64]  # of each framework, when the experiment ended

    def rates(self) -> Rates:
        """The shares of the verdicts."""
        decided = self.equivalent | self.different
        return Rates(
            equivalent=float(self.equivalent.mean()),
            different=float(self.different.mean()),
            undecided=float(1 - decided.mean()),
            seeds=float(self.seeds.mean()),
            decided=tuple((size, float((decided & (self.seeds <= size)).mean())) for size in self.plan.looks()),
        )


@dataclass(frozen=True)
class Rates:
    """How often each verdict is reached in the end, and how soon."""

    equivalent: float
    different: float
    undecided: float
    seeds: float  # of each framework, on average, when the experiment ends
    decided: tuple[tuple[int, float], ...]  # a look's seeds, the share of experiments with a verdict by then


@dataclass(frozen=True)
class SeedsNeeded:
    """A forecast; numbers of seeds are of each framework, those that are there included."""

    seeds: int | None  # by which a verdict is reached with the probability asked for; None: not even with `plan.most`
    verdict: SequentialVerdict  # the likelier one by then; "undecided" where no simulated experiment reached one
    expected_seeds: float  # on average; an experiment without a verdict counts with `plan.most`
    rates: Rates


def simulate(
    plan: SequentialPlan,
    difference: float,
    deviations: tuple[float, float],
    matrices: int = 10_000,
    seed: int = 0,
    *,
    distributions: tuple[Distribution, Distribution] = ("normal", "normal"),
    margin: float = MARGIN,
    confidence: float = CONFIDENCE,
) -> Rates:
    """How a plan fares where the true difference and the standard deviations are known, by simulated accuracies.

    Args:
        plan: when to test.
        difference: of the true means, in the unit of `margin`, the first framework less the second.
        deviations: the frameworks' standard deviations over seeds.
        matrices: experiments; each is a matrix of accuracies, frameworks by seeds.
        seed: of the random numbers.
        distributions: of the frameworks' accuracies over seeds, see `parity.records.accuracy_distributions`.
        margin: as for `sequential_verdict`.
        confidence: as for `sequential_verdict`.

    Returns:
        The shares of the verdicts. Their standard error is at most 0.5 / sqrt(matrices).

    Raises:
        ValueError: a number is out of range.

    Example:
        >>> rates = simulate(SequentialPlan(batch=2, most=20), 0.0, (0.2, 0.2), matrices=1000)
        >>> rates.equivalent > 0.98, rates.seeds < 8
        (True, True)
    """
    if not math.isfinite(difference):
        raise ValueError(f"difference: expected a finite number, found {difference}")
    if not all(math.isfinite(deviation) and deviation >= 0 for deviation in deviations):
        raise ValueError(f"deviations: expected two finite numbers, 0 or more, found {deviations}")
    if matrices < 1:
        raise ValueError(f"matrices: expected 1 or more, found {matrices}")
    draw = np.random.default_rng(seed)
    one, other = (
        deviation * standardised(distribution, draw, (matrices, plan.most))
        for distribution, deviation in zip(distributions, deviations, strict=True)
    )
    return decide(one + difference, other, plan, margin=margin, confidence=confidence).rates()


def decide(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    plan: SequentialPlan,
    *,
    margin: float = MARGIN,
    confidence: float = CONFIDENCE,
) -> Decisions:
    """`sequential_verdict` for many experiments at once.

    Args:
        first: accuracies of one framework, experiments by seeds; at least `plan.most` seeds.
        second: as `first`, of the other.
        plan: when to test.
        margin: as for `sequential_verdict`.
        confidence: as for `sequential_verdict`.

    Returns:
        The verdict of each row.

    Raises:
        ValueError: the arrays differ in shape or have too few seeds, or `margin` or `confidence` is out of range.
    """
    from scipy import special  # here: it takes a second to import, and most commands test no accuracies

    if first.shape != second.shape or first.ndim != 2 or first.shape[1] < plan.most:
        raise ValueError(
            f"expected two arrays of one shape, experiments by {plan.most} or more seeds, "
            f"found {first.shape} and {second.shape}"
        )
    if not (math.isfinite(margin) and margin > 0):
        raise ValueError(f"margin: expected a number above 0, found {margin}")
    moments = [_Moments.of(accuracies) for accuracies in (first, second)]
    equivalent, different = (np.zeros(len(first), dtype=bool) for _ in range(2))
    seeds = np.full(len(first), plan.most)
    open_rows = np.arange(len(first))
    for look in looks_of(plan, confidence):
        (mean, square), (other_mean, other_square) = (part.at(open_rows, look.seeds) for part in moments)
        difference = np.abs(mean - other_mean)
        error = np.sqrt(square + other_square)
        with np.errstate(divide="ignore", invalid="ignore"):
            freedom = (look.seeds - 1) * (square + other_square) ** 2 / (square**2 + other_square**2)
            t_margin, t_none = (margin - difference) / error, difference / error
        # Two constant samples have no error: the limit that `tost` returns, p values of 0 or 1.
        constant = error == 0
        freedom[constant] = 1.0
        t_margin[constant] = np.where(difference[constant] < margin, np.inf, -np.inf)
        t_none[constant] = np.where(difference[constant] > 0, np.inf, 0.0)
        # The farther one-sided test has the larger p, so that the nearer side of the margin decides.
        within = special.stdtr(freedom, -t_margin) < look.alpha_equivalent
        apart = ~within & (2 * special.stdtr(freedom, -t_none) < look.alpha_different)
        equivalent[open_rows[within]] = True
        different[open_rows[apart]] = True
        seeds[open_rows[within | apart]] = look.seeds
        open_rows = open_rows[~(within | apart)]
    return Decisions(plan, equivalent, different, seeds)


def seeds_needed(
    first: Sequence[float],
    second: Sequence[float],
    plan: SequentialPlan,
    *,
    margin: float = MARGIN,
    confidence: float = CONFIDENCE,
    power: float = POWER,
    matrices: int = 4000,
    seed: int = 0,
) -> SeedsNeeded:
    """How many seeds will be needed for a verdict, from the accuracies so far.

    The seeds to come are simulated many times (predictive power, Spiegelhalter, Freedman and Blackburn 1986): normal
    with means and variances that are drawn, too, from what the seeds so far leave open about them (uniform prior of the
    mean and of the logarithm of the variance). Taken for the true ones, the means and variances of two to four seeds
    would promise too much: of forecasts made so for 80 %, as few as 57 % came true.

    Args:
        first: accuracies of one framework so far, at least two; those beyond `plan.most` are ignored.
        second: as `first`, of the other; as many or not.
        plan: when to test.
        margin: as for `sequential_verdict`.
        confidence: as for `sequential_verdict`.
        power: the probability with which a verdict is to be reached, above 0 and below 1.
        matrices: simulated experiments.
        seed: of the random numbers.

    Returns:
        The forecast. Constant samples have a variance of 0, which is taken at its word.

    Raises:
        ValueError: a sample is too small or not finite, or a number is out of range.

    Example:
        >>> plan = SequentialPlan(batch=2, most=20)
        >>> needed = seeds_needed([57.1, 57.4, 57.0], [57.2, 57.0, 57.3], plan)
        >>> needed.verdict, needed.seeds is not None and 4 < needed.seeds <= 20
        ('equivalent', True)
    """
    if not 0 < power < 1:
        raise ValueError(f"power: expected a number between 0 and 1, found {power}")
    if matrices < 1:
        raise ValueError(f"matrices: expected 1 or more, found {matrices}")
    draw = np.random.default_rng(seed)
    rows = []
    for name, sample in (("first", first), ("second", second)):
        known = np.asarray(sample, dtype=np.float64)[: plan.most]
        if known.ndim != 1 or len(known) < FEWEST_SEEDS or not np.isfinite(known).all():
            raise ValueError(f"{name}: expected {FEWEST_SEEDS} or more finite numbers, found {known.tolist()}")
        rows.append(_continued(known, plan.most, matrices, draw))
    one, other = rows
    decisions = decide(one, other, plan, margin=margin, confidence=confidence)
    rates = decisions.rates()
    seeds = next((size for size, share in rates.decided if share >= power), None)
    by_then = decisions.seeds <= (seeds or plan.most)
    equivalent, different = (int((kind & by_then).sum()) for kind in (decisions.equivalent, decisions.different))
    verdict: SequentialVerdict = "equivalent" if equivalent >= different else "different"
    return SeedsNeeded(seeds, verdict if equivalent or different else "undecided", rates.seeds, rates)


def _continued(known: NDArray[np.float64], most: int, matrices: int, draw: np.random.Generator) -> NDArray[np.float64]:
    """Rows of `most` accuracies that begin with the known ones."""
    number = len(known)
    variance = 0.0 if np.ptp(known) == 0 else float(known.var(ddof=1))
    deviation = np.sqrt(variance * (number - 1) / draw.chisquare(number - 1, (matrices, 1)))
    mean = known.mean() + deviation / np.sqrt(number) * draw.standard_normal((matrices, 1))
    further = mean + deviation * draw.standard_normal((matrices, most - number))
    return np.concatenate([np.broadcast_to(known, (matrices, number)), further], axis=1)


@dataclass(frozen=True)
class _Moments:
    """Running sums of rows, each taken from its first value: so those of a constant row are 0 and lose no digits."""

    base: Any
    sums: Any
    squares: Any

    @classmethod
    def of(cls, rows: NDArray[np.float64]) -> _Moments:
        base = rows[:, 0]
        shifted = rows - base[:, None]
        return cls(base, np.cumsum(shifted, axis=1), np.cumsum(shifted**2, axis=1))

    def at(self, rows: NDArray[np.int64], number: int) -> tuple[Any, Any]:
        """Means of the first `number` values of these rows, and the means' squared standard errors."""
        total, squares = self.sums[rows, number - 1], self.squares[rows, number - 1]
        variance = np.maximum(squares - total**2 / number, 0.0) / (number - 1)
        return self.base[rows] + total / number, variance / number
