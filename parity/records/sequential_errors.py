"""How often the sequential test errs: a fixed set of simulated settings, and which of them exceed its bound.

The bound is proven by simulation, and not by a formula: Welch's t of few seeds follows the normal theory of alpha
spending only roughly. Two settings are there because they are known to exceed it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from parity.records.accuracy_records import SequentialErrors
from parity.records.equivalence import CONFIDENCE, MARGIN
from parity.records.records import Distribution
from parity.records.sequential import SequentialPlan
from parity.records.sequential_power import simulate

NORMAL: tuple[Distribution, Distribution] = ("normal", "normal")

# The distributions of the two frameworks' accuracies, and their standard deviations in points.
SETTINGS: tuple[tuple[tuple[Distribution, Distribution], tuple[float, float]], ...] = (
    (NORMAL, (0.1, 0.1)),
    (NORMAL, (0.3, 0.3)),
    (NORMAL, (0.3, 1.0)),
    (NORMAL, (1.0, 1.0)),
    (("skewed", "skewed"), (0.3, 0.3)),
    (("heavy-tailed", "heavy-tailed"), (0.3, 0.3)),
    # Known to exceed 5 %: the framework that spreads three times as far makes nearly all of the error alone.
    (("normal", "skewed"), (0.3, 0.9)),
    (("uniform", "uniform"), (0.3, 0.9)),
)

DIFFERENCES = (0.0, 0.5, 1.0, 2.0)  # true ones, in margins

STANDARD_ERRORS = 3  # by which an error has to lie above the bound to be more than chance


def simulated_errors(plan: SequentialPlan, matrices: int = 10_000, seed: int = 0) -> Iterator[SequentialErrors]:
    """Simulate every setting with every true difference.

    Args:
        plan: when to test.
        matrices: experiments of each; an error of 5 % of 10,000 has a standard error of 0.2 %.
        seed: of the random numbers of the first; those that follow have the seeds that follow.

    Yields:
        The settings in their order, each with its differences in ascending order.

    Raises:
        ValueError: `matrices` is below 1, or `seed` below 0.
    """
    every = [(*setting, margins * MARGIN) for setting in SETTINGS for margins in DIFFERENCES]
    for own_seed, (distributions, deviations, difference) in enumerate(every, start=seed):
        rates = simulate(plan, difference, deviations, matrices, own_seed, distributions=distributions)
        yield SequentialErrors(
            distributions=distributions,
            deviations=deviations,
            true_difference=difference,
            matrices=matrices,
            first=plan.first,
            seed_batch=plan.batch,
            most=plan.most,
            margin=MARGIN,
            confidence=CONFIDENCE,
            equivalent=rates.equivalent,
            different=rates.different,
            undecided=rates.undecided,
            mean_seeds=rates.seeds,
            seed=own_seed,
        )


def standard_error(share: float, matrices: int) -> float:
    """Of a share that was counted in so many independent experiments.

    >>> round(standard_error(0.05, 10_000), 4)
    0.0022
    """
    return math.sqrt(share * (1 - share) / matrices)


def exceeds(record: SequentialErrors, standard_errors: float = 0) -> bool:
    """Whether the error of a setting lies above the test's bound.

    Args:
        record: of the setting; one of which no verdict is an error never does.
        standard_errors: by how many of them; those of a test that errs just as often as it may.

    Returns:
        Whether it does.
    """
    bound = record.bound
    return record.error is not None and record.error > bound + standard_errors * standard_error(bound, record.matrices)
