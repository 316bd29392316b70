"""A replica: one of several processes that train one network together, each on its share of every batch.

The framework's own engine holds the replicas together. What is the same with both engines is here: the verbs of a
replica, and a trainer's share of the dropout masks. The asking side is `parity.workers.replicated_worker`.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from parity.catalogue import networks
from parity.numerics.arrays import Arrays
from parity.runtime.trainer import EpochArrays, Trainer
from parity.runtime.training_loop import Loop
from parity.weights.state import digests


class ReplicaGroup(ABC):
    """The replicas of a training, as one of them sees them.

    Attributes:
        rank: of this replica, from 0.
        count: of the replicas; 1 before `join`.
        synchronised: whether batch norm computes its statistics over all replicas' shares, or over its own.
        share: images of a replica's whole share, where this one takes fewer; 0: those that it takes.
    """

    def __init__(self) -> None:
        self.rank, self.count, self.synchronised, self.share = 0, 1, False, 0

    @abstractmethod
    def connect(self, endpoints: Sequence[str]) -> None:
        """Start the framework's engine, and wait until all replicas have.

        Args:
            endpoints: host:port of every replica, by rank.
        """

    @abstractmethod
    def average(self, numbers: np.ndarray) -> np.ndarray:
        """The mean over the replicas, all of which have to call it.

        Args:
            numbers: [n] of one dtype and length in all replicas.

        Returns:
            The same [n] in every replica.
        """

    @abstractmethod
    def reduction(self, elements: int) -> Callable[[], None]:
        """For timing: the mean over the replicas of one float32 tensor, as it is done with gradients.

        Args:
            elements: of the tensor, in all replicas.

        Returns:
            A function that does it and waits until it is done; all replicas have to call it.
        """

    def join(self, rank: int, endpoints: Sequence[str], synchronised: bool) -> None:
        """Become one of the replicas, for the rest of the process; before anything is computed.

        Args:
            rank: of this replica, from 0.
            endpoints: host:port of every replica, by rank.
            synchronised: see the class.
        """
        self.rank, self.count, self.synchronised = rank, len(endpoints), synchronised
        self.connect(endpoints)


class ReplicaLoop(Loop):
    """The verbs of training of one replica: those of any training, of its share, and those that keep replicas alike."""

    def __init__(self, make: Callable[..., Trainer], group: ReplicaGroup) -> None:
        super().__init__(make)
        self._group = group

    @property
    def verbs(self) -> tuple[Callable[..., Any], ...]:
        """The functions that a replica offers, by their names."""
        own = (self.join_replicas, self.stand_for, self.settle_replicas, self.share_of_batches, self.time_reduction)
        return *super().verbs, *own

    def join_replicas(self, rank: int, endpoints: list[str], synchronised: bool) -> dict[str, Any]:
        """Become one of the replicas: see `ReplicaGroup.join`.

        Args:
            rank, endpoints, synchronised: as there.

        Returns:
            `replicas`: how many there are.
        """
        self._group.join(rank, endpoints, synchronised)
        return {"replicas": self._group.count}

    def stand_for(self, rank: int, count: int, share: int) -> dict[str, Any]:
        """Take the dropout masks of one of several replicas, though this one was joined as the only one.

        Args:
            rank: of the replica that it stands for.
            count: of the replicas.
            share: images of a replica's whole share.

        Returns:
            Nothing: {}, the reply of a verb.
        """
        self._group.rank, self._group.count, self._group.share = rank, count, share
        return {}

    def settle_replicas(self) -> dict[str, Any]:
        """Average the running statistics over the replicas, and digest what must now be equal in all of them.

        A running statistic is a weighted sum of those of the batches. So the mean of the replicas' is what one replica
        would have that had averaged the statistics of all shares in every step.

        Returns:
            `digests`: sha256 of every array of the state and of the optimizer's memory, by name.

        Raises:
            RuntimeError: no training was started in this worker.
        """
        trainer = self._current()
        slots = [slot for slot in trainer.twin.slots(trainer.model) if not slot.entry.trainable]
        if slots:
            arrays = [trainer.twin.read(slot) for slot in slots]
            averaged = self._group.average(np.concatenate([array.reshape(-1) for array in arrays]))
            ends = np.cumsum([array.size for array in arrays])[:-1]
            for slot, array, numbers in zip(slots, arrays, np.split(averaged, ends), strict=True):
                trainer.twin.write(slot, numbers.reshape(array.shape))
        return {"digests": digests(trainer.export() | trainer.export_optimizer())}

    def time_reduction(self, elements: int, times: int) -> dict[str, Any]:
        """Time the mean over the replicas of one float32 tensor.

        Args:
            elements: of the tensor.
            times: how often, after once untimed.

        Returns:
            `seconds` of each.
        """
        reduce = self._group.reduction(elements)
        reduce()
        seconds = []
        for _ in range(times):
            begin = time.perf_counter()
            reduce()
            seconds.append(time.perf_counter() - begin)
        return {"seconds": seconds}

    def share_of_batches(self, arrays: Arrays, begin: int, end: int) -> tuple[dict[str, Any], Arrays]:
        """This replica's share of some batches, as the device makes it.

        Args:
            arrays: the plan of the replica, as in `train_epoch`.
            begin: the first row.
            end: the row after the last one.

        Returns:
            `images` [rows, share, h, w, c] and int32 `labels` [rows, share].

        Raises:
            RuntimeError: no training was started in this worker.
        """
        trainer = self._current()
        plan = trainer.to_device(arrays)
        images, labels = zip(*(trainer.batch_of(plan, index) for index in range(begin, end)), strict=True)
        return {}, {"images": np.stack(images), "labels": np.stack(labels)}


class SharedMasks(Trainer):
    """A trainer whose dropout masks are its share of the whole batch's. To be named before the framework's trainer."""

    group: ReplicaGroup
    augmented: Any  # the framework's method: images and labels of a row of the plan

    @abstractmethod
    def dropout_sizes(self) -> list[int]:
        """Elements of one image's input of every dropout layer, in the order of the forward pass."""

    def to_device(self, plan: Arrays) -> EpochArrays:
        """As the framework's; dropout offsets move by what the shares before this one take of the whole mask.

        A mask is read from the pool with the image as its first axis, so that a share of the images is one piece of it.
        """
        if plan["dropout"].size:
            images = self.group.rank * (self.group.share or self.batch)
            taken = images * np.array(self._sizes_of_masks(), plan["dropout"].dtype)
            plan = plan | {"dropout": plan["dropout"] + taken}
        return super().to_device(plan)  # type: ignore[safe-super]

    def _sizes_of_masks(self) -> list[int]:
        if not hasattr(self, "_sizes"):
            self._sizes = self.dropout_sizes()
        return self._sizes

    @property
    def image(self) -> tuple[int, int, int]:
        """Height, width and channels of the network's images."""
        return networks.network(self.network).image
