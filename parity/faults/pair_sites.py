"""Where the traps of a user's pair are put: which steps of the Paddle model, and the code that does it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from parity.faults.pair_change import Change, Site
from parity.faults.pair_changes import changes_of_site
from parity.kinds.kind import Kind
from parity.migration.align.recorded_graph import RecordedGraph, RecordedStep
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.align.walk import Alignment
from parity.migration.explain.segments import layer_before, padding_layer
from parity.migration.explain.steps import all_paired
from parity.migration.mend.fix_code import edit_of
from parity.migration.specs import FIRST, SECOND
from parity.numerics.signature import Signature, alike

T = TypeVar("T")

# kinds of steps, and names of operations, through which a mask goes
MASKS = (
    "cast",
    "where",
    "compare",
    "reshape",
    "transpose",
    "reduce",
    "scale",
    "multiply",
    "identity",
    "other",
    "slice",
)

VIEWS = ("cast", "unsqueeze", "squeeze", "reshape", "transpose", "expand", "logical_not", "logical_and", "sum", "scale")


@dataclass(frozen=True)
class PairFault:
    """A trap at one place of a Paddle model.

    Attributes:
        change: the trap.
        step: the Paddle step's name.
        first: of the TensorFlow step that corresponds; empty where none does.
        code: of the form `def fix(model): ...`.
        users: steps of either model that are as good a place to name: those that a mask reaches, further runs of a
            layer, the TensorFlow layer of whose work a function does a part, the layer before a function.
    """

    change: Change
    step: str
    first: str
    code: str
    users: tuple[str, ...] = ()


def pair_faults(
    pair: RecordedPair, walked: Alignment, *, traps: Sequence[str] = (), sites: int = 0, training: bool = False
) -> list[PairFault]:
    """Every trap at every step of a Paddle model that it can be put into.

    Args:
        pair: with a traced run.
        walked: how the values of that run belong together.
        traps: ids, only these; all if empty.
        sites: of one form of a trap at most as many, the first, the last and those between them; 0 for all.
        training: whether those that show in training mode only are among them.

    Returns:
        In the order of the model, a form of a trap after the other.

    Raises:
        WorkerError: the Paddle worker fails.
    """
    forms: dict[tuple[str, str], list[PairFault]] = {}
    graph = pair.graphs[SECOND]
    firsts = _counterparts(pair, walked)
    helpers = pair.workers[SECOND].write_fix(pair.name, [])["helpers"]
    for index, step in enumerate(graph.steps):
        calls = calls_of_line(graph, step)
        if step.output < 0 or step.name != calls[0]:
            continue
        for change in changes_of_site(_site(pair, step)):
            if (not traps or change.trap in traps) and (training or not change.training):
                users = [
                    *(_users(graph, index) if change.trap == "mask" else _again(graph, step)),
                    *(_sums(graph, step) if change.trap == "residual" else ()),  # of several terms
                    *(number for number, one in enumerate(graph.steps) if one.name in calls[1:]),
                ]
                if change.trap == "stride" and (after := _following(graph, step)) is not None:
                    users.append(graph.steps.index(after))
                names = [*(graph.steps[user].name for user in users), *(firsts.get(user, "") for user in users)]
                for user in (index, *users):
                    names += _inside_of(pair, walked, graph.steps[user], firsts) if user not in firsts else []
                    names += _before(pair, walked, graph.steps[user], firsts.get(user, ""))
                names += [*_padders(pair, step, firsts.get(index, "")), *_held_together(pair, step)]
                code = fault_code(calls, change.statement, helpers)
                places = tuple(dict.fromkeys(filter(None, names)))
                fault = PairFault(change, step.name, firsts.get(index, ""), code, places)
                forms.setdefault((change.trap, change.what), []).append(fault)
    return [fault for faults in forms.values() for fault in spread(faults, sites)]


def _counterparts(pair: RecordedPair, walked: Alignment) -> dict[int, str]:
    """By index of a Paddle step, the TensorFlow step that makes the same values, else the one paired with it."""
    first, second = pair.graphs[FIRST], pair.graphs[SECOND]
    pairs, _, _ = all_paired(pair)
    found = {other: first.steps[one].name for one, other in pairs}
    for index, step in enumerate(second.steps):
        value, match = walked.signatures.get(step.output), walked.matches.get(step.output)
        family = step.what.family or step.kind
        kin = [one for one in first.steps if (one.what.family or one.kind) == family and one.output >= 0]
        same = [one.name for one in kin if value and _alike(pair, one.output, value)]
        same += [one.name for one in kin if match is not None and one.output == match.first]
        if same and found.get(index) not in same:
            found[index] = same[0]
    return found


def _inside_of(pair: RecordedPair, walked: Alignment, step: RecordedStep, firsts: Mapping[int, str]) -> list[str]:
    """The TensorFlow steps that make the first known values behind a Paddle function: it does a part of their work."""
    graph, names = pair.graphs[SECOND], []
    known = {graph.steps[index].output: name for index, name in firsts.items()}
    reached, waiting = set(), [step.output]
    while waiting:
        value = waiting.pop(0)
        match = walked.matches.get(value)
        makers = [one.name for one in pair.graphs[FIRST].steps if match is not None and one.output == match.first]
        makers += [known[value]] if value in known else []
        names += makers
        if makers or value in reached:
            continue
        reached.add(value)
        for operation in graph.consumers.get(value, []):
            waiting += graph.operations[operation].outputs
    return names


def _before(pair: RecordedPair, walked: Alignment, step: RecordedStep, first: str) -> list[str]:
    """The TensorFlow layers behind which a function stands in either model, by which one of no layer is placed."""
    taken = [] if step.layer else [walked.matches[number].first for number in step.inputs if number in walked.matches]
    taken += [
        number for one in pair.graphs[FIRST].steps if one.name == first and not one.layer for number in one.inputs
    ]
    return [layer_before(pair.graphs[FIRST], number) for number in taken]


def _padders(pair: RecordedPair, step: RecordedStep, first: str) -> list[str]:
    """The layers of their own that pad what a step and its counterpart take, as part of which they are seen."""
    firsts = [one for one in pair.graphs[FIRST].steps if one.name == first]
    return [padding_layer(pair.graphs[SECOND], step), *(padding_layer(pair.graphs[FIRST], one) for one in firsts)]


def _alike(pair: RecordedPair, number: int, value: Signature) -> bool:
    own = pair.signatures.get(number)
    return own is not None and alike(own, value, pair.close.exact)


def _again(graph: RecordedGraph, step: RecordedStep) -> list[int]:
    """Further runs of a layer."""
    if not step.layer:
        return []
    return [index for index, other in enumerate(graph.steps) if other.name.startswith(f"{step.name}#")]


def _held_together(pair: RecordedPair, step: RecordedStep) -> list[str]:
    """The TensorFlow layers whose arrays a Paddle layer holds as one."""
    first, second = pair.graphs[FIRST], pair.graphs[SECOND]
    return [
        first.units[index].path
        for unit_pair in pair.alignment.pairs
        if step.layer and second.units[unit_pair.second].path == step.name
        for index in unit_pair.first
    ]


def _sums(graph: RecordedGraph, step: RecordedStep) -> list[int]:
    """The sums that what a sum makes is a term of."""
    found: list[int] = []
    made = step.output
    while users := [i for i, one in enumerate(graph.steps) if one.kind == "add" and made in one.inputs]:
        found.append(users[0])
        made = graph.steps[users[0]].output
    return found


def _following(graph: RecordedGraph, step: RecordedStep) -> RecordedStep | None:
    """The convolution that comes after one and takes as many channels as it makes."""
    convs = [one for one in graph.steps if one.kind == "conv" and one.layer and "#" not in one.name]
    if step not in convs[:-1]:
        return None
    after = convs[convs.index(step) + 1]
    fits = after.shapes["kernel"][-2] == step.shapes["kernel"][-1]
    return after if fits and after.numbers["groups"] == 1 else None


def _users(graph: RecordedGraph, index: int) -> list[int]:
    """The steps that a step's output reaches, up to the first that is more than a rearrangement of masks."""
    found: list[int] = []
    reached, waiting = set(), [graph.steps[index].output]
    made = {step.output: number for number, step in enumerate(graph.steps)}
    taken: dict[int, list[int]] = {}
    for number, step in enumerate(graph.steps):
        for value in step.inputs:
            taken.setdefault(value, []).append(number)
    while waiting:
        value = waiting.pop()
        if value in reached:
            continue
        reached.add(value)
        for number in taken.get(value, []):
            found.append(number)
            if graph.steps[number].kind in MASKS:
                waiting.append(graph.steps[number].output)
        for operation in graph.consumers.get(value, []):  # functions that are no steps
            outputs = graph.operations[operation].outputs
            waiting += [
                output for output in outputs if output not in made and graph.operations[operation].name in VIEWS
            ]
    return sorted(set(found) - {index})


