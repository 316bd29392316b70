"""The records of several processes that share every batch: proofs, faults, and what sharing costs."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from parity.records.records import Above0, Measured, Part, Proof, Record, Some

Several = Annotated[int, Meta(ge=2)]


def sharing_text(replicas: int, synchronised: bool) -> str:
    """Processes that share every batch, in words.

    Args:
        replicas: how many.
        synchronised: whether batch norm computes its statistics over all of them.

    Returns:
        Empty for one process.

    Example:
        >>> sharing_text(2, True)
        '2 replicas, batch norm over all of them'
    """
    if replicas == 1:
        return ""
    return f"{replicas} replicas" + (", batch norm over all of them" if synchronised else "")


class ReplicaCause(Part, frozen=True):
    """What is wrong with the replicas of one framework."""

    framework: str
    text: str  # one line for the user
    faults: list[str] = []  # those of parity.catalogue.replica_faults that would make the very same; none is known: []


class ReplicaProof(Proof, frozen=True, tag="replica proof"):
    """Level 6 over replicas: processes that share every batch compute what one process does, or one another."""

    replicas: Several = 2  # of each framework
    synchronised: bool = False  # whether batch norm computed its statistics over all of them
    replica_causes: list[ReplicaCause] = []  # of a failed proof; `causes` is empty


class ReplicaDetection(Record, frozen=True, tag="replica detection"):
    """What the proof of replicas made of a fault that was put into one framework's replicas."""

    network: str
    framework: str  # where it was put
    replicas: Several
    fault: str  # of parity.catalogue.replica_faults
    caught: bool  # whether the proof failed
    placed: bool  # whether a cause names the framework, and none the other
    named: bool  # whether that cause names the fault
    severity: Measured | None  # largest gap in units of its limit; None where none is above it, or it is no number
    diagnosis: str = ""  # the line that the user reads
    seconds: Measured = 0.0

    @property
    def as_expected(self) -> bool:
        """Whether it was caught, placed and named."""
        return self.caught and self.placed and self.named


class ReplicaReadings(Part, frozen=True):
    """How long a training step took, taken in one way."""

    processes: Some  # that shared the batch
    threads: Some  # of each
    engine: bool  # whether the framework's engine of replicas held them together
    batch: Some  # images of all processes together
    seconds: Annotated[list[Above0], Meta(min_length=1)]  # a step, one for each reading


class ReplicaSpeed(Record, frozen=True, tag="replica speed"):
    """Training steps of one network by one process and by replicas, measured in turns."""

    network: str
    framework: str
    replicas: Several
    batch: Some  # images a step
    parameters: Some
    readings: list[ReplicaReadings]


class ReductionSpeed(Record, frozen=True, tag="reduction speed"):
    """The mean over the replicas of one float32 tensor, alone."""

    framework: str
    replicas: Several
    elements: Some
    readings: Annotated[list[Above0], Meta(min_length=1)]  # seconds of the slowest replica, one for each reduction
