"""Which of Paddle's layers and functions are of which kind, and code for them: one file a family."""

from __future__ import annotations

from typing import Any

import paddle
from paddle import nn

from parity.kinds.registry import FunctionCall, Registry
from parity.runtime.tracing import present, reader
from parity.weights.layout import Layout

Facts = tuple[str, dict[str, Any]]  # kind and numbers, see `parity.kinds`

reads = reader(f"PaddlePaddle {paddle.__version__}")

registry = Registry("paddle_impl")

KNOWN_FUNCTIONS = registry.called()  # functions, by the modules and names through which models call them

PRESENT_FUNCTIONS = present(KNOWN_FUNCTIONS)  # older versions lack some


@reads
def known(layer: nn.Layer) -> bool:
    """Whether the layer is one of Paddle's own that `of_layer` can describe."""
    return type(layer) in registry.layers and getattr(layer, "_padding_mode", "zeros") == "zeros"


@reads
def arrays_of(layer: nn.Layer) -> dict[str, tuple[paddle.Tensor, Layout]]:
    """The layer's arrays by canonical kind."""
    return registry.arrays_of(layer)


@reads
def of_layer(layer: nn.Layer, x: paddle.Tensor, y: paddle.Tensor) -> Facts:
    """Kind and numbers of a known layer that made y of x.

    Maps are [n, c, h, w], or [n, h, w, c] by the layer's data_format; the same without h for sequences.
    """
    kind = registry.of_layer(layer, x, y)
    return kind.name, kind.numbers()


@reads
def of_function(
    name: str, arguments: dict[str, Any], x: paddle.Tensor, y: paddle.Tensor, *, first: bool = False
) -> Facts:
    """Kind and numbers of a function of `PRESENT_FUNCTIONS` that made y of x; `first`: channels are x's second axis."""
    kind = registry.of_function(FunctionCall(name, arguments, x, y, channels_second=first))
    return kind.name, kind.numbers()
