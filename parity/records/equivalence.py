"""Level 10: are two frameworks' accuracies equivalent? Two one-sided t-tests (TOST) over several seeds.

A test of no difference cannot show that two things are alike: with few seeds it finds nothing, whatever is there. TOST
reverses the question: "equivalent" is claimed only where the data exclude every difference of the margin or more.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from parity.records.accuracy_records import Equivalence
from parity.records.records import Training

MARGIN = 0.5  # points of a percent of test accuracy

CONFIDENCE = 0.95

FEWEST_SEEDS = 2  # a variance needs two

POINTS = 100.0  # accuracies are kept as 0..1, compared in points

# Trainings that differ in one of these are different experiments, whose accuracies no test may pool.
SETTINGS = (
    "network",
    "recipe",
    "dataset",
    "train_images",
    "test_images",
    "epochs_planned",
    "batch",
    "precision",
    "replicas",
    "synchronised",
)


# What both frameworks' trainings of one seed have in common, and how it is said where they do not.
DIGESTS = {"initial_digest": "began with different weights", "batches_digest": "saw different batches"}


@dataclass(frozen=True)
class Tost:
    """The results of the tests for two samples; in the samples' own unit, the first less the second."""

    difference: float  # of the means
    interval: tuple[float, float]  # two-sided at 2 * confidence - 1: each side is one of the one-sided tests
    p_equivalent: float  # the larger p of the two one-sided tests
    p_different: float  # of the two-sided test of no difference


def tost(first: Sequence[float], second: Sequence[float], *, margin: float, confidence: float = CONFIDENCE) -> Tost:
    """Two one-sided Welch t-tests of a difference of means (Schuirmann 1987; unequal variances after Welch 1947).

    One test's null hypothesis is "the difference is -margin or less", the other's "it is +margin or more". Both are
    rejected exactly where the interval lies within the margin.

    Where both samples are constant there is no error to estimate, and t is 0/0; then the limit of vanishing variance
    is returned: an interval without width, and p values of 0 or 1.

    Args:
        first: at least two finite numbers.
        second: as `first`; as many or not.
        margin: above 0, in the samples' unit.
        confidence: of each one-sided test, above 0.5 and below 1.

    Raises:
        ValueError: a sample is too small or not finite, or `margin` or `confidence` is out of range.
    """
    from scipy import stats  # here: it takes a second to import, and most commands test no accuracies

    _check_limits(margin, confidence)
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    for sample in (a, b):
        if sample.ndim != 1 or len(sample) < FEWEST_SEEDS or not np.isfinite(sample).all():
            raise ValueError(f"expected {FEWEST_SEEDS} or more finite numbers in a sample, found {sample.tolist()}")
    difference = float(a.mean() - b.mean())
    if np.ptp(a) == 0 and np.ptp(b) == 0:
        exact = float(a[0] - b[0])
        return Tost(exact, (exact, exact), float(abs(exact) >= margin), float(exact == 0))
    with warnings.catch_warnings():
        # One constant sample has no variance to lose digits of; the other's is what the error is made of.
        warnings.filterwarnings("ignore", "Precision loss", RuntimeWarning)
        above = stats.ttest_ind(a + margin, b, equal_var=False, alternative="greater")
        below = stats.ttest_ind(a - margin, b, equal_var=False, alternative="less")
        either = stats.ttest_ind(a, b, equal_var=False)
    low, high = either.confidence_interval(confidence_level=2 * confidence - 1)
    p_equivalent = float(max(above.pvalue, below.pvalue))
    return Tost(difference, (float(low), float(high)), p_equivalent, float(either.pvalue))


def equivalence(
    trainings: Mapping[str, Sequence[Training]], *, margin: float = MARGIN, confidence: float = CONFIDENCE
) -> Equivalence:
    """Test two frameworks' final test accuracies over their common seeds for equivalence.

    The test is unpaired, although runs of one seed share initial weights and batches: they round differently, their
    losses diverge within an epoch (level 9 shows where), and what a seed's two accuracies still have in
    common cannot be relied on. Welch's test stays right where they are independent, and errs to the side of "undecided"
    where they are positively correlated; a paired test would spend half of the degrees of freedom on a correlation that
    is not there. Variances may differ between the frameworks, so they are not pooled.

    A seed counts where both frameworks finished it with a finite accuracy. One that either began and did not finish, or
    finished with no number, makes the verdict "undecided": to leave out what failed would choose the data by their
    outcome. So does a seed of which the frameworks saw other batches or began with other weights, and a seed that was
    trained by another code or setup than the rest. A seed that only one framework was given is left out and named in
    `problems`, without further effect.

    Args:
        trainings: for each of the two frameworks its records, in any order; the first framework less the second is the
            difference.
        margin: points of a percent; smaller differences are taken to be of no consequence.
        confidence: of each of the two one-sided tests.

    Returns:
        The record. Its verdict is "equivalent" where both one-sided tests reject; else "different" where the two-sided
        test of no difference rejects at 1 - confidence; else "undecided". With fewer than two seeds the interval is
        unbounded, both p are 1, and without any the difference is NaN.

    Raises:
        ValueError: not two frameworks, a record of another framework, a seed twice, no record at all, or records that
            differ in one of `SETTINGS`.
    """
    _check_limits(margin, confidence)
    by_seed = {framework: _by_seed(framework, records) for framework, records in trainings.items()}
    if len(by_seed) != 2:
        raise ValueError(f"expected the trainings of two frameworks, found {len(by_seed)}: {', '.join(by_seed)}")
    every = [record for records in by_seed.values() for record in records.values()]
    check_settings(every)
    one, other = by_seed
    common = sorted(set(by_seed[one]) & set(by_seed[other]))
    failed = faults(every)
    seeds = [seed for seed in common if not any(shortfall(records[seed]) for records in by_seed.values())]
    accuracies = {name: [_final(records[seed]) for seed in seeds] for name, records in by_seed.items()}
    samples = [[POINTS * accuracy for accuracy in finals] for finals in accuracies.values()]
    notes = [
        f"left out, because only {name} was trained with it: seed {', '.join(map(str, alone))}"
        for name, rest in ((one, other), (other, one))
        if (alone := sorted(set(by_seed[name]) - set(by_seed[rest])))
    ]
    if len(seeds) < FEWEST_SEEDS:
        failed.append(f"expected {FEWEST_SEEDS} or more seeds that both frameworks finished, found {len(seeds)}")
        difference = float(samples[0][0] - samples[1][0]) if seeds else math.nan
        test = Tost(difference, (-math.inf, math.inf), 1.0, 1.0)
    else:
        test = tost(*samples, margin=margin, confidence=confidence)
        if all(len(set(accuracy)) == 1 for accuracy in accuracies.values()):
            notes.append("no spread between the seeds of either framework: the tests have no error to measure with")
    return Equivalence(
        network=every[0].network,
        recipe=every[0].recipe,
        dataset=every[0].dataset,
        train_images=every[0].train_images,
        epochs=every[0].epochs_planned,
        seeds=seeds,
        accuracies=accuracies,
        difference=test.difference,
        interval=test.interval,
        margin=margin,
        confidence=confidence,
        p_equivalent=test.p_equivalent,
        p_different=test.p_different,
        verdict="undecided" if failed else _verdict(test, confidence),
        problems=failed + notes,
        precision=every[0].precision,
        replicas=every[0].replicas,
        synchronised=every[0].synchronised,
    )


