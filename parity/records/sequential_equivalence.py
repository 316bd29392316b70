"""Level 10 with as few seeds as needed: the record of a test that was made after each batch of seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import structs

from parity.records.accuracy_records import Equivalence, SequentialLook
from parity.records.equivalence import POINTS, equivalence, faults
from parity.records.records import Training
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
    failed = faults([training for records in trainings.values() for training in records])
    if missing := sorted(set(range(record.seeds[0], record.seeds[-1])) - set(record.seeds)):
        failed.append(
            f"seeds are added in their order, and {', '.join(map(str, missing))} did not count or is not there"
        )
    return structs.replace(
        record,
        difference=result.difference,
        interval=result.interval,
        confidence=1 - result.look.alpha_equivalent,
        p_equivalent=result.p_equivalent,
        p_different=result.p_different,
        verdict="undecided" if failed else result.verdict,
        problems=[*record.problems, *(line for line in failed if line not in record.problems)],
        sequential=SequentialLook(
            number=result.look.number,
            seeds=result.look.seeds,
            looks=[look.seeds for look in looks],
            alpha_different=result.look.alpha_different,
            error=1 - record.confidence,
        ),
    )


def planned_equivalence(trainings: Mapping[str, Sequence[Training]], plan: SequentialPlan | None = None) -> Equivalence:
    """As `sequential_equivalence` where seeds were added by a plan, else as `parity.records.equivalence.equivalence`.

    The plan is the one that the trainings carry: a test for a fixed number of seeds would err more often.

    Args:
        trainings: as there.
        plan: of trainings that carry none; None: the number of seeds was fixed.

    Returns:
        The record; "undecided" where trainings carry different plans.

    Raises:
        ValueError: as `parity.records.equivalence.equivalence`.
    """
    plans = plans_of([training for records in trainings.values() for training in records])
    if text := conflict(plans):
        record = equivalence(trainings)
        return structs.replace(record, verdict="undecided", problems=[*record.problems, text])
    plan = plans[0] if plans else plan
    return sequential_equivalence(trainings, plan) if plan is not None else equivalence(trainings)


def plans_of(records: Iterable[Training]) -> list[SequentialPlan]:
    """The sequential plans that trainings carry, each once.

    Args:
        records: of trainings; those of a fixed number of seeds carry none.
    """
    return [plan_of(looks) for looks in dict.fromkeys(tuple(record.looks) for record in records) if looks]


def conflict(plans: Sequence[SequentialPlan]) -> str:
    """Why no test can be made by these plans together.

    Args:
        plans: of trainings of one experiment, as `plans_of` gives them.

    Returns:
        The reason; empty where there are not several.
    """
    if len(plans) < 2:
        return ""
    listed = " and ".join(str(list(plan.looks())) for plan in plans)
    return f"seeds were added by different plans, with looks at {listed}: no test of them keeps its error rate"


def plan_of(looks: Sequence[int]) -> SequentialPlan:
    """The plan with these looks.

    Args:
        looks: seeds of each framework at every look, as `SequentialPlan.looks` gives them.

    Raises:
        ValueError: there is no such plan.

    Example:
        >>> plan_of([4, 6, 8, 9])
        SequentialPlan(batch=2, most=9, first=4)
    """
    first, *further = looks
    return SequentialPlan(batch=(further or [first + 1])[0] - first, most=looks[-1], first=first)
