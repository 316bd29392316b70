"""Models that somebody else wrote: built, traced, and run under the canonical names that a match gave their layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import paddle
from paddle import nn

from paddle_impl.layer_kinds import channels_last
from paddle_impl.tracing import Step, trace
from paddle_impl.weights import Slot, memory
from parity import graphs, pdparams, targets
from parity.graphs import Graph, rows_of_cells, single
from parity.model_host import Host, HostedModel
from parity.protocol import Arrays, pack
from parity.user_models import NEUTRAL, Wanted, check_weights
from parity.weights import Entry, Layout


class UserModel(HostedModel):
    """A Paddle layer."""

    def __init__(self, wanted: Wanted, dtype: str, fixes: Sequence[str] = ()) -> None:
        super().__init__(wanted, dtype)
        self.model = _build(wanted, dtype)
        for code in fixes:
            _patch(self.model, code)
        self.model.eval()
        self.last = any(channels_last(layer) for layer in self.model.sublayers(include_self=True))
        self.begin()

    def graph(self) -> Graph:
        """What the model is, in neutral terms."""
        steps = [
            graphs.Step(
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
                elif step.kind == "dense" and kind == "kernel" and (maps := self._rows(step)) is not None:
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
        return self.canonical(step.output, step.maps)

    def alone(self, name: str, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """One adopted step on canonical inputs."""
        step = self.steps[self.names[name].step]
        own = [
            self.own(x, shape, self.steps[source].maps if source >= 0 else None)
            for x, shape, source in zip(inputs, step.shapes, step.inputs, strict=True)
        ]
        with paddle.no_grad():
            return self.canonical(step.run(*own), step.maps)

    def traced(self, inputs: np.ndarray, *, training: bool = False) -> list[Step]:
        """The steps of one run on canonical inputs, with their outputs. Raises TargetError."""
        x = self.own(inputs, (0,) * inputs.ndim, None)
        if training:
            self.model.train()
        try:
            with paddle.enable_grad() if training else paddle.no_grad():
                found = trace(self.model, x)
        except Exception as error:
            raise targets.TargetError(self.wanted.does_not_run(error)) from error
        finally:
            self.model.eval()
        self.result = self.wanted.output_of(found.result, found.steps, paddle.Tensor)
        return found.steps

    def _rows(self, step: Step) -> tuple[int, int, int] | None:
        return self.steps[step.inputs[0]].maps if step.inputs[0] >= 0 else None

    def _canonical_shape(self, step: Step) -> tuple[int, ...]:
        shape = step.made[1:]
        if len(shape) == 3 and not self.last:
            shape = (shape[1], shape[2], shape[0])
        return rows_of_cells(shape)

    def canonical(self, tensor: paddle.Tensor, maps: tuple[int, int, int] | None) -> np.ndarray:
        array = tensor.numpy()
        if array.ndim == 4 and not self.last:
            array = array.transpose(0, 2, 3, 1)
        elif maps is not None:
            array = array.reshape(-1, *maps).transpose(0, 2, 3, 1).reshape(len(array), -1)
        return np.ascontiguousarray(array).reshape(len(array), *rows_of_cells(array.shape[1:]))

    def own(self, x: np.ndarray, shape: tuple[int, ...], maps: tuple[int, int, int] | None) -> paddle.Tensor:
        """The inverse, for a tensor of this rank."""
        if x.ndim == 2 and len(shape) == 4:
            x = x[:, None, None, :]
        if x.ndim == 4 and not self.last:
            x = x.transpose(0, 3, 1, 2)
        elif maps is not None:
            c, h, w = maps
            x = x.reshape(-1, h, w, c).transpose(0, 3, 1, 2).reshape(len(x), -1)
        whole = np.issubdtype(x.dtype, np.integer)
        return paddle.to_tensor(np.ascontiguousarray(x, "int64" if whole else self.dtype))


host = Host(UserModel)


def training_pass(network: str, end: str, arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """One pass in training mode with the kept state, dropout switched off, to the step `end`.

    Groups out: `output`; `gradients` of sum(output * cotangent); `statistics`, the running ones after the pass.
    """
    model: UserModel = host.with_state(network)
    slots = model.slots()
    with dropout_off(), exact_average_pools():
        step = model.traced(arrays["inputs"], training=True)[model.names[end].step]
    y = step.output
    assert y is not None
    (y * model.own(arrays["cotangent"], step.made, step.maps)).sum().backward()
    found = {
        slot.entry.name: slot.layout.read(slot.tensor.grad.numpy())
        for slot in slots
        if slot.entry.trainable and slot.tensor.grad is not None
    }
    moved = {s.entry.name: s.layout.read(s.tensor.numpy()) for s in slots if not s.entry.trainable}
    output = model.canonical(y.detach(), step.maps)
    model.model.clear_gradients()
    model.forget()
    return {}, pack(output={"output": output}, gradients=found, statistics=moved)


def read_weights(network: str, path: str) -> tuple[dict[str, Any], Arrays]:
    """The adopted arrays of a `.pdparams` file of the model's weights, canonical. Refuses what is not float32."""
    host.loaded[network].built = None  # what the file lacks must not be found in the model
    model: UserModel = host.model(network, "float32")
    _set_weights(model.model, Path(path))
    return {}, model.export()


