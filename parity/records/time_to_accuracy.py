"""Epochs and seconds to a training accuracy: "learns faster" depends on which of the two is counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from parity.records.records import Training

ACCURACIES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)

COLUMNS = 6


@dataclass(frozen=True)
class Reach:
    """When a training came to a training accuracy; None twice where it never did."""

    accuracy: float  # 0..1
    epoch: int | None  # the first whose training accuracy was at least `accuracy`; counted from 1
    seconds: float | None  # of training, all epochs up to the end of that one


def reach(training: Training, accuracies: Sequence[float] = ACCURACIES) -> list[Reach]:
    """When a training reached certain training accuracies.

    A training accuracy is the mean over its epoch, of the batches as they were trained on: with augmentation, dropout,
    and the weights moving meanwhile. The accuracy of the weights at the epoch's end is usually higher. The seconds
    leave out evaluation and the compilation of the first step.

    Args:
        training: the record; epochs that were finished count.
        accuracies: 0..1, in any order.

    Returns:
        One for every accuracy, in their order.
    """
    reaches = []
    for accuracy in accuracies:
        seconds = 0.0
        reached = Reach(accuracy, None, None)
        for number, epoch in enumerate(training.epochs, start=1):
            seconds += epoch.seconds
            if epoch.train_accuracy >= accuracy:  # never so for NaN
                reached = Reach(accuracy, number, seconds)
                break
        reaches.append(reached)
    return reaches


def distinguishing_accuracies(
    trainings: Sequence[Training], accuracies: Sequence[float] = ACCURACIES, most: int = COLUMNS
) -> list[float]:
    """The accuracies at which these trainings differ: reached by one at least, and not by all in the first epoch.

    Args:
        trainings: of one recipe and data set.
        accuracies: 0..1, in any order.
        most: where more are left, the highest are taken.

    Returns:
        The accuracies, ascending.
    """
    chosen = []
    for accuracy in sorted(accuracies):
        epochs = [reach(training, [accuracy])[0].epoch for training in trainings]
        if any(epoch is not None for epoch in epochs) and not all(epoch == 1 for epoch in epochs):
            chosen.append(accuracy)
    return chosen[-most:]
