"""Rows of a table by their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from parity.kinds.kind import Kind, optional


@dataclass(frozen=True)
class Embedding(Kind):
    """Whole numbers [n, ...] -> rows of the kernel [count, c]: [n, ..., c]."""

    name = "embedding"
    padding_index: int | None = optional(None)  # the number that gives zeros, whatever its row holds
    mask_zero: bool = optional(default=False)  # what comes after it passes over 0; its own output is the same
    max_norm: float | None = optional(None)  # longer rows are shortened to this norm
    norm_order: float = optional(2.0)  # of that norm

    def label(self, number: str) -> str:
        """The field in words, or as Paddle calls what Keras does not have."""
        words = {"padding_index": "embedding padding_idx", "max_norm": "embedding max_norm"}
        return words.get(number) or super().label(number).replace("_", " ")

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference."""
        kernel = arrays["kernel"]
        if self.max_norm is not None:
            norms = (np.abs(kernel) ** self.norm_order).sum(axis=1, keepdims=True) ** (1 / self.norm_order)
            kernel = np.where(norms > self.max_norm, kernel * (self.max_norm / (norms + 1e-7)), kernel)
        rows = kernel[inputs[0]]
        return rows if self.padding_index is None else np.where(inputs[0][..., None] == self.padding_index, 0.0, rows)
