"""Tables of training: means over the seeds, every single run, equality of the start."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from parity.records.records import Training
from reports.evidence.experiments import Experiment
from reports.evidence.verdict import NetworkVerdict, proof_status
from reports.formatting import (
    NOTHING,
    brief,
    code,
    count_text,
    duration,
    figures,
    framework_title,
    is_number,
    listed,
    memory,
    percent,
    percents,
    plain,
    signed,
    table,
)
from reports.tables.failures import same_digest, unfinished_note


@dataclass(frozen=True)
class Pace:
    """Medians over all finished epochs of several runs; None where there is none."""

    seconds: float | None
    images_per_second: float | None


def pace(records: Sequence[Training]) -> Pace:
    """How fast these runs went."""
    epochs = [epoch for record in records for epoch in record.epochs]
    seconds = [epoch.seconds for epoch in epochs]
    rates = [epoch.images_per_second for epoch in epochs]
    return Pace(statistics.median(seconds) if seconds else None, statistics.median(rates) if rates else None)


def seeds_table(groups: Sequence[Experiment], verdicts: Sequence[NetworkVerdict]) -> str:
    """One row an experiment and framework: mean, standard deviation and range of the final test accuracy, and pace.

    The last column says which levels its network passed.
    """
    headers = ["network", "framework", "recipe", "epochs", "seeds", "test %", "lowest", "highest", "an epoch"]
    headers += ["images/s", "proofs"]
    rows = []
    for group in groups:
        proofs = proof_status(group.network, group.versions, verdicts)
        for framework in group.trained:
            tests = [record.epochs[-1].test_accuracy for record in group.sound(framework)]
            speed = pace(group.records(framework))
            rows.append(
                [
                    group.label,
                    framework_title(framework),
                    code(group.sample.recipe),
                    str(group.sample.epochs_planned),
                    unfinished_note(group, framework),
                    percents(tests),
                    *([percent(min(tests)), percent(max(tests))] if len(tests) > 1 else [NOTHING] * 2),
                    brief(speed.seconds),
                    figures(speed.images_per_second),
                    proofs,
                ]
            )
    return table(headers, rows, headers[3:-1])


def progress(record: Training) -> str:
    """Epochs done of epochs planned; a run that stopped early is labelled."""
    done = len(record.epochs)
    return f"{done} of {record.epochs_planned}" + (" **partial**" if done < record.epochs_planned else "")


def outcome_table(groups: Sequence[Experiment]) -> str:
    """Every run: accuracy after the last finished epoch, and the best test accuracy on the way."""
    headers = ["network", "framework", "seed", "epochs", "train images", "train %", "test %", "best test %"]
    rows = []
    for group, record in _runs(groups):
        epochs = record.epochs
        last = epochs[-1] if epochs else None
        numbers = [epoch for epoch in epochs if is_number(epoch.test_accuracy)]
        best = max(numbers, key=lambda epoch: epoch.test_accuracy, default=None)
        rows.append(
            [
                group.label,
                framework_title(record.framework),
                plain(record.seed),
                progress(record),
                count_text(record.train_images),
                percent(last.train_accuracy) if last else NOTHING,
                percent(last.test_accuracy) if last else NOTHING,
                f"{percent(best.test_accuracy)} (epoch {best.epoch})" if best else NOTHING,
            ]
        )
    return table(headers, rows, headers[2:])


def cost_table(groups: Sequence[Experiment]) -> str:
    """Every run: how it ran, its time and memory; of one that stopped early also what is projected for the whole."""
    headers = ["network", "framework", "seed", "batch", "mode", "precision", "threads", "training", "first step"]
    headers.append("peak memory")
    rows = [
        [
            group.label,
            framework_title(record.framework),
            plain(record.seed),
            count_text(record.batch),
            plain(record.mode),
            plain(record.precision),
            str(record.threads) if record.replicas == 1 else f"{record.replicas} replicas of {record.threads}",
            duration(record.seconds) + projected(record),
            duration(record.first_seconds),
            memory(record.peak_memory),
        ]
        for group, record in _runs(groups)
    ]
    return table(headers, rows, ["seed", "batch", *headers[6:]])


def projected(record: Training) -> str:
    """What all epochs of a run that stopped early would take at the pace of those that were finished, in brackets."""
    seconds = pace([record]).seconds
    if seconds is None or len(record.epochs) >= record.epochs_planned:
        return ""
    return f" (projected for {record.epochs_planned} epochs: {duration(seconds * record.epochs_planned)})"


def _runs(groups: Sequence[Experiment]) -> list[tuple[Experiment, Training]]:
    """Every run with its experiment: by seed, then by framework."""
    return [
        (group, group.trained[framework][seed])
        for group in groups
        for seed in group.seeds
        for framework in group.trained
        if seed in group.trained[framework]
    ]


def difference(first: Training, second: Training) -> tuple[str, int]:
    """First minus second in test accuracy, in percentage points, after the last epoch that both finished."""
    common = min(len(first.epochs), len(second.epochs))
    if not common:
        return NOTHING, 0
    accuracies = [record.epochs[common - 1].test_accuracy for record in (first, second)]
    if not all(is_number(accuracy) for accuracy in accuracies):
        return "**NaN**", common
    return f"{signed(100 * (accuracies[0] - accuracies[1]))} points", common


def seed_pair_table(groups: Sequence[Experiment]) -> str:
    """Whether both frameworks started from the same weights and saw the same batches, and how far apart they ended."""
    headers = ["network", "seed", "initial weights", "batches", "difference in test accuracy", "after epoch"]
    rows = []
    for group in groups:
        for seed in group.seeds:
            names = [group.label, plain(seed)]
            pair = group.both(seed)
            if pair is None:
                only = listed([framework_title(name) for name in group.trained if seed in group.trained[name]])
                rows.append([*names, NOTHING, NOTHING, f"**only {only} was trained**", NOTHING])
                continue
            points, common = difference(*pair)
            rows.append(
                [
                    *names,
                    same_digest(pair[0].initial_digest, pair[1].initial_digest),
                    same_digest(pair[0].batches_digest, pair[1].batches_digest),
                    points,
                    str(common) if common else NOTHING,
                ]
            )
    return table(headers, rows, ["seed", *headers[4:]])
