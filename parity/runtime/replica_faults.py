"""Known faults of replicas that are the same in either framework; see `replica_faults` there."""

from __future__ import annotations

from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np

from parity.catalogue.replica_faults import ReplicaFault
from parity.numerics.arrays import Arrays
from parity.runtime.fault_session import Faults, Patches
from parity.runtime.replicas import ReplicaGroup, SharedMasks
from parity.runtime.trainer import EpochArrays

SHARED_FAULTS = Faults()  # each is given a framework's trainer of a replica


def faults_of(trainer: type[SharedMasks]) -> Faults:
    """The faults of a framework's replicas, to which the framework adds those of its own calls.

    Args:
        trainer: of a replica; its methods, and its group's, are replaced while a fault is in.

    Returns:
        By name, functions without arguments that yield the replacements, as `FaultSession` enters them.
    """
    return Faults({name: partial(fault, trainer) for name, fault in SHARED_FAULTS.items()})


def of_replica_0(group: ReplicaGroup, numbers: np.ndarray) -> np.ndarray:
    """Replica 0's numbers in all replicas; they are rounded to the precision of their mean."""
    return group.average(_only_of_replica_0(group, numbers))


def _only_of_replica_0(group: ReplicaGroup, numbers: np.ndarray) -> np.ndarray:
    """Numbers whose mean over the replicas is replica 0's."""
    return numbers * group.count if group.rank == 0 else np.zeros_like(numbers)


@SHARED_FAULTS.named(ReplicaFault.ONE_SHARE_FOR_ALL)
def one_share_for_all(trainer: type[SharedMasks]) -> Patches:
    """All replicas shuffle with one seed and take the first of what they draw: the same images."""
    own = trainer.to_device

    def to_device(self: SharedMasks, plan: Arrays) -> Any:
        shared = ("order", "dy", "dx", "flip")
        first = {name: of_replica_0(self.group, plan[name].ravel().astype(np.float64)) for name in shared}
        return own(self, plan | {n: np.rint(a).astype(plan[n].dtype).reshape(plan[n].shape) for n, a in first.items()})

    yield patch.object(trainer, "to_device", to_device)


@SHARED_FAULTS.named(ReplicaFault.UNEVEN_SHARES)
def uneven_shares(trainer: type[SharedMasks]) -> Patches:
    """The last replica's share is an image short, and its mean counts as much as the others'."""
    own = trainer.augmented

    def augmented(self: SharedMasks, plan: EpochArrays, index: Any) -> tuple[Any, Any]:
        images, labels = own(self, plan, index)
        last = self.group.rank == self.group.count - 1
        return (images[:-1], labels[:-1]) if last else (images, labels)

    yield patch.object(trainer, "augmented", augmented)


@SHARED_FAULTS.named(ReplicaFault.STATISTICS_OF_REPLICA_0)
def statistics_of_replica_0(trainer: type[SharedMasks]) -> Patches:
    """The running statistics are replica 0's, as a program saves them that looks at no other."""
    group = trainer.group
    own = group.average
    yield patch.object(group, "average", lambda numbers: own(_only_of_replica_0(group, numbers)))
