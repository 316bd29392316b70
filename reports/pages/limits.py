"""What the report does not show, derived from the records."""

from __future__ import annotations

from collections.abc import Sequence

from parity.catalogue.networks import default_networks
from reports.evidence.experiments import Experiment
from reports.evidence.merged_runs import MergedRuns, is_drawn
from reports.evidence.network_facts import published
from reports.evidence.outcomes import Tested, holds
from reports.evidence.verdict import LOSS_CURVE, REPORTED_LEVELS, REQUIRED, NetworkStatus, NetworkVerdict
from reports.formatting import TITLES, code, framework_title, listed, plain, some
from reports.tables.failures import DIFFERENT_DIGESTS, same_digest
from reports.tables.speed import pairs, unlike

CHOSEN = ("bfloat16",)  # a precision that a training was asked to use, whatever the device does with float32

TRAINED = REQUIRED[3:]  # levels that look at training

FEW_SEEDS = 10  # seeds below which the shape of the errors matters to a t-test


def unexamined(merged: MergedRuns) -> list[str]:
    """Networks of the catalogue's default list that no record names."""
    return [name for name in default_networks() if name not in merged.networks]


def lines(
    merged: MergedRuns, verdicts: Sequence[NetworkVerdict], groups: Sequence[Experiment], tests: Sequence[Tested]
) -> list[str]:
    """One Markdown line a limit; `groups` are the trainings, `tests` those of equivalence."""
    limits = _of_proofs(merged, verdicts) + _of_data(merged) + _of_machine(merged)
    return limits + _of_training(merged, groups, tests)


def _of_proofs(merged: MergedRuns, verdicts: Sequence[NetworkVerdict]) -> list[str]:
    limits = []
    if merged.proofs:
        limits.append(
            "Equality is shown on the inputs and weights that were run, within the limits of the tables; it is a "
            "measurement and not a mathematical proof."
        )
    if any(level in verdict.proofs for verdict in verdicts for level in TRAINED):
        limits.append(
            f"Levels {TRAINED[0]} to {TRAINED[-1]} hold for small batches and a few steps; a whole training is not "
            "followed step by step."
        )
    elif merged.proofs:
        limits.append(
            "Nothing is shown of training mode, gradients, optimizers, evaluation or the float32 step: levels "
            f"{TRAINED[0]} to {TRAINED[-1]} are not in these runs."
        )
    common = {level for level in REPORTED_LEVELS if all(level in verdict.levels for verdict in verdicts)}
    further = [
        f"{level} ({title})"
        for level, title in REPORTED_LEVELS.items()
        if level not in common and level not in REQUIRED
    ]
    if further:
        limits.append(f"These levels of evidence are not in the runs for every network: {', '.join(further)}.")
    if opened := [verdict.label for verdict in verdicts if verdict.text_of(LOSS_CURVE) == "open"]:
        limits.append(
            f"Level {LOSS_CURVE} is open for {listed(opened)}: the frameworks part earlier than one parts from itself, "
            "or no such run was made to compare with."
        )
    unproven = [verdict.label for verdict in verdicts if verdict.status is not NetworkStatus.EQUAL]
    if unproven and (merged.speeds or merged.trainings):
        limits.append(f"Speed and training figures of {listed(unproven)} compare networks that are not proven equal.")
    return limits


def _of_data(merged: MergedRuns) -> list[str]:
    limits = []
    for title in merged.datasets:
        if is_drawn(title):
            limits.append(
                f"“{plain(title)}”: the images are generated. Accuracies on them do not compare with CIFAR-10."
            )
        if "jpeg" in title.lower():
            limits.append(
                f"“{plain(title)}”: JPEG compression changed the images, so accuracies differ from official files."
            )
        if "checksum" in title.lower():
            limits.append(f"“{plain(title)}”: the data set could not be identified as the official one.")
    if any(record.train_images < 50_000 for record in merged.trained):
        limits.append(
            "Some networks were trained on fewer images than CIFAR-10's 50,000; their accuracies are lower for it."
        )
    return limits


