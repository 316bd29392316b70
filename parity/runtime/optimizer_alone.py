"""An optimizer without a network: the same gradient over and over, and its steps looked at where they are asked for."""

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
    """`updates` [checkpoints, n]: the steps with these numbers, counted from 1 and in order.

    `run` does so many steps, `clear` puts the weights to zero, which makes an update exact, `read` gives them.
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
    """Raise ValueError where an optimizer's memory does not have the arrays of its rule, by name."""
    if odd := sorted(set(expected) ^ set(actual)):
        raise ValueError(f"memory of {rule}: {len(odd)} arrays are missing or extra, first {odd[0]!r}")
