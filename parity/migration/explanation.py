"""Why values part: the layers and functions between the last values that agree and the first that do not.

Layers of one kind are compared number by number. A number is the cause where numpy, given TensorFlow's inputs and
weights, computes what Paddle computed with Paddle's number, and what TensorFlow computed with TensorFlow's.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.kinds import compute
from parity.kinds.kind import shown
from parity.migration.recorded_graph import RecordedGraph, RecordedStep
from parity.migration.recorded_pair import RecordedPair
from parity.migration.specs import FIRST, SECOND
from parity.migration.steps import paired_steps
from parity.migration.walk import Alignment, Parting, closest
from parity.numerics.arrays import Arrays
from parity.numerics.comparison import relative_gap
from parity.numerics.geometry import flattened_1x1
from parity.numerics.signature import Signature, alike, arrangement
from parity.printable import few
from parity.records.records import Diagnosis
from parity.workers.frameworks import FRAMEWORKS

UNKNOWN = "no known cause"  # how a text ends that says what differs and not why

AUXILIARY = ("other", "compare", "cast", "where", "reshape", "transpose")  # which are no cause by themselves

Change = tuple[str, Any, Any]  # a number, TensorFlow's value, Paddle's


@dataclass(frozen=True)
class Cause:
    """A cause, and the steps that it is about.

    Attributes:
        diagnosis: for the user.
        first: the TensorFlow step; None where it is about none.
        second: the Paddle step; None where it is about none.
        array: the name of an array that only one of the models has; empty where it is about none.
    """

    diagnosis: Diagnosis
    first: RecordedStep | None = None
    second: RecordedStep | None = None
    array: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from others."""
        return self.diagnosis.stage, self.diagnosis.change


@dataclass(frozen=True)
class Segment:
    """What lies between values that agree and the first that do not.

    Attributes:
        parting: the values that do not agree.
        operations: of each model, indices.
        steps: of each model, indices of layers and functions that made the values.
    """

    parting: Parting
    operations: tuple[list[int], list[int]]
    steps: tuple[list[int], list[int]]


def explain(pair: RecordedPair, walked: Alignment, partings: Sequence[Parting]) -> list[Cause]:
    """Find the causes of partings.

    Args:
        pair: whose graphs are those of a traced walk.
        walked: that walk.
        partings: of it, those that matter.

    Returns:
        The causes, in the order of the models, each once.

    Raises:
        WorkerError: a worker fails.
    """
    segments = [segment_of(pair, walked, parting) for parting in partings]
    causes, moved = _moved(pair, segments)
    for number, segment in enumerate(segments):
        if number in moved:
            continue
        for cause in _causes(pair, walked, segment):
            if cause.key not in {known.key for known in causes}:
                causes.append(cause)
    explained = [cause for cause in causes if not cause.diagnosis.text.endswith(UNKNOWN)]
    # a padding that is part of the next layer's step is explained there
    first = pair.graphs[FIRST]
    inside = {path for cause in explained for path in _merged_paths(first, cause.diagnosis.stage)}
    return [cause for cause in causes if cause in explained or cause.diagnosis.stage not in inside]


def _moved(pair: RecordedPair, segments: Sequence[Segment]) -> tuple[list[Cause], set[int]]:
    """Layers with arrays that stand at another place in the other model, and the segments that this explains."""
    causes, explained = [], set()
    graphs = pair.graphs[FIRST], pair.graphs[SECOND]
    for unit_pair in pair.alignment.pairs:
        units = [graphs[0].units[index] for index in unit_pair.first], [graphs[1].units[unit_pair.second]]
        at = [
            {
                number
                for number, segment in enumerate(segments)
                if any(set(unit.operations) & set(segment.operations[side]) for unit in units[side])
            }
            for side in (0, 1)
        ]
        if at[0] and at[1] and not at[0] & at[1]:
            one, other = units[0][0].path or units[0][0].arrays[0], units[1][0].path or units[1][0].arrays[0]
            first, second = (segments[min(places)] for places in at)
            after = _place(graphs[0], first.operations[0][:1], ())
            change = f"{one} stands at another place in Paddle"
            text = f"{one} / {other}: in TensorFlow it works on what {after} takes, in Paddle at another place"
            gap = second.parting.gap
            causes.append(Cause(Diagnosis(SECOND, one, "", text, gap, gap, change=change)))
            explained |= at[0] | at[1]
    return causes, explained


