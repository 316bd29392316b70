"""The report's section on scale: seeds by a sequential test, what was tried for speed, trainings on a cluster."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from parity.records.accuracy_records import SequentialErrors
from parity.records.records import Training
from reports.evidence.merged_runs import MergedRuns, Sourced
from reports.evidence.outcomes import Tested
from reports.formatting import code, count_text, framework_order, framework_title, listed, numbers, some
from reports.tables.sequential import errors_lines, errors_table, sequential_table
from reports.tables.trials import profile_table, trial_table


def scale_section(merged: MergedRuns, tests: Sequence[Tested]) -> str:
    """All of it; `tests` are those of equivalence. Empty where nothing of it is on record."""
    parts = [
        *_seeds(tests),
        *_errors(merged.sequential_errors),
        *_trials(merged),
        *_profiles(merged),
        *_cluster(merged.trainings),
    ]
    return "\n\n".join(["## Scale", *parts]) if parts else ""


def _seeds(tests: Sequence[Tested]) -> list[str]:
    sequential = [(test, look) for test in tests if (look := test.record.sequential) is not None]
    if not sequential:
        return []
    bounds = listed(list(dict.fromkeys(f"{100 * look.error:g} %" for _, look in sequential)))
    text = (
        "Accuracies are tested after each batch of seeds (a look) up to the first verdict; later seeds change nothing. "
        "The test is Welch's t at each look, with nominal alphas by alpha spending (Lan and DeMets, power family), so "
        f"that over all looks each of the two errors is at most {bounds} where accuracies are roughly normal. "
        "Difference and interval are in points; they and the alphas are those of the last look made."
    )
    return ["### Seeds until the verdict", text, sequential_table(sequential)]


def _errors(records: Sequence[SequentialErrors]) -> list[str]:
    """What was simulated, by plan."""
    plans: dict[tuple[float, ...], list[SequentialErrors]] = {}
    for record in records:
        plan = record.first, record.seed_batch, record.most, record.margin, record.confidence, record.matrices
        plans.setdefault(plan, []).append(record)
    parts = ["### How often that test errs"] if plans else []
    for (first, seed_batch, most, margin, confidence, matrices), own in plans.items():
        text = (
            f"Shares of wrong verdicts ± their standard error, in {count_text(matrices)} simulated experiments of each "
            f"setting and true difference: looks at {first:g} seeds and then every {seed_batch:g}, at most {most:g}; "
            f"differences and standard deviations in points, the margin is {margin:g}. “Skewed” accuracies have a "
            "skewness of 1 (gamma), “heavy-tailed” ones are Student's t with 5 degrees of freedom. **Bold** is above "
            f"{100 * (1 - confidence):g} %."
        )
        parts += [text, errors_table(own)]
        if lines := errors_lines(own):
            parts.append(" ".join(lines))
    return parts


def _trials(merged: MergedRuns) -> list[str]:
    if not merged.trials:
        return []
    text = (
        "Each measured once, by hand, in interleaved pairs in the same framework: the median of seconds without the "
        "change / seconds with it. Above 1 the change is faster."
    )
    parts = ["### What was tried for speed", text]
    for part in merged.parts:
        if part.trials:
            parts += [f"In {part.where}:"] if part.label else []
            parts.append(trial_table(part.trials))
    return parts


def _profiles(merged: MergedRuns) -> list[str]:
    if not merged.profiles:
        return []
    parts = ["### Where the time goes", "One training step by the framework's own profiler, on one thread."]
    for part in merged.parts:
        if part.profiles:
            parts += [f"In {part.where}:"] if part.label else []
            parts.append(profile_table(part.profiles))
    return parts


def _cluster(trainings: Sequence[Sourced[Training]]) -> list[str]:
    """The trainings whose command names a cluster, those of a network with as many CPUs each on one line."""
    grouped: dict[tuple[str, int], list[Training]] = {}
    for item in trainings:
        if _names_a_cluster(item.run.environment.command or ""):
            record = item.record
            grouped.setdefault((record.network, record.threads * record.replicas), []).append(record)
    lines = []
    for (network, cpus), records in grouped.items():
        seeds = sorted({record.seed for record in records})
        frameworks = sorted({record.framework for record in records}, key=framework_order)
        lines.append(
            f"- {code(network)}: {'seed' if len(seeds) == 1 else 'seeds'} {numbers(seeds)} in "
            f"{listed([framework_title(name) for name in frameworks])}, each training with {some(cpus, 'CPU')}"
        )
    return ["### On a cluster", "Trained as tasks of a cluster:\n\n" + "\n".join(lines)] if lines else []


def _names_a_cluster(command: str) -> bool:
    try:
        words = shlex.split(command)
    except ValueError:  # no shell would take it
        words = command.split()
    return any(word == "--cluster" or word.startswith("--cluster=") for word in words)
