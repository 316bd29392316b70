"""The numbers that a Paddle layer draws while it runs, replaced by those that the other framework gets, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import paddle

from paddle_impl.user_models.patching import patched
from parity.runtime.noise import Noise


@contextmanager
def shared_noise() -> Iterator[Noise]:
    """Inside this context normal and uniform numbers are drawn by `Noise`; it counts how many times."""
    noise, operations = Noise(), paddle._C_ops
    gaussian, uniform, dropout = operations.gaussian, operations.uniform, operations.dropout

    def normal(shape: Any, mean: float, std: float, seed: int, dtype: Any, *rest: Any, **more: Any) -> paddle.Tensor:
        made = gaussian(shape, mean, std, seed, dtype, *rest, **more)
        return _like(mean + std * _drawn(noise.normal, made.shape), made)

    def even(shape: Any, dtype: Any, low: float, high: float, *rest: Any, **more: Any) -> paddle.Tensor:
        made = uniform(shape, dtype, low, high, *rest, **more)
        return _like(low + (high - low) * _drawn(noise.uniform, made.shape), made)

    def dropped(x: paddle.Tensor, seed: Any, rate: float, is_test: bool, mode: str, *rest: Any, **more: Any) -> Any:
        if is_test or not rate:
            return dropout(x, seed, rate, is_test, mode, *rest, **more)
        kept = _like(noise.kept(x.numpy().astype(np.float64), rate), x)
        return x * kept / (1 - rate) if mode == "upscale_in_train" else x * kept

    with patched({id(gaussian): normal, id(uniform): even, id(dropout): dropped}):
        yield noise


def _drawn(draw: Callable[[Sequence[int]], np.ndarray], shape: Sequence[int]) -> np.ndarray:
    """Numbers in Paddle's order of maps, drawn in that of TensorFlow."""
    if len(shape) != 4:
        return draw(shape)
    n, c, h, w = shape
    return np.ascontiguousarray(np.moveaxis(draw([n, h, w, c]), -1, 1))


def _like(array: np.ndarray, tensor: paddle.Tensor) -> paddle.Tensor:
    return paddle.to_tensor(array).astype(tensor.dtype)
