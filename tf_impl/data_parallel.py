"""Replicas in TensorFlow: `tf.distribute.MultiWorkerMirroredStrategy`, with one device in each process.

The strategy leaves it to the program how gradients are reduced: here by their mean. (Keras's own optimizers add them
up, and `keras.Model.fit` divides the loss by the number of replicas before.) By default Keras's batch norm computes its
statistics of each replica's own share. Here running statistics are averaged over the replicas, see
`ReplicaLoop.settle_replicas`.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity.numerics.arrays import Arrays
from parity.runtime.replicas import ReplicaGroup, ReplicaLoop, SharedMasks
from parity.runtime.trainer import EpochArrays
from tf_impl import models, training
from tf_impl.layers import FusedBatchNorm, dropouts


class Group(ReplicaGroup):
    """The replicas as `tf.distribute` holds them."""

    strategy: tf.distribute.Strategy

    def connect(self, endpoints: Sequence[str]) -> None:
        task = {"type": "worker", "index": self.rank}
        os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": list(endpoints)}, "task": task})
        self.strategy = tf.distribute.MultiWorkerMirroredStrategy()

    def average(self, numbers: np.ndarray) -> np.ndarray:
        return np.asarray(self.strategy.run(self.mean, (tf.constant(numbers),)).numpy())

    def reduction(self, elements: int) -> Callable[[], None]:
        def mean(tensor: tf.Tensor) -> list[tf.Tensor]:
            return list(self.mean([tf.identity(tensor)]))  # placed on the replica's device, as a gradient is

        reduce = tf.function(lambda tensor: self.strategy.run(mean, (tensor,)), autograph=False)
        tensor = tf.ones([elements])

        def run() -> None:
            reduce(tensor)[0].numpy()

        return run

    def mean(self, tensors: Any) -> Any:
        """The mean over all replicas of a tensor, or of each of a list; inside `strategy.run`."""
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, tensors)


group = Group()  # this worker's


def build(name: str, precision: str) -> keras.Model:
    """As `tf_impl.models.build`; where the group says so, with batch norms over all replicas."""
    with group.strategy.scope():
        model = models.build(name, precision)
    for layer in model.layers if group.synchronised else ():
        if isinstance(layer, FusedBatchNorm):
            layer.synchronized = True
            own = partial(keras.layers.BatchNormalization.call, layer)
            layer.call = own  # type: ignore[method-assign]  # the fused kernel knows one replica alone
    return model


class ReplicaTrainer(SharedMasks, training.Trainer):
    """One step of a replica: the gradients are averaged over all replicas before the update."""

    group = group
    twin = replace(
        training.twin,
        build=build,
        cached=build,
        largest_dropout=lambda model, image: group.count * training.twin.largest_dropout(model, image),
    )
    modes = ("tf.function",)  # type: ignore[assignment]  # fewer than the framework's

    def compile_steps(self) -> None:
        self.compiled_step = tf.function(self.traced_step, reduce_retracing=True, autograph=False)

    def steps(self, plan: EpochArrays, begin: int, end: int) -> None:
        # One call a step: a collective of a loop on the device waits for the same turn of the loop in all replicas,
        # which need not take the same number of steps a call.
        for index in range(begin, end):
            self.compiled_step(plan, tf.constant(index))

    def traced_step(self, plan: dict[str, tf.Tensor], index: tf.Tensor) -> None:
        """One step of this replica, in the strategy."""
        group.strategy.run(self.replica_step, (plan, index))

    def replica_step(self, plan: dict[str, tf.Tensor], index: tf.Tensor) -> None:
        """One step of this replica."""
        with tf.GradientTape() as tape:
            loss, logits, labels = super().loss(plan, index)
        self.optimizer.apply(self.reduced(tape.gradient(loss, self.variables)), plan["rate"][index])
        self.loss_sum.assign_add(loss)
        self.correct.assign_add(training._hits(logits, labels))

    def reduced(self, gradients: list[tf.Tensor]) -> list[tf.Tensor]:
        """The means over all replicas of the gradients of each one's own mean loss."""
        return group.mean(gradients)

    def loss(self, plan: EpochArrays, index: Any) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        return group.strategy.run(super().loss, (plan, tf.constant(index)))

    def gradients(self, plan: EpochArrays, index: int) -> tuple[float, Arrays]:
        def run(index: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
            with tf.GradientTape() as tape:
                loss, _, _ = super(ReplicaTrainer, self).loss(plan, index)
            return loss, self.reduced(tape.gradient(loss, self.variables))

        loss, gradients = group.strategy.run(run, (tf.constant(index),))
        return float(loss), {
            slot.entry.name: slot.layout.read(gradient.numpy())
            for slot, gradient in zip(self.trainable, gradients, strict=True)
        }

    def stages(self, plan: EpochArrays, index: int) -> Arrays:
        return group.strategy.run(super().stages, (plan, index))

    def synchronize(self) -> None:
        # TensorFlow's own call would wait for the devices of the other replicas, too, and fails there
        self.loss_sum.numpy()

    def dropout_sizes(self) -> list[int]:
        return [math.prod(layer.output.shape[1:]) for layer in dropouts(self.model)]


loop = ReplicaLoop(ReplicaTrainer, group)  # this worker's training
