"""Level 10 with as few seeds as needed: the tests of equivalence after each batch of seeds, and when to stop.

`parity.records.equivalence` tests once, with a number of seeds that is fixed before any is trained. Here seeds come in
batches; after each (a look) the two frameworks' accuracies are tested, and training stops with the first verdict. Over
all looks together "equivalent" is claimed with a probability of at most 5 % where the true difference is the margin or
more, and "different" with at most 5 % where there is none.

The method is a group-sequential one: nominal alphas by alpha spending (Lan and DeMets 1983; power family of Kim and
DeMets 1987), applied to Welch's t-test at each look (the significance level approach of Jennison and Turnbull 2000, for
unknown variances), which makes the interval of a look a repeated confidence interval (Jennison and Turnbull 1989; for
equivalence 1993). A verdict of one kind that stops the training is not counted in favour of the other: each of the two
errors stays below its bound by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from parity.records.alpha_spending import nominal_alphas
from parity.records.equivalence import CONFIDENCE, MARGIN, tost
from parity.records.records import FIRST_LOOK, MOST_SEEDS

SequentialVerdict = Literal["equivalent", "different", "undecided"]

# The nominal alphas are those of normal statistics. Welch's t of few seeds follows them only roughly: its variances
# are estimated anew at each look, so that early statistics say less about later ones, and its tails are too heavy where
# one standard deviation is three to ten times the other. Simulated over plans of 4 to 40 seeds and ratios of standard
# deviations of 0 to 1, the errors are up to 27 % larger than the alpha that is spent where that is 5 %, two thirds
# larger where it is 1 %. So only a share is spent: {largest confidence: share}, in ascending order. The largest errors
# then measured are 4.9 % at 0.95 (of "different"; looks at 4 to 8 seeds, a ratio of 0.2) and 0.96 % at 0.99. The exact
# values for small samples (Rom and McTague 2020) are those of Student's t, whose variances are equal.
SHARES = {0.95: 0.75, 0.99: 0.5}

# With a first look at three seeds, the shares above leave 5.3 %; with two, Welch's t has tails like Cauchy's.
FIRST = FIRST_LOOK


@dataclass(frozen=True)
class SequentialPlan:
    """When accuracies are tested; it has to be chosen before the first seed is trained.

    Attributes:
        batch: seeds that each framework is trained with between two looks.
        most: the largest number of seeds a framework, at which the last look takes place.
        first: seeds of each framework at the first look.

    Raises:
        ValueError: `first` is below 4, `batch` below 1, or `most` below `first` or above `MOST_SEEDS`.

    Example:
        >>> SequentialPlan(batch=5, most=18).looks()
        (4, 9, 14, 18)
    """

    batch: int
    most: int
    first: int = FIRST

    def __post_init__(self) -> None:
        """Check the numbers."""
        if isinstance(self.most, int) and self.most > MOST_SEEDS:  # each look makes the computation longer
            raise ValueError(f"most: expected {MOST_SEEDS} seeds or fewer, found {self.most}")
        for name, least in (("first", FIRST), ("batch", 1), ("most", self.first)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ValueError(f"{name}: expected a whole number of seeds, {least} or more, found {value!r}")

    def looks(self) -> tuple[int, ...]:
        """Seeds of each framework at every look; the last batch may be a smaller one."""
        return (*range(self.first, self.most, self.batch), self.most)


@dataclass(frozen=True)
class Look:
    """One of a plan's tests, and how strict it is."""

    number: int  # from 1
    seeds: int  # of each framework
    alpha_equivalent: float  # nominal, of each of the two one-sided tests
    alpha_different: float  # nominal, of the two-sided test of no difference


@dataclass(frozen=True)
class SequentialResult:
    """The verdict so far, and the tests of the look that it is from: the one that decided, else the last one made."""

    verdict: SequentialVerdict
    decided_at: int | None  # number of the look that decided
    exhausted: bool  # this was the last look; "undecided" is final then
    look: Look
    next_look: int | None  # seeds of each framework at the look that comes next; None: there is none
    difference: float  # of the means, in the samples' unit, the first less the second
    interval: tuple[float, float]  # two-sided at 1 - 2 * look.alpha_equivalent
    p_equivalent: float  # the larger p of the two one-sided tests, to be held against look.alpha_equivalent
    p_different: float  # to be held against look.alpha_different


