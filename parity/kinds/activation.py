"""Activation functions, one class each, and PReLU."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from parity.kinds.kind import Hypothesis, Kind, Surroundings, optional
from parity.numerics.arrays import Arrays
from parity.numerics.geometry import channels_last_axis

SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


class Activation(Kind):
    """A function of each number, or of each row. A subclass is a function, its fields are the function's numbers."""

    name = "activation"
    function: ClassVar[str]

    traps = {
        "function": "act-other",
        "kind": "act-other",
        "slope": "act-default",
        "offset": "act-default",
        "alpha": "act-default",
        "scale": "act-default",
        "approximate": "act-default",
        "beta": "act-default",
        "threshold": "act-default",
        "below": "act-default",
        "smallest": "act-clipped",
        "largest": "act-clipped",
        "floor": "softmax-floor",
    }
    keeps_rows = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference."""
        return self.of(inputs[0])

    def of(self, x: np.ndarray) -> np.ndarray:
        """The function of float64 numbers."""
        raise ValueError(f"no reference for the activation {self.key!r}")

    @property
    def key(self) -> str:
        """The function's name."""
        return self.function

    @property
    def missing_trap(self) -> str:
        """Of a ReLU of any form the trap of the twins, of other functions one of users' pairs."""
        return "relu-missing" if "relu" in self.key else "act-missing"

    def numbers(self) -> dict[str, Any]:
        """With the function's name among them."""
        return {"function": self.function} | super().numbers()

    def label(self, number: str) -> str:
        """Functions differ as a whole."""
        return "activation" if number == "function" else super().label(number)


@dataclass(frozen=True)
class OtherActivation(Activation):
    """A function that no class here knows, by its name."""

    called: str

    @property
    def key(self) -> str:
        """The function's name."""
        return self.called

    def numbers(self) -> dict[str, Any]:
        """Its name is all that is known."""
        return {"function": self.called}


@dataclass(frozen=True)
class Linear(Activation):
    """x"""

    function = "linear"

    def of(self, x: np.ndarray) -> np.ndarray:
        """x"""
        return x


@dataclass(frozen=True)
class ReLU(Activation):
    """max(x, 0); and Keras's with all its numbers."""

    function = "relu"
    slope: float = optional(0.0)  # below the threshold
    threshold: float = optional(0.0)
    largest: float | None = optional(None)

    @property
    def positive(self) -> bool:
        """Unless it has a slope."""
        return not self.slope and self.threshold >= 0

    def of(self, x: np.ndarray) -> np.ndarray:
        """slope * (x - threshold) below the threshold, x above it, cut at the largest."""
        y = np.where(x < self.threshold, self.slope * (x - self.threshold) if self.slope else 0.0, x)
        return y if self.largest is None else np.minimum(y, self.largest)

    def hypotheses(self, x: np.ndarray, own: Arrays, around: Surroundings) -> Iterator[Hypothesis]:
        """None at all, or one that is cut."""
        yield "relu-missing", "the input, without the ReLU", x
        yield "act-clipped", f"a ReLU that is cut at {around.largest:g}", np.clip(x, 0, around.largest)


@dataclass(frozen=True)
class ReLU6(Activation):
    """x cut to 0..6"""

    function = "relu6"
    positive = True

    def of(self, x: np.ndarray) -> np.ndarray:
        """x cut to 0..6"""
        return np.clip(x, 0, 6)


@dataclass(frozen=True)
class LeakyReLU(Activation):
    """slope * x below zero"""

    function = "leaky_relu"
    slope: float

    def of(self, x: np.ndarray) -> np.ndarray:
        """slope * x below zero"""
        return np.where(x > 0, x, self.slope * x)


@dataclass(frozen=True)
class ELU(Activation):
    """alpha * (exp(x) - 1) below zero"""

    function = "elu"
    alpha: float

    def of(self, x: np.ndarray) -> np.ndarray:
        """alpha * (exp(x) - 1) below zero"""
        return np.where(x > 0, x, self.alpha * np.expm1(np.minimum(x, 0)))


