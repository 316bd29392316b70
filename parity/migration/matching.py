"""Which layer of one model corresponds to which of the other: by kind, shapes and position in the graph.

Layers with arrays come first. Each is described by its own shapes and by everything before it and after it. Where that
description is unique in both models, the two layers are matched. An additional dropout, bias or flattening in one model
does not matter, because only layers with arrays, sums and concatenations count. All other steps are matched by what
feeds them.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from parity.kinds.graph import INPUT, Graph, Step
from parity.printable import few


class MatchError(Exception):
    """Nothing in the two models corresponds, or a map does not fit them; the message lists what the models have."""


@dataclass(frozen=True)
class Match:
    """One layer or function of the first model and its counterpart in the second.

    Attributes:
        first: index of the step in the first graph.
        second: index of the step in the second graph.
        reason: why these two were matched.
        as_dense: compare them as fully connected layers, because one of them is a 1x1 convolution of 1x1 maps.
        neutral: kinds of arrays that only the first, and that only the second has; they are set so that they change
            nothing.
    """

    first: int
    second: int
    reason: str
    as_dense: bool = False
    neutral: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())


@dataclass(frozen=True)
class Matching:
    """All matches, and every step without one.

    Attributes:
        matches: in the order of the first model.
        only_first: indices of the first graph's steps that have no counterpart.
        only_second: indices of the second graph's steps that have no counterpart.
        ambiguous: one line for each group of layers that were matched in order because nothing else distinguishes them.
    """

    matches: list[Match]
    only_first: list[int]
    only_second: list[int]
    ambiguous: list[str] = field(default_factory=list)


def match(first: Graph, second: Graph, fixed: Mapping[str, str] | None = None) -> Matching:
    """Match two models.

    Args:
        first: the first model's graph.
        second: the second model's graph.
        fixed: names of the first model's steps to names of the second's; these matches are always made.

    Raises:
        MatchError: a name in `fixed` does not exist, two of its layers have different shapes, or no layer with arrays
            has a counterpart.

    Example:
        >>> def graph(*names: str) -> Graph:
        ...     shapes = {"kernel": (2, 2)}
        ...     steps = [Step(name, "dense", {}, shapes, (index - 1,), (2,)) for index, name in enumerate(names)]
        ...     return Graph(steps, len(steps) - 1, 4, 4)
        >>> [(pair.first, pair.second) for pair in match(graph("a", "b"), graph("one", "two")).matches]
        [(0, 0), (1, 1)]
    """
    fixed_indices = _fixed_indices(first, second, fixed or {})
    weighted, ambiguous = _match_weighted(first, second, fixed_indices)
    matched_by_first = {match.first: match for match in weighted}
    _match_weightless(first, second, matched_by_first)
    matches = [matched_by_first[index] for index in sorted(matched_by_first)]
    if not any(first.steps[match.first].shapes for match in matches):
        raise MatchError(_no_match_message(first, second))
    matched_second = {match.second for match in matches}
    return Matching(
        matches=matches,
        only_first=[index for index in range(len(first.steps)) if index not in matched_by_first],
        only_second=[index for index in range(len(second.steps)) if index not in matched_second],
        ambiguous=ambiguous,
    )


def _fixed_indices(first: Graph, second: Graph, names: Mapping[str, str]) -> dict[int, int]:
    """The indices of a map's names, the first model's to the second's. Raises MatchError."""
    indices = [{step.name: index for index, step in enumerate(graph.steps)} for graph in (first, second)]
    fixed = {}
    for one, other in names.items():
        for name, known, ordinal in ((one, indices[0], "first"), (other, indices[1], "second")):
            if name not in known:
                raise MatchError(
                    f"the map names {name!r}, which the {ordinal} model does not have; it has {few(known, 8)}"
                )
        a, b = first.steps[indices[0][one]], second.steps[indices[1][other]]
        if not _same_signature(a, b):
            raise MatchError(f"the map puts {one!r} ({a}) and {other!r} ({b}) together: they are of different shapes")
        fixed[indices[0][one]] = indices[1][other]
    if len(set(fixed.values())) != len(fixed):
        double = [name for name, count in Counter(names.values()).items() if count > 1]
        raise MatchError(f"the map gives {double[0]!r} to two layers")
    return fixed


