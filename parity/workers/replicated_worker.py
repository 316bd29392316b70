"""Several processes of one framework that train one network together, behind the methods of a single worker.

Each replica takes its share of every batch: of N replicas, replica r the images from r/N to (r + 1)/N of the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any, TypeVar

import numpy as np

from parity.numerics.arrays import Arrays, batch_digest, pack, unpack
from parity.weights.state import same_bits
from parity.workers.client.replicas import ReductionRequests
from parity.workers.errors import WorkerError
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.interpreter import default_threads, require_cores
from parity.workers.pool import Workers
from parity.workers.replica import Replica, free_endpoints
from parity.workers.reply import Reply
from parity.workers.worker import Worker

Result = TypeVar("Result")

SHARED = ("order", "dy", "dx", "flip")  # arrays of a plan with a column for each image of the batch

GRACE = 2.0  # seconds in which a replica's death is noticed that another's error comes from

ROWS = 16  # of a plan, whose batches are fetched at once


class ReplicasDifferError(WorkerError):
    """Replicas that must hold the same numbers and do not.

    Attributes:
        arrays: the names of those that differ, in the order of the state.
    """

    def __init__(self, framework: str, network: str | None, step: str, arrays: Sequence[str]) -> None:
        others = f" and {len(arrays) - 1} other arrays" if len(arrays) > 1 else ""
        detail = f"expected the same numbers in all replicas, found others in {arrays[0]!r}{others}"
        super().__init__(framework, network, step, "raised", detail)
        self.arrays = tuple(arrays)


class ReplicatedWorker(ReductionRequests, Worker):
    """The replicas of one framework as one worker; they are started by the first call.

    What trains is asked of all replicas at once, and their answers are made one: the mean of losses and accuracies, the
    sum of images, the slowest one's seconds; the state is replica 0's, once all have been found to hold the same. What
    does not train is asked of replica 0. A replica that fails ends all of them with one error, because the others would
    wait for it; the next call starts new ones.

    Args:
        framework: of `parity.workers.frameworks.FRAMEWORKS`.
        replicas: 1 or more; 1: a process that the engine gives no other.
        synchronised: whether batch norm computes its statistics over all replicas' shares, or over each one's own.
        threads: CPU threads of each replica; None: its part of the cores.

    Raises:
        ValueError: no replica, or more than there are cores.

    Example::

        worker = ReplicatedWorker("paddle", 2)
        outcome = train(worker, "lenet5", load("generated"), Settings(epochs=2))
        worker.stop()
    """

    def __init__(
        self, framework: str, replicas: int, *, synchronised: bool = False, threads: int | None = None
    ) -> None:
        require_cores(replicas)
        super().__init__(framework, threads=threads or default_threads() // replicas)
        self.replicas, self.synchronised = replicas, synchronised
        self._group = [Replica(framework, threads=self.threads) for _ in range(replicas)]
        self._joined = False
        self._combined: dict[str, Callable[..., Reply]] = {
            "start_training": self._start_training,
            "warm_up": self._warm_up,
            "train_epoch": self._train_epoch,
            "training_stages": self._training_stages,
            "gradients": self._gradients,
            "evaluate": self._evaluate,
            "digest_batches": self._digest_batches,
            "export_training": self._export_training,
            "digest_training": self._digest_training,
            "load_training": self._load_training,
            "forget_training": self._same_for_all,
            "time_reduction": self._time_reduction,
            "inject": self._same_for_all,
            "restore": self._same_for_all,
        }

    @property
    def pid(self) -> int | None:
        """The process id of replica 0 while it lives."""
        return self._group[0].pid

    @property
    def pids(self) -> list[int | None]:
        """The process ids of the replicas, by rank."""
        return [replica.pid for replica in self._group]

    def call(
        self,
        verb: str,
        *,
        network: str | None = None,
        arrays: Mapping[str, np.ndarray] | None = None,
        on_progress: Callable[[dict[str, Any]], None] | None = None,
        **arguments: Any,
    ) -> Reply:
        """As the base class says, of one replica or of all."""
        with self._call_lock:
            try:
                if not self._joined:
                    self._join()
                if (combined := self._combined.get(verb)) is not None:
                    return combined(verb, network, dict(arrays or {}), on_progress, arguments)
                return self._group[0].call(verb, network=network, arrays=arrays, on_progress=on_progress, **arguments)
            except BaseException:
                if None in self.pids:  # the others would wait for it
                    self.stop()
                raise

    def begin(self) -> None:
        """Start the processes without waiting: they import their framework while the caller does something else."""
        for replica in self._group:
            replica.begin()

    def kill(self) -> None:
        """Kill the processes without waiting for their end; `stop` waits."""
        for replica in self._group:
            replica.kill()

    def stop(self) -> None:
        """End the processes; a later call starts new ones."""
        self._joined = False
        self.kill()
        for replica in self._group:
            replica.stop()

    def _join(self) -> None:
        endpoints = free_endpoints(self.replicas)
        self._ask(
            "join_replicas", None, lambda rank, replica: replica.join_replicas(rank, endpoints, self.synchronised)
        )
        self._joined = True

    def _ask(self, verb: str, network: str | None, job: Callable[[int, Replica], Result]) -> list[Result]:
        """Do a job with every replica at the same time; the first one's error ends the others.

        Raises:
            WorkerError: of the replica that caused it: one that died, before those that complain of it.
        """
        with ThreadPoolExecutor(self.replicas) as pool:
            futures = [pool.submit(job, rank, replica) for rank, replica in enumerate(self._group)]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
                if all(_complains(error) for error in _errors(futures).values()):
                    wait(futures, timeout=GRACE)  # of one that died, perhaps, which is noticed a moment later
                failed = _errors(futures)
            except BaseException:  # Ctrl-C
                self.kill()  # which ends the threads, because they wait for the replicas
                raise
            if failed:
                self.kill()
        if not failed:
            return [future.result() for future in futures]
        self.stop()
        rank = min(failed, key=lambda rank: _complains(failed[rank]))
        error = failed[rank]
        if not isinstance(error, WorkerError):
            raise error
        detail = f"replica {rank} of {self.replicas}: {error.detail}; all replicas were stopped"
        raise WorkerError(self.framework, network, verb, error.cause, detail) from None

    def _same_for_all(self, verb: str, network: str | None, arrays: Arrays, _: Any, arguments: dict[str, Any]) -> Reply:
        """The same request to all, and replica 0's reply."""
        return self._shares(verb, network, [arrays or None] * self.replicas, arguments)[0]

    def _shares(
        self,
        verb: str,
        network: str | None,
        shares: Sequence[Arrays | None],
        arguments: dict[str, Any],
        on_progress: Callable[[dict[str, Any]], None] | None = None,
    ) -> list[Reply]:
        """A request to each replica with its own arrays, and the replies; progress is that of replica 0."""

        def request(rank: int, replica: Replica) -> Reply:
            listener = on_progress if rank == 0 or on_progress is None else lambda message: None
            return replica.call(verb, network=network, arrays=shares[rank], on_progress=listener, **arguments)

        return self._ask(verb, network, request)

    def _start_training(
        self, verb: str, network: str | None, arrays: Arrays, _: Any, arguments: dict[str, Any]
    ) -> Reply:
        """Test images are shared out, too; training images are not: a share of a batch may hold any of them."""
        batch = arguments["batch"]
        if batch < self.replicas:
            raise ValueError(f"batch: expected an image for each of the {self.replicas} replicas, found {batch}")
        if batch % self.replicas:
            raise ValueError(f"batch: expected a multiple of {self.replicas}, the number of replicas, found {batch}")
        data = unpack(arrays, "data")
        tested = ("test_images", "test_labels")
        parts = {name: np.array_split(data[name], self.replicas) for name in tested}
        shares = [arrays | pack(data={name: parts[name][rank] for name in tested}) for rank in range(self.replicas)]
        return self._shares(verb, network, shares, arguments | {"batch": batch // self.replicas})[0]

    def _time_reduction(self, verb: str, network: str | None, _: Arrays, __: Any, arguments: dict[str, Any]) -> Reply:
        replies = self._shares(verb, network, [None] * self.replicas, arguments)
        return Reply({"seconds": np.max([reply.result["seconds"] for reply in replies], axis=0).tolist()})

    def _plans(self, plan: Arrays) -> list[Arrays]:
        """The plan of each replica: its columns of the whole one."""
        parts = {name: np.split(plan[name], self.replicas, axis=1) for name in SHARED}
        return [plan | {name: parts[name][rank] for name in SHARED} for rank in range(self.replicas)]

    def _warm_up(self, verb: str, network: str | None, plan: Arrays, _: Any, arguments: dict[str, Any]) -> Reply:
        replies = self._shares(verb, network, self._plans(plan), arguments)
        return Reply({"seconds": max(reply.result["seconds"] for reply in replies)})

    def _train_epoch(
        self,
        verb: str,
        network: str | None,
        plan: Arrays,
        on_progress: Callable[[dict[str, Any]], None] | None,
        arguments: dict[str, Any],
    ) -> Reply:
        replies = self._shares(verb, network, self._plans(plan), arguments, on_progress)
        results = [reply.result for reply in replies]
        result = {
            "loss": float(np.mean([result["loss"] for result in results])),
            "accuracy": float(np.mean([result["accuracy"] for result in results])),
            "seconds": max(result["seconds"] for result in results),
            "images": sum(result["images"] for result in results),
        }
        names = replies[0].arrays
        return Reply(result, {name: np.mean([reply.arrays[name] for reply in replies], axis=0) for name in names})

    def _training_stages(
        self, verb: str, network: str | None, plan: Arrays, _: Any, arguments: dict[str, Any]
    ) -> Reply:
        replies = self._shares(verb, network, self._plans(plan), arguments)
        parts = [unpack(reply.arrays, "stages") for reply in replies]
        stages = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        self._settle(network)
        state = self._group[0].export_training(network or "").state
        return Reply({}, pack(stages=stages, state=state))

    def _gradients(self, verb: str, network: str | None, plan: Arrays, _: Any, arguments: dict[str, Any]) -> Reply:
        replies = self._shares(verb, network, self._plans(plan), arguments)
        first = replies[0].arrays
        differing = [
            name
            for name, array in first.items()
            if not all(name in reply.arrays and same_bits(array, reply.arrays[name]) for reply in replies)
        ]
        if differing:
            raise ReplicasDifferError(self.framework, network, verb, differing)
        return Reply({"loss": float(np.mean([reply.result["loss"] for reply in replies]))}, first)

    def _evaluate(
        self,
        verb: str,
        network: str | None,
        _: Arrays,
        on_progress: Callable[[dict[str, Any]], None] | None,
        arguments: dict[str, Any],
    ) -> Reply:
        """Each replica evaluates its share of the test images."""
        self._settle(network)
        replies = self._shares(verb, network, [None] * self.replicas, arguments, on_progress)
        counts = [reply.result["images"] for reply in replies]
        means = {
            name: float(np.average([reply.result[name] for reply in replies], weights=counts))
            for name in ("loss", "accuracy")
        }
        logits = np.concatenate([reply.arrays["logits"] for reply in replies])
        return Reply(means | {"images": sum(counts)}, {"logits": logits})

    def _digest_batches(self, verb: str, network: str | None, plan: Arrays, _: Any, arguments: dict[str, Any]) -> Reply:
        """Of the whole batches, which the replicas' shares are put together to."""
        plans = self._plans(plan)

        def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
            for begin in range(0, len(plan["order"]), ROWS):
                end = min(begin + ROWS, len(plan["order"]))
                shares = self._ask(verb, network, partial(_share, network or "", plans, begin, end))
                yield from zip(*(np.concatenate(parts, axis=1) for parts in zip(*shares, strict=True)), strict=True)

        return Reply({"digest": batch_digest(batches())})

    def _settle(self, network: str | None) -> dict[str, str]:
        """Make the running statistics of all replicas one; see `ReplicaRequests.settle_replicas`.

        Raises:
            ReplicasDifferError: the replicas hold other weights, or the optimizer remembers something else.
        """
        step = "settle_replicas"
        first, *others = self._ask(step, network, lambda rank, replica: replica.settle_replicas(network or ""))
        if differing := [name for name in first if any(other.get(name) != first[name] for other in others)]:
            raise ReplicasDifferError(self.framework, network, step, differing)
        return first

    def _export_training(self, verb: str, network: str | None, _: Arrays, __: Any, arguments: dict[str, Any]) -> Reply:
        self._settle(network)
        return self._group[0].call(verb, network=network, **arguments)

    def _digest_training(self, verb: str, network: str | None, _: Arrays, __: Any, arguments: dict[str, Any]) -> Reply:
        return Reply({"digests": self._settle(network)})

    def _load_training(
        self, verb: str, network: str | None, arrays: Arrays, _: Any, arguments: dict[str, Any]
    ) -> Reply:
        return self._shares(verb, network, [arrays] * self.replicas, arguments)[0]


class ReplicatedWorkers(Workers):
    """The replicas of both frameworks, each framework's as one worker; a context manager that stops them.

    Args:
        replicas, synchronised, threads: see `ReplicatedWorker`.
        frameworks: names, of `parity.workers.frameworks.FRAMEWORKS`.

    Raises:
        ValueError: no replica, or more than there are cores.
    """

    def __init__(
        self,
        replicas: int,
        *,
        synchronised: bool = False,
        frameworks: Sequence[str] = tuple(FRAMEWORKS),
        threads: int | None = None,
    ) -> None:
        self.replicas, self.synchronised = replicas, synchronised
        self._workers = {
            name: ReplicatedWorker(name, replicas, synchronised=synchronised, threads=threads) for name in frameworks
        }


def _share(
    network: str, plans: Sequence[Arrays], begin: int, end: int, rank: int, replica: Replica
) -> tuple[np.ndarray, np.ndarray]:
    return replica.share_of_batches(network, plans[rank], begin, end)


def _errors(futures: Sequence[Future[Any]]) -> dict[int, BaseException]:
    """The errors of those that are done, by rank."""
    done = {rank: future.exception() for rank, future in enumerate(futures) if future.done()}
    return {rank: error for rank, error in done.items() if error is not None}


def _complains(error: BaseException) -> bool:
    """Whether a replica raised, perhaps because another one left it waiting."""
    return isinstance(error, WorkerError) and error.cause == "raised"
