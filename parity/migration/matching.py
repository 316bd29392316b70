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
    evidence: str  # why these two
    cell: bool = False  # a 1x1 convolution of single cells on one side, a fully connected layer on the other
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
    given = _fixed(first, second, fixed or {})
    weighted, ambiguous = _weighted(first, second, given)
    pairs = {match.first: match for match in weighted}
    _weightless(first, second, pairs)
    matches = [pairs[place] for place in sorted(pairs)]
    if not any(first.steps[match.first].shapes for match in matches):
        raise MatchError(_nothing(first, second))
    others = {match.second for match in matches}
    return Matching(
        matches=matches,
        only_first=[place for place in range(len(first.steps)) if place not in pairs],
        only_second=[place for place in range(len(second.steps)) if place not in others],
        ambiguous=ambiguous,
    )


def _fixed(first: Graph, second: Graph, names: Mapping[str, str]) -> dict[int, int]:
    places = [{step.name: place for place, step in enumerate(graph.steps)} for graph in (first, second)]
    found = {}
    for one, other in names.items():
        for name, known, which in ((one, places[0], "first"), (other, places[1], "second")):
            if name not in known:
                raise MatchError(
                    f"the map names {name!r}, which the {which} model does not have; it has {few(known, 8)}"
                )
        a, b = first.steps[places[0][one]], second.steps[places[1][other]]
        if not _fit(a, b):
            raise MatchError(f"the map puts {one!r} ({a}) and {other!r} ({b}) together: they are of different shapes")
        found[places[0][one]] = places[1][other]
    if len(set(found.values())) != len(found):
        double = [name for name, count in Counter(names.values()).items() if count > 1]
        raise MatchError(f"the map gives {double[0]!r} to two layers")
    return found


def _weighted(first: Graph, second: Graph, given: dict[int, int]) -> tuple[list[Match], list[str]]:
    """Matches of the layers with arrays, and the groups whose members nothing but their order tells apart."""
    found: dict[int, tuple[int, str]] = {one: (other, "given by the map") for one, other in given.items()}
    ambiguous: list[str] = []
    one, other = _Structure(first), _Structure(second)
    rounds = (
        ("same shapes, same layers before and after it", lambda s, p: (s.own(p), s.before[p], s.after[p])),
        ("same shapes, same layers before it", lambda s, p: (s.own(p), s.before[p])),
        ("same shapes, same layers after it", lambda s, p: (s.own(p), s.after[p])),
    )
    for reason, key in rounds:
        groups = [_groups(s, key, taken) for s, taken in ((one, set(found)), (other, {b for b, _ in found.values()}))]
        for signature, places in groups[0].items():
            others = groups[1].get(signature, [])
            if len(places) == len(others) == 1:
                found[places[0]] = others[0], f"{reason}; the only such pair"
            elif len(places) == len(others) > 1:
                names = [[s.graph.steps[p].name for p in group] for s, group in ((one, places), (other, others))]
                ambiguous.append(f"{', '.join(names[0])} / {', '.join(names[1])}: alike in all that was looked at")
                for place, counterpart in zip(places, others, strict=True):
                    found[place] = counterpart, f"{reason}; {len(places)} such pairs, taken in order"
    rest = [_rest(s, taken) for s, taken in ((one, set(found)), (other, {b for b, _ in found.values()}))]
    for place, counterpart in _in_order(one, other, rest[0], rest[1], found):
        found[place] = counterpart, "same shapes, between the same neighbours in order"
    return [_made(first, second, a, b, reason) for a, (b, reason) in sorted(found.items())], ambiguous


