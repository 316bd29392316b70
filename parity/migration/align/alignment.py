"""The best of several walks: layers that structure cannot tell apart are tried both ways."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

from parity.migration.align.found import Alignment, UnitPair
from parity.migration.align.parallel_layers import MOST_ORDERED

MOST_WALKS = 24

# Groups of layers side by side that join where values of a walk part, and orders of large ones, see `parallel_layers`.
Groups = Callable[[Alignment], Sequence[tuple[Sequence[UnitPair], Sequence[Sequence[tuple[int, ...]]]]]]

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


def best_alignment(
    walk: Callable[[Forced], Alignment],
    given: Forced | None = None,
    groups: Groups = lambda alignment: (),
    likely: Callable[[Alignment], Sequence[UnitPair]] = lambda alignment: alignment.pairs[::-1],
) -> Alignment:
    """Walk, and where values part walk again with layers exchanged that could not be told apart.

    Args:
        walk: one walk, with units that must be put together.
        given: such units, of every walk.
        groups: of layers that are exchanged together where single exchanges do not help.
        likely: the pairs of a walk that may be wrong, in the order in which rivals of theirs are tried.

    Returns:
        The alignment with the fewest disagreements; its walk was the last one that ran.
    """
    forced = dict(given or {})
    best = walk(forced)
    walks, last = 1, dict(forced)
    improved = True
    while improved and disagreements(best) and walks < MOST_WALKS:
        improved = False
        for pair in likely(best):
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
    if last != forced:
        best, last = walk(forced), dict(forced)
    for group, orders in groups(best) if disagreements(best) else ():
        if any(pair.second in (given or {}) for pair in group):
            continue
        for order in _orders([pair.first for pair in group], orders):
            last = forced | {pair.second: first for pair, first in zip(group, order, strict=True)}
            other = walk(last)
            if disagreements(other) < disagreements(best):
                best, forced = other, last
                break
    return best if last == forced else walk(forced)


def _orders(
    units: Sequence[tuple[int, ...]], suggested: Sequence[Sequence[tuple[int, ...]]]
) -> list[tuple[tuple[int, ...], ...]]:
    """Other orders of TensorFlow units: all of a few, those that are suggested of many."""
    few = len(units) <= MOST_ORDERED
    orders = itertools.permutations(units) if few else (tuple(order) for order in suggested)
    return [order for order in dict.fromkeys(orders) if order != tuple(units)]
