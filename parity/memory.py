"""How much memory a process has held, and memory that is given back."""

from __future__ import annotations

import contextlib
import ctypes
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


def is_short() -> bool:
    """Whether less than half of the machine's memory is available."""
    memory = psutil.virtual_memory()
    return bool(memory.available < memory.total / 2)


def return_freed() -> None:
    """Give memory that is free inside the heap back to the system, where it is short and the C library knows how.

    Arrays of a deep network are many and small: glibc keeps the room of those that are gone, gigabytes of it. Where
    there is enough it is better kept: to get it anew from the system takes time.
    """
    if not is_short():
        return
    with contextlib.suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
