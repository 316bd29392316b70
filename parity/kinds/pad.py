"""What is put around maps and sequences: zeros, other constants, their own pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from parity.kinds.elementwise import Identity
from parity.kinds.kind import Kind, Other, optional
from parity.numerics.geometry import as_maps

MODES = {
    "constant": "constant",
    "reflect": "reflect",
    "symmetric": "symmetric",
    "replicate": "edge",
    "circular": "wrap",
}


@dataclass(frozen=True)
class ZeroPad(Kind):
    """Maps with zeros around them; padding [[top, bottom], [left, right]]."""

    name = "zero_pad"
    padding: Sequence[Sequence[int]]

    traps = {"padding": "same-pad"}
    missing = "same-pad"
    family = "pad"
    on_maps = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference."""
        top_and_bottom, left_and_right = self.padding
        return np.pad(as_maps(inputs[0]), [(0, 0), tuple(top_and_bottom), tuple(left_and_right), (0, 0)])


@dataclass(frozen=True)
class Pad(Kind):
    """[n, ..., c] with something around it. Sides are [before, after] of each axis but the batch."""

    name = "pad"
    sides: Sequence[Sequence[int]]
    mode: str  # "constant"; of its own pixels "reflect", "symmetric", "replicate" or "circular"
    value: float = optional(0.0)  # of a constant

    traps = {"sides": "same-pad"}
    family = "pad"

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference. Raises ValueError for an unknown mode."""
        if self.mode not in MODES:
            raise ValueError(f"no reference for a padding by {self.mode!r}")
        sides = [(0, 0), *(tuple(pair) for pair in self.sides)]
        constant = {"constant_values": self.value} if self.mode == "constant" else {}
        return np.asarray(np.pad(inputs[0], sides, MODES[self.mode], **constant))  # type: ignore[call-overload]


def padded(
    sides: Sequence[Sequence[int]], mode: str = "constant", value: float = 0.0, *, channels_second: bool = False
) -> Kind:
    """A padding by what is put before and after each axis.

    Args:
        sides: [before, after] of each axis, batch included, in the tensor's own order.
        mode: as of `Pad`.
        value: of a constant.
        channels_second: the second axis holds the channels, which then come last.

    Returns:
        `ZeroPad` of zeros around maps or sequences, `Identity` where nothing is added, else `Pad`; `Other` where the
        batch is made longer.

    Example:
        >>> padded([[0, 0], [0, 0], [1, 2], [3, 4]], channels_second=True)
        ZeroPad(padding=[[1, 2], [3, 4]])
    """
    batch, *axes = ([int(count) for count in pair] for pair in sides)
    if any(batch):
        return Other("padding of the batch")
    if not any(map(any, axes)):
        return Identity()
    if channels_second and len(axes) > 1:
        axes.append(axes.pop(0))
    if mode == "constant" and value == 0 and len(axes) in (2, 3) and not any(axes[-1]):
        return ZeroPad([[0, 0], axes[0]] if len(axes) == 2 else axes[:2])
    return Pad(axes, mode, float(value) if mode == "constant" else 0.0)
