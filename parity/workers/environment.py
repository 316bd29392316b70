"""The environment record that every saved run has."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import psutil

from parity.system import ROOT, cpu_model
from parity.workers.interpreter import default_threads
from parity.workers.pool import Workers
from parity.workers.start import ask_environments

# The suite's own; what computed in a framework is in that framework's record.
PACKAGES = ("matplotlib", "numpy", "pytest", "pytest-benchmark", "safetensors", "scipy")


class DatasetSource(Protocol):
    """What is recorded of a data set."""

    @property
    def title(self) -> str: ...

    @property
    def source(self) -> str: ...


def collect(
    workers: Workers, *, dataset: DatasetSource | None, profile: str, seed: int, command: str
) -> dict[str, Any]:
    """The environment record of a run. Never fails: what cannot be determined is None.

    Args:
        workers: whose `environment` is recorded; one that cannot start is recorded as {"error": message}.
        dataset: what was computed on; None where there was none. A path is cut to its last part: records are shared.
        profile: the name of the set of checks that ran.
        seed: the run's seed.
        command: the command line that started the run.

    Returns:
        Plain JSON values.
    """
    answers, errors = ask_environments(workers)
    facts = {name: asdict(answer) | {"variables": workers[name].variables} for name, answer in answers.items()}
    return {
        **of_run(dataset, profile=profile, seed=seed, command=command),
        **of_machine(),
        "frameworks": {name: facts.get(name) or {"error": str(errors[name])} for name in workers},
    }


def of_run(dataset: DatasetSource | None, *, profile: str, seed: int, command: str) -> dict[str, Any]:
    """What of an environment record is known without a worker: what was to be run, and by which code.

    Args:
        dataset, profile, seed, command: as for `collect`.

    Returns:
        Plain JSON values.
    """
    return {
        "profile": profile,
        "seed": seed,
        "command": command,
        "dataset": {"title": dataset.title, "source": Path(dataset.source).name} if dataset else None,
        "code_version": code_version(),
    }


def of_machine() -> dict[str, Any]:
    """What of an environment record says where the suite itself ran.

    Returns:
        Plain JSON values.
    """
    return {
        "cpu": cpu_model(),
        "cores": default_threads(),
        "memory_bytes": psutil.virtual_memory().total,
        "os": platform.platform(),
        "python": platform.python_version(),
        "packages": package_versions(),
    }


def package_versions() -> dict[str, str]:
    """The versions of the suite's own packages that results depend on, as far as they are installed here."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def code_version() -> str | None:
    """The short commit hash of the suite's own checkout, "-dirty" after a change to it; None outside of one."""
    if not (ROOT / ".git").exists():  # an installed copy may lie inside somebody else's checkout
        return None
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        return None
