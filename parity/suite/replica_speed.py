"""Measure what sharing costs: steps of one process and of replicas in turns, and the reduction alone."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from parity.catalogue.networks import network
from parity.catalogue.recipes import RECIPES, trainer_settings
from parity.data.batches import timing_arrays
from parity.data.dataset import Dataset
from parity.numerics.arrays import Arrays, pack, unpack
from parity.records.replicas import ReductionSpeed, ReplicaReadings, ReplicaSpeed
from parity.workers.replicated_worker import ReplicatedWorker
from parity.workers.worker import Worker

ELEMENTS = (1_000, 10_000, 100_000, 1_000_000, 10_000_000, 30_000_000)  # float32 numbers, of a large network the last


@dataclass(frozen=True)
class Way:
    """One way to take a step.

    Attributes:
        processes: that share the batch.
        threads: of each.
        engine: whether the framework's engine of replicas holds them together.
        batch: images of all of them together.
    """

    processes: int
    threads: int
    engine: bool
    batch: int

    def worker(self, framework: str) -> Worker:
        """The worker that takes such steps; not started.

        Args:
            framework: its name.
        """
        if self.engine:
            return ReplicatedWorker(framework, self.processes, threads=self.threads)
        return Worker(framework, threads=self.threads)


def ways(replicas: int, batch: int) -> list[Way]:
    """What replicas of one thread are compared with.

    Args:
        replicas: how many.
        batch: images a step, a multiple of them.

    Returns:
        One process with one thread and with as many as there are replicas; one replica, and all; and one process that
        takes a single replica's share.

    Example:
        >>> [way.batch for way in ways(2, 128)]
        [128, 128, 128, 128, 64]
    """
    return [
        Way(1, 1, False, batch),
        Way(1, replicas, False, batch),
        Way(1, 1, True, batch),
        Way(replicas, 1, True, batch),
        Way(1, 1, False, batch // replicas),
    ]


@dataclass
class _Timed:
    """A way whose steps are timed: the worker that is ready for them, the plan, and how many steps a reading has."""

    way: Way
    worker: Worker
    plan: Arrays
    steps: int
    seconds: list[float] = field(default_factory=list)


def replica_speed(
    framework: str, name: str, dataset: Dataset, replicas: int, *, rounds: int, reading_seconds: float, seed: int = 0
) -> ReplicaSpeed:
    """Time the training steps of every way in turns; which is first changes from round to round.

    Args:
        framework: its name.
        name: of the network, by whose recipe and batch it is trained.
        dataset: images of the steps.
        replicas: how many share a batch.
        rounds: readings of each way.
        reading_seconds: the least time of one reading.
        seed: of weights and epoch plan.

    Raises:
        ValueError: the recipe's batch cannot be shared by so many.
        WorkerError: a worker failed.
    """
    batch = RECIPES[network(name).recipe].batch
    with contextlib.ExitStack() as running:
        timed: list[_Timed] = []
        for way in ways(replicas, batch):
            worker = way.worker(framework)
            running.callback(worker.stop)
            timed.append(_started(way, worker, name, dataset, reading_seconds, seed))
        for number in range(rounds):
            for one in timed[:: 1 if number % 2 else -1]:
                one.seconds.append(one.worker.train_epoch(name, one.plan, end=one.steps).seconds / one.steps)
    return ReplicaSpeed(
        network=name,
        framework=framework,
        replicas=replicas,
        batch=batch,
        parameters=network(name).params,
        readings=[
            ReplicaReadings(one.way.processes, one.way.threads, one.way.engine, one.way.batch, one.seconds)
            for one in timed
        ],
    )


def _started(way: Way, worker: Worker, name: str, dataset: Dataset, reading_seconds: float, seed: int) -> _Timed:
    """The first steps, which compile, and how many make a reading."""
    arrays = timing_arrays(name, worker.describe(name), dataset, way.batch, seed, steps=64)
    plan = unpack(arrays, "plan")
    settings = trainer_settings(RECIPES[network(name).recipe], batch=way.batch)
    given = pack(state=unpack(arrays, "state"), data=unpack(arrays, "data"))
    worker.start_training(name, seed, given, settings)
    worker.warm_up(name, plan)
    step_seconds = worker.train_epoch(name, plan, end=2).seconds / 2
    return _Timed(way, worker, plan, min(len(plan["order"]), max(1, math.ceil(reading_seconds / step_seconds))))


def reduction_speeds(
    framework: str, replicas: int, *, times: int, elements: Sequence[int] = ELEMENTS
) -> list[ReductionSpeed]:
    """Time the mean over the replicas of one float32 tensor, by its size: what a step's reduction takes at least.

    Args:
        framework: its name.
        replicas: how many.
        times: how often each size is reduced, after once untimed.
        elements: the sizes.

    Raises:
        ValueError: fewer than 2 replicas, or more than there are cores.
        WorkerError: a replica failed.
    """
    worker = ReplicatedWorker(framework, replicas, threads=1)
    try:
        return [ReductionSpeed(framework, replicas, size, worker.time_reduction(size, times)) for size in elements]
    finally:
        worker.stop()