def _merged_paths(graph: RecordedGraph, name: str) -> set[str]:
    """The layers whose operations lie between the inputs and the output of a step."""
    for step in graph.steps:
        if step.name == name and step.output >= 0:
            operations, _ = graph.ancestors(step.output, set(step.inputs))
            return {graph.path_of(index) for index in operations}
    return set()


def segment_of(pair: RecordedPair, walked: Alignment, parting: Parting) -> Segment:
    """What lies between the values of a parting and those before it that agree.

    Args:
        pair: whose graphs are those of the walk.
        walked: the walk.
        parting: of it.
    """
    first, second = pair.graphs[FIRST], pair.graphs[SECOND]
    agreeing = {number: match.first for number, match in walked.matches.items() if match.gap <= pair.close.exact}
    agreeing.pop(parting.second, None)
    start = parting.first[0] if parting.first else -1
    while True:  # values of the same numbers in another order do not agree
        seconds, roots = second.ancestors(parting.second, agreeing) if parting.second >= 0 else ([], set())
        mixed = [n for n in roots if n in agreeing and not _in_order_of(pair, walked, agreeing[n], n)]
        if not mixed:
            break
        for number in mixed:
            del agreeing[number]
    if start in {agreeing.get(number) for number in roots}:
        firsts: list[int] = []  # what TensorFlow has there agrees already
    else:
        firsts = first.ancestors(start, set(agreeing.values()) - {start})[0] if start >= 0 else []
    # copies of a value that agrees, such as one without an axis of extent 1
    begin = [pair.signatures[agreeing[n]] for n in roots if agreeing.get(n) in pair.signatures]
    firsts = [index for index in firsts if not _copies(pair, index, begin, start)]
    operations = [i for i in firsts if first.on_data(i)], [i for i in seconds if second.on_data(i)]
    return Segment(parting, operations, (_steps(first, operations[0]), _steps(second, operations[1])))


def _copies(pair: RecordedPair, index: int, begin: Sequence[Signature], start: int) -> bool:
    """Whether a TensorFlow operation makes nothing but the numbers of one of these values."""
    made = [n for n in pair.graphs[FIRST].operations[index].outputs if n in pair.signatures]
    return (
        bool(made)
        and start not in made
        and all(any(alike(pair.signatures[n], one, pair.close.exact) for one in begin) for n in made)
    )


def _in_order_of(pair: RecordedPair, walked: Alignment, first: int, second: int) -> bool:
    one, other = pair.signatures.get(first), walked.signatures.get(second)
    if one is None or other is None or len(one.shape) < 2:
        return True
    return arrangement(one, other, pair.close.exact_order, pair.graphs[FIRST].flattened_from(first)) is not None


def _steps(graph: RecordedGraph, operations: Sequence[int]) -> list[int]:
    """Steps that make values of a segment, and those in which its last operation runs."""
    made = {number for index in operations for number in graph.operations[index].outputs}
    around: set[str] = set()
    call = graph.operations[operations[-1]].call if operations else -1
    while call >= 0:
        around.add(graph.calls[call].path)
        call = graph.calls[call].parent
    steps = [index for index, step in enumerate(graph.steps) if step.output in made or step.name in around]
    if steps or not operations:
        return steps
    last = operations[-1]  # of a padding, which is part of the next layer's step
    known = [index for index, step in enumerate(graph.steps) if min((step.output, *step.inputs)) >= 0 and step.inputs]
    covering = (
        index
        for index in known
        if last in graph.ancestors(graph.steps[index].output, set(graph.steps[index].inputs))[0]
    )
    return list(itertools.islice(covering, 1))