def _match_weighted(first: Graph, second: Graph, fixed_indices: dict[int, int]) -> tuple[list[Match], list[str]]:
    """Matches of the layers with arrays, and a line for each group that was matched in order only."""
    matched: dict[int, tuple[int, str]] = {a: (b, "given by the map") for a, b in fixed_indices.items()}
    ambiguous: list[str] = []
    structures = _Structure(first), _Structure(second)
    rounds = (
        ("same shapes, same layers before and after it", lambda s, p: (s.own(p), s.before[p], s.after[p])),
        ("same shapes, same layers before it", lambda s, p: (s.own(p), s.before[p])),
        ("same shapes, same layers after it", lambda s, p: (s.own(p), s.after[p])),
    )
    for reason, key in rounds:
        groups = [_groups(s, key, taken) for s, taken in zip(structures, _taken(matched), strict=True)]
        for signature, indices in groups[0].items():
            counterparts = groups[1].get(signature, [])
            if len(indices) == len(counterparts) == 1:
                matched[indices[0]] = counterparts[0], f"{reason}; the only such pair"
            elif len(indices) == len(counterparts) > 1:
                names = [
                    [s.graph.steps[p].name for p in group]
                    for s, group in zip(structures, (indices, counterparts), strict=True)
                ]
                ambiguous.append(
                    f"{', '.join(names[0])} / {', '.join(names[1])}: cannot be distinguished, matched in order"
                )
                for index, counterpart in zip(indices, counterparts, strict=True):
                    matched[index] = counterpart, f"{reason}; {len(indices)} such pairs, taken in order"
    rest = [_rest(s, taken) for s, taken in zip(structures, _taken(matched), strict=True)]
    for index, counterpart in _between_neighbours(*structures, rest[0], rest[1], matched):
        matched[index] = counterpart, "same shapes, between the same neighbours in order"
    return [_match_of(first, second, a, b, reason) for a, (b, reason) in sorted(matched.items())], ambiguous


def _taken(matched: Mapping[int, tuple[int, str]]) -> tuple[set[int], set[int]]:
    """The indices in the first graph and in the second that are matched already."""
    return set(matched), {second for second, _ in matched.values()}


class _Structure:
    """For each layer with arrays, a digest of all such layers, sums and concatenations before it and after it."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        count = len(graph.steps)
        users: list[list[tuple[int, int]]] = [[] for _ in range(count)]
        self.before: list[str] = []
        for index, step in enumerate(graph.steps):
            fed_by = [self.before[source] if source >= 0 else str(source) for source in step.inputs]
            for slot, source in enumerate(step.inputs):
                if source >= 0:
                    users[source].append((index, slot))
            self.before.append(self._digest(step, fed_by if step.what.ordered else sorted(fed_by)))
        self.after = [""] * count
        for index in range(count - 1, -1, -1):
            step = graph.steps[index]
            fed_to = sorted(
                # its position matters in a concatenation, not in a sum
                f"{self.after[user]}{slot if graph.steps[user].what.ordered else ''}"
                for user, slot in users[index]
            )
            self.after[index] = self._digest(step, fed_to or ["end"])

    def own(self, index: int) -> str:
        """The step's shapes, and those of its numbers that a migration never changes."""
        return _signature(self.graph.steps[index])

    def _digest(self, step: Step, around: Sequence[str]) -> str:
        if not step.shapes and not step.what.several_inputs:
            return around[0] if len(around) == 1 else hashlib.sha256("+".join(around).encode()).hexdigest()
        text = "|".join([_signature(step) if step.shapes else step.kind, *around])
        return hashlib.sha256(text.encode()).hexdigest()


def _signature(step: Step) -> str:
    """What two corresponding layers have in common; optional arrays, paddings and constants may differ."""
    shape = step.shapes.get("kernel") or next(iter(step.shapes.values()), ())
    kind = step.kind
    if _is_dense(step):
        kind, shape = "dense", shape[2:]
    settled = [step.numbers[name] for name in step.what.always_equal] if kind == step.kind else [1]
    return f"{kind} {shape} {settled or [1]}"


def _is_dense(step: Step) -> bool:
    """Whether a convolution computes a fully connected layer: its kernel and its maps are 1x1."""
    kernel = step.shapes.get("kernel", ())
    return step.kind == "conv" and kernel[:2] == (1, 1) and len(step.output) == 1 and step.numbers.get("groups") == 1


