"""The best of several walks: layers that structure cannot tell apart are tried both ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from parity.migration.align.found import Alignment

MOST_WALKS = 24

Forced = Mapping[
    int, tuple[int, ...]
]  # by index of a Paddle unit, the TensorFlow units that it must be put together with


def disagreements(alignment: Alignment) -> int:
    """How much speaks against an alignment.

    Args:
        alignment: of a walk.

    Returns:
        The number of places where values part by more than rounding to float32, and of arrays without a counterpart.
    """
    partings = sum(not parting.rounding for parting in alignment.partings)
    return partings + sum(map(len, alignment.alone))


def best_alignment(walk: Callable[[Forced], Alignment], given: Forced | None = None) -> Alignment:
    """Walk, and where values part walk again with layers exchanged that could not be told apart.

    Args:
        walk: one walk, with units that must be put together.
        given: such units, of every walk.

    Returns:
        The alignment with the fewest disagreements; its walk was the last one that ran.
    """
    forced = dict(given or {})
    best = walk(forced)
    walks, last = 1, dict(forced)
    improved = True
    while improved and disagreements(best) and walks < MOST_WALKS:
        improved = False
        for pair in reversed(best.pairs):
            for rival in pair.rivals:
                if pair.second in forced or walks >= MOST_WALKS:
                    continue
                last = forced | {pair.second: rival}
                other = walk(last)
                walks += 1
                if disagreements(other) < disagreements(best):
                    best, forced, improved = other, last, True
                    break
            if improved:
                break
    return best if last == forced else walk(forced)
