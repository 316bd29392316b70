"""The command `parity` in a process of its own, as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from parity.records.records import Training
from parity.records.saved_run import load_run

ROOT = Path(__file__).resolve().parent.parent


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "parity", *map(str, arguments)]


def surroundings(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's variables without those that steer the suite or the shape of its output."""
    steering = ("PARITY_", "COLUMNS", "FORCE_COLOR", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(steering)}
    return kept | {"PYTHONPATH": str(ROOT)} | dict(extra or {})


def parity(
    *arguments: str | Path, code: int = 0, extra: Mapping[str, str] | None = None, cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run the command, and require its exit code and that no traceback is shown."""
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=400, env=surroundings(extra), cwd=cwd
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done


@contextmanager
def running(
    *arguments: str | Path, python: str | Path = sys.executable, **options: Any
) -> Iterator[subprocess.Popen[str]]:
    """The command in the background, with both outputs as pipes; killed at the end."""
    process = subprocess.Popen(
        [str(python), *command(*arguments)[1:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=surroundings(),
        **options,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The worker processes that the command has started."""
    return psutil.Process(process.pid).children(recursive=True)


def training_of(path: Path) -> Training:
    """The one training of a saved run."""
    (record,) = (record for record, _ in load_run(path).entries)
    assert isinstance(record, Training)
    return record


def without_seconds(epochs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Records of epochs, less what differs from run to run."""
    return [
        {name: value for name, value in epoch.items() if name not in ("seconds", "images_per_second")}
        for epoch in epochs
    ]
