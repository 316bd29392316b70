"""Which Python runs a framework's worker, what it imports, and with how many threads it computes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from parity.system import ROOT
from parity.workers.frameworks import FRAMEWORKS

OWN_ENVIRONMENTS = "frameworks"  # a folder of this environment; in it one environment for each framework that has one


def interpreter_of(framework: str) -> str:
    """The path of the Python of a framework's worker.

    The one that the framework's environment variable names; else that of its own environment inside this one (made by
    `make setup EXTRA=gpu`); else the Python of this process.

    Args:
        framework: of `parity.workers.frameworks.FRAMEWORKS`.

    Returns:
        The path, which need not exist where the variable names it.
    """
    if named := os.environ.get(FRAMEWORKS[framework].interpreter_variable):
        return named
    own = Path(sys.prefix) / OWN_ENVIRONMENTS / framework / "bin" / "python"
    return str(own) if own.exists() else sys.executable


def default_threads() -> int:
    """The number of CPUs that this process may use: the threads of each framework unless another number is given."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def shared_threads(pairs: int = 1) -> int:
    """The threads of each framework where several work at the same time.

    Args:
        pairs: how many pairs of both frameworks.

    Returns:
        1 or more.
    """
    return max(1, default_threads() // (len(FRAMEWORKS) * pairs))


def require_cores(replicas: int) -> None:
    """Refuse more processes that share every batch than there are cores.

    Args:
        replicas: how many.

    Raises:
        ValueError: fewer than one, or more than cores.
    """
    cores = default_threads()
    if not 1 <= replicas <= cores:
        raise ValueError(
            f"replicas: expected 1 to {cores}, a core for each, found {replicas}. Replicas on one core are no faster "
            "than one process"
        )


def packages_folder(scratch: Path) -> str:
    """Make a folder with links to the packages that a worker imports, for a worker with another Python.

    Other packages that are installed beside the suite belong to the suite's Python, and a worker must not import them.

    Args:
        scratch: the worker's own temporary folder, in which the new one is made.

    Returns:
        The path of the new folder.

    Raises:
        OSError: it could not be made.
    """
    folder = scratch / "packages"
    folder.mkdir()
    for package in ("parity", *(framework.package for framework in FRAMEWORKS.values())):
        (folder / package).symlink_to(ROOT / package, target_is_directory=True)
    return str(folder)
