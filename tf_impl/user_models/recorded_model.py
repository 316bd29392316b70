"""A user's Keras model, recorded operation by operation."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity.catalogue.targets import TargetError
from parity.error_causes import cause
from parity.numerics.arrays import Arrays
from parity.runtime import recorded_model
from parity.runtime.calling import Calling, Running
from parity.runtime.recorded_models import RecordedModels
from parity.runtime.recording import Recording
from parity.runtime.user_models import HALF, BuildSpec
from tf_impl.user_models import fixing
from tf_impl.user_models.building import build_model, build_running, counts, round_constants, set_weights
from tf_impl.user_models.calling import call_model, callings, flatten_outputs, to_tensors
from tf_impl.user_models.noise import shared_noise
from tf_impl.user_models.recording import Recorder
from tf_impl.user_models.tracing import Trace


class RecordedModel(recorded_model.RecordedModel):
    """A Keras model."""

    fixer, fix_head, fix_helpers = fixing.Fixer(), fixing.HEAD, fixing.HELPERS

    def built(self, spec: BuildSpec, dtype: str) -> Running:
        return build_running(spec, dtype)

    def prepare(self) -> None:
        """`build_running` has rounded the constants but for those of changes; the mode is an argument of every call."""
        round_constants(self.model)

    def callings(self) -> Iterator[Calling]:
        return callings(self.model, self.spec, self.dtype)

    def state(self) -> Mapping[str, keras.Variable]:
        return {variable.path: variable for variable in self.model.variables if counts(variable)}

    def read_array(self, tensor: keras.Variable) -> np.ndarray:
        return _full(np.array(tensor))

    def write_array(self, tensor: keras.Variable, array: np.ndarray) -> None:
        tensor.assign(array)

    def read_file(self, path: Path) -> None:
        types = set_weights(self.model, path)
        if odd := [name for name, (dtype, _) in types.items() if dtype == "float64"]:
            raise TargetError(f"{path}: {odd[0]!r} is float64; expected float32: save the model in float32")

    def write_file(self, path: Path) -> Collection[str]:
        held = [variable.path for variable in self.model.weights if counts(variable)]
        if path.suffix != ".keras":
            self.model.save_weights(str(path))
            return held
        # the whole model, so one whose constants are as its owner wrote them
        whole = build_model(self.spec, "float32", rounded=False)
        whole.set_weights(self.model.get_weights())
        try:
            whole.save(str(path))
        except (TypeError, ValueError, NotImplementedError) as error:
            raise TargetError(
                f"{self.spec.target!r} cannot be saved as a .keras file: {cause(error)}. Name a .weights.h5 file."
            ) from error
        return held

    def trainable(self, tensor: keras.Variable) -> bool:
        return bool(tensor.trainable)

    def recorded(self, inputs: Arrays, *, traced: bool = False) -> Recording:
        tensors = to_tensors(inputs, self.spec.inputs, self.calling.axes, self.dtype)
        recorder = Recorder(self.model, self.state())
        with shared_noise(), recorder.recording(tensors) as recording:
            if traced:
                trace = Trace(self.model, list(tensors.values()), lambda: self.called(tensors), everything=True)
                outputs, steps = trace.result, trace.steps
            else:
                outputs, steps = self.called(tensors), []
            recording.outputs = [(path, recorder.number(tensor)) for path, tensor in outputs]
            recording.steps = recorder.of_steps(steps)
        return recording

    def outputs(self, inputs: Arrays) -> list[tuple[str, tf.Tensor]]:
        with shared_noise():
            return self.called(to_tensors(inputs, self.spec.inputs, self.calling.axes, self.dtype))

    def training_pass(self, inputs: Arrays, cotangents: Sequence[np.ndarray]) -> tuple[list[np.ndarray], Arrays]:
        tensors = to_tensors(inputs, self.spec.inputs, self.calling.axes, self.dtype)
        trained = {name: variable for name, variable in self.state().items() if variable.trainable}
        with shared_noise(), tf.GradientTape(watch_accessed_variables=False) as tape:
            for variable in trained.values():
                tape.watch(variable.value)
            flat = flatten_outputs(call_model(self.model, tensors, True, self.calling.way))
            outputs = [tensor for _, tensor in flat if tensor.dtype.is_floating]
            recorded_model.require_as_many(outputs, cotangents)
            total = tf.add_n(
                [tf.reduce_sum(y * tf.constant(c, y.dtype)) for y, c in zip(outputs, cotangents, strict=True)]
            )
        gradients = tape.gradient(total, [variable.value for variable in trained.values()])
        found: Arrays = {}
        for name in reversed(trained):  # one after the other: those of a large model are as large as the model
            gradient = gradients.pop()
            if gradient is not None:
                found[name] = tf.convert_to_tensor(gradient).numpy()
        return [tensor.numpy() for tensor in outputs], found

    def called(self, tensors: Mapping[str, tf.Tensor]) -> list[tuple[str, tf.Tensor]]:
        """What the model gives for tensors."""
        return flatten_outputs(call_model(self.model, tensors, None, self.calling.way))

    def numbers(self, tensor: Any) -> np.ndarray:
        return _full(tensor.numpy() if isinstance(tensor, tf.Tensor) else np.array(tensor))

    def tensor_like(self, array: np.ndarray, like: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.constant(array), like.dtype)


def _full(array: np.ndarray) -> np.ndarray:
    """An array as it is, one of half precision in float32."""
    return array.astype(np.float32) if array.dtype.name in HALF else array


models = RecordedModels(RecordedModel)
