"""What a reader must know before any figure of a training: what failed, what is unequal, what was resumed."""

from __future__ import annotations

from collections.abc import Sequence

from parity.records.records import Training
from reports.evidence.experiments import Experiment
from reports.formatting import NOT_RECORDED, framework_title, is_number, listed, numbers, plain

IDENTICAL = "identical"

DIFFERENT_DIGESTS = "**DIFFERENT**"


def same_digest(first: str, second: str) -> str:
    """Whether two digests show the same bytes; a digest that was not recorded shows nothing."""
    if not first or not second:
        return f"**{NOT_RECORDED}**"
    return IDENTICAL if first == second else DIFFERENT_DIGESTS


def first_not_finite(record: Training) -> int | None:
    """The first epoch with a loss or accuracy that is no finite number, or None."""
    for epoch in record.epochs:
        if not all(map(is_number, (epoch.train_loss, epoch.train_accuracy, epoch.test_loss, epoch.test_accuracy))):
            return epoch.epoch
    return None


def alarms(groups: Sequence[Experiment]) -> list[str]:
    """The problems of all trainings, one Markdown line each: those that did not finish come first."""
    unfinished, others = [], []
    for group in groups:
        for framework, records in group.trained.items():
            for record in records.values():
                who = f"{group.label}, seed {plain(record.seed)}, {framework_title(framework)}"
                if len(record.epochs) < record.epochs_planned:
                    unfinished.append(f"- **{who}, did not finish:** {_shortfall(record)}")
                else:
                    others += [f"- {who}: {plain(problem)}" for problem in record.problems]
                if (epoch := first_not_finite(record)) is not None:
                    others.append(f"- **{who}: a loss or accuracy is not a finite number from epoch {epoch} on.**")
            others += _twice(group, framework)
        others += _unequal(group)
    return unfinished + others


def _shortfall(record: Training) -> str:
    reasons = "; ".join(map(plain, record.problems)) or "no reason on record (killed, or saved while it was running)"
    return f"{len(record.epochs)} of {record.epochs_planned} epochs; {reasons}"


def _unequal(group: Experiment) -> list[str]:
    """Seeds at which the frameworks did not share their start or their batches."""
    lines = []
    for seed in group.seeds:
        if (pair := group.both(seed)) is None:
            continue
        where = f"{group.label}, seed {plain(seed)}"
        if same_digest(pair[0].initial_digest, pair[1].initial_digest) == DIFFERENT_DIGESTS:
            lines.append(f"- **{where}: the frameworks started from DIFFERENT weights.** Do not compare their curves.")
        if same_digest(pair[0].batches_digest, pair[1].batches_digest) == DIFFERENT_DIGESTS:
            lines.append(f"- **{where}: the frameworks saw DIFFERENT batches.** Do not compare their curves.")
    return lines


def _twice(group: Experiment, framework: str) -> list[str]:
    """Seeds of one framework that ended with the very same weights: they are one run and not several."""
    by_digest: dict[str, list[int]] = {}
    for record in group.records(framework):
        if record.weights_digest:
            by_digest.setdefault(record.weights_digest, []).append(record.seed)
    return [
        f"- **{group.label}, {framework_title(framework)}: seeds {numbers(seeds)} ended with the SAME weights.** "
        "They are one run, and count as several in every mean below."
        for seeds in by_digest.values()
        if len(seeds) > 1
    ]


def resumed(groups: Sequence[Experiment]) -> list[str]:
    """Trainings that more than one process worked on, one Markdown line each."""
    lines = []
    for group in groups:
        for framework, records in group.trained.items():
            for record in records.values():
                after = [str(session.after_epochs) for session in record.sessions[1:]]
                if after:
                    who = f"{group.label}, seed {plain(record.seed)}, {framework_title(framework)}"
                    lines.append(f"- {who}: resumed after epoch {plain(listed(after))}")
    return lines


def unfinished_note(group: Experiment, framework: str) -> str:
    """How many seeds count: `5`, or `4 of 5 finished` in bold where some failed."""
    every, good = group.records(framework), group.sound(framework)
    return str(len(every)) if len(good) == len(every) else f"**{len(good)} of {len(every)} finished**"
