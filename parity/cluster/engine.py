"""The engine whose trainings are Ray tasks. Ray places them; a training that lost its node goes on at another one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from parity.cluster.delivery import deliver
from parity.cluster.errors import ClusterError
from parity.cluster.node_tasks import (
    Begun,
    Failure,
    Refusal,
    SavedEpochs,
    Task,
    cross_evaluate_on_node,
    train_on_node,
)
from parity.cluster.nodes import Nodes, node_name, reason
from parity.data.dataset import Dataset
from parity.records.accuracy_records import CrossEvaluation
from parity.records.records import Training
from parity.training.engines import Done, OnMessage, kept
from parity.training.fingerprint import configuration, dataset_digest
from parity.training.jobs import Job
from parity.training.run import Outcome, Progress
from parity.training.store import TrainingStatus
from parity.weights.state import State
from parity.workers.worker import Worker

ATTEMPTS = 3  # of a training without a finished epoch between them, before it is given up

POLL_SECONDS = 0.5  # so that Ctrl-C is not kept waiting

NODE_ID = "ray.io/node-id"  # a label that Ray itself gives each node

SILENT_SECONDS = 30.0  # without a word of any task, before nodes are looked for


@dataclass
class _Submitted:
    """A job whose task was given to Ray."""

    job: Job
    events: Any  # ray.ObjectRefGenerator
    checkpoint: bytes | None
    failures: int = 0  # since the last finished epoch
    machine: Mapping[str, Any] = field(default_factory=dict)  # of the node that trains it


@dataclass
class ClusterEngine:
    """The engine of a Ray cluster, see `parity.training.engines.Engine`.

    The store is written by this process alone: what nodes make comes back to it. A training continues from its last
    checkpoint where its task, its worker or its node died. A node that joins later and computes with other versions is
    left out.

    Attributes:
        ray: connected.
        nodes: of the cluster.
        environment: the environment record, saved with every training.
        on_progress: called with the progress of every training.
        on_message: called with each line for the user.
        on_end: called with each training that runs no more, whatever became of it.
    """

    ray: ModuleType
    nodes: Nodes
    environment: Mapping[str, Any]
    on_progress: Callable[[Progress], None]
    on_message: OnMessage
    on_end: Callable[[Job], None] = lambda job: None
    _sent: dict[str, Any] = field(default_factory=dict)  # references to data sets by the digest of their content
    _fit: set[str] = field(default_factory=set)  # IDs of nodes that have begun a training, those that joined later too
    _unfit: set[str] = field(default_factory=set)  # those of nodes that refused one
    _active: float = field(default_factory=time.monotonic)  # when a task last said something, or was looked for

    @property
    def workers(self) -> Mapping[str, Worker]:
        """As `Engine` says: they answer for those of the nodes."""
        return self.nodes.workers

    def trained(self, jobs: Sequence[tuple[Job, TrainingStatus]]) -> Iterator[Done]:
        """As `Engine` says; in the order in which they end."""
        running: dict[Any, _Submitted] = {}
        for job, status in jobs:
            if line := job.explain(status):
                self.on_message(line)
            if status.finished is not None:
                self.on_end(job)
                yield Done(job, status.finished, "")
                continue
            checkpoint = job.files.checkpoint.read_bytes() if job.files is not None and status.epochs else None
            self._submit(job, checkpoint, running)
        while running:
            ready, _ = self.ray.wait(list(running), num_returns=1, timeout=POLL_SECONDS)
            self._watch(bool(ready))
            for generator in ready:
                submitted = running[generator]
                if (outcome := self._next(submitted, running)) is not None:
                    del running[generator]
                    environment = {**self.environment, **submitted.machine}
                    unsaved = kept(submitted.job, outcome, environment)
                    self.on_end(submitted.job)
                    yield Done(submitted.job, outcome, unsaved)

    def _watch(self, active: bool, only: set[str] | None = None) -> None:
        """Say once that no node is left; trainings wait for one, which Ray may start, or somebody.

        What only certain nodes may do waits for none: ClusterError.
        """
        now = time.monotonic()
        if active or now - self._active < SILENT_SECONDS:
            self._active = now if active else self._active
            return
        self._active = now
        worker = next(iter(self.workers.values()))
        needed = {"CPU": worker.threads, "GPU": int(worker.device == "gpu")}
        alive = [
            node["Resources"]
            for node in self.ray.nodes()
            if node["Alive"] and (node["NodeID"] not in self._unfit if only is None else node["NodeID"] in only)
        ]
        if not any(all(node.get(name, 0) >= count for name, count in needed.items()) for node in alive):
            if only is not None:
                raise ClusterError(
                    "none of the nodes that trained is left, to evaluate in both frameworks what came of it. Start "
                    "nodes again (`ray start --address ADDRESS --num-cpus N`) and give the same command: what is "
                    "trained stays"
                )
            self.on_message(
                "no node is left that could train; waiting for one: `ray start --address ADDRESS --num-cpus N`"
            )

    def cross_evaluations(self, images: Dataset, trained: Sequence[tuple[Training, State]]) -> list[CrossEvaluation]:
        """As `Engine` says, each on a node."""
        first = next(iter(self.workers.values()))
        remote = self.ray.remote(cross_evaluate_on_node).options(
            num_cpus=first.threads,
            num_gpus=int(first.device == "gpu"),
            max_retries=ATTEMPTS,
            label_selector=_nodes_label("in", {*self.nodes.ids, *self._fit}),
        )
        common = tuple(self.workers), first.device, first.threads, self._dataset(images)
        try:
            evaluations = [remote.remote(*common, record, weights) for record, weights in trained]
            waiting = evaluations
            while waiting:
                done, waiting = self.ray.wait(waiting, num_returns=1, timeout=POLL_SECONDS)
                self._watch(bool(done), {*self.nodes.ids, *self._fit})
            evaluated: list[CrossEvaluation] = self.ray.get(evaluations)
        except self.ray.exceptions.RayError as error:
            raise ClusterError(f"an evaluation in both frameworks failed on the cluster: {reason(error)}") from None
        return evaluated

    def _submit(self, job: Job, checkpoint: bytes | None, running: dict[Any, _Submitted], failures: int = 0) -> None:
        worker = job.worker
        configured = configuration(worker, job.network, job.images, job.settings.resolved(job.network))
        task = Task(worker.framework, job.network, job.settings, worker.device, worker.threads, configured)
        # max_retries=0: Ray would begin the training anew, and not from its last checkpoint
        remote = self.ray.remote(train_on_node).options(
            num_cpus=worker.threads,
            num_gpus=int(worker.device == "gpu"),
            num_returns="streaming",
            max_retries=0,
            name=job.title,  # in Ray's dashboard
            label_selector=_nodes_label("!in", self._unfit) if self._unfit else None,
        )
        generator = remote.remote(task, self._dataset(job.images), checkpoint)
        running[generator] = _Submitted(job, generator, checkpoint, failures)

    def _next(self, submitted: _Submitted, running: dict[Any, _Submitted]) -> Outcome | None:
        """Take the next event of a task; the outcome where it was the last one."""
        job = submitted.job
        try:
            event = self.ray.get(next(submitted.events))
        except StopIteration:
            return self._again(submitted, "the task ended without an outcome", running)
        except self.ray.exceptions.RayTaskError as error:
            return self._again(submitted, reason(error), running)
        except self.ray.exceptions.RayError as error:  # the task or its node was killed, an object was lost
            return self._again(submitted, f"the task was lost ({type(error).__name__})", running)
        if isinstance(event, Begun):
            submitted.machine = event.machine
            self._fit.add(event.node)
            job.mark_running(True)
            return None
        if isinstance(event, Progress):
            self.on_progress(event)
            return None
        if isinstance(event, SavedEpochs):
            submitted.checkpoint, submitted.failures = event.content, 0
            self._keep_checkpoint(job, event.content)
            return None
        if isinstance(event, Refusal):
            return self._elsewhere(submitted, event, running)
        if isinstance(event, Failure):
            return self._again(submitted, event.problem, running)
        outcome = job.described(event)
        if outcome.weights is None:  # the framework's worker died or raised
            return self._again(submitted, "; ".join(outcome.record.problems), running, outcome)
        for warning in (*outcome.warnings, *job.other_mode(outcome.record.mode)):
            self.on_message(f"{job.title}: {warning}")
        return outcome

    def _again(
        self, submitted: _Submitted, problem: str, running: dict[Any, _Submitted], outcome: Outcome | None = None
    ) -> Outcome | None:
        """Give the job to Ray again, from its last checkpoint; the outcome where that was tried often enough."""
        job, failures = submitted.job, submitted.failures + 1
        if failures >= ATTEMPTS:
            text = f"given up after {ATTEMPTS} attempts without a finished epoch; the last one: {problem}"
            return outcome or job.given_up(text)
        where = "from its last checkpoint" if submitted.checkpoint is not None else "from its beginning"
        self.on_message(f"{job.title}: {problem.splitlines()[0]}; going on {where}")
        del running[submitted.events]
        job.mark_running(False)
        self._submit(job, submitted.checkpoint, running, failures)
        return None

    def _elsewhere(self, submitted: _Submitted, refusal: Refusal, running: dict[Any, _Submitted]) -> Outcome | None:
        """Give the job to other nodes than the one that refused; the outcome where that was one of those described."""
        job = submitted.job
        name = next((node_name(node) for node in self.ray.nodes() if node["NodeID"] == refusal.node), refusal.node)
        lines = "; ".join(refusal.lines)
        if refusal.node in self.nodes.ids:
            return job.given_up(f"node {name} cannot do this training: {lines}")
        if refusal.node not in self._unfit:
            self._unfit.add(refusal.node)
            self.on_message(
                f"node {name} joined and is left out, because it computes with something else: {lines}. Install the "
                "same there and join it anew (`ray stop`, `ray start`)"
            )
        del running[submitted.events]
        self._submit(job, submitted.checkpoint, running, submitted.failures)
        return None

    def _keep_checkpoint(self, job: Job, content: bytes) -> None:
        if job.files is None:
            return
        try:
            job.files.keep_checkpoint(content)
        except OSError as error:
            self.on_message(f"{job.title}: a checkpoint could not be written: {error}")

    def _dataset(self, images: Dataset) -> Any:
        """A reference to the data set: its content is put into the cluster once, and fetched by each node once."""
        key = dataset_digest(images)
        if key not in self._sent:
            self._sent[key] = deliver(self.ray, self.nodes.names, images)
        return self._sent[key]


def _nodes_label(operator: str, nodes: set[str]) -> dict[str, str]:
    """A label selector of nodes by their IDs; Ray crashes where a space follows a comma."""
    return {NODE_ID: f"{operator}({','.join(sorted(nodes))})"}
