"""Which layer of one model is which of the other: by kind, shapes and place in the graph, never by guessing.

Layers with arrays come first. Each is described by its own shapes and by all that lies before it and after it; where
that makes it the only one of its kind in both models, it is matched. What one model has more (a dropout, a bias, a
flattening) does not disturb this, because only layers with arrays, sums and concatenations count. The rest is matched
by what feeds it.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from parity.runtime.graph import INPUT, Graph, Step, few


class MatchError(Exception):
    """Two models between which nothing corresponds, or a map that fits neither; the message lists what is there."""


@dataclass(frozen=True)
class Match:
    """One layer or function of the first model and the one of the second that stands for it."""

    first: int  # places in the two graphs
    second: int
    reason: str  # why these two
    as_dense: bool = False  # a 1x1 convolution of single cells on one side, a fully connected layer on the other
    neutral: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())  # arrays of either that the other does not have


@dataclass(frozen=True)
class Matching:
    """All matches, in the first model's order, and everything that has none."""

    matches: list[Match]
    only_first: list[int]
    only_second: list[int]
    ambiguous: list[str] = field(default_factory=list)  # one line for each group that only its order could tell apart


def match(first: Graph, second: Graph, fixed: Mapping[str, str] | None = None) -> Matching:
    """Match two models. `fixed` maps names of the first to names of the second, and is never overruled.

    Raises MatchError: a name in `fixed` that does not exist, two that do not fit, or no layer with arrays that matches.
    """
    fixed_indices = _fixed(first, second, fixed or {})
    weighted, ambiguous = _weighted(first, second, fixed_indices)
    matched_by_first = {match.first: match for match in weighted}
    _weightless(first, second, matched_by_first)
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


def _fixed(first: Graph, second: Graph, names: Mapping[str, str]) -> dict[int, int]:
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


def _weighted(first: Graph, second: Graph, fixed_indices: dict[int, int]) -> tuple[list[Match], list[str]]:
    """Matches of the layers with arrays, and the groups whose members nothing but their order tells apart."""
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
                ambiguous.append(f"{', '.join(names[0])} / {', '.join(names[1])}: alike in all that was looked at")
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
    """For each layer with arrays: what it is, and a digest of all such layers and joints before it and after it."""

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
                # where in a concatenation it goes matters, in a sum it does not
                f"{self.after[user]}{slot if graph.steps[user].what.ordered else ''}"
                for user, slot in users[index]
            )
            self.after[index] = self._digest(step, fed_to or ["end"])

    def own(self, index: int) -> str:
        """Its shapes, and what of its numbers a migration never changes."""
        return _signature(self.graph.steps[index])

    def _digest(self, step: Step, around: Sequence[str]) -> str:
        if not step.shapes and not step.what.several:
            return around[0] if len(around) == 1 else hashlib.sha256("+".join(around).encode()).hexdigest()
        text = "|".join([_signature(step) if step.shapes else step.kind, *around])
        return hashlib.sha256(text.encode()).hexdigest()


def _signature(step: Step) -> str:
    """What two layers that stand for each other have in common: optional arrays, paddings and constants apart."""
    shape = step.shapes.get("kernel") or next(iter(step.shapes.values()), ())
    kind = step.kind
    if _is_dense(step):
        kind, shape = "dense", shape[2:]
    settled = [step.numbers[name] for name in step.what.settled] if kind == step.kind else [1]
    return f"{kind} {shape} {settled or [1]}"


def _is_dense(step: Step) -> bool:
    """Whether a convolution is a fully connected layer in truth: 1x1, and its maps a single cell."""
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
    """Layers that are left between the same matched neighbours, in order, where their shapes agree one to one."""

    def gap(index: int, anchors: list[int]) -> int:
        return sum(anchor < index for anchor in anchors)

    anchors = sorted((a, b) for a, (b, _) in matched.items())
    ones, others = [a for a, _ in anchors], [b for _, b in anchors]
    if others != sorted(others):
        return  # the models run their branches in different orders: neighbours in order mean nothing
    for space in sorted({gap(index, ones) for index in first}):
        mine = [index for index in first if gap(index, ones) == space]
        theirs = [index for index in second if gap(index, others) == space]
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


def _weightless(first: Graph, second: Graph, matched_by_first: dict[int, Match]) -> None:
    """Match steps without arrays by what feeds them; silent steps that only one side has are seen through."""
    partners = {a: match.second for a, match in matched_by_first.items()}
    taken = set(partners.values())
    sources = [[_sources(graph, place) for place in range(len(graph.steps))] for graph in (first, second)]
    for computing in (True, False):  # what computes something first; then what is silent on both sides
        for a, step in enumerate(first.steps):
            if step.shapes or a in matched_by_first or step.what.silent == computing:
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
    """The steps that feed one, silent ones seen through."""
    sources = []
    for source in graph.steps[index].inputs:
        while source >= 0 and graph.steps[source].what.silent:
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
        return one.what.ends == other.what.ends  # a softmax makes probabilities: no other activation stands for it
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
