"""The suite's training loop against other loops: what is measured, not how fast it is."""

from __future__ import annotations

import math

import pytest

from parity.catalogue.networks import NETWORKS
from parity.data.dataset import Dataset
from parity.suite.speed import LOOP_COMPARISONS, Baseline, LoopComparison, overhead
from parity.workers.pool import Workers


@pytest.mark.parametrize("framework", ["paddle", pytest.param("tensorflow", marks=pytest.mark.slow)])
def test_every_baseline_of_a_network_with_dropout_is_measured_in_pairs(
    framework: str, workers: Workers, dataset: Dataset
) -> None:
    """The suite's own dropout needs a training around it; a bare loop has the framework's."""
    whats = LOOP_COMPARISONS[1].baselines[framework]  # bare loops alone
    comparison = LoopComparison(
        "mini_inception", 8, {framework: dict.fromkeys(whats, Baseline(0.95, pairs=2, seconds=0.01))}
    )
    records = overhead(workers, framework, comparison, dataset)
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


def test_the_loop_comparisons_name_networks_and_baselines_of_both_frameworks() -> None:
    for comparison in LOOP_COMPARISONS:
        assert comparison.network in NETWORKS
        assert list(comparison.baselines) == ["tensorflow", "paddle"]
        assert all("bare loop" in baselines for baselines in comparison.baselines.values())
