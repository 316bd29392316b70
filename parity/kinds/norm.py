"""Normalisations: by running statistics, by those of a row or of groups of channels, by neighbouring channels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from parity.kinds.kind import Hypothesis, Kind, Surroundings, optional
from parity.numerics.arrays import Arrays

AFFINE = {"gamma": 1.0, "beta": 0.0}

EPSILONS = (1e-3, 1e-5, 1.001e-5, 1e-6, 1e-7, 1e-8, 1e-12)


@dataclass(frozen=True)
class BatchNorm(Kind):
    """[..., c] normalised by the running `mean` and `variance` [c], times `gamma`, plus `beta`."""

    name = "batch_norm"
    epsilon: float
    momentum: float = 0.0
    frozen: bool = optional(default=False)  # the running statistics are used and kept in training, too

    traps = {"epsilon": "bn-epsilon", "momentum": "bn-momentum", "frozen": "bn-frozen"}
    training_only = ("momentum", "frozen")
    neutral = AFFINE
    per_channel = keeps_rows = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference.

        Args:
            inputs: one float64 array [..., c].
            arrays: `mean` and `variance` [c]; `gamma` and `beta` [c] where there are any.

        Returns:
            [..., c], normalised by the running statistics.
        """
        return normalised(inputs[0], arrays, self.epsilon)

    def hypotheses(self, x: np.ndarray, own: Arrays, around: Surroundings) -> Iterator[Hypothesis]:
        """Another epsilon, arrays exchanged, statistics of the batch.

        Args:
            x: [..., c], float64.
            own: `gamma`, `beta`, `mean` and `variance` [c], all four.
            around: not used.

        Yields:
            As `Kind.hypotheses`; outputs [..., c], with NaN where a mean below zero stands for a variance.
        """
        for other in in_both_precisions(EPSILONS):
            if not np.isclose(other, self.epsilon, rtol=1e-6):
                text = f"epsilon {other:g}, where the network says {self.epsilon:.3g}"
                yield "bn-epsilon", text, replace(self, epsilon=other).compute([x], own)
        unrounded = float(f"{self.epsilon:.6g}")
        text = f"epsilon {unrounded:g} as a float64 number, where the network says {self.epsilon!r}, its float32 one"
        yield "bn-attr-f32", text, replace(self, epsilon=unrounded).compute([x], own)
        for one, other_name in (("gamma", "beta"), ("mean", "variance")):
            exchanged = own | {one: own[other_name], other_name: own[one]}
            with np.errstate(invalid="ignore"):
                output = self.compute([x], exchanged)
            yield "bias-swap", f"{one} and {other_name} exchanged", output
        axes = tuple(range(x.ndim - 1))
        batch = own | {"mean": x.mean(axis=axes), "variance": x.var(axis=axes)}
        yield "bn-frozen", "the batch's own statistics in inference", self.compute([x], batch)


