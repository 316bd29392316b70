"""Compose the report: its sections in order, as one Markdown text with relative links to its pictures."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Any

from reports import limits
from reports.evidence import Evidence, lookup
from reports.parity_tables import float32_table, float64_table, source_table, verdict_table
from reports.plots import speed_bars, training_curves
from reports.speed_tables import conditions, overhead_table, pairs, speed_table
from reports.text import (
    NOT_RECORDED,
    TITLES,
    code,
    framework_title,
    gap,
    is_number,
    listed,
    memory,
    plain,
    some,
    table,
    without_directories,
)
from reports.training_tables import (
    DIFFERENT,
    Race,
    cost_table,
    first_not_finite,
    outcome_table,
    pair_table,
    published_table,
    races,
    reach_table,
    same,
)
from reports.verdict import LEVELS, State, Verdict, headline, judge

Pictures = dict[str, bytes]  # file name -> PNG


def compose(evidence: Evidence, report: str, folder: str) -> tuple[str, Pictures]:
    """The Markdown text and its pictures. `report` is the name of its file, `folder` that of the pictures' folder."""
    verdicts = judge(evidence)
    pictures: Pictures = {}
    sections = [
        _title(evidence),
        _verdict(evidence, verdicts),
        _environment(evidence),
        _parity(evidence, verdicts),
        _speed(evidence, folder, pictures),
        _training(evidence, folder, pictures),
        _reproduce(evidence, report),
        "## Limits\n\n" + "\n".join(f"- {line}" for line in limits.lines(evidence, verdicts)),
    ]
    return "\n\n".join(section for section in sections if section) + "\n", pictures


def _versions(evidence: Evidence) -> str:
    names = []
    for framework in TITLES:
        version = "/".join(evidence.versions(framework)) or "(version not recorded)"
        names.append(f"{framework_title(framework)} {plain(version)}")
    return listed(names)


def _title(evidence: Evidence) -> str:
    titles = evidence.datasets
    where = f"on {listed([plain(title) for title in titles])}" if titles else "(data set not recorded)"
    return f"# Parity report: {_versions(evidence)} {where}"


def _verdict(evidence: Evidence, verdicts: Sequence[Verdict]) -> str:
    parts = ["## Verdict", headline(verdicts, _versions(evidence)), verdict_table(verdicts)]
    equal = [code(verdict.network) for verdict in verdicts if verdict.state is State.EQUAL]
    if equal:
        parts.append(
            f"Equal means that levels 1, 2 and 3 were all run and passed, here for {listed(equal)}: the same "
            "weights arrive bit for bit in both frameworks, every stage agrees in float64, and in float32 only "
            "rounding is left."
        )
    for verdict in verdicts:
        if verdict.state is not State.EQUAL:
            parts.append(_shortfall(verdict))
    if absent := limits.unexamined(evidence):
        parts.append(f"Without any record in these runs: {listed([code(name) for name in absent])}.")
    return "\n\n".join(parts)


def _shortfall(verdict: Verdict) -> str:
    """Why one network is not equal or not proven."""
    lines = [f"### {code(verdict.network)}: {verdict.state}", ""]
    for level, reasons in verdict.failed.items():
        lines.append(f"- **Level {level}, {LEVELS.get(level) or plain(verdict.proofs[level].title)}, failed:**")
        proof = verdict.proofs[level]
        if proof.first_failure is None:
            lines.append("  - first failing stage: not recorded")
        lines += [f"  - {reason}" for reason in reasons]
        if is_number(proof.gap) and is_number(proof.limit) and proof.gap <= proof.limit:
            lines.append(f"  - gap {gap(proof.gap)}, limit {gap(proof.limit)} (within)")
    for level in verdict.missing:
        lines.append(f"- Level {level}, {LEVELS[level]}: **no record in these runs**, so nothing is shown.")
    if verdict.mixed:
        lines.append(f"- Not proven: {verdict.mixed}.")
    return "\n".join(lines)


def _environment(evidence: Evidence) -> str:
    """Frameworks and machine; where the runs differ, each value names its runs."""
    rows = []
    for framework in evidence.frameworks:
        found = [lookup(run.environment, "frameworks", framework) for run in evidence.runs]
        runs = [run for run, facts in zip(evidence.runs, found, strict=True) if facts is not None] or evidence.runs
        columns = [_framework_facts(lookup(run.environment, "frameworks", framework)) for run in runs]
        names = [run.path.name for run in runs]
        rows.append([framework_title(framework), *(_agreed(names, values) for values in zip(*columns, strict=True))])
    frameworks = table(["framework", "version", "device", "threads", "precision (probed)"], rows)
    machines = [_machine_facts(run.environment, run.datetime) for run in evidence.runs]
    names = [run.path.name for run in evidence.runs]
    rows = [[fact, _agreed(names, [machine[fact] for machine in machines])] for fact in machines[0]]
    return "\n\n".join(["## Environment", frameworks, table(["machine and run", "recorded"], rows)])


