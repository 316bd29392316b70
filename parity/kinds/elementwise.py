"""Sums, products and scalings, element by element."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.kinds.kind import Kind, optional


@dataclass(frozen=True)
class Add(Kind):
    """The sum of several inputs of one shape, or that broadcast as both frameworks do."""

    name = "add"
    family = "merge"
    several_inputs = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference.

        Args:
            inputs: at least one; rows [n, c] among maps or sequences are added to every pixel or step.
            arrays: not used.

        Returns:
            The sum, of the shape that the inputs broadcast to.
        """
        return functools.reduce(np.add, _alike(inputs))


@dataclass(frozen=True)
class Multiply(Kind):
    """The product of several inputs."""

    name = "multiply"
    family = "merge"
    several_inputs = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference."""
        return functools.reduce(np.multiply, _alike(inputs))


@dataclass(frozen=True)
class Scale(Kind):
    """x * scale + offset, each a number or one for each channel."""

    name = "scale"
    scale: Any
    offset: Any
    dropout: float | None = optional(None)  # the rate of a dropout that scales in inference

    keeps_rows = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference."""
        return inputs[0] * np.asarray(self.scale) + np.asarray(self.offset)

    @property
    def missing_trap(self) -> str:
        """As of a dropout, where it is one."""
        return "" if self.dropout is None else "dropout-mode"


@dataclass(frozen=True)
class Identity(Kind):
    """Its input as it is."""

    name = "identity"
    identity_in_inference = keeps_rows = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference."""
        return inputs[0]


def _alike(inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Rows as 1x1 maps among maps, as sequences of one step among sequences: their numbers are those of channels."""
    most = max(x.ndim for x in inputs)
    return [x.reshape(len(x), *[1] * (most - 2), -1) if x.ndim == 2 else x for x in inputs]