def _causes(pair: RecordedPair, walked: Alignment, segment: Segment) -> list[Cause]:
    first, second = pair.graphs[FIRST], pair.graphs[SECOND]
    pairs, only_first, only_second = paired_steps(pair, *segment.steps)
    causes: list[Cause] = []
    for one, other in pairs:
        steps = first.steps[one], second.steps[other]
        causes += [Cause(found, *steps) for found in _step_causes(pair, walked, segment, one, other)]
    for framework, graph, only in ((FIRST, first, only_first), (SECOND, second, only_second)):
        for index in only:
            step = graph.steps[index]
            if step.what.identity_in_inference or step.kind in AUXILIARY or _has_counterpart(pair, framework, step):
                continue
            change = f"({step}) exists in {FRAMEWORKS[framework].title} only"
            gap = segment.parting.gap
            found = Diagnosis(
                framework, step.name, step.what.missing_trap, f"{step.name} {change}", gap, gap, change=change
            )
            causes.append(Cause(found, *((step, None) if framework == FIRST else (None, step))))
    alone = _arrays_alone(pair, walked, segment)
    if not causes and not alone:
        causes = [Cause(found) for found in _mask_causes(pair, segment)]
    return [*alone, *causes] or [Cause(_unexplained(pair, walked, segment))]


def _mask_causes(pair: RecordedPair, segment: Segment) -> list[Diagnosis]:
    """A mask that only one of the models makes of its input."""
    masks = []
    for side, framework in enumerate((FIRST, SECOND)):
        graph = pair.graphs[framework]
        made = [number for index in segment.operations[side] for number in graph.operations[index].outputs]
        masks.append(any(graph.values[number].dtype == "bool" for number in made))
    if masks[0] == masks[1]:
        return []
    has = FRAMEWORKS[FIRST if masks[0] else SECOND].title
    where = _place(pair.graphs[FIRST], segment.operations[0], segment.parting.first)
    change, gap = f"mask: {has} has one, the other has none", segment.parting.gap
    return [Diagnosis(SECOND, where, "", f"{where}: {change}", gap, gap, change=change)]


def _has_counterpart(pair: RecordedPair, framework: str, step: RecordedStep) -> bool:
    """Whether a layer's arrays are those of a layer of the other model."""
    graph = pair.graphs[framework]
    units = (
        {index for index, unit in enumerate(graph.units) if unit.path.startswith(step.name)} if step.layer else set()
    )
    taken = {
        index
        for unit_pair in pair.alignment.pairs
        for index in (unit_pair.first if framework == FIRST else (unit_pair.second,))
    }
    return bool(units & taken)


def _arrays_alone(pair: RecordedPair, walked: Alignment, segment: Segment) -> list[Cause]:
    """Arrays in a segment that the other model does not have."""
    causes = []
    for side, framework in enumerate((FIRST, SECOND)):
        graph = pair.graphs[framework]
        inside = frozenset().union(*(graph.arrays_of(index) for index in segment.operations[side]))
        for name in pair.alignment.alone[side]:
            if name in inside:
                shape = "x".join(map(str, pair.opened[framework].arrays[name]["shape"])) or "1"
                path = next(unit.path for unit in graph.units if name in unit.arrays)
                change = f"the array {name} ({shape}) exists in {FRAMEWORKS[framework].title} only"
                gap = segment.parting.gap
                found = Diagnosis(framework, path or name, "", f"{path}: {change}", gap, gap, change=change)
                causes.append(Cause(found, array=name))
    return causes


def _unexplained(pair: RecordedPair, walked: Alignment, segment: Segment) -> Diagnosis:
    first, second = pair.graphs[FIRST], pair.graphs[SECOND]
    where = _place(first, segment.operations[0], segment.parting.first)
    gap = segment.parting.gap
    if "another order" in segment.parting.why:
        change = "the numbers are the same ones in another order: a transpose or reshape differs"
        return Diagnosis(SECOND, where, "", f"{where}: {change}", gap, gap, change=change)
    texts = [
        f"{FRAMEWORKS[framework].title} computes {_listed(graph, operations, steps)}"
        for framework, graph, operations, steps in (
            (FIRST, first, segment.operations[0], segment.steps[0]),
            (SECOND, second, segment.operations[1], segment.steps[1]),
        )
    ]
    measured = "" if math.isnan(gap) else f", which differ by {gap:.1e}" if math.isfinite(gap) else ", of other shapes"
    begin = _first_operations(pair, walked, segment)
    text = f"{where}: {texts[0]}; {texts[1]}{measured}{begin}; {UNKNOWN}"
    return Diagnosis(SECOND, where, "", text, gap, gap, change=segment.parting.why)


