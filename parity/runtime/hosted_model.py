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

from parity.catalogue.targets import TargetError
from parity.catalogue.user_models import Adoption
from parity.kinds import NEUTRAL
from parity.kinds.graph import INPUT, UNKNOWN, Graph, Step
from parity.numerics.arrays import Arrays
from parity.numerics.geometry import flattened_1x1
from parity.runtime.model_state import Slot, export_slots
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
        self.steps: list[Any] = []  # of the framework's `TracedStep`
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
        """The framework's model in this precision.

        Returns:
            A new model, with the weights that `spec` names.

        Raises:
            TargetError: the target gives no model of this framework, or the weights do not fit it.
            WeightsError: a file of weights that cannot be read.
        """

    @abstractmethod
    def prepare(self) -> None:
        """What the model needs, built and changed, before it is traced."""

    @abstractmethod
    def reached(self, x: Any) -> Trace:
        """The trace of one run of the model, in inference mode.

        Args:
            x: the framework's tensor, in its own order.

        Returns:
            The steps in the order in which they ran, with their outputs, and what the model returned.

        Raises:
            TargetError: this version of the framework has a layer that the suite misunderstands. What the model itself
                raises comes as it is.
        """

    @abstractmethod
    def state(self) -> Mapping[str, Any]:
        """The model's arrays by the framework's own names.

        Returns:
            The framework's own arrays, not copies: weights, statistics and other buffers, but no state of random
            generators.
        """

    @abstractmethod
    def arrays_within(self, layer: Any) -> Collection[Any]:
        """The arrays of a layer and of all that is inside of it.

        Args:
            layer: the framework's.

        Returns:
            The framework's own arrays: the same objects as in `state`.
        """

    @abstractmethod
    def trainable(self, tensor: Any) -> bool:
        """Whether the model lets an array be trained.

        Args:
            tensor: of `state`.

        Returns:
            What the user has set: `trainable` in Keras, not `stop_gradient` in Paddle.
        """

    @abstractmethod
    def trained(self, kind: str, tensor: Any) -> bool:
        """Whether an adopted step's array gets a gradient in training.

        Args:
            kind: the canonical one ("kernel", "mean", ...).
            tensor: the framework's array.

        Returns:
            False for running statistics. To an array that the user froze, Keras gives a gradient, Paddle does not.
        """

    @abstractmethod
    def layout(self, step: Any, kind: str, *, as_dense: bool) -> Layout:
        """The layout of a step's array.

        Args:
            step: a traced one.
            kind: of the array, a key of the step's `arrays`.
            as_dense: of the kernel of a 1x1 convolution that is compared as a fully connected layer.

        Returns:
            Between the framework's memory and the canonical array; for the rows of a kernel by what they were flattened
            from.
        """

    @abstractmethod
    def read(self, slot: Slot) -> np.ndarray:
        """A copy of one array, canonical.

        Args:
            slot: of `slots`.

        Returns:
            Of the slot's canonical shape, in this model's dtype.
        """

    @abstractmethod
    def write(self, slot: Slot, array: np.ndarray) -> None:
        """Overwrite one array with a canonical one.

        Args:
            slot: of `slots`.
            array: of the slot's canonical shape, in this model's dtype.
        """

    @abstractmethod
    def canonical_shape(self, step: Any) -> tuple[int, ...]:
        """The canonical shape of a step's output, without the batch.

        Args:
            step: a traced one, with or without its output.

        Returns:
            (h, w, c), (t, c) or (c,); a 1x1 map, or a sequence of one step, is a row.
        """

    @abstractmethod
    def canonical_order(self, array: np.ndarray, step: Any) -> np.ndarray:
        """A step's output with its axes and elements in canonical order.

        Args:
            array: the output [n, ...] in the framework's order.
            step: that made it.

        Returns:
            Maps [n, h, w, c], sequences [n, t, c] or rows [n, c]; may be a view.
        """

    @abstractmethod
    def own_order(self, array: np.ndarray, source: int) -> np.ndarray:
        """The inverse of `canonical_order`, for the output of a step or the model's input.

        Args:
            array: [n, ...] in canonical order, of the tensor's own rank.
            source: the step's index; INPUT for the model's input.

        Returns:
            The array in the framework's order; may be a view.
        """

    @abstractmethod
    def tensor(self, array: np.ndarray) -> Any:
        """A tensor in this model's precision; whole numbers stay whole.

        Args:
            array: in the framework's order.

        Returns:
            The framework's tensor in `dtype`; of whole numbers in its own type for them (int32 in TensorFlow, int64 in
            Paddle).
        """

    @abstractmethod
    def read_file(self, path: Path) -> None:
        """Load a file of the model's weights.

        Args:
            path: a `.pdparams` file for Paddle; `.weights.h5`, `.h5` or `.keras` for Keras.

        Raises:
            TargetError: arrays that do not fit the model, or that are not float32.
            WeightsError: a `.pdparams` file that cannot be read.
        """

    @abstractmethod
    def write_file(self, path: Path) -> None:
        """Write a file of the model's weights, of the kind that its name says.

        Args:
            path: with a suffix as in `read_file`; the file is overwritten.
        """

    def graph(self) -> Graph:
        """What the model is, in neutral terms.

        Returns:
            The steps of the last trace with canonical shapes; numbers of elements, all and trainable, of `state`; and
            the names of its arrays that no step explains.
        """
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
        arrays = {id(tensor): tensor for tensor in state.values()}.values()  # one that has two names counts once
        sizes = [(math.prod(tensor.shape), self.trainable(tensor)) for tensor in arrays]
        return Graph(
            steps=steps,
            output=self.result,
            parameters=sum(size for size, _ in sizes),
            trainable=sum(size for size, trainable in sizes if trainable),
            stray=[name for name, tensor in state.items() if id(tensor) not in owned | opaque],
            opaque=[name for name, tensor in state.items() if id(tensor) in opaque],
        )

    def slots(self) -> list[Slot]:
        """The arrays of the adopted steps, in the order of the names; those of a layer that runs twice once.

        Returns:
            Entries have canonical shapes and this model's dtype; an array that the other model lacks
            (`Adoption.neutral`) is left out.
        """
        adopted, seen = [], set()
        for name, adoption in self.names.items():
            step = self.steps[adoption.step]
            for kind, (tensor, _) in step.arrays.items():
                if kind in adoption.neutral or (id(tensor), kind) in seen:
                    continue
                seen.add((id(tensor), kind))
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
        """The adopted arrays, canonical, in float32.

        Returns:
            Copies by canonical name; of a float64 model rounded.
        """
        state = export_slots(self.slots(), self.read)
        return {name: array.astype("float32", copy=False) for name, array in state.items()}

    def traced(self, inputs: np.ndarray) -> list[Any]:
        """The steps of one run on canonical inputs, with their outputs.

        Sets `result` to the index of the step that made the model's output.

        Args:
            inputs: [n, *input], of any float dtype, or whole numbers.

        Returns:
            The framework's `TracedStep`s, in the order in which they ran; `forget` frees their outputs.

        Raises:
            TargetError: the model does not run, its output is not one tensor, or no known step made it.
        """
        x = self.own(inputs, inputs.shape, INPUT)
        try:
            trace = self.reached(x)
        except TargetError:
            raise
        except Exception as error:
            raise TargetError(self.spec.does_not_run(error)) from error
        self.result = self.spec.output_of(trace.result, trace.steps, trace.readers.tensor)
        return trace.steps

    def outputs(self, inputs: np.ndarray) -> Arrays:
        """The outputs of the adopted steps in inference, by name.

        Args:
            inputs: of the model, canonical, [n, *input].

        Returns:
            Canonical arrays [n, ...] in this model's dtype.

        Raises:
            TargetError: the model does not run.
        """
        self.steps = self.traced(inputs)
        outputs = {name: self.output(self.steps[named.step]) for name, named in self.names.items()}
        self.forget()
        return outputs

    def inputs(self, inputs: np.ndarray, names: Sequence[str]) -> Arrays:
        """The inputs of adopted steps in inference.

        Args:
            inputs: of the model, canonical, [n, *input].
            names: of the steps.

        Returns:
            Canonical arrays `name/0` for a step's first input, `name/1` for its second, and so on; an input that no
            known step made is left out.

        Raises:
            KeyError: a name that was not adopted.
            TargetError: the model does not run.
        """
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
        """One adopted step on canonical inputs, in inference.

        Args:
            name: of the step.
            inputs: as many as the step takes, [n, ...] each, in its order; n may be another one than in the trace.

        Returns:
            Its output, canonical, in this model's dtype.

        Raises:
            KeyError: a name that was not adopted.
            ValueError: another number of inputs.
        """
        step = self.steps[self.names[name].step]
        own = [self.own(x, shape, source) for x, shape, source in zip(inputs, step.shapes, step.inputs, strict=True)]
        return self.canonical(step.run(*own), step)

    def output(self, step: Any) -> np.ndarray:
        """The output that a step holds, canonical.

        Args:
            step: of `traced`, before `forget`.

        Returns:
            As `canonical` gives it.
        """
        assert step.output is not None
        return self.canonical(step.output, step)

    def canonical(self, tensor: Any, step: Any) -> np.ndarray:
        """A step's output as a canonical array; a 1x1 map is a row.

        Args:
            tensor: [n, ...] in the framework's order.
            step: that made it.

        Returns:
            C-contiguous, [n, h, w, c], [n, t, c] or [n, c], in the tensor's dtype.
        """
        array = np.ascontiguousarray(self.canonical_order(tensor.numpy(), step))
        return array.reshape(len(array), *flattened_1x1(array.shape[1:]))

    def own(self, array: np.ndarray, shape: Sequence[int], source: int) -> Any:
        """The inverse of `canonical`, for a tensor that a step made, or for the model's input.

        Args:
            array: canonical, [n, ...].
            shape: of the tensor, of which only the rank counts: a row becomes a 1x1 map again where it was one.
            source: the index of the step that made it; INPUT for the model's input.

        Returns:
            The framework's tensor in this model's precision.
        """
        if array.ndim == 2:  # a row, where the shape has height and width of 1
            array = array.reshape(len(array), *[1] * (len(shape) - 2), -1)
        return self.tensor(self.own_order(array, source))

    def forget(self) -> None:
        """Free the outputs of the steps."""
        for step in self.steps:
            step.output, step.operands = None, ()

    def _slot(self, name: str, tensor: Any, layout: Layout, *, trainable: bool = False) -> Slot:
        return Slot(Entry(name, layout.canonical_shape(tensor.shape), self.dtype, trainable), tensor, layout)