@dataclass(frozen=True)
class LayerNorm(Kind):
    """[..., c] normalised by the mean and variance of each row of the last axis, times `gamma`, plus `beta`."""

    name = "layer_norm"
    epsilon: float

    traps = {"epsilon": "act-default"}
    neutral = AFFINE
    last_axis = keeps_rows = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference."""
        x = inputs[0]
        own = {"mean": x.mean(axis=-1, keepdims=True), "variance": x.var(axis=-1, keepdims=True)}
        return normalised(x, {**arrays, **own}, self.epsilon)


@dataclass(frozen=True)
class GroupNorm(Kind):
    """[n, ..., c] normalised by the mean and variance of each group of neighbouring channels, or of each single one."""

    name = "group_norm"
    epsilon: float
    groups: int

    traps = {"epsilon": "act-default"}
    neutral = AFFINE
    per_channel = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference."""
        x = inputs[0]
        groups = x.reshape(len(x), -1, self.groups, x.shape[-1] // self.groups)
        own = {"mean": groups.mean(axis=(1, 3), keepdims=True), "variance": groups.var(axis=(1, 3), keepdims=True)}
        return normalised(groups, own, self.epsilon).reshape(x.shape) * arrays.get("gamma", 1) + arrays.get("beta", 0)


@dataclass(frozen=True)
class LocalResponseNorm(Kind):
    """Each value over a power of the sum of the squares of the channels up to `radius` away."""

    name = "lrn"
    radius: int
    bias: float
    alpha: float
    beta: float

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference: [n, h, w, c] -> the same."""
        x, radius = inputs[0], self.radius
        squares = np.pad(x**2, [(0, 0)] * 3 + [(radius, radius)])
        sums = sliding_window_view(squares, 2 * radius + 1, axis=3).sum(axis=4)
        return x / (self.bias + self.alpha * sums) ** self.beta

    def hypotheses(self, x: np.ndarray, own: Arrays, around: Surroundings) -> Iterator[Hypothesis]:
        """The mean over the window, or alpha not divided by its size."""
        size = 2 * self.radius + 1
        for factor, what in ((1 / size, "the mean over"), (size, f"{size} times the sum over")):
            text = f"{what} the window of {size} channels, where the network says the sum"
            yield "lrn", text, replace(self, alpha=self.alpha * factor).compute([x], own)


def normalised(x: np.ndarray, arrays: Mapping[str, np.ndarray], epsilon: float) -> np.ndarray:
    """[..., c] normalised by `mean` and `variance`, times `gamma`, plus `beta`, where there are any.

    Example:
        >>> normalised(np.array([[3.0]]), {"mean": np.array([1.0]), "variance": np.array([4.0])}, epsilon=0.0)
        array([[1.]])
    """
    scale = arrays.get("gamma", 1) / np.sqrt(arrays["variance"] + epsilon)
    return (x - arrays["mean"]) * scale + arrays.get("beta", 0)


def batch_norm_training(
    x: np.ndarray, arrays: Mapping[str, np.ndarray], epsilon: float, momentum: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The numpy reference of a batch norm in training mode.

    Args:
        x: [..., c], normalised by its own mean and variance.
        arrays: the running `mean` and `variance` [c] before the step; `gamma` and `beta` [c] where there are any.
        epsilon: is added to the variance.
        momentum: the share of the old running statistics in the new ones.

    Returns:
        The output [..., c], the new running mean [c] and the new running variance [c]. The variance is the biased one,
        in the normalisation and in the running statistics.
    """
    axes = tuple(range(x.ndim - 1))
    mean, variance = x.mean(axis=axes), x.var(axis=axes)
    y = normalised(x, {**arrays, "mean": mean, "variance": variance}, epsilon)
    moved = [momentum * arrays[k] + (1 - momentum) * own for k, own in (("mean", mean), ("variance", variance))]
    return y, moved[0], moved[1]


def of_running_statistics(before: Arrays, x: np.ndarray, momentum: float) -> Iterator[tuple[str, str, Arrays]]:
    """What the running statistics of a batch norm would be after one batch, under each trap.

    Args:
        before: the running `mean` and `variance` [c] before the step.
        x: the batch [n, ..., c].
        momentum: the share of the old running statistics in the new ones.

    Yields:
        (trap, what was computed instead, `mean` and `variance` [c] that this makes).
    """
    axes = tuple(range(x.ndim - 1))
    count = x.size // x.shape[-1]
    batch = {"mean": x.mean(axis=axes), "variance": x.var(axis=axes)}

    def moved(by: float, statistics: Arrays = batch) -> Arrays:
        return {name: by * before[name] + (1 - by) * statistics[name] for name in batch}

    yield "bn-frozen", "running statistics that training does not move", dict(before)
    unbiased = batch | {"variance": batch["variance"] * count / (count - 1)}
    yield "bn-unbiased", f"the variance with n - 1 for the running one (n = {count})", moved(momentum, unbiased)
    for other in in_both_precisions((0.9, 0.99, 0.999, 1 - momentum)):
        if not np.isclose(other, momentum, rtol=1e-6):
            yield "bn-momentum", f"momentum {other:g}, where the network says {momentum:.6g}", moved(other)
    unrounded = float(f"{momentum:.6g}")
    text = f"momentum {unrounded:g} as a float64 number, where the network says {momentum!r}, its float32 one"
    yield "bn-attr-f32", text, moved(unrounded)


def in_both_precisions(constants: Iterable[float]) -> Iterator[float]:
    """Each as it stands, and as the float32 number that Paddle makes of it."""
    for constant in constants:
        yield constant
        yield float(np.float32(constant))
