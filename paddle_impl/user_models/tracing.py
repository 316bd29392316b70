"""Run a model that somebody else wrote, and write down every layer and function that it reaches."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import mock

import paddle
from paddle import nn

from paddle_impl.kinds import FUNCTIONS, arrays_of, known, of_function, of_layer
from paddle_impl.kinds.attention import attended
from paddle_impl.kinds.geometry import channels_last, sequences_last, sides_of
from parity.kinds import of
from parity.numerics.geometry import single
from parity.runtime.graph import INPUT, UNKNOWN
from parity.runtime.tracing import again, arguments, composed, merged, of_constant, padding_with, tensors_of, unique
from parity.weights.layout import Layout

WHOLE = (nn.SimpleRNN, nn.LSTM, nn.GRU)  # which compute in one piece: nothing is known of their inside


@dataclass(frozen=True)
class Order:
    """In what Paddle's own order of a tensor differs from the canonical one, maps apart."""

    first: bool = False  # a sequence [n, c, t]
    maps: tuple[int, int, int] | None = None  # (c, h, w) that rows were flattened from


@dataclass
class Step:
    """One layer or function as it ran: the same facts as `parity.runtime.graph.Step`, and how to run it again."""

    name: str
    kind: str
    numbers: dict[str, Any]
    inputs: tuple[int, ...]
    output: paddle.Tensor | None  # None once the values are no longer needed
    made: tuple[int, ...]  # its shape, batch included
    run: Callable[..., paddle.Tensor]  # on tensors like its inputs
    shapes: tuple[tuple[int, ...], ...]  # of its inputs, batch included, in Paddle's own layout
    arrays: dict[str, tuple[paddle.Tensor, Layout]] = field(default_factory=dict)
    layer: nn.Layer | None = None
    order: Order = Order()  # of its output


