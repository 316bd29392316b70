"""Epochs and seconds to a training accuracy, against counts made by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from parity.records.records import Epoch, Training
from parity.records.time_to_accuracy import ACCURACIES, Reach, distinguishing_accuracies, reach


def training(accuracies: Sequence[float], seconds: Sequence[float] | None = None) -> Training:
    """A training with these training accuracies; each epoch of 10 s unless `seconds` says otherwise."""
    epochs = [
        Epoch(number, 1e-3, 1.0, accuracy, 1.0, 0.5, duration, 100.0)
        for number, (accuracy, duration) in enumerate(
            zip(accuracies, seconds or [10.0] * len(accuracies), strict=True), start=1
        )
    ]
    return Training(
        network="lenet5",
        framework="paddle",
        recipe="mini",
        dataset="CIFAR-10",
        train_images=1000,
        test_images=100,
        batch=100,
        seed=0,
        mode="eager",
        precision="float32",
        device="cpu",
        threads=1,
        epochs=epochs,
        epochs_planned=len(epochs),
        seconds=sum(epoch.seconds for epoch in epochs),
        first_seconds=1.0,
        peak_memory=2**29,
        initial_digest="ab",
        batches_digest="cd",
    )


def test_first_epoch_at_the_level_and_all_seconds_up_to_its_end() -> None:
    run = training([0.3, 0.55, 0.5, 0.7], [10.0, 20.0, 30.0, 40.0])
    assert reach(run, [0.3, 0.5, 0.6, 0.7, 0.71]) == [
        Reach(0.3, 1, 10.0),
        Reach(0.5, 2, 30.0),  # although the next epoch was below it again
        Reach(0.6, 4, 100.0),
        Reach(0.7, 4, 100.0),
        Reach(0.71, None, None),
    ]


def test_default_levels_in_order() -> None:
    assert [reached.accuracy for reached in reach(training([0.5]))] == list(ACCURACIES) == sorted(ACCURACIES)


def test_no_epoch_and_no_number_reach_nothing() -> None:
    assert reach(training([]), [0.0]) == [Reach(0.0, None, None)]
    assert reach(training([math.nan, 0.6]), [0.5]) == [Reach(0.5, 2, 20.0)]


@pytest.mark.parametrize(
    ("curves", "expected"),
    [
        ([[0.35, 0.62], [0.35, 0.45]], [0.4, 0.5, 0.6]),  # all are above 0.3 after the first epoch, none reaches 0.7
        ([[0.35, 0.62], [0.25, 0.45]], [0.3, 0.4, 0.5, 0.6]),
        ([[0.1, 0.15]], []),
        ([[0.65]], []),
        ([[0.1, 0.999]], [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99][-6:]),
        ([[math.nan, math.nan]], []),
        ([[]], []),
        ([], []),
    ],
)
def test_levels_that_tell_runs_apart(curves: list[list[float]], expected: list[float]) -> None:
    assert distinguishing_accuracies([training(curve) for curve in curves]) == expected