def looks_of(plan: SequentialPlan, confidence: float = CONFIDENCE) -> tuple[Look, ...]:
    """A plan's looks with their nominal alphas.

    Args:
        plan: when to test.
        confidence: 1 less the largest probability of each of the two errors; above 0.5, up to 0.99.

    Returns:
        All looks in order.

    Raises:
        ValueError: `confidence` is out of range.

    Example:
        >>> [round(look.alpha_equivalent, 4) for look in looks_of(SequentialPlan(batch=6, most=16))]
        [0.0023, 0.0132, 0.0309]
    """
    if not 0.5 < confidence <= max(SHARES):
        raise ValueError(
            f"confidence of a one-sided test: expected a number above 0.5, up to {max(SHARES)}, found {confidence}"
        )
    alpha = (1 - confidence) * next(share for largest, share in SHARES.items() if confidence <= largest)
    sizes = plan.looks()
    one_sided = nominal_alphas(sizes, plan.most, alpha)
    half = nominal_alphas(sizes, plan.most, alpha / 2)
    return tuple(
        Look(number, seeds, equivalent, 2 * different)
        for number, (seeds, equivalent, different) in enumerate(zip(sizes, one_sided, half, strict=True), start=1)
    )


def sequential_verdict(
    first: Sequence[float],
    second: Sequence[float],
    plan: SequentialPlan,
    *,
    margin: float = MARGIN,
    confidence: float = CONFIDENCE,
) -> SequentialResult:
    """The verdict about two frameworks' accuracies so far, by a plan of several looks.

    All looks that the seeds suffice for are made in turn, on as many accuracies from the beginning as belong to each,
    up to the first verdict. The result is the same, therefore, whether this is called after every batch or once at the
    end, and seeds after the deciding look, or beyond the plan, change nothing. The order of the accuracies does: it
    has to be that in which seeds were trained (or planned), and no seed may be left out for what came of it.

    At each look "equivalent" is claimed where both one-sided tests reject, whether or not a difference is significant,
    too; else "different" where the two-sided test of no difference rejects.

    The accuracies are taken to be roughly normal. Skewness does not matter where the frameworks' accuracies are
    distributed alike; where one framework's are skewed and spread three times as far as the other's, the errors exceed
    5 % (6 to 7 % for a skewness of 1), as those of any t-test do. `parity matrix errors` measures it.

    Args:
        first: accuracies of one framework, in points of a percent where `margin` is, in the order of the seeds.
        second: as `first`, of the other; as many or not.
        plan: when to test.
        margin: above 0; smaller differences are taken to be of no consequence.
        confidence: 1 less the largest probability of each of the two errors; above 0.5, up to 0.99.

    Returns:
        The verdict with the tests of the look that decided, or else of the last one.

    Raises:
        ValueError: a sample is not finite or too small for the first look, or `margin` or `confidence` is out of range.

    Example:
        >>> paddle = [57.1, 57.2, 57.0, 57.3, 57.2, 57.1]
        >>> tensorflow = [57.2, 57.1, 57.1, 57.2, 57.3, 57.0]
        >>> result = sequential_verdict(paddle, tensorflow, SequentialPlan(batch=2, most=12), margin=0.5)
        >>> result.verdict, result.decided_at, result.look.seeds
        ('equivalent', 1, 4)
    """
    for name, sample in (("first", first), ("second", second)):
        values = np.asarray(sample, dtype=np.float64)
        if values.ndim != 1 or not np.isfinite(values).all():
            raise ValueError(f"{name}: expected finite numbers, one a seed, found {values.tolist()}")
        if len(values) < plan.first:
            raise ValueError(
                f"{name}: expected {plan.first} or more accuracies for the first look, found {len(values)}; "
                f"train {plan.first - len(values)} more seeds"
            )
    there = min(len(first), len(second))
    looks = looks_of(plan, confidence)
    for look in [look for look in looks if look.seeds <= there]:
        test = tost(first[: look.seeds], second[: look.seeds], margin=margin, confidence=1 - look.alpha_equivalent)
        verdict: SequentialVerdict = "undecided"
        if test.p_equivalent < look.alpha_equivalent:
            verdict = "equivalent"
        elif test.p_different < look.alpha_different:
            verdict = "different"
        if verdict != "undecided":
            break
    decided = verdict != "undecided"
    last = look.number == len(looks)
    return SequentialResult(
        verdict=verdict,
        decided_at=look.number if decided else None,
        exhausted=last,
        look=look,
        next_look=None if decided or last else looks[look.number].seeds,
        difference=test.difference,
        interval=test.interval,
        p_equivalent=test.p_equivalent,
        p_different=test.p_different,
    )
