"""Epochs and seconds to a training accuracy: what "learns faster" means depends on which of the two is counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from parity.records.records import Training

LEVELS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)

COLUMNS = 6


@dataclass(frozen=True)
class Reach:
    """When a training came to a training accuracy; None twice where it never did."""

    level: float  # 0..1
    epoch: int | None  # the first whose training accuracy was at least `level`; counted from 1
    seconds: float | None  # of training, all epochs up to the end of that one


def reach(training: Training, levels: Sequence[float] = LEVELS) -> list[Reach]:
    """When the training came to each level, in the order of `levels`.

    A training accuracy is the mean over its epoch, of the batches as they were trained on: with augmentation, dropout,
    and the weights moving meanwhile. The accuracy of the weights at the epoch's end is usually higher. The seconds
    leave out evaluation and the compilation of the first step.
    """
    found = []
    for level in levels:
        seconds = 0.0
        reached = Reach(level, None, None)
        for number, epoch in enumerate(training.epochs, start=1):
            seconds += epoch.seconds
            if epoch.train_accuracy >= level:  # never so for NaN
                reached = Reach(level, number, seconds)
                break
        found.append(reached)
    return found


def telling_levels(trainings: Sequence[Training], levels: Sequence[float] = LEVELS, most: int = COLUMNS) -> list[float]:
    """The levels that tell these trainings apart, ascending: at least one reached it, not all within the first epoch.

    Where more than `most` are left, the highest are taken.
    """
    found = []
    for level in sorted(levels):
        epochs = [reach(training, [level])[0].epoch for training in trainings]
        if any(epoch is not None for epoch in epochs) and not all(epoch == 1 for epoch in epochs):
            found.append(level)
    return found[-most:]
