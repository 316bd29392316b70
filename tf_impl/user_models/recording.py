"""Record the operations that a Keras model runs, through TensorFlow's own callback on each of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework import op_callbacks

from parity.runtime import recording

WITHOUT_NUMBERS = (tf.resource, tf.variant)  # types of handles


class Recorder(recording.Recorder):
    """Records what a Keras model runs; inside, functions of `tf.function` run step by step."""

    def __init__(self, model: keras.Model, arrays: Mapping[str, keras.Variable]) -> None:
        super().__init__(arrays, layer_paths(model))
        self._names = {variable.value.handle._id: name for name, variable in arrays.items()}

    def identity(self, tensor: tf.Tensor) -> int:
        return int(tensor._id)

    def number(self, tensor: tf.Tensor) -> int:
        if tensor._id not in self._numbers:
            name = self._names.get(tensor._id) if tensor.dtype == tf.resource else self._read_unseen(tensor)
            if name:
                return self.array(name, tensor)
        return super().number(tensor)

    def _read_unseen(self, tensor: tf.Tensor) -> str:
        """The variable that a tensor was read from where TensorFlow read it on an operation's way to its kernel.

        No callback is called for that. Random weights of two variables are never the same numbers.
        """
        if not tensor.dtype.is_floating:
            return ""
        alike = [
            name
            for name, variable in self._arrays.items()
            if tuple(variable.shape) == tuple(tensor.shape)
            and variable.value.dtype == tensor.dtype
            and np.array_equal(variable.numpy(), tensor.numpy())
        ]
        return alike[0] if len(alike) == 1 else ""

    @contextmanager
    def intercepted(self) -> Iterator[None]:
        call = keras.layers.Layer.__call__

        def spy(layer: keras.layers.Layer, *args: Any, **kwargs: Any) -> Any:
            return self.layer_call(layer, lambda: call(layer, *args, **kwargs), tensors_of((args, kwargs)), tensors_of)

        eager = tf.config.functions_run_eagerly()
        tf.config.run_functions_eagerly(True)
        op_callbacks.add_op_callback(self._noted)
        try:
            with (
                mock.patch.object(keras.layers.Layer, "__call__", spy),
                mock.patch.object(keras.layers.TimeDistributed, "call", _all_steps_at_once),
            ):
                yield
        finally:
            op_callbacks.remove_op_callback(self._noted)
            tf.config.run_functions_eagerly(eager)

    def _noted(
        self,
        kind: str | bytes,
        inputs: Sequence[tf.Tensor],
        attributes: Sequence[Any],
        outputs: Sequence[tf.Tensor],
        op_name: str | None = None,
        graph: Any = None,
    ) -> Sequence[tf.Tensor]:
        name = kind.decode() if isinstance(kind, bytes) else kind
        if name == "ReadVariableOp" and inputs[0]._id in self._names:
            self.array(self._names[inputs[0]._id], outputs[0])
            return outputs
        numbers = [self.number(tensor) for tensor in inputs]
        made = [tensor for tensor in outputs if tensor.dtype not in WITHOUT_NUMBERS]
        self.operation(name, numbers, made)
        return outputs


def _all_steps_at_once(layer: Any, inputs: tf.Tensor, training: bool | None = None, mask: Any = None) -> Any:
    """`TimeDistributed.call` as other frameworks write it: time steps as rows of one call, not one call for each.

    The values of the layer inside can then be found in the other model.
    """
    rows, steps = inputs.shape[:2]
    options: dict[str, Any] = {}
    if layer.layer._call_has_mask_arg and mask is not None:
        options["mask"] = tf.reshape(mask, [rows * steps, *mask.shape[2:]])
    if layer.layer._call_has_training_arg:
        options["training"] = training
    made = layer.layer(tf.reshape(inputs, [rows * steps, *inputs.shape[2:]]), **options)
    return tf.nest.map_structure(lambda part: tf.reshape(part, [rows, steps, *part.shape[1:]]), made)


def layer_paths(model: keras.Model) -> dict[int, str]:
    """Full names of a model's layers by id; Keras names a layer within its owner only."""
    paths: dict[int, str] = {}

    def visit(layer: keras.layers.Layer, prefix: str) -> None:
        for child in layer._layers:
            if id(child) not in paths:
                paths[id(child)] = f"{prefix}{child.name}"
                visit(child, f"{prefix}{child.name}/")

    visit(model, "")
    return paths


def tensors_of(value: Any) -> list[tf.Tensor]:
    """The tensors in nested lists, tuples and dictionaries, in order."""
    return [tensor for tensor in tf.nest.flatten(value) if isinstance(tensor, tf.Tensor)]
