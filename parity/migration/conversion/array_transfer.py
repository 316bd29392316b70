"""One model's trained arrays from those of the other, as the alignment of a pair says, and the way back.

What both models share is held as the TensorFlow model's arrays, in float32. Where Paddle has two arrays that are added,
such as the two biases of a recurrent layer, the TensorFlow model has their sum: it is rounded to float32 once, and
the numbers that it lacks are held beside it, under the names that the alignment gave them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.specs import FIRST, SECOND
from parity.numerics.arrays import Arrays
from parity.printable import few
from parity.weights.parts import Piece, assembled, taken_apart
from parity.weights.state import StateError


@dataclass(frozen=True)
class Shared:
    """What both models hold.

    Attributes:
        arrays: of the TensorFlow model, by its names, float32: those that take part in what it computes.
        beside: by the alignment's names, float32: what only Paddle holds, such as a second bias.
    """

    arrays: Arrays
    beside: Arrays


class ArrayTransfer:
    """The map between the arrays of two aligned models.

    Args:
        pair: aligned, and equal.

    Raises:
        StateError: an array takes part in what a model computes, and the other one has no counterpart.
    """

    def __init__(self, pair: RecordedPair) -> None:
        self.pair = pair
        self.pieces = pair.alignment.pieces
        named = {term.source for own in self.pieces.values() for piece in own for term in piece.terms}
        facts = pair.opened[FIRST].arrays
        self.first = [name for name in facts if name in named]
        self.beside = {name: pair.alignment.laws[name].shape for name in sorted(named - set(facts))}
        lost = [
            f"{name!r} of {title}"
            for framework, title, mapped in (
                (FIRST, "TensorFlow", set(self.first)),
                (SECOND, "Paddle", {*self.pieces, *pair.alignment.kept}),
            )
            for name in sorted(self._taking_part(framework) - mapped)
        ]
        if lost:
            raise StateError(f"no counterpart is known of {few(lost, 12)}: their numbers would be lost")

    def shared_of_first(self, arrays: Mapping[str, np.ndarray]) -> Shared:
        """What both models hold, from the TensorFlow model's arrays.

        Args:
            arrays: by its names; others are left out.

        Returns:
            With zeros for what only Paddle holds.
        """
        beside = {name: np.zeros(shape, np.float32) for name, shape in self.beside.items()}
        return Shared({name: arrays[name] for name in self.first}, beside)

    def shared_of_second(self, arrays: Mapping[str, np.ndarray]) -> Shared:
        """What both models hold, from the Paddle model's arrays.

        Args:
            arrays: by its names, without NaN; others are left out.

        Raises:
            StateError: they do not say what a TensorFlow array holds.
        """
        shapes = {name: fact["shape"] for name, fact in self.pair.opened[FIRST].arrays.items()} | self.beside
        try:
            made = taken_apart(self.pieces, arrays, shapes)
        except ValueError as error:
            raise StateError(f"the Paddle model's arrays cannot be turned into TensorFlow's: {error}") from None
        counts = {name: int(np.isnan(array).sum()) for name, array in made.items()}
        if lacking := [f"{name!r} ({count} numbers)" for name, count in counts.items() if count]:
            raise StateError(f"no array of the Paddle model says what these hold: {few(lacking, 12)}")
        return Shared({name: made[name] for name in self.first}, {name: made[name] for name in self.beside})

    def second_of(self, shared: Shared) -> Arrays:
        """The Paddle model's arrays, float32, by its names."""
        return {name: made.astype(np.float32, copy=False) for name, made in self._second(shared).items()}

    def differing(self, shared: Shared, arrays: Mapping[str, np.ndarray]) -> tuple[list[str], list[str]]:
        """Hold Paddle's arrays against what `shared` makes of them, number by number.

        Args:
            shared: what both models are to hold.
            arrays: the Paddle model's, by its names.

        Returns:
            Those that hold something else, a line each; and the names of those in which a sum was rounded to float32.
        """
        problems, rounded = [], []
        for name, made in self._second(shared).items():
            own, single = arrays[name], made.astype(np.float32, copy=False)
            if np.array_equal(single, own):
                continue
            if any(len(piece.terms) > 1 for piece in self.pieces[name]):
                # what is exact in real numbers, of which the larger terms were rounded to float32
                sizes = assembled(made.shape, list(map(_absolute, self.pieces[name])), self._sizes(shared))
                if (np.abs(made - own) <= 2.0**-23 * sizes).all():
                    rounded.append(name)
                    continue
            count = int((single != own).sum()) if single.shape == own.shape else own.size
            problems.append(f"{name!r} of Paddle: {count} of {own.size} numbers would be others in TensorFlow")
        return problems, rounded

    def unmapped(self, framework: str) -> list[str]:
        """The arrays of a model that the map has nothing of."""
        mapped: Sequence[str] = self.first if framework == FIRST else list(self.pieces)
        return [name for name in self.pair.opened[framework].arrays if name not in set(mapped)]

    def constant(self, framework: str) -> set[str]:
        """Those of `unmapped` that take part in what a model computes: they must be as it was built."""
        graph = self.pair.graphs[framework]
        used = {graph.values[n].name for n in graph.consumers if graph.values[n].source == "array"}
        return used & set(self.unmapped(framework))

    def _taking_part(self, framework: str) -> set[str]:
        """The arrays of floating-point numbers on which a model's output depends."""
        return {name for unit in self.pair.graphs[framework].units for name in unit.arrays}

    def _second(self, shared: Shared) -> Arrays:
        held = shared.arrays | shared.beside
        facts = self.pair.opened[SECOND].arrays
        return {name: assembled(facts[name]["shape"], own, held.__getitem__) for name, own in self.pieces.items()}

    def _sizes(self, shared: Shared) -> Callable[[str], np.ndarray]:
        held = shared.arrays | shared.beside
        return lambda name: np.abs(held[name].astype(np.float64))


def _absolute(piece: Piece) -> Piece:
    """The sum of the sizes of a piece's terms, where these are positive."""
    return replace(piece, terms=tuple(replace(term, sign=1.0) for term in piece.terms))
