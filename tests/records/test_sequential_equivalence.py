"""The record of a test that is made after each batch of seeds."""

from __future__ import annotations

import math
from typing import Any

import pytest
from msgspec import structs

from parity.records.sequential import SequentialPlan, sequential_verdict
from parity.records.sequential_equivalence import sequential_equivalence
from tests.records.test_equivalence import EPOCH, runs

PLAN = SequentialPlan(batch=2, most=12)

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
