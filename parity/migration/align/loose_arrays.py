"""Arrays that the user's own code takes one by one, where TensorFlow has a layer with all of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from parity.migration.align.array_roles import role
from parity.migration.align.found import UnitPair
from parity.migration.align.recorded_graph import Unit
from parity.migration.align.trials import Trials
from parity.migration.align.unit_candidates import MOST_CANDIDATES
from parity.migration.align.unit_maps import UnitMaps
from parity.weights.parts import Pieces

MOST_BESIDE = 4  # layers beside one that may have the kernel for its state

MOST_PARTS = 6  # arrays of a layer that the user's code takes one by one


class LooseArrays:
    """Puts arrays together that no layer of Paddle's holds together.

    Args:
        trials: of the walk.
        maps: of it.
        unit_of: by Paddle array, the index of its unit.
    """

    def __init__(self, trials: Trials, maps: UnitMaps, unit_of: Mapping[str, int]) -> None:
        self.trials, self.maps, self.unit_of = trials, maps, unit_of
        self.values, self.units = trials.values, trials.units
        self.first, self.second = trials.values.first, trials.values.second

    def settle(self, number: int, unit: Unit, *, recurrent: bool = False) -> bool:
        """Whether arrays that the user's code takes one by one are those of a TensorFlow layer, together.

        Those of a recurrent layer are tried together first: alone each agrees with its gates in any order.

        Args:
            number: of a Paddle unit.
            unit: that unit.
            recurrent: whether only a recurrent layer is looked for.
        """
        if recurrent and not self._recurrent_left():
            return False
        beside = self._beside(unit) if recurrent else []
        for own in [*self._parts(unit), *beside]:
            sizes, together = self.units.sizes(own, 1), self._part(unit, own)
            for index in self.units.candidates(number, own)[:MOST_CANDIDATES]:
                free = self.units.free(index)
                if recurrent and not any(role(name) == "recurrent" for name in free):
                    continue
                if not self.units.may_be(self.units.sizes(free, 0), sizes):
                    continue
                choices = self.maps.of_units((index,), free, together, own)
                for pieces in self.trials.best_first((index,), together, choices, injection=False):
                    if self.trials.agreeing((index,), together, pieces, injection=False):
                        self.trials.take(UnitPair((index,), number, tuple(pieces), True, tied=self.trials.tied), pieces)
                        return True
        return False

    def _recurrent_left(self) -> bool:
        """Whether a TensorFlow layer without a counterpart has a kernel for its state."""
        arrays = (name for unit in self.first.units for name in unit.arrays if role(name) == "recurrent")
        return any(name not in self.units.taken for name in arrays)

    def likeliest(self, number: int, unit: Unit) -> tuple[tuple[int, ...], Pieces | None]:
        """A layer that is not called, as the user's code takes its arrays one by one: all of them together.

        Args:
            number: of a Paddle unit.
            unit: that unit.

        Returns:
            The TensorFlow unit that has arrays of these sizes, and the likeliest layout.
        """
        for own in self._parts(unit):
            sizes, together = self.units.sizes(own, 1), self._part(unit, own)
            for index in self.units.candidates(number, own):
                free = self.units.free(index)
                if self.units.sizes(free, 0) == sizes:
                    return (index,), next(iter(self.maps.of_units((index,), free, together, own)), None)
        return (), None

    def only_ones(self, sources: Sequence[str], wanted: Sequence[str]) -> bool:
        """Whether no other arrays that are left, of either model, have the sizes of these.

        Args:
            sources: names of TensorFlow arrays.
            wanted: names of Paddle arrays.
        """
        free = [name for index in range(len(self.first.units)) for name in self.units.free(index)]
        left = [name for name in self.unit_of if name not in self.values.assigned]
        for side, every, own in ((0, free, sources), (1, left, wanted)):
            sizes, others = self.units.sizes(own, side), self.units.sizes(every, side)
            if len(set(sizes)) < len(sizes) or any(others.count(size) > 1 for size in sizes):
                return False
        return True

    def scope(self, unit: Unit, pieces: Pieces) -> Unit:
        """The unit, or where some of its arrays, or others beside them, have numbers together, a unit of these.

        Args:
            unit: of Paddle.
            pieces: by Paddle array, the numbers that are given together.
        """
        whole = {name for name in unit.arrays if name in pieces or self.units.facts[1][name]["trainable"]}
        return unit if whole == set(pieces) else self._part(unit, list(pieces))

    def _parts(self, unit: Unit) -> list[list[str]]:
        """Arrays without numbers that may belong to one layer with those of a unit: of one owner, or of one number."""
        left = [name for name in unit.arrays if name not in self.values.assigned]
        bare = [name for other in self.second.units if other.call < 0 for name in other.arrays]
        free = left if unit.call >= 0 else [name for name in bare if name not in self.values.assigned]
        numbers = re.findall(r"\d+", left[0])
        listed = left[0].rpartition(".")[2].isdecimal()  # of a list of arrays, which is no layer
        groups = [] if listed else [[name for name in free if _owner(name) == _owner(left[0])]]
        groups += [[name for name in free if re.findall(r"\d+", name) == numbers]] if numbers else []
        return [own for own in groups if own != left and 1 < len(own) <= MOST_PARTS]

    def _beside(self, unit: Unit) -> list[list[str]]:
        """The arrays without numbers of a layer and of one beside it, as a cell of the user's own has for its state."""
        free: dict[str, list[str]] = {}  # by layer; one that runs on a state of zeros first is several units
        for name in self.unit_of:
            if name not in self.values.assigned:
                free.setdefault(_owner(name), []).append(name)
        layer = _owner(unit.arrays[0])
        own = free.pop(layer, [])
        beside = [[*own, *arrays] for other, arrays in free.items() if _owner(other) == _owner(layer)]
        return [arrays for arrays in beside if own and len(arrays) <= MOST_PARTS][:MOST_BESIDE]

    def _part(self, unit: Unit, arrays: list[str]) -> Unit:
        """Arrays that the user's code takes one by one, with the operations that take them."""
        own = set(arrays)
        indices = sorted({i for name in arrays for i in self.second.units[self.unit_of[name]].operations})
        operations = [index for index in indices if self.second.arrays_of(index) & own]
        return Unit(_owner(arrays[0]) or unit.path, unit.kind, arrays, operations, own=unit.own)


def _owner(name: str) -> str:
    """The path of the layer that has a Paddle array."""
    return name.rpartition(".")[0]
