"""Whether this machine can run the suite: one finding for each thing that a run needs."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import psutil

from parity.catalogue.networks import network
from parity.catalogue.recipes import RECIPES, trainer_settings
from parity.catalogue.versions import OLDEST_PYTHON, version_limits
from parity.data import registry
from parity.data.batches import timing_arrays
from parity.data.dataset import DataError
from parity.numerics.arrays import unpack
from parity.workers.client.device import WorkerEnvironment
from parity.workers.errors import WorkerError, without_frames
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.interpreter import interpreter_of
from parity.workers.pool import Workers
from parity.workers.start import ask_environments
from parity.workers.worker import Worker

GIB = 1 << 30

MEMORY_NEEDED = 4 * GIB  # both frameworks loaded and the larger networks' activations in one of them

DISK_NEEDED = 1 * GIB  # the archives of all data sets are 560 MiB; the weights of a network are up to 550 MiB

TRIED_NETWORK, TRIED_BATCH = "lenet5", 8

FLAGS = {
    "TF_ENABLE_ONEDNN_OPTS": "TensorFlow's oneDNN kernels; not set: on where the processor has AVX-512 VNNI",
    "FLAGS_use_mkldnn": "Paddle's oneDNN kernels; its default is off",
}

Severity = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """One thing that was examined.

    Attributes:
        what: its name.
        severity: a problem stops the suite from working, a warning does not.
        detail: the state in which it is.
        advice: what to do about it; empty where there is nothing to do.
    """

    what: str
    severity: Severity
    detail: str
    advice: str = ""


def examine_machine(workers: Workers) -> list[Finding]:
    """Examine Python, both frameworks, data, memory, disk and settings.

    Args:
        workers: not yet asked anything; a framework that does not start is a finding, and no error.

    Returns:
        The findings, in the order in which they are shown.
    """
    environments, errors = ask_environments(workers)
    findings = [_python()]
    for name in workers:
        if name in errors:
            findings.append(_broken(name, errors[name]))
        else:
            findings += _framework(workers[name], environments[name])
    if not errors:
        findings += [*_gpus(environments), _same_precision(environments)]
    return [*findings, *_interpreters(), _data(), *_other_data(), _memory(), _disk(), *_flags()]


def try_out(workers: Workers) -> list[Finding]:
    """Try both frameworks: weights to each and back, and one training step.

    Args:
        workers: of both frameworks.

    Returns:
        One finding for each framework that starts; `examine_machine` reports those that do not.
    """
    findings = []
    for name in workers:
        what = f"{FRAMEWORKS[name].title}, trial"
        try:
            failed = _trial_failure(workers[name])
        except WorkerError as error:
            if error.step in ("start", "setup"):
                continue
            failed = f"step {error.step!r}: {without_frames(error.detail)}"
        if failed:
            advice = "install versions from the README's table; if you use these already, please report it"
            findings.append(Finding(what, "problem", failed, advice))
        else:
            findings.append(Finding(what, "ok", "weights there and back bit for bit, a step of training"))
    return findings


def _trial_failure(worker: Worker) -> str:
    """What failed in the trial of one framework; empty where nothing did. Raises WorkerError."""
    recipe = RECIPES[network(TRIED_NETWORK).recipe]
    arrays = timing_arrays(
        TRIED_NETWORK, worker.describe(TRIED_NETWORK), registry.load("generated"), TRIED_BATCH, seed=0, steps=1
    )
    state = unpack(arrays, "state")
    returned = worker.round_trip(TRIED_NETWORK, state)
    changed = [name for name in state if name not in returned or returned[name].tobytes() != state[name].tobytes()]
    if changed or len(returned) != len(state):
        return f"the weights of {TRIED_NETWORK} came back changed: {', '.join(changed) or 'other names'}"
    worker.start_training(TRIED_NETWORK, 0, arrays, trainer_settings(recipe, batch=TRIED_BATCH))
    loss = worker.train_epoch(TRIED_NETWORK, unpack(arrays, "plan")).loss
    moved = worker.export_training(TRIED_NETWORK).state
    if not np.isfinite(loss) or not any((moved[name] != state[name]).any() for name in state):
        return f"a step of training gave the loss {loss}, or moved no weight"
    return ""


def _python() -> Finding:
    oldest = ".".join(map(str, OLDEST_PYTHON))
    if sys.version_info < OLDEST_PYTHON:
        return Finding("Python", "problem", platform.python_version(), f"use Python {oldest} or later")
    return Finding("Python", "ok", f"{platform.python_version()} ({oldest} or later is needed)")


def _broken(framework: str, error: WorkerError) -> Finding:
    """A framework whose worker did not answer."""
    known = FRAMEWORKS[framework]
    message = without_frames(error.detail)
    if error.step != "start":
        return Finding(known.title, "problem", message, "see the message; `--device cpu` needs no GPU")
    advice = known.install
    if known.interpreter_variable in os.environ:
        advice = f"correct or unset ${known.interpreter_variable}; in the environment it names: {known.install}"
    return Finding(known.title, "problem", message, advice)


def _framework(worker: Worker, environment: WorkerEnvironment) -> list[Finding]:
    """Version and device, and whether the number of threads is the one that was asked for."""
    title, threads = FRAMEWORKS[worker.framework].title, worker.threads
    gpus = environment.gpus
    in_force = [f"{name}={value}" for name, value in worker.variables.items()]
    seen = f"{gpus} {'GPU' if gpus == 1 else 'GPUs'} seen"
    findings = [Finding(title, "ok", f"{environment.version} on the {environment.device.upper()}, {seen}")]
    packages = environment.packages
    with_it = [f"Python {environment.python}", *(f"{name} {version}" for name, version in packages.items())]
    findings.append(Finding(f"{title}, with", "ok", ", ".join(with_it)))
    for limit in version_limits(worker.framework, environment.version, packages["numpy"], environment.lacks):
        findings.append(Finding(f"{title}, limit", "ok", limit))
    if in_force:
        findings.append(Finding(f"{title}, variables", "ok", ", ".join(in_force)))
    used = environment.threads
    if used == threads:
        findings.append(Finding(f"{title}, threads", "ok", f"{used}, as asked for"))
    else:
        findings.append(
            Finding(
                f"{title}, threads",
                "warning",
                f"asked for {threads}, it uses {used}",
                "do not compare times: set the same number for both with --threads",
            )
        )
    return findings


def _gpus(environments: Mapping[str, WorkerEnvironment]) -> list[Finding]:
    """A GPU that only one framework sees cannot be used in a comparison."""
    blind = [name for name, environment in environments.items() if not environment.gpus]
    if not blind or len(blind) == len(environments):
        return []
    advice = "; ".join(FRAMEWORKS[name].install for name in blind)
    missing = " and ".join(FRAMEWORKS[name].title for name in blind)
    return [Finding("GPU", "warning", f"{missing} sees none, so both use the CPU", f"for the GPU: {advice}")]


def _same_precision(environments: Mapping[str, WorkerEnvironment]) -> Finding:
    """Whether both frameworks compute in float32: by their measured rounding, not by a flag."""
    verdicts = {FRAMEWORKS[name].title: environment.precision.verdict for name, environment in environments.items()}
    if all(verdict == "float32" for verdict in verdicts.values()):
        return Finding("precision (probed)", "ok", f"float32 in {' and '.join(verdicts)}")
    listed = ", ".join(f"{title}: {verdict}" for title, verdict in verdicts.items())
    advice = "switch TF32 and bfloat16 off, or use --device cpu: different precisions must not be compared"
    return Finding("precision (probed)", "problem", listed, advice)


def _interpreters() -> list[Finding]:
    """Where a framework has a Python of its own: by its variable, or inside this environment."""
    named = {
        f"${known.interpreter_variable}" if known.interpreter_variable in os.environ else f"Python of {known.title}": (
            interpreter_of(name)
        )
        for name, known in FRAMEWORKS.items()
        if interpreter_of(name) != sys.executable or known.interpreter_variable in os.environ
    }
    return [Finding(what, "ok", python) for what, python in named.items()]


def _data() -> Finding:
    """CIFAR-10, loaded as the suite loads it, or where it was searched for."""
    known = registry.KNOWN["cifar10"]
    try:
        if registry.find() is None:
            return Finding(
                "CIFAR-10",
                "warning",
                f"not in {registry.cache_dir()}; $PARITY_DATA is not set",
                f"`parity train` downloads it ({known.mib} MiB); without a network: put {known.archive} there or set "
                "$PARITY_DATA, or use --dataset generated",
            )
        loaded = registry.load("cifar10", download=False)
    except DataError as error:
        return Finding("CIFAR-10", "problem", str(error), "correct or unset $PARITY_DATA, or remove the damaged file")
    severity: Severity = "ok" if loaded.title == known.official else "warning"
    return Finding("CIFAR-10", severity, f"{loaded.title}: {loaded.source}")


def _other_data() -> list[Finding]:
    """Where the other data sets are, without reading them: they are needed only where they are asked for."""
    findings = []
    for name, known in registry.KNOWN.items():
        if name == "cifar10":
            continue
        try:
            path = registry.find(name)
        except DataError:  # $PARITY_DATA holds another data set, which is no error
            path = None
        detail = str(path) if path else f"not on this machine; `--dataset {name}` downloads it ({known.mib} MiB)"
        findings.append(Finding(known.title, "ok", detail))
    return findings


def _memory() -> Finding:
    memory = psutil.virtual_memory()
    detail = f"{memory.available / GIB:.1f} GiB free of {memory.total / GIB:.1f} GiB"
    if memory.available < MEMORY_NEEDED:
        return Finding("memory", "warning", detail, f"about {MEMORY_NEEDED // GIB} GiB are needed for large networks")
    return Finding("memory", "ok", detail)


def _disk() -> Finding:
    """Free space where a download would go; the directory itself may not exist yet."""
    directory = registry.cache_dir()
    while not directory.exists():
        directory = directory.parent
    free = shutil.disk_usage(directory).free
    detail = f"{free / GIB:.1f} GiB free for downloads ({registry.cache_dir()})"
    if free < DISK_NEEDED:
        return Finding("disk", "warning", detail, "make room, or set $PARITY_DATA to a data set on another disk")
    return Finding("disk", "ok", detail)


def _flags() -> list[Finding]:
    """Variables that change which kernels run: for information."""
    return [Finding(f"${name}", "ok", f"{os.environ.get(name, 'not set')} ({note})") for name, note in FLAGS.items()]