@dataclass(frozen=True)
class CELU(Activation):
    """alpha * (exp(x / alpha) - 1) below zero"""

    function = "celu"
    alpha: float

    def of(self, x: np.ndarray) -> np.ndarray:
        """alpha * (exp(x / alpha) - 1) below zero"""
        return np.where(x > 0, x, self.alpha * np.expm1(np.minimum(x, 0) / self.alpha))


@dataclass(frozen=True)
class SELU(Activation):
    """The scaled ELU with the two constants of its authors; Paddle rounds these to float32."""

    function = "selu"
    scale: float = optional(SELU_SCALE)
    alpha: float = optional(SELU_ALPHA)

    def of(self, x: np.ndarray) -> np.ndarray:
        """scale * x, and scale * alpha * (exp(x) - 1) below zero"""
        return self.scale * np.where(x > 0, x, self.alpha * np.expm1(np.minimum(x, 0)))


@dataclass(frozen=True)
class GELU(Activation):
    """x times the normal distribution's integral; TensorFlow rounds a constant of it to float32."""

    function = "gelu"
    approximate: bool  # by a tanh
    cubic: float = optional(0.044715)  # of the approximation
    factor: float = optional(math.sqrt(1 / 2))

    def of(self, x: np.ndarray) -> np.ndarray:
        """x / 2 * (1 + erf(x / sqrt(2))), or nearly"""
        if self.approximate:
            return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + self.cubic * x**3)))
        from scipy.special import erf  # a worker, which computes no reference, need not have it

        return x / 2 * (1 + erf(self.factor * x))


@dataclass(frozen=True)
class Sigmoid(Activation):
    """1 / (1 + exp(-x))"""

    function = "sigmoid"
    positive = True

    def of(self, x: np.ndarray) -> np.ndarray:
        """1 / (1 + exp(-x))"""
        return _sigmoid(x)


@dataclass(frozen=True)
class LogSigmoid(Activation):
    """log(sigmoid(x))"""

    function = "log_sigmoid"

    def of(self, x: np.ndarray) -> np.ndarray:
        """log(sigmoid(x))"""
        return -_softplus(-x)


@dataclass(frozen=True)
class HardSigmoid(Activation):
    """slope * x + offset cut to 0..1; Paddle's default slope has seven digits."""

    function = "hard_sigmoid"
    slope: float = 1 / 6
    offset: float = 0.5

    def of(self, x: np.ndarray) -> np.ndarray:
        """slope * x + offset cut to 0..1"""
        return np.clip(self.slope * x + self.offset, 0, 1)


@dataclass(frozen=True)
class Tanh(Activation):
    """tanh(x)"""

    function = "tanh"

    def of(self, x: np.ndarray) -> np.ndarray:
        """tanh(x)"""
        return np.tanh(x)


@dataclass(frozen=True)
class HardTanh(Activation):
    """x cut to smallest..largest"""

    function = "hard_tanh"
    smallest: float
    largest: float

    def of(self, x: np.ndarray) -> np.ndarray:
        """x cut to smallest..largest"""
        return np.clip(x, self.smallest, self.largest)


@dataclass(frozen=True)
class SoftShrink(Activation):
    """x moved towards zero by a threshold"""

    function = "soft_shrink"
    threshold: float

    def of(self, x: np.ndarray) -> np.ndarray:
        """x less the threshold above it, x and the threshold below its negative, zero between"""
        return np.sign(x) * np.maximum(np.abs(x) - self.threshold, 0.0)


@dataclass(frozen=True)
class HardShrink(Activation):
    """x, and zero where it is within a threshold"""

    function = "hard_shrink"
    threshold: float

    def of(self, x: np.ndarray) -> np.ndarray:
        """x where abs(x) is above the threshold, else zero"""
        return np.where(np.abs(x) <= self.threshold, 0.0, x)


@dataclass(frozen=True)
class ThresholdedReLU(Activation):
    """x above a threshold, and another number below it"""

    function = "thresholded_relu"
    threshold: float
    below: float

    def of(self, x: np.ndarray) -> np.ndarray:
        """x above the threshold, else the other number"""
        return np.where(x <= self.threshold, self.below, x)


