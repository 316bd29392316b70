"""The record of a test that is made after each batch of seeds."""

from __future__ import annotations

import math
from typing import Any

import pytest
from msgspec import structs

from parity.records.sequential import SequentialPlan, sequential_verdict
from parity.records.sequential_equivalence import planned_equivalence, sequential_equivalence
from tests.records.test_equivalence import EPOCH, runs

PLAN = SequentialPlan(batch=2, most=12)

SPREAD = [0.600, 0.603, 0.597, 0.601]

ALIKE = [0.600, 0.602, 0.601, 0.603, 0.602, 0.600]


def test_the_record_is_that_of_the_look_which_decided() -> None:
    trainings = runs(ALIKE, list(reversed(ALIKE)))
    record = sequential_equivalence(trainings, PLAN)
    finals = [100 * value for value in ALIKE]
    result = sequential_verdict(finals, list(reversed(finals)), PLAN)
    assert (record.verdict, record.interval) == (result.verdict, result.interval) == ("equivalent", result.interval)
    look = record.sequential
    assert look is not None
    assert (look.number, look.seeds, look.looks) == (result.look.number, result.look.seeds, [4, 6, 8, 10, 12])
    assert look.error == pytest.approx(0.05)
    assert record.confidence == 1 - result.look.alpha_equivalent > 0.95
    # what the report checks: the verdict is that of the interval
    assert all(abs(bound) < record.margin for bound in record.interval)


def test_seeds_in_any_order_are_tested_in_ascending_order() -> None:
    trainings = runs(ALIKE, list(reversed(ALIKE)))
    shuffled = {name: [records[index] for index in (3, 0, 5, 1, 4, 2)] for name, records in trainings.items()}
    assert sequential_equivalence(shuffled, PLAN) == sequential_equivalence(trainings, PLAN)


def test_fewer_seeds_than_the_first_look_has_decide_nothing() -> None:
    record = sequential_equivalence(runs(ALIKE[:3], ALIKE[:3]), PLAN)
    assert (record.verdict, record.sequential) == ("undecided", None)
    assert record.problems[-1] == "expected 4 seeds for the first look of a sequential test, found 3"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epochs": [], "problems": ["killed"]}, "killed"),
        ({"problems": ["the loss is not a number"]}, "the loss is not a number"),
        ({"epochs": [structs.replace(EPOCH, test_accuracy=math.nan)]}, "the final test accuracy is nan"),
    ],
)
def test_a_training_that_failed_leaves_the_verdict_open(changes: dict[str, Any], words: str) -> None:
    trainings = runs(ALIKE, ALIKE)
    trainings["paddle"][5] = structs.replace(trainings["paddle"][5], **changes)
    record = sequential_equivalence(trainings, PLAN)
    assert record.verdict == "undecided"
    assert any(words in problem for problem in record.problems)


def test_the_plan_that_the_trainings_carry_is_that_of_the_test() -> None:
    carried = runs(SPREAD, SPREAD[::-1], looks=[4, 6, 8])
    record = planned_equivalence(carried)
    assert record == sequential_equivalence(carried, SequentialPlan(batch=2, most=8))
    assert planned_equivalence(runs(SPREAD, SPREAD[::-1])).sequential is None
    assert planned_equivalence(runs(SPREAD, SPREAD[::-1]), PLAN).sequential is not None


def test_trainings_of_different_plans_decide_nothing() -> None:
    trainings = runs(ALIKE, ALIKE[::-1], looks=[4, 6])
    trainings["paddle"][5] = structs.replace(trainings["paddle"][5], looks=[4, 6, 8])
    record = planned_equivalence(trainings)
    assert record.verdict == "undecided"
    assert "different plans, with looks at [4, 6] and [4, 6, 8]" in record.problems[-1]


def test_a_seed_that_is_left_out_leaves_the_verdict_open() -> None:
    trainings = {name: [r for r in records if r.seed != 2] for name, records in runs(ALIKE, ALIKE[::-1]).items()}
    record = sequential_equivalence(trainings, PLAN)
    assert record.verdict == "undecided"
    assert record.problems == ["seeds are added in their order, and 2 did not count or is not there"]


@pytest.mark.parametrize("looks", [[2, 3], [8, 4], [4, 4], [4, 5, 20], [4, 6, 10**9], [4, 7, 9, 12]])
def test_looks_of_no_plan_are_refused(looks: list[int]) -> None:
    with pytest.raises(ValueError, match="looks: expected ascending numbers of seeds from 4 to 1000"):
        runs(ALIKE, ALIKE, looks=looks)


def test_a_look_is_one_of_its_plan() -> None:
    record = sequential_equivalence(runs(ALIKE, ALIKE[::-1]), PLAN)
    assert record.sequential is not None
    changes: list[dict[str, Any]] = [{"number": 9}, {"seeds": 5}, {"looks": []}]
    for change in changes:
        with pytest.raises(ValueError, match="look"):
            structs.replace(record.sequential, **change)
