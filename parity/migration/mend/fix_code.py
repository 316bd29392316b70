"""From causes to changes of one of the models: what its layers should do otherwise, and the code for that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from parity.kinds.dropout import Dropout
from parity.kinds.elementwise import Scale
from parity.kinds.embedding import Embedding
from parity.kinds.kind import Kind
from parity.kinds.pad import ZeroPad
from parity.kinds.repairs import Repair, same
from parity.migration.align.recorded_graph import RecordedStep
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.explain.causes import Cause
from parity.migration.explain.segments import padding_layer
from parity.migration.mend.by_hand import by_hand as by_hand_line
from parity.migration.mend.by_hand import masked_alone, padded_by_code, place
from parity.migration.specs import FIRST, SECOND
from parity.printable import few
from parity.workers.client.recorded_models import Edit, WrittenChange

PASSED_ON = ("activation", "scale", "dropout", "batch_norm", "layer_norm", "group_norm")  # kinds that code can take out


ARRAYS = {"bias": "bias", "beta": "bias", "gamma": "scale", "weight": "scale"}  # vectors by their names

ALONE = "arrays alone"  # in the place of a cause's array: of two layers that are alone with theirs


@dataclass
class Draft:
    """Changes that have been written, and not been tried.

    Attributes:
        framework: whose model they change.
        changes: a layer each.
        names: of each change, the steps that it is about, of both models.
        causes: of each change, the indices of the causes that it removes.
        texts: of each cause, where it is.
        by_hand: of other causes, by index, what to do.
        head: code before the statements.
        helpers: and behind them.
    """

    framework: str
    changes: list[WrittenChange] = field(default_factory=list)
    names: list[set[str]] = field(default_factory=list)
    causes: list[set[int]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    by_hand: dict[int, str] = field(default_factory=dict)
    head: str = ""
    helpers: str = ""

    def code(self, chosen: Sequence[int]) -> str:
        """Source of `def fix(model)` that makes these of the changes; empty for none."""
        if not chosen:
            return ""
        statements = [line for index in chosen for line in self.changes[index]["statement"].splitlines()]
        code = "\n".join([self.head.strip("\n"), *(f"    {line}" for line in statements)]) + "\n"
        functions = self.helpers.strip("\n").split("\n\n\n")
        while needed := [one for one in functions if f"{_name(one)}(" in code]:
            functions = [one for one in functions if one not in needed]
            code += "".join(f"\n\n{one}\n" for one in needed)
        return code

    def lines(self, chosen: Sequence[int]) -> list[str]:
        """What the user changes, a line for all layers that change alike."""
        alike: dict[str, list[int]] = {}
        for index in chosen:
            alike.setdefault(self.changes[index]["short"], []).append(index)
        lines = []
        for short, members in alike.items():
            names = [self.changes[index]["name"] for index in members]
            constructors = {self.changes[index]["constructor"] for index in members}
            made = constructors.pop() if len(constructors) == 1 else short
            lines.append(f"in {few(names)}: {made}")
        return lines

    def alike(self) -> list[list[int]]:
        """The changes in groups of those that are the same."""
        groups: dict[str, list[int]] = {}
        for index, change in enumerate(self.changes):
            groups.setdefault(change["short"], []).append(index)
        return list(groups.values())


def _name(function: str) -> str:
    """Of a function, by its source."""
    return function.removeprefix("def ").partition("(")[0]


def draft_fix(
    pair: RecordedPair,
    causes: Sequence[Cause],
    matched: Sequence[tuple[RecordedStep, RecordedStep]],
    framework: str = SECOND,
    *,
    training: bool = False,
) -> Draft:
    """Write the changes that should make one model compute what the other one does.

    Args:
        pair: with a traced run of the models as they are.
        causes: of its differences.
        matched: the steps of both models that correspond.
        framework: whose model changes.
        training: whether to change numbers that matter in training only, too.

    Raises:
        WorkerError: the worker fails.
    """
    causes = _with_lone_layers(pair, causes)
    edits: list[Edit] = []
    about: list[tuple[int, set[str]]] = []  # of each edit, the index of its cause and the names of its steps
    by_hand: dict[int, str] = {}
    for index, cause in enumerate(causes):
        found = list(_edits(pair, cause, matched, framework))
        if not found:
            by_hand[index] = by_hand_line(pair, cause, matched, framework)
        for edit in found:
            edits.append(edit)
            about.append((index, {step.name for step in (cause.first, cause.second) if step is not None}))
    if training:
        caused = {step.name for cause in causes if cause.training for step in (cause.first,) if step is not None}
        left = [both for both in matched if both[0].name not in caused]
        for edit, names in _training_edits(pair, left, framework):
            edits.append(edit)
            about.append((-1, names))
    reply = pair.workers[framework].write_fix(pair.name, edits)
    for number, hint in reply["open"].items():
        index, _ = about[int(number)]
        if index >= 0:
            by_hand[index] = by_hand_line(pair, causes[index], matched, framework, hint, edits[int(number)]["name"])
    # what one layer needs for a cause is of no use without the rest
    texts = [place(cause) for cause in causes]
    draft = Draft(framework, texts=texts, by_hand=by_hand, head=reply["head"], helpers=reply["helpers"])
    for change in reply["changes"]:
        draft.changes.append(change)
        draft.names.append({change["name"]}.union(*(about[number][1] for number in change["edits"])))
        draft.causes.append({about[number][0] for number in change["edits"] if about[number][0] >= 0})
    return draft


def _edits(
    pair: RecordedPair, cause: Cause, matched: Sequence[tuple[RecordedStep, RecordedStep]], framework: str
) -> Iterator[Edit]:
    mine, other = (cause.first, cause.second) if framework == FIRST else (cause.second, cause.first)
    if cause.training and mine is not None and other is not None:
        yield edit_of(pair, mine, _with_training(other.what, mine.what), framework)
    elif framework == FIRST and masked_alone(mine, other):  # by an embedding before it
        yield from _unmasking(pair)
    elif padded_by_code(pair, cause, framework):
        return
    elif mine is not None and other is not None and (padder := _padder(pair, mine, other, framework)):
        sides = [ZeroPad(step.numbers["padding"]).described() for step in (other, mine)]
        edit = edit_of(pair, mine, mine.what, framework)
        yield {**edit, "name": padder, "expected": sides[0], "actual": sides[1]}
    elif mine is not None and other is not None:
        yield edit_of(pair, mine, _without_training(other.what, mine.what), framework)
    elif mine is not None and isinstance(mine.what, Scale) and mine.what.dropout is not None:
        yield edit_of(pair, mine, Dropout(mine.what.dropout), framework)
    elif mine is not None and mine.kind in PASSED_ON:
        yield {**_bare(mine.name, remove=True), "layer": mine.layer}
    elif other is not None:  # which this model has not
        yield {**_bare(""), "expected": other.what.described(), "shape": _shape(pair, other, framework)}
    elif cause.diagnosis.change.startswith("mask") and framework == FIRST:
        yield from _unmasking(pair)
    elif cause.array:
        yield from _array_edits(pair, cause, matched, framework)


def _padder(pair: RecordedPair, mine: RecordedStep, other: RecordedStep, framework: str) -> str:
    """The layer that pads what a step takes, which is part of the step, where nothing else differs; else empty."""
    if not Repair(other.what, mine.what, None).only_in("padding"):
        return ""
    return padding_layer(pair.graphs[framework], mine)


def _unmasking(pair: RecordedPair) -> Iterator[Edit]:
    for step in pair.graphs[FIRST].steps:
        if isinstance(step.what, Embedding) and step.what.mask_zero:
            yield edit_of(pair, step, Embedding(), FIRST)


def _with_lone_layers(pair: RecordedPair, causes: Sequence[Cause]) -> list[Cause]:
    """The causes; where one layer of each model is alone with its arrays, they are about these two."""
    alone: tuple[set[str], set[str]] = set(), set()
    for cause in causes:
        if cause.array and not cause.array.endswith(("bias", "beta")):
            alone[cause.diagnosis.framework != FIRST].add(_owner(cause))
    if len(alone[0]) != 1 or len(alone[1]) != 1:
        return list(causes)
    first, second = (
        next((one for one in pair.graphs[framework].steps if {one.name} == names), None)
        for framework, names in zip((FIRST, SECOND), alone, strict=True)
    )
    if first is None or second is None:
        return list(causes)
    both = alone[0] | alone[1]
    return [Cause(one.diagnosis, first, second, array=ALONE) if _owner(one) in both else one for one in causes]


def _owner(cause: Cause) -> str:
    """The layer that holds the array that a cause is about."""
    return cause.array.rpartition("/" if cause.diagnosis.framework == FIRST else ".")[0]


def _array_edits(
    pair: RecordedPair, cause: Cause, matched: Sequence[tuple[RecordedStep, RecordedStep]], framework: str
) -> Iterator[Edit]:
    """A layer has a bias or a norm has a scale, and its counterpart has none."""
    has = cause.diagnosis.framework == framework
    path = _owner(cause)
    facts = pair.opened[cause.diagnosis.framework].arrays
    arrays = {ARRAYS.get(name[len(path) + 1 :], "") if len(facts[name]["shape"]) == 1 else "" for name in cause.arrays}
    if "" in arrays:
        return
    units = pair.graphs[FIRST].units, pair.graphs[SECOND].units
    pairs = [
        ({units[0][one].path for one in both.first}, {units[1][both.second].path}) for both in pair.alignment.pairs
    ]
    # layers whose arrays nothing put together, as something else differs there, too
    pairs += [({one.name}, {other.name}) for one, other in matched if one.shapes or other.shapes]
    for both in pairs:
        owners, others = both if cause.diagnosis.framework == FIRST else both[::-1]
        if cause.diagnosis.stage in owners or path in owners:
            for name in owners if has else others:
                yield from (_bare(name, array=array, has=not has) for array in sorted(arrays))
            return


def _training_edits(
    pair: RecordedPair, matched: Sequence[tuple[RecordedStep, RecordedStep]], framework: str
) -> Iterator[tuple[Edit, set[str]]]:
    for first, second in matched:
        mine, other = (first, second) if framework == FIRST else (second, first)
        if type(mine.what) is not type(other.what):
            continue
        numbers = mine.what.training_only
        if any(not same(getattr(mine.what, name), getattr(other.what, name)) for name in numbers):
            yield edit_of(pair, mine, _with_training(other.what, mine.what), framework), {first.name, second.name}


def _without_training(expected: Kind, actual: Kind) -> Kind:
    """What is expected but for what matters in training only, which stays."""
    if type(expected) is not type(actual):
        return expected
    return _replaced(expected, {name: getattr(actual, name) for name in actual.training_only})


def _with_training(expected: Kind, actual: Kind) -> Kind:
    """What there is but for what matters in training only."""
    return _replaced(actual, {name: getattr(expected, name) for name in actual.training_only})


def _replaced(kind: Kind, numbers: dict[str, Any]) -> Kind:
    return replace(kind, **numbers)


def edit_of(pair: RecordedPair, step: RecordedStep, expected: Kind, framework: str) -> Edit:
    """What is to be written so that a step computes another kind.

    Args:
        pair: with a traced run.
        step: of one of its models.
        expected: what the step shall compute.
        framework: whose step it is.
    """
    return {
        **_bare(step.name),
        "expected": expected.described(),
        "actual": step.what.described(),
        "shape": _shape(pair, step, framework),
        "layer": step.layer,
    }


def _bare(name: str, *, array: str = "", has: bool = False, remove: bool = False) -> Edit:
    return {
        "name": name,
        "expected": None,
        "actual": None,
        "shape": [],
        "layer": True,
        "array": array,
        "has": has,
        "remove": remove,
    }


def _shape(pair: RecordedPair, step: RecordedStep, framework: str) -> list[int]:
    """Of what a step takes; of another model's step, of what it takes there."""
    for graph in (pair.graphs[framework], *pair.graphs.values()):
        if step in graph.steps and step.inputs and step.inputs[0] >= 0:
            return list(graph.values[step.inputs[0]].shape)
    return []
