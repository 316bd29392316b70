"""Nominal alphas of several looks: published bounds, the joint normal distribution, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from parity.records.alpha_spending import nominal_alphas, power_family


def obrien_fleming(share: float, alpha: float) -> float:
    """The spending function of O'Brien and Fleming's type (Lan and DeMets 1983)."""
    return float(2 * stats.norm.sf(stats.norm.isf(alpha / 2) / math.sqrt(share)))


def pocock(share: float, alpha: float) -> float:
    return alpha * math.log(1 + (math.e - 1) * share)


@pytest.mark.parametrize(
    ("spending", "bounds"),
    [
        (obrien_fleming, [4.877, 3.357, 2.680, 2.290, 2.031]),
        (pocock, [2.438, 2.427, 2.410, 2.397, 2.386]),
    ],
)
def test_published_bounds_of_five_looks(spending: Callable[[float, float], float], bounds: list[float]) -> None:
    """Two well-known tables, which other programs print, too: 2.5 % one-sided, five looks at equal distances."""
    alphas = nominal_alphas([1, 2, 3, 4, 5], 5, 0.025, spending)
    assert stats.norm.isf(alphas) == pytest.approx(bounds, abs=5e-4)


@pytest.mark.parametrize("sizes", [(4,), (4, 9), (4, 6, 20), (5, 6, 7, 30)])
def test_alphas_by_the_joint_normal_distribution(sizes: tuple[int, ...]) -> None:
    bounds = stats.norm.isf(nominal_alphas(sizes, sizes[-1], 0.05))
    n = np.array(sizes, dtype=float)
    correlations = np.sqrt(np.minimum.outer(n, n) / np.maximum.outer(n, n))
    for count in range(1, len(sizes) + 1):
        within = stats.multivariate_normal.cdf(
            bounds[:count], np.zeros(count), correlations[:count, :count], abseps=1e-6, releps=1e-6
        )
        assert 1 - within == pytest.approx(power_family(sizes[count - 1] / sizes[-1], 0.05), abs=2e-5)


def test_later_looks_change_nothing_before() -> None:
    """Their number need not be known."""
    assert nominal_alphas([4, 6, 8], 30, 0.05) == nominal_alphas([4, 6, 8, 9, 30], 30, 0.05)[:3]


@pytest.mark.parametrize("sizes", [(0, 1), (3, 3), (4, 2), (4, 31)])
def test_sizes_that_do_not_grow_up_to_the_most(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="sizes: expected increasing"):
        nominal_alphas(sizes, 30, 0.05)


@pytest.mark.parametrize("alpha", [0.0, 0.5, -0.1, math.nan])
def test_alpha_out_of_range(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha of a one-sided test"):
        nominal_alphas([4], 30, alpha)
