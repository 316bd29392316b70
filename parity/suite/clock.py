"""A clock for pytest-benchmark that returns the seconds that a worker measured."""

from __future__ import annotations

from typing import Any


class WorkerClock:
    """A clock that only `advance` moves, so that pytest-benchmark computes its statistics from a worker's readings."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """The time in seconds."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self.now += seconds


CLOCK = WorkerClock()


def replay(benchmark: Any, durations: list[float], info: dict[str, Any]) -> None:
    """Enter measured durations as the rounds of a benchmark.

    Args:
        benchmark: pytest-benchmark's fixture, of a test marked with `timer=CLOCK`.
        durations: seconds, one for each round.
        info: saved with the benchmark.

    Raises:
        ValueError: there are no durations.
    """
    if not durations:
        raise ValueError("durations: expected at least one measurement, found none")
    remaining = iter(durations)
    benchmark.extra_info.update(info)
    benchmark.pedantic(lambda: CLOCK.advance(next(remaining)), rounds=len(durations), iterations=1)
