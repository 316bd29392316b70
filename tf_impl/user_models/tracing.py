"""Run a user's model, and record every layer and function that it calls."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from unittest import mock

import keras
import tensorflow as tf

from parity.runtime import trace
from parity.runtime.trace import LayerCall, Readers
from parity.runtime.traced_steps import Sides, TracedStep, arguments, tensors_of
from parity.weights.layout import Layout
from tf_impl.kinds import registry
from tf_impl.kinds.activation import of_activation
from tf_impl.kinds.attention import attended
from tf_impl.kinds.conv import convolution
from tf_impl.kinds.geometry import sides
from tf_impl.kinds.recurrent import recurred

layers = keras.layers

# layers that may carry an activation of their own
WITH_ACTIVATION = (
    layers.Conv1D,
    layers.Conv2D,
    layers.Conv3D,
    layers.DepthwiseConv2D,
    layers.SeparableConv2D,
    layers.Conv2DTranspose,
    layers.Dense,
)


# of Keras's operations, by the names of their classes
OTHER_NAMES = {"concatenate": "concat", "flatten": "reshape", "squeeze": "reshape", "re_l_u": "relu"}


def operands(layer: keras.layers.Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[tf.Tensor] | None:
    """What a call of an attention or recurrent layer takes; None for any other call."""
    return attended(layer, args, kwargs) or recurred(layer, args, kwargs)


class Trace(trace.Trace):
    """What one run of a Keras model reached, in order."""

    readers = Readers(tf.Tensor, registry, operands)

    def _named_layers(self) -> dict[int, str]:
        """Keras names layers within their model only."""
        paths: dict[int, str] = {}

        def visit(layer: keras.layers.Layer, prefix: str) -> None:
            for child in layer._layers:
                if id(child) not in paths:
                    paths[id(child)] = f"{prefix}{child.name}"
                    visit(child, f"{prefix}{child.name}/")

        visit(self._top, "")
        return paths

    def _layers(self) -> Sequence[keras.layers.Layer]:
        layers: list[keras.layers.Layer] = self._top._flatten_layers()
        return layers

    def _calls(self) -> dict[type, LayerCall]:
        operation_call = keras.Operation.__call__

        def spy_operation(operation: keras.Operation, *args: Any, **kwargs: Any) -> Any:
            if isinstance(operation, keras.layers.Layer) or self._quiet:
                return operation_call(operation, *args, **kwargs)
            name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(operation).__name__).lower()
            name = {"concatenate": "concat", "flatten": "reshape", "squeeze": "reshape", "re_l_u": "relu"}.get(
                name, name
            )
            facts = vars(operation) | arguments(operation.call, args, kwargs)
            call = self._function(name, lambda *xs, **named: operation_call(operation, *xs, **named), facts)
            return call(*args, **kwargs)

        return {keras.layers.Layer: self._layer_spy(keras.layers.Layer.__call__), keras.Operation: spy_operation}

    def _path(self, layer: keras.layers.Layer) -> str:
        return self._paths.get(id(layer)) or layer.name

    def _scope(self, layer: keras.layers.Layer, path: str) -> str:
        return "" if layer is self._top else path

    def _layer(self, call: LayerCall, layer: keras.layers.Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if isinstance(layer, keras.layers.InputLayer):
            return call(layer, *args, **kwargs)
        return super()._layer(call, layer, args, kwargs)

    def _readable(self, layer: keras.layers.Layer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        return registry.known(layer) and len(args) == 1 and layer is not self._top

    def _known(
        self, call: LayerCall, layer: keras.layers.Layer, path: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        with self._unrecorded():
            if isinstance(layer, WITH_ACTIVATION):
                return self._product(call, layer, path, args[0], kwargs)
            result = call(layer, *args, **kwargs)
        self._add(path, *registry.of_layer(layer, args[0], result), tensors_of(args, tf.Tensor), result, layer)
        return result

    def _product(
        self, call: LayerCall, layer: keras.layers.Layer, path: str, x: tf.Tensor, kwargs: dict[str, Any]
    ) -> tf.Tensor:
        """A convolution or fully connected layer, and as a step of its own the activation that Keras lets it have."""
        seen: list[tf.Tensor] = []
        activation = layer.activation

        def spy(y: tf.Tensor) -> tf.Tensor:
            seen.append(y)
            return y if activation is None else activation(y)

        with mock.patch.object(layer, "activation", spy):
            result = call(layer, x, **kwargs)

        product = seen[0]
        if isinstance(layer, keras.layers.SeparableConv2D):
            x = self._first_half(layer, path, x, product)
            numbers = {"stride": [1, 1], "padding": [[0, 0], [0, 0]], "dilation": [1, 1], "groups": 1}
            self._add(path, "conv", numbers, [x], product, layer)
        else:
            self._add(path, *registry.of_layer(layer, x, product), [x], product, layer)
        if activation is not None and activation is not keras.activations.linear:
            kind = of_activation(activation)
            self._add(f"{path}.activation", kind.name, kind.numbers(), [product], result)
        return result

    def _first_half(self, layer: keras.layers.Layer, path: str, x: tf.Tensor, product: tf.Tensor) -> tf.Tensor:
        """The depthwise part of a separable convolution, of which Keras has no tensor."""
        options = {"strides": layer.strides, "padding": layer.padding, "dilation_rate": layer.dilation_rate}
        y = keras.ops.depthwise_conv(x, layer.depthwise_kernel, **options)
        self._add(f"{path}.depthwise", "conv", convolution(layer, x, y).numbers(), [x], y)
        self.steps[-1].arrays = {"kernel": (layer.depthwise_kernel, Layout("depthwise"))}
        return y

    def _has_arrays(self, layer: keras.layers.Layer) -> bool:
        return bool(layer._trainable_variables or layer._non_trainable_variables)

    def _sides(self, step: TracedStep, padder: TracedStep) -> Sides:
        return sides