def _first_operations(pair: RecordedPair, walked: Alignment, segment: Segment) -> str:
    """The first Paddle operation that makes of values that agree one that does not, and TensorFlow's on the same."""
    first, second = pair.graphs[FIRST], pair.graphs[SECOND]
    for index in segment.operations[1]:
        operation = second.operations[index]
        inputs = [n for n in operation.inputs if second.data[n]]
        known = [
            walked.matches[n].first for n in inputs if n in walked.matches and walked.matches[n].gap <= pair.close.exact
        ]
        if len(known) < len(inputs) or any(
            n in walked.matches and n != segment.parting.second for n in operation.outputs
        ):
            continue
        users = [first.operations[user].name for n in known for user in first.consumers.get(n, [])]
        if users:
            return (
                f". It begins with {operation.name} in Paddle, where TensorFlow has {few(list(dict.fromkeys(users)))}"
            )
    return ""


def _listed(graph: RecordedGraph, operations: Sequence[int], steps: Sequence[int]) -> str:
    names = [graph.steps[index].name for index in steps] or [graph.operations[index].name for index in operations]
    return few(names) if names else "nothing"


def _place(graph: RecordedGraph, operations: Sequence[int], values: Sequence[int]) -> str:
    """The name of the layer in which a segment lies: the innermost that is not the model itself."""
    candidates = [*reversed(operations), *(graph.producer[v] for v in values if v in graph.producer)]
    for index in candidates:
        call = graph.operations[index].call
        if call >= 0 and graph.calls[call].parent >= 0:
            return graph.calls[call].path
    return graph.operations[candidates[0]].name if candidates else "input"


def _step_causes(pair: RecordedPair, walked: Alignment, segment: Segment, one: int, other: int) -> list[Diagnosis]:
    """In what two corresponding steps differ, confirmed by a reference where there is one."""
    first, second = pair.graphs[FIRST].steps[one], pair.graphs[SECOND].steps[other]
    changes = changes_of(first, second)
    where = f"{first.name} / {second.name}"
    if not changes:
        return _order_causes(pair, walked, segment, where, first, second)
    inputs, arrays = _inputs(pair, first), pair.workers[FIRST].read_step_arrays(pair.name, one)
    effects = {key: _effect(first, _with(first, second, key), inputs, arrays) for key, _, _ in changes}
    if len(changes) > 1:  # those that change nothing on these inputs, or only what the rest of the model undoes
        finite = any(effect is None or pair.close.confirmed < effect < math.inf for effect in effects.values())
        undone = finite and math.isfinite(segment.parting.gap)
        changes = [
            change
            for change in changes
            if (effect := effects[change[0]]) is None
            or (effect > pair.close.confirmed and not (undone and effect == math.inf))
        ]
    confirmed = _confirmed(pair, first, inputs, arrays)
    causes = []
    for key, a, b in changes:
        effect = effects[key]
        before = segment.parting.gap if effect is None or not math.isfinite(effect) else effect
        if math.isnan(before) and confirmed is not None:  # nothing was measured that could fall
            continue
        label = first.what.label(key) if key != "kind" else "layer"
        change = f"{label}: TensorFlow has {shown(a)}, Paddle {shown(b)}"
        tail = f"; with {shown(a)} the gap falls from {before:.1e} to {confirmed:.1e}" if confirmed is not None else ""
        after = confirmed if confirmed is not None else math.nan
        trap = first.what.traps.get(key, "")
        causes.append(Diagnosis(SECOND, first.name, trap, f"{where}: {change}{tail}", before, after, change=change))
    return causes


