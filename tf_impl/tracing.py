"""Run a model that somebody else wrote, and write down every layer and function that it reaches."""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import mock

import keras
import tensorflow as tf

from parity.graphs import INPUT, POSITIVE, UNKNOWN, used_padding
from parity.weights import Layout
from tf_impl.layer_kinds import (
    FUNCTIONS,
    PRODUCTS,
    arrays_of,
    convolution,
    known,
    of_activation,
    of_function,
    of_layer,
)


@dataclass
class Step:
    """One layer or function as it ran: the same facts as `parity.graphs.Step`, and how to run it again."""

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
            for name, places in FUNCTIONS.items():
                for owner, attribute in places:
                    original = getattr(owner, attribute)
                    stack.enter_context(mock.patch.object(owner, attribute, self._function(name, original)))
            yield

    def _layer(
        self, call: Callable[..., Any], layer: keras.layers.Layer, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if self._quiet or isinstance(layer, keras.layers.InputLayer):
            return call(layer, *args, **kwargs)
        path = self._paths.get(id(layer)) or layer.name
        if not known(layer) or len(args) != 1 or layer is self._top:
            self._inside.append("" if layer is self._top else path)
            before = len(self.steps)
            try:
                result = call(layer, *args, **kwargs)
            finally:
                self._inside.pop()
            if len(self.steps) == before and isinstance(result, tf.Tensor):
                tensors = _tensors(args)
                numbers = {"type": type(layer).__name__}
                self._add(path, "other", numbers, tensors, result, lambda *xs: call(layer, *xs), layer)
            return result
        self._quiet += 1
        try:
            if isinstance(layer, PRODUCTS):
                return self._product(call, layer, path, args[0], kwargs)
            result = call(layer, *args, **kwargs)
        finally:
            self._quiet -= 1
        kind, numbers = of_layer(layer, args[0], result)
        several = isinstance(args[0], (list, tuple))
        run = (lambda *xs: call(layer, list(xs))) if several else (lambda x: call(layer, x, **kwargs))
        self._add(path, kind, numbers, _tensors(args), result, run, layer)
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
            self._add(f"{path}.activation", "activation", of_activation(activation), [product], result, activation)
        return result

    def _first_half(self, layer: keras.layers.Layer, path: str, x: tf.Tensor, product: tf.Tensor) -> tf.Tensor:
        """The depthwise half of a separable convolution, which Keras keeps to itself."""

        def run(x: tf.Tensor) -> tf.Tensor:
            options = {"strides": layer.strides, "padding": layer.padding, "dilation_rate": layer.dilation_rate}
            return keras.ops.depthwise_conv(x, layer.depthwise_kernel, **options)

        y = run(x)
        self._add(f"{path}.depthwise", "conv", convolution(layer, x, y), [x], y, run)
        self.steps[-1].arrays = {"kernel": (layer.depthwise_kernel, Layout("depthwise"))}
        return y

    def _function(
        self, name: str, original: Callable[..., Any], facts: dict[str, Any] | None = None
    ) -> Callable[..., Any]:
        def spy(*args: Any, **kwargs: Any) -> Any:
            if self._quiet:
                return original(*args, **kwargs)
            self._quiet += 1
            try:
                result = original(*args, **kwargs)
            finally:
                self._quiet -= 1
            tensors = _tensors([*args, *kwargs.values()])
            if tensors and isinstance(result, tf.Tensor) and any(id(each) in self._made for each in tensors):
                arguments = facts if facts is not None else _arguments(original, args, kwargs)
                if name in FUNCTIONS:
                    kind, numbers = of_function(name, arguments, tensors[0], result)
                else:
                    kind, numbers = "other", {"type": name}
                if kind in ("add", "multiply") and len(tensors) == 1:
                    kind, numbers = "other", {"type": f"{name} of a constant"}
                path = ".".join([*[each for each in self._inside if each][-1:], name])
                self._add(path, kind, numbers, tensors, result, _again(original, args, kwargs))
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
            name=_unique(path, [each.name for each in self.steps]),
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
    found.steps = _merged(found.steps)
    return found


def _merged(steps: list[Step]) -> list[Step]:
    """Zero padding before a convolution or a max-pool becomes that layer's own; indices are counted anew."""
    users: dict[int, list[int]] = {}
    for place, step in enumerate(steps):
        for source in step.inputs:
            users.setdefault(source, []).append(place)
    gone = {}
    for place, step in enumerate(steps):
        if step.kind == "zero_pad" and len(users.get(place, [])) == 1:
            user, source = steps[users[place][0]], step.inputs[0]
            positive = source >= 0 and steps[source].numbers.get("function") in POSITIVE
            # among numbers that are not negative a zero never wins: the same as a max-pool's own padding
            if user.kind == "conv" or (user.kind == "max_pool" and positive):
                gone[place] = users[place][0]
    kept = [place for place in range(len(steps)) if place not in gone]
    new = {old: place for place, old in enumerate(kept)} | {INPUT: INPUT, UNKNOWN: UNKNOWN}
    padders = {user: steps[place] for place, user in gone.items()}
    return [_with_padder(steps[old], padders.get(old), new) for old in kept]


def _with_padder(step: Step, padder: Step | None, new: dict[int, int]) -> Step:
    if padder is None:
        return replace(step, inputs=tuple(new[source] for source in step.inputs))
    kernel = step.numbers.get("window") or step.arrays["kernel"][0].shape[:2]
    padding = [
        used_padding(
            padder.shapes[0][1 + axis],
            step.made[1 + axis],
            kernel[axis],
            step.numbers["stride"][axis],
            step.numbers.get("dilation", [1, 1])[axis],
            padder.numbers["padding"][axis][0] + step.numbers["padding"][axis][0],
        )
        for axis in range(2)
    ]
    return replace(
        step,
        numbers=step.numbers | {"padding": padding},
        inputs=tuple(new[source] for source in padder.inputs),
        shapes=padder.shapes,
        run=lambda x: step.run(padder.run(x)),
    )


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


def _tensors(args: Sequence[Any]) -> list[tf.Tensor]:
    """The tensors among arguments, those in lists and tuples too."""
    flat = [each for arg in args for each in (arg if isinstance(arg, (list, tuple)) else [arg])]
    return [each for each in flat if isinstance(each, tf.Tensor)]


def _arguments(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments by name; a function in C has no signature, and nothing that we read off it."""
    try:
        return dict(inspect.signature(function).bind(*args, **kwargs).arguments)
    except (TypeError, ValueError):
        return dict(kwargs)


def _again(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[..., tf.Tensor]:
    """The same call on other tensors, which take the places of the first ones in order."""

    def run(*tensors: tf.Tensor) -> tf.Tensor:
        left = iter(tensors)

        def put(value: Any) -> Any:
            if isinstance(value, tf.Tensor):
                return next(left)
            if isinstance(value, (list, tuple)) and any(isinstance(each, tf.Tensor) for each in value):
                return type(value)(put(each) for each in value)
            return value

        return function(*[put(each) for each in args], **{name: put(each) for name, each in kwargs.items()})

    return run


def _unique(name: str, taken: list[str]) -> str:
    """A layer that runs again, or a second function of its kind in one layer, is numbered."""
    if name not in taken:
        return name
    return next(found for n in itertools.count(2) if (found := f"{name}#{n}") not in taken)