def _verdict(test: Tost, confidence: float) -> Literal["equivalent", "different", "undecided"]:
    level = 1 - confidence
    if test.p_equivalent < level:
        return "equivalent"
    return "different" if test.p_different < level else "undecided"


def _check_limits(margin: float, confidence: float) -> None:
    if not (math.isfinite(margin) and margin > 0):
        raise ValueError(f"margin: expected a number above 0, found {margin}")
    if not 0.5 < confidence < 1:
        raise ValueError(f"confidence of a one-sided test: expected a number between 0.5 and 1, found {confidence}")


def check_settings(records: Sequence[Training]) -> None:
    """Refuse trainings that are different experiments.

    Args:
        records: of either framework.

    Raises:
        ValueError: there is none, or they differ in one of `SETTINGS`; the message says in which, and how.
    """
    if not records:
        raise ValueError("expected trainings of two frameworks, found none of either")
    for name in SETTINGS:
        settings = {getattr(record, name) for record in records}
        if len(settings) > 1:
            values = ", ".join(sorted(map(repr, settings)))
            raise ValueError(f"the trainings differ in {name.replace('_', ' ')}: {values}. Test each alone.")


def _by_seed(framework: str, records: Sequence[Training]) -> dict[int, Training]:
    """The records by seed. Raises ValueError for a seed twice or a record of another framework."""
    by_seed: dict[int, Training] = {}
    for record in records:
        if record.framework != framework:
            raise ValueError(f"expected trainings in {framework}, found one in {record.framework}")
        if record.seed in by_seed:
            raise ValueError(f"{framework}: two trainings with seed {record.seed}; expected one a seed")
        by_seed[record.seed] = record
    return by_seed


def faults(records: Sequence[Training]) -> list[str]:
    """Why no verdict can hold about these trainings: none of them may be left out for what came of it.

    Args:
        records: of one experiment, each framework and seed once.

    Returns:
        One line for a training without a final number, a seed that the frameworks did not begin alike, and trainings of
        one framework that do not belong to one experiment; empty where nothing speaks against a verdict.
    """
    ordered = sorted(records, key=lambda record: record.seed)
    lines = [f"{record.framework}, seed {record.seed}: {reason}" for record in ordered if (reason := shortfall(record))]
    for field, what in DIGESTS.items():
        digests: dict[int, set[str]] = {}
        for record in ordered:
            digests.setdefault(record.seed, set()).update({getattr(record, field)} - {""})
        unlike = [seed for seed, found in digests.items() if len(found) > 1]
        lines += [f"the frameworks {what}: {_seeds(unlike)}"] if unlike else []
    for framework in dict.fromkeys(record.framework for record in ordered):
        setups: dict[str, list[int]] = {}
        for record in ordered:
            if record.framework == framework and record.setup:
                setups.setdefault(record.setup, []).append(record.seed)
        if len(setups) > 1:
            groups = " and ".join(map(_seeds, setups.values()))
            lines.append(
                f"{framework}: {groups} differ in code, versions, data, device, threads or another setting, so they "
                "are no sample of one experiment; train them again with one"
            )
    return lines


def shortfall(record: Training) -> str:
    """Why a training has no final accuracy that counts.

    Args:
        record: of the training.

    Returns:
        The reason; empty where it finished with an accuracy that is a number.
    """
    if not record.finished:
        reason = f" ({'; '.join(record.problems)})" if record.problems else ""
        return f"did not finish, {len(record.epochs)} of {record.epochs_planned} epochs{reason}"
    accuracy = _final(record)
    return "" if math.isfinite(accuracy) else f"the final test accuracy is {accuracy}"


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def _final(record: Training) -> float:
    return float(record.epochs[-1].test_accuracy)
