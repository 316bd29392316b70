"""Known faults of replicas; `paddle_impl.replica_verbs` injects them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import paddle
from paddle import distributed

from paddle_impl.data_parallel import ReplicaTrainer, group
from paddle_impl.optimizers import Optimizer
from parity.catalogue.replica_faults import NORM, PARTS, UNREDUCED_ROW, ReplicaFault
from parity.numerics.arrays import Arrays
from parity.runtime.fault_session import Patches
from parity.runtime.replica_faults import faults_of
from parity.runtime.trainer import EpochArrays

REPLICA_FAULTS = faults_of(ReplicaTrainer)


def _scaled(factor: float) -> Patches:
    """Gradients times a number, which are averaged then; the loss itself is what it was."""
    own = ReplicaTrainer.loss

    def loss(self: ReplicaTrainer, plan: EpochArrays, index: int) -> Any:
        value, logits, labels = own(self, plan, index)
        return value + (factor - 1) * (value - value.detach()), logits, labels

    yield patch.object(ReplicaTrainer, "loss", loss)


@REPLICA_FAULTS.named(ReplicaFault.ADDED_UP)
def _added_up() -> Patches:
    """Gradients of mean losses are added up over the replicas."""
    return _scaled(group.count)


@REPLICA_FAULTS.named(ReplicaFault.DIVIDED_TWICE)
def _divided_twice() -> Patches:
    """The loss is divided by the images of all replicas, and the gradients are averaged as well."""
    return _scaled(1 / group.count)


@REPLICA_FAULTS.named(ReplicaFault.PARTS_ADDED_UP)
def _parts_added_up() -> Patches:
    """A share is taken in parts, whose mean gradients are added up and not divided by their number."""
    return _scaled(PARTS)


def _reduced_by_hand(reduce: Callable[[list[paddle.Tensor]], None]) -> Patches:
    """Not `DataParallel` reduces gradients, but a function does in place, between the backward pass and the update."""
    loss, apply = ReplicaTrainer.loss, Optimizer.apply

    def unreduced_loss(self: ReplicaTrainer, plan: EpochArrays, index: int) -> Any:
        with self.forward.no_sync():
            return loss(self, plan, index)

    def reducing_apply(self: Optimizer, rate: float) -> None:
        reduce([slot.tensor.grad for slot in self.slots])
        apply(self, rate)

    def gradients(self: ReplicaTrainer, plan: EpochArrays, index: int) -> tuple[float, Arrays]:
        mean_loss, _, _ = self.loss(plan, index)
        mean_loss.backward()
        reduce([slot.tensor.grad for slot in self.trainable])
        arrays = {slot.entry.name: slot.layout.read(slot.tensor.grad.numpy()) for slot in self.trainable}
        self.optimizer.clear_gradients()
        return float(mean_loss), arrays

    yield patch.object(ReplicaTrainer, "loss", unreduced_loss)
    yield patch.object(Optimizer, "apply", reducing_apply)
    yield patch.object(ReplicaTrainer, "gradients", gradients)


@REPLICA_FAULTS.named(ReplicaFault.CUT_BEFORE_THE_REDUCTION)
def _cut_before_the_reduction() -> Patches:
    """Each replica cuts its own gradients to a global norm, before they are averaged."""

    @paddle.no_grad()
    def reduce(gradients: list[paddle.Tensor]) -> None:
        norm = float(paddle.add_n([(gradient * gradient).sum() for gradient in gradients]).sqrt())
        for gradient in gradients:
            gradient.scale_(min(1.0, NORM / norm) / group.count)
            distributed.all_reduce(gradient)

    return _reduced_by_hand(reduce)


@REPLICA_FAULTS.named(ReplicaFault.NOT_REDUCED)
def _not_reduced() -> Patches:
    """In one step each replica takes its own gradients: `no_sync` is left on."""
    own = ReplicaTrainer.loss

    def loss(self: ReplicaTrainer, plan: EpochArrays, index: int) -> Any:
        if index != UNREDUCED_ROW:
            return own(self, plan, index)
        with self.forward.no_sync():
            return own(self, plan, index)

    yield patch.object(ReplicaTrainer, "loss", loss)
