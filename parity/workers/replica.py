"""One of the processes that share a training: asked by `parity.workers.replicated_worker`, or alone by a proof."""

from __future__ import annotations

import contextlib
import socket

from parity.workers.client.replicas import ReplicaRequests
from parity.workers.worker import Worker


class Replica(ReplicaRequests, Worker):
    """The process of one replica."""

    verbs_module = "replica_verbs"


class LoneReplica(Replica):
    """A process that computes what one of several replicas computes of its share alone, before any reduction.

    A plain worker would draw other dropout masks for the share: the masks of a share are a part of the whole batch's.

    Example::

        with contextlib.closing(LoneReplica("paddle")) as lone:
            lone.take_part(1, 2, 50)
            lone.start_training("mini_inception", 0, arrays, settings)
    """

    def take_part(self, rank: int, count: int, share: int) -> None:
        """Stand for a replica in all that follows.

        Args:
            rank: of that replica.
            count: of the replicas.
            share: images of a replica's whole share; what is then trained may take fewer.
        """
        if self.pid is None:
            self.join_replicas(0, free_endpoints(1), synchronised=False)
        self.stand_for(rank, count, share)

    def close(self) -> None:
        """End the process."""
        self.stop()


def free_endpoints(count: int) -> list[str]:
    """Ports of this machine that nobody listens on, as host:port.

    Args:
        count: how many.
    """
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
