"""Nodes that cannot train, or not with the same versions: refused, with the node's name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.command_line import parity

if TYPE_CHECKING:
    from tests.conftest import MakePython

TRAIN = ("train", "lenet5", "--dataset", "generated", "--limit", "200", "--epochs", "1")


@contextmanager
def another_node(cluster: Any, variables: dict[str, str]) -> Iterator[None]:
    """A third node, whose processes have these environment variables."""
    node = cluster.add_node(num_cpus=1, env_vars=variables)
    try:
        yield
    finally:
        cluster.remove_node(node, allow_graceful=False)


def test_a_training_that_no_node_has_room_for(cluster: Any) -> None:
    done = parity(*TRAIN, "--cluster", cluster.address, "--threads", "64", code=2)
    assert "expected a node with 64 CPUs for a training, found: " in done.stderr
    assert "with 1 CPU and 0 GPUs" in done.stderr


@pytest.mark.slow
def test_a_node_without_a_framework(cluster: Any) -> None:
    with another_node(cluster, {"PARITY_TENSORFLOW_PYTHON": "/nowhere/python"}):
        done = parity(*TRAIN, "--framework", "tensorflow", "--cluster", cluster.address, code=2)
    assert "expected every node to have the frameworks, found:" in done.stderr
    assert done.stderr.count("  node ") == 1
    assert "/nowhere/python" in done.stderr


def test_nodes_with_other_versions_are_refused_and_named(cluster: Any, altered_python: MakePython) -> None:
    other = altered_python({"tf_impl.device": "Device.version = '2.16.99'"})
    with another_node(cluster, {"PARITY_TENSORFLOW_PYTHON": str(other)}):
        done = parity(*TRAIN, "--framework", "tensorflow", "--cluster", cluster.address, code=2)
    assert "a matrix mixes no versions" in done.stderr
    (line,) = (line for line in done.stderr.splitlines() if "TensorFlow: " in line)
    assert "2.16.99 on " in line
    assert line.count(" on ") == 2


@pytest.mark.slow
def test_a_precision_that_the_nodes_lack(cluster: Any) -> None:
    arguments = (*TRAIN, "--framework", "tensorflow", "--precision", "tf32")
    done = parity(*arguments, "--cluster", cluster.address, code=2)
    assert "--precision tf32: TensorFlow has no TF32 products on this device (cpu)" in done.stderr
