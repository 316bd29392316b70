"""Level 10: accuracy over several seeds, and weights of one framework evaluated in the other."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from parity.records.accuracy_records import CrossEvaluation, Equivalence
from parity.records.equivalence import FEWEST_SEEDS
from parity.records.records import Training
from parity.records.replicas import sharing_text
from parity.records.sequential_equivalence import plan_of, planned_equivalence
from reports.evidence.experiments import Experiment
from reports.formatting import TITLES, code, framework_title, gap_text, interval_text, is_number, plain, signed, some

NOT_EQUIVALENT = "different"


@dataclass(frozen=True)
class Tested:
    """A test of equivalence, with the name of what was tested for tables and for pictures."""

    record: Equivalence
    label: str  # Markdown
    title: str


def tested(groups: Sequence[Experiment], recorded: Sequence[Equivalence], versions: str) -> list[Tested]:
    """The tests of all experiments that have seeds enough, made of the trainings themselves.

    A recorded test counts only where the runs do not hold its trainings: so figures and verdicts always agree. Where it
    was a sequential one, the trainings are tested by its plan: a test for a fixed number of seeds would err more often.
    All are of the same versions of the frameworks; `versions` names them in plain text, where there are others.
    """
    tests = []
    keys = set()
    looks = {equivalence_key(record): record.sequential.looks for record in recorded if record.sequential is not None}
    plans = {key: plan_of(seeds) for key, seeds in looks.items()}
    for group in groups:
        seeds = [len(group.records(framework)) for framework in TITLES]
        if min(seeds) == 0 or max(seeds) < FEWEST_SEEDS:
            continue
        trainings = {framework: group.records(framework) for framework in TITLES}
        record = planned_equivalence(trainings, plans.get(_key(group.sample)))
        keys.add(equivalence_key(record))
        tests.append(Tested(record, group.label, group.title))
    for record in recorded:
        if equivalence_key(record) not in keys:
            words = ", ".join(
                [record.recipe, some(record.epochs, "epoch"), *trained_by(record), *([versions] if versions else [])]
            )
            tests.append(Tested(record, f"{code(record.network)} ({plain(words)})", f"{record.network} ({words})"))
    return tests


def equivalence_key(record: Equivalence) -> tuple[Hashable, ...]:
    """What makes a test that of another experiment."""
    sharing = record.precision, record.replicas, record.synchronised
    return record.network, record.recipe, record.dataset, record.train_images, record.epochs, *sharing


def _key(record: Training) -> tuple[Hashable, ...]:
    """As `equivalence_key`, of the test that a training belongs to."""
    sharing = record.precision, record.replicas, record.synchronised
    return record.network, record.recipe, record.dataset, record.train_images, record.epochs_planned, *sharing


def crossing_key(record: CrossEvaluation) -> tuple[Hashable, ...]:
    """What makes cross-evaluations those of another experiment or direction, whatever the seed."""
    sharing = record.precision, record.replicas, record.synchronised
    return record.network, record.recipe, record.dataset, *sharing, record.trained_in, record.evaluated_in


def trained_by(record: Equivalence | CrossEvaluation) -> list[str]:
    """The conditions of its trainings that are not the usual ones, in plain text."""
    words = [record.precision] if record.precision != "float32" else []
    if record.replicas > 1:
        words.append(sharing_text(record.replicas, record.synchronised))
    return words


def equivalence_faults(record: Equivalence) -> list[str]:
    """Why the test shows a difference of the network, in Markdown; empty when it does not."""
    if record.verdict != NOT_EQUIVALENT:
        return []
    return [
        f"accuracy by recipe {code(record.recipe)}, {some(len(record.seeds), 'seed')}: {signed(record.difference)} "
        f"points, interval {interval_text(record.interval)}, margin {record.margin:g}"
    ]


def holds(record: Equivalence) -> bool:
    """Whether a test says "equivalent", and its own figures do too."""
    inside = all(is_number(bound) and abs(bound) < record.margin for bound in record.interval)
    return record.verdict == "equivalent" and inside


def cross_faults(record: CrossEvaluation) -> list[str]:
    """Why a cross-evaluation shows a difference of the network, in Markdown; empty when it does not."""
    who = (
        f"weights of {framework_title(record.trained_in)}, seed {plain(record.seed)}, in "
        f"{framework_title(record.evaluated_in)}"
    )
    faults = [f"{who}: {plain(problem)}" for problem in record.problems]
    if not record.images:
        faults.append(f"{who}: no image was evaluated")
    if not is_number(record.largest_gap):
        faults.append(f"{who}: the largest gap of a logit is {gap_text(record.largest_gap)}")
    if unsettled := [image for image in record.differing if not image.float64_agree]:
        noun = "differs" if len(unsettled) == 1 else "differ"
        faults.append(f"{who}: {some(len(unsettled), 'prediction')} {noun} in float64 too")
    return faults
