"""Fully connected layers: a product with a kernel [in, out], and a bias [out]."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from parity.kinds.kind import Hypothesis, Kind, Surroundings
from parity.numerics.arrays import Arrays


@dataclass(frozen=True)
class Dense(Kind):
    """[..., in] -> [..., out]."""

    name = "dense"
    neutral = {"bias": 0.0}
    last_axis = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference: what is made of float64 inputs."""
        return inputs[0] @ arrays["kernel"] + arrays.get("bias", 0)

    def hypotheses(self, x: np.ndarray, own: Arrays, around: Surroundings) -> Iterator[Hypothesis]:
        """A kernel transposed, or with its rows in another order."""
        kernel = own["kernel"]
        yield from of_output_and_bias(self, x, own)
        if kernel.shape[0] == kernel.shape[1]:
            yield "dense-layout", "its kernel transposed", self.compute([x], own | {"kernel": kernel.T})
        if around.flattened is not None:
            h, w, c = around.flattened
            first = kernel.reshape(h, w, c, -1).transpose(2, 0, 1, 3).reshape(kernel.shape)
            text = "its kernel's rows in channel, height, width order, where the input's is height, width, channel"
            yield "flatten-order", text, self.compute([x], own | {"kernel": first})
            last = kernel.reshape(c, h, w, -1).transpose(1, 2, 0, 3).reshape(kernel.shape)
            text = "its kernel's rows in height, width, channel order, where the input's is channel, height, width"
            yield "flatten-order", text, self.compute([x], own | {"kernel": last})
        yield from exchanged_kernels(self, x, own, around)


def of_output_and_bias(kind: Kind, x: np.ndarray, own: Arrays) -> Iterator[Hypothesis]:
    """Hypotheses of a dense layer or a convolution: with a ReLU too many, or without its bias.

    Args:
        kind: the layer.
        x: its input, float64.
        own: its arrays by kind.
    """
    yield "relu-on-logits", "a ReLU of its output", np.maximum(kind.compute([x], own), 0)
    if "bias" in own:
        yield "conv-bias", "no bias", kind.compute([x], own | {"bias": np.zeros_like(own["bias"])})


def exchanged_kernels(kind: Kind, x: np.ndarray, own: Arrays, around: Surroundings) -> Iterator[Hypothesis]:
    """Hypotheses of a dense layer or a convolution: with the kernel of another layer that has the same shape.

    Args:
        kind: the layer.
        x: its input, float64.
        own: its arrays by kind.
        around: its `state` holds the kernels of the other layers.
    """
    for name, array in around.state.items():
        if name.endswith("/kernel") and array.shape == own["kernel"].shape and array is not own["kernel"]:
            text = f"the kernel of {name.removesuffix('/kernel')!r}"
            yield "bias-swap", text, kind.compute([x], own | {"kernel": array})
