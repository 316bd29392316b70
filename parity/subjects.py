"""The clock of a worker, written once: what is timed differs by framework, how it is timed does not."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from parity.protocol import Arrays

Steps = Callable[[int], None]  # runs so many steps
Make = Callable[[str, Arrays, dict[str, Any]], tuple[Steps, str]]  # network, arrays, recipe -> steps, mode


class Subjects:
    """What is being timed in this worker, by name; `makers` prepares each, `synchronize` waits for the device."""

    def __init__(self, makers: Mapping[str, Make], synchronize: Callable[[], None]) -> None:
        self._makers, self._synchronize = makers, synchronize
        self._started: dict[str, Steps] = {}

    def start_timing(
        self, network: str, what: str, arrays: Arrays, beside: bool = False, **recipe: Any
    ) -> dict[str, Any]:
        """Prepare one subject and run its first step; earlier ones are dropped, unless it is to be timed `beside` them.

        `arrays` holds the groups `state`, `data` and `plan` of a training.
        """
        if not beside:
            self._started.clear()
        steps, mode = self._makers[what](network, arrays, recipe)
        start = time.perf_counter()
        steps(1)
        self._synchronize()
        first = time.perf_counter() - start
        self._started[what] = steps
        return {"first_seconds": first, "mode": mode, "step_seconds": self.time_steps(what, 2)["seconds"] / 2}

    def time_steps(self, what: str, steps: int) -> dict[str, float]:
        """Seconds of so many further steps of a subject."""
        if what not in self._started:
            raise RuntimeError(f"no timing of {what!r} was started in this worker (one that died forgets it)")
        self._synchronize()
        start = time.perf_counter()
        self._started[what](steps)
        self._synchronize()
        return {"seconds": time.perf_counter() - start}
