"""The start of workers on a device, and what each says of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from parity.workers.client.device import WorkerEnvironment
from parity.workers.errors import WorkerError
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.pool import Workers
from parity.workers.worker import Worker


def ask_environments(workers: Workers) -> tuple[dict[str, WorkerEnvironment], dict[str, WorkerError]]:
    """The environment of each worker by framework; and the errors of those that cannot start.

    Args:
        workers: which are started if they are not.

    Returns:
        Two dictionaries by framework, in one of which each is.
    """
    errors: dict[str, WorkerError] = {}

    def environment(worker: Worker) -> WorkerEnvironment | None:
        try:
            return worker.environment()
        except WorkerError as error:
            errors[worker.framework] = error
            return None

    return {name: answer for name, answer in workers.map(environment).items() if answer is not None}, errors


def start_workers(frameworks: Sequence[str] = tuple(FRAMEWORKS), *, device: str, threads: int | None) -> Workers:
    """Start workers and wait until each has answered once.

    Args:
        frameworks: their names.
        device: see `await_workers`.
        threads: CPU threads of each; None: all cores.

    Returns:
        The workers, which the caller stops. Where "auto" has chosen the GPU, they start again with their next call.

    Raises:
        WorkerError: a worker could not be started; no process is left.

    Example::

        with start_workers(device="auto", threads=None) as workers:
            print(workers["paddle"].environment().version)
    """
    workers = Workers(frameworks, threads=threads)
    try:
        await_workers(workers, device)
    except BaseException:
        workers.stop()
        raise
    return workers


def await_workers(workers: Workers, device: str) -> None:
    """Choose the device of workers that are not yet set up, and wait until each has answered once.

    Args:
        workers: which are started if they are not.
        device: "cpu" or "gpu"; "auto": the GPU where each framework sees one, else the CPU; "paddle-gpu" or
            "tensorflow-gpu": that framework alone on the GPU.

    Raises:
        WorkerError: a worker could not be started.
    """
    for name in workers:
        workers[name].device = "gpu" if device in ("gpu", f"{name}-gpu") else "cpu"
    environments = workers.map(lambda worker: worker.environment())
    if device == "auto":
        prefer_gpu(workers, environments)


def prefer_gpu(workers: Workers, environments: Mapping[str, WorkerEnvironment]) -> None:
    """Restart the workers on the GPU if every framework sees one.

    Args:
        workers: set up on the CPU.
        environments: by framework, of every worker.
    """
    if all(environments[name].gpus for name in workers):
        workers.stop()
        for name in workers:
            workers[name].device = "gpu"  # takes effect at the next call, which starts the worker
