"""Random numbers for the arrays of a user's model, so that each of them takes part in what is compared."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from parity.weights.initializers import generator


@dataclass(frozen=True)
class Law:
    """Of what distribution an array's numbers are drawn.

    Attributes:
        name: of the array; with the seed it decides the numbers.
        shape: of the array.
        law: "normal" (mean `a`, standard deviation `b`) or "uniform" (from `a` to `b`).
        a: see `law`.
        b: see `law`.
    """

    name: str
    shape: tuple[int, ...]
    law: str
    a: float
    b: float

    def drawn(self, seed: int) -> np.ndarray:
        """The numbers.

        Args:
            seed: any whole number; the same one in both workers.

        Returns:
            float32 of `shape`: the numbers that a float64 model and a float32 model can both hold.

        Raises:
            ValueError: another law.
        """
        draw = generator(seed, self.name)
        if self.law == "normal":
            values = draw.normal(self.a, self.b, self.shape)
        elif self.law == "uniform":
            values = draw.uniform(self.a, self.b, self.shape)
        else:
            raise ValueError(f"unknown law {self.law!r}; known: normal, uniform")
        return values.astype(np.float32)


ENLARGED = 16.0  # how far the numbers that `enlarged` draws usually reach beyond those of the usual law


def enlarged(law: Law, factor: float = ENLARGED) -> Law:
    """The law of an array whose model is to reach its clips and saturations: of biases, and what norms scale and add.

    Inputs do not reach them where an earlier clip or norm bounds what they do.

    Args:
        law: the usual one.
        factor: how far the numbers reach beyond the usual ones.

    Returns:
        For a vector the law with its numbers that many times as large, a variance with the square of that, so that
        what a batch norm gives is as large as what it adds. For others the law as it is up to a factor of `ENLARGED`,
        and beyond that with numbers as many times as large as the factor is larger than `ENLARGED`.

    Example:
        >>> enlarged(Law("conv/bias", (8,), "normal", 0.0, 0.3))
        Law(name='conv/bias', shape=(8,), law='normal', a=0.0, b=4.8)
    """
    if len(law.shape) != 1 or law.shape == (1,):
        factor = max(1.0, factor / ENLARGED)
    if _role(law.name) in ("variance", "moving_variance", "_variance"):
        factor = factor**2
    return replace(law, a=law.a * factor, b=law.b * factor)


def _role(name: str) -> str:
    return name.replace(".", "/").rpartition("/")[2]


def law_of(name: str, shape: Sequence[int], mean: float, deviation: float) -> Law:
    """The distribution for an array, by what it is called and by the numbers that its model was built with.

    Args:
        name: of the array, such as "conv1/kernel"; what follows the last "/" or "." says its role.
        shape: of the array.
        mean: of its initial numbers.
        deviation: their standard deviation.

    Returns:
        Kernels normal with variance 2 / fan_in, what is 1 or another constant uniform around it, zeros normal.
    """
    role = _role(name)
    size = tuple(shape)
    if role in ("gamma", "variance", "moving_variance", "_variance"):
        return Law(name, size, "uniform", 0.5, 1.5)
    if role == "kernel" and len(size) > 1:
        return Law(name, size, "normal", 0.0, math.sqrt(2 / max(1, math.prod(size[:-1]))))
    if role == "embeddings":
        return Law(name, size, "normal", 0.0, 1.0)
    if not mean and not deviation:
        return Law(name, size, "normal", 0.0, 0.3)
    if deviation <= 1e-6 * abs(mean):  # a constant
        around = mean if 0.1 <= abs(mean) <= 10 else 1.0
        low, high = sorted((0.5 * around, 1.5 * around))
        return Law(name, size, "uniform", low, high)
    return Law(name, size, "normal", 0.0, min(max(deviation, 0.1), 0.5))


@functools.lru_cache(maxsize=4)
def cached(law: Law, seed: int) -> np.ndarray:
    """`Law.drawn`, kept while its pieces go to several arrays of the other model."""
    return law.drawn(seed)
