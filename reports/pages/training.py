"""The report's section on training: what failed, means over the seeds, equivalence, convergence, ablations."""

from __future__ import annotations

from collections.abc import Sequence

from parity.records.equivalence import FEWEST_SEEDS
from reports.album import Album
from reports.evidence.experiments import Experiment
from reports.evidence.merged_runs import MergedRuns
from reports.evidence.outcomes import Tested, cross_faults
from reports.evidence.verdict import NetworkVerdict
from reports.formatting import TITLES, code, listed, plain
from reports.plots.evidence import intervals
from reports.plots.training import convergence_curves, training_curves
from reports.tables.convergence import answers, fields, reach_table
from reports.tables.failures import alarms, resumed
from reports.tables.outcomes import cross_table, equivalence_problems, equivalence_table
from reports.tables.published import ablation_table, published_table
from reports.tables.training import cost_table, outcome_table, seed_pair_table, seeds_table


def training_section(
    merged: MergedRuns,
    groups: Sequence[Experiment],
    tests: Sequence[Tested],
    verdicts: Sequence[NetworkVerdict],
    album: Album,
) -> str:
    """All of it; `groups` are the trainings, `tests` those of equivalence, `verdicts` what was proven of networks."""
    if not groups and not tests and not merged.cross_evaluations:
        return "## Training\n\nNo network was trained in these runs."
    parts = ["## Training"]
    if groups:
        parts += _warnings(groups)
        parts += [SEEDS, seeds_table(groups, verdicts)]
    parts += _equivalence(groups, tests, album)
    parts += _cross_evaluation(merged)
    if groups:
        parts += ["### Same start, same batches", _pairs_text(groups), seed_pair_table(groups)]
        parts += _convergence(groups, album)
        if ablations := ablation_table(groups):
            parts += ["### What was taken away", ABLATIONS, ablations]
        if published := published_table(groups):
            parts += ["### Against the documents", DOCUMENTS, published]
        parts += _curves(groups, album)
        parts += ["### Every run", EVERY_RUN, outcome_table(groups), cost_table(groups)]
    return "\n\n".join(parts)


SEEDS = (
    "Accuracies after the last epoch, of the runs that finished: mean ± standard deviation over the seeds. Seconds and "
    "images a second are medians over all epochs, without evaluation and without the compilation of the first step. "
    "They are times of a whole run beside whatever else the machine did; the interleaved ratios above compare better. "
    "“Proofs” are the levels that the network passed in these versions."
)

DOCUMENTS = (
    f"Ours: {' / '.join(TITLES.values())}, mean over the seeds that finished; where none did, the runs that came "
    "furthest. **Bold** marks fewer epochs than the document's."
)

ABLATIONS = (
    "The same network, recipe and images with and without one thing, after the same number of epochs: the last that "
    "both sides reached. Two figures are base / changed, means over the seeds; the difference, in points, is changed "
    "less base."
)

EVERY_RUN = (
    "Training time leaves out evaluation and the compilation of the first step; peak memory is that of the whole "
    "worker process. A projection is the median epoch of a run that stopped early, times the epochs that were planned: "
    "it was not measured."
)


def _warnings(groups: Sequence[Experiment]) -> list[str]:
    warnings = []
    if lines := alarms(groups):
        warnings.append("**Problems:**\n\n" + "\n".join(lines))
    if lines := resumed(groups):
        warnings.append(
            "Interrupted and resumed from a saved state; only finished epochs count in their times:\n\n"
            + "\n".join(lines)
        )
    return warnings


