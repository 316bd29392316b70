"""The training in a worker: one at a time, which `start_training` sets up and which ends with the worker.

A plan is the result of `parity.data.batches.plan_arrays` for an epoch: `order`, `dy`, `dx`, `flip` [steps, batch],
`dropout` [steps, sites] and the learning rates `rate` [steps].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from parity.workers.client.requests import Requests, counted, group

if TYPE_CHECKING:  # workers begin before numpy and the like are imported, and this is imported before them
    import numpy as np

    from parity.catalogue.recipes import TrainerSettings
    from parity.numerics.arrays import Arrays
    from parity.weights.state import State


@dataclass(frozen=True)
class EpochProgress:
    """How far an epoch has come: steps done, and their mean loss and accuracy."""

    step: int
    loss: float
    accuracy: float


@dataclass(frozen=True)
class LossAndAccuracy:
    """Mean loss, and the fraction of images that are classified correctly, 0 to 1."""

    loss: float
    accuracy: float


@dataclass(frozen=True)
class TrainedEpoch(LossAndAccuracy):
    """Steps of training; loss and accuracy are those during training.

    Attributes:
        seconds: of all steps together.
        images: how many were trained on.
        losses: float64 [steps]; [0] where they were not requested.
    """

    seconds: float
    images: int
    losses: np.ndarray


@dataclass(frozen=True)
class Evaluation(LossAndAccuracy):
    """An evaluation of all test images.

    Attributes:
        images: how many there were.
        logits: [images, classes].
    """

    images: int
    logits: np.ndarray


@dataclass(frozen=True)
class TrainingStages:
    """Forward passes in training mode: the first one's stages by name, and the state after all of them."""

    stages: Arrays
    state: State


@dataclass(frozen=True)
class Gradients:
    """The mean loss of a batch, and its gradients by canonical name."""

    loss: float
    gradients: Arrays


@dataclass(frozen=True)
class TrainingExport:
    """A training as it is now.

    Attributes:
        arrays: the groups `state` and `optimizer`, packed, as `load_training` takes them.
        peak_memory: bytes: the high-water mark of the device's memory, on the CPU of the process.
    """

    arrays: Arrays
    peak_memory: int

    @cached_property
    def state(self) -> State:
        """Weights and running statistics by canonical name."""
        return group(self.arrays, "state")

    @cached_property
    def optimizer(self) -> Arrays:
        """The state of the optimizer, by slot and canonical name; empty unless it was requested."""
        return group(self.arrays, "optimizer")


class TrainingRequests(Requests):
    """Requests to a training; all but `start_training` fail where none was started."""

    def start_training(self, network: str, seed: int, arrays: Arrays, settings: TrainerSettings) -> str:
        """Put weights and data on the device and build the trainer; an equal earlier trainer is used again.

        Args:
            network: its name.
            seed: of the noise from which dropout masks are taken.
            arrays: the groups `state`, the first weights, or none where `load_training` is to bring them, and `data`
                as `parity.data.batches.prepared` makes it.
            settings: batch, update rule, weight decay, mode and precision.

        Returns:
            How steps run: "eager", "to_static" or "tf.function".
        """
        reply = self.call("start_training", network=network, seed=seed, arrays=arrays, **settings.as_arguments())
        mode: str = reply.result["mode"]
        return mode

    def warm_up(self, network: str, arrays: Arrays) -> float:
        """Run the first step of a plan, which compiles, and restore the state.

        Args:
            network: its name.
            arrays: the plan.

        Returns:
            The seconds that the step took.
        """
        seconds: float = self.call("warm_up", network=network, arrays=arrays).result["seconds"]
        return seconds

    def train_epoch(
        self,
        network: str,
        arrays: Arrays,
        on_progress: Callable[[EpochProgress], None] | None = None,
        losses: bool = False,
        begin: int = 0,
        end: int | None = None,
    ) -> TrainedEpoch:
        """Train by a plan, or by its rows from `begin` to `end`.

        Args:
            network: its name.
            arrays: the plan.
            on_progress: called with the progress, twice a second.
            losses: whether to return the loss of every step.
            begin: the first row, counted from 0.
            end: the row after the last one; None for all.
        """

        def listener(message: dict[str, Any]) -> None:
            if on_progress is not None:
                on_progress(EpochProgress(**message))

        reply = self.call(
            "train_epoch", network=network, arrays=arrays, on_progress=listener, losses=losses, begin=begin, end=end
        )
        import numpy as np

        return TrainedEpoch(**reply.result, losses=reply.arrays["losses"] if losses else np.zeros(0))

    def training_stages(self, network: str, arrays: Arrays) -> TrainingStages:
        """Forward passes in training mode of all rows of a plan, without updates; running statistics change.

        Args:
            network: its name.
            arrays: the plan.
        """
        reply = self.call("training_stages", network=network, arrays=arrays)
        return TrainingStages(group(reply.arrays, "stages"), group(reply.arrays, "state"))

    def gradients(self, network: str, arrays: Arrays) -> Gradients:
        """The loss of a plan's first row, and its gradient of every trainable array that it depends on.

        The weights do not change; running statistics do.

        Args:
            network: its name.
            arrays: the plan.
        """
        reply = self.call("gradients", network=network, arrays=arrays)
        return Gradients(reply.result["loss"], reply.arrays)

    def evaluate(
        self, network: str, on_progress: Callable[[int], None] | None = None, batch: int | None = None
    ) -> Evaluation:
        """Loss, accuracy and logits of all test images. Fails where there are none.

        Args:
            network: its name.
            on_progress: called with the number of images that are done.
            batch: images at a time; None: as many as in a step of the training.
        """
        given: dict[str, Any] = {} if batch is None else {"batch": batch}
        reply = self.call("evaluate", network=network, on_progress=counted(on_progress, "images"), **given)
        return Evaluation(**reply.result, logits=reply.arrays["logits"])

    def digest_batches(self, network: str, arrays: Arrays) -> str:
        """The digest of all batches of a plan as the device makes them, see `parity.numerics.arrays.batch_digest`.

        Args:
            network: its name.
            arrays: the plan.
        """
        digest: str = self.call("digest_batches", network=network, arrays=arrays).result["digest"]
        return digest

    def export_training(self, network: str, optimizer: bool = False, weights: bool = True) -> TrainingExport:
        """The training as it is now.

        Args:
            network: its name.
            optimizer: whether to include the state of the optimizer.
            weights: whether to include the whole state; else only the running statistics.
        """
        reply = self.call("export_training", network=network, optimizer=optimizer, weights=weights)
        return TrainingExport(reply.arrays, reply.result["peak_memory"])

    def digest_training(self, network: str) -> dict[str, str]:
        """sha256 (hex) of every array of `export_training`, by name, including those of the optimizer."""
        digests: dict[str, str] = self.call("digest_training", network=network).result["digests"]
        return digests

    def load_training(self, network: str, arrays: Arrays) -> None:
        """Continue from an exported training.

        Args:
            network: its name.
            arrays: the groups `state` and `optimizer`, as `export_training` gives them.
        """
        self.call("load_training", network=network, arrays=arrays)

    def forget_training(self, network: str) -> None:
        """Drop the training, if there is one, and free its memory."""
        self.call("forget_training", network=network)
