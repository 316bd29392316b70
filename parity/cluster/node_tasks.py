"""What runs on a node: its description, one training, one evaluation in both frameworks. Ray calls these functions."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.data.dataset import Dataset
from parity.records.accuracy_records import CrossEvaluation
from parity.records.records import Training
from parity.system import ROOT, file_version
from parity.training.checkpoint import CheckpointError
from parity.training.cross_evaluation import cross_evaluate
from parity.training.fingerprint import configuration, differences
from parity.training.run import Outcome, Progress, Settings, train
from parity.weights.state import State
from parity.workers.client.device import WorkerEnvironment
from parity.workers.environment import collect, of_machine
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.pool import Workers
from parity.workers.scratch import Scratch
from parity.workers.start import ask_environments

TF32 = "tf32"


@dataclass(frozen=True)
class NodeDescription:
    """What a node computes with.

    Attributes:
        environment: the record of `parity.workers.environment.collect`.
        workers: by framework, what its worker says of itself; only of those that could start.
        variables: by framework, the environment variables of its worker.
        errors: by framework, why its worker could not start, or lacks the precision.
        numpy: the version of the suite's own.
    """

    environment: Mapping[str, Any]
    workers: Mapping[str, WorkerEnvironment]
    variables: Mapping[str, dict[str, str]]
    errors: Mapping[str, str]
    numpy: str


def describe_node(frameworks: tuple[str, ...], device: str, threads: int, precision: str) -> NodeDescription:
    """Start both workers on this node and ask them what they are.

    Args:
        frameworks: their names.
        device: "cpu" or "gpu".
        threads: CPU threads of each.
        precision: that they must be able to train in.
    """
    _stand_on_the_code()
    with Workers(frameworks, device=device, threads=threads, tf32=precision == TF32) as workers:
        environments, failed = ask_environments(workers)
        errors = {name: str(error) for name, error in failed.items()}
        for name in environments:
            if problem := workers[name].supports(precision):
                errors[name] = f"--precision {precision}: {FRAMEWORKS[name].title} has {problem}"
        return NodeDescription(
            environment=collect(workers, dataset=None, profile="train", seed=0, command=""),
            workers=environments,
            variables={name: workers[name].variables for name in workers},
            errors=errors,
            numpy=np.__version__,
        )


@dataclass(frozen=True)
class Task:
    """One training, as it is sent to a node.

    Attributes:
        framework: its name.
        network: its name.
        settings: of the training, the seed among them.
        device: "cpu" or "gpu".
        threads: CPU threads.
        configuration: that the training must have; a node on which it is another one refuses.
    """

    framework: str
    network: str
    settings: Settings
    device: str
    threads: int
    configuration: Mapping[str, Any]


@dataclass(frozen=True)
class SavedEpochs:
    """The content of the checkpoint file after another epoch."""

    content: bytes


@dataclass(frozen=True)
class Begun:
    """A node has taken the task.

    Attributes:
        node: its ID in Ray.
        machine: what of an environment record is the node's own, see `parity.workers.environment.of_machine`.
    """

    node: str
    machine: Mapping[str, Any]


@dataclass(frozen=True)
class Refusal:
    """Why a node cannot do a task that another node could: each line is one difference."""

    node: str  # its ID in Ray
    lines: list[str]


@dataclass(frozen=True)
class Failure:
    """A training that ended by an error, as no training should."""

    problem: str


Event = Begun | Progress | SavedEpochs | Refusal | Failure | Outcome


def train_on_node(task: Task, dataset: Dataset, checkpoint: bytes | None) -> Iterator[Event]:
    """Train on this node.

    Args:
        task: what.
        dataset: its images; one copy a node, whatever runs there.
        checkpoint: from which the training continues; None: it begins.

    Yields:
        That it has begun; the progress, and after each epoch the checkpoint; last the outcome, or the failure. From a
        node that cannot do it the refusal alone.
    """
    import ray

    _stand_on_the_code()
    node = ray.get_runtime_context().get_node_id()
    tf32 = task.settings.precision == TF32
    workers = Workers([task.framework], device=task.device, threads=task.threads, tf32=tf32)
    with Scratch() as folder, workers:
        path = folder / "training.checkpoint.safetensors"
        if checkpoint is not None:
            path.write_bytes(checkpoint)
        worker = workers[task.framework]
        settings = task.settings.resolved(task.network)
        if lines := differences(configuration(worker, task.network, dataset, settings), task.configuration):
            yield Refusal(node, lines)
            return
        yield Begun(node, of_machine())
        events: queue.SimpleQueue[Event] = queue.SimpleQueue()

        def run() -> None:
            try:
                outcome = train(worker, task.network, dataset, task.settings, checkpoint=path, on_progress=events.put)
            except CheckpointError as error:
                events.put(Failure(str(error)))
            except BaseException as error:  # raised here it would be lost with the thread
                events.put(Failure(f"{type(error).__name__}: {error}"))
            else:
                events.put(outcome)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        sent = file_version(path)
        while True:
            event = events.get()
            if (version := file_version(path)) != sent:
                sent = version
                yield SavedEpochs(path.read_bytes())
            yield event
            if isinstance(event, Outcome | Failure):
                thread.join()
                return


def cross_evaluate_on_node(
    frameworks: tuple[str, ...], device: str, threads: int, dataset: Dataset, record: Training, weights: State
) -> CrossEvaluation:
    """As `parity.training.cross_evaluation.cross_evaluate`, in workers of this node.

    Args:
        frameworks: both.
        device: "cpu" or "gpu".
        threads: CPU threads of each.
        dataset: whose test images are predicted.
        record: of the training.
        weights: that it ended with.
    """
    _stand_on_the_code()
    with Workers(frameworks, device=device, threads=threads) as workers:
        return cross_evaluate(workers, dataset, record, weights)


def _stand_on_the_code() -> None:
    """Enter the folder of the code anew: Ray may have removed and made it again since it started this process there.

    The frameworks cannot be imported by a process whose working directory is gone.
    """
    os.chdir(ROOT)
