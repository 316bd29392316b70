"""The training run: time and accuracy of each framework on identical weights and batches."""

from __future__ import annotations

from typing import Any

import pytest

from parity.clock import CLOCK, replay
from parity.conftest import QUICK_EPOCHS, QUICK_LIMIT
from parity.data import Dataset
from parity.training import Outcome, train
from parity.workers import Workers


@pytest.mark.benchmark(timer=CLOCK)
def test_training(
    trained: str,
    framework: str,
    workers: Workers,
    dataset: Dataset,
    outcomes: dict[tuple[str, str], Outcome],
    pytestconfig: pytest.Config,
    profile: str,
    seed: int,
    benchmark: Any,
) -> None:
    """Trains to the end, with finite losses, on the batches that the reference and the other framework have."""
    quick = profile == "quick"
    epochs = pytestconfig.getoption("--epochs") or (QUICK_EPOCHS if quick else None)
    limit = pytestconfig.getoption("--limit") or (QUICK_LIMIT if quick else None)
    workers.stop()  # the other framework's would disturb, and this one's peak of memory is to be that of the training
    outcome = train(workers[framework], trained, dataset.limited(limit), epochs=epochs, seed=seed)
    outcomes[trained, framework] = outcome
    record = outcome.record
    benchmark.group = f"training: {trained}"
    replay(benchmark, [record.seconds], record.as_dict())
    assert not record.problems, "\n".join(record.problems)
    assert len(record.epochs) == record.epochs_planned
    for (name, other), twin in outcomes.items():
        if name == trained and not twin.record.problems:
            assert twin.record.initial_digest == record.initial_digest, f"{other} started from other weights"
            assert twin.record.batches_digest == record.batches_digest, f"{other} trained on other batches"
