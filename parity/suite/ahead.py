"""Jobs of workers, begun before their results are asked for: while one pair waits for a framework, another works."""

from __future__ import annotations

import queue
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Generic, Self, TypeVar

from parity.workers.pool import Workers

POLLED = 0.1  # seconds

Key = TypeVar("Key", bound=Hashable)

Result = TypeVar("Result")


class Ahead(Generic[Key, Result]):
    """The results of jobs by their keys, as a context manager that ends what is still at work.

    A group's jobs run one after the other in the same workers, groups in their order, as many at once as there are
    `pairs`. `start` makes the workers of one pair.

    Example::

        groups = [{("lenet5", level): partial(prove, "lenet5", level) for level in LEVELS}]
        with Ahead(groups, Workers, pairs=2) as proofs:
            print(proofs["lenet5", 1])
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
        while wait(self._loops, timeout=POLLED).not_done:  # a job that is between two calls starts a worker anew
            for workers in self._workers:
                workers.stop()  # which ends the call that a job waits for, and the job with it
        self._pool.shutdown()

    def __getitem__(self, key: Key) -> Result:
        """The result, waited for. Raises KeyError for a job that is not known, and what the job raised."""
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
                    except BaseException as error:  # it is the asker's, whatever it is
                        self._futures[key].set_exception(error)
