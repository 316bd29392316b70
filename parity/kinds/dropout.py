"""Dropout, which does nothing in inference, or scales by what it keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from parity.kinds.kind import Hypothesis, Kind, Surroundings, optional
from parity.numerics.arrays import Arrays


@dataclass(frozen=True)
class Dropout(Kind):
    """In training a share of the numbers is dropped, by `rate`; in inference all are kept as they are."""

    name = "dropout"
    rate: float
    spatial: bool = optional(default=False)  # whole channels are dropped
    alpha: bool = optional(default=False)  # a number that keeps mean and variance stands for what is dropped

    traps = {"rate": "dropout-mode"}
    training_only = ("rate", "spatial", "alpha")
    missing = "dropout-mode"
    identity_in_inference = keeps_rows = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference, in inference."""
        return inputs[0]

    def hypotheses(self, x: np.ndarray, own: Arrays, around: Surroundings) -> Iterator[Hypothesis]:
        """The mode that scales in inference and not in training."""
        if self.alpha:
            return
        text = f"its input times {1 - self.rate:g} in inference, where dropout does nothing"
        yield "dropout-mode", text, x * (1 - self.rate)
