"""A clock for pytest-benchmark that shows the seconds that a worker measured."""

from __future__ import annotations

from typing import Any


class WorkerClock:
    """Stands still but for `advance`: pytest-benchmark's statistics are then those of the worker's own readings."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """The time in seconds."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let so much time pass."""
        self.now += seconds


CLOCK = WorkerClock()


def replay(benchmark: Any, durations: list[float], info: dict[str, Any]) -> None:
    """Enter durations (seconds) as a benchmark's rounds; its marker must have `timer=CLOCK`."""
    if not durations:
        raise ValueError("no durations: a benchmark without a measurement is none")
    remaining = iter(durations)
    benchmark.extra_info.update(info)
    benchmark.pedantic(lambda: CLOCK.advance(next(remaining)), rounds=len(durations), iterations=1)
