"""What a single layer may have computed instead: every trap that a layer can fall into, computed in numpy.

A hypothesis gives the layer's output to the last bits, not just the size of a gap. Where a framework's layer has that
output, and not the one of its spec, the trap is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from parity.kinds import of_spec
from parity.kinds.activation import Softmax
from parity.kinds.kind import Hypothesis, Surroundings
from parity.numerics.arrays import Arrays
from parity.numerics.losses import cross_entropies, cross_entropy

LOSS_CAPS = (64.0, 100.0, 50.0, 30.0, 20.0, 10.0)

PROBABILITY_FLOORS = (1e-7, 1e-8, 1e-10, 1e-12, 1e-6)


def of_layer(
    layer: Mapping[str, Any],
    x: np.ndarray,
    own: Arrays,
    state: Arrays,
    flattened: tuple[int, int, int] | None = None,
    *,
    largest: float = np.inf,
) -> Iterator[Hypothesis]:
    """The outputs of a layer under each trap that it can fall into.

    Args:
        layer: `name`, `kind` and numbers, as a worker describes it.
        x: float64 input, [n, h, w, c] or [n, features].
        own: the layer's arrays by kind (`kernel`, `bias`, `gamma`, ...).
        state: the whole canonical state, for arrays that may have been exchanged.
        flattened: (height, width, channels) that a dense layer's rows came from.
        largest: the largest number of the output, at which an activation may be clipped.

    Yields:
        (trap, what was computed, output).
    """
    kind = of_spec(layer)
    if kind is not None:
        yield from kind.hypotheses(x, own, Surroundings(state, flattened, largest))


def of_loss(logits: np.ndarray, labels: np.ndarray) -> Iterator[tuple[str, str, float]]:
    """The mean loss under each trap.

    Args:
        logits: [n, classes].
        labels: [n], integers.

    Yields:
        (trap, what was computed, mean loss in nats).
    """
    yield "softmax-twice", "the cross entropy of probabilities", cross_entropy(Softmax().of(logits), labels)
    pairs = np.repeat(logits, len(labels), axis=0), np.tile(labels, len(labels))
    yield "label-shape", "every image's loss with every image's label", cross_entropy(*pairs)
    chosen = Softmax().of(logits)[np.arange(len(labels)), labels]
    yield "relu-on-logits", "the cross entropy of logits after a ReLU", cross_entropy(np.maximum(logits, 0), labels)
    yield "softmax-twice", "the sum of probabilities, without a logarithm", float(-chosen.mean())
    losses = cross_entropies(logits, labels)
    for cap in LOSS_CAPS:
        yield "softmax-floor", f"losses clipped at {cap:.3g}", float(np.minimum(losses, cap).mean())
    for floor in PROBABILITY_FLOORS:
        clipped = -np.log(np.clip(chosen, floor, 1 - floor))
        text = f"the cross entropy of probabilities clipped to {floor:g}..1 - {floor:g}"
        yield "softmax-floor", text, float(clipped.mean())


def of_images(images: np.ndarray) -> Iterator[Hypothesis]:
    """The images [n, h, w, c] that the network may have been given instead."""
    yield "channel-order", "BGR", images[..., ::-1]
    reshaped = np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(images.shape)
    yield "channel-order", "channels first, reshaped instead of transposed", reshaped
    yield "channel-order", "channels last, reshaped instead of transposed", _last_by_reshape(images)
    for factor in (255.0, 1 / 255.0):
        yield "preprocess", f"{factor:.3g} times as large", images * factor


def rounded_to_bits(x: np.ndarray, bits: int) -> np.ndarray:
    """Numbers rounded to the nearest with so many significant bits.

    Args:
        x: float64.
        bits: significant bits that are kept, such as 11 for TF32 and 8 for bfloat16.

    Returns:
        float64, of the same shape.

    Example:
        >>> rounded_to_bits(np.array([1 + 2.0**-9, -3.0]), 8).tolist()
        [1.0, -3.0]
    """
    mantissa, exponent = np.frexp(x)
    return np.ldexp(np.rint(np.ldexp(mantissa, bits)), exponent - bits)


def _last_by_reshape(images: np.ndarray) -> np.ndarray:
    n, h, w, c = images.shape
    return np.ascontiguousarray(images).reshape(n, c, h, w).transpose(0, 2, 3, 1)
