"""A trial of an installation: weights to each framework and back, and one training step."""

from __future__ import annotations

import numpy as np

from parity.catalogue.networks import network
from parity.catalogue.recipes import RECIPES, trainer_settings
from parity.cli.doctor import Finding
from parity.data.registry import load
from parity.numerics.arrays import unpack
from parity.suite.speed import timing_arrays
from parity.workers.errors import WorkerError, without_frames
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.pool import Workers
from parity.workers.worker import Worker

NETWORK, BATCH = "lenet5", 8


def try_out(workers: Workers) -> list[Finding]:
    """Try both frameworks.

    Args:
        workers: of both frameworks.

    Returns:
        One finding for each framework that starts; `examine_machine` reports those that do not.
    """
    findings = []
    for name in workers:
        what = f"{FRAMEWORKS[name].title}, trial"
        try:
            failed = _failure(workers[name])
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


def _failure(worker: Worker) -> str:
    """What failed in the trial of one framework; empty where nothing did. Raises WorkerError."""
    recipe = RECIPES[network(NETWORK).recipe]
    arrays = timing_arrays(worker, NETWORK, load("generated"), BATCH, seed=0, steps=1)
    state = unpack(arrays, "state")
    returned = worker.round_trip(NETWORK, state)
    changed = [name for name in state if name not in returned or returned[name].tobytes() != state[name].tobytes()]
    if changed or len(returned) != len(state):
        return f"the weights of {NETWORK} came back changed: {', '.join(changed) or 'other names'}"
    worker.start_training(NETWORK, 0, arrays, trainer_settings(recipe, batch=BATCH))
    loss = worker.train_epoch(NETWORK, unpack(arrays, "plan")).loss
    moved = worker.export_training(NETWORK).state
    if not np.isfinite(loss) or not any((moved[name] != state[name]).any() for name in state):
        return f"a step of training gave the loss {loss}, or moved no weight"
    return ""
