"""Models that somebody else wrote: built, traced, and run under the canonical names that a match gave their layers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from parity.kinds import NEUTRAL
from parity.numerics.arrays import Arrays, pack
from parity.numerics.geometry import rows_of_cells
from parity.runtime import graph, targets
from parity.runtime.graph import Graph
from parity.runtime.model_host import Host, HostedModel
from parity.runtime.user_models import Wanted, run_fix
from parity.weights.layout import SAME, Layout
from parity.weights.state import Entry
from tf_impl.user_models.building import build, counts, set_weights
from tf_impl.user_models.exact import dropout_off
from tf_impl.user_models.tracing import Step, trace
from tf_impl.weights import Slot


class UserModel(HostedModel):
    """A Keras model."""

    def __init__(self, wanted: Wanted, dtype: str, fixes: Sequence[str] = ()) -> None:
        super().__init__(wanted, dtype)
        self.model = build(wanted, dtype)
        for code in fixes:
            run_fix(self.model, code)
        self.begin()

    def graph(self) -> Graph:
        """What the model is, in neutral terms."""
        steps = [
            graph.Step(
                name=step.name,
                kind=step.kind,
                numbers=step.numbers,
                shapes={kind: layout.canonical_shape(tensor.shape) for kind, (tensor, layout) in step.arrays.items()},
                inputs=step.inputs,
                output=self._canonical_shape(step),
                layer=step.layer is not None,
            )
            for step in self.steps
        ]
        state = {variable.path: variable for variable in self.model.weights if counts(variable)}
        owned = {id(tensor) for step in self.steps for tensor, _ in step.arrays.values()}
        unknown = [step.layer for step in self.steps if step.kind == "other" and step.layer is not None]
        opaque = {id(tensor) for layer in unknown for tensor in layer.weights} - owned
        sizes = [(int(np.prod(tensor.shape)), tensor.trainable) for tensor in state.values()]
        return Graph(
            steps=steps,
            output=self.result,
            parameters=sum(size for size, _ in sizes),
            trainable=sum(size for size, trainable in sizes if trainable),
            stray=[name for name, tensor in state.items() if id(tensor) not in owned | opaque],
            opaque=[name for name, tensor in state.items() if id(tensor) in opaque],
        )

    def slots(self) -> list[Slot]:
        """The arrays of the adopted steps, in the order of the names; those of a layer that runs twice once."""
        found, seen = [], set()
        for name, adoption in self.names.items():
            step = self.steps[adoption.step]
            for kind, (tensor, layout) in step.arrays.items():
                if kind in adoption.neutral or id(tensor) in seen:
                    continue
                seen.add(id(tensor))
                if adoption.cell and step.kind == "conv" and kind == "kernel":
                    layout = Layout("HWIO cell")
                shape = layout.canonical_shape(tensor.shape)
                trainable = kind not in ("mean", "variance")
                found.append(Slot(Entry(f"{name}/{kind}", shape, self.dtype, trainable), tensor, layout))
        return found

    def write(self, slot: Slot, array: np.ndarray) -> None:
        """Overwrite one array with a canonical one in this model's dtype."""
        if slot.layout != SAME:  # Keras's layouts are the canonical ones but for the shape
            stored = np.empty(tuple(slot.tensor.shape), array.dtype)
            slot.layout.write(array, stored)
            array = stored
        slot.tensor.value.assign(array)

    def read(self, slot: Slot) -> np.ndarray:
        """A copy of one array, canonical."""
        return slot.layout.read(slot.tensor.numpy())

    def neutralise(self, step: Step, kind: str) -> None:
        """Make an array that the other model does not have do nothing."""
        tensor, _ = step.arrays[kind]
        tensor.value.assign(np.full(tuple(tensor.shape), NEUTRAL[kind], self.dtype))

    def output(self, step: Step) -> np.ndarray:
        """What a step made, canonical."""
        assert step.output is not None
        return self.canonical(step.output)

    def alone(self, name: str, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """One adopted step on canonical inputs."""
        step = self.steps[self.names[name].step]
        own = [self.own(x, shape) for x, shape in zip(inputs, step.shapes, strict=True)]
        return self.canonical(step.run(*own))

    def traced(self, inputs: np.ndarray, *, training: bool = False) -> list[Step]:
        """The steps of one run on canonical inputs, with their outputs. Raises TargetError."""
        x = self.own(inputs, (0,) * inputs.ndim)
        try:
            found = trace(self.model, x, training=training)
        except targets.TargetError:
            raise
        except Exception as error:
            raise targets.TargetError(self.wanted.does_not_run(error)) from error
        self.result = self.wanted.output_of(found.result, found.steps, tf.Tensor)
        return found.steps

    def _canonical_shape(self, step: Step) -> tuple[int, ...]:
        return rows_of_cells(step.made[1:])

    def canonical(self, tensor: tf.Tensor) -> np.ndarray:
        array = np.asarray(tensor)
        return array.reshape(len(array), *rows_of_cells(array.shape[1:]))

    def own(self, x: np.ndarray, shape: tuple[int, ...]) -> tf.Tensor:
        """The inverse, for a tensor of this rank."""
        if x.ndim == 2:  # of a single cell, where the shape has more
            x = x.reshape(len(x), *[1] * (len(shape) - 2), -1)
        whole = np.issubdtype(x.dtype, np.integer)
        return tf.constant(x.astype("int32" if whole else self.dtype))


host = Host(UserModel)


def training_pass(
    network: str, end: str, arrays: Arrays, roundings: dict[str, Any] | None = None
) -> tuple[dict[str, Any], Arrays]:
    """One pass in training mode with the kept state, dropout switched off, to the step `end`.

    `roundings` as in `Host.ready`. Groups out: `output`; `gradients` of sum(output * cotangent); `statistics`, the
    running ones after the pass.
    """
    model, inputs = host.ready(network, arrays["inputs"], roundings=roundings)
    slots = model.slots()
    trained = [slot for slot in slots if slot.entry.trainable]
    with dropout_off(model.model), tf.GradientTape(watch_accessed_variables=False) as tape:
        for slot in trained:
            tape.watch(slot.tensor.value)
        y = model.traced(inputs, training=True)[model.names[end].step].output
        assert y is not None
        total = tf.reduce_sum(y * model.own(arrays["cotangent"], y.shape))
    gradients = tape.gradient(total, [slot.tensor.value for slot in trained])
    found = {
        slot.entry.name: slot.layout.read(tf.convert_to_tensor(gradient).numpy())
        for slot, gradient in zip(trained, gradients, strict=True)
        if gradient is not None
    }
    moved = {s.entry.name: s.layout.read(s.tensor.numpy()) for s in slots if not s.entry.trainable}
    model.forget()
    return {}, pack(output={"output": model.canonical(y)}, gradients=found, statistics=moved)


def read_weights(network: str, path: str) -> tuple[dict[str, Any], Arrays]:
    """The adopted arrays of a `.weights.h5` or `.keras` file of the weights, canonical. Refuses what is not float32."""
    host.loaded[network].built = None  # what the file lacks must not be found in the model
    model: UserModel = host.model(network, "float32")
    types = set_weights(model.model, Path(path))
    if odd := [name for name, (dtype, _) in types.items() if dtype == "float64"]:
        raise targets.TargetError(f"{path}: {odd[0]!r} is float64; expected float32: save the model in float32")
    return {}, model.export()


def write_weights(network: str, path: str) -> dict[str, Any]:
    """Write the kept state as a `.weights.h5` or `.keras` file of the model."""
    model: UserModel = host.with_state(network, "float32")
    if path.endswith(".keras"):  # the whole model, so one whose constants are as its owner wrote them
        whole = build(host.loaded[network].wanted, "float32", rounded=False)
        whole.set_weights(model.model.get_weights())
        whole.save(path)
    else:
        model.model.save_weights(path)
    return {"bytes": Path(path).stat().st_size}
