"""Convolutions of maps, depthwise ones among them as those of many groups, and transposed convolutions."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from parity.kinds.dense import exchanged_kernels, of_output_and_bias
from parity.kinds.kind import Hypothesis, Kind, Surroundings, optional
from parity.numerics.arrays import Arrays
from parity.numerics.geometry import PerAxis, WindowPadding, as_maps, pair, window_taps


@dataclass(frozen=True)
class Conv(Kind):
    """Cross-correlation of maps [n, h, w, in] with a kernel [h, w, in / groups, out], and a bias [out].

    The numbers of a user's model are spelled out: stride and dilation [h, w], padding [[top, bottom], [left, right]] as
    far as windows reach. Of volumes [n, d, h, w, in] and a kernel [d, h, w, in / groups, out] there are three of each.
    """

    name = "conv"
    stride: PerAxis
    padding: WindowPadding
    dilation: PerAxis = 1
    groups: int = 1
    border: str | None = optional(None)  # what the padding holds where that is no zeros: numpy's mode

    traps = {"padding": "same-pad", "stride": "stride"}
    neutral = {"bias": 0.0}
    on_maps = True

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference; see `conv2d`."""
        if self.border is not None:
            sides = [(0, 0), *self.padding, (0, 0)]  # type: ignore[misc]
            around = np.pad(as_maps(inputs[0]), sides, mode=self.border)  # type: ignore[call-overload]
            return replace(self, padding=[[0, 0]] * len(self.padding), border=None).compute([around], arrays)  # type: ignore[arg-type]
        return conv2d(
            as_maps(inputs[0]),
            arrays["kernel"],
            arrays.get("bias"),
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )

    def hypotheses(self, x: np.ndarray, own: Arrays, around: Surroundings) -> Iterator[Hypothesis]:
        """Padding on both sides alike, and kernels with their axes exchanged."""
        kernel = own["kernel"]
        yield from of_output_and_bias(self, x, own)
        if self.padding == "same" and max(pair(self.stride)) > 1:
            sides = kernel.shape[0] // 2
            text = f"{sides} pixels of padding on every side, where the network says SAME"
            yield "same-pad", text, replace(self, padding=sides).compute([x], own)
        if kernel.shape[0] > 1:
            text = "its kernel with height and width exchanged"
            yield "conv-layout", text, self.compute([x], own | {"kernel": kernel.swapaxes(0, 1)})
        if kernel.shape[2] == kernel.shape[3]:
            text = "its kernel with inputs and outputs exchanged"
            yield "conv-layout", text, self.compute([x], own | {"kernel": kernel.swapaxes(2, 3)})
        yield from exchanged_kernels(self, x, own, around)


@dataclass(frozen=True)
class ConvTranspose(Kind):
    """Every pixel of maps [n, h, w, in] adds its multiple of a kernel [h, w, out / groups, in]; and a bias [out].

    Stride and dilation are [h, w]; crop [[top, bottom], [left, right]] is cut off the full output, or below zero added.
    """

    name = "conv_transpose"
    stride: Sequence[int]
    crop: Sequence[Sequence[int]]
    dilation: Sequence[int]
    groups: int

    traps = {"crop": "same-pad", "stride": "stride"}
    neutral = {"bias": 0.0}
    on_maps = True

    def label(self, number: str) -> str:
        """The field in words."""
        return "conv transpose padding, cut off the output" if number == "crop" else super().label(number)

    def compute(self, inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """The reference. Raises ValueError where the kernel does not fit the channels."""
        x, kernel, groups = as_maps(inputs[0]), arrays["kernel"], self.groups
        if kernel.shape[3] != x.shape[3]:
            raise ValueError(f"a transposed kernel {kernel.shape} does not fit {x.shape[3]} channels")
        axes = list(zip(x.shape[1:3], self.stride, kernel.shape, self.dilation, strict=False))  # of height and width
        extents = [(n - 1) * s + (k - 1) * d + 1 for n, s, k, d in axes]
        full = np.zeros((len(x), *extents, kernel.shape[2] * groups))
        blocks = x.reshape(*x.shape[:3], groups, -1)
        for tap in np.ndindex(kernel.shape[:2]):
            rows, columns = (
                slice(c * d, c * d + (n - 1) * s + 1, s) for c, (n, s, _, d) in zip(tap, axes, strict=True)
            )
            made = np.einsum("nhwgi,ogi->nhwgo", blocks, kernel[tap].reshape(kernel.shape[2], groups, -1))
            full[:, rows, columns] += made.reshape(*x.shape[:3], -1)
        (top, bottom), (left, right) = self.crop
        height, width = extents[0] - top - bottom, extents[1] - left - right
        more = [(0, 0), (0, max(-bottom, 0)), (0, max(-right, 0)), (0, 0)]
        return np.pad(full, more)[:, top : top + height, left : left + width] + arrays.get("bias", 0)


def conv2d(
    x: np.ndarray,
    kernel: np.ndarray,
    bias: np.ndarray | None,
    *,
    stride: PerAxis,
    padding: WindowPadding,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> np.ndarray:
    """The numpy reference of a convolution: cross-correlation, as both frameworks compute it.

    Args:
        x: maps [n, h, w, i].
        kernel: [kh, kw, i / groups, o].
        bias: [o], or None.
        stride: between windows.
        padding: "same", "valid", pixels on every side, or [[top, bottom], [left, right]].
        dilation: between the taps of a window.
        groups: blocks of input and output channels; a block of outputs depends on its own block of inputs only.

    Returns:
        Maps [n, h', w', o], in float64 where x or the kernel is.

    Raises:
        ValueError: a kernel that does not fit the channels or the padded maps.

    Example:
        >>> conv2d(np.ones((1, 3, 3, 1)), np.ones((3, 3, 1, 1)), None, stride=1, padding="valid")
        array([[[[9.]]]])
    """
    into, out = kernel.shape[-2:]
    if x.shape[-1] != into * groups or out % groups:
        raise ValueError(f"a kernel {kernel.shape} in {groups} groups does not fit {x.shape[-1]} channels")
    parts = window_taps(x, kernel.shape[:-2], stride, padding, dilation=dilation, fill=0.0)
    y = functools.reduce(np.add, (_product(values, kernel[tap], groups) for tap, values in parts))
    return y if bias is None else y + bias


def _product(values: np.ndarray, matrix: np.ndarray, groups: int) -> np.ndarray:
    """[n, h, w, i] times [i / groups, o], group by group: [n, h, w, o]."""
    if groups == 1:
        return np.tensordot(values, matrix, axes=1)
    blocks = values.reshape(*values.shape[:-1], groups, -1)
    made = np.einsum("...gi,igo->...go", blocks, matrix.reshape(len(matrix), groups, -1))
    return made.reshape(*values.shape[:-1], -1)
