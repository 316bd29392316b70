"""Zeros around maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from parity.kinds.kind import Kind
from parity.numerics.geometry import as_maps


@dataclass(frozen=True)
class ZeroPad(Kind):
    """Maps with zeros around them; padding [[top, bottom], [left, right]]."""

    name = "zero_pad"
    padding: Sequence[Sequence[int]]

    missing = "same-pad"
    on_maps = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference."""
        top_and_bottom, left_and_right = self.padding
        return np.pad(as_maps(inputs[0]), [(0, 0), tuple(top_and_bottom), tuple(left_and_right), (0, 0)])
