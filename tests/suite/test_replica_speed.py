"""What sharing a batch costs: what is measured, not how fast it is."""

from __future__ import annotations

import pytest

from parity.data.dataset import Dataset
from parity.suite.replica_speed import reduction_speeds, replica_speed, ways
from parity.workers.interpreter import default_threads

pytestmark = pytest.mark.skipif(default_threads() < 2, reason="replicas are processes that each need a core")

FRAMEWORKS = ["paddle", pytest.param("tensorflow", marks=pytest.mark.slow)]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_way_is_measured_as_often(framework: str, dataset: Dataset) -> None:
    record = replica_speed(framework, "lenet5", dataset, 2, rounds=2, reading_seconds=0.01)
    assert (record.network, record.framework, record.replicas, record.batch) == ("lenet5", framework, 2, 100)
    assert record.parameters == 62_006
    taken = [(own.processes, own.threads, own.engine, own.batch) for own in record.readings]
    assert taken == [(way.processes, way.threads, way.engine, way.batch) for way in ways(2, 100)]
    assert len(set(taken)) == 5
    assert all(len(own.seconds) == 2 and min(own.seconds) > 0 for own in record.readings)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_size_is_reduced_as_often(framework: str) -> None:
    records = reduction_speeds(framework, 2, times=3, elements=(10, 10_000))
    assert [(own.framework, own.replicas, own.elements) for own in records] == [
        (framework, 2, 10),
        (framework, 2, 10_000),
    ]
    assert all(len(own.readings) == 3 and min(own.readings) > 0 for own in records)
