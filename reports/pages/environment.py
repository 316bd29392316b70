"""The environment of the runs: frameworks, precision as probed, machine, packages, data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from parity.records.environment import DatasetFacts, Environment, FrameworkFacts, Precision
from reports.evidence.merged_runs import MergedRuns
from reports.formatting import NOT_RECORDED, code, framework_title, gap_text, memory, plain, some, table


def environment_section(merged: MergedRuns) -> str:
    """Frameworks and machine; where the runs differ, each value names its runs."""
    rows = []
    for framework in merged.frameworks:
        runs = [run for run in merged.runs if framework in run.environment.frameworks] or merged.runs
        values = [_framework_facts(run.environment.frameworks.get(framework, FrameworkFacts())) for run in runs]
        names = [run.path.name for run in runs]
        rows.append([framework_title(framework), *(_agreed(names, column) for column in zip(*values, strict=True))])
    columns = ["framework", "version", "with", "device", "threads", "variables", "precision (probed)"]
    frameworks = table(columns, rows)
    machines = [_machine_facts(run.environment) for run in merged.runs]
    names = [run.path.name for run in merged.runs]
    rows = [[fact, _agreed(names, [machine[fact] for machine in machines])] for fact in machines[0]]
    rows.append(["date", _span([plain(run.datetime) for run in merged.runs])])
    return "\n\n".join(["## Environment", frameworks, table(["machine and run", "recorded"], rows)])


NAMED = 3  # runs that are named beside a value, and values that have their runs named


def _agreed(runs: Sequence[str], values: Sequence[str]) -> str:
    """The one value of all runs, or each value with its runs; where there are many, not all are named."""
    by_value: dict[str, list[str]] = {}
    for run, value in zip(runs, values, strict=True):
        by_value.setdefault(value, []).append(code(run))
    if len(by_value) == 1:
        return values[0]
    if len(by_value) > NAMED:
        return "; ".join(by_value)
    return "; ".join(f"{value} ({_some(where)})" for value, where in by_value.items())


def _some(names: Sequence[str]) -> str:
    """All names, or the first of them and how many more there are."""
    if len(names) <= NAMED:
        return ", ".join(names)
    return f"{names[0]} and {len(names) - 1} other runs"


def _span(moments: Sequence[str]) -> str:
    """The one moment, or the first and the last: the list of runs has them all."""
    return moments[0] if len(set(moments)) == 1 else f"{moments[0]} to {moments[-1]}"


def _framework_facts(facts: FrameworkFacts) -> list[str]:
    device = _joined(facts.device, facts.device_name)
    return [
        plain(facts.version),
        _joined(_python(facts), _packages(facts.packages)),
        device,
        plain(facts.threads),
        _variables(facts.variables),
        _precision(facts.precision),
    ]


def _python(facts: FrameworkFacts) -> str | None:
    """The Python of a framework's worker; None in runs that were saved before it was recorded."""
    return f"Python {facts.python}" if facts.python else None


def _packages(versions: Mapping[str, str]) -> str | None:
    """Packages and their versions; None where none are recorded."""
    return ", ".join(f"{name} {versions[name]}" for name in sorted(versions)) if versions else None


def _variables(variables: Mapping[str, str] | None) -> str:
    """The environment variables that the suite sets for a framework's sake."""
    if variables is None:
        return NOT_RECORDED
    return ", ".join(code(f"{name}={value}") for name, value in variables.items()) or "none"


def _joined(*values: Any) -> str:
    """The values that are recorded, with commas; 'not recorded' for none."""
    return ", ".join(plain(value) for value in values if value not in (None, "")) or NOT_RECORDED


def _precision(probe: Precision | None) -> str:
    """The probe's verdict with the relative errors that it found."""
    if probe is None:
        return "not probed"
    errors = [
        f"{name} error {gap_text(error)}"
        for name, error in (("matmul", probe.matmul_error), ("convolution", probe.conv_error))
        if error is not None
    ]
    return plain(probe.verdict) + (f" ({', '.join(errors)})" if errors else "")


def _machine_facts(environment: Environment) -> dict[str, str]:
    """What an environment says of the machine and the run, for a table."""
    cores, dataset = environment.cores, environment.dataset or DatasetFacts()
    return {
        "processor": _joined(environment.cpu, some(cores, "core") if cores is not None else None),
        "memory": memory(environment.memory_bytes),
        "operating system": plain(environment.os),
        "Python": plain(environment.python),
        "packages of the suite": _joined(_packages(environment.packages)),
        "data set": plain(dataset.title),
        "data set from": plain(dataset.source),
        "profile": plain(environment.profile),
        "seed": plain(environment.seed),
        "code version": plain(environment.code_version),
    }
