"""The workers of both frameworks, begun, asked and stopped together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

from parity.workers.errors import WorkerError, WorkersError
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.worker import Worker

Result = TypeVar("Result")


class Workers:
    """The workers of both frameworks, by name, as a context manager that stops them.

    Args:
        frameworks: names, of `parity.workers.frameworks.FRAMEWORKS`.
        device: "cpu" or "gpu".
        threads: CPU threads of each; None: all cores.
        tf32: whether a worker may compute float32 products in TF32 when it is asked to.

    Example::

        with Workers(threads=1) as workers:
            logits = workers.map(lambda worker: worker.predict("lenet5", "float32", arrays))
    """

    def __init__(
        self,
        frameworks: Sequence[str] = tuple(FRAMEWORKS),
        *,
        device: str = "cpu",
        threads: int | None = None,
        tf32: bool = False,
    ) -> None:
        self._workers: Mapping[str, Worker] = {
            name: Worker(name, device=device, threads=threads, tf32=tf32) for name in frameworks
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __getitem__(self, framework: str) -> Worker:
        return self._workers[framework]

    def __iter__(self) -> Iterator[str]:
        return iter(self._workers)

    def begin(self) -> None:
        """Start every process without waiting, see `Worker.begin`.

        Raises:
            KeyboardInterrupt: Ctrl-C; no process is left then. A worker that cannot start raises with its next call.
        """
        try:
            for worker in self._workers.values():
                worker.begin()
        except BaseException:  # Ctrl-C
            self.stop()
            raise

    def stop(self) -> None:
        """End all processes at the same time, because the system needs a while to free the memory of a framework."""
        for worker in self._workers.values():
            worker.kill()
        for worker in self._workers.values():
            worker.stop()

    def map(self, job: Callable[[Worker], Result]) -> dict[str, Result]:
        """Run one job with every framework's worker at the same time, and wait for all before an error is raised.

        Args:
            job: called once with each worker, in threads.

        Returns:
            The results by framework.

        Raises:
            WorkerError: of one worker, or WorkersError of several.
            Exception: what else a job raises.

        Example::

            stages = workers.map(lambda worker: worker.stages("lenet5", "float64", arrays))
        """
        with ThreadPoolExecutor(len(self._workers)) as pool:
            futures = {name: pool.submit(job, worker) for name, worker in self._workers.items()}
            try:
                errors = [error for future in futures.values() if (error := future.exception()) is not None]
            except BaseException:  # Ctrl-C: end the workers, which ends the threads that wait for them
                self.stop()
                raise
        if len(errors) > 1 and all(isinstance(error, WorkerError) for error in errors):
            raise WorkersError([error for error in errors if isinstance(error, WorkerError)])
        if errors:
            raise errors[0]
        return {name: future.result() for name, future in futures.items()}
