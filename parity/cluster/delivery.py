"""The data set's way to the nodes: put into the cluster once, and fetched by each node once, before any training."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from parity.cluster.errors import ClusterError
from parity.cluster.nodes import node_name, reason
from parity.data.dataset import Dataset

FETCH_SECONDS = 600.0  # for a node to fetch the data set: 0.3 MiB/s for CIFAR-10

ANSWER_SECONDS = 60.0  # beyond these, for a node to say so


def deliver(ray: ModuleType, names: Sequence[str], images: Dataset) -> Any:
    """Put a data set into the cluster, and have every node fetch it.

    Without this, a training on a node that cannot reach the one that has the images would wait for ever, silently.

    Args:
        ray: connected.
        names: of the nodes that are to train; of those that have died meanwhile nothing is asked.
        images: the data set.

    Returns:
        The reference to it, for tasks. A node that joins later fetches it with its first training.

    Raises:
        ClusterError: there is no room for it, or a node cannot fetch it.
    """
    try:
        reference = ray.put(images)
    except (ray.exceptions.RayError, OSError) as error:
        raise ClusterError(
            f"{images.title}: expected {_mebibytes(images)} of room in Ray's object store, found: "
            f"{reason(error).rstrip('.')}. Start Ray with a larger one (`ray start --object-store-memory BYTES`), free "
            "disk space for what it spills, or use a smaller --limit."
        ) from None
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    remote = ray.remote(fetch_on_node)
    asked = {}
    for node in ray.nodes():
        if node["Alive"] and node_name(node) in names:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            options = {"num_cpus": 0, "max_retries": 0, "scheduling_strategy": there}
            # in a list, so that the task itself waits for it, and no longer than it is told to
            asked[node["NodeID"], node_name(node)] = remote.options(**options).remote([reference], FETCH_SECONDS)
    for (number, name), answer in asked.items():
        try:
            problem = ray.get(answer, timeout=FETCH_SECONDS + ANSWER_SECONDS)
        except ray.exceptions.RayError as error:
            if number not in {node["NodeID"] for node in ray.nodes() if node["Alive"]}:
                continue  # it died meanwhile, and the others can train
            problem = reason(error)
        if problem:
            raise ClusterError(
                f"node {name}: expected to fetch {images.title} ({_mebibytes(images)}) within {FETCH_SECONDS:.0f} s, "
                f"found: {problem.rstrip('.')}. Nodes send objects to each other directly: open the port of `ray start "
                "--object-manager-port PORT` between all of them, or stop this node."
            )
    return reference


def fetch_on_node(references: Sequence[Any], seconds: float) -> str:
    """Fetch an object into this node's object store.

    Args:
        references: one.
        seconds: after which this is given up.

    Returns:
        Why it could not be fetched; empty where it could.
    """
    import ray

    try:
        ray.get(references[0], timeout=seconds)
    except ray.exceptions.RayError as error:
        return reason(error)
    return ""


def _mebibytes(images: Dataset) -> str:
    size = sum(array.nbytes for array in vars(images).values() if hasattr(array, "nbytes"))
    return f"{size / 2**20:.0f} MiB"
