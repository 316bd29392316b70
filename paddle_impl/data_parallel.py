"""Replicas in Paddle: `paddle.DataParallel`, on gloo on the CPU.

By default Paddle averages gradients over the replicas (a sum by all_reduce, divided by their number), computes batch
norm's statistics of each replica's own share, and lets every replica keep running statistics of its own, of which a
saved model has replica 0's. Here they are averaged over the replicas, see `ReplicaLoop.settle_replicas`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import paddle
from paddle import distributed, nn

from paddle_impl import models, training
from paddle_impl.layers import dropouts
from parity.runtime.replicas import ReplicaGroup, ReplicaLoop, SharedMasks


class Group(ReplicaGroup):
    """The replicas as `paddle.distributed` holds them."""

    def connect(self, endpoints: Sequence[str]) -> None:
        os.environ |= {  # as paddle.distributed.launch sets them
            "PADDLE_TRAINER_ID": str(self.rank),
            "PADDLE_TRAINERS_NUM": str(len(endpoints)),
            "PADDLE_TRAINER_ENDPOINTS": ",".join(endpoints),
            "PADDLE_CURRENT_ENDPOINT": endpoints[self.rank],
            "PADDLE_DISTRI_BACKEND": "gloo",
        }
        distributed.init_parallel_env()

    def average(self, numbers: np.ndarray) -> np.ndarray:
        total = paddle.to_tensor(numbers)
        distributed.all_reduce(total)
        return np.asarray(total.numpy() / self.count)

    def reduction(self, elements: int) -> Callable[[], None]:
        tensor = paddle.ones([elements])

        def run() -> None:
            distributed.all_reduce(tensor)
            tensor.scale_(1 / self.count)

        return run


group = Group()  # this worker's


class SumOverReplicas(paddle.autograd.PyLayer):
    """The sum of all replicas' tensors, in each of them. Each replica's loss depends on it: so gradients add up, too.

    `paddle.distributed.all_reduce` itself has no gradient.
    """

    @staticmethod
    def forward(ctx: Any, x: paddle.Tensor) -> paddle.Tensor:
        total = x.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, dy: paddle.Tensor) -> paddle.Tensor:
        total = dy.clone()
        distributed.all_reduce(total)
        return total


def build(name: str, precision: str) -> nn.Layer:
    """As `paddle_impl.models.build`; where the group says so, with batch norms over all replicas."""
    model = models.build(name, precision)
    for layer in model.sublayers() if group.synchronised else ():
        if hasattr(layer, "spec") and layer.spec["kind"] == "batch_norm":
            layer.forward = partial(_synchronised_batch_norm, layer, layer.forward)
    return model


def _synchronised_batch_norm(layer: nn.Layer, forward: Any, x: paddle.Tensor) -> paddle.Tensor:
    """In training, batch norm by the statistics of all replicas' shares, which are of one size.

    `paddle.nn.SyncBatchNorm` has no kernel on the CPU.
    """
    if not layer.training:
        return forward(x)
    axes, shape = ([0, 2, 3], [1, -1, 1, 1]) if x.ndim == 4 else ([0], [1, -1])
    count = group.count * x.size // x.shape[1]
    mean = SumOverReplicas.apply(x.sum(axes)) / count
    centred = x - mean.reshape(shape)
    variance = SumOverReplicas.apply((centred * centred).sum(axes)) / count
    with paddle.no_grad():
        for running, batch in ((layer._mean, mean), (layer._variance, variance)):
            running.set_value(running * layer._momentum + batch * (1 - layer._momentum))
    scale = layer.weight / (variance + layer._epsilon).sqrt()
    return centred * scale.reshape(shape) + layer.bias.reshape(shape)


class ReplicaTrainer(SharedMasks, training.Trainer):
    """One step of a replica: the gradients are averaged over all replicas before the update."""

    group = group
    twin = replace(
        training.twin,
        build=build,
        cached=build,
        largest_dropout=lambda model, image: group.count * training.twin.largest_dropout(model, image),
    )
    modes = ("eager",)  # type: ignore[assignment]  # fewer than the framework's

    def prepare(self, mode: str) -> None:
        super().prepare("eager")  # whatever the device
        if group.count > 1:
            self.forward = paddle.DataParallel(self.model)

    def dropout_sizes(self) -> list[int]:
        sizes: list[int] = []
        hooks = [
            layer.register_forward_post_hook(lambda _, __, output: sizes.append(math.prod(output.shape[1:])))
            for layer in dropouts(self.model)
        ]
        height, width, channels = self.image
        self.model.eval()
        with paddle.no_grad():
            self.model(paddle.zeros([1, channels, height, width], self.dtype))
        for hook in hooks:
            hook.remove()
        return sizes


loop = ReplicaLoop(ReplicaTrainer, group)  # this worker's training
