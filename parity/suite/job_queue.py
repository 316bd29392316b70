"""Run jobs in several pairs of workers before their results are needed: while one pair waits, another computes."""

from __future__ import annotations

import queue
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Generic, Self, TypeVar

from parity.workers.pool import Workers

POLL_SECONDS = 0.1

Key = TypeVar("Key", bound=Hashable)

Result = TypeVar("Result")


class JobQueue(Generic[Key, Result]):
    """The results of jobs by their keys, as a context manager that stops the jobs that still run.

    The jobs of a group run one after the other in the same workers. Groups start in their order.

    Args:
        groups: jobs by key; a job is called with its pair of workers.
        start: makes the workers of one pair.
        pairs: how many groups run at the same time.

    Example::

        groups = [{("lenet5", level): partial(prove, "lenet5", level) for level in LEVELS}]
        with JobQueue(groups, Workers, pairs=2) as results:
            print(results["lenet5", 1])
    """

    def __init__(
        self, groups: Sequence[Mapping[Key, Callable[[Workers], Result]]], start: Callable[[], Workers], pairs: int
    ) -> None:
        self._futures: dict[Key, Future[Result]] = {key: Future() for group in groups for key in group}
        self._waiting: queue.SimpleQueue[Mapping[Key, Callable[[Workers], Result]]] = queue.SimpleQueue()
        for group in groups:
            self._waiting.put(group)
        self._workers = [start() for _ in range(min(pairs, len(groups)))]
        self._ended = False
        self._pool = ThreadPoolExecutor(max(1, len(self._workers)))
        self._loops = [self._pool.submit(self._work, workers) for workers in self._workers]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self._ended = True
        while wait(
            self._loops, timeout=POLL_SECONDS
        ).not_done:  # a job that is between two calls starts its worker again
            for workers in self._workers:
                workers.stop()  # this ends the call that a job waits for, and so the job
        self._pool.shutdown()

    def __getitem__(self, key: Key) -> Result:
        """Wait for a result.

        Raises:
            KeyError: there is no job of that key.
            Exception: what the job raised.
        """
        return self._futures[key].result()

    def _work(self, workers: Workers) -> None:
        with workers:
            while not self._ended:
                try:
                    group = self._waiting.get_nowait()
                except queue.Empty:
                    return
                for key, job in group.items():
                    if self._ended:
                        return
                    try:
                        self._futures[key].set_result(job(workers))
                    except BaseException as error:  # raised where the result is read
                        self._futures[key].set_exception(error)
