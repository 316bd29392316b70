"""Tensors of TensorFlow in the order of axes that Paddle has."""

from __future__ import annotations

import operator

import numpy as np

from parity.migration.align.array_maps import turned
from parity.numerics.signature import Arrangement


def closest(theirs: np.ndarray, own: np.ndarray, order: tuple[int, ...] = ()) -> np.ndarray | None:
    """A TensorFlow tensor in the order of axes of a Paddle tensor, the order in which they are most alike.

    Args:
        theirs: TensorFlow's.
        own: Paddle's, which differs.
        order: of axes that other tensors of this rank have; another one is taken where it comes much nearer.

    Returns:
        Of Paddle's shape where the sizes agree; else TensorFlow's, turned as maps are.
    """
    theirs = theirs.astype(np.float64)
    known = order if theirs.ndim == own.ndim else ()
    if known and theirs.size != own.size:
        return theirs.transpose(known)
    if theirs.size == own.size:
        distances: list[tuple[float, bool, np.ndarray]] = []
        rank = theirs.ndim
        plain = tuple(range(rank)), (0, rank - 1, *range(1, rank - 1)) if rank > 2 else ()
        usual = (known,) if known else plain
        for order in turned(theirs.shape, own.shape, {}):
            made = theirs.transpose(order).reshape(own.shape)
            with np.errstate(all="ignore"):
                distance = float(np.nansum(np.square(made - own)))
            distances.append((distance, order in usual, made))
        if not distances:
            return None
        likely = min((entry for entry in distances if entry[1]), key=operator.itemgetter(0), default=None)
        best = min(distances, key=operator.itemgetter(0))
        # among orders of which none comes near, the usual one
        return likely[2] if likely is not None and likely[0] <= 4 * best[0] else best[2]
    if theirs.ndim == own.ndim == 4:
        return np.moveaxis(theirs, -1, 1)
    return theirs if theirs.ndim == own.ndim else None


def channels_moved(made: Arrangement, rank: int) -> bool:
    """Whether maps [n, c, h, w] are made of [n, h, w, c], or volumes or sequences alike."""
    return made.split == made.split[:rank] and made.order == (0, rank - 1, *range(1, rank - 1))