def write_weights(network: str, path: str) -> dict[str, Any]:
    """Write the kept state as a `.pdparams` file of the model."""
    model: UserModel = host.with_state(network, "float32")
    paddle.save(model.model.state_dict(), path)
    return {"bytes": Path(path).stat().st_size}


def _set_weights(model: nn.Layer, path: Path) -> None:
    state = pdparams.read(path)
    own = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    check_weights(own, state, str(path))
    if odd := [name for name, array in state.items() if array.dtype == "float64"]:
        raise targets.TargetError(f"{path}: {odd[0]!r} is float64; expected float32: save the model in float32")
    model.set_state_dict(state)


def _build(wanted: Wanted, dtype: str) -> nn.Layer:
    target = targets.parse(wanted.target)
    if target.file is not None:
        raise targets.TargetError(
            f"{wanted.target}: Paddle saves weights and programs, not layers; expected package.module:callable that "
            "returns a paddle.nn.Layer, with --paddle-weights FILE.pdparams for its weights"
        )
    offered = {"num_classes": wanted.classes, "class_num": wanted.classes} if wanted.classes else {}
    before = paddle.get_default_dtype()
    paddle.set_default_dtype("float32")
    try:
        model = targets.call(target, offered)
    finally:
        paddle.set_default_dtype(before)
    if not isinstance(model, nn.Layer):
        raise targets.TargetError(
            f"{wanted.target!r}: expected a paddle.nn.Layer, found {type(model).__module__}.{type(model).__name__}"
        )
    if wanted.weights:
        _set_weights(model, Path(wanted.weights))
    state = {name: (str(t.dtype).removeprefix("paddle."), t) for name, t in model.state_dict().items()}
    wanted.require_numbers({name: (kind, tensor.numpy) for name, (kind, tensor) in state.items()})
    _round_constants(model)
    return model.to(dtype="float64") if dtype == "float64" else model


def _round_constants(model: nn.Layer) -> None:
    """To a float32 number where TensorFlow makes one of the constant even in float64; in float32 nothing changes."""
    for layer in model.sublayers(include_self=True):
        if isinstance(layer, nn.LeakyReLU):
            layer._negative_slope = single(layer._negative_slope)


_hardsigmoid = nn.functional.hardsigmoid


def _exact_hardsigmoid(x: paddle.Tensor, slope: float = 0.1666667, offset: float = 0.5, name: Any = None) -> Any:
    """Paddle's own, but in float64 with the slope that its default of seven digits stands for: 1/6."""
    if x.dtype != paddle.float64 or slope != 0.1666667:
        return _hardsigmoid(x, slope, offset, name)
    return paddle.clip(x / paddle.full([], 6.0, x.dtype) + offset, 0.0, 1.0)


nn.functional.hardsigmoid = _exact_hardsigmoid  # through which its layer goes, too


@contextmanager
def dropout_off() -> Iterator[None]:
    """Let dropout do nothing in training mode: the two frameworks draw different masks."""
    with mock.patch.object(nn.functional, "dropout", lambda x, *args, **kwargs: x):
        yield


@contextmanager
def exact_average_pools() -> Iterator[None]:
    """Write average pools out: the gradients of Paddle's kernels are scaled by a float32 number, in float64 too."""
    window, whole = nn.functional.avg_pool2d, nn.functional.adaptive_avg_pool2d

    def average(x: paddle.Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, **options: Any) -> Any:
        plain = options.get("data_format", "NCHW") == "NCHW" and not isinstance(padding, (str, list, tuple))
        if not plain or options.get("ceil_mode") or options.get("divisor_override"):
            return window(x, kernel_size, stride, padding, **options)
        size, step = graphs.pair(kernel_size), graphs.pair(stride or kernel_size)
        outer = nn.functional.pad(x, [padding] * 4)
        real = nn.functional.pad(paddle.ones_like(x), [padding] * 4)  # what is not padding
        ends = [(extent - k) // s * s + 1 for extent, k, s in zip(outer.shape[2:], size, step, strict=True)]
        cells = [
            (..., slice(row, row + ends[0], step[0]), slice(column, column + ends[1], step[1]))
            for row in range(size[0])
            for column in range(size[1])
        ]
        count = paddle.add_n([real[cell] for cell in cells]) if options.get("exclusive", True) else size[0] * size[1]
        return paddle.add_n([outer[cell] for cell in cells]) / count

    def mean(x: paddle.Tensor, output_size: Any, data_format: str = "NCHW", name: Any = None) -> paddle.Tensor:
        if np.ravel(output_size).tolist() not in ([1], [1, 1]):
            return whole(x, output_size, data_format, name)
        return x.mean([1, 2] if data_format == "NHWC" else [2, 3], keepdim=True)

    functions = nn.functional
    with mock.patch.object(functions, "avg_pool2d", average), mock.patch.object(functions, "adaptive_avg_pool2d", mean):
        yield


def _patch(model: nn.Layer, code: str) -> None:
    scope: dict[str, Any] = {}
    exec(compile(code, "<fixes>", "exec"), scope)
    scope["fix"](model)
