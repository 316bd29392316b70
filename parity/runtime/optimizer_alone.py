"""An optimizer without a network: it takes the same step many times, and some of its updates are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from parity.numerics.arrays import Arrays

REPORTED = 10_000  # steps between two progress messages


def updates_at(
    checkpoints: Sequence[int],
    run: Callable[[int], None],
    clear: Callable[[], None],
    read: Callable[[], np.ndarray],
    progress: Callable[..., None],
) -> Arrays:
    """Take the same step over and over, and keep the updates of some steps.

    Args:
        checkpoints: numbers of the steps to keep, counted from 1 and in ascending order.
        run: takes so many steps.
        clear: sets the weights to zero, so that the next update is not rounded to their size.
        read: the weights [n].
        progress: is called with `step` from time to time.

    Returns:
        `updates` [checkpoints, n].
    """
    updates, count = [], 0
    for checkpoint in checkpoints:
        while count < checkpoint - 1:
            steps = min(checkpoint - 1 - count, REPORTED)
            run(steps)
            count += steps
            progress(step=count)
        clear()
        run(1)
        count += 1
        updates.append(-read())
    return {"updates": np.stack(updates)}


def require_memory_of(rule: str, expected: Iterable[str], actual: Iterable[str]) -> None:
    """Check that an optimizer's memory has exactly the arrays of its rule.

    Args:
        rule: its name, for the message.
        expected: names of the rule's arrays.
        actual: names of the memory's arrays.

    Raises:
        ValueError: a name is missing or extra.
    """
    if odd := sorted(set(expected) ^ set(actual)):
        raise ValueError(f"memory of {rule}: {len(odd)} arrays are missing or extra, first {odd[0]!r}")
