"""What a walk through a pair of models finds: values that agree, values that part, and units that correspond."""

from __future__ import annotations

from dataclasses import dataclass, field

from parity.migration.align.closeness import FLOAT64
from parity.numerics.signature import Signature
from parity.weights.parts import Pieces
from parity.weights.random_arrays import Law


@dataclass(frozen=True)
class Match:
    """A Paddle value that holds the numbers of a TensorFlow value.

    Attributes:
        first: number of the TensorFlow value.
        gap: a lower bound of their largest difference, relative.
    """

    first: int
    gap: float


@dataclass(frozen=True)
class Parting:
    """Where values part.

    Attributes:
        first: numbers of TensorFlow values that should be found in the Paddle model, or empty.
        second: the Paddle value that differs.
        inside: the index of the pair of units in which it enters; -1 where it enters between layers with arrays.
        gap: how much they differ, relative; NaN where they cannot be compared.
        why: what was found, in words.
        float32: whether an operation on the way computes in float32 whatever it is given.
        extent: of the longest axis: positions on it are rounded to float32 by so much more than 1.
        limit: rounding makes values part by no more.
    """

    first: tuple[int, ...]
    second: int
    inside: int
    gap: float
    why: str
    float32: bool = False
    extent: int = 1
    limit: float = FLOAT64.parting

    @property
    def most(self) -> float:
        """How much float32 makes of a constant or an operation."""
        return self.limit * (self.extent if self.float32 else 1)

    @property
    def rounding(self) -> bool:
        """Whether values part by no more than that."""
        return self.gap <= self.most


@dataclass
class UnitPair:
    """A Paddle unit and the TensorFlow units whose arrays it holds.

    Attributes:
        first: indices of the TensorFlow units.
        second: index of the Paddle unit.
        arrays: the Paddle arrays that got their numbers here.
        certified: whether values agree behind it.
        rivals: other TensorFlow units, or several together, that structure cannot tell from these.
        tied: whether as many values agree with other numbers in its arrays; None where one layout alone was tried to
            the end.
    """

    first: tuple[int, ...]
    second: int
    arrays: tuple[str, ...]
    certified: bool
    rivals: tuple[tuple[int, ...], ...] = ()
    tied: bool | None = None


@dataclass
class Alignment:
    """What a walk found.

    Attributes:
        pairs: of units, in the order of the Paddle model.
        pieces: by Paddle array, what it is made of.
        laws: of the arrays that pieces name.
        matches: by number of the Paddle value.
        partings: in the order of the Paddle model.
        alone: arrays without a counterpart, by side (0 TensorFlow, 1 Paddle).
        certified: Paddle arrays on which an agreeing value depends.
        signatures: of the Paddle values.
        kept: Paddle arrays that are not trained and keep the numbers that they were built with.
        injected: Paddle values that hold TensorFlow's numbers now.
    """

    pairs: list[UnitPair] = field(default_factory=list)
    pieces: Pieces = field(default_factory=dict)
    laws: dict[str, Law] = field(default_factory=dict)
    matches: dict[int, Match] = field(default_factory=dict)
    partings: list[Parting] = field(default_factory=list)
    alone: tuple[list[str], list[str]] = field(default_factory=lambda: ([], []))
    certified: set[str] = field(default_factory=set)
    signatures: dict[int, Signature] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    injected: set[int] = field(default_factory=set)
