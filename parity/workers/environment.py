"""The environment record that every saved run has, and the start of workers on a device."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import psutil

from parity.system import ROOT, cpu_model
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.pool import Worker, WorkerError, Workers, default_threads

# The suite's own; what computed in a framework is in that framework's record.
PACKAGES = ("matplotlib", "numpy", "pytest", "pytest-benchmark", "safetensors", "scipy")


class DatasetFacts(Protocol):
    """What is recorded of a data set."""

    @property
    def title(self) -> str: ...

    @property
    def source(self) -> str: ...


def collect(workers: Workers, *, dataset: DatasetFacts | None, profile: str, seed: int, command: str) -> dict[str, Any]:
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
    facts, errors = worker_facts(workers)
    return {
        "profile": profile,
        "seed": seed,
        "command": command,
        "dataset": {"title": dataset.title, "source": Path(dataset.source).name} if dataset else None,
        "cpu": cpu_model(),
        "cores": default_threads(),
        "memory_bytes": psutil.virtual_memory().total,
        "os": platform.platform(),
        "python": platform.python_version(),
        "packages": package_versions(),
        "code_version": code_version(),
        "frameworks": {name: facts.get(name) or {"error": str(errors[name])} for name in workers},
    }


def worker_facts(workers: Workers) -> tuple[dict[str, dict[str, Any]], dict[str, WorkerError]]:
    """The environment of each worker, as plain JSON values by framework; and the errors of those that cannot start.

    Args:
        workers: which are started if they are not.

    Returns:
        Two dictionaries by framework, in one of which each is: the fields of `FrameworkFacts` with the `variables` that
        the worker was started with; and the errors.
    """
    errors: dict[str, WorkerError] = {}

    def facts(worker: Worker) -> dict[str, Any] | None:
        try:
            return asdict(worker.environment()) | {"variables": worker.variables}
        except WorkerError as error:
            errors[worker.framework] = error
            return None

    return {name: values for name, values in workers.map(facts).items() if values is not None}, errors


def start_workers(frameworks: Sequence[str] = tuple(FRAMEWORKS), *, device: str, threads: int | None) -> Workers:
    """Start workers and wait until each has answered once.

    Args:
        frameworks: their names.
        device: see `await_workers`.
        threads: CPU threads of each; None: all cores.

    Returns:
        The workers, which the caller stops. Where "auto" has chosen the GPU, they start again with their next call.

    Raises:
        WorkerError: a worker could not be started; no process is left.

    Example::

        with start_workers(device="auto", threads=None) as workers:
            print(workers["paddle"].environment().version)
    """
    workers = Workers(frameworks, threads=threads)
    try:
        await_workers(workers, device)
    except BaseException:
        workers.stop()
        raise
    return workers


def await_workers(workers: Workers, device: str) -> None:
    """Choose the device of workers that are not yet set up, and wait until each has answered once.

    Args:
        workers: which are started if they are not.
        device: "cpu" or "gpu"; "auto": the GPU where each framework sees one, else the CPU; "paddle-gpu" or
            "tensorflow-gpu": that framework alone on the GPU.

    Raises:
        WorkerError: a worker could not be started.
    """
    for name in workers:
        workers[name].device = "gpu" if device in ("gpu", f"{name}-gpu") else "cpu"
    facts = workers.map(lambda worker: worker.environment())
    if device == "auto":
        prefer_gpu(workers, {name: asdict(values) for name, values in facts.items()})


def prefer_gpu(workers: Workers, facts: Mapping[str, Mapping[str, Any]]) -> None:
    """Restart the workers on the GPU if every framework sees one.

    Args:
        workers: set up on the CPU.
        facts: their environments by framework, see `worker_facts`.
    """
    if all(facts[name]["gpus"] for name in workers):
        workers.stop()
        for name in workers:
            workers[name].device = "gpu"  # takes effect at the next call, which starts the worker


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


def without_frames(message: str) -> str:
    """A worker's message without the frames of its traceback, which do not help with a broken installation.

    Args:
        message: of a `WorkerError`.

    Returns:
        Its lines but those of frames, which are indented by six spaces or more, and their title.
    """
    lines = (line for line in message.splitlines() if not line.startswith(6 * " "))
    return "\n".join(line for line in lines if not line.strip().startswith("Traceback"))
