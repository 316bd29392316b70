"""Layers side by side that nothing but what is done with them afterwards tells apart."""

from parity.migration.align.alignment import MOST_WALKS, Forced, best_alignment
from parity.migration.align.found import Alignment, Parting, UnitPair
from parity.migration.align.parallel_layers import orders_by_name
from parity.migration.align.recorded_graph import RecordedGraph, Unit

PLACES = (3, 2, 1, 0)  # of the TensorFlow units that Paddle's four units correspond to


def walk(forced: Forced) -> Alignment:
    """Values agree behind four units only once each has its own counterpart."""
    free = [index for index in range(4) if (index,) not in forced.values()]
    firsts = [forced[number] if number in forced else (free.pop(0),) for number in range(4)]
    rivals = [tuple((index,) for index in range(4) if (index,) != first) for first in firsts]
    pairs = [UnitPair(first, number, (f"w{number}",), True, rivals[number]) for number, first in enumerate(firsts)]
    right = [first[0] for first in firsts] == list(PLACES)
    return Alignment(pairs, partings=[] if right else [Parting((9,), 9, -1, 1.0, "before")])


def test_layers_that_all_change_places_are_found_together() -> None:
    best = best_alignment(walk, None, lambda alignment: [(alignment.pairs, [])])
    assert [pair.first[0] for pair in best.pairs] == list(PLACES)
    assert best.partings == []


def test_without_groups_only_single_layers_are_exchanged() -> None:
    walks = []

    def counted(forced: Forced) -> Alignment:
        walks.append(dict(forced))
        return walk(forced)

    assert best_alignment(counted).partings
    assert len(walks) <= MOST_WALKS + 1


def test_many_layers_are_ordered_by_the_numbers_in_their_names() -> None:
    graph = RecordedGraph({"values": [], "operations": [], "calls": [], "outputs": [], "steps": []}, ())
    graph.units = [Unit(f"expert_{number}", "Dense") for number in (10, 9, 1, 2, 3)]
    group = [UnitPair((index,), index, (), True) for index in range(5)]
    named = [graph.units[index].path for (index,) in orders_by_name(group, graph)[0]]
    assert named == ["expert_1", "expert_2", "expert_3", "expert_9", "expert_10"]