def _agreed(runs: Sequence[str], values: Sequence[str]) -> str:
    """The one value of all runs, or each value with its runs."""
    by_value: dict[str, list[str]] = {}
    for run, value in zip(runs, values, strict=True):
        by_value.setdefault(value, []).append(code(run))
    if len(by_value) == 1:
        return values[0]
    return "; ".join(f"{value} ({', '.join(where)})" for value, where in by_value.items())


def _framework_facts(facts: Any) -> list[str]:
    device = _joined(lookup(facts, "device"), lookup(facts, "device_name"))
    return [
        plain(lookup(facts, "version")),
        device,
        plain(lookup(facts, "threads")),
        _precision(lookup(facts, "precision")),
    ]


def _joined(*values: Any) -> str:
    """The values that are recorded, with commas; 'not recorded' for none."""
    return ", ".join(plain(value) for value in values if value not in (None, "")) or NOT_RECORDED


def _precision(probe: Any) -> str:
    """The probe's verdict with the relative errors that it found."""
    if not isinstance(probe, dict):
        return "not probed"
    errors = [
        f"{name} error {gap(probe[key])}"
        for name, key in (("matmul", "matmul_error"), ("convolution", "conv_error"))
        if key in probe
    ]
    return plain(probe.get("verdict")) + (f" ({', '.join(errors)})" if errors else "")


def _machine_facts(environment: dict[str, Any], moment: str) -> dict[str, str]:
    """What an environment says of the machine and the run, for a table."""
    packages = lookup(environment, "packages") or {}
    cores = lookup(environment, "cores")
    return {
        "processor": _joined(lookup(environment, "cpu"), some(cores, "core") if isinstance(cores, int) else None),
        "memory": memory(lookup(environment, "memory_bytes")),
        "operating system": plain(lookup(environment, "os")),
        "Python": plain(lookup(environment, "python")),
        "packages": ", ".join(plain(f"{name} {packages[name]}") for name in sorted(packages)) or NOT_RECORDED,
        "data set": plain(lookup(environment, "dataset", "title")),
        "data set from": plain(lookup(environment, "dataset", "source")),
        "profile": plain(lookup(environment, "profile")),
        "seed": plain(lookup(environment, "seed")),
        "code version": plain(lookup(environment, "code_version")),
        "date": plain(moment),
    }


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