def spread(items: Sequence[T], count: int) -> list[T]:
    """At most `count` of the items, the first and the last among them and the others evenly between; 0: all.

    Example:
        >>> spread("abcdefg", 3)
        ['a', 'd', 'g']
    """
    if not count or len(items) <= count:
        return list(items)
    if count == 1:
        return [items[0]]
    return [items[round(index * (len(items) - 1) / (count - 1))] for index in range(count)]


def calls_of_line(graph: RecordedGraph, step: RecordedStep) -> list[str]:
    """The steps that a line of code makes: in a layer that runs several times, such as a cell, one function a run.

    Args:
        graph: of a traced run.
        step: of it.

    Returns:
        Names, in the order of the runs; of a layer, and where runs cannot be told apart, that of the step alone.
    """
    scope, _, function = step.name.partition("#")[0].rpartition(".")
    kinds = {call.kind for call in graph.calls if call.path == scope}
    runs = dict.fromkeys((call.path for call in graph.calls if call.kind in kinds), 0)
    for call in graph.calls:
        runs[call.path] = runs.get(call.path, 0) + 1
    if step.layer or runs.get(scope, 0) < 2:
        return [step.name]
    found: list[str] = []
    place = None
    for path in [scope, *(path for path in runs if path != scope)]:  # the cells of both directions are of one class
        same = [one.name for one in graph.steps if not one.layer and one.name.partition("#")[0] == f"{path}.{function}"]
        count = len(same) // runs[path]
        if not count or len(same) % runs[path]:
            continue
        place = same.index(step.name) % count if place is None else place
        found += same[place::count]
    return sorted(found, key=[one.name for one in graph.steps].index) or [step.name]


