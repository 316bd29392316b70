"""What every kind of layer or function has: all its numbers, a reference in numpy, and what is known of its traps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar

import numpy as np

from parity.numerics.arrays import Arrays

# (trap, what was computed instead, the output that this makes)
Hypothesis = tuple[str, str, np.ndarray]


@dataclass(frozen=True)
class Surroundings:
    """What hypotheses about a layer need besides its numbers, its input and its arrays."""

    state: Arrays = field(default_factory=dict)  # the whole canonical state, for arrays that may have been exchanged
    flattened: tuple[int, int, int] | None = None  # (height, width, channels) that a dense layer's rows came from
    largest: float = np.inf  # number in the output, at which an activation may have been cut


def optional(default: Any) -> Any:
    """The field of a number that is neither shown nor compared while it has this default value."""
    return field(default=default, metadata={"optional": True})


@dataclass(frozen=True)
class Kind:
    """One layer or function. A subclass is a kind: its fields are all the numbers that decide what is computed.

    Maps are NHWC, kernels HWIO, dense kernels [in, out]; sequences are [n, t, c], rows [n, c]. Sequences are maps of
    one row to what works on maps, and have its numbers of h = 1.
    """

    name: ClassVar[str]
    traps: ClassVar[Mapping[str, str]] = {}  # of a number, the trap that a difference in it is
    training_only: ClassVar[tuple[str, ...]] = ()  # numbers that do nothing in inference
    missing: ClassVar[str] = ""  # the trap that one model lacks this layer where the other has it
    neutral: ClassVar[Mapping[str, float]] = {}  # of an optional array, the number with which it changes nothing
    several_inputs: ClassVar[bool] = False  # takes several inputs
    ordered: ClassVar[bool] = False  # and their order matters
    identity_in_inference: ClassVar[bool] = (
        False  # changes no number in inference: two models may differ in it and still be equal
    )
    family: ClassVar[str] = ""  # of kinds that may be aligned with each other; empty: with its own kind only
    on_maps: ClassVar[bool] = False  # works on maps, rows and sequences being maps of 1x1 or of one row
    per_channel: ClassVar[bool] = False  # has arrays or statistics for each channel, wherever the channels are
    last_axis: ClassVar[bool] = False  # works along the last axis, which may not be the channels
    keeps_rows: ClassVar[bool] = False  # leaves the numbers of a row where they are

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The numpy reference, in inference.

        Args:
            inputs: float64 maps [n, h, w, c], sequences [n, t, c] or rows [n, c].
            arrays: the layer's own by kind ("kernel", "bias", "gamma", ...), in canonical layout.

        Returns:
            float64. What works on maps gives maps, of sequences [n, 1, t', c] and of rows [n, 1, 1, c];
            `parity.kinds.compute` makes sequences and rows of these.

        Raises:
            ValueError: arrays that do not fit, or no reference is known.
        """
        raise ValueError(f"no reference for a step of kind {self.name!r}")

    def hypotheses(self, x: np.ndarray, own: Arrays, around: Surroundings) -> Iterator[Hypothesis]:
        """What the layer would compute of x under each trap that it can fall into.

        Args:
            x: its input, float64.
            own: its arrays by kind.
            around: what else some of the hypotheses need.

        Yields:
            (trap, what was computed instead, the output that this makes).
        """
        yield from ()

    @property
    def key(self) -> str:
        """The name under which the frameworks hold their code for it."""
        return self.name

    @property
    def positive(self) -> bool:
        """Whether it gives no negative number."""
        return False

    @property
    def missing_trap(self) -> str:
        """The trap that one model lacks this layer where the other model has it."""
        return self.missing

    def numbers(self) -> dict[str, Any]:
        """Its numbers as plain JSON values; optional ones where they are not what they are by default.

        Returns:
            By field, in the order of the fields; `parity.kinds.of` makes the kind of them and its `name`.
        """
        return {attribute.name: value for attribute in fields(self) if (value := self._given(attribute)) is not MISSING}

    def described(self) -> Any:
        """Its name and numbers, as `parity.kinds.of` takes them.

        Returns:
            Plain JSON values: {"kind": `name`, "numbers": those of `numbers`}.
        """
        return {"kind": self.name, "numbers": self.numbers()}

    def _given(self, attribute: Any) -> Any:
        value = getattr(self, attribute.name)
        return MISSING if attribute.metadata.get("optional") and value == attribute.default else value

    def label(self, number: str) -> str:
        """The name of a number in a message about a difference, such as "batch norm epsilon".

        Args:
            number: a field, as `numbers` names it.

        Returns:
            The kind's name in words, then the field's; an activation's `function` is "activation".
        """
        return f"{self.name.replace('_', ' ')} {number}"


@dataclass(frozen=True)
class Other(Kind):
    """A layer or function that no family knows, by its own name or that of its class: only its shapes are known."""

    name = "other"
    type: str


def shown(value: Any) -> str:
    """A number as text for a message; the four sides of a padding by name.

    Args:
        value: a number of a kind, as `Kind.numbers` gives it.

    Returns:
        "none" for None; floats with six digits.

    Example:
        >>> shown([[0, 1], [0, 1]]), shown(0.001)
        ('0 above, 1 below, 0 left, 1 right', '0.001')
    """
    if isinstance(value, list) and len(value) == 2 and all(isinstance(sides, list) for sides in value):
        (top, bottom), (left, right) = value
        return f"{top} above, {bottom} below, {left} left, {right} right"
    return "none" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
