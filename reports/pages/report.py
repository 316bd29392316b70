"""Compose the report: its sections in order, as one Markdown text with relative links to its pictures."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from parity.catalogue.traps import TRAPS
from parity.records.records import Proof
from reports.album import Album
from reports.evidence.experiments import Experiment, experiments
from reports.evidence.merged_runs import MergedRuns
from reports.evidence.network_facts import network_order
from reports.evidence.outcomes import Tested, tested
from reports.evidence.verdict import (
    ALL_REQUIRED,
    LOSS_CURVE,
    REPORTED_LEVELS,
    REQUIRED,
    NetworkStatus,
    NetworkVerdict,
    headline,
    judge,
)
from reports.formatting import TITLES, code, framework_title, listed, network_label, one_line, plain, some
from reports.pages import limits
from reports.pages.data_parallel import data_parallel_section, replicas_summary
from reports.pages.detection import detection_section
from reports.pages.environment import environment_section
from reports.pages.scale import scale_section
from reports.pages.training import training_section
from reports.plots.evidence import parting_curves
from reports.plots.speed import speed_bars
from reports.tables.loss_curves import reading_guide, run_pair_table, summary_table
from reports.tables.proofs import float32_table, float64_table, level_key, level_table, source_table, verdict_table
from reports.tables.rules import RULES_GUIDE, rules_summary, rules_table
from reports.tables.speed import overhead_table, pairs, speed_conditions, speed_table


def compose_report(merged: MergedRuns, report: str, folder: str) -> tuple[str, dict[str, bytes]]:
    """The Markdown text, and its pictures by file name.

    `report` is the name of the text's file, `folder` that of the pictures' folder.
    """
    album = Album(folder)
    groups: list[Experiment] = []
    tests: list[Tested] = []
    verdicts: list[NetworkVerdict] = []
    # what was shown with some versions is not shown for others
    judged: list[tuple[MergedRuns, list[NetworkVerdict]]] = []
    for part in merged.parts:
        own_groups = experiments(part.trained, part.label)
        own_tests = tested(own_groups, part.equivalences, part.label)
        own_verdicts = judge(part, own_tests)
        groups += own_groups
        tests += own_tests
        verdicts += own_verdicts
        judged.append((part, own_verdicts))
    groups.sort(key=lambda group: network_order(group.network))
    tests.sort(key=lambda test: network_order(test.record.network))
    verdicts.sort(key=lambda verdict: network_order(verdict.network))
    sections = [
        _title(merged),
        _verdict(merged, judged, verdicts),
        environment_section(merged),
        _parity(merged, verdicts),
        _loss_curves(merged, verdicts, album),
        detection_section(merged),
        _speed(merged, album),
        training_section(merged, groups, tests, verdicts, album),
        data_parallel_section(merged),
        scale_section(merged, tests),
        _reproduce(merged, report),
        "## Limits\n\n" + "\n".join(f"- {line}" for line in limits.lines(merged, verdicts, groups, tests)),
    ]
    return "\n\n".join(section for section in sections if section) + "\n", album.pictures


def _title(merged: MergedRuns) -> str:
    titles = merged.datasets
    where = f"on {listed([plain(title) for title in titles])}" if titles else "(data set not recorded)"
    return f"# Parity report: {'; '.join(part.where for part in merged.parts)} {where}"


EQUAL = f"""\
Equal means that levels {ALL_REQUIRED} were all run and passed: the same weights arrive bit for bit in both frameworks,
every stage agrees in float64, in float32 only rounding is left; in training mode the statistics of the batches, every
gradient and the weights after steps of the optimizer agree in float64; the evaluation and the float32 step of a
training are what the float64 ones are, but for rounding. Further levels are shown where they were run; one that speaks
against a network counts."""


def _verdict(
    merged: MergedRuns,
    judged: Sequence[tuple[MergedRuns, Sequence[NetworkVerdict]]],
    verdicts: Sequence[NetworkVerdict],
) -> str:
    """`judged` are the verdicts of each combination of versions, `verdicts` all of them in order."""
    parts = ["## Verdict", *(headline(own, part.where) for part, own in judged)]
    if verdicts:
        parts += [verdict_table(verdicts), level_key(verdicts)]
    if any(verdict.status is NetworkStatus.EQUAL for verdict in verdicts):
        parts.append(EQUAL)
    parts += [line for part in merged.parts if (line := rules_summary(part))]
    parts += [line for part in merged.parts if (line := replicas_summary(part))]
    parts += [_failure(verdict) for verdict in verdicts if verdict.failed]
    parts += _unproven(verdicts)
    if absent := limits.unexamined(merged):
        parts.append(f"Without any record in these runs: {listed([code(name) for name in absent])}.")
    return "\n\n".join(parts)


def _failure(verdict: NetworkVerdict) -> str:
    """Why one network is not equal, or what gave no answer."""
    lines = [f"### {verdict.label}: {verdict.status}", ""]
    for level, reasons in verdict.failed.items():
        title = REPORTED_LEVELS.get(level) or plain(verdict.proofs[level][0].title)
        lines.append(f"- **Level {level}, {title}, {'no answer' if level in verdict.unanswered else 'failed'}:**")
        lines += [f"  - {reason}" for reason in reasons]
        lines += [f"  - {line}" for proof in verdict.proofs.get(level, ()) for line in _causes(proof)]
    lines += [f"- Level {level}, {REPORTED_LEVELS[level]}: **no record in these runs**." for level in verdict.missing]
    return "\n".join(lines)


def _causes(proof: Proof) -> list[str]:
    """What the diagnosis found, each with what to do about it."""
    lines = []
    for cause in proof.causes:
        trap = TRAPS.get(cause.trap)
        advice = f" What to do: {plain(trap.fix)}." if trap else ""
        lines.append(f"**Cause** ({code(trap.id) if trap else 'no known trap'}): {plain(cause.text)}.{advice}")
    return lines


def _unproven(verdicts: Sequence[NetworkVerdict]) -> list[str]:
    """Why networks are not proven: those that lack the same are listed together."""
    lines: dict[str, list[str]] = {}
    for verdict in verdicts:
        if verdict.status is not NetworkStatus.UNPROVEN or verdict.failed:  # what failed has a section of its own
            continue
        if verdict.missing:
            noun = "levels" if len(verdict.missing) > 1 else "level"
            names = listed([f"{level} ({REPORTED_LEVELS[level]})" for level in verdict.missing])
            reason = f"No record in these runs of {noun} {names}, so nothing is shown"
            lines.setdefault(reason, []).append(verdict.label)
    if not lines:
        return []
    return ["### Not proven\n\n" + "\n".join(f"- {reason}: {listed(names)}." for reason, names in lines.items())]


HOW_TO_READ = """\
How to read it, for the person who signs:

- **Level 1, transfer certificate.** Every array has exactly one counterpart by name, with the same shape, comes back
  bit for bit after the way there and back, and means the same: every layer alone agrees with plain numpy. From here on
  both frameworks hold the same weights.
- **Level 2, float64 forward.** In double precision rounding almost vanishes. A gap near 1e-15 at every stage means the
  two sides compute the same thing on these inputs; a padding, an epsilon or an order of operations that differs shows
  as a gap many orders of magnitude larger, at the stage where it enters.
- **Level 3, float32 forward.** The precision that will be used. The float64 run is the oracle; the tolerance is derived
  from float64 runs whose inputs and weights were moved by the rounding errors of float32 sums. Each framework's own
  error is given, so that one is never judged by the other.
- **Level 4, train-mode forward.** The same in training mode: statistics of the batch, dropout with the same masks in
  both frameworks, and the running statistics after several steps; the loss and the hits that a training reports of a
  step, made again from its logits in numpy. What is wrong only in training is invisible at 2.
- **Level 5, gradients.** The loss of one batch and its gradient of every parameter, in float64.
- **Level 6, optimizer steps.** The weights after several steps across a change of the learning rate, in float64, with
  the recipe's update rule and weight decay, and what the optimizer has taken up of gradients that are large and tiny by
  design. Rules that agree at a constant rate part where it changes; a clip shows where numbers are large.
  Where the recipe's own rates leave no numbers, or amplify rounding to the size of faults, they are multiplied by the
  factor that is given.
- **Level 7, evaluation.** What a training reports its accuracy from: logits of images of every position of a batch and
  of an incomplete last one, against `predict` with numpy's preprocessing and between the frameworks; loss, accuracy
  and count made again from them in numpy, with logits beyond 100 and near ties; weights, statistics and memory
  untouched by it, the weights those of now, and the next step the same, also from weights and memory that were sent
  out and back as a checkpoint is.
- **Level 8, float32 training step.** What a training consists of, by the very verbs of `parity train`, over three
  epochs: loss, gradients and statistics of float32 steps against the same framework's float64 run of them, within
  limits derived as at level 3; every weight as the update rule makes it; every layer alone, backwards; and the
  optimizer alone for as many steps as a training has.