class Trace:
    """What one run of a model reached, in order."""

    def __init__(self, model: nn.Layer, x: paddle.Tensor, order: Order) -> None:
        self.steps: list[Step] = []
        self._top, self._given = model, order
        self._last = any(channels_last(layer) for layer in model.sublayers(include_self=True))
        self._paths = {id(layer): path for path, layer in model.named_sublayers(include_self=True)}
        self._made = {id(x): INPUT}  # by tensor: the step that made it
        self._alive: list[Any] = [x]  # keeps every tensor, so that no id is given twice
        self._inside: list[str] = []  # the layers that are running, by path
        self._quiet = 0  # within a known layer, its own functions are its business
        with self._listening():
            self.result = model(x)

    @contextmanager
    def _listening(self) -> Iterator[None]:
        call = nn.Layer.__call__

        def spy(layer: nn.Layer, *args: Any, **kwargs: Any) -> Any:
            return self._layer(call, layer, args, kwargs)

        with ExitStack() as stack:
            stack.enter_context(mock.patch.object(nn.Layer, "__call__", spy))
            spies = {}
            for name, places in FUNCTIONS.items():
                for owner, attribute in places:
                    original = getattr(owner, attribute)
                    spies[id(original)] = self._function(name, original)
                    stack.enter_context(mock.patch.object(owner, attribute, spies[id(original)]))
            for layer, attribute, function in self._kept_functions(spies):
                stack.enter_context(mock.patch.object(layer, attribute, spies[id(function)]))
            yield

    @contextmanager
    def _unheard(self, wanted: bool = True) -> Iterator[None]:
        """Within, nothing is written down."""
        self._quiet += wanted
        try:
            yield
        finally:
            self._quiet -= wanted

    def _kept_functions(self, wanted: Container[int]) -> list[tuple[nn.Layer, str, Any]]:
        """Functions by id that layers keep as attributes, as in `self.act = F.relu`."""
        return [
            (layer, attribute, value)
            for layer in self._top.sublayers(include_self=True)
            if not known(layer)
            for attribute, value in vars(layer).items()
            if id(value) in wanted
        ]

    def _layer(self, call: Callable[..., Any], layer: nn.Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._quiet:
            return call(layer, *args, **kwargs)
        path = self._paths.get(id(layer)) or type(layer).__name__
        if (tensors := attended(layer, args, kwargs)) is not None:
            with self._unheard():
                result = call(layer, *args, **kwargs)
            self._add(path, *of_layer(layer, tensors[0], result), tensors, result, lambda *xs: call(layer, *xs), layer)
            return result
        if not known(layer) or len(args) != 1 or kwargs or not isinstance(args[0], paddle.Tensor):
            self._inside.append(path)
            before, whole = len(self.steps), isinstance(layer, WHOLE)
            try:
                with self._unheard(whole):
                    result = call(layer, *args, **kwargs)
            finally:
                self._inside.pop()
            if len(self.steps) == before and isinstance(result, paddle.Tensor):
                self._opaque(path, layer, args, result, lambda *xs: call(layer, *xs))
            elif whole:  # the outputs and the last state
                self._opaque(path, layer, args, result[0], lambda *xs: call(layer, *xs)[0])
                for state in tensors_of(result[1:], paddle.Tensor):
                    self._made[id(state)] = len(self.steps) - 1
                    self._alive.append(state)
            return result
        activation = getattr(layer, "_act", None)

        def bare(x: paddle.Tensor) -> paddle.Tensor:
            if activation is None:
                return call(layer, x)
            with mock.patch.object(layer, "_act", None):
                return call(layer, x)

        with self._unheard():
            result = bare(args[0])
        kind, numbers = of_layer(layer, args[0], result)
        self._add(path, kind, numbers, args, result, bare, layer)
        return result if activation is None else self._carried(path, activation, result)

    def _carried(self, path: str, name: str, y: paddle.Tensor) -> paddle.Tensor:
        """The activation that a layer of Paddle's older kind carries, apart from it."""
        function = getattr(nn.functional, name)
        with self._unheard():
            result = function(y)
        self._add(f"{path}.{name}", *of_function(name, {}, y, result), [y], result, function)
        return result

    def _opaque(
        self, path: str, layer: nn.Layer, args: Any, result: paddle.Tensor, run: Callable[..., paddle.Tensor]
    ) -> None:
        """A layer in which nothing known ran: its inputs and output are all that can be said."""
        tensors = tensors_of(args, paddle.Tensor)
        self._add(path, "other", {"type": type(layer).__name__}, tensors, result, run, layer)

    def _function(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def spy(*args: Any, **kwargs: Any) -> Any:
            if name == "leaky_relu":  # of all such constants TensorFlow makes float32 numbers, in float64 too
                given = arguments(original, args, kwargs)
                args, kwargs = (given["x"],), {"negative_slope": single(given.get("negative_slope", 0.01))}
            if self._quiet:
                return original(*args, **kwargs)
            with self._unheard():
                result = original(*args, **kwargs)
            tensors = tensors_of([*args, *kwargs.values()], paddle.Tensor)
            if tensors and isinstance(result, paddle.Tensor) and any(id(each) in self._made for each in tensors):
                x = tensors[0]
                first = not self._last if x.ndim == 4 else self._order_of(x).first
                kind, numbers = of_function(name, arguments(original, args, kwargs), x, result, first=first)
                if kind in ("add", "multiply") and len(tensors) == 1:
                    kind, numbers = of_constant(name, [*args, *kwargs.values()])
                path = ".".join([*[each for each in self._inside if each][-1:], name])
                self._add(path, kind, numbers, tensors, result, again(original, args, kwargs, paddle.Tensor))
                if (name, kind) == ("transpose", "identity"):
                    self.steps[-1].order = Order(first=not first)
            return result

        return spy

    def _add(
        self,
        path: str,
        kind: str,
        numbers: dict[str, Any],
        tensors: Any,
        result: paddle.Tensor,
        run: Callable[..., paddle.Tensor],
        layer: nn.Layer | None = None,
    ) -> None:
        inputs = tuple(self._made.get(id(each), UNKNOWN) for each in tensors)
        step = Step(
            name=unique(path, [each.name for each in self.steps]),
            kind=kind,
            numbers=numbers,
            inputs=inputs,
            output=result,
            made=tuple(result.shape),
            run=run,
            shapes=tuple(tuple(each.shape) for each in tensors),
            arrays=arrays_of(layer) if layer is not None else {},
            layer=layer,
        )
        step.order = self._order(step, tensors[0], result)
        self._made[id(result)] = len(self.steps)
        self._alive.append(result)
        self.steps.append(step)

    def _order_of(self, x: paddle.Tensor) -> Order:
        place = self._made.get(id(x), UNKNOWN)
        return self._given if place == INPUT else self.steps[place].order if place >= 0 else Order()

    def _order(self, step: Step, x: paddle.Tensor, y: paddle.Tensor) -> Order:
        before = self._order_of(x)
        if y.ndim == 3:
            return Order(first=self._first(step, x, y, before.first))
        if y.ndim == 2 and step.kind == "reshape" and x.ndim in (3, 4):
            turned = before.first if x.ndim == 3 else not self._last
            c, *cells = x.shape[1:]
            several = turned and any(extent > 1 for extent in cells)
            return Order(maps=(c, *[1] * (2 - len(cells)), *cells) if several else None)
        return before if y.ndim == 2 and of(step.kind, step.numbers).keeps_rows else Order()

    def _first(self, step: Step, x: paddle.Tensor, y: paddle.Tensor, before: bool) -> bool:
        """Whether a sequence is [n, c, t]."""
        if step.kind == "reshape" and x.ndim == 4:
            return not self._last and y.shape[1] == x.shape[1]
        if step.kind in ("conv", "max_pool", "average_pool"):
            return step.layer is None or not sequences_last(step.layer)
        if step.kind in ("global_max_pool", "global_average_pool"):
            return y.shape[1:] == [x.shape[1], 1]
        return before


def trace(model: nn.Layer, x: paddle.Tensor, order: Order) -> Trace:
    """Run the model on x and return what it reached; paddings are merged into the layers that they pad for."""
    found = Trace(model, x, order)
    found.steps = composed(merged(found.steps, _changed), _renewed)
    return found


def _renewed(step: Step, kind: str, numbers: dict[str, Any], inputs: tuple[int, ...], run: Callable[..., Any]) -> Step:
    return replace(step, kind=kind, numbers=numbers, inputs=inputs, shapes=step.shapes[: len(inputs)], run=run)


def _changed(step: Step, padder: Step | None, inputs: tuple[int, ...]) -> Step:
    if padder is None:
        return replace(step, inputs=inputs)
    sides = sides_of(step.layer) if step.layer is not None else sides_of(padder.layer)
    padding = padding_with(step, padder, sides(padder.shapes[0]), sides(step.made))
    numbers, run = step.numbers | {"padding": padding}, lambda x: step.run(padder.run(x))
    return replace(step, numbers=numbers, inputs=inputs, shapes=padder.shapes, run=run)
