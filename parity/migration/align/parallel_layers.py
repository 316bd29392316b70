"""Layers side by side, such as experts, each of which agrees with any of the others' counterparts until they join."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from parity.migration.align.closeness import Closeness
from parity.migration.align.found import Alignment, UnitPair
from parity.migration.align.recorded_graph import RecordedGraph
from parity.numerics.signature import Signature, arrangement

MOST_ORDERED = 4  # layers of which every order is tried; of more, those that names suggest


def joined_groups(graph: RecordedGraph, alignment: Alignment) -> list[list[UnitPair]]:
    """Groups of layers that structure cannot tell apart, and that join where values part.

    Args:
        graph: of the Paddle model.
        alignment: of a walk.

    Returns:
        Of each group the pairs in the order of the Paddle model; the TensorFlow units are those that its pairs have.
    """
    groups: dict[frozenset[tuple[int, ...]], list[UnitPair]] = {}
    for pair in alignment.pairs:
        if pair.certified and len(pair.first) == 1:
            alike = frozenset([pair.first, *(rival for rival in pair.rivals if len(rival) == 1)])
            for known in groups:
                if pair.first in known:
                    groups[known].append(pair)
                    break
            else:
                groups[alike] = [pair]
    joined = _joined(graph, alignment)
    return [own for own in groups.values() if len(own) > 1 and _parted(own, joined)]


def exchangeable(
    graphs: tuple[RecordedGraph, RecordedGraph],
    alignment: Alignment,
    signatures: Mapping[int, Signature],
    close: Closeness,
) -> list[UnitPair]:
    """Pairs whose TensorFlow unit may be a rival of the one that was taken, as far as a walk tells.

    Where values part that both models make of the same values, and none of these could be another one's, the layers
    before that are the right ones; but not where one of the values has equal axes that changed places, as the scores of
    an attention have whose queries are another's keys.

    Args:
        graphs: TensorFlow's and Paddle's.
        alignment: of a walk.
        signatures: of the TensorFlow values.
        close: what is near.

    Returns:
        The pairs, the last ones first.
    """
    parted = {pair.second for group in joined_groups(graphs[1], alignment) for pair in group}
    taken = {pair.first for pair in alignment.pairs}
    before = _before_other_values(graphs, alignment) | _before_turned_values(graphs[1], alignment, signatures, close)
    return [
        pair
        for pair in reversed(alignment.pairs)
        if not pair.certified
        or pair.second in parted
        or before & set(pair.arrays)
        or len(pair.first) > 1
        or any(len(rival) > 1 or rival not in taken for rival in pair.rivals)
    ]


def _before_other_values(graphs: tuple[RecordedGraph, RecordedGraph], alignment: Alignment) -> set[str]:
    """The Paddle arrays before values that part because they are others, or made of others, than TensorFlow's are."""
    matches = alignment.matches
    found: set[str] = set()
    for parting in alignment.partings:
        if parting.rounding or parting.second < 0:
            continue
        _, roots = graphs[1].ancestors(parting.second, set(matches) - {parting.second})
        stops = {match.first for number, match in matches.items() if number != parting.second}
        own = [graphs[0].ancestors(first, stops - {first})[1] for first in parting.first]
        another = parting.second in matches and matches[parting.second].first not in parting.first
        if another or set().union(*own) != {matches[root].first for root in roots if root in matches}:
            found |= _arrays(graphs[1], parting.second)
    return found


def _before_turned_values(
    graph: RecordedGraph, alignment: Alignment, signatures: Mapping[int, Signature], close: Closeness
) -> set[str]:
    """The Paddle arrays before values that agree but for the order of equal axes, where values made of them part."""
    matches = alignment.matches
    found: set[str] = set()
    for parting in alignment.partings:
        if parting.rounding or parting.second < 0:
            continue
        for root in graph.ancestors(parting.second, set(matches) - {parting.second})[1]:
            one, other = signatures.get(matches[root].first), alignment.signatures.get(root)
            if one is not None and other is not None and one.shape == other.shape:
                made = arrangement(one, other, close.exact_order)
                if made is None or not made.plain:
                    found |= _arrays(graph, root)
    return found


def _joined(graph: RecordedGraph, alignment: Alignment) -> list[list[frozenset[str]]]:
    """Of each value that parts, the arrays of every value that agrees and from which it is made."""
    places = []
    for parting in alignment.partings:
        if parting.rounding or parting.second < 0:
            continue
        _, roots = graph.ancestors(parting.second, set(alignment.matches) - {parting.second})
        places.append([_arrays(graph, root) for root in roots])
    return places


def _arrays(graph: RecordedGraph, value: int) -> frozenset[str]:
    operations, _ = graph.ancestors(value, set())
    return frozenset().union(*(graph.arrays_of(index) for index in operations))


def _parted(group: Sequence[UnitPair], places: Sequence[Sequence[frozenset[str]]]) -> bool:
    """Whether values part where two members of a group come together that were apart before."""
    for roots in places:
        members = [{number for number, pair in enumerate(group) if set(pair.arrays) & arrays} for arrays in roots]
        if len({frozenset(one) for one in members if len(one) == 1}) > 1:
            return True
    return False


def orders_by_name(group: Sequence[UnitPair], first: RecordedGraph) -> list[list[tuple[int, ...]]]:
    """Orders of the TensorFlow units of a large group that names or the run suggest: forwards and backwards.

    Args:
        group: of pairs.
        first: the TensorFlow graph.
    """
    units = [pair.first for pair in group]
    named = sorted(units, key=lambda one: _natural(first.units[one[0]].path))
    return [named, named[::-1], sorted(units), sorted(units, reverse=True)]


def _natural(path: str) -> list[tuple[int, int | str]]:
    """A key by which `expert_10` comes behind `expert_9`."""
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", path)]
