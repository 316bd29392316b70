"""The oldest versions that the suite was tried with, and what a worker's Python needs; older ones are refused at start.

pyproject.toml has the same versions, and a test compares the two. This imports the standard library only, and nothing
that needs a recent Python: it is the first thing that a worker reads.
"""

from __future__ import annotations

import importlib
import importlib.util
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

OLDEST_PYTHON = (3, 11)

OLDEST: dict[str, dict[str, str]] = {  # by framework, of the modules that its worker imports
    "paddle": {"paddle": "2.6.2", "numpy": "1.26"},
    "tensorflow": {"tensorflow": "2.16.2", "keras": "3.0.5", "numpy": "1.26"},
}

# What the Python of a worker must have besides its framework. Paddle imports setuptools and does not ask for it.
NEEDS = ("numpy", "psutil", "safetensors")

FRAMEWORK_NEEDS: dict[str, tuple[str, ...]] = {"paddle": ("setuptools",), "tensorflow": ()}

REFUSED = 78  # a worker's exit code if its Python cannot run the suite's code; EX_CONFIG of sysexits.h


def needs(framework: str) -> tuple[str, ...]:
    """The packages that a framework's own environment must have besides the framework.

    Args:
        framework: "paddle" or "tensorflow".

    Example:
        >>> "numpy" in needs("paddle")
        True
    """
    return (*NEEDS, *FRAMEWORK_NEEDS[framework])


def python_problem(framework: str) -> str:
    """Why this Python cannot be a worker of the framework, in one line; empty if it can.

    Args:
        framework: "paddle" or "tensorflow".

    Returns:
        One line that says what to install; packages are looked for, not imported.
    """
    if sys.version_info < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        return f"{sys.executable} is Python {platform.python_version()}; expected {oldest} or later"
    missing = [name for name in needs(framework) if importlib.util.find_spec(name) is None]
    if missing:
        return f"{sys.executable} lacks {', '.join(missing)}; install there: pip install {' '.join(missing)}"
    return ""


def too_old(interpreter: str) -> str:
    """Why another Python, which cannot read the suite's files, is too old; empty if it is not, or cannot be asked.

    Args:
        interpreter: path of its executable.

    Returns:
        One line with the version that was found and the oldest one.
    """
    command = [interpreter, "-c", "import sys; print('%d.%d.%d' % sys.version_info[:3])"]
    try:
        version = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
    oldest = ".".join(map(str, OLDEST_PYTHON))
    return f"{interpreter} is Python {version}; expected {oldest} or later" if is_older(version, oldest) else ""


def version_problem(framework: str) -> str:
    """Which of the framework's modules is older than the oldest that the suite was tried with; empty if none.

    Imports the framework.

    Args:
        framework: "paddle" or "tensorflow".

    Returns:
        One line for the first such module, with the command that installs a newer one.

    Raises:
        ImportError: a module of the framework is missing.
    """
    for name, oldest in OLDEST[framework].items():
        version = str(importlib.import_module(name).__version__)
        if is_older(version, oldest):
            return (
                f"{name} {version} is older than {oldest}, the oldest version that this suite was tried with; "
                f"in the environment of {sys.executable}: pip install '{_distribution(name)}>={oldest}'"
            )
    return ""


def is_older(version: str, oldest: str) -> bool:
    """Whether a version comes before another, by its leading numbers.

    Args:
        version: such as "3.0.0rc1", which counts as 3.0.0; one without a number counts as new.
        oldest: the version that it is compared with.

    Example:
        >>> is_older("2.9.1", "2.16"), is_older("2.16.0+cu12", "2.16")
        (True, False)
    """
    numbers = _numbers(version)
    return any(numbers) and numbers < _numbers(oldest)


def version_limits(framework: str, version: str, numpy: str, lacks: Sequence[str]) -> list[str]:
    """What a worker's versions cannot do that others can, each with the reason.

    Args:
        framework: "paddle" or "tensorflow".
        version: the framework's.
        numpy: numpy's version.
        lacks: functions that this version does not have.

    Returns:
        One line for each limit; empty where there is none.
    """
    limits = []
    if lacks:
        limits.append(f"this version has no {', '.join(lacks)}: models that call one need a newer version")
    if framework == "paddle" and is_older(version, "3.0") and not is_older(numpy, "2.3"):
        limits.append(
            "scripts of your own must import numpy.random before paddle, as the suite's workers do: numpy 2.3 and "
            "newer load it at its first use, and after Paddle 2.6 that is a segmentation fault"
        )
    return limits


def in_this_process(*modules: str) -> dict[str, Any]:
    """This Python's version and those of imported modules, for the environment record.

    Args:
        modules: names to import; each has a `__version__`.

    Returns:
        `python`, and `packages` by name.

    Example:
        >>> sorted(in_this_process("numpy"))
        ['packages', 'python']
    """
    packages = {name: str(importlib.import_module(name).__version__) for name in modules}
    return {"python": platform.python_version(), "packages": packages}


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version without trailing zeros: 2.16.0+cu12 and 2.16 are (2, 16)."""
    leading = re.match(r"\d+(\.\d+)*", version)
    numbers = [int(part) for part in leading.group().split(".")] if leading else []
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def _distribution(module: str) -> str:
    """The name of a module's distribution on PyPI; variants for GPUs have other names, which the user knows."""
    return {"paddle": "paddlepaddle"}.get(module, module)
