"""Requests to one of the processes that share a training: what `parity.workers.replicated_worker` asks each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from parity.workers.client.requests import Requests

if TYPE_CHECKING:
    import numpy as np

    from parity.numerics.arrays import Arrays


class ReductionRequests(Requests):
    """What is asked of one replica and of all of them together alike."""

    def time_reduction(self, elements: int, times: int) -> list[float]:
        """Time the mean over the replicas of one float32 tensor.

        Args:
            elements: of the tensor.
            times: how often, after once untimed.

        Returns:
            Seconds of each.
        """
        seconds: list[float] = self.call("time_reduction", elements=elements, times=times).result["seconds"]
        return seconds


class ReplicaRequests(ReductionRequests):
    """Requests that all replicas of a training have to be sent at the same time: each waits for the others."""

    def join_replicas(self, rank: int, endpoints: Sequence[str], synchronised: bool) -> int:
        """Start the framework's engine for the replicas, before anything is computed.

        Args:
            rank: of this replica, from 0.
            endpoints: host:port of every replica, by rank.
            synchronised: whether batch norm computes its statistics over all replicas' shares, or over its own.

        Returns:
            The number of replicas.
        """
        replicas: int = self.call(
            "join_replicas", rank=rank, endpoints=list(endpoints), synchronised=synchronised
        ).result["replicas"]
        return replicas

    def stand_for(self, rank: int, count: int, share: int) -> None:
        """Take the dropout masks of one of several replicas, though this one was joined as the only one.

        Args:
            rank: of the replica that it stands for.
            count: of the replicas.
            share: images of a replica's whole share.
        """
        self.call("stand_for", rank=rank, count=count, share=share)

    def settle_replicas(self, network: str) -> dict[str, str]:
        """Average the running statistics over the replicas.

        Args:
            network: its name.

        Returns:
            sha256 (hex) of every array of the state and of the optimizer's memory, by name: equal in all replicas.
        """
        digests: dict[str, str] = self.call("settle_replicas", network=network).result["digests"]
        return digests

    def share_of_batches(self, network: str, arrays: Arrays, begin: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        """The replica's share of some batches, as its device makes it; the others need not be asked.

        Args:
            network: its name.
            arrays: the replica's plan.
            begin: the first row, from 0.
            end: the row after the last one.

        Returns:
            Images [rows, share, h, w, c] and int32 labels [rows, share].
        """
        reply = self.call("share_of_batches", network=network, arrays=arrays, begin=begin, end=end)
        return reply.arrays["images"], reply.arrays["labels"]
