"""The nodes of a cluster: what each computes with, and that all compute with the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from parity.cluster.errors import ClusterError
from parity.cluster.node_tasks import NodeDescription, describe_node
from parity.workers.client.device import WorkerEnvironment
from parity.workers.errors import without_frames
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.worker import Worker

DESCRIPTION_SECONDS = 600.0  # to start both frameworks on every node


class NodeWorker(Worker):
    """A worker as all nodes would have it: it says what it is, and computes nothing here."""

    def __init__(self, framework: str, environment: WorkerEnvironment, variables: dict[str, str]) -> None:
        super().__init__(framework, device=environment.device, threads=environment.threads)
        self._environment_there, self._variables_there = environment, variables

    @property
    def variables(self) -> dict[str, str]:
        """Those of the worker on the nodes."""
        return self._variables_there

    def environment(self) -> WorkerEnvironment:
        """What the worker on the nodes said."""
        return self._environment_there

    def call(self, verb: str, **_: Any) -> Any:
        """Refused: trainings run on the nodes."""
        raise RuntimeError(f"{verb}: this worker stands for those of a cluster's nodes")


@dataclass(frozen=True)
class Nodes:
    """The nodes that can train, which all compute with the same versions.

    Attributes:
        names: of the nodes.
        ids: of the nodes, in Ray.
        processors: of each node, by its name; None where that cannot be found out.
        cpus: CPUs of all of them.
        gpus: GPUs of all of them.
        environment: the environment record of one of them.
        workers: by framework.
    """

    names: tuple[str, ...]
    ids: tuple[str, ...]
    processors: Mapping[str, str | None]
    cpus: int
    gpus: int
    environment: Mapping[str, Any]
    workers: Mapping[str, Worker]


def describe_nodes(
    ray: ModuleType, frameworks: Sequence[str], device: str, threads: int, precision: str = "float32"
) -> Nodes:
    """Ask every node that has enough CPUs and GPUs for a training what it computes with.

    Args:
        ray: connected, see `parity.cluster.connection.connected`.
        frameworks: that are to train.
        device: "cpu" or "gpu"; "auto": the GPU where every node has one.
        threads: CPU threads of a training, which are the CPUs that it is given.
        precision: of the trainings.

    Raises:
        ClusterError: no node is large enough, a framework cannot start on one or lacks the precision, or nodes differ
            in their versions.
    """
    alive = [node for node in ray.nodes() if node["Alive"]]
    if device == "auto":
        with_cpus = [node for node in alive if node["Resources"].get("CPU", 0) >= threads]
        device = "gpu" if with_cpus and all(node["Resources"].get("GPU") for node in with_cpus) else "cpu"
    gpus = int(device == "gpu")
    able = [
        node for node in alive if node["Resources"].get("CPU", 0) >= threads and node["Resources"].get("GPU", 0) >= gpus
    ]
    if not able:
        present = ", ".join(
            f"{node_name(node)} with {_some(own.get('CPU', 0), 'CPU')} and {_some(own.get('GPU', 0), 'GPU')}"
            for node in alive
            for own in (node["Resources"],)
        )
        raise ClusterError(
            f"--cluster: expected a node with {_some(threads, 'CPU')}{' and a GPU' if gpus else ''} for a training, "
            f"found: {present or 'no node'}. Start one with `ray start --address ADDRESS --num-cpus N`, or use fewer "
            "--threads."
        )
    descriptions = _ask(ray, able, tuple(frameworks), device, threads, precision)
    if not descriptions:
        raise ClusterError("--cluster: expected nodes to train on, found that all died. `ray status` shows those left.")
    _require_frameworks(descriptions)
    _require_same(descriptions)
    first = next(iter(descriptions.values()))
    return Nodes(
        names=tuple(descriptions),
        ids=tuple(node["NodeID"] for node in able if node_name(node) in descriptions),
        processors={name: description.environment["cpu"] for name, description in descriptions.items()},
        cpus=int(sum(node["Resources"].get("CPU", 0) for node in able)),
        gpus=int(sum(node["Resources"].get("GPU", 0) for node in able)),
        environment=first.environment,
        workers={name: NodeWorker(name, first.workers[name], first.variables[name]) for name in frameworks},
    )


def _some(count: float, noun: str) -> str:
    return f"{count:g} {noun}{'' if count == 1 else 's'}"


def require_like(nodes: Nodes, environment: Mapping[str, Any]) -> None:
    """Refuse nodes that compute with something else than this machine.

    For a run of which proofs are made here and trainings there, and which has one environment record.

    Args:
        nodes: of the cluster.
        environment: the record of this machine, see `parity.workers.environment.collect`.

    Raises:
        ClusterError: processors, devices, or versions differ; the message lists which.
    """
    lines = [
        f"  processor: {environment['cpu']} here, {processor} on node {name}"
        for name, processor in nodes.processors.items()
        if processor != environment["cpu"]
    ]
    for framework, here in environment["frameworks"].items():
        there = nodes.environment["frameworks"][framework]
        lines += [
            f"  {what} of {FRAMEWORKS[framework].title}: {here.get(what)} here, {there.get(what)} on the cluster"
            for what in ("version", "device", "packages", "variables")
            if here.get(what) != there.get(what)
        ]
    if lines:
        raise ClusterError(
            "--cluster: this run proves here and trains there, and its report describes one machine; expected nodes "
            "like this machine, found:\n" + "\n".join(lines) + "\n"
            "Use `parity train --cluster`, which records the machine of every training, or start pytest on such a node."
        )


def _ask(
    ray: ModuleType,
    nodes: Sequence[Mapping[str, Any]],
    frameworks: tuple[str, ...],
    device: str,
    threads: int,
    precision: str,
) -> dict[str, NodeDescription]:
    """The description of every node that still lives, by its name."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    remote = ray.remote(describe_node)
    asked = {
        node["NodeID"]: remote.options(
            num_cpus=threads,
            num_gpus=int(device == "gpu"),
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False),
        ).remote(frameworks, device, threads, precision)
        for node in nodes
    }
    names = {node["NodeID"]: node_name(node) for node in nodes}
    descriptions = {}
    for number, reference in asked.items():
        name = names[number]
        try:
            descriptions[name] = ray.get(reference, timeout=DESCRIPTION_SECONDS)
        except ray.exceptions.GetTimeoutError:
            raise ClusterError(
                f"node {name}: expected both frameworks to start within {DESCRIPTION_SECONDS:.0f} s, found no answer. "
                "Its CPUs may be taken by other tasks: `ray status` shows them."
            ) from None
        except ray.exceptions.RayError as error:
            if number not in {node["NodeID"] for node in ray.nodes() if node["Alive"]}:
                continue  # it died meanwhile, and the others can train
            raise ClusterError(
                f"node {name}: expected a description of its frameworks, found: {reason(error)}. "
                "Has its Python this suite's requirements? `pip install paddle-tensorflow-parity[cpu,cluster]`"
            ) from None
    return descriptions


