"""Attention of several heads over sequences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from parity.kinds.activation import Softmax
from parity.kinds.kind import Kind

PARTS = ("query", "key", "value", "out")


@dataclass(frozen=True)
class Attention(Kind):
    """Of query, key and value, sequences [n, t, c]: the values, averaged for each query by its likeness to the keys.

    Its arrays are query, key and value [in, heads * size], out [heads * size, out], and of each its _bias.
    """

    name = "attention"
    heads: int
    rate: float  # of the dropout of its weights

    traps = {"rate": "dropout-mode"}
    training_only = ("rate",)
    neutral = {f"{part}_bias": 0.0 for part in PARTS}
    several_inputs = ordered = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference."""
        split = []
        for part, x in zip(PARTS[:3], inputs, strict=True):
            x = x[:, None] if x.ndim == 2 else x  # a sequence of one step
            made = x @ arrays[part] + arrays.get(f"{part}_bias", 0)
            split.append(made.reshape(*made.shape[:2], self.heads, -1))
        query, key, value = split
        scores = np.einsum("nqhc,nkhc->nhqk", query, key) / math.sqrt(query.shape[-1])
        weights = Softmax().compute([scores], {})
        made = np.einsum("nhqk,nkhc->nqhc", weights, value)
        return made.reshape(*made.shape[:2], -1) @ arrays["out"] + arrays.get("out_bias", 0)
