"""What sharing a batch costs: from measured steps, and on paper for more replicas than were measured."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from parity.records.replicas import ReductionSpeed, ReplicaReadings, ReplicaSpeed

BYTES = 4  # of a float32 number


@dataclass(frozen=True)
class Link:
    """Two processes that pass numbers on: how long a message takes.

    Attributes:
        latency: seconds of an empty message.
        bandwidth: bytes a second; infinite where no size made a difference.
    """

    latency: float
    bandwidth: float

    def ring(self, replicas: int, elements: int) -> float:
        """Seconds in which a ring of replicas has the sum of float32 tensors.

        Each replica passes a part on 2 (N - 1) times, and each part is an Nth of the tensor.

        Args:
            replicas: in the ring.
            elements: of the tensor.
        """
        messages = 2 * (replicas - 1)
        return messages * (self.latency + BYTES * elements / replicas / self.bandwidth)


def link_of(reductions: Sequence[ReductionSpeed]) -> Link | None:
    """The link by which a ring's seconds come nearest to what was measured, in relation to it.

    Args:
        reductions: of one framework and number of replicas.

    Returns:
        None with fewer than two sizes.
    """
    sizes = {record.elements for record in reductions}
    if len(sizes) < 2:
        return None
    seconds = np.array([statistics.median(record.readings) for record in reductions])
    messages = np.array([2.0 * (record.replicas - 1) for record in reductions])
    parts = np.array([BYTES * record.elements / record.replicas for record in reductions])
    weighted = np.stack([messages, messages * parts], axis=1) / seconds[:, None]
    both = np.linalg.lstsq(weighted, np.ones(len(seconds)))[0]
    if (both < 0).any():  # one of the two does not show: the other alone
        alone = [float(column.sum() / (column @ column)) for column in weighted.T]
        both = np.where(both < 0, 0.0, alone)
    latency, per_byte = map(float, both)
    return Link(latency, 1 / per_byte if per_byte else float("inf"))


@dataclass(frozen=True)
class Sharing:
    """The steps of one network in one framework, in median seconds.

    Attributes:
        record: that they are of.
        one: a process of one thread with the whole batch.
        threaded: a process of as many threads as there are replicas.
        engine: one replica of one thread.
        shared: all replicas, of one thread each.
        share: a process of one thread with one replica's share.
    """

    record: ReplicaSpeed
    one: float
    threaded: float
    engine: float
    shared: float
    share: float

    @property
    def cost(self) -> float:
        """Seconds that sharing adds to a step on the share alone: reduction, engine, and one memory for all."""
        return self.shared - self.share

    def step_of(self, replicas: int, link: Link) -> float:
        """Seconds of a step of so many replicas, each with a share as it was measured; on paper.

        Args:
            replicas: how many.
            link: between any two of them.
        """
        longer = link.ring(replicas, self.record.parameters) - link.ring(self.record.replicas, self.record.parameters)
        return self.share + max(0.0, self.cost) + longer


def sharing_of(record: ReplicaSpeed) -> Sharing | None:
    """The record's steps by what they are; None where one of them is missing."""
    count = record.replicas

    def median(processes: int, threads: int, engine: bool, batch: int) -> float | None:
        way = processes, threads, engine, batch
        readings = [own for own in record.readings if _way(own) == way]
        return statistics.median(readings[0].seconds) if readings else None

    steps = (
        median(1, 1, False, record.batch),
        median(1, count, False, record.batch),
        median(1, 1, True, record.batch),
        median(count, 1, True, record.batch),
        median(1, 1, False, record.batch // count),
    )
    one, threaded, engine, shared, share = steps
    if one is None or threaded is None or engine is None or shared is None or share is None:
        return None
    return Sharing(record, one, threaded, engine, shared, share)


def _way(readings: ReplicaReadings) -> tuple[int, int, bool, int]:
    return readings.processes, readings.threads, readings.engine, readings.batch