class _Structure:
    """For each layer with arrays: what it is, and a digest of all such layers and joints before it and after it."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        count = len(graph.steps)
        users: list[list[tuple[int, int]]] = [[] for _ in range(count)]
        self.before: list[str] = []
        for place, step in enumerate(graph.steps):
            fed = [self.before[source] if source >= 0 else str(source) for source in step.inputs]
            for slot, source in enumerate(step.inputs):
                if source >= 0:
                    users[source].append((place, slot))
            self.before.append(self._digest(step, fed if step.what.ordered else sorted(fed)))
        self.after = [""] * count
        for place in range(count - 1, -1, -1):
            step = graph.steps[place]
            seen = sorted(
                # where in a concatenation it goes matters, in a sum it does not
                f"{self.after[user]}{slot if graph.steps[user].what.ordered else ''}"
                for user, slot in users[place]
            )
            self.after[place] = self._digest(step, seen or ["end"])

    def own(self, place: int) -> str:
        """Its shapes, and what of its numbers a migration never changes."""
        return _signature(self.graph.steps[place])

    def _digest(self, step: Step, around: Sequence[str]) -> str:
        if not step.shapes and not step.what.several:
            return around[0] if len(around) == 1 else hashlib.sha256("+".join(around).encode()).hexdigest()
        text = "|".join([_signature(step) if step.shapes else step.kind, *around])
        return hashlib.sha256(text.encode()).hexdigest()


def _signature(step: Step) -> str:
    """What two layers that stand for each other have in common: optional arrays, paddings and constants apart."""
    shape = step.shapes.get("kernel") or next(iter(step.shapes.values()), ())
    kind = step.kind
    if _cell(step):
        kind, shape = "dense", shape[2:]
    settled = [step.numbers[name] for name in step.what.settled] if kind == step.kind else [1]
    return f"{kind} {shape} {settled or [1]}"


def _cell(step: Step) -> bool:
    """Whether a convolution is a fully connected layer in truth: 1x1, and its maps a single cell."""
    kernel = step.shapes.get("kernel", ())
    return step.kind == "conv" and kernel[:2] == (1, 1) and len(step.output) == 1 and step.numbers.get("groups") == 1


def _groups(structure: _Structure, key: object, taken: set[int]) -> dict[object, list[int]]:
    found: dict[object, list[int]] = defaultdict(list)
    for place, step in enumerate(structure.graph.steps):
        if step.shapes and place not in taken:
            found[key(structure, place)].append(place)  # type: ignore[operator]
    return found


def _rest(structure: _Structure, taken: set[int]) -> list[int]:
    return [place for place, step in enumerate(structure.graph.steps) if step.shapes and place not in taken]


def _in_order(
    one: _Structure, other: _Structure, first: list[int], second: list[int], found: Mapping[int, tuple[int, str]]
) -> Iterator[tuple[int, int]]:
    """Layers that are left between the same matched neighbours, in order, where their shapes agree one to one."""

    def gap(place: int, anchors: list[int]) -> int:
        return sum(anchor < place for anchor in anchors)

    anchors = sorted((a, b) for a, (b, _) in found.items())
    ones, others = [a for a, _ in anchors], [b for _, b in anchors]
    if others != sorted(others):
        return  # the models run their branches in different orders: neighbours in order mean nothing
    for space in sorted({gap(place, ones) for place in first}):
        mine = [place for place in first if gap(place, ones) == space]
        theirs = [place for place in second if gap(place, others) == space]
        if [one.own(place) for place in mine] == [other.own(place) for place in theirs]:
            yield from zip(mine, theirs, strict=True)


def _made(first: Graph, second: Graph, a: int, b: int, reason: str) -> Match:
    one, other = first.steps[a], second.steps[b]
    lacking = tuple(
        tuple(kind for kind in mine.shapes if kind not in theirs.shapes)
        for mine, theirs in ((one, other), (other, one))
    )
    return Match(a, b, reason, _cell(one) or _cell(other), lacking)  # type: ignore[arg-type]


def _fit(one: Step, other: Step) -> bool:
    return bool(one.shapes) == bool(other.shapes) and (not one.shapes or _signature(one) == _signature(other))


def _weightless(first: Graph, second: Graph, pairs: dict[int, Match]) -> None:
    """Match steps without arrays by what feeds them; silent steps that only one side has are seen through."""
    partners = {a: match.second for a, match in pairs.items()}
    taken = set(partners.values())
    sources = [[_sources(graph, place) for place in range(len(graph.steps))] for graph in (first, second)]
    for loud in (True, False):  # what computes something first; then what is silent on both sides
        for a, step in enumerate(first.steps):
            if step.shapes or a in pairs or step.what.silent == loud:
                continue
            fed = _translated(sources[0][a], partners)
            if fed is None:
                continue
            for b, other in enumerate(second.steps):
                if other.shapes or b in taken or not _alike(step, other):
                    continue
                theirs = sources[1][b]
                ordered = step.what.ordered
                if (fed == theirs) if ordered else (sorted(fed) == sorted(theirs)):
                    pairs[a] = Match(a, b, f"{_family(step)}, fed by the same layers")
                    partners[a] = b
                    taken.add(b)
                    break


def _sources(graph: Graph, place: int) -> list[int]:
    """The steps that feed one, silent ones seen through."""
    found = []
    for source in graph.steps[place].inputs:
        while source >= 0 and graph.steps[source].what.silent:
            source = graph.steps[source].inputs[0]
        found.append(source)
    return found


def _translated(sources: Sequence[int], partners: Mapping[int, int]) -> list[int] | None:
    found = [source if source == INPUT else partners.get(source) for source in sources]
    return None if any(each is None for each in found) else [int(each) for each in found if each is not None]


def _alike(one: Step, other: Step) -> bool:
    if one.kind == other.kind:
        return one.what.ends == other.what.ends  # a softmax makes probabilities: no other activation stands for it
    return _family(one) == _family(other) != ""


def _family(step: Step) -> str:
    return step.what.family or step.kind


def _nothing(first: Graph, second: Graph) -> str:
    shapes = [[str(step) for step in graph.steps if step.shapes][:4] for graph in (first, second)]
    return (
        "no layer with weights corresponds: the first model begins with "
        f"{' | '.join(shapes[0]) or 'none'}; the second with {' | '.join(shapes[1]) or 'none'}. Are these two the same "
        "network, with the same --input and --classes? `--map FILE` says which layers belong together."
    )
