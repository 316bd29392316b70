"""How much memory a process has held."""

from __future__ import annotations

from pathlib import Path

import psutil


def high_water(pid: int | None = None) -> int:
    """Bytes: the most that a process (None: this one) has held at once; what it holds now where no mark is kept.

    Not `ru_maxrss`: on Linux a new process inherits there what its parent held when it started it.
    """
    try:
        for line in Path(f"/proc/{pid or 'self'}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
