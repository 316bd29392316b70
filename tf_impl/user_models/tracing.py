"""Run a model that somebody else wrote, and write down every layer and function that it reaches."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import mock

import keras
import tensorflow as tf

from parity.runtime.graph import INPUT, UNKNOWN
from parity.runtime.tracing import again, arguments, composed, merged, of_constant, padding_with, tensors_of, unique
from parity.weights.layout import Layout
from tf_impl.kinds import FUNCTIONS, arrays_of, known, of_function, of_layer
from tf_impl.kinds.activation import of_activation
from tf_impl.kinds.attention import attended
from tf_impl.kinds.conv import convolution
from tf_impl.kinds.geometry import sides

layers = keras.layers

# layers that may carry an activation of their own
PRODUCTS = (
    layers.Conv1D,
    layers.Conv2D,
    layers.DepthwiseConv2D,
    layers.SeparableConv2D,
    layers.Conv2DTranspose,
    layers.Dense,
)


@dataclass
class Step:
    """One layer or function as it ran: the same facts as `parity.runtime.graph.Step`, and how to run it again."""

    name: str
    kind: str
    numbers: dict[str, Any]
    inputs: tuple[int, ...]
    output: tf.Tensor | None  # None once the values are no longer needed
    made: tuple[int, ...]  # its shape, batch included
    run: Callable[..., tf.Tensor]  # on tensors like its inputs
    shapes: tuple[tuple[int, ...], ...]  # of its inputs, batch included
    arrays: dict[str, tuple[keras.Variable, Layout]] = field(default_factory=dict)
    layer: keras.layers.Layer | None = None


class Trace:
    """What one run of a model reached, in order."""

    def __init__(self, model: keras.Model, x: tf.Tensor, *, training: bool) -> None:
        self.steps: list[Step] = []
        self._top = model
        self._paths = _paths(model)
        self._made = {id(x): INPUT}  # by tensor: the step that made it
        self._alive: list[Any] = [x]  # keeps every tensor, so that no id is given twice
        self._inside: list[str] = []  # the layers that are running, by path
        self._quiet = 0  # within a known layer, its own functions are its business
        with self._listening():
            self.result = model(x, training=training)

    @contextmanager
    def _listening(self) -> Iterator[None]:
        layer_call, operation_call = keras.layers.Layer.__call__, keras.Operation.__call__

        def spy_layer(layer: keras.layers.Layer, *args: Any, **kwargs: Any) -> Any:
            return self._layer(layer_call, layer, args, kwargs)

        def spy_operation(operation: keras.Operation, *args: Any, **kwargs: Any) -> Any:
            if isinstance(operation, keras.layers.Layer) or self._quiet:
                return operation_call(operation, *args, **kwargs)
            name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(operation).__name__).lower()
            name = {"concatenate": "concat", "flatten": "reshape", "squeeze": "reshape"}.get(name, name)
            call = self._function(name, lambda *xs, **named: operation_call(operation, *xs, **named), vars(operation))
            return call(*args, **kwargs)

        with ExitStack() as stack:
            stack.enter_context(mock.patch.object(keras.layers.Layer, "__call__", spy_layer))
            stack.enter_context(mock.patch.object(keras.Operation, "__call__", spy_operation))
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
    def _unheard(self) -> Iterator[None]:
        """Within, nothing is written down."""
        self._quiet += 1
        try:
            yield
        finally:
            self._quiet -= 1

    def _kept_functions(self, wanted: Container[int]) -> list[tuple[keras.layers.Layer, str, Any]]:
        """Functions by id that layers keep as attributes, as in `self.act = tf.nn.relu`."""
        return [
            (layer, attribute, value)
            for layer in self._top._flatten_layers()
            if not known(layer)
            for attribute, value in vars(layer).items()
            if id(value) in wanted
        ]

    def _layer(
        self, call: Callable[..., Any], layer: keras.layers.Layer, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if self._quiet or isinstance(layer, keras.layers.InputLayer):
            return call(layer, *args, **kwargs)
        path = self._paths.get(id(layer)) or layer.name
        if (tensors := attended(layer, args, kwargs)) is not None:
            with self._unheard():
                result = call(layer, *args, **kwargs)

            def attend(query: tf.Tensor, key: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
                return call(layer, query, value, key=key)

            self._add(path, *of_layer(layer, tensors[0], result), tensors, result, attend, layer)
            return result
        if not known(layer) or len(args) != 1 or layer is self._top:
            self._inside.append("" if layer is self._top else path)
            before = len(self.steps)
            try:
                result = call(layer, *args, **kwargs)
            finally:
                self._inside.pop()
            if len(self.steps) == before and isinstance(result, tf.Tensor):
                tensors = tensors_of(args, tf.Tensor)
                numbers = {"type": type(layer).__name__}
                self._add(path, "other", numbers, tensors, result, lambda *xs: call(layer, *xs), layer)
            return result
        with self._unheard():
            if isinstance(layer, PRODUCTS):
                return self._product(call, layer, path, args[0], kwargs)
            result = call(layer, *args, **kwargs)
        kind, numbers = of_layer(layer, args[0], result)
        several = isinstance(args[0], (list, tuple))
        run = (lambda *xs: call(layer, list(xs))) if several else (lambda x: call(layer, x, **kwargs))
        self._add(path, kind, numbers, tensors_of(args, tf.Tensor), result, run, layer)
        return result

    def _product(
        self, call: Callable[..., Any], layer: keras.layers.Layer, path: str, x: tf.Tensor, kwargs: dict[str, Any]
    ) -> tf.Tensor:
        """A convolution or fully connected layer, and apart from it the activation that Keras lets it carry."""
        seen: list[tf.Tensor] = []
        activation = layer.activation

        def spy(y: tf.Tensor) -> tf.Tensor:
            seen.append(y)
            return y if activation is None else activation(y)

        with mock.patch.object(layer, "activation", spy):
            result = call(layer, x, **kwargs)

        def bare(x: tf.Tensor) -> tf.Tensor:
            with mock.patch.object(layer, "activation", None):
                return call(layer, x)

        product = seen[0]
        if isinstance(layer, keras.layers.SeparableConv2D):
            x = self._first_half(layer, path, x, product)
            numbers = {"stride": [1, 1], "padding": [[0, 0], [0, 0]], "dilation": [1, 1], "groups": 1}
            self._add(path, "conv", numbers, [x], product, lambda x: _pointwise(layer, x), layer)
        else:
            self._add(path, *of_layer(layer, x, product), [x], product, bare, layer)
        if activation is not None and activation is not keras.activations.linear:
            kind = of_activation(activation)
            self._add(f"{path}.activation", kind.name, kind.numbers(), [product], result, activation)
        return result

    def _first_half(self, layer: keras.layers.Layer, path: str, x: tf.Tensor, product: tf.Tensor) -> tf.Tensor:
        """The depthwise half of a separable convolution, which Keras keeps to itself."""

        def run(x: tf.Tensor) -> tf.Tensor:
            options = {"strides": layer.strides, "padding": layer.padding, "dilation_rate": layer.dilation_rate}
            return keras.ops.depthwise_conv(x, layer.depthwise_kernel, **options)

        y = run(x)
        self._add(f"{path}.depthwise", "conv", convolution(layer, x, y).numbers(), [x], y, run)
        self.steps[-1].arrays = {"kernel": (layer.depthwise_kernel, Layout("depthwise"))}
        return y

    def _function(
        self, name: str, original: Callable[..., Any], facts: dict[str, Any] | None = None
    ) -> Callable[..., Any]:
        def spy(*args: Any, **kwargs: Any) -> Any:
            if self._quiet:
                return original(*args, **kwargs)
            with self._unheard():
                result = original(*args, **kwargs)
            tensors = tensors_of([*args, *kwargs.values()], tf.Tensor)
            if tensors and isinstance(result, tf.Tensor) and any(id(each) in self._made for each in tensors):
                given = facts if facts is not None else arguments(original, args, kwargs)
                if name in FUNCTIONS:
                    kind, numbers = of_function(name, given, tensors[0], result)
                else:
                    kind, numbers = "other", {"type": name}
                if kind in ("add", "multiply") and len(tensors) == 1:
                    kind, numbers = of_constant(name, [*args, *kwargs.values()])
                path = ".".join([*[each for each in self._inside if each][-1:], name])
                self._add(path, kind, numbers, tensors, result, again(original, args, kwargs, tf.Tensor))
            return result

        return spy

    def _add(
        self,
        path: str,
        kind: str,
        numbers: dict[str, Any],
        tensors: Sequence[tf.Tensor],
        result: tf.Tensor,
        run: Callable[..., tf.Tensor],
        layer: keras.layers.Layer | None = None,
    ) -> None:
        step = Step(
            name=unique(path, [each.name for each in self.steps]),
            kind=kind,
            numbers=numbers,
            inputs=tuple(self._made.get(id(each), UNKNOWN) for each in tensors),
            output=result,
            made=tuple(result.shape),
            run=run,
            shapes=tuple(tuple(each.shape) for each in tensors),
            arrays=arrays_of(layer) if layer is not None else {},
            layer=layer,
        )
        self._made[id(result)] = len(self.steps)
        self._alive.append(result)
        self.steps.append(step)


def trace(model: keras.Model, x: tf.Tensor, *, training: bool) -> Trace:
    """Run the model on x and return what it reached; paddings are merged into the layers that they pad for."""
    found = Trace(model, x, training=training)
    found.steps = composed(merged(found.steps, _changed), _renewed)
    return found


def _renewed(step: Step, kind: str, numbers: dict[str, Any], inputs: tuple[int, ...], run: Callable[..., Any]) -> Step:
    return replace(step, kind=kind, numbers=numbers, inputs=inputs, shapes=step.shapes[: len(inputs)], run=run)


def _changed(step: Step, padder: Step | None, inputs: tuple[int, ...]) -> Step:
    if padder is None:
        return replace(step, inputs=inputs)
    padding = padding_with(step, padder, sides(padder.shapes[0]), sides(step.made))
    numbers, run = step.numbers | {"padding": padding}, lambda x: step.run(padder.run(x))
    return replace(step, numbers=numbers, inputs=inputs, shapes=padder.shapes, run=run)


def _paths(model: keras.Model) -> dict[int, str]:
    """Every layer by its full path; Keras names layers within their model only."""
    found: dict[int, str] = {}

    def visit(layer: keras.layers.Layer, prefix: str) -> None:
        for child in layer._layers:
            if id(child) not in found:
                found[id(child)] = f"{prefix}{child.name}"
                visit(child, f"{prefix}{child.name}/")

    visit(model, "")
    return found


def _pointwise(layer: keras.layers.Layer, x: tf.Tensor) -> tf.Tensor:
    y = keras.ops.conv(x, layer.pointwise_kernel, strides=1, padding="valid")
    return y if layer.bias is None else y + layer.bias
