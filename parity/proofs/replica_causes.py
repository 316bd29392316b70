"""From gradients of replicas that are not what one process computes to the fault that makes them so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from parity.catalogue.replica_faults import PARTS, ReplicaFault
from parity.numerics.arrays import Arrays
from parity.numerics.comparison import FLOAT64_LIMIT, compare

ROUGH = 1e-6  # relative, of norms: a clipping constant may be a float32 number

EXACT = 1e-8  # relative residual below which a combination of gradients explains others; faults are whole factors


@dataclass(frozen=True)
class Explanation:
    """What is wrong, in a sentence, and the known faults that make exactly these numbers."""

    text: str
    faults: tuple[ReplicaFault, ...] = ()


NOT_REDUCED = Explanation(
    "gradients were not reduced over the replicas, in one step at least", (ReplicaFault.NOT_REDUCED,)
)


def gradient_cause(shares: Sequence[Arrays], expected: Arrays, actual: Arrays, count: int) -> Explanation | None:
    """What is wrong with the gradients of replicas, put as factors of one process's gradients.

    Args:
        shares: one process's gradients of each replica's share alone; those of the whole batch where shares depend on
            each other.
        expected: one process's gradients of the whole batch.
        actual: the replicas' gradients after their reduction.
        count: of the replicas.

    Returns:
        None where no known fault explains the gradients.

    Example:
        >>> one = {"fc/kernel": np.array([1.0, 2.0])}
        >>> gradient_cause([one], one, {"fc/kernel": np.array([2.0, 4.0])}, 2).text
        'the gradients are 2 times those of one process: added up over the replicas, not averaged'
    """
    if expected.keys() != actual.keys():
        return None
    factors = _factors([expected], actual)
    if factors is not None and np.isclose(factors[0], 1, rtol=EXACT):
        return None  # alike as a whole: what a single layer differs by is no fault of the reduction
    if factors is not None:
        return _scaled(float(factors[0]), count)
    factors = _factors(shares, actual) if len(shares) == count else None
    if factors is None:
        return None
    for rank, factor in enumerate(factors):
        if np.allclose(np.delete(factors, rank), 0, atol=EXACT):
            times = "" if np.isclose(factor, 1, rtol=EXACT) else f" times {factor:.4g}"
            return Explanation(
                f"the gradients are those of replica {rank}'s share alone{times}: all replicas took the same images",
                (ReplicaFault.ONE_SHARE_FOR_ALL,),
            )
    norms = [float(factor) * _norm(share) for factor, share in zip(factors, shares, strict=True)]
    cut = max(norms)
    whole = np.isclose(factors, 1 / count, rtol=ROUGH)  # those of replicas with smaller gradients
    if (whole | np.isclose(norms, cut, rtol=ROUGH)).all():
        return Explanation(
            f"each replica's gradients are cut to a norm of {count * cut:.4g} before they are averaged, not after",
            (ReplicaFault.CUT_BEFORE_THE_REDUCTION,),
        )
    weights = ", ".join(f"{factor:.4g}" for factor in factors)
    return Explanation(
        f"the gradients of the replicas' shares are weighted with {weights}: expected {1 / count:.4g} each"
    )


def short_share_cause(shares: Sequence[Arrays], actual: Arrays, missing: int) -> Explanation | None:
    """Whether the last replica's share lacks images, and its mean counts as much as the others'.

    Args:
        shares: one process's gradients of each replica's share alone, the last one's without its last images.
        actual: the replicas' gradients after their reduction.
        missing: how many images are left out.

    Returns:
        None where that does not explain the gradients.
    """
    factors = _factors(shares, actual)
    if factors is None or not np.allclose(factors, 1 / len(shares), rtol=EXACT):
        return None
    images = "an image" if missing == 1 else f"{missing} images"
    return Explanation(
        f"the last replica's share is short of {images}, and its mean is weighted like those of whole shares",
        (ReplicaFault.UNEVEN_SHARES,),
    )


def statistics_cause(shares: Sequence[Arrays], actual: Arrays) -> Explanation | None:
    """Whose running statistics the replicas have, where they do not have the mean of all.

    Args:
        shares: one process's running statistics after each replica's share alone; of several replicas.
        actual: the replicas'.

    Returns:
        None where they are no single replica's.
    """
    for rank, share in enumerate(shares):
        if share.keys() == actual.keys() and compare(share, actual, FLOAT64_LIMIT).passed:
            text = f"the running statistics are those of replica {rank}, not the mean over the replicas"
            return Explanation(text, (ReplicaFault.STATISTICS_OF_REPLICA_0,) if rank == 0 else ())
    return None


def _scaled(factor: float, count: int) -> Explanation:
    text = f"the gradients are {factor:.6g} times those of one process"
    parts = (ReplicaFault.PARTS_ADDED_UP,) if np.isclose(factor, PARTS, rtol=EXACT) else ()
    if np.isclose(factor, count, rtol=EXACT):
        return Explanation(f"{text}: added up over the replicas, not averaged", (ReplicaFault.ADDED_UP, *parts))
    if np.isclose(factor, 1 / count, rtol=EXACT):
        return Explanation(
            f"{text}: the loss is divided by the number of replicas, and the gradients are averaged as well",
            (ReplicaFault.DIVIDED_TWICE,),
        )
    if factor > 1 and np.isclose(factor, round(factor), rtol=EXACT):
        return Explanation(
            f"{text}: added up over {round(factor)} parts of a batch, and not divided by their number", parts
        )
    return Explanation(text)


def _factors(parts: Sequence[Arrays], actual: Arrays) -> np.ndarray | None:
    """The numbers by which the parts have to be multiplied to add up to the actual gradients; None: there are none."""
    names = list(actual)
    matrix = np.stack([_flat(part, names) for part in parts], axis=1)
    vector = _flat(actual, names)
    if not np.isfinite(matrix).all() or not np.isfinite(vector).all():
        return None
    factors = np.linalg.lstsq(matrix, vector)[0]
    residual = np.linalg.norm(matrix @ factors - vector)
    return factors if residual <= EXACT * np.linalg.norm(vector) else None


def _flat(arrays: Arrays, names: Sequence[str]) -> np.ndarray:
    return np.concatenate([arrays[name].reshape(-1) for name in names])


def _norm(arrays: Arrays) -> float:
    return float(np.linalg.norm(_flat(arrays, list(arrays))))