def _of_machine(merged: MergedRuns) -> list[str]:
    limits = []
    of_framework = {framework: merged.devices(framework) for framework in TITLES}
    devices = {record.device for record in merged.measured}.union(*of_framework.values())
    if devices and not any("gpu" in device.lower() or "cuda" in device.lower() for device in devices):
        limits.append("Everything ran on the CPU. Neither the gaps nor the speeds say anything about a GPU.")
    blind = [framework_title(name) for name, used in of_framework.items() if "gpu" not in used]
    if len(blind) == 1:
        limits.append(f"{blind[0]} did not run on a GPU: nothing is shown about its kernels there.")
    if merged.speeds or merged.trainings:
        limits.append(
            "Speeds hold for this machine, these versions and these batch sizes. Whether it was idle is not recorded."
        )
    measured = [pair for part in merged.parts for pair in pairs(part.speeds)]
    groups = [pair for pair in measured if all(framework in pair.measured for framework in TITLES)]
    refused = dict.fromkeys(f"{code(pair.network)} ({reason})" for pair in groups if (reason := unlike(pair)))
    if refused:
        limits.append(f"Speeds were not compared because the conditions differ: {listed(list(refused))}.")
    if any(len({id(item.run) for item in pair.measured.values()}) > 1 for pair in groups):
        limits.append(
            "Ratios marked “two runs” take the two frameworks from different runs: the machine may have changed."
        )
    return limits + _of_environments(merged)


def _of_environments(merged: MergedRuns) -> list[str]:
    """Limits that come from missing or mixed environments."""
    limits = []
    for framework in TITLES:
        versions = merged.versions(framework)
        if len(versions) > 1:
            limits.append(
                f"The runs used different versions of {framework_title(framework)}: {plain(listed(versions))}. "
                "What was shown in one is not shown in another."
            )
        named = [run.environment.frameworks.get(framework) for run in merged.runs]
        probes = [facts.precision for facts in named if facts and facts.precision]
        if not probes:
            limits.append(f"The precision of {framework_title(framework)} was not probed.")
        for verdict in sorted({str(probe.verdict) for probe in probes}):
            claimed = {record.precision for record in merged.measured if record.framework == framework}
            if other := sorted(claimed - {verdict, *CHOSEN}):
                words = f"records claim {', '.join(other)}, the probe found {verdict}"
                limits.append(f"**Precision of {framework_title(framework)}: {plain(words)}.**")
    if len({version for run in merged.runs if (version := run.environment.code_version)}) > 1:
        limits.append("The runs were made by different versions of the suite's code.")
    return limits


def _of_training(merged: MergedRuns, groups: Sequence[Experiment], tests: Sequence[Tested]) -> list[str]:
    records = merged.trained
    limits = _of_seeds(groups, tests)
    if partial := [record for record in records if len(record.epochs) < record.epochs_planned]:
        limits.append(f"{some(len(partial), 'training run')} stopped before the planned number of epochs (“partial”).")
    pairs_of = [pair for group in groups for seed in group.seeds if (pair := group.both(seed)) is not None]
    if any(
        DIFFERENT_DIGESTS
        in (same_digest(a.initial_digest, b.initial_digest), same_digest(a.batches_digest, b.batches_digest))
        for a, b in pairs_of
    ):
        limits.append("Some trainings did not share their initial weights or batches; they are named under Training.")
    chosen = sorted({record.precision for record in records if record.precision in CHOSEN})
    if chosen:
        limits.append(f"Some trainings ran in {listed(chosen)}: neither accuracies nor times are those of float32.")
    if any(len({record.threads for record in pair}) > 1 for pair in pairs_of):
        limits.append(
            "Some trainings ran with different numbers of threads in the frameworks: their times do not compare."
        )
    longest = [max((p.epochs for p in published(r.network, r.recipe)), default=0) for r in records]
    if any(len(record.epochs) < epochs for record, epochs in zip(records, longest, strict=True)):
        limits.append(
            "The documents trained for more epochs on other hardware: their figures give a scale, not a target."
        )
    untrained = [code(name) for name in merged.networks if name not in {record.network for record in records}]
    if records and untrained:
        limits.append(f"Not trained in these runs: {listed(untrained)}.")
    return limits


def _of_seeds(groups: Sequence[Experiment], tests: Sequence[Tested]) -> list[str]:
    """Limits of what is said about accuracy."""
    limits = []
    single = [group.label for group in groups if len(group.seeds) == 1]
    if single:
        limits.append(f"One seed only for {listed(single)}: no claim about accuracy follows from it.")
    undecided = [
        test.label for test in tests if test.record.verdict not in ("equivalent", "different") or _doubtful(test)
    ]
    if undecided:
        limits.append(f"Whether the accuracies are equivalent is undecided for {listed(undecided)}.")
    if tests:
        seeds = min(len(test.record.seeds) for test in tests)
        limits.append(
            "Equivalence is claimed within the margin, of the final test accuracy, by these recipes, on these images"
            + (
                f"; with as few as {some(seeds, 'seed')} the t-test assumes normal errors."
                if seeds < FEW_SEEDS
                else "."
            )
        )
    return limits


def _doubtful(test: Tested) -> bool:
    return test.record.verdict == "equivalent" and not holds(test.record)
