"""The connection to a Ray cluster: one that is named, the one that runs here, or one of this machine alone."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from parity.cluster.errors import ClusterError
from parity.system import ROOT
from parity.training.remote_folder import INSTALL
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.scratch import Scratch

LOCAL, RUNNING = "local", "auto"

PACKAGES = ("parity", *(framework.package for framework in FRAMEWORKS.values()))

CONNECT_SECONDS, JOIN_SECONDS = 5.0, 60.0

# How a client of HTTP/2, which Ray's head speaks, begins: the preface and an empty frame of settings. A server answers
# with its own frame of settings, whose type is the fourth byte.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
SETTINGS_FRAME = 4

TOKEN = Path.home() / ".ray" / "auth_token"  # where `ray get-auth-token --generate` puts it


def installed_ray() -> ModuleType:
    """Ray, where the extra is installed.

    Raises:
        ClusterError: it is not.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # a task without GPUs keeps the node's variables
    try:
        import ray
    except ImportError as error:
        raise ClusterError(
            f"--cluster: expected Ray, which is an optional extra, found: {error}. Install it: {INSTALL}"
        ) from None
    return ray


@contextlib.contextmanager
def connected(address: str) -> Iterator[ModuleType]:
    """Connect to a cluster and leave it at the end; its tasks then end.

    The suite's own code travels with the tasks, so that all nodes run this version of it.

    Args:
        address: HOST:PORT of a running cluster's head; "auto": the cluster that runs on this machine; "local": start
            one on this machine and stop it at the end.

    Yields:
        The module `ray`.

    Raises:
        ClusterError: Ray is not installed, nothing answers at the address, or the cluster refuses.
    """
    if address not in (LOCAL, RUNNING):
        require_listener(address)
    choose_authentication(address)
    ray = installed_ray()
    with Scratch() as folder:
        copy_code(folder)
        try:
            with _signals_kept():
                ray.init(
                    address=address,
                    runtime_env={"working_dir": str(folder)},
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise ClusterError(
                f"--cluster {address}: expected a Ray cluster, found: {first.rstrip('.')}. "
                "Start one with `ray start --head` here, or use --cluster local."
            ) from None
        try:
            yield ray
        finally:
            ray.shutdown()


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Undo what Ray makes of SIGTERM: the process would end with its exit code, a dump, and no partial result."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


def choose_authentication(address: str) -> None:
    """Have Ray use its token where the cluster demands one; a cluster that is started here gets one of its own.

    Without this, Ray would write a token to the home folder for a local cluster, and use it for no other one unless
    RAY_AUTH_MODE says so. Where the user has set that variable, nothing changes.

    Args:
        address: as in `connected`.
    """
    if "RAY_AUTH_MODE" in os.environ:
        return
    own = any(name in os.environ for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")) or TOKEN.exists()
    if address == LOCAL:
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        os.environ["RAY_AUTH_MODE"] = "token"
    elif own and not _open_to_all(address):
        os.environ["RAY_AUTH_MODE"] = "token"


def _open_to_all(address: str) -> bool:
    """Whether a cluster can be joined without a token: with one it cannot be used then, as its nodes have none.

    Asked in a process of its own, because Ray reads its mode once.
    """
    join = f"import ray; ray.init({address!r}, log_to_driver=False, logging_level='CRITICAL')"
    environment = os.environ | {"RAY_AUTH_MODE": "disabled"}
    command = [sys.executable, "-c", join]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=JOIN_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def require_listener(address: str) -> None:
    """Refuse an address at which nothing listens, or no head of Ray's: Ray itself would try for minutes.

    Args:
        address: HOST:PORT.

    Raises:
        ClusterError: it is not of that form, or nothing answers.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        raise ClusterError(
            f"--cluster {address}: expected HOST:PORT of a running cluster's head, `auto` or `local`. "
            "`ray start --head` prints the address."
        )
    try:
        with socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS) as connection:
            connection.sendall(PREFACE)
            reply = connection.recv(SETTINGS_FRAME)
    except (OSError, OverflowError) as error:
        raise ClusterError(
            f"--cluster {address}: expected a Ray cluster that listens there, found: {error}. "
            "Start its head with `ray start --head --port PORT`, or use --cluster local."
        ) from None
    encrypted = "RAY_USE_TLS" in os.environ  # then there is another greeting before
    if not encrypted and (len(reply) < SETTINGS_FRAME or reply[-1] != SETTINGS_FRAME):
        raise ClusterError(
            f"--cluster {address}: expected the head of a Ray cluster, found another service (the dashboard has a port "
            "of its own). `ray start --head` prints the address."
        )


def copy_code(folder: Path) -> None:
    """Copy the packages that a task imports, without what Python makes of them.

    Args:
        folder: where to; it exists.
    """
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
