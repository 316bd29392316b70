"""Learning rates for the steps of a proof: lower ones where a recipe's own let the steps show nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from parity.numerics.arrays import Arrays
from parity.numerics.comparison import Comparison
from parity.numerics.tolerance import compare_with_derived_limits
from parity.records.levels import LOWERED_RATES
from parity.weights.state import all_finite

# Factors for the rates, in the order in which they are tried: with few images and drawn weights a recipe's own rates
# may leave no finite number, or amplify rounding to the size of faults.
RATE_FACTORS = (1.0, 1e-2, 1e-4)

# The wrong update rules of the report, 168 in 19 networks, give gaps of 9e-4 and above. They would pass a limit near
# that, so steps that amplify rounding to this size are not proven.
LARGEST_ROUNDING = 1e-4

HIDDEN = (
    "rounding alone moves either side as far as they are apart, also with lower rates: neither that they agree nor "
    "that they differ is shown"
)


def compare_steps(
    sides: Mapping[str, Arrays],
    limits: float | Mapping[str, float],
    perturbed_run: Callable[[int], Mapping[str, Arrays]],
    factor: float = 1.0,
) -> tuple[Comparison, bool]:
    """Compare what steps end in, and say whether rounding hides it.

    Args:
        sides: weights, running statistics and losses of the two sides, the reference first, by the side's name.
        limits: the fixed ones, as in `parity.numerics.comparison.compare`.
        perturbed_run: as in `parity.numerics.tolerance.compare_with_derived_limits`; called once for each number.
        factor: of the rates. What a wrong update rule makes of the weights shrinks with it, and so does the largest
            limit.

    Returns:
        The comparison, whose limits are derived up to `LARGEST_ROUNDING` times the factor; and whether it fails by no
        more than what rounding makes of the same steps beyond that size, so that it shows nothing.
    """
    runs: dict[int, Mapping[str, Arrays]] = {}

    def known_run(run: int) -> Mapping[str, Arrays]:
        if run not in runs:
            runs[run] = perturbed_run(run)
        return runs[run]

    most = LARGEST_ROUNDING * factor
    comparison = compare_with_derived_limits(sides, limits, known_run, most=most)
    if not any(gap.gap > most for gap in comparison.gaps if not gap.passed):
        return comparison, False
    return comparison, compare_with_derived_limits(sides, limits, known_run).passed


def has_numbers(end: Arrays) -> bool:
    """Whether everything that steps ended in is finite.

    Args:
        end: arrays by name.
    """
    return all(all_finite(array) for array in end.values())


def lowered(factor: float) -> str:
    """The rates' factor, for the title of a proof.

    Args:
        factor: one of `RATE_FACTORS`.

    Returns:
        Empty for the recipe's own rates.

    Example:
        >>> lowered(1e-2)
        ', rates times 0.01'
    """
    return "" if factor == 1 else f"{LOWERED_RATES}{factor:g}"
