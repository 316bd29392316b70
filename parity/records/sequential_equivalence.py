"""Level 10 with as few seeds as needed: the record of a test that was made after each batch of seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import structs

from parity.records.equivalence import POINTS, equivalence, shortfall
from parity.records.records import Equivalence, SequentialLook, Training
from parity.records.sequential import SequentialPlan, looks_of, sequential_verdict


def sequential_equivalence(trainings: Mapping[str, Sequence[Training]], plan: SequentialPlan) -> Equivalence:
    """As `parity.records.equivalence.equivalence`, by a plan of several looks.

    Args:
        trainings: for each of the two frameworks its records, in any order; seeds count in ascending order.
        plan: when to test; it was chosen before the first seed was trained.

    Returns:
        The record. Interval, confidence and p values are those of the look that decided, or of the last one; a training
        that failed, or fewer seeds than the first look has, make the verdict "undecided".

    Raises:
        ValueError: as `equivalence`.
    """
    record = equivalence(trainings)
    looks = looks_of(plan, record.confidence)
    first, second = ([POINTS * value for value in finals] for finals in record.accuracies.values())
    if len(record.seeds) < plan.first:
        text = f"expected {plan.first} seeds for the first look of a sequential test, found {len(record.seeds)}"
        return structs.replace(record, verdict="undecided", problems=[*record.problems, text])
    result = sequential_verdict(first, second, plan, margin=record.margin, confidence=record.confidence)
    failed = any(shortfall(training) for records in trainings.values() for training in records)
    return structs.replace(
        record,
        difference=result.difference,
        interval=result.interval,
        confidence=1 - result.look.alpha_equivalent,
        p_equivalent=result.p_equivalent,
        p_different=result.p_different,
        verdict="undecided" if failed else result.verdict,
        sequential=SequentialLook(
            number=result.look.number,
            seeds=result.look.seeds,
            looks=[look.seeds for look in looks],
            alpha_different=result.look.alpha_different,
            error=1 - record.confidence,
        ),
    )
