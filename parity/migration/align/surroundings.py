"""What comes behind a layer, by which layers are told apart that values do not tell apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from parity.migration.align.array_maps import USUAL
from parity.migration.align.recorded_graph import RecordedGraph, Unit
from parity.workers.client.recorded_models import ArrayFacts

LEVELS = 8  # of layers behind a layer that are looked at


class Surroundings:
    """How alike two layers are in their shapes and in what comes behind them.

    No more than a hint where to begin: of layers that take the same numbers and are as large, the one that fits is
    found by trying, and on small maps a kernel of 1x3 does what one of 3x1 does.

    Args:
        graphs: TensorFlow's and Paddle's.
        facts: of the arrays of either.
    """

    def __init__(
        self, graphs: tuple[RecordedGraph, RecordedGraph], facts: tuple[Mapping[str, ArrayFacts], ...]
    ) -> None:
        self._graphs, self._facts = graphs, facts
        self._numbers: dict[tuple[int, ...], int] = {}  # of what is alike
        self._levels = [self._of_graph(side) for side in (0, 1)]

    def unlike(self, first: int, second: int) -> tuple[bool, int]:
        """How much sets two units apart, the smaller the less.

        Args:
            first: index of a TensorFlow unit.
            second: index of a Paddle unit.

        Returns:
            Whether no usual order of axes turns one's kernel into the other's, and on how many levels behind them
            other layers come.
        """
        own, other = self._levels[0][first], self._levels[1][second]
        kernels = [self._largest(side, self._graphs[side].units[index]) for side, index in ((0, first), (1, second))]
        return not _turned(*kernels), sum(one != two for one, two in zip(own, other, strict=True))

    def _largest(self, side: int, unit: Unit) -> Sequence[int]:
        """The shape of a unit's largest array."""
        return max((self._facts[side][name]["shape"] for name in unit.arrays), key=math.prod, default=())

    def _of_graph(self, side: int) -> list[list[int]]:
        """Of each unit numbers, one for each level, that are the same where what comes behind is alike so far."""
        graph = self._graphs[side]
        sizes = [self._number((math.prod(self._largest(side, unit)),)) for unit in graph.units]
        behind = _behind(graph)
        levels = [[size] for size in sizes]
        for _ in range(LEVELS):
            last = [own[-1] for own in levels]
            for index, own in enumerate(levels):
                own.append(self._number((sizes[index], -1, *sorted({last[other] for other in behind[index]}))))
        return levels

    def _number(self, key: tuple[int, ...]) -> int:
        return self._numbers.setdefault(key, len(self._numbers))


def _behind(graph: RecordedGraph) -> list[set[int]]:
    """Of each unit those that take what it gives, through functions and layers without arrays."""
    owner = {operation: index for index, unit in enumerate(graph.units) for operation in unit.operations}
    found = []
    for index, unit in enumerate(graph.units):
        reached: set[int] = set()
        waiting, seen = list(graph.outputs_of(unit)), set[int]()
        while waiting:
            value = waiting.pop()
            if value in seen:
                continue
            seen.add(value)
            for operation in graph.consumers.get(value, []):
                other = owner.get(operation, index)
                if other != index:
                    reached.add(other)
                else:
                    waiting.extend(graph.operations[operation].outputs)
        found.append(reached)
    return found


def _turned(source: Sequence[int], target: Sequence[int]) -> bool:
    """Whether a usual order of axes turns one shape into another; those of few axes always."""
    if len(source) != len(target) or len(source) < 3:
        return True
    return tuple(target) in {tuple(source[axis] for axis in order) for order in USUAL.get(len(source), [])}
