"""What the terminal shows of trainings: tables, equivalence, crossed evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from parity.cli.console import table_of
from parity.workers.frameworks import FRAMEWORKS

if TYPE_CHECKING:
    from parity.records.accuracy_records import CrossEvaluation, Equivalence
    from parity.records.records import Training

MIB = 1 << 20


def training_title(records: Sequence[Training]) -> str:
    """What was trained on what, in one line."""
    first = records[0]
    seeds = sorted({record.seed for record in records})
    named = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {', '.join(map(str, seeds))}"
    precision = "" if first.precision == "float32" else f", {first.precision}"
    threads = f"{first.threads} thread{'' if first.threads == 1 else 's'}"
    if first.replicas > 1:
        over_all = ", batch norm over all of them" if first.synchronised else ""
        threads = f"{first.replicas} replicas of {threads} each{over_all}"
    return (
        f"{first.network} on {first.dataset} ({first.train_images:,} to train on), recipe {first.recipe}, "
        f"batch {first.batch}, {named}, {first.device.upper()} with {threads}{precision}"
    )


def training_table(records: Sequence[Training]) -> Table:
    """The frameworks' trainings side by side, seed by seed."""
    columns = ["", "seed", "epochs", "train", "test", "seconds", "images/s", "first step", "peak memory"]
    table = table_of(*columns, right=range(1, len(columns)))
    for record in records:
        final = record.final
        images = len(record.epochs) * (record.train_images // record.batch) * record.batch
        table.add_row(
            FRAMEWORKS[record.framework].title,
            str(record.seed),
            f"{len(record.epochs)}/{record.epochs_planned}",
            f"{final.train_accuracy:.2%}" if final else "-",
            f"{final.test_accuracy:.2%}" if final else "-",
            f"{record.seconds:,.1f}",
            f"{images / record.seconds:,.0f}" if record.seconds else "-",
            f"{record.first_seconds:.1f} s" if record.first_seconds else "-",
            f"{record.peak_memory / MIB:,.0f} MiB" if record.peak_memory else "-",
        )
    return table


def same_start(records: Sequence[Training]) -> list[str]:
    """Two lines: whether, for every seed, all frameworks had the same batches and the same initial weights."""
    lines = []
    for what, digest in (
        ("batches identical (the whole first epoch)", "batches_digest"),
        ("initial weights identical", "initial_digest"),
    ):
        answers = {
            same({answer.framework: getattr(answer, digest) for answer in records if answer.seed == seed})
            for seed in {answer.seed for answer in records}
        }
        lines.append(f"{what}: {next(answer for answer in ('NO', 'unknown', 'yes') if answer in answers)}")
    return lines


def same(values: Mapping[str, str]) -> str:
    """Whether all frameworks report the same digest.

    Args:
        values: digests by framework; empty where a training did not get so far.

    Returns:
        "yes", "NO", or "unknown" where a digest is missing.

    Example:
        >>> same({"paddle": "a", "tensorflow": "b"}), same({"paddle": "a", "tensorflow": ""})
        ('NO', 'unknown')
    """
    if len(values) < len(FRAMEWORKS) or not all(values.values()):
        return "unknown"
    return "yes" if len(set(values.values())) == 1 else "NO"


def equivalence_lines(equivalence: Equivalence) -> list[str]:
    """The verdict on the accuracies, the numbers behind it, and its problems, line by line."""
    first_title, second_title = (FRAMEWORKS[name].title for name in equivalence.accuracies)
    low, high = equivalence.interval
    look = equivalence.sequential
    of_look = f" (sequential test, look {look.number} of {len(look.looks)})" if look else ""
    certain = f"{2 * equivalence.confidence - 1:.{1 if look else 0}%} interval {low:+.2f} to {high:+.2f}"
    return [
        f"test accuracy over {len(equivalence.seeds)} seeds: {equivalence.verdict.upper()}{of_look}",
        f"  {first_title} less {second_title}: {equivalence.difference:+.2f} points, {certain}, "
        f"margin {equivalence.margin:g}; p {equivalence.p_equivalent:.2g} (equivalence), "
        f"p {equivalence.p_different:.2g} (difference)",
        *(f"  {problem}" for problem in equivalence.problems),
    ]


def cross_lines(evaluation: CrossEvaluation) -> list[str]:
    """One line on weights that one framework trained and the other evaluated, and its problems."""
    trained_in, evaluated_in = FRAMEWORKS[evaluation.trained_in].title, FRAMEWORKS[evaluation.evaluated_in].title
    line = f"trained in {trained_in} (seed {evaluation.seed}), evaluated in {evaluated_in}: "
    if evaluation.problems:
        return [line + "NO ANSWER", *(f"  {problem}" for problem in evaluation.problems)]
    unexplained = sum(not image.float64_agree for image in evaluation.differing)
    if unexplained:
        kind = f", {unexplained} of them in float64 too: NOT EQUAL"
    else:
        kind = ", all alike in float64: rounding" if evaluation.differing else ""
    return [
        f"{line}{len(evaluation.differing)} of {evaluation.images:,} predictions differ{kind}; accuracy "
        f"{evaluation.accuracy_home:.2%} and {evaluation.accuracy_abroad:.2%}, largest gap of a logit "
        f"{evaluation.largest_gap:.1e}"
    ]
