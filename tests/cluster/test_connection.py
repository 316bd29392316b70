"""Clusters that are not there, and a machine without Ray: one message each."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from parity.cluster.connection import PACKAGES, copy_code, require_listener
from parity.cluster.errors import ClusterError
from tests.command_line import parity

TRAIN = ("train", "lenet5", "--dataset", "generated", "--limit", "200", "--epochs", "1")


def test_an_address_where_nothing_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    done = parity(*TRAIN, "--cluster", address, code=2)
    assert f"--cluster {address}: expected a Ray cluster that listens there, found: " in done.stderr
    assert "ray start --head" in done.stderr


def test_an_address_where_something_else_listens() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{server.server_port}"
        done = parity(*TRAIN, "--cluster", address, code=2)
        server.shutdown()
    assert f"--cluster {address}: expected the head of a Ray cluster, found another service" in done.stderr


@pytest.mark.parametrize("address", ["somewhere", "ray://host:10001", "host:", ":6379", "host:port", "host:99999"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(ClusterError, match="expected "):
        require_listener(address)


def test_without_the_extra_the_message_says_how_to_install_it(tmp_path: Path) -> None:
    (tmp_path / "ray.py").write_text("raise ModuleNotFoundError(\"No module named 'ray'\")\n")
    found = str(tmp_path)
    done = parity(*TRAIN, "--cluster", "local", code=2, extra={"PYTHONPATH": found}, cwd=Path(__file__).parents[2])
    assert "expected Ray, which is an optional extra, found: No module named 'ray'" in done.stderr
    assert "pip install 'paddle-tensorflow-parity[cluster]'" in done.stderr
    parity("networks", extra={"PYTHONPATH": found})


def test_the_code_that_travels_is_the_packages(tmp_path: Path) -> None:
    copy_code(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(PACKAGES)
    assert not list(tmp_path.rglob("__pycache__"))
    assert (tmp_path / "parity" / "cluster" / "node_tasks.py").exists()
