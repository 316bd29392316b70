"""Whether a worker that says nothing is at work or hangs: at work is who uses a processor.

No thread of the worker itself is asked, which would go on beating while the others wait for each other.
"""

from __future__ import annotations

import math
import time

CHECK_SECONDS = 5.0  # between two checks

# Of one processor. A process that waits uses none; one that works gets more, even on a crowded machine.
LEAST_PROCESSOR_SHARE = 0.003


class Liveness:
    """Looks at a process, and at those that it has started, from one call's beginning on.

    Args:
        pid: the worker's.
        timeout: seconds without a message and without work: a hang.
        longest: seconds without a message: a loop without an end, however busy.
    """

    def __init__(self, pid: int, timeout: float, longest: float) -> None:
        import psutil  # here: a worker's own interpreter, which imports this module too, may lack it

        self._error = psutil.Error
        self.timeout, self.longest = timeout, longest
        self.interval = min(CHECK_SECONDS, timeout / 4)
        self.spoke()
        self._looked, self._used = time.monotonic(), math.inf  # until the first look: most calls end before it
        self._process = psutil.Process(pid) if psutil.pid_exists(pid) else None

    def spoke(self) -> None:
        """The worker has sent a message."""
        self._message = self._sign = time.monotonic()

    def look(self) -> str:
        """Why the worker is to be given up; empty while there is hope. To be called every `interval` seconds."""
        now, used = time.monotonic(), self._processor_seconds()
        if used - self._used > LEAST_PROCESSOR_SHARE * (now - self._looked):
            self._sign = now
        self._looked, self._used = now, used
        if now - self._sign >= self.timeout:
            return f"no sign of life for {self.timeout:g} s"
        if now - self._message >= self.longest:
            return f"at work without a word for {self.longest:g} s"
        return ""

    def _processor_seconds(self) -> float:
        """Used so far by the process and its children, such as compilers."""
        total = 0.0
        try:
            if self._process is not None:
                for process in (self._process, *self._process.children(recursive=True)):
                    times = process.cpu_times()
                    total += times.user + times.system + times.children_user + times.children_system
        except self._error:  # ended meanwhile, which the end of its output tells
            pass
        return total
