"""A data set that does not get to the nodes: no room for it, or lost on the way."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.cluster import delivery
from parity.cluster.connection import connected
from parity.cluster.errors import ClusterError
from parity.cluster.nodes import node_name
from parity.data.cifar import CIFAR10
from parity.data.dataset import Dataset
from tests.command_line import parity

MIB = 1 << 20


@pytest.fixture
def without_room() -> Iterator[Any]:
    """A cluster whose object store is smaller than the data set, on a machine whose disk counts as full."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    system = {"local_fs_capacity_threshold": 1e-6, "local_fs_monitor_interval_ms": 100}
    cluster = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 1,
            "include_dashboard": False,
            "object_store_memory": 80 * MIB,
            "_system_config": system,
        },
    )
    yield cluster
    cluster.shutdown()


@pytest.fixture
def cifar10(tmp_path: Path) -> Path:
    """Files of CIFAR-10's official layout and size, of random images: 176 MiB, more than the object store has."""
    folder = tmp_path / CIFAR10.directory
    folder.mkdir()
    draw = np.random.default_rng(0)
    for file in CIFAR10.files:
        records = draw.integers(0, 256, (file.records, CIFAR10.record_bytes), np.uint8)
        records[:, 0] = np.arange(file.records) % 10
        records.tofile(folder / file.name)
    (folder / CIFAR10.class_file).write_text("\n".join("abcdefghij"))
    return folder


def test_a_full_object_store_is_one_message(without_room: Any, cifar10: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    done = parity(
        "train", "lenet5", "--dataset", cifar10, "--epochs", "1", "--framework", "paddle", "--out", out,
        "--cluster", without_room.address, code=2,
    )  # fmt: skip
    said = " ".join(done.stderr.split())
    assert "MiB of room in Ray's object store, found:" in said
    assert "use a smaller --limit" in said
    assert not list(out.glob("*.json"))


@pytest.fixture
def without_transfers() -> Iterator[Any]:
    """A head without CPUs, and a node to which it cannot send objects: Ray drops every message that would."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    lost = {"num_failures": -1, "req_failure_prob": 100, "resp_failure_prob": 0}
    system = {"testing_rpc_failure": json.dumps({"ObjectManagerService.grpc_client.Push": lost})}
    head = {"num_cpus": 0, "include_dashboard": False, "_system_config": system}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    cluster.add_node(num_cpus=1)
    yield cluster
    cluster.shutdown()


def test_a_node_that_cannot_fetch_the_data_set_is_named(
    without_transfers: Any, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "FETCH_SECONDS", 5.0)
    with connected(without_transfers.address) as ray:
        (node,) = (node_name(node) for node in ray.nodes() if node["Resources"].get("CPU"))
        with pytest.raises(ClusterError) as caught:
            delivery.deliver(ray, [node], dataset)
    said = str(caught.value)
    assert said.startswith(f"node {node}: expected to fetch {dataset.title} (")
    assert "within 5 s, found: GetTimeoutError" in said
    assert "--object-manager-port" in said
