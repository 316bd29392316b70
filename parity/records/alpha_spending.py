"""Alpha spending: how strict each of several tests of growing samples has to be, so that all together err rarely.

To test after every few seeds at 5 % each and to stop at the first success errs far more often than in 5 % of cases. A
spending function (Lan and DeMets 1983) says which share of the error may be used up by which share of the planned
seeds; the nominal alpha of one test follows from it and from the tests before. It depends neither on later tests nor on
their number, so that nothing but the largest number of seeds has to be known in advance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

Spending = Callable[[float, float], float]  # of the share of the seeds and the whole alpha: what may be spent by then

# Between Pocock's (near 1) and O'Brien and Fleming's (near 3). 3 asks a t-test of four seeds for an alpha of some
# 1e-4, which needs several seeds more where frameworks clearly agree; 1 needs more where they agree just so.
EXPONENT = 2.0

POINTS = 6  # Gauss-Legendre nodes a panel; a panel is one standard deviation of what a batch adds

FAR = 8.0  # standard deviations below 0, where the density is cut off: 6e-16 of it


def power_family(share: float, alpha: float) -> float:
    """The part of `alpha` that may be spent when a share of the seeds is there: alpha * share ** 2.

    The power family of Kim and DeMets (1987) with the exponent 2.

    Args:
        share: of the planned seeds, 0 to 1.
        alpha: to be spent in the whole.

    Returns:
        0 without a seed, `alpha` with all.
    """
    return alpha * share**EXPONENT


def nominal_alphas(
    sizes: Sequence[int], most: int, alpha: float, spending: Spending = power_family
) -> tuple[float, ...]:
    """The alpha of each one-sided test, so that all of them together reject a true null hypothesis with `alpha`.

    The test statistics are taken to be jointly normal with the correlations sqrt(n_i / n_j), those of means of growing
    samples. That makes sqrt(n) times a statistic a walk of independent steps, whose density is carried from test to
    test by numerical integration (Armitage, McPherson and Rowe 1969).

    Args:
        sizes: seeds at each test, increasing, above 0.
        most: the number of seeds with which all of `alpha` is spent; at least the last of `sizes`.
        alpha: one-sided, above 0 and below 0.5.
        spending: increasing in its first argument.

    Returns:
        One nominal alpha a test.

    Raises:
        ValueError: `sizes` do not increase, or go beyond `most`, or `alpha` is out of range.

    Example:
        >>> [round(alpha, 4) for alpha in nominal_alphas([5, 10, 15, 20], 20, 0.05)]
        [0.0031, 0.0107, 0.0222, 0.0384]
    """
    sizes = tuple(sizes)
    if not all(before < size for before, size in zip((0, *sizes), sizes, strict=False)) or max(sizes, default=0) > most:
        raise ValueError(f"sizes: expected increasing numbers of seeds from 1 to {most}, found {list(sizes)}")
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha of a one-sided test: expected a number between 0 and 0.5, found {alpha}")
    return _nominal_alphas(sizes, most, alpha, spending)


@lru_cache(maxsize=256)
def _nominal_alphas(sizes: tuple[int, ...], most: int, alpha: float, spending: Spending) -> tuple[float, ...]:
    from scipy import optimize, special  # here: it takes a second to import, and most commands test no accuracies

    alphas: list[float] = []
    walk, mass = np.zeros(1), np.ones(1)  # nodes of the walk that no test has stopped yet, and the probability there
    before, spent = 0, 0.0
    for size in sizes:
        step, scale = np.sqrt(size - before), np.sqrt(size)
        share = spending(size / most, alpha) - spent

        def excess(bound: float, step: float = step, share: float = share) -> float:
            return float(mass @ special.ndtr((walk - bound) / step)) - share  # noqa: B023  used before they change

        bound = optimize.brentq(excess, -FAR * scale, 40 * scale, xtol=1e-12)
        alphas.append(float(special.ndtr(-bound / scale)))
        nodes, weights = _nodes(-FAR * scale, bound, step)
        kernel = np.exp(-0.5 * ((nodes[:, None] - walk) / step) ** 2) / (step * np.sqrt(2 * np.pi))
        walk, mass = nodes, weights * (kernel @ mass)
        before, spent = size, spent + share
    return tuple(alphas)


def _nodes(low: float, high: float, panel: float) -> tuple[Any, Any]:
    """Nodes and weights of Gauss-Legendre quadrature in panels no wider than `panel`."""
    x, w = np.polynomial.legendre.leggauss(POINTS)
    edges = np.linspace(low, high, int(np.ceil((high - low) / panel)) + 1)
    half = np.diff(edges)[:, None] / 2
    return ((edges[:-1, None] + half) + half * x).ravel(), (half * w).ravel()
