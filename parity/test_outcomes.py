"""Evidence 8: what the trainings came to. Runs after them, and trains what is not there yet."""

from __future__ import annotations

from typing import Any

import pytest

from parity.cross_evaluation import cross_evaluate
from parity.data import Dataset
from parity.matrix import Matrix
from parity.side_by_side import compared
from parity.workers import FRAMEWORKS, Workers


@pytest.mark.benchmark
def test_equivalence(trained: str, training_seeds: tuple[int, ...], matrix: Matrix, benchmark: Any) -> None:
    """The accuracies of several seeds are not different; "undecided" is an answer too."""
    records = [matrix.record(trained, framework, seed) for seed in training_seeds for framework in FRAMEWORKS]
    benchmark.group = f"equivalence: {records[0].network}"
    found = benchmark.pedantic(compared, args=(records, tuple(FRAMEWORKS)), rounds=1)
    benchmark.extra_info.update(found.as_dict())
    assert found.verdict != "different", f"{found.difference:+.2f} points, interval {found.interval}"


@pytest.mark.benchmark
def test_cross_evaluation(
    trained: str,
    training_seed: int,
    framework: str,
    matrix: Matrix,
    workers: Workers,
    training_images: Dataset,
    benchmark: Any,
) -> None:
    """The weights that this framework trained predict the same in the other one."""
    record = matrix.record(trained, framework, training_seed)
    weights = matrix.weights(trained, framework, training_seed)
    if weights is None:
        pytest.fail("\n".join(["there are no trained weights:", *record.problems]))
    benchmark.group = f"cross evaluation: {record.network}"
    found = benchmark.pedantic(cross_evaluate, args=(workers, training_images, record, weights), rounds=1)
    benchmark.extra_info.update(found.as_dict())
    assert found.passed, "\n".join([*found.problems, *map(str, found.differing)])
    assert found.images == len(training_images.test_images)
