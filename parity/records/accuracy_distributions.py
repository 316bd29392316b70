"""Distributions of accuracies over seeds, for simulations: named ones, with a mean of 0 and a variance of 1."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from parity.records.records import Distribution

Shape = tuple[int, int]  # experiments, seeds

SHAPE = 4  # of the gamma distribution, which gives it a skewness of 2 / sqrt(4) = 1

FREEDOM = 5  # degrees of freedom of Student's t: an excess kurtosis of 6 / (5 - 4) = 6

_SAMPLERS: dict[Distribution, Callable[[np.random.Generator, Shape], NDArray[np.float64]]] = {
    "normal": lambda draw, shape: draw.standard_normal(shape),
    "skewed": lambda draw, shape: (draw.gamma(SHAPE, size=shape) - SHAPE) / math.sqrt(SHAPE),
    "heavy-tailed": lambda draw, shape: draw.standard_t(FREEDOM, shape) / math.sqrt(FREEDOM / (FREEDOM - 2)),
    "uniform": lambda draw, shape: draw.uniform(-math.sqrt(3), math.sqrt(3), shape),
}


def standardised(distribution: Distribution, draw: np.random.Generator, shape: Shape) -> NDArray[np.float64]:
    """Random numbers of a distribution, with a mean of 0 and a variance of 1.

    Args:
        distribution: "normal"; "skewed" (gamma, a skewness of 1); "heavy-tailed" (Student's t with 5 degrees of
            freedom); "uniform".
        draw: where they come from.
        shape: experiments by seeds.

    Returns:
        An array of that shape.

    Raises:
        ValueError: there is no such distribution.

    Example:
        >>> standardised("uniform", np.random.default_rng(0), (2, 4)).shape
        (2, 4)
    """
    if distribution not in _SAMPLERS:
        raise ValueError(f"distribution: expected one of {', '.join(_SAMPLERS)}, found {distribution!r}")
    return _SAMPLERS[distribution](draw, shape)
