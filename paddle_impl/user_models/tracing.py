"""Run a user's model, and record every layer and function that it calls."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from unittest import mock

import paddle
from paddle import nn

from paddle_impl.kinds import registry
from paddle_impl.kinds.attention import attended
from paddle_impl.kinds.geometry import channels_last, sequences_last, sides_of
from paddle_impl.kinds.recurrent import recurred
from parity.kinds import of
from parity.kinds.registry import Facts, FunctionCall
from parity.runtime import trace, traced_steps
from parity.runtime.trace import LayerCall, Readers
from parity.runtime.traced_steps import INPUT, UNKNOWN, Sides


@dataclass(frozen=True)
class Order:
    """In what Paddle's own order of a tensor differs from the canonical one, maps apart."""

    first: bool = False  # a sequence [n, c, t]
    maps: tuple[int, int, int] | None = None  # (c, h, w) that rows were flattened from


@dataclass
class TracedStep(traced_steps.TracedStep):
    """One layer or function of Paddle as it ran."""

    order: Order = Order()  # of its output


def operands(layer: nn.Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[paddle.Tensor] | None:
    """What a call of an attention or recurrent layer takes; None for any other call."""
    return attended(layer, args, kwargs) or recurred(layer, args, kwargs)


class Trace(trace.Trace):
    """What one run of a Paddle layer reached, in order; `order` is that of its input."""

    readers = Readers(paddle.Tensor, registry, operands)

    def __init__(
        self,
        model: nn.Layer,
        inputs: Sequence[paddle.Tensor],
        run: Callable[[], Any],
        order: Order,
        *,
        everything: bool = False,
    ) -> None:
        self._given = order
        self._last = any(channels_last(layer) for layer in model.sublayers(include_self=True))
        super().__init__(model, inputs, run, everything=everything)

    def _named_layers(self) -> dict[int, str]:
        return {id(layer): path for path, layer in self._top.named_sublayers(include_self=True)}

    def _layers(self) -> Sequence[nn.Layer]:
        layers: list[nn.Layer] = self._top.sublayers(include_self=True)
        return layers

    def _calls(self) -> dict[type, LayerCall]:
        return {nn.Layer: self._layer_spy(nn.Layer.__call__)}

    def _path(self, layer: nn.Layer) -> str:
        return self._paths.get(id(layer)) or type(layer).__name__

    def _readable(self, layer: nn.Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        return registry.known(layer) and len(args) == 1 and not kwargs and isinstance(args[0], paddle.Tensor)

    def _known(self, call: LayerCall, layer: nn.Layer, path: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        activation = getattr(layer, "_act", None)

        bare = contextlib.nullcontext() if activation is None else mock.patch.object(layer, "_act", None)
        with self._unrecorded(), bare:
            result = call(layer, args[0])
        self._add(path, *registry.of_layer(layer, args[0], result), args, result, layer)
        return result if activation is None else self._carried(path, activation, result)

    def _carried(self, path: str, name: str, y: paddle.Tensor) -> paddle.Tensor:
        """The activation that is part of a layer of Paddle's older kind, as a step of its own."""
        function = getattr(nn.functional, name)
        with self._unrecorded():
            result = function(y)
        self._add(f"{path}.{name}", *registry.of_function(FunctionCall(name, {}, y, result)), [y], result)
        return result

    def _function(
        self, name: str, original: Callable[..., Any], facts: dict[str, Any] | None = None
    ) -> Callable[..., Any]:
        spy = super()._function(name, original, facts)

        def turned(*args: Any, **kwargs: Any) -> Any:
            before = len(self.steps)
            result = spy(*args, **kwargs)
            if len(self.steps) > before and (step := self.steps[-1]).kind == "identity":
                step.order = Order(first=not self._order_at(step.inputs[0]).first)
            return result

        return turned if name == "transpose" else spy

    def _of_function(
        self, name: str, given: dict[str, Any], x: paddle.Tensor, y: paddle.Tensor, values: Sequence[Any]
    ) -> Facts:
        first = not self._last if x.ndim > 3 else self._order_of(x).first
        facts = registry.of_function(FunctionCall(name, given, x, y, first, values))
        # of a sequence it only changes where the channels are, which means the same
        return ("identity", {}) if facts == ("transpose", {"permutation": [0, 2, 1]}) else facts

    def _has_arrays(self, layer: nn.Layer) -> bool:
        return any(parameter is not None for parameter in layer._parameters.values())

    def _sides(self, step: TracedStep, padder: TracedStep) -> Sides:
        return sides_of(step.layer) if step.layer is not None else sides_of(padder.layer)

    def _step(self, tensors: Sequence[paddle.Tensor], result: paddle.Tensor, **facts: Any) -> TracedStep:
        step = TracedStep(**facts)
        step.order = self._order(step, tensors[0], result)
        return step

    def _order_of(self, x: paddle.Tensor) -> Order:
        return self._order_at(self._made.get(id(x), UNKNOWN))

    def _order_at(self, index: int) -> Order:
        """The order of the output of the step with this index."""
        return self._given if index == INPUT else self.steps[index].order if index >= 0 else Order()

    def _order(self, step: TracedStep, x: paddle.Tensor, y: paddle.Tensor) -> Order:
        before = self._order_of(x)
        if y.ndim == 3:
            return Order(first=self._first(step, x, y, before.first))
        if y.ndim == 2 and step.kind == "reshape" and x.ndim in (3, 4):
            turned = before.first if x.ndim == 3 else not self._last
            c, *extents = x.shape[1:]
            several = turned and any(extent > 1 for extent in extents)
            return Order(maps=(c, *[1] * (2 - len(extents)), *extents) if several else None)
        return before if y.ndim == 2 and of(step.kind, step.numbers).keeps_rows else Order()

    def _first(self, step: TracedStep, x: paddle.Tensor, y: paddle.Tensor, before: bool) -> bool:
        """Whether a sequence is [n, c, t]."""
        if step.kind == "reshape" and x.ndim == 4:
            return not self._last and y.shape[1] == x.shape[1]
        if step.kind == "recurrent":
            return False
        if step.kind == "reduce" and x.ndim == 4:
            return not self._last and 3 not in step.numbers["axes"]
        if step.kind == "slice" and x.ndim == 4:
            return not self._last and not isinstance(step.numbers["index"][3], int)
        if step.kind in ("conv", "max_pool", "average_pool"):
            return step.layer is None or not sequences_last(step.layer)
        if step.kind in ("global_max_pool", "global_average_pool"):
            return y.shape[1:] == [x.shape[1], 1]
        return before