def _groups(structure: _Structure, key: object, taken: set[int]) -> dict[object, list[int]]:
    groups: dict[object, list[int]] = defaultdict(list)
    for index, step in enumerate(structure.graph.steps):
        if step.shapes and index not in taken:
            groups[key(structure, index)].append(index)  # type: ignore[operator]
    return groups


def _rest(structure: _Structure, taken: set[int]) -> list[int]:
    return [index for index, step in enumerate(structure.graph.steps) if step.shapes and index not in taken]


def _between_neighbours(
    one: _Structure, other: _Structure, first: list[int], second: list[int], matched: Mapping[int, tuple[int, str]]
) -> Iterator[tuple[int, int]]:
    """Unmatched layers between the same matched neighbours, in order, where their shapes agree one to one."""

    def section(index: int, anchors: list[int]) -> int:
        return sum(anchor < index for anchor in anchors)

    anchors = sorted((a, b) for a, (b, _) in matched.items())
    ones, others = [a for a, _ in anchors], [b for _, b in anchors]
    if others != sorted(others):
        return  # the models run their branches in different orders: neighbours in order mean nothing
    for number in sorted({section(index, ones) for index in first}):
        mine = [index for index in first if section(index, ones) == number]
        theirs = [index for index in second if section(index, others) == number]
        if [one.own(index) for index in mine] == [other.own(index) for index in theirs]:
            yield from zip(mine, theirs, strict=True)


def _match_of(first: Graph, second: Graph, a: int, b: int, reason: str) -> Match:
    one, other = first.steps[a], second.steps[b]
    lacking = tuple(
        tuple(kind for kind in mine.shapes if kind not in theirs.shapes)
        for mine, theirs in ((one, other), (other, one))
    )
    return Match(a, b, reason, _is_dense(one) or _is_dense(other), lacking)  # type: ignore[arg-type]


def _same_signature(one: Step, other: Step) -> bool:
    return bool(one.shapes) == bool(other.shapes) and (not one.shapes or _signature(one) == _signature(other))


def _match_weightless(first: Graph, second: Graph, matched_by_first: dict[int, Match]) -> None:
    """Match steps without arrays by what feeds them; steps that compute nothing in inference are skipped over."""
    partners = {a: match.second for a, match in matched_by_first.items()}
    taken = set(partners.values())
    sources = [[_sources(graph, index) for index in range(len(graph.steps))] for graph in (first, second)]
    for computing in (True, False):  # first the steps that compute something, then those that do not
        for a, step in enumerate(first.steps):
            if step.shapes or a in matched_by_first or step.what.identity_in_inference == computing:
                continue
            fed_by = _translated(sources[0][a], partners)
            if fed_by is None:
                continue
            for b, other in enumerate(second.steps):
                if other.shapes or b in taken or not _alike(step, other):
                    continue
                their_sources = sources[1][b]
                ordered = step.what.ordered
                if (fed_by == their_sources) if ordered else (sorted(fed_by) == sorted(their_sources)):
                    matched_by_first[a] = Match(a, b, f"{_family(step)}, fed by the same layers")
                    partners[a] = b
                    taken.add(b)
                    break


def _sources(graph: Graph, index: int) -> list[int]:
    """The steps that feed one; steps that compute nothing in inference are skipped over."""
    sources = []
    for source in graph.steps[index].inputs:
        while source >= 0 and graph.steps[source].what.identity_in_inference:
            source = graph.steps[source].inputs[0]
        sources.append(source)
    return sources


def _translated(sources: Sequence[int], partners: Mapping[int, int]) -> list[int] | None:
    translated = [source if source == INPUT else partners.get(source) for source in sources]
    return (
        None
        if any(source is None for source in translated)
        else [int(source) for source in translated if source is not None]
    )


def _alike(one: Step, other: Step) -> bool:
    if one.kind == other.kind:
        return (
            one.what.output_function == other.what.output_function
        )  # a softmax makes probabilities: it corresponds to no other activation
    return _family(one) == _family(other) != ""


def _family(step: Step) -> str:
    return step.what.family or step.kind


def _no_match_message(first: Graph, second: Graph) -> str:
    shapes = [[str(step) for step in graph.steps if step.shapes][:4] for graph in (first, second)]
    return (
        "no layer with weights corresponds: the first model begins with "
        f"{' | '.join(shapes[0]) or 'none'}; the second with {' | '.join(shapes[1]) or 'none'}. Are these two the same "
        "network, with the same --input and --classes? `--map FILE` says which layers belong together."
    )