@dataclass(frozen=True)
class SiLU(Activation):
    """x * sigmoid(beta * x), also called swish"""

    function = "silu"
    beta: float = optional(1.0)

    def of(self, x: np.ndarray) -> np.ndarray:
        """x * sigmoid(beta * x)"""
        return x * _sigmoid(self.beta * x)


@dataclass(frozen=True)
class HardSwish(Activation):
    """x * (x + 3 cut to 0..6) / 6, also called hard SiLU"""

    function = "hard_swish"

    def of(self, x: np.ndarray) -> np.ndarray:
        """x * (x + 3 cut to 0..6) / 6"""
        return x * np.clip(x + 3, 0, 6) / 6


@dataclass(frozen=True)
class Softplus(Activation):
    """log(1 + exp(beta * x)) / beta, and x itself where beta * x is above a threshold"""

    function = "softplus"
    beta: float
    threshold: float | None

    positive = True

    def of(self, x: np.ndarray) -> np.ndarray:
        """log(1 + exp(beta * x)) / beta, or x"""
        soft = _softplus(self.beta * x) / self.beta
        return soft if self.threshold is None else np.where(self.beta * x > self.threshold, x, soft)


@dataclass(frozen=True)
class Mish(Activation):
    """x * tanh(softplus(x))"""

    function = "mish"

    def of(self, x: np.ndarray) -> np.ndarray:
        """x * tanh(softplus(x))"""
        return x * np.tanh(_softplus(x))


@dataclass(frozen=True)
class Softsign(Activation):
    """x / (1 + abs(x))"""

    function = "softsign"

    def of(self, x: np.ndarray) -> np.ndarray:
        """x / (1 + abs(x))"""
        return x / (1 + np.abs(x))


class RowFunction(Activation):
    """A function of each row of the last axis, of which a model's output is made."""

    last_axis = True


@dataclass(frozen=True)
class Softmax(RowFunction):
    """exp(x) over its sum along the last axis, or along another one"""

    function = "softmax"
    axis: int | None = optional(None)  # counted with channels last; None: the last

    positive = True

    def of(self, x: np.ndarray) -> np.ndarray:
        """exp(x) over its sum along the axis"""
        axis = -1 if self.axis is None else self.axis
        powers = np.exp(x - x.max(axis=axis, keepdims=True))
        return powers / powers.sum(axis=axis, keepdims=True)


@dataclass(frozen=True)
class LogSoftmax(RowFunction):
    """log(softmax(x)); Paddle takes no number for further below the largest than its floor."""

    function = "log_softmax"
    floor: float | None
    axis: int | None = optional(None)  # as of `Softmax`

    def of(self, x: np.ndarray) -> np.ndarray:
        """x less the log of the sum of exp(x), with a floor"""
        axis = -1 if self.axis is None else self.axis
        below = x - x.max(axis=axis, keepdims=True)
        below = below if self.floor is None else np.maximum(below, self.floor)
        return below - np.log(np.exp(below).sum(axis=axis, keepdims=True))


@dataclass(frozen=True)
class PReLU(Kind):
    """As a leaky ReLU, with a trained `slope` [c] for each channel."""

    name = "prelu"
    per_channel = keeps_rows = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference."""
        return np.where(inputs[0] > 0, inputs[0], arrays["slope"] * inputs[0])


def softplus(beta: float, threshold: float) -> Softplus:
    """A softplus that is the identity above a threshold; one so high that even float64 rounds to that is none."""
    return Softplus(float(beta), float(threshold) if threshold < 34 else None)


def softmax_axis(axis: int | None, rank: int, *, channels_second: bool = False) -> int | None:
    """An axis of a tensor of this rank as `Softmax` has it.

    Example:
        >>> softmax_axis(1, 4, channels_second=True), softmax_axis(-1, 4, channels_second=True)
        (None, 2)
    """
    axis = channels_last_axis(-1 if axis is None else axis, rank, channels_second=channels_second)
    return None if axis == rank - 1 else axis


def _sigmoid(x: np.ndarray) -> np.ndarray:
    from scipy.special import expit

    return np.asarray(expit(x))


def _softplus(x: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # NaN stays NaN
        return np.asarray(np.logaddexp(0, x))
