"""Weight maps that could not be found, so that outputs that differ prove nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

import numpy as np

from parity.migration.align.found import Alignment, Parting, UnitPair
from parity.migration.align.parallel_layers import MOST_ORDERED, joined_groups
from parity.migration.align.recorded_graph import RecordedGraph, Unit
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.align.unit_candidates import with_second_bias
from parity.migration.explain.causes import Cause
from parity.migration.explain.explanation import explain, same_inputs_of
from parity.migration.explain.relevance import reaching, relevant
from parity.migration.explain.segments import segment_of
from parity.migration.explain.steps import paired_steps
from parity.migration.prove.inputs import InputSet
from parity.migration.specs import FIRST, SECOND
from parity.printable import few
from parity.workers.frameworks import FRAMEWORKS

MOST_AXES = 3  # of an array of blocks; that of a convolution has four

# how the names begin of operations that run a whole saved program
WHOLE_PROGRAMS = ("__inference_", "PartitionedCall", "StatefulPartitionedCall", "run_program", "pir_run_program")

SLICING = ("slice", "split", "getitem", "unbind", "unstack")  # in names of operations, of either framework

BLOCKS = range(2, 9)  # gates, or queries, keys and values, that an array may hold next to each other


def unsettled_maps(pair: RecordedPair, inputs: InputSet) -> list[str]:
    """What could not be established where outputs differ, if that may come of the weight map alone.

    Args:
        pair: aligned, whose outputs differ on these inputs in numbers alone.
        inputs: on which they do.

    Returns:
        A line for each layer whose map was not found, with the gap that is left and the shapes. None where values part
        at a place whose map is certain, or where the difference is explained whatever the map is.

    Raises:
        WorkerError: a worker fails.
    """
    alone = _of_programs(pair) or _alone(pair)
    doubtful = [unit_pair for unit_pair in pair.alignment.pairs if _doubtful(pair, unit_pair)]
    many = any(len(unit_pair.rivals) >= MOST_ORDERED for unit_pair in pair.alignment.pairs)
    if not alone and not doubtful and not many:
        return []
    walked = pair.walk_again(inputs.arrays, traced=True)
    doubtful = [unit_pair for unit_pair in doubtful if unit_pair.tied or not _known_kind(pair, unit_pair)]
    apart = [parting for parting in relevant(pair, walked, walked.partings) if not parting.rounding]
    inside = [parting for parting in apart if _within(pair, walked, parting, doubtful)]
    groups = {id(parting): _unordered(pair, walked, parting) for parting in apart} if many else {}
    inside += [parting for parting in apart if parting not in inside and groups.get(id(parting))]
    if (not alone and len(inside) < len(apart)) or not (alone or inside):
        return []
    if any(_proven(pair, walked, cause) for cause in explain(pair, walked, walked.partings)):
        return []
    gaps = [parting.gap for parting in inside if math.isfinite(parting.gap)]
    left = f"; the likeliest one leaves a gap of {min(gaps):.1e}" if gaps else ""
    within = [one for one in doubtful if any(_within(pair, walked, parting, [one]) for parting in inside)]
    lines = [f"{_shapes(pair, one)}: no layout that was tried makes values agree{left}" for one in within]
    orders = list(dict.fromkeys(line for parting in inside for line in groups.get(id(parting), ())))
    return [*alone, *lines, *orders]


def _unordered(pair: RecordedPair, walked: Alignment, parting: Parting) -> list[str]:
    """Layers side by side that join where values part, and of which not every order was tried."""
    there = replace(walked, pairs=pair.alignment.pairs, partings=[parting])
    first, second = pair.graphs[FIRST], pair.graphs[SECOND]
    lines = []
    for group in joined_groups(second, there):
        if len(group) > MOST_ORDERED:
            ones = [_title(first.units[index]) for own in group for index in own.first]
            others = [_title(second.units[own.second]) for own in group]
            lines.append(
                f"{few(ones)} and {few(others)}: {len(group)} layers side by side, of which values do not show which "
                "is which, and in no order that was tried do they agree behind; `--map FILE` names those that belong "
                "together"
            )
    return lines


def _proven(pair: RecordedPair, walked: Alignment, cause: Cause) -> bool:
    if cause.number == "kind" and not same_inputs_of(walked, cause):
        return False  # two steps that are no counterparts
    return cause.known and cause.diagnosis.after <= pair.close.confirmed


def _of_programs(pair: RecordedPair) -> list[str]:
    """Saved programs that run as one operation, and whose arrays have no counterpart: they cannot be told apart."""
    lines = []
    for framework, names in zip((FIRST, SECOND), pair.alignment.alone, strict=True):
        graph = pair.graphs[framework]
        whole = [index for index, operation in enumerate(graph.operations) if operation.name.startswith(WHOLE_PROGRAMS)]
        if any(graph.arrays_of(index) & set(names) for index in whole):
            lines.append(
                f"{pair.specs[framework].target} runs as one operation, so that drawn numbers do not show which of its "
                "arrays is which: `--weights own` puts them together by the numbers that both models have"
            )
    return lines


def _alone(pair: RecordedPair) -> list[str]:
    """Arrays without a counterpart of both models, of which or with which both have as many numbers.

    Among them are those behind a part of the run that was not seen.
    """
    known = {FIRST: pair.alignment.alone[0], SECOND: [*pair.alignment.alone[1], *pair.alignment.pieces]}
    unseen = tuple(_unseen(pair, name, {*known[name], *pair.alignment.kept}) for name in (FIRST, SECOND))
    alone = tuple([*names, *more] for names, more in zip(pair.alignment.alone, unseen, strict=True))
    totals = [
        sum(math.prod(pair.opened[framework].arrays[name]["shape"]) for name in names)
        for framework, names in zip((FIRST, SECOND), alone, strict=True)
    ]
    every = [
        sum(math.prod(pair.opened[framework].arrays[name]["shape"]) for name in pair.drawn(framework))
        for framework in (FIRST, SECOND)
    ]
    unused = [
        _partly_used(pair.graphs[framework], set(own)) for framework, own in zip((FIRST, SECOND), alone, strict=True)
    ]
    sizes = [
        [math.prod(pair.opened[framework].arrays[name]["shape"]) for name in names]
        for framework, names in zip((FIRST, SECOND), alone, strict=True)
    ]
    as_large = totals[0] == totals[1] or every[0] == every[1] or with_second_bias(*sizes)
    if not all(totals) or not (as_large or any(unused)):
        return []
    listed = "; ".join(
        f"{FRAMEWORKS[framework].title} has {_listed(pair, framework, names)}"
        for framework, names in zip((FIRST, SECOND), alone, strict=True)
    )
    line = f"no layout was found in which arrays correspond: {listed}; `--map FILE` names layers that belong together"
    if layers := [path for one in unused for path in one]:
        line += f"; a part of what {few(layers)} gives is not used, which no layout can pass over"
    if any(unseen):
        line += "; some of them take nothing of the input: code that leaves the framework (numpy) is not followed"
    return [line]


def _partly_used(graph: RecordedGraph, alone: AbstractSet[str]) -> list[str]:
    """Layers with arrays without a counterpart of whose features a part is never used."""
    reached = reaching(graph)
    found = []
    for unit in graph.units:
        made = [number for number in graph.outputs_of(unit) if number in reached] if alone & set(unit.arrays) else []
        for number in made:
            users = [graph.operations[index] for index in graph.consumers.get(number, [])]
            parts = [part for user in users for part in user.outputs if part in reached]
            cut = all(any(word in user.name.lower() for word in SLICING) for user in users)
            if cut and _leave_features(graph.values[number].shape, [graph.values[part].shape for part in parts]):
                found.append(_title(unit))
    return list(dict.fromkeys(found))


def _leave_features(whole: Sequence[int], parts: Sequence[Sequence[int]]) -> bool:
    """Whether slices of a value, along the axis of its features in either framework, are not all of it."""
    for axis in {1, len(whole) - 1} if len(whole) > 2 else {1}:
        others = [extent for place, extent in enumerate(whole) if place != axis]
        sliced = all(len(p) == len(whole) and [e for i, e in enumerate(p) if i != axis] == others for p in parts)
        if len(whole) > 1 and parts and sliced and sum(part[axis] for part in parts) < whole[axis]:
            return True
    return False


def _unseen(pair: RecordedPair, framework: str, known: AbstractSet[str]) -> list[str]:
    """Drawn arrays that operations take with no number of the input, apart from those whose fate is known.

    Such an operation takes what was made of the input in a way that was not recorded.
    """
    graph = pair.graphs[framework]
    taken = frozenset[str]().union(*(graph.arrays_of(index) for index in range(len(graph.operations))))
    seen = {name for unit in graph.units for name in unit.arrays}
    return [name for name in pair.drawn(framework) if name in taken and name not in seen | known]


def _doubtful(pair: RecordedPair, unit_pair: UnitPair) -> bool:
    """Whether arrays may hold blocks next to each other, such as gates, of which not every order was tried."""
    if unit_pair.tied is not None:
        return unit_pair.tied
    shapes = [tuple(pair.opened[SECOND].arrays[name]["shape"]) for name in unit_pair.arrays]
    shapes = [shape for shape in shapes if len(shape) <= MOST_AXES]
    extents = {extent for shape in shapes for extent in shape if extent > 1}
    wide = {shape[axis] for shape in shapes if len(shape) > 1 for axis in range(len(shape))}
    return any(other * count in wide for other in extents for count in BLOCKS)


def _known_kind(pair: RecordedPair, unit_pair: UnitPair) -> bool:
    """Whether both models have the arrays in layers of known kinds, which then hold the same numbers."""
    first, second = pair.graphs[FIRST], pair.graphs[SECOND]
    paths = {first.units[index].path for index in unit_pair.first}, second.units[unit_pair.second].path
    pairs, _, _ = paired_steps(pair, range(len(first.steps)), range(len(second.steps)))
    for one, other in pairs:
        steps = first.steps[one], second.steps[other]
        kinds = {step.kind for step in steps}
        if not (_inside(steps[0].name, paths[0]) and _inside(steps[1].name, {paths[1]})) or "other" in kinds:
            continue
        if "recurrent" in kinds and len(kinds) > 1:  # a cell by hand has its gates in any order
            continue
        arrays = [
            pair.workers[framework].read_step_arrays(pair.name, step.index)
            for framework, step in zip((FIRST, SECOND), steps, strict=True)
        ]
        # one of the biases of a recurrent layer may hold what the other lacks
        shared = {kind for kind in arrays[0].keys() & arrays[1].keys() if arrays[0][kind].ndim > 1}
        if shared and all(np.array_equal(arrays[0][kind], arrays[1][kind]) for kind in shared):
            return True
    return False


def _inside(name: str, paths: set[str]) -> bool:
    """Whether a step is the layer of a unit or holds it."""
    return any(path == name or path.startswith((f"{name}/", f"{name}.")) for path in paths)


def _within(pair: RecordedPair, walked: Alignment, parting: Parting, doubtful: Sequence[UnitPair]) -> bool:
    """Whether values part in a unit whose map is doubtful."""
    operations = set(segment_of(pair, walked, parting).operations[1])
    return any(operations & set(pair.graphs[SECOND].units[unit_pair.second].operations) for unit_pair in doubtful)


def _shapes(pair: RecordedPair, unit_pair: UnitPair) -> str:
    first, second = pair.graphs[FIRST], pair.graphs[SECOND]
    ones = [name for index in unit_pair.first for name in first.units[index].arrays]
    names = [_title(first.units[index]) for index in unit_pair.first]
    shapes = _listed(pair, FIRST, ones), _listed(pair, SECOND, unit_pair.arrays)
    where = f"{', '.join(names)} / {_title(second.units[unit_pair.second])}"
    return f"{where}: {shapes[0]} in TensorFlow, {shapes[1]} in Paddle"


def _title(unit: Unit) -> str:
    return unit.path or unit.arrays[0]


def _listed(pair: RecordedPair, framework: str, names: Sequence[str]) -> str:
    shapes = pair.opened[framework].arrays
    return few([f"{name} ({'x'.join(map(str, shapes[name]['shape'])) or '1'})" for name in names], 6)
