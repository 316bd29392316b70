"""Windows over maps and sequences, as Keras's layers hold them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from parity.numerics.geometry import over_row, pair, same_padding, used_padding


def sides(shape: Sequence[int]) -> list[int]:
    """Height and width of maps, of volumes the depth before these; a sequence is of height 1."""
    return [1, int(shape[1])] if len(shape) == 3 else [int(extent) for extent in shape[1:-1]]


def both(x: tf.Tensor, value: Any) -> list[int]:
    """A layer's number as [h, w], of maps or a sequence x."""
    return over_row(value) if len(x.shape) == 3 else pair(value)


def padding_of(
    padding: str, x: tf.Tensor, y: tf.Tensor, window: list[int], stride: list[int], dilation: list[int]
) -> list[list[int]]:
    """[[top, bottom], [left, right]], as far as windows reach.

    Args:
        padding: of the layer: "same", "valid" or "causal".
        x: its input.
        y: its output.
        window: [h, w].
        stride: [h, w].
        dilation: [h, w].
    """
    paddings = []
    for extent, out, size, step, spread in zip(sides(x.shape), sides(y.shape), window, stride, dilation, strict=True):
        before = {"same": same_padding(extent, size, step, spread), "causal": (size - 1) * spread}.get(padding, 0)
        paddings.append(used_padding(extent, out, size, step, spread, before))
    return paddings


def named_padding(
    padding: Sequence[Sequence[int]],
    into: Sequence[int],
    window: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
) -> str:
    """Keras's name for [[top, bottom], [left, right]] on maps of this size; empty where there is none.

    Args:
        padding: as far as windows reach.
        into: [h, w] of the input.
        window: [h, w].
        stride: [h, w].
        dilation: [h, w].
    """
    if not any(count for pair_of_axis in padding for count in pair_of_axis):
        return "valid"
    facts = list(zip(into, window, stride, dilation, strict=True))
    before = [same_padding(*fact) for fact in facts]
    used = [
        used_padding(extent, -(-extent // step), size, step, spread, one)
        for (extent, size, step, spread), one in zip(facts, before, strict=True)
    ]
    return "same" if used == [list(one) for one in padding] else ""
