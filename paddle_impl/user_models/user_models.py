"""Models that somebody else wrote: built, traced, and run under the canonical names that a match gave their layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from paddle_impl.kinds.geometry import channels_last
from paddle_impl.user_models.building import build, round_constants, set_weights, takes_channels_first
from paddle_impl.user_models.exact import dropout_off, exact_average_pools
from paddle_impl.user_models.tracing import Order, Step, trace
from paddle_impl.weights import Slot, memory
from parity.kinds import NEUTRAL
from parity.numerics.arrays import Arrays, pack
from parity.numerics.geometry import rows_of_cells
from parity.runtime import graph, targets
from parity.runtime.graph import Graph
from parity.runtime.model_host import Host, HostedModel
from parity.runtime.user_models import Wanted, run_fix
from parity.weights.layout import Layout
from parity.weights.state import Entry


class UserModel(HostedModel):
    """A Paddle layer."""

    def __init__(self, wanted: Wanted, dtype: str, fixes: Sequence[str] = ()) -> None:
        super().__init__(wanted, dtype)
        self.model = build(wanted, dtype)
        for code in fixes:
            run_fix(self.model, code)
        round_constants(self.model)
        self.model.eval()
        self.given = Order(first=len(wanted.input) == 2 and takes_channels_first(self.model, wanted))
        self.last = any(channels_last(layer) for layer in self.model.sublayers(include_self=True))
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
        state = self.model.state_dict()
        owned = {id(tensor) for step in self.steps for tensor, _ in step.arrays.values()}
        unknown = [step.layer for step in self.steps if step.kind == "other" and step.layer is not None]
        opaque = {id(tensor) for layer in unknown for tensor in layer.state_dict().values()} - owned
        sizes = [(int(tensor.size), not tensor.stop_gradient) for tensor in state.values()]
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
                    layout = Layout("OIHW cell")
                elif kind != "bias" and (maps := self._rows(step)) and tensor.shape[0] == math.prod(maps):
                    layout = Layout("CHW rows", maps)
                shape = layout.canonical_shape(tensor.shape)
                found.append(Slot(Entry(f"{name}/{kind}", shape, self.dtype, not tensor.stop_gradient), tensor, layout))
        return found

    def write(self, slot: Slot, array: np.ndarray) -> None:
        """Overwrite one array with a canonical one in this model's dtype."""
        stored = memory(slot.tensor)
        slot.layout.write(array, stored)
        if not slot.tensor.place.is_cpu_place():
            slot.tensor.set_value(stored)

    def read(self, slot: Slot) -> np.ndarray:
        """A copy of one array, canonical."""
        return slot.layout.read(memory(slot.tensor))

    def neutralise(self, step: Step, kind: str) -> None:
        """Make an array that the other model does not have do nothing."""
        tensor, _ = step.arrays[kind]
        tensor.set_value(np.full(tensor.shape, NEUTRAL[kind], self.dtype))

    def output(self, step: Step) -> np.ndarray:
        """What a step made, canonical."""
        assert step.output is not None
        return self.canonical(step.output, step.order)

    def alone(self, name: str, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """One adopted step on canonical inputs."""
        step = self.steps[self.names[name].step]
        own = [
            self.own(x, shape, self.steps[source].order if source >= 0 else self.given)
            for x, shape, source in zip(inputs, step.shapes, step.inputs, strict=True)
        ]
        with paddle.no_grad():
            return self.canonical(step.run(*own), step.order)

    def traced(self, inputs: np.ndarray, *, training: bool = False) -> list[Step]:
        """The steps of one run on canonical inputs, with their outputs. Raises TargetError."""
        x = self.own(inputs, (0,) * inputs.ndim, self.given)
        if training:
            self.model.train()
        try:
            with paddle.enable_grad() if training else paddle.no_grad():
                found = trace(self.model, x, self.given)
        except targets.TargetError:
            raise
        except Exception as error:
            raise targets.TargetError(self.wanted.does_not_run(error)) from error
        finally:
            self.model.eval()
        self.result = self.wanted.output_of(found.result, found.steps, paddle.Tensor)
        return found.steps

    def _rows(self, step: Step) -> tuple[int, int, int] | None:
        """What the rows were flattened from that reach a step."""
        return self.steps[step.inputs[0]].order.maps if step.inputs[0] >= 0 else None

    def _canonical_shape(self, step: Step) -> tuple[int, ...]:
        shape = step.made[1:]
        if self._turned(len(step.made), step.order):
            shape = (*shape[1:], shape[0])
        return rows_of_cells(shape)

    def _turned(self, rank: int, order: Order) -> bool:
        """Whether a tensor's channels come before its cells."""
        return (rank == 4 and not self.last) or (rank == 3 and order.first)

    def canonical(self, tensor: paddle.Tensor, order: Order) -> np.ndarray:
        array = tensor.numpy()
        if self._turned(array.ndim, order):
            array = np.moveaxis(array, 1, -1)
        elif order.maps is not None:
            array = array.reshape(-1, *order.maps).transpose(0, 2, 3, 1).reshape(len(array), -1)
        return np.ascontiguousarray(array).reshape(len(array), *rows_of_cells(array.shape[1:]))

    def own(self, x: np.ndarray, shape: tuple[int, ...], order: Order) -> paddle.Tensor:
        """The inverse, for a tensor of this rank."""
        if x.ndim == 2:  # of a single cell, where the shape has more
            x = x.reshape(len(x), *[1] * (len(shape) - 2), -1)
        if self._turned(x.ndim, order):
            x = np.moveaxis(x, -1, 1)
        elif order.maps is not None:
            c, h, w = order.maps
            x = x.reshape(-1, h, w, c).transpose(0, 3, 1, 2).reshape(len(x), -1)
        whole = np.issubdtype(x.dtype, np.integer)
        return paddle.to_tensor(np.ascontiguousarray(x, "int64" if whole else self.dtype))


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
    with dropout_off(), exact_average_pools():
        step = model.traced(inputs, training=True)[model.names[end].step]
    y = step.output
    assert y is not None
    (y * model.own(arrays["cotangent"], step.made, step.order)).sum().backward()
    found = {
        slot.entry.name: slot.layout.read(slot.tensor.grad.numpy())
        for slot in slots
        if slot.entry.trainable and slot.tensor.grad is not None
    }
    moved = {s.entry.name: s.layout.read(s.tensor.numpy()) for s in slots if not s.entry.trainable}
    output = model.canonical(y.detach(), step.order)
    model.model.clear_gradients()
    model.forget()
    return {}, pack(output={"output": output}, gradients=found, statistics=moved)


def read_weights(network: str, path: str) -> tuple[dict[str, Any], Arrays]:
    """The adopted arrays of a `.pdparams` file of the model's weights, canonical. Refuses what is not float32."""
    host.loaded[network].built = None  # what the file lacks must not be found in the model
    model: UserModel = host.model(network, "float32")
    set_weights(model.model, Path(path))
    return {}, model.export()


def write_weights(network: str, path: str) -> dict[str, Any]:
    """Write the kept state as a `.pdparams` file of the model."""
    model: UserModel = host.with_state(network, "float32")
    paddle.save(model.model.state_dict(), path)
    return {"bytes": Path(path).stat().st_size}