def _require_frameworks(descriptions: Mapping[str, NodeDescription]) -> None:
    lines = [
        f"  node {node}: {without_frames(error)}"
        for node, description in descriptions.items()
        for error in description.errors.values()
    ]
    if lines:
        raise ClusterError(
            "--cluster: expected every node to have the frameworks, found:\n" + "\n".join(lines) + "\n"
            "Install them there; an environment variable of the node names another Python: "
            + ", ".join(framework.interpreter_variable for framework in FRAMEWORKS.values())
        )


def _require_same(descriptions: Mapping[str, NodeDescription]) -> None:
    """Refuse versions that differ between nodes, or numpy that is another one here."""
    facts: dict[str, dict[str, list[str]]] = {}  # what -> version -> nodes
    for node, description in descriptions.items():
        for what, version in _versions(description).items():
            facts.setdefault(what, {}).setdefault(version, []).append(node)
    facts["numpy of the suite"].setdefault(np.__version__, []).append("this machine")
    lines = [
        f"  {what}: " + ", ".join(f"{version} on {', '.join(nodes)}" for version, nodes in versions.items())
        for what, versions in facts.items()
        if len(versions) > 1
    ]
    if lines:
        raise ClusterError(
            "--cluster: a matrix mixes no versions, and its nodes have different ones:\n" + "\n".join(lines) + "\n"
            "Install the same everywhere (`pip install -c constraints.txt`), or stop the nodes that differ."
        )


def _versions(description: NodeDescription) -> dict[str, str]:
    versions = {"numpy of the suite": description.numpy}
    for name, environment in description.workers.items():
        title = FRAMEWORKS[name].title
        versions[title] = environment.version
        versions |= {f"{package} beside {title}": version for package, version in environment.packages.items()}
        variables = description.variables[name].items()
        versions[f"variables of {title}'s worker"] = ", ".join(f"{key}={value}" for key, value in variables) or "none"
    return versions


def node_name(node: Mapping[str, Any]) -> str:
    """Host and the beginning of the node's number: several nodes may be on one host.

    Args:
        node: an element of `ray.nodes()`.
    """
    return f"{node['NodeManagerHostname']} ({node['NodeID'][:8]})"


def reason(error: Exception) -> str:
    """What Ray says of an error, in one line.

    Args:
        error: of Ray.

    Returns:
        Its type and the last line of its message, which is the error of a task.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1]}" if lines else type(error).__name__
