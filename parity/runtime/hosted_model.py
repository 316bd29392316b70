"""A user's model as a worker holds it: traced, and run under the canonical names that a match gave its layers.

The same in both frameworks but for what each framework's `UserModel` says: how a model is built, and how its arrays
and tensors lie.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from parity.catalogue.user_models import Adoption
from parity.kinds import NEUTRAL
from parity.numerics.arrays import Arrays
from parity.numerics.geometry import flattened_1x1
from parity.runtime.graph import INPUT, UNKNOWN, Graph, Step
from parity.runtime.model_state import Slot, export_slots
from parity.runtime.targets import TargetError
from parity.runtime.trace import Trace
from parity.runtime.user_models import BuildSpec, KeptState, Roundings, require_static, run_fix
from parity.weights.layout import Layout
from parity.weights.state import Entry, check_state


class HostedModel(ABC):
    """One user's model in one precision: its steps by index, and the canonical names of those that were adopted."""

    def __init__(self, spec: BuildSpec, dtype: str, fixes: Sequence[str] = ()) -> None:
        """Build the model, change it by the code of `fixes`, and trace it.

        Args:
            spec: which model.
            dtype: "float32" or "float64".
            fixes: code of the form `def fix(model): ...`.

        Raises:
            TargetError: the model cannot be built or does not run.
            WeightsError: a file of weights that cannot be read.
        """
        self.spec, self.dtype = spec, dtype
        self.names: dict[str, Adoption] = {}
        self.steps: list[Any] = []  # of the framework's `tracing.Step`
        self.result = UNKNOWN  # the index of the step that made the model's output
        self.model = self.built()
        for code in fixes:
            run_fix(self.model, code)
        self.prepare()
        # twice: another input must not take another way
        first, second = (self.traced(spec.example(opposite=opposite)) for opposite in (False, True))
        require_static([step.name for step in first], [step.name for step in second], spec.target)
        self.steps = first
        self.forget()

    @abstractmethod
    def built(self) -> Any:
        """The framework's model in this precision. Raises TargetError, WeightsError."""

    @abstractmethod
    def prepare(self) -> None:
        """What the model needs, built and changed, before it is traced."""

    @abstractmethod
    def reached(self, x: Any, *, training: bool) -> Trace:
        """The trace of one run of the model on the framework's tensor x, in training or in inference mode."""

    @abstractmethod
    def state(self) -> Mapping[str, Any]:
        """The model's arrays by the framework's own names."""

    @abstractmethod
    def arrays_within(self, layer: Any) -> Collection[Any]:
        """The arrays of a layer and of all that is inside of it."""

    @abstractmethod
    def trainable(self, tensor: Any) -> bool:
        """Whether the model lets an array be trained."""

    @abstractmethod
    def trained(self, kind: str, tensor: Any) -> bool:
        """Whether an adopted step's array gets a gradient in `training_pass`."""

    @abstractmethod
    def layout(self, step: Any, kind: str, *, as_dense: bool) -> Layout:
        """The layout of a step's array; `as_dense`: of a 1x1 convolution compared as a fully connected layer."""

    @abstractmethod
    def read(self, slot: Slot) -> np.ndarray:
        """A copy of one array, canonical."""

    @abstractmethod
    def write(self, slot: Slot, array: np.ndarray) -> None:
        """Overwrite one array with a canonical one in this model's dtype."""

    @abstractmethod
    def canonical_shape(self, step: Any) -> tuple[int, ...]:
        """The canonical shape of a step's output, without the batch."""

    @abstractmethod
    def canonical_order(self, array: np.ndarray, step: Any) -> np.ndarray:
        """A step's output with its axes and elements in canonical order."""

    @abstractmethod
    def own_order(self, array: np.ndarray, source: int) -> np.ndarray:
        """The inverse, for the output of the step with the index `source`, or for the model's input."""

    @abstractmethod
    def tensor(self, array: np.ndarray) -> Any:
        """A tensor in this model's precision; whole numbers stay whole."""

    @abstractmethod
    def training_pass(self, inputs: np.ndarray, end: str, cotangent: np.ndarray) -> tuple[np.ndarray, Arrays]:
        """One forward and backward pass in training mode, without dropout.

        Args:
            inputs: canonical, [n, *input].
            end: the adopted step at which the pass ends.
            cotangent: of the shape of that step's output.

        Returns:
            The step's output, canonical; the gradients of sum(output * cotangent) by the arrays' canonical names.
        """

    @abstractmethod
    def read_file(self, path: Path) -> None:
        """Load a file of the model's weights. Raises TargetError, WeightsError, also for what is not float32."""

    @abstractmethod
    def write_file(self, path: Path) -> None:
        """Write a file of the model's weights, of the kind that its name says."""

    def graph(self) -> Graph:
        """What the model is, in neutral terms."""
        steps = [
            Step(
                name=step.name,
                kind=step.kind,
                numbers=step.numbers,
                shapes={kind: layout.canonical_shape(tensor.shape) for kind, (tensor, layout) in step.arrays.items()},
                inputs=step.inputs,
                output=self.canonical_shape(step),
                layer=step.layer is not None,
            )
            for step in self.steps
        ]
        state = self.state()
        owned = {id(tensor) for step in self.steps for tensor, _ in step.arrays.values()}
        unknown = [step.layer for step in self.steps if step.kind == "other" and step.layer is not None]
        opaque = {id(tensor) for layer in unknown for tensor in self.arrays_within(layer)} - owned
        sizes = [(math.prod(tensor.shape), self.trainable(tensor)) for tensor in state.values()]
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
        adopted, seen = [], set()
        for name, adoption in self.names.items():
            step = self.steps[adoption.step]
            for kind, (tensor, _) in step.arrays.items():
                if kind in adoption.neutral or id(tensor) in seen:
                    continue
                seen.add(id(tensor))
                layout = self.layout(
                    step, kind, as_dense=adoption.as_dense and step.kind == "conv" and kind == "kernel"
                )
                adopted.append(self._slot(f"{name}/{kind}", tensor, layout, trainable=self.trained(kind, tensor)))
        return adopted

    def load(self, kept: KeptState, roundings: Roundings | None = None) -> None:
        """Overwrite the adopted arrays; make those without effect that the other model does not have.

        Args:
            kept: the state.
            roundings: by which the state is moved before; None for not at all.

        Raises:
            StateError: the state does not fit.
        """
        slots = {slot.entry.name: slot for slot in self.slots()}
        entries = [replace(slot.entry, dtype="float32") for slot in slots.values()]
        check_state(kept.state, entries, receiver=f"the model {self.spec.target}")
        for name, array in kept.cast(self.dtype, roundings):
            self.write(slots[name], array)
        for adoption in self.names.values():
            for kind in adoption.neutral:
                slot = self._slot(kind, *self.steps[adoption.step].arrays[kind])
                self.write(slot, np.full(slot.entry.shape, NEUTRAL[kind], self.dtype))

    def export(self) -> Arrays:
        """The adopted arrays, canonical, in float32."""
        state = export_slots(self.slots(), self.read)
        return {name: array.astype("float32", copy=False) for name, array in state.items()}

    def traced(self, inputs: np.ndarray, *, training: bool = False) -> list[Any]:
        """The steps of one run on canonical inputs, with their outputs. Raises TargetError."""
        x = self.own(inputs, inputs.shape, INPUT)
        try:
            trace = self.reached(x, training=training)
        except TargetError:
            raise
        except Exception as error:
            raise TargetError(self.spec.does_not_run(error)) from error
        self.result = self.spec.output_of(trace.result, trace.steps, trace.readers.tensor)
        return trace.steps

    def outputs(self, inputs: np.ndarray, names: Sequence[str] | None = None) -> Arrays:
        """The outputs of the adopted steps, or of those named, by name; canonical, as the model's `inputs`."""
        self.steps = self.traced(inputs)
        outputs = {name: self.output(self.steps[self.names[name].step]) for name in names or self.names}
        self.forget()
        return outputs

    def inputs(self, inputs: np.ndarray, names: Sequence[str]) -> Arrays:
        """The inputs of these adopted steps, canonical: `name/0` for a step's first input, and so on."""
        self.steps = self.traced(inputs)
        reached = {
            f"{name}/{index}": inputs if source == INPUT else self.output(self.steps[source])
            for name in names
            for index, source in enumerate(self.steps[self.names[name].step].inputs)
            if source != UNKNOWN
        }
        self.forget()
        return reached

    def alone(self, name: str, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """One adopted step on canonical inputs, in inference."""
        step = self.steps[self.names[name].step]
        own = [self.own(x, shape, source) for x, shape, source in zip(inputs, step.shapes, step.inputs, strict=True)]
        return self.canonical(step.run(*own), step)

    def output(self, step: Any) -> np.ndarray:
        """The output that a step holds, canonical."""
        assert step.output is not None
        return self.canonical(step.output, step)

    def canonical(self, tensor: Any, step: Any) -> np.ndarray:
        """A step's output as a canonical array; a 1x1 map is a row."""
        array = np.ascontiguousarray(self.canonical_order(tensor.numpy(), step))
        return array.reshape(len(array), *flattened_1x1(array.shape[1:]))

    def own(self, array: np.ndarray, shape: Sequence[int], source: int) -> Any:
        """The inverse, for a tensor of this rank that the step with the index `source` made, or for the input."""
        if array.ndim == 2:  # a row, where the shape has height and width of 1
            array = array.reshape(len(array), *[1] * (len(shape) - 2), -1)
        return self.tensor(self.own_order(array, source))

    def forget(self) -> None:
        """Free the outputs of the steps."""
        for step in self.steps:
            step.output = None

    def _slot(self, name: str, tensor: Any, layout: Layout, *, trainable: bool = False) -> Slot:
        return Slot(Entry(name, layout.canonical_shape(tensor.shape), self.dtype, trainable), tensor, layout)
