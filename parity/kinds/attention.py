"""Attention of several heads over sequences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from parity.kinds.activation import Softmax
from parity.kinds.kind import Kind, optional

PARTS = ("query", "key", "value", "out")

MASKED = -1e9  # what both frameworks add to the score of a key that is not seen


@dataclass(frozen=True)
class Attention(Kind):
    """Of query, key and value, sequences [n, t, c]: the values, averaged for each query by its likeness to the keys.

    Its inputs may have a mask behind them: [n, t, s] or [n, heads, t, s] of t queries and s keys, or what broadcasts to
    these. Its arrays are query, key and value [in, heads * size], out [heads * size, out], and of each its _bias.
    """

    name = "attention"
    heads: int
    rate: float  # of the dropout of its weights
    mask: str | None = optional(None)  # "causal", where no query sees a later key, or another one that is "given"
    added: bool = optional(default=False)  # the mask is added to the scores; else it is 0 where keys are not seen
    scale: float | None = optional(None)  # of the scores; None for one over the root of a head's size
    axis: int = optional(3)  # of the scores [n, heads, t, s], over which their softmax is taken

    traps = {"rate": "dropout-mode"}
    training_only = ("rate",)
    neutral = {f"{part}_bias": 0.0 for part in PARTS}
    several_inputs = ordered = True

    def label(self, number: str) -> str:
        """The field in words: "attention mask"."""
        words = {"added": "attention mask that is added", "rate": "attention dropout", "axis": "attention softmax axis"}
        return words.get(number) or super().label(number)

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference."""
        split = []
        for part, x in zip(PARTS[:3], inputs[:3], strict=True):
            x = x[:, None] if x.ndim == 2 else x  # a sequence of one step
            made = x @ arrays[part] + arrays.get(f"{part}_bias", 0)
            split.append(made.reshape(*made.shape[:2], self.heads, -1))
        query, key, value = split
        scale = 1 / math.sqrt(query.shape[-1]) if self.scale is None else self.scale
        scores = np.einsum("nqhc,nkhc->nhqk", query, key) * scale
        if self.mask is not None:
            mask = inputs[3] if inputs[3].ndim > 3 else inputs[3][..., None, :, :]  # one for all heads
            scores = scores + (mask if self.added else np.where(mask != 0, 0.0, MASKED))
        weights = np.moveaxis(Softmax().compute([np.moveaxis(scores, self.axis, -1)], {}), -1, self.axis)
        made = np.einsum("nhqk,nkhc->nqhc", weights, value)
        return made.reshape(*made.shape[:2], -1) @ arrays["out"] + arrays.get("out_bias", 0)


def mask_of(mask: np.ndarray, *, added: bool) -> str:
    """What a mask is: "causal", or another one that is "given".

    Args:
        mask: [..., t, s] of t queries and s keys.
        added: it is added to the scores.

    Example:
        >>> mask_of(np.tri(3), added=False), mask_of(np.ones((3, 3)), added=False)
        ('causal', 'given')
    """
    seen = mask > -1e3 if added else mask != 0
    return "causal" if (seen == (np.tri(*mask.shape[-2:]) > 0)).all() and seen.shape[-1] > 1 else "given"
