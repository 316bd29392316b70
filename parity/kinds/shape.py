"""What changes the shape and no number: joining and flattening."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from parity.kinds.kind import Kind


@dataclass(frozen=True)
class Concat(Kind):
    """Several inputs, one after the other along the channels."""

    name = "concat"
    family = "merge"
    several_inputs = ordered = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference.

        Args:
            inputs: at least one, [..., c_i], alike in all other extents.
            arrays: not used.

        Returns:
            [..., sum of c_i].
        """
        return np.concatenate(inputs, axis=-1)


@dataclass(frozen=True)
class Reshape(Kind):
    """The same numbers in another shape; the only one whose order is known is from maps to rows."""

    name = "reshape"
    identity_in_inference = keeps_rows = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference: of maps [n, h, w, c] rows [n, h * w * c]."""
        return inputs[0].reshape(len(inputs[0]), -1)
