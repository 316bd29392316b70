"""How much the suite finds: every trap put into a network's twin, and the verdict on it; and whether it accuses anyone.

The twins know nothing of this: a fault is put into the built model, into the training's loss or optimizer, or into
what one worker is sent.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.catalogue.networks import network
from parity.catalogue.traps import FAULTS, Fault
from parity.data.dataset import Dataset
from parity.diagnosis.layers import diagnose_all
from parity.diagnosis.prove import prove_level
from parity.diagnosis.scene import Scene, scene_of
from parity.faults.sites import places, twin_of
from parity.faults.tampering import TamperedWorkers, distortion
from parity.proofs.context import Evidence
from parity.records.levels import LEVELS
from parity.records.records import Detection, Diagnosis, Innocence, Proof
from parity.workers.pool import Workers


@dataclass(frozen=True)
class Injection:
    """A fault, the framework and the stage that it is put into."""

    fault: Fault
    framework: str
    stage: str


def injections(scene: Scene, seed: int = 0) -> list[Injection]:
    """Every fault in every framework that it is for, where the network has a place for it, at a drawn one of these."""
    draw = np.random.default_rng(seed)
    found = []
    for fault in FAULTS:
        if stages := places(fault.where, scene):
            found += [Injection(fault, framework, str(draw.choice(stages))) for framework in fault.frameworks]
    return found


def detect(
    workers: Workers, name: str, dataset: Dataset, *, seed: int = 0, traps: Sequence[str] | None = None
) -> Iterator[Detection]:
    """Put every fault, or those of some traps, into one network, one at a time, and look for it. Raises WorkerError."""
    scene = scene_of(Evidence(workers, network(name), dataset, seed))
    for injection in injections(scene, seed):
        if traps and injection.fault.trap not in traps:
            continue
        yield detect_one(workers, name, dataset, injection, scene, seed=seed)


def detect_one(
    workers: Workers, name: str, dataset: Dataset, injection: Injection, scene: Scene, *, seed: int = 0
) -> Detection:
    """Put one fault in, prove level by level until one fails, diagnose, take the fault out. Raises WorkerError."""
    begin = time.perf_counter()
    fault, framework, stage = injection.fault, injection.framework, injection.stage
    faulty, restore = _inject(workers, name, injection, scene)
    try:
        evidence = Evidence(faulty, network(name), dataset, seed)
        failed = next((proof for proof in _proofs(evidence, fault.level) if not proof.passed), None)
        causes = failed.causes if failed else []
    finally:
        restore()
    right = {stage, twin_of(stage, scene)} if fault.change == "another layer's kernel" else {stage}
    here = [cause for cause in causes if cause.stage in right and cause.framework == framework]
    return Detection(
        network=name,
        trap=fault.trap,
        change=fault.change,
        framework=framework,
        stage=stage,
        must_level=fault.level,
        level=failed.level if failed else 0,
        severity=severity_of(failed) if failed and not _within(failed) else None,
        placed=bool(here),
        named=any(_names(cause, fault.trap) for cause in here),
        accused=sorted({cause.stage for cause in causes if cause not in here}),
        diagnosis=(here or causes)[0].text if causes else "",
        seconds=time.perf_counter() - begin,
    )


def find_nothing(workers: Workers, name: str, dataset: Dataset, seeds: Sequence[int]) -> Innocence:
    """Prove and diagnose a correct pair with other weights, images and masks for each seed; every accusation counts."""
    begin = time.perf_counter()
    accusations: list[str] = []
    worst = 0.0
    updates: dict[str, Any] = {}
    for seed in seeds:
        evidence = Evidence(workers, network(name), dataset, seed, updates)
        for level in LEVELS:
            proof = prove_level(evidence, level)
            worst = float(np.fmax(worst, severity_of(proof) or 0.0))
            accusations += [f"seed {seed}, level {level}: {problem}" for problem in proof.problems]
            if not proof.passed and not proof.problems:
                accusations.append(f"seed {seed}, level {level}: failed without a reason")
        accusations += [f"seed {seed}: {cause.text}" for cause in diagnose_all(evidence)]
    return Innocence(name, list(seeds), accusations, worst, time.perf_counter() - begin)


def _within(failed: Proof) -> bool:
    """Whether it failed for other reasons than its gap: a count, a change of bits."""
    return failed.gap is not None and failed.limit is not None and failed.gap <= failed.limit


def severity_of(proof: Proof) -> float | None:
    """A proof's largest gap in units of its limit; None where that is no number."""
    if proof.gap is None or not proof.limit:
        return None
    ratio = proof.gap / proof.limit
    return ratio if math.isfinite(ratio) else None


def _proofs(evidence: Evidence, last: int) -> Iterator[Proof]:
    return (prove_level(evidence, level) for level in LEVELS if level <= last)


def _inject(workers: Workers, name: str, injection: Injection, scene: Scene) -> tuple[Workers, Callable[[], object]]:
    """The pair with the fault in it, and how to take it out."""
    fault, framework, stage = injection.fault, injection.framework, injection.stage
    if (distorted := distortion(fault.change, stage, scene)) is not None:
        return TamperedWorkers(workers, framework, distorted), lambda: None
    workers[framework].inject(name, fault.change, stage)
    return workers, workers[framework].restore


def _names(cause: Diagnosis, trap: str) -> bool:
    """Whether the cause is the trap, or one group of traps with it that no measurement tells apart."""
    return trap == cause.trap or trap in cause.alike