Gaps and limits are relative to the largest absolute value of their stage or array, of gradients of their layer; "at"
names the place of the gap that comes nearest to its limit. **Bold** is not within its limit. FLOP counts two for each
multiply-add of convolutions and fully connected layers."""


def _parity(merged: MergedRuns, verdicts: Sequence[NetworkVerdict]) -> str:
    parts = ["## Parity"]
    if merged.proofs:
        parts += [HOW_TO_READ]
        parts += [f"### Level 2: {REPORTED_LEVELS[2]}", float64_table(verdicts)]
        parts += [f"### Level 3: {REPORTED_LEVELS[3]}", float32_table(verdicts)]
        for level in REQUIRED[3:]:
            if rows_of_level := level_table(verdicts, level):
                parts += [f"### Level {level}: {REPORTED_LEVELS[level]}", rows_of_level]
    else:
        parts.append("**These runs hold no proof.** Without one, nothing below shows that the networks are the same.")
    if merged.rules:
        parts += ["### Update rules", RULES_GUIDE, rules_table(merged)]
    if merged.networks:
        parts += ["### Where the networks come from", source_table(merged.networks)]
    return "\n\n".join(parts)


STAY_TOGETHER = (
    f"Level {LOSS_CURVE}: the losses of both frameworks in float64, on identical batches; "
    "the gap is relative to the larger loss."
)


def _loss_curves(merged: MergedRuns, verdicts: Sequence[NetworkVerdict], album: Album) -> str:
    """The level of loss curves; empty where nothing of it is on record."""
    parts = ["## Loss curves"]
    if rows_of_level := level_table(verdicts, LOSS_CURVE):
        parts += [STAY_TOGETHER, rows_of_level]
    elif not merged.curves:
        return ""
    every = [(part, curves) for part in merged.parts for curves in part.curves]
    every.sort(key=lambda pair: network_order(pair[1].network))
    if every:
        labelled = [(network_label(curves.network, part.label), curves) for part, curves in every]
        parts += [reading_guide(merged.curves), summary_table(labelled)]
    for part, curves in every:
        where = (
            f"recipe {code(curves.recipe)}, {plain(curves.dataset)}, batch {curves.batch}, seed {plain(curves.seed)}"
        )
        title = f"{curves.network} ({part.label})" if part.label else curves.network
        heading = f"### {network_label(curves.network, part.label)}: where the losses part"
        parts += [heading, f"{where}:", run_pair_table(curves)]
        if picture := parting_curves(curves, title):
            words = f"Relative difference of the losses of {plain(title)}"
            parts.append(album.add(words, f"loss_{curves.network}", picture))
    return "\n\n".join(parts)


def _speed(merged: MergedRuns, album: Album) -> str:
    if not merged.speeds and not merged.overheads:
        return "## Speed\n\nNot measured in these runs."
    parts = ["## Speed"]
    if merged.speeds:
        titles = " / ".join(framework_title(framework) for framework in TITLES)
        parts.append(
            "Images a second: median ± half the interquartile range, number of measurements in brackets. "
            f"The ratio, {titles}, is above 1 where {framework_title(next(iter(TITLES)))} is faster. **Compare the "
            "ratios, and only within one run:** absolute figures from a shared machine are noisy. The first step, "
            f"with tracing and compiling, is kept apart ({titles})."
        )
    for part in merged.parts:
        if not part.speeds:
            continue
        groups = pairs(part.speeds)
        where = f", {part.where}" if part.label else ""
        parts += [f"### In {part.where}"] if part.label else []
        parts += [speed_table(groups), speed_conditions(part.speeds)]
        if picture := speed_bars(groups, "train step"):
            parts.append(
                album.add(f"Images a second of a train step{where}", f"speed_train_step {part.label}", picture)
            )
    if merged.overheads:
        parts += [
            "### The suite's own overhead",
            "The suite's training loop against a baseline loop in the same framework, in interleaved pairs. "
            "A ratio above 1 means the suite's loop is the faster one.",
        ]
    for part in merged.parts:
        if part.overheads:
            parts += [f"In {part.where}:"] if part.label else []
            parts.append(overhead_table(part.overheads))
    return "\n\n".join(parts)


def _reproduce(merged: MergedRuns, report: str) -> str:
    """The commands as they were recorded, each with the code that recorded it; and one that makes this report again."""
    commands = [one_line(run.environment.command or "") for run in merged.runs]
    names = [one_line(run.path.name) for run in merged.runs]
    versions: dict[str, list[str]] = {command: [] for command in commands if command}
    for run, command in zip(merged.runs, commands, strict=True):
        version = one_line(run.environment.code_version or "")
        if command and version and version not in versions[command]:
            versions[command].append(version)
    lines = [
        (f"{command}  # code version {', '.join(known)}" if known else command).replace("```", "")
        for command, known in versions.items()
    ]
    lines.append(f"parity report {' '.join(shlex.quote(name) for name in names)} --output {shlex.quote(report)}")
    parts = ["## Reproduce it", "```sh\n" + "\n".join(lines) + "\n```"]
    if any(versions.values()):
        parts.append(
            "Commands are as the code version beside them recorded them; others may name files and options differently."
        )
    if "" in commands:
        unknown = [code(name) for name, command in zip(names, commands, strict=True) if not command]
        parts.append(f"The command was not recorded for {listed(unknown)}.")
    parts.append(
        f"Made from {some(len(merged.runs), 'saved run')}, oldest first; where two of the same versions hold the "
        "same record, the later counts:"
    )
    parts.append("\n".join(f"- {code(run.path.name)}, {plain(run.datetime)}" for run in merged.runs))
    return "\n\n".join(parts)
