"""Level 10: the outcomes of the trainings. Runs after them, and trains what is missing."""

from __future__ import annotations

import pytest

from parity.data.dataset import Dataset
from parity.suite.recording import Keep
from parity.suite.trainings import Trainings
from parity.training.cross_evaluation import cross_evaluate
from parity.training.experiment import compared
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.pool import Workers


@pytest.mark.benchmark
def test_equivalence(trained: str, training_seeds: tuple[int, ...], trainings: Trainings, keep: Keep) -> None:
    """The accuracies of several seeds are not different; the verdict may be "undecided"."""
    records = [trainings.record(trained, framework, seed) for seed in training_seeds for framework in FRAMEWORKS]
    equivalence = compared(records, tuple(FRAMEWORKS))
    keep(equivalence)
    assert equivalence.verdict != "different", f"{equivalence.difference:+.2f} points, interval {equivalence.interval}"


@pytest.mark.benchmark
def test_cross_evaluation(
    trained: str,
    training_seed: int,
    framework: str,
    trainings: Trainings,
    workers: Workers,
    training_images: Dataset,
    keep: Keep,
) -> None:
    """The weights that this framework trained give the same predictions in the other one."""
    record = trainings.record(trained, framework, training_seed)
    weights = trainings.weights(trained, framework, training_seed)
    if weights is None:
        pytest.fail("\n".join(["there are no trained weights:", *record.problems]))
    evaluation = cross_evaluate(workers, training_images, record, weights)
    keep(evaluation)
    assert evaluation.passed, "\n".join([*evaluation.problems, *map(str, evaluation.differing)])
    assert evaluation.images == len(training_images.test_images)
