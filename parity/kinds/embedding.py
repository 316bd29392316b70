"""Rows of a table by their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from parity.kinds.kind import Kind


@dataclass(frozen=True)
class Embedding(Kind):
    """Whole numbers [n, ...] -> rows of the kernel [count, c]: [n, ..., c]."""

    name = "embedding"

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference."""
        return arrays["kernel"][inputs[0]]
