"""Two recorded models put together: every way to call the Paddle model, and layers that look alike in either order."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import replace

from parity.migration.align.alignment import best_alignment, disagreements
from parity.migration.align.found import Alignment, UnitPair
from parity.migration.align.parallel_layers import exchangeable, joined_groups, orders_by_name
from parity.migration.align.recorded_graph import RecordedGraph
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.own_weights.array_map import alignment_by
from parity.migration.specs import FIRST, SECOND, MatchError
from parity.numerics.arrays import Arrays
from parity.printable import few


def align(pair: RecordedPair, inputs: Arrays) -> Alignment:
    """Record both models on the same inputs and put them together.

    Args:
        pair: open.
        inputs: by name, [n, *shape], channels last.

    Returns:
        The alignment, which the pair has from then on; the Paddle model then has the TensorFlow model's weights.

    Raises:
        WorkerError: a model does not run.
        MatchError: the user's map does not fit the models, or values contradict it.
    """
    pair.record_first(inputs)
    if pair.own_map is not None:
        run = pair.workers[SECOND].record_run(pair.name, inputs)
        pair.graphs[SECOND] = RecordedGraph(run, set(pair.drawn(SECOND)))
        facts = pair.opened[FIRST].arrays, pair.opened[SECOND].arrays
        pair.alignment = alignment_by(pair.own_map, (pair.graphs[FIRST], pair.graphs[SECOND]), facts)
        pair.move()
        return pair.alignment
    best: Alignment | None = None
    axes: tuple[tuple[int, ...], ...] | None = pair.opened[SECOND].axes
    tried = 0
    while axes is not None:
        alignment = _best(pair, inputs)
        if best is None or _certified(alignment) > _certified(best):
            best, graph, pair.calling = alignment, pair.graphs[SECOND], tried
            pair.opened[SECOND] = replace(pair.opened[SECOND], axes=axes)
        if _certified(best) or not pair.graphs[SECOND].units:
            break
        axes = pair.workers[SECOND].try_next_calling(pair.name)
        tried += 1
    assert best is not None
    pair.alignment, pair.graphs[SECOND] = best, graph
    pair.move()
    return best


def _best(pair: RecordedPair, inputs: Arrays) -> Alignment:
    """The best alignment under one way to call the Paddle model."""

    def groups(alignment: Alignment) -> list[tuple[list[UnitPair], list[list[tuple[int, ...]]]]]:
        joined = joined_groups(pair.graphs[SECOND], alignment)
        return [(group, orders_by_name(group, pair.graphs[FIRST])) for group in joined]

    def likely(alignment: Alignment) -> list[UnitPair]:
        return exchangeable((pair.graphs[FIRST], pair.graphs[SECOND]), alignment, pair.signatures, pair.close)

    walk = functools.partial(pair.walk, inputs)
    given = _given(pair, inputs) if pair.layers else {}
    forced = {second: (first,) for second, first in given.items()}
    alignment = best_alignment(walk, forced, groups, likely)
    if given and (count := disagreements(alignment)):
        _require_better(pair, given, count, best_alignment(walk, None, groups, likely))
        alignment = best_alignment(walk, forced, groups, likely)
    return alignment


def _given(pair: RecordedPair, inputs: Arrays) -> dict[int, int]:
    """The user's map, as indices of Paddle units and TensorFlow units. Raises MatchError."""
    run = pair.workers[SECOND].record_run(pair.name, inputs)
    graphs = pair.graphs[FIRST], RecordedGraph(run, set(pair.drawn(SECOND)))
    paths = [{unit.path: index for index, unit in enumerate(graph.units)} for graph in graphs]
    given: dict[int, int] = {}
    for one, other in pair.layers.items():
        for name, known, ordinal in ((one, paths[0], "first"), (other, paths[1], "second")):
            if name not in known:
                listed = few(list(known), 8)
                raise MatchError(f"the map names {name!r}, which the {ordinal} model does not have; it has {listed}")
        if paths[1][other] in given:
            raise MatchError(f"the map gives {other!r} to two layers")
        sizes = [
            sum(math.prod(pair.opened[name].arrays[array]["shape"]) for array in graph.units[index].arrays)
            for name, graph, index in zip((FIRST, SECOND), graphs, (paths[0][one], paths[1][other]), strict=True)
        ]
        if sizes[0] != sizes[1]:
            raise MatchError(
                f"the map puts {one!r} ({sizes[0]} numbers) and {other!r} ({sizes[1]} numbers) together: "
                "they are of different shapes"
            )
        given[paths[1][other]] = paths[0][one]
    return given


def _require_better(pair: RecordedPair, given: Mapping[int, int], count: int, free: Alignment) -> None:
    """Raise MatchError where values agree better without the user's map, under which they part `count` times."""
    if disagreements(free) >= count:
        return
    first, second = pair.graphs[FIRST], pair.graphs[SECOND]
    for both in free.pairs:
        own = given.get(both.second)
        if own is not None and own not in both.first:
            found = ", ".join(repr(first.units[index].path) for index in both.first)
            one, other = first.units[own].path, second.units[both.second].path
            raise MatchError(
                f"the map puts {one!r} of TensorFlow and {other!r} of Paddle together, and values contradict it: those "
                f"of Paddle's {other!r} agree with TensorFlow's {found}. Correct this line, or leave it out"
            )
    raise MatchError(
        f"values contradict the map: with it they part at {count} places, without it at {disagreements(free)}"
    )


def _certified(alignment: Alignment) -> int:
    return sum(pair.certified for pair in alignment.pairs)