def fault_code(names: Sequence[str], statement: str, helpers: str) -> str:
    """The function that puts a trap in.

    Args:
        names: of the step, and of further runs of the same line of code.
        statement: see `parity.faults.pair_change`.
        helpers: functions that fixes call, see `parity.workers.client.recorded_models.WrittenFix`.

    Returns:
        Python source.
    """
    body = [
        "layers = dict(model.named_sublayers())",
        f"name, names = {names[0]!r}, {[*names]!r}",
        *statement.splitlines(),
    ]
    head = [
        "import paddle",
        "from paddle import nn",
        "from paddle.nn import functional as F",
        "",
        "from paddle_impl.user_models.changed_calls import change_call",
        "",
        "",
        "def fix(model):",
    ]
    return "\n".join([*head, *(f"    {line}".rstrip() for line in body)]) + "\n" + helpers


def _site(pair: RecordedPair, step: RecordedStep) -> Site:
    graph = pair.graphs[SECOND]
    values = graph.values
    takes = [values[number].shape for number in step.inputs if number >= 0]
    makes = values[step.output].shape

    def repair(expected: Kind) -> str:
        written = pair.workers[SECOND].write_fix(pair.name, [edit_of(pair, step, expected, SECOND)])
        return "\n".join(change["statement"] for change in written["changes"])

    return Site(step, takes, makes, repair, bool(_again(graph, step)), _following(graph, step))


def scopes_of(names: Iterable[str]) -> Iterator[str]:
    """Names, and those of the layers in which what they name runs.

    Example:
        >>> list(scopes_of(["block.relu#2"]))
        ['block.relu#2', 'block.relu', 'block']
    """
    for name in names:
        if name:
            yield name
            bare = name.partition("#")[0]
            if bare != name:
                yield bare
            if "." in bare:
                yield bare.rpartition(".")[0]
