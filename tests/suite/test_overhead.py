"""The suite's training loop against other loops: what is measured, not how fast it is."""

from __future__ import annotations

import math

import pytest

from parity.catalogue.networks import NETWORKS
from parity.data.dataset import Dataset
from parity.suite.speed import CONTESTS, Baseline, Contest, overhead
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.pool import Workers


@pytest.mark.slow
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_baseline_of_a_network_with_dropout_is_measured_in_pairs(
    framework: str, workers: Workers, dataset: Dataset
) -> None:
    """The suite's own dropout needs a training around it; a bare loop has the framework's."""
    whats = CONTESTS[1].baselines[framework]  # bare loops alone
    contest = Contest("mini_inception", 8, {framework: dict.fromkeys(whats, Baseline(0.95, pairs=2, seconds=0.01))})
    records = overhead(workers, framework, contest, dataset)
    assert list(records) == list(whats)
    for what, record in records.items():
        assert (record.network, record.framework, record.baseline, record.batch) == (
            "mini_inception",
            framework,
            what,
            8,
        )
        assert len(record.ratios) == 2
        assert all(math.isfinite(ratio) and ratio > 0 for ratio in record.ratios)


def test_the_contests_name_networks_and_rivals_of_both_frameworks() -> None:
    for contest in CONTESTS:
        assert contest.network in NETWORKS
        assert list(contest.baselines) == ["tensorflow", "paddle"]
        assert all("bare loop" in baselines for baselines in contest.baselines.values())
