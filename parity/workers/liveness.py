"""Whether a worker that sends no message computes or hangs: one that uses a processor computes.

A heartbeat thread in the worker would not do: it would go on while the other threads wait for each other.
"""

from __future__ import annotations

import math
import time

CHECK_SECONDS = 5.0  # between two checks

# Of one processor. A process that waits uses none; one that works gets more, even on a crowded machine.
LEAST_PROCESSOR_SHARE = 0.003


class Liveness:
    """Watches a process and its children during one call.

    Args:
        pid: the worker's.
        timeout: seconds without a message and without use of a processor, after which the worker hangs.
        longest: seconds without a message, after which it is in an endless loop, however busy it is.
    """

    def __init__(self, pid: int, timeout: float, longest: float) -> None:
        import psutil  # here: a worker's own interpreter, which imports this module too, may lack it

        self._error = psutil.Error
        self.timeout, self.longest = timeout, longest
        self.interval = min(CHECK_SECONDS, timeout / 4)
        self.message_received()
        self._last_check, self._used_then = (
            time.monotonic(),
            math.inf,
        )  # until the first check: most calls end before it
        self._process = psutil.Process(pid) if psutil.pid_exists(pid) else None

    def message_received(self) -> None:
        """Note that the worker has sent a message."""
        self._last_message = self._last_activity = time.monotonic()

    def check(self) -> str:
        """Why the worker has to be stopped; empty while it computes. To be called every `interval` seconds."""
        now, used = time.monotonic(), self._processor_seconds()
        if used - self._used_then > LEAST_PROCESSOR_SHARE * (now - self._last_check):
            self._last_activity = now
        self._last_check, self._used_then = now, used
        if now - self._last_activity >= self.timeout:
            return f"no message and no use of a processor for {self.timeout:g} s"
        if now - self._last_message >= self.longest:
            return f"busy without a message for {self.longest:g} s"
        return ""

    def _processor_seconds(self) -> float:
        """Processor seconds used so far by the process and its children, such as compilers."""
        total = 0.0
        try:
            if self._process is not None:
                for process in (self._process, *self._process.children(recursive=True)):
                    times = process.cpu_times()
                    total += times.user + times.system + times.children_user + times.children_system
        except self._error:  # it has ended, which the end of its output shows
            pass
        return total
