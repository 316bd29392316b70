"""Seconds of an inference and of a training step, for some networks or all, timed inside the workers."""

from __future__ import annotations

from typing import Any

import pytest

from parity.suite.clock import CLOCK, replay
from parity.suite.speed import Stopwatch


@pytest.mark.benchmark(timer=CLOCK)
@pytest.mark.parametrize("what", ["forward", "train step"])
def test_speed(timed: str, what: str, framework: str, stopwatch: Stopwatch, benchmark: Any) -> None:
    """Measured in turns with the other framework, so that their ratio is reliable on a noisy machine."""
    measurement = stopwatch.measure(timed, what)[framework]
    if measurement.record is None:
        pytest.fail(str(measurement.error))
    benchmark.group = f"{what}: {timed}, batch {measurement.record.batch}"
    replay(benchmark, measurement.seconds, measurement.record.as_dict())
