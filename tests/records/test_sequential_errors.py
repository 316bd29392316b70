"""The simulated settings of the sequential test: what an error is, which settings exceed the bound, and by how much."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from parity.records.accuracy_records import SequentialErrors
from parity.records.sequential import SequentialPlan
from parity.records.sequential_errors import (
    DIFFERENCES,
    NORMAL,
    SETTINGS,
    STANDARD_ERRORS,
    exceeds,
    simulated_errors,
    standard_error,
)
from parity.records.sequential_power import simulate

PLAN = SequentialPlan(batch=2, most=20)

ALIKE = SequentialErrors(NORMAL, (0.3, 1.0), 0.0, 10_000, 4, 2, 20, 0.5, 0.95, 0.15, 0.05, 0.8, 19.5, 0)


@pytest.fixture(scope="module")
def simulated() -> list[SequentialErrors]:
    return list(simulated_errors(PLAN, seed=3))


def test_normal_accuracies_keep_the_bound_and_the_two_known_exceptions_do_not(
    simulated: list[SequentialErrors],
) -> None:
    over = {(record.distributions, record.deviations) for record in simulated if exceeds(record)}
    assert over == set(SETTINGS[-2:])
    assert not any(record.distributions == NORMAL and exceeds(record, STANDARD_ERRORS) for record in simulated)
    skewed = next(record for record in simulated if record.distributions == ("normal", "skewed"))
    assert exceeds(skewed, STANDARD_ERRORS)


def test_every_setting_with_every_difference_and_numbers_of_its_own(simulated: list[SequentialErrors]) -> None:
    assert [(record.distributions, record.deviations, record.true_difference) for record in simulated] == [
        (*setting, margins * 0.5) for setting in SETTINGS for margins in DIFFERENCES
    ]
    assert [record.seed for record in simulated] == list(range(3, 3 + len(simulated)))


def test_a_record_is_made_again_from_what_it_says(simulated: list[SequentialErrors]) -> None:
    record = simulated[-3]
    assert record.distributions == ("uniform", "uniform")
    plan = SequentialPlan(batch=record.seed_batch, most=record.most, first=record.first)
    rates = simulate(
        plan,
        record.true_difference,
        record.deviations,
        record.matrices,
        record.seed,
        distributions=record.distributions,
        margin=record.margin,
        confidence=record.confidence,
    )
    assert (record.equivalent, record.different, record.undecided, record.mean_seeds) == (
        rates.equivalent,
        rates.different,
        rates.undecided,
        rates.seeds,
    )


@pytest.mark.parametrize(
    ("difference", "error"), [(0.0, 0.05), (0.25, None), (-0.25, None), (0.5, 0.15), (-0.5, 0.15), (1.0, 0.15)]
)
def test_what_counts_as_an_error(difference: float, error: float | None) -> None:
    """Below the margin there is a difference, and it is of no consequence: either verdict is right."""
    assert replace(ALIKE, true_difference=difference).error == error


def test_exactly_the_bound_does_not_exceed_it() -> None:
    assert not exceeds(ALIKE)
    above = replace(ALIKE, different=0.0501, undecided=0.7999)
    assert exceeds(above)
    assert not exceeds(above, STANDARD_ERRORS)
    assert not exceeds(replace(above, true_difference=0.25))
    far = 0.05 + 3.01 * standard_error(0.05, ALIKE.matrices)
    assert exceeds(replace(ALIKE, different=far, undecided=0.85 - far), STANDARD_ERRORS)