Gaps and limits are relative to the largest absolute value of their stage; "at" names the stage of the largest gap.
**Bold** is not within its limit. FLOP counts two for each multiply-add of convolutions and fully connected layers."""


def _parity(evidence: Evidence, verdicts: Sequence[Verdict]) -> str:
    parts = ["## Parity"]
    if evidence.proofs:
        parts += [float64_table(verdicts), float32_table(verdicts), HOW_TO_READ]
    else:
        parts.append("**These runs hold no proof.** Without one, nothing below shows that the networks are the same.")
    parts += ["### Where the networks come from", source_table(evidence.networks)]
    return "\n\n".join(parts)


def _speed(evidence: Evidence, folder: str, pictures: Pictures) -> str:
    parts = ["## Speed"]
    if not evidence.speeds and not evidence.overheads:
        return "## Speed\n\nNot measured in these runs."
    if evidence.speeds:
        groups = pairs(evidence.speeds)
        titles = " / ".join(framework_title(framework) for framework in TITLES)
        parts.append(
            "Images a second: median ± half the interquartile range, number of measurements in brackets. "
            f"The ratio, {titles}, is above 1 where {framework_title(next(iter(TITLES)))} is faster. **Compare the "
            "ratios, and only within one run:** absolute figures from a shared machine are noisy. The first step, "
            f"with tracing and compiling, is kept apart ({titles})."
        )
        parts += [speed_table(groups), conditions(evidence.speeds)]
        if picture := speed_bars(groups, "train step"):
            parts.append(_image("Images a second of a train step", "speed_train_step.png", picture, folder, pictures))
    if evidence.overheads:
        parts += [
            "### The suite's own overhead",
            "The suite's training loop against a baseline loop in the same framework, in interleaved pairs. "
            "A ratio above 1 means the suite's loop is the faster one.",
            overhead_table(evidence.overheads),
        ]
    return "\n\n".join(parts)


def _image(words: str, name: str, picture: bytes, folder: str, pictures: Pictures) -> str:
    """Keep a picture and give the link to it."""
    pictures[name] = picture
    return f"![{words}](<{folder}/{name}>)"


def _training(evidence: Evidence, folder: str, pictures: Pictures) -> str:
    if not evidence.trainings:
        return "## Training\n\nNo network was trained in these runs."
    groups = races(evidence.trainings)
    records = [record for race in groups for record in race.trained.values()]
    parts = ["## Training", *_alarms(groups), outcome_table(records)]
    parts += [
        "Time and memory. The seconds leave out evaluation and the compilation of the first step; peak memory is that "
        "of the whole worker process.",
        cost_table(records),
    ]
    parts += ["### Same start, same batches", _pairs_text(groups), pair_table(groups)]
    if reach := reach_table(records):
        parts += ["### Time to a training accuracy", "Epochs and seconds of training until an epoch reached it.", reach]
    if published := published_table(groups):
        parts += ["### Against the documents", f"Ours: {' / '.join(TITLES.values())}.", published]
    curves = []
    for network in dict.fromkeys(race.network for race in groups):
        picture = training_curves(network, [race for race in groups if race.network == network])
        if picture:
            name = f"training_{re.sub(r'[^A-Za-z0-9_-]', '_', network)}.png"
            curves.append(_image(f"Loss and accuracy of {plain(network)}", name, picture, folder, pictures))
    return "\n\n".join([*parts, "### Curves", *curves] if curves else parts)


def _alarms(groups: Sequence[Race]) -> list[str]:
    """What a reader must know before the figures: unequal starts or batches, numbers that are none, problems."""
    lines = []
    for race in groups:
        where = f"{code(race.network)}, seed {plain(race.seed)}"
        if race.both is not None:
            first, second = race.both
            if same(first.initial_digest, second.initial_digest) == DIFFERENT:
                lines.append(
                    f"- **{where}: the frameworks started from DIFFERENT weights.** Do not compare their curves."
                )
            if same(first.batches_digest, second.batches_digest) == DIFFERENT:
                lines.append(f"- **{where}: the frameworks saw DIFFERENT batches.** Do not compare their curves.")
        for framework, record in race.trained.items():
            who = f"{where}, {framework_title(framework)}"
            if (epoch := first_not_finite(record)) is not None:
                lines.append(f"- **{who}: a loss or accuracy is not a finite number from epoch {epoch} on.**")
            lines += [f"- {who}: {plain(problem)}" for problem in record.problems]
    return ["**Problems:**\n\n" + "\n".join(lines)] if lines else []


def _pairs_text(groups: Sequence[Race]) -> str:
    """How to take the differences, by the number of seeds."""
    seeds = {
        network: {race.seed for race in groups if race.network == network} for network in (r.network for r in groups)
    }
    fewest = min(len(found) for found in seeds.values())
    words = (
        "Digests of the initial weights and of every batch of the first epoch tell whether the two runs are twins. "
        "They share the start and not the rounding, so float32 runs drift apart. "
        f"The difference is {' minus '.join(TITLES.values())}, after the last epoch that both finished. "
    )
    if fewest == 1:
        return words + (
            "**One seed decides nothing:** that difference is one draw, and neither shows that the "
            "frameworks are equally good nor that one is better."
        )
    return words + (
        f"With {fewest} seeds a network or more the differences show a spread, but no test of equivalence was made "
        "here and none is claimed."
    )


def _reproduce(evidence: Evidence, report: str) -> str:
    """The commands as they were recorded, and the one that makes this report again."""
    commands = [without_directories(str(lookup(run.environment, "command") or "")) for run in evidence.runs]
    names = [without_directories(run.path.name) for run in evidence.runs]
    lines = [" ".join(command.replace("```", "").split()) for command in dict.fromkeys(commands) if command]
    lines.append(f"parity report {' '.join(shlex.quote(name) for name in names)} --output {shlex.quote(report)}")
    parts = ["## Reproduce it", "```sh\n" + "\n".join(lines) + "\n```"]
    if "" in commands:
        unknown = [code(name) for name, command in zip(names, commands, strict=True) if not command]
        parts.append(f"The command was not recorded for {listed(unknown)}.")
    parts.append(
        "Saved runs that this report was made from, oldest first; where two hold the same record, the later counts:"
    )
    parts.append("\n".join(f"- {code(run.path.name)}, {plain(run.datetime)}" for run in evidence.runs))
    return "\n\n".join(parts)
