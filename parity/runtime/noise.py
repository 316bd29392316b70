"""The same random numbers in both frameworks, in the place of those that a model's own layers draw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class Noise:
    """Numbers in the order in which a run asks for them; each run has a new one."""

    def __init__(self) -> None:
        self.drawn = 0

    def normal(self, shape: Sequence[int]) -> np.ndarray:
        """Normal numbers of mean 0 and standard deviation 1, float64.

        Args:
            shape: of the array; maps are drawn in the order [n, h, w, c].
        """
        return self._generator().normal(size=tuple(shape))

    def uniform(self, shape: Sequence[int]) -> np.ndarray:
        """Uniform numbers in 0..1, float64.

        Args:
            shape: of the array; maps are drawn in the order [n, h, w, c].
        """
        return self._generator().uniform(size=tuple(shape))

    def kept(self, x: np.ndarray, rate: float) -> np.ndarray:
        """Which numbers a dropout keeps, as their own values say: the same ones in whatever order of axes.

        Args:
            x: what it works on, float64; numbers that are all alike are kept or not by their place.
            rate: of the numbers that it drops.

        Returns:
            float64 of the shape of x: 1 where a number is kept, else 0.
        """
        scale = float(np.sqrt(np.mean(np.square(x)))) if x.size else 0.0
        if not scale or np.ptp(x) <= 1e-9 * scale:
            return (self.uniform(x.shape) >= rate).astype(np.float64)
        # smooth enough that rounding to float64 changes no decision
        uniform = np.modf(np.abs(np.sin(x * (12.9 / scale) + 0.7)) * 1e3)[0]
        return (uniform >= rate).astype(np.float64)

    def _generator(self) -> np.random.Generator:
        self.drawn += 1
        return np.random.default_rng([self.drawn, *b"noise"])
