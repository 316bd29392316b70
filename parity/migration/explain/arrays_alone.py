"""Arrays of a segment that one of the models has alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

from parity.migration.align.found import Parting
from parity.migration.align.recorded_graph import RecordedGraph, Unit
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.explain.causes import Cause
from parity.migration.explain.segments import Segment
from parity.migration.explain.weight_norm import DIRECTION, LENGTH
from parity.migration.specs import FIRST, SECOND
from parity.records.records import Diagnosis
from parity.workers.frameworks import FRAMEWORKS


def arrays_alone(pair: RecordedPair, segment: Segment) -> list[Cause]:
    """What is said of arrays that the other model does not have.

    Args:
        pair: after a walk.
        segment: of it.

    Returns:
        One cause for each layer that has some; for layers of Paddle that are copies of one that TensorFlow uses several
        times, one for all of them.
    """
    names: tuple[list[str], list[str]] = ([], [])
    for side, framework in enumerate((FIRST, SECOND)):
        graph = pair.graphs[framework]
        inside = frozenset[str]().union(*(graph.arrays_of(index) for index in segment.operations[side]))
        names[side].extend(name for name in pair.alignment.alone[side] if name in inside)
    if not any(names):
        return []
    if (shared := _shared(pair, segment, names[1])) is not None:
        return [shared]
    own = _unlike(pair, segment, names)
    if (sized := _other_axis(pair, segment, own)) is not None:
        return [sized]
    causes = []
    for side, framework in enumerate((FIRST, SECOND)):
        for unit in pair.graphs[framework].units:
            if mine := sorted(name for name in unit.arrays if name in own[side]):
                causes.append(_cause(pair, segment, framework, unit, mine, names))
    return causes


def arrays_of_one_model(pair: RecordedPair) -> list[Cause]:
    """As `arrays_alone`, of the whole models: where outputs are whole numbers, no values part that could be compared.

    Args:
        pair: after a walk.
    """
    operations = [list(range(len(pair.graphs[framework].operations))) for framework in (FIRST, SECOND)]
    whole = Segment(Parting((), -1, -1, math.nan, ""), (operations[0], operations[1]), ([], []))
    return arrays_alone(pair, whole)


def _cause(
    pair: RecordedPair,
    segment: Segment,
    framework: str,
    unit: Unit,
    mine: Sequence[str],
    names: tuple[list[str], list[str]],
) -> Cause:
    shapes = {name: "x".join(map(str, pair.opened[framework].arrays[name]["shape"])) or "1" for name in mine}
    listed = ", ".join(f"{name} ({shape})" for name, shape in shapes.items())
    what = "the array" if len(mine) == 1 else "the arrays"
    only = f"exist{'s' if len(mine) == 1 else ''} in {FRAMEWORKS[framework].title} only"
    roles = ", ".join(name.replace(".", "/").rpartition("/")[2] for name in mine)
    stage = unit.path or mine[0]
    if framework == SECOND:  # the TensorFlow layer that lacks them, where there is one
        graph = pair.graphs[FIRST]
        known = [one for one in pair.alignment.pairs if set(one.arrays) & set(unit.arrays)]
        lacking = [graph.units[index] for one in known for index in one.first]
        lacking += [one for one in graph.units if set(one.arrays) & set(names[0])]
        stage = next((one.path for one in lacking if one.path), stage)
    gap = segment.parting.gap
    text = f"{unit.path or stage}: {what} {listed} {only}"
    found = Diagnosis(framework, stage, "", text, gap, gap, change=f"{what} {roles} {only}")
    array = next((name for name in mine if not name.endswith(("bias", "beta"))), mine[0])
    return Cause(found, array=array, arrays=tuple(mine))


def _unlike(pair: RecordedPair, segment: Segment, names: tuple[list[str], list[str]]) -> tuple[set[str], set[str]]:
    """Of these arrays those that have none of the same size on the other side; all of them, where each has one."""
    kept = [name for name in pair.alignment.kept if name in _inside(pair.graphs[SECOND], segment.operations[1])]
    left = [_sizes(pair, FIRST, names[0]), _sizes(pair, SECOND, [*names[1], *kept])]
    for alike in (_same_name, lambda *_: True):  # a bias is a bias first
        for name, size in list(left[0].items()):
            if same := next((other for other, own in left[1].items() if own == size and alike(name, other)), None):
                del left[0][name], left[1][same]
    own = set(left[0]), set(left[1]) & set(names[1])
    return own if any(own) else (set(names[0]), set(names[1]))


def _same_name(one: str, other: str) -> bool:
    return one.rpartition("/")[2] == other.rpartition(".")[2]


def _other_axis(pair: RecordedPair, segment: Segment, own: tuple[set[str], set[str]]) -> Cause | None:
    """That Paddle's weight norm has as many lengths as another axis of the weight has extent."""
    if len(own[0]) != 1 or len(own[1]) != 1 or not next(iter(own[1])).endswith(LENGTH):
        return None
    (one,), (other,) = own
    sizes = [math.prod(pair.opened[f].arrays[name]["shape"]) for f, name in ((FIRST, one), (SECOND, other))]
    weight = pair.opened[SECOND].arrays[f"{other[: -len(LENGTH)]}{DIRECTION}"]["shape"]
    if (axis := next((axis for axis, extent in enumerate(weight) if extent == sizes[0]), None)) is None:
        return None
    stage = next(unit.path or one for unit in pair.graphs[FIRST].units if one in unit.arrays)
    gap = segment.parting.gap
    change = f"weight norm along another axis: TensorFlow has {one} ({sizes[0]}), Paddle {other} ({sizes[1]})"
    found = Diagnosis(SECOND, stage, "", f"{stage} / {other.rpartition('.')[0]}: {change}", gap, gap, change=change)
    return Cause(found, todo={SECOND: f"nn.utils.weight_norm(..., dim={axis})"})


