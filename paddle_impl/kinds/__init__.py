"""Which of Paddle's layers and functions are of which kind, and code for them: one file a family."""

from __future__ import annotations

import paddle
from paddle import nn

from parity.kinds.registry import Registry


def _readable(layer: nn.Layer) -> bool:
    """Whether its padding, if it has any, is of zeros."""
    return getattr(layer, "_padding_mode", "zeros") == "zeros"


registry = Registry("paddle_impl", f"PaddlePaddle {paddle.__version__}", _readable)