def _order_causes(
    pair: RecordedPair, walked: Alignment, segment: Segment, where: str, first: RecordedStep, second: RecordedStep
) -> list[Diagnosis]:
    """Whether two steps take the same values in another order."""
    own = [walked.matches[n].first if n in walked.matches else -1 for n in second.inputs]
    if not first.what.ordered or len(own) < 2 or list(first.inputs) == own:
        return []
    firsts = [pair.signatures.get(n) for n in first.inputs]
    seconds = [pair.signatures.get(n) for n in own]
    if None in firsts or None in seconds:
        return []
    order = [
        next((i for i, one in enumerate(firsts) if one and other and alike(one, other, pair.close.exact)), -1)
        for other in seconds
    ]
    if sorted(order) != list(range(len(firsts))) or order == sorted(order):
        return []
    names = [_made_by(pair.graphs[FIRST], n) or str(i + 1) for i, n in enumerate(first.inputs)]
    theirs = ", ".join(names[i] for i in order)
    what = "concatenation" if first.kind == "concat" else first.kind
    change = f"order of {what}: TensorFlow has {', '.join(names)}, Paddle {theirs}"
    gap = segment.parting.gap
    return [Diagnosis(SECOND, first.name, "", f"{where}: {change}", gap, 0.0, change=change)]


def _made_by(graph: RecordedGraph, number: int) -> str:
    """The layer in which a value was made, or the input that it is; empty for neither."""
    index = graph.producer.get(number)
    return graph.values[number].name if index is None else graph.path_of(index)


def changes_of(first: RecordedStep, second: RecordedStep) -> list[Change]:
    """Everything in which two corresponding steps differ in inference.

    Args:
        first: TensorFlow's.
        second: Paddle's.

    Returns:
        A number, TensorFlow's value of it and Paddle's; "function" for two activations, "kind" for two kinds.
    """
    one, other = first.what, second.what
    if first.kind != second.kind:
        return [("kind", first.kind, second.kind)]
    if one.key != other.key:
        return [("function", one.key, other.key)]
    names = [field.name for field in dataclasses.fields(one) if field.name not in one.training_only]
    both = [(name, getattr(one, name), getattr(other, name)) for name in names]
    return [(name, a, b) for name, a, b in both if not _alike(a, b)]


def _alike(a: Any, b: Any) -> bool:
    """Whether two numbers are the same but for rounding to float32."""
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=2.0**-23)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(_alike, a, b))
    return bool(a == b)


def _with(first: RecordedStep, second: RecordedStep, key: str) -> tuple[str, Mapping[str, Any]]:
    """Kind and numbers of the TensorFlow step with one of Paddle's numbers."""
    if key in ("kind", "function"):
        return second.kind, second.numbers
    return first.kind, first.numbers | {key: getattr(second.what, key)}


def _inputs(pair: RecordedPair, step: RecordedStep) -> list[np.ndarray] | None:
    """TensorFlow's inputs of a step, canonical; None where one is not known."""
    if not step.inputs or any(number < 0 for number in step.inputs):
        return None
    values = pair.workers[FIRST].read_values(pair.name, step.inputs)
    arrays = [values[str(number)] for number in step.inputs]
    return [array.reshape(len(array), *flattened_1x1(array.shape[1:])) if array.ndim else array for array in arrays]


def _effect(
    first: RecordedStep, changed: tuple[str, Mapping[str, Any]], inputs: list[np.ndarray] | None, arrays: Arrays
) -> float | None:
    """By how much a change of numbers changes what a step makes of TensorFlow's inputs; None without a reference."""
    if inputs is None:
        return None
    try:
        expected = compute(first.kind, first.numbers, inputs, arrays)
        actual = compute(*changed, inputs, arrays)
    except (ValueError, KeyError, IndexError, TypeError):
        return None
    return relative_gap(expected, actual) if expected.shape == actual.shape else math.inf


def _confirmed(
    pair: RecordedPair, first: RecordedStep, inputs: list[np.ndarray] | None, arrays: Arrays
) -> float | None:
    """How far the reference is from what TensorFlow computed; None where there is none, or it is far."""
    if inputs is None or first.output < 0:
        return None
    try:
        expected = compute(first.kind, first.numbers, inputs, arrays)
    except (ValueError, KeyError, IndexError, TypeError):
        return None
    own = pair.workers[FIRST].read_values(pair.name, [first.output])[str(first.output)]
    made = closest(own, expected)
    gap = math.inf if made is None or made.shape != expected.shape else relative_gap(made, expected)
    return gap if gap <= pair.close.confirmed else None