def _equivalence(groups: Sequence[Experiment], tests: Sequence[Tested], album: Album) -> list[str]:
    if not tests:
        return []
    confidences = listed(list(dict.fromkeys(f"{100 * test.record.confidence:.4g} %" for test in tests)))
    first, second = TITLES.values()
    text = (
        f"Two one-sided t-tests (TOST) at {confidences} each, unpaired, with Welch's unequal variances, on the final "
        f"test accuracies in points; the difference is {first} less {second}. **Equivalent** means that the data "
        "exclude every difference of the margin or more: the interval lies within the margin on both sides. "
        "**Different** means that equivalence is not shown and a difference of zero is excluded. **Undecided** is what "
        f"is left, and the result of fewer than {FEWEST_SEEDS} seeds or of a failed run: it shows neither."
    )
    parts = ["### Accuracy over seeds: equivalent?", text, equivalence_table(tests)]
    if sequential := [test.label for test in tests if test.record.sequential is not None]:
        words = "Tested after each batch of seeds, at stricter levels, until the verdict (below, under Scale):"
        parts.append(f"{words} {listed(sequential)}.")
    if problems := equivalence_problems(tests):
        parts.append("\n".join(problems))
    if picture := intervals(tests):
        parts.append(album.add("Difference in test accuracy with its interval and the margin", "equivalence", picture))
    return parts


def _cross_evaluation(merged: MergedRuns) -> list[str]:
    if not merged.cross_evaluations:
        return []
    text = (
        "Weights that one framework trained, evaluated by both over all test images in float32. Predictions may differ "
        "where the two largest logits nearly tie; then both frameworks must agree in float64. The margin is how far "
        "apart those two logits were, and the largest one is shown. The logit gap is the "
        "largest difference of any logit, relative to the largest logit."
    )
    parts = ["### Trained in one, evaluated in the other", text]
    for part in merged.parts:
        if not (records := part.cross_evaluations):
            continue
        parts += [f"In {part.where}:"] if part.label else []
        parts.append(cross_table(records))
        if faults := [f"- {code(record.network)}, {fault}" for record in records for fault in cross_faults(record)]:
            parts.append("**Problems:**\n\n" + "\n".join(faults))
    return parts


def _pairs_text(groups: Sequence[Experiment]) -> str:
    """How to take the differences, by the number of seeds."""
    words = (
        "Digests of the initial weights and of every batch of the first epoch show whether the two runs are twins. "
        "They share the start and not the rounding, so float32 runs drift apart. "
        f"The difference is {' minus '.join(TITLES.values())}, after the last epoch that both finished. "
    )
    paired = [sum(group.both(seed) is not None for seed in group.seeds) for group in groups]
    if max(paired) < FEWEST_SEEDS:
        return words + (
            "**One seed decides nothing:** that difference is one draw, and neither shows that the "
            "frameworks are equally good nor that one is better."
        )
    return words + "A single line decides nothing; the test of equivalence above takes all seeds together."


def _convergence(groups: Sequence[Experiment], album: Album) -> list[str]:
    """Tables, pictures and answers for each recipe and data set that some network was trained with."""
    parts = []
    for field in fields(groups):
        if (reach := reach_table(field)) is None:
            continue
        parts += [f"{field.title}:", reach]
        if lines := answers(field):
            parts.append("Fewer epochs, but longer ones?\n\n" + "\n".join(lines))
        if picture := convergence_curves(field):
            parts.append(album.add(f"Training accuracy, {plain(field.name)}", f"convergence_{field.name}", picture))
    if not parts:
        return []
    text = (
        "Epochs / time until an epoch's training accuracy was at least that of the column: the median over the seeds, "
        "in brackets how many reached it if not all did. A training accuracy is the mean over an epoch as the network "
        "was trained, with augmentation and dropout and while the weights moved: those at the epoch's end are mostly "
        "better. A dash means never."
    )
    return ["### How fast it learns", text, *parts]


def _curves(groups: Sequence[Experiment], album: Album) -> list[str]:
    curves = [
        album.add(f"Loss and accuracy of {plain(group.title)}", f"training_{group.title}", picture)
        for group in groups
        if (picture := training_curves(group))
    ]
    return ["### Curves", *curves] if curves else []
