"""The training runs: time and accuracy of each framework on identical weights and batches, for every seed."""

from __future__ import annotations

import pytest

from parity.suite.recording import Keep
from parity.suite.trainings import Trainings


@pytest.mark.benchmark
def test_training(trained: str, training_seed: int, framework: str, trainings: Trainings, keep: Keep) -> None:
    """Trains to the end, with finite losses, on the same batches as the reference and the other framework."""
    record = trainings.record(trained, framework, training_seed)
    keep(record)
    assert not record.problems, "\n".join(record.problems)
    assert len(record.epochs) == record.epochs_planned
    for twin in trainings.known(trained, training_seed):
        if not twin.problems:
            assert twin.initial_digest == record.initial_digest, f"{twin.framework} started from other weights"
            assert twin.batches_digest == record.batches_digest, f"{twin.framework} trained on other batches"
