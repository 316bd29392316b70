"""What the report does not show, derived from the records: the section that keeps the others honest."""

from __future__ import annotations

from collections.abc import Sequence

from parity.networks import NETWORKS, default_networks
from reports.evidence import Evidence, is_drawn, lookup
from reports.speed_tables import pairs, unlike
from reports.text import TITLES, code, framework_title, listed, plain, some
from reports.training_tables import DIFFERENT, races, same
from reports.verdict import LEVELS, REQUIRED, State, Verdict


def unexamined(evidence: Evidence) -> list[str]:
    """Networks of the catalogue's default list that no record names."""
    return [name for name in default_networks() if name not in evidence.networks]


def lines(evidence: Evidence, verdicts: Sequence[Verdict]) -> list[str]:
    """One Markdown line a limit."""
    return _of_proofs(evidence, verdicts) + _of_data(evidence) + _of_machine(evidence) + _of_training(evidence)


def _of_proofs(evidence: Evidence, verdicts: Sequence[Verdict]) -> list[str]:
    found = []
    if evidence.proofs:
        found.append(
            "Equality is shown on the inputs and weights that were run, in evaluation mode, within the limits of the "
            "tables; it is a measurement and not a mathematical proof."
        )
    common = {level for level in LEVELS if all(level in verdict.proofs for verdict in verdicts)}
    further = [f"{level} ({title})" for level, title in LEVELS.items() if level not in common and level not in REQUIRED]
    if further:
        found.append(f"These levels of evidence are not in the runs for every network: {', '.join(further)}.")
    unproven = [code(verdict.network) for verdict in verdicts if verdict.state is not State.EQUAL]
    if unproven and (evidence.speeds or evidence.trainings):
        found.append(f"Speed and training figures of {listed(unproven)} compare networks that are not proven equal.")
    return found


def _of_data(evidence: Evidence) -> list[str]:
    found = []
    for title in evidence.datasets:
        if is_drawn(title):
            found.append(f"“{plain(title)}”: the images are generated. Accuracies on them say nothing about CIFAR-10.")
        if "jpeg" in title.lower():
            found.append(
                f"“{plain(title)}”: JPEG compression changed the images, so accuracies differ from official files."
            )
        if "checksum" in title.lower():
            found.append(f"“{plain(title)}”: the data set could not be identified as the official one.")
    if any(item.record.train_images < 50_000 for item in evidence.trainings):
        found.append(
            "Some networks were trained on fewer images than CIFAR-10's 50,000; their accuracies are lower for it."
        )
    return found


def _of_machine(evidence: Evidence) -> list[str]:
    found = []
    devices = {record.device for record in evidence.measured}
    devices |= {
        str(device)
        for run in evidence.runs
        for framework in TITLES
        if (device := lookup(run.environment, "frameworks", framework, "device"))
    }
    if devices and not any("gpu" in device.lower() or "cuda" in device.lower() for device in devices):
        found.append("Everything ran on the CPU. Neither the gaps nor the speeds say anything about a GPU.")
    if evidence.speeds or evidence.trainings:
        found.append(
            "Speeds hold for this machine, these versions and these batch sizes. Whether it was idle is not recorded."
        )
    groups = [pair for pair in pairs(evidence.speeds) if all(framework in pair.measured for framework in TITLES)]
    refused = dict.fromkeys(f"{code(pair.network)} ({reason})" for pair in groups if (reason := unlike(pair)))
    if refused:
        found.append(f"Speeds were not compared because the conditions differ: {listed(list(refused))}.")
    if any(len({id(item.run) for item in pair.measured.values()}) > 1 for pair in groups):
        found.append(
            "Ratios marked “two runs” take the two frameworks from different runs: the machine may have changed."
        )
    return found + _of_environments(evidence)


def _of_environments(evidence: Evidence) -> list[str]:
    """Limits that come from missing or mixed environments."""
    found = []
    for framework in TITLES:
        versions = evidence.versions(framework)
        if len(versions) > 1:
            found.append(
                f"The runs used different versions of {framework_title(framework)}: {plain(listed(versions))}."
            )
        probes = [lookup(run.environment, "frameworks", framework, "precision") for run in evidence.runs]
        if not any(probes):
            found.append(f"The precision of {framework_title(framework)} was not probed.")
        for verdict in sorted({str(lookup(probe, "verdict")) for probe in probes if probe}):
            claimed = {record.precision for record in evidence.measured if record.framework == framework}
            if other := sorted(claimed - {verdict}):
                words = f"records claim {', '.join(other)}, the probe found {verdict}"
                found.append(f"**Precision of {framework_title(framework)}: {plain(words)}.**")
    if len({str(version) for run in evidence.runs if (version := lookup(run.environment, "code_version"))}) > 1:
        found.append("The runs were made by different versions of the suite's code.")
    return found


def _of_training(evidence: Evidence) -> list[str]:
    found = []
    records = [item.record for item in evidence.trainings]
    seeds = {name: {record.seed for record in records if record.network == name} for name in evidence.networks}
    single = [name for name, used in seeds.items() if len(used) == 1]
    if single:
        found.append(
            f"One seed only for {listed([code(name) for name in single])}: no claim about accuracy follows from it."
        )
    partial = [record for record in records if len(record.epochs) < record.epochs_planned]
    if partial:
        found.append(f"{some(len(partial), 'training run')} stopped before the planned number of epochs (“partial”).")
    if any(
        DIFFERENT in (same(a.initial_digest, b.initial_digest), same(a.batches_digest, b.batches_digest))
        for race in races(evidence.trainings)
        if race.both
        for a, b in [race.both]
    ):
        found.append("Some trainings did not share their initial weights or batches; they are named under Training.")
    published = {name: max((p.epochs for p in NETWORKS[name].published), default=0) for name in NETWORKS}
    if any(len(record.epochs) < published.get(record.network, 0) for record in records):
        found.append(
            "The documents trained for more epochs on other hardware: their figures give a scale, not a target."
        )
    untrained = [code(name) for name, used in seeds.items() if not used]
    if records and untrained:
        found.append(f"Not trained in these runs: {listed(untrained)}.")
    return found
