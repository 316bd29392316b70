"""Known faults of replicas; `tf_impl.replica_verbs` injects them."""

from __future__ import annotations

from collections.abc import Callable
from unittest.mock import patch

import tensorflow as tf

from parity.catalogue.replica_faults import NORM, PARTS, UNREDUCED_ROW, ReplicaFault
from parity.runtime.fault_session import Patches
from parity.runtime.replica_faults import faults_of
from parity.runtime.trainer import EpochArrays
from tf_impl.data_parallel import ReplicaTrainer, group

REPLICA_FAULTS = faults_of(ReplicaTrainer)

Gradients = list[tf.Tensor]


def _reduced_otherwise(reduced: Callable[[Gradients], Gradients]) -> Patches:
    """Gradients of the replicas become one in another way than by their mean."""
    yield patch.object(ReplicaTrainer, "reduced", lambda self, gradients: reduced(gradients))


@REPLICA_FAULTS.named(ReplicaFault.ADDED_UP)
def _added_up() -> Patches:
    """Gradients of mean losses are added up over the replicas."""
    context, total = tf.distribute.get_replica_context, tf.distribute.ReduceOp.SUM
    return _reduced_otherwise(lambda gradients: context().all_reduce(total, gradients))


@REPLICA_FAULTS.named(ReplicaFault.DIVIDED_TWICE)
def _divided_twice() -> Patches:
    """The loss is divided by the images of all replicas, and the gradients are averaged as well."""
    return _reduced_otherwise(lambda gradients: group.mean([gradient / group.count for gradient in gradients]))


@REPLICA_FAULTS.named(ReplicaFault.PARTS_ADDED_UP)
def _parts_added_up() -> Patches:
    """A share is taken in parts, whose mean gradients are added up and not divided by their number."""
    return _reduced_otherwise(lambda gradients: group.mean([gradient * PARTS for gradient in gradients]))


@REPLICA_FAULTS.named(ReplicaFault.CUT_BEFORE_THE_REDUCTION)
def _cut_before_the_reduction() -> Patches:
    """Each replica cuts its own gradients to a global norm, before they are averaged."""
    return _reduced_otherwise(lambda gradients: group.mean(tf.clip_by_global_norm(gradients, NORM)[0]))


@REPLICA_FAULTS.named(ReplicaFault.NOT_REDUCED)
def _not_reduced() -> Patches:
    """In one step each replica takes its own gradients."""
    own = ReplicaTrainer.steps

    def steps(self: ReplicaTrainer, plan: EpochArrays, begin: int, end: int) -> None:
        for index in range(begin, end):
            if index != UNREDUCED_ROW:
                own(self, plan, index, index + 1)
                continue
            with patch.object(ReplicaTrainer, "reduced", lambda self, gradients: gradients):
                tf.function(self.traced_step, autograph=False)(plan, tf.constant(index))

    yield patch.object(ReplicaTrainer, "steps", steps)
