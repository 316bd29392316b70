"""The environment of the runs: frameworks, precision as probed, machine, packages, data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reports.evidence.merged_runs import Evidence, lookup
from reports.formatting import NOT_RECORDED, code, framework_title, gap, memory, plain, some, table


def environment_section(evidence: Evidence) -> str:
    """Frameworks and machine; where the runs differ, each value names its runs."""
    rows = []
    for framework in evidence.frameworks:
        found = [lookup(run.environment, "frameworks", framework) for run in evidence.runs]
        runs = [run for run, facts in zip(evidence.runs, found, strict=True) if facts is not None] or evidence.runs
        values = [_framework_facts(lookup(run.environment, "frameworks", framework)) for run in runs]
        names = [run.path.name for run in runs]
        rows.append([framework_title(framework), *(_agreed(names, column) for column in zip(*values, strict=True))])
    columns = ["framework", "version", "with", "device", "threads", "variables", "precision (probed)"]
    frameworks = table(columns, rows)
    machines = [_machine_facts(run.environment) for run in evidence.runs]
    names = [run.path.name for run in evidence.runs]
    rows = [[fact, _agreed(names, [machine[fact] for machine in machines])] for fact in machines[0]]
    rows.append(["date", _span([plain(run.datetime) for run in evidence.runs])])
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


def _framework_facts(facts: Any) -> list[str]:
    device = _joined(lookup(facts, "device"), lookup(facts, "device_name"))
    return [
        plain(lookup(facts, "version")),
        _joined(_python(facts), _packages(lookup(facts, "packages"))),
        device,
        plain(lookup(facts, "threads")),
        _variables(lookup(facts, "variables")),
        _precision(lookup(facts, "precision")),
    ]


def _python(facts: Any) -> str | None:
    """The Python of a framework's worker; None in runs that were saved before it was recorded."""
    version = lookup(facts, "python")
    return f"Python {version}" if version else None


def _packages(found: Any) -> str | None:
    """Packages and their versions; None where none are recorded."""
    return ", ".join(f"{name} {found[name]}" for name in sorted(found)) if found else None


def _variables(found: Any) -> str:
    """The environment variables that the suite sets for a framework's sake."""
    if not isinstance(found, dict):
        return NOT_RECORDED
    return ", ".join(code(f"{name}={value}") for name, value in found.items()) or "none"


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


def _machine_facts(environment: dict[str, Any]) -> dict[str, str]:
    """What an environment says of the machine and the run, for a table."""
    cores = lookup(environment, "cores")
    return {
        "processor": _joined(lookup(environment, "cpu"), some(cores, "core") if isinstance(cores, int) else None),
        "memory": memory(lookup(environment, "memory_bytes")),
        "operating system": plain(lookup(environment, "os")),
        "Python": plain(lookup(environment, "python")),
        "packages of the suite": _joined(_packages(lookup(environment, "packages"))),
        "data set": plain(lookup(environment, "dataset", "title")),
        "data set from": plain(lookup(environment, "dataset", "source")),
        "profile": plain(lookup(environment, "profile")),
        "seed": plain(lookup(environment, "seed")),
        "code version": plain(lookup(environment, "code_version")),
    }
