"""The suite's detection rate: every trap put into a network's twin, and the verdict on it; and runs without a fault.

The twins know nothing of this. A fault is put into the built model, into the training's loss or optimizer, or into what
is sent to one worker.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.catalogue.networks import network
from parity.catalogue.traps import FAULTS, Fault, FaultName
from parity.data.dataset import Dataset
from parity.diagnosis.prove import prove
from parity.diagnosis.scene import Scene, scene_of
from parity.diagnosis.search import diagnose_all
from parity.faults.sites import layer_of_same_kernel, sites_of
from parity.faults.tampering import TamperedWorkers, distortion
from parity.proofs.context import ProofContext
from parity.records.levels import LEVELS
from parity.records.records import ControlRun, Detection, Diagnosis, Proof
from parity.workers.pool import Workers


@dataclass(frozen=True)
class Injection:
    """A fault, the framework and the stage that it is put into."""

    fault: Fault
    framework: str
    stage: str


def injections(scene: Scene, seed: int = 0) -> list[Injection]:
    """Every fault in every framework that can have it, where the network has a site for it; the stage is drawn.

    Args:
        scene: of the network, see `parity.diagnosis.scene.scene_of`.
        seed: of the drawn stages.
    """
    draw = np.random.default_rng(seed)
    drawn = []
    for fault in FAULTS:
        if stages := sites_of(fault.where, scene):
            drawn += [Injection(fault, framework, str(draw.choice(stages))) for framework in fault.frameworks]
    return drawn


def detect(
    workers: Workers, name: str, dataset: Dataset, *, seed: int = 0, traps: Sequence[str] | None = None
) -> Iterator[Detection]:
    """Put every fault into one network, one at a time, and prove it until a level fails.

    Args:
        workers: one for each framework.
        name: of the network.
        dataset: where the images of the proofs are drawn from.
        seed: of all that is drawn.
        traps: ids of `parity.catalogue.traps.TRAPS`: only their faults; all if None or empty.

    Yields:
        The record of each fault: the level that failed, and whether stage and trap were named.

    Raises:
        WorkerError: a worker failed, with what it said.
    """
    scene = scene_of(ProofContext(workers, network(name), dataset, seed))
    for injection in injections(scene, seed):
        if traps and injection.fault.trap not in traps:
            continue
        yield detect_one(workers, name, dataset, injection, scene, seed=seed)


def detect_one(
    workers: Workers, name: str, dataset: Dataset, injection: Injection, scene: Scene, *, seed: int = 0
) -> Detection:
    """Put one fault in, prove level by level until one fails, diagnose, and take the fault out.

    Args:
        workers: one for each framework; without a fault afterwards, whatever happens.
        name: of the network.
        dataset: where the images of the proofs are drawn from.
        injection: the fault, its framework and its stage.
        scene: of the network.
        seed: of all that is drawn.

    Raises:
        WorkerError: a worker failed, with what it said.
    """
    begin = time.perf_counter()
    fault, framework, stage = injection.fault, injection.framework, injection.stage
    faulty, restore = _inject(workers, name, injection, scene)
    try:
        context = ProofContext(faulty, network(name), dataset, seed)
        failed = next((proof for proof in _proofs(context, fault.level) if not proof.passed), None)
        causes = failed.causes if failed else []
    finally:
        restore()
    right = {stage, layer_of_same_kernel(stage, scene)} if fault.change == FaultName.ANOTHER_KERNEL else {stage}
    here = [cause for cause in causes if cause.stage in right and cause.framework == framework]
    return Detection(
        network=name,
        trap=fault.trap,
        change=fault.change.value,
        framework=framework,
        stage=stage,
        must_level=fault.level,
        level=failed.level if failed else 0,
        severity=severity_of(failed) if failed and not _within(failed) else None,
        located=bool(here),
        named=any(_names(cause, fault.trap) for cause in here),
        false_alarms=sorted({cause.stage for cause in causes if cause not in here}),
        diagnosis=(here or causes)[0].text if causes else "",
        seconds=time.perf_counter() - begin,
    )


def control_run(workers: Workers, name: str, dataset: Dataset, seeds: Sequence[int]) -> ControlRun:
    """Prove and diagnose a correct pair, with other weights and images for each seed; all causes are false alarms.

    Args:
        workers: one for each framework.
        name: of the network.
        dataset: where the images of the proofs are drawn from.
        seeds: one run of all levels for each.

    Returns:
        The record: every problem of a proof and every cause that a search names, and the largest gap in units of its
        limit.

    Raises:
        WorkerError: a worker failed, with what it said.
    """
    begin = time.perf_counter()
    false_alarms: list[str] = []
    worst = 0.0
    updates: dict[str, Any] = {}
    for seed in seeds:
        context = ProofContext(workers, network(name), dataset, seed, updates)
        for proof in prove(context):
            worst = float(np.fmax(worst, severity_of(proof) or 0.0))
            false_alarms += [f"seed {seed}, level {proof.level}: {problem}" for problem in proof.problems]
            if not proof.passed and not proof.problems:
                false_alarms.append(f"seed {seed}, level {proof.level}: failed without a reason")
        false_alarms += [f"seed {seed}: {cause.text}" for cause in diagnose_all(context)]
    return ControlRun(name, list(seeds), false_alarms, worst, time.perf_counter() - begin)


def _within(failed: Proof) -> bool:
    """Whether it failed for another reason than its gap: a count, a change of bits."""
    return failed.gap is not None and failed.limit is not None and failed.gap <= failed.limit


def severity_of(proof: Proof) -> float | None:
    """A proof's largest gap in units of its limit; None where that is not a finite number."""
    if proof.gap is None or not proof.limit:
        return None
    ratio = proof.gap / proof.limit
    return ratio if math.isfinite(ratio) else None


def _proofs(context: ProofContext, last: int) -> Iterator[Proof]:
    return prove(context, (level for level in LEVELS if level <= last))


def _inject(workers: Workers, name: str, injection: Injection, scene: Scene) -> tuple[Workers, Callable[[], object]]:
    """The workers with the fault in them, and a function that takes it out."""
    fault, framework, stage = injection.fault, injection.framework, injection.stage
    if (distorted := distortion(fault.change, stage, scene)) is not None:
        return TamperedWorkers(workers, framework, distorted), lambda: None
    workers[framework].inject(name, fault.change.value, stage)
    return workers, workers[framework].restore


def _names(cause: Diagnosis, trap: str) -> bool:
    """Whether the cause is the trap, or one of those that no measurement distinguishes from it."""
    return trap == cause.trap or trap in cause.alike
