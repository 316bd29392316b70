"""The numbers that a Keras model draws while it runs, replaced by those that the other framework gets, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import numpy as np
import tensorflow as tf
from tensorflow.python.ops import gen_random_ops, gen_stateless_random_ops_v2

from parity.runtime.noise import Noise

# TensorFlow's own operations behind all that draws, by whether they draw normal or uniform numbers in 0..1
NORMAL = (
    (gen_random_ops, "random_standard_normal"),
    (gen_stateless_random_ops_v2, "stateless_random_normal_v2"),
)
UNIFORM = ((gen_random_ops, "random_uniform"), (gen_stateless_random_ops_v2, "stateless_random_uniform_v2"))


@contextmanager
def shared_noise() -> Iterator[Noise]:
    """Inside this context normal and uniform numbers are drawn by `Noise`; it counts how many times."""
    noise = Noise()
    with ExitStack() as stack:
        for draw, places in ((noise.normal, NORMAL), (noise.uniform, UNIFORM)):
            for module, name in places:
                spy = _replaced(getattr(module, name), draw)
                stack.enter_context(mock.patch.object(module, name, spy))
        stack.enter_context(mock.patch.object(tf.nn.experimental, "stateless_dropout", _dropout(noise)))
        yield noise


def _dropout(noise: Noise) -> Callable[..., tf.Tensor]:
    """TensorFlow's own, with masks that the other framework makes, too."""

    def dropped(x: tf.Tensor, rate: float, seed: Any, noise_shape: Any = None, **_: Any) -> tf.Tensor:
        given = list(x.shape) if noise_shape is None else [int(size) for size in noise_shape]
        if given == list(x.shape):
            kept = noise.kept(x.numpy().astype(np.float64), rate)
        else:
            kept = (noise.uniform(given) >= rate).astype(np.float64)
        return x * tf.constant(kept, x.dtype) / (1 - rate)

    return dropped


def _replaced(
    original: Callable[..., tf.Tensor], draw: Callable[[Sequence[int]], np.ndarray]
) -> Callable[..., tf.Tensor]:
    def spy(*args: Any, **kwargs: Any) -> tf.Tensor:
        drawn = original(*args, **kwargs)
        return tf.constant(draw(drawn.shape), drawn.dtype)

    return spy
