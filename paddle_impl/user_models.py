"""Models that somebody else wrote: built, traced, and run under the canonical names that a match gave their layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
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
from parity.graphs import INPUT, UNKNOWN, Graph, rows_of_cells, single
from parity.initial import proof_state
from parity.protocol import Arrays, pack
from parity.user_models import NEUTRAL, Adoption, Kept, Wanted, cast_inputs, check_weights, require_static
from parity.weights import Entry, Layout, check_state, digests


class UserModel:
    """One model in one precision, its steps by place, and the canonical names of those that a match gave one."""

    def __init__(self, wanted: Wanted, dtype: str, fixes: Sequence[str] = ()) -> None:
        self.wanted, self.dtype = wanted, dtype
        self.model = _build(wanted, dtype)
        for code in fixes:
            _patch(self.model, code)
        self.model.eval()
        self.last = any(channels_last(layer) for layer in self.model.sublayers(include_self=True))
        self.steps = self.traced(wanted.example())
        self.names: dict[str, Adoption] = {}
        again = self.traced(wanted.example(opposite=True))
        require_static([each.name for each in self.steps], [each.name for each in again], wanted.target)
        self.forget()

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

    def load(self, kept: Kept, draw: Sequence[int] | None = None) -> None:
        """Overwrite the adopted arrays, and make neutral those that the other model does not have."""
        slots = {slot.entry.name: slot for slot in self.slots()}
        entries = [replace(slot.entry, dtype="float32") for slot in slots.values()]
        check_state(kept.state, entries, receiver=f"the Paddle model {self.wanted.target}")
        for name, array in kept.cast(self.dtype, draw):
            slot = slots[name]
            stored = memory(slot.tensor)
            slot.layout.write(array, stored)
            if not slot.tensor.place.is_cpu_place():
                slot.tensor.set_value(stored)
        for adoption in self.names.values():
            for kind in adoption.neutral:
                tensor, _ = self.steps[adoption.step].arrays[kind]
                tensor.set_value(np.full(tensor.shape, NEUTRAL[kind], self.dtype))

    def export(self) -> Arrays:
        """The adopted arrays, canonical, in float32."""
        return {
            slot.entry.name: slot.layout.read(memory(slot.tensor)).astype("float32", copy=False)
            for slot in self.slots()
        }

    def run(self, inputs: np.ndarray, name: str) -> np.ndarray:
        """What one adopted step makes of the model's inputs, canonical."""
        self.steps = self.traced(inputs)
        output = self._output(self.steps[self.names[name].step])
        self.forget()
        return output

    def outputs(self, inputs: np.ndarray) -> Arrays:
        """What every adopted step makes of the model's inputs, canonical."""
        self.steps = self.traced(inputs)
        found = {name: self._output(self.steps[adoption.step]) for name, adoption in self.names.items()}
        self.forget()
        return found

    def inputs(self, inputs: np.ndarray, names: Sequence[str]) -> Arrays:
        """What reaches these adopted steps, canonical: `name/0` for a step's first input, and so on."""
        self.steps = self.traced(inputs)
        found = {
            f"{name}/{place}": inputs if source == INPUT else self._output(self.steps[source])
            for name in names
            for place, source in enumerate(self.steps[self.names[name].step].inputs)
            if source != UNKNOWN
        }
        self.forget()
        return found

    def alone(self, name: str, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """One adopted step on canonical inputs."""
        step = self.steps[self.names[name].step]
        own = [
            self.own(x, shape, self.steps[source].maps if source >= 0 else None)
            for x, shape, source in zip(inputs, step.shapes, step.inputs, strict=True)
        ]
        return self.canonical(step.run(*own), step.maps)

    def traced(self, inputs: np.ndarray, *, training: bool = False) -> list[Step]:
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

    def forget(self) -> None:
        for step in self.steps:
            step.output = None

    def _rows(self, step: Step) -> tuple[int, int, int] | None:
        return self.steps[step.inputs[0]].maps if step.inputs[0] >= 0 else None

    def _canonical_shape(self, step: Step) -> tuple[int, ...]:
        shape = step.made[1:]
        if len(shape) == 3 and not self.last:
            shape = (shape[1], shape[2], shape[0])
        return rows_of_cells(shape)

    def _output(self, step: Step) -> np.ndarray:
        assert step.output is not None
        return self.canonical(step.output, step.maps)

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


@dataclass
class _Loaded:
    """One user's model by name: how to build it, and what it was given."""

    wanted: Wanted
    names: dict[str, Adoption] = field(default_factory=dict)
    fixes: list[str] = field(default_factory=list)
    kept: Kept = field(default_factory=Kept)
    built: UserModel | None = None  # the last one, in one precision: large models fit into memory only once


_loaded: dict[str, _Loaded] = {}


def load_model(network: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """Build and trace the model; its graph. A model of that name that was loaded before is forgotten."""
    _loaded[network] = _Loaded(Wanted(**wanted))
    return dataclasses.asdict(_model(network).graph())


def adopt(network: str, names: dict[str, Any]) -> dict[str, Any]:
    """Give steps their canonical names; the state's `entries`, in float32."""
    _loaded[network].names = {name: Adoption(**each) for name, each in names.items()}
    slots = _model(network).slots()
    return {"entries": [dataclasses.asdict(replace(slot.entry, dtype="float32")) for slot in slots]}


def fix_model(network: str, code: str) -> dict[str, Any]:
    """Build the model anew and let code of the form `def fix(model): ...` change it; its graph."""
    loaded = _loaded[network]
    loaded.fixes, loaded.names, loaded.built = [code], {}, None
    return dataclasses.asdict(_model(network).graph())


def draw_state(network: str, seed: int) -> dict[str, Any]:
    """Draw a state of random float32 numbers, keep it for the runs to come, load it and read it back.

    Gives the sha256 of every array as `drawn` and as `read`, by name.
    """
    loaded, model = _loaded[network], _model(network)
    loaded.kept = Kept(proof_state([replace(slot.entry, dtype="float32") for slot in model.slots()], seed))
    model.load(loaded.kept)
    return {"drawn": digests(loaded.kept.state), "read": digests(model.export())}


def keep_state(network: str, arrays: Arrays) -> dict[str, Any]:
    """Keep a float32 state for the runs to come."""
    _loaded[network].kept = Kept(arrays)
    return {}


def own_state(network: str) -> tuple[dict[str, Any], Arrays]:
    """The weights that the model itself was built with: the adopted ones."""
    loaded = _loaded[network]
    loaded.built = None
    return {}, _model(network, "float32").export()


def model_stages(
    network: str, dtype: str, arrays: Arrays, draw: list[int] | None = None
) -> tuple[dict[str, Any], Arrays]:
    """Every adopted step's output with the kept state; `draw` seeds float32 roundings that move state and inputs."""
    model = _model(network, dtype)
    model.load(_loaded[network].kept, draw)
    return {}, model.outputs(cast_inputs(arrays["inputs"], dtype, draw))


def model_inputs(network: str, arrays: Arrays, names: list[str]) -> tuple[dict[str, Any], Arrays]:
    """What reaches these steps with the kept state."""
    model = _model(network)
    model.load(_loaded[network].kept)
    return {}, model.inputs(cast_inputs(arrays["inputs"], model.dtype), names)


@paddle.no_grad()
def model_layers(network: str, arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """Adopted steps alone, with the kept state, on the arrays `name/0`, `name/1`, ..."""
    model = _model(network)
    model.load(_loaded[network].kept)
    given: dict[str, list[np.ndarray]] = {}
    for key, array in arrays.items():
        given.setdefault(key.rpartition("/")[0], []).append(array)
    return {}, {name: model.alone(name, inputs) for name, inputs in given.items()}


def model_ends(network: str, dtype: str, end: str, arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """The `output` of the adopted step at which the models end, with the kept state."""
    model = _model(network, dtype)
    model.load(_loaded[network].kept)
    return {}, {"output": model.run(cast_inputs(arrays["inputs"], dtype), end)}


def training_pass(network: str, end: str, arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """One pass in training mode with the kept state, dropout switched off, to the step `end`.

    Groups out: `output`; `gradients` of sum(output * cotangent); `statistics`, the running ones after the pass.
    """
    model = _model(network)
    model.load(_loaded[network].kept)
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
    _loaded[network].built = None  # what the file lacks must not be found in the model
    model = _model(network, "float32")
    _set_weights(model.model, Path(path))
    return {}, model.export()


def write_weights(network: str, path: str) -> dict[str, Any]:
    """Write the kept state as a `.pdparams` file of the model."""
    model = _model(network, "float32")
    model.load(_loaded[network].kept)
    paddle.save(model.model.state_dict(), path)
    return {"bytes": Path(path).stat().st_size}


def _model(network: str, dtype: str = "") -> UserModel:
    """The model in `dtype`, or in the precision that the comparison is made in."""
    loaded = _loaded[network]
    dtype = dtype or loaded.wanted.dtype
    if loaded.built is None or loaded.built.dtype != dtype:
        loaded.built = None  # let go of the one before the next is built
        loaded.built = UserModel(loaded.wanted, dtype, loaded.fixes)
    loaded.built.names = loaded.names
    return loaded.built


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
