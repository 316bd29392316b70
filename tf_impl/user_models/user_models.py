"""A user's models: built, traced, and run under the canonical names that the alignment gave their layers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from parity.catalogue.targets import TargetError
from parity.numerics.geometry import flattened_1x1
from parity.runtime.hosted_model import HostedModel
from parity.runtime.model_host import Host
from parity.runtime.model_state import Slot
from parity.weights.layout import Layout
from tf_impl import weights
from tf_impl.user_models.building import build_model, counts, require_one, set_weights
from tf_impl.user_models.calling import running_in
from tf_impl.user_models.tracing import Trace, TracedStep


class UserModel(HostedModel):
    """A Keras model."""

    def built(self) -> keras.Model:
        return build_model(self.spec, self.dtype)

    def prepare(self) -> None:
        """`build_model` has rounded the constants, and the mode is an argument of every call."""
        require_one(self.model, self.spec)

    def reached(self, x: tf.Tensor) -> Trace:
        with running_in(self.dtype):
            return Trace(self.model, [x], lambda: self.model(x, training=False))

    def state(self) -> Mapping[str, keras.Variable]:
        return {variable.path: variable for variable in self.model.weights if counts(variable)}

    def arrays_within(self, layer: keras.layers.Layer) -> Collection[keras.Variable]:
        variables: list[keras.Variable] = layer.weights
        return variables

    def trainable(self, tensor: keras.Variable) -> bool:
        return bool(tensor.trainable)

    def trained(self, kind: str, tensor: keras.Variable) -> bool:
        return kind not in ("mean", "variance")

    def layout(self, step: TracedStep, kind: str, *, as_dense: bool) -> Layout:
        return Layout("HWIO 1x1") if as_dense else step.arrays[kind][1]

    def read(self, slot: Slot) -> np.ndarray:
        return weights.read(slot)

    def write(self, slot: Slot, array: np.ndarray) -> None:
        weights.write(slot, array)

    def canonical_shape(self, step: TracedStep) -> tuple[int, ...]:
        return flattened_1x1(step.made[1:])

    def canonical_order(self, array: np.ndarray, step: TracedStep) -> np.ndarray:
        return array

    def own_order(self, array: np.ndarray, source: int) -> np.ndarray:
        return array

    def tensor(self, array: np.ndarray) -> tf.Tensor:
        whole = np.issubdtype(array.dtype, np.integer)
        return tf.constant(array.astype("int32" if whole else self.dtype))

    def read_file(self, path: Path) -> None:
        types = set_weights(self.model, path)
        if odd := [name for name, (dtype, _) in types.items() if dtype == "float64"]:
            raise TargetError(f"{path}: {odd[0]!r} is float64; expected float32: save the model in float32")

    def write_file(self, path: Path) -> None:
        if path.suffix == ".keras":  # the whole model, so one whose constants are as its owner wrote them
            whole = build_model(self.spec, "float32", rounded=False)
            whole.set_weights(self.model.get_weights())
            whole.save(str(path))
        else:
            self.model.save_weights(str(path))


host = Host(UserModel)