def _inside(graph: RecordedGraph, operations: Sequence[int]) -> frozenset[str]:
    return frozenset[str]().union(*(graph.arrays_of(index) for index in operations))


def _sizes(pair: RecordedPair, framework: str, names: Sequence[str]) -> dict[str, tuple[int, bool]]:
    """Of each array how many numbers it has, and whether they are trained."""
    facts = pair.opened[framework].arrays
    return {name: (math.prod(facts[name]["shape"]), facts[name]["trainable"]) for name in names}


def _shared(pair: RecordedPair, segment: Segment, names: Sequence[str]) -> Cause | None:
    """That TensorFlow uses one layer several times, and Paddle has as many of its own."""
    first, second = pair.graphs[FIRST], pair.graphs[SECOND]
    paired = {one.second for one in pair.alignment.pairs}
    copies = [u for index, u in enumerate(second.units) if set(u.arrays) & set(names) and index not in paired]
    for unit_pair in pair.alignment.pairs:
        original = second.units[unit_pair.second]
        paths = [first.units[index].path for index in unit_pair.first]
        calls = [call for call in first.calls if call.path in paths and call.parent >= 0]
        uses = max(len(calls), *(_uses(first, index) for index in unit_pair.first))
        like = [unit for unit in copies if _shapes(pair, unit) == _shapes(pair, original)]
        if like and uses > 1:
            stage = paths[0] or first.units[unit_pair.first[0]].arrays[0]
            own = ", ".join(unit.path or unit.arrays[0] for unit in like)
            change = f"{stage} is shared in TensorFlow, used {uses} times; Paddle has {own} with arrays of its own"
            gap = segment.parting.gap
            return Cause(Diagnosis(SECOND, stage, "", f"{stage} / {original.path}: {change}", gap, gap, change=change))
    return None


def _uses(graph: RecordedGraph, index: int) -> int:
    """How often the first of a unit's arrays is taken."""
    name = graph.units[index].arrays[0]
    return sum(name in graph.arrays_of(operation) for operation in graph.units[index].operations)


def _shapes(pair: RecordedPair, unit: Unit) -> list[tuple[int, ...]]:
    return sorted(tuple(pair.opened[SECOND].arrays[name]["shape"]) for name in unit.arrays)
