"""Models that somebody else wrote: built, traced, and run under the canonical names that a match gave their layers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import tensorflow as tf

from parity import graphs, targets
from parity.graphs import Graph, rows_of_cells
from parity.model_host import Host, HostedModel
from parity.protocol import Arrays, pack
from parity.user_models import HALF, NEUTRAL, Wanted
from parity.weights import SAME, Entry, Layout
from tf_impl.tracing import Step, trace
from tf_impl.weights import Slot


class UserModel(HostedModel):
    """A Keras model."""

    def __init__(self, wanted: Wanted, dtype: str, fixes: Sequence[str] = ()) -> None:
        super().__init__(wanted, dtype)
        self.model = _build(wanted, dtype)
        for code in fixes:
            _patch(self.model, code)
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
        state = {variable.path: variable for variable in self.model.weights if _counts(variable)}
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
        if x.ndim == 2 and len(shape) == 4:
            x = x[:, None, None, :]
        whole = np.issubdtype(x.dtype, np.integer)
        return tf.constant(x.astype("int32" if whole else self.dtype))


host = Host(UserModel)


def training_pass(network: str, end: str, arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """One pass in training mode with the kept state, dropout switched off, to the step `end`.

    Groups out: `output`; `gradients` of sum(output * cotangent); `statistics`, the running ones after the pass.
    """
    model: UserModel = host.with_state(network)
    slots = model.slots()
    trained = [slot for slot in slots if slot.entry.trainable]
    with dropout_off(model.model), tf.GradientTape(watch_accessed_variables=False) as tape:
        for slot in trained:
            tape.watch(slot.tensor.value)
        y = model.traced(arrays["inputs"], training=True)[model.names[end].step].output
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
    types = _set_weights(model.model, Path(path))
    if odd := [name for name, (dtype, _) in types.items() if dtype == "float64"]:
        raise targets.TargetError(f"{path}: {odd[0]!r} is float64; expected float32: save the model in float32")
    return {}, model.export()


def write_weights(network: str, path: str) -> dict[str, Any]:
    """Write the kept state as a `.weights.h5` or `.keras` file of the model."""
    model: UserModel = host.with_state(network, "float32")
    if path.endswith(".keras"):  # the whole model, so one whose constants are as its owner wrote them
        whole = _build(host.loaded[network].wanted, "float32", rounded=False)
        whole.set_weights(model.model.get_weights())
        whole.save(path)
    else:
        model.model.save_weights(path)
    return {"bytes": Path(path).stat().st_size}


def _set_weights(model: keras.Model, path: Path) -> dict[str, tuple[str, int]]:
    """Load a file of weights; type and size of its arrays by the file's names. Raises TargetError."""
    try:
        if path.suffix == ".keras":
            saved = keras.models.load_model(path, compile=False, safe_mode=True)
            types = {each.path: (str(each.dtype), int(np.prod(each.shape))) for each in saved.weights}
            model.set_weights(saved.get_weights())
        else:
            types = _stored(path)
            model.load_weights(path)
    except Exception as error:
        text = str(error).strip().splitlines() or [""]
        raise targets.TargetError(
            f"{path} does not fit the model: {type(error).__name__}: {text[0]}. Expected the weights of this model as "
            "Keras 3 saves them (.weights.h5, or a .keras file of the same model)."
        ) from error
    # Keras casts half precision, and skips layers that the model lacks, without a word
    if half := [name for name, (dtype, _) in types.items() if dtype in HALF]:
        raise targets.TargetError(f"{path}: {half[0]!r} is {types[half[0]][0]}; expected float32: convert it first")
    own = sum(int(np.prod(each.shape)) for each in model.weights if _counts(each))
    held = sum(size for name, (dtype, size) in types.items() if dtype.startswith("float"))
    if held > own:
        raise targets.TargetError(f"{path} does not fit the model: it holds {held:,} numbers, the model {own:,}")
    return types


def _stored(path: Path) -> dict[str, tuple[str, int]]:
    found: dict[str, tuple[str, int]] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and not name.startswith("optimizer"):
            found[name] = str(item.attrs.get("dtype", item.dtype)), int(item.size)

    with h5py.File(path) as file:
        file.visititems(visit)
    return found


def _build(wanted: Wanted, dtype: str, *, rounded: bool = True) -> keras.Model:
    target = targets.parse(wanted.target)
    policy, floatx = keras.config.dtype_policy(), keras.config.floatx()
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    try:
        if target.file is not None:
            model = _load(target.file)
            _require_halfless(model, wanted)
            model = _in_dtype(model, dtype)
        else:
            offered: dict[str, Any] = {"input_shape": tuple(wanted.input)}
            if wanted.classes:
                offered |= {"classes": wanted.classes, "num_classes": wanted.classes}
            model = targets.call(target, offered)
        if not isinstance(model, keras.Model):
            kind = f"{type(model).__module__}.{type(model).__name__}"
            raise targets.TargetError(f"{wanted.target!r}: expected a keras.Model, found {kind}")
        if not model.built:
            model(tf.constant(wanted.example().astype("int32" if wanted.tokens else dtype)), training=False)
    except targets.TargetError:
        raise
    except Exception as error:
        raise targets.TargetError(wanted.does_not_run(error)) from error
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)
    _require_one(model, wanted)
    if wanted.weights:
        _set_weights(model, Path(wanted.weights))
    _require_halfless(model, wanted)
    odd = [each.path for each in model.weights if _counts(each) and str(each.dtype) != dtype]
    if odd:
        raise targets.TargetError(f"{wanted.target!r} cannot be built in {dtype}: {odd[0]} has a precision of its own")
    if rounded:
        _round_constants(model)
    return model


def _round_constants(model: keras.Model) -> None:
    """To float32 numbers, which Paddle makes of such constants even in float64; in float32 nothing changes."""
    for layer in model._flatten_layers():
        for name in ("epsilon", "momentum", "negative_slope", "alpha"):
            if isinstance(constant := getattr(layer, name, None), float):
                setattr(layer, name, float(np.float32(constant)))


def _require_one(model: keras.Model, wanted: Wanted) -> None:
    for what, found in (("input", getattr(model, "inputs", None)), ("output", getattr(model, "outputs", None))):
        if found is not None and len(found) > 1:
            names = ", ".join(getattr(each, "name", "?") for each in found)
            raise targets.TargetError(
                f"{wanted.target!r}: expected one {what}, found {len(found)} ({names}). Wrap it in a model with one."
            )


def _require_halfless(model: keras.Model, wanted: Wanted) -> None:
    wanted.require_numbers({each.path: (str(each.dtype), each.numpy) for each in model.weights if _counts(each)})


def _load(path: Path) -> keras.Model:
    if not path.exists():
        raise targets.TargetError(f"{path}: no such file; expected a model that Keras saved (.keras or .h5)")
    if path.name.endswith((".weights.h5", ".pdparams", ".safetensors")):
        raise targets.TargetError(
            f"{path} holds weights and no model: expected package.module:callable or a .keras file; give the weights "
            "with --tensorflow-weights"
        )
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        text = str(error).strip().splitlines() or [""]
        raise targets.TargetError(f"{path} cannot be loaded by Keras: {type(error).__name__}: {text[0]}") from error


def _in_dtype(model: keras.Model, dtype: str) -> keras.Model:
    """A saved model remembers its precision: the same model in another one, with the same weights."""
    if dtype == "float32":
        return model
    config = json.loads(json.dumps(model.get_config()).replace('"float32"', f'"{dtype}"'))
    other = type(model).from_config(config)
    other.set_weights(model.get_weights())
    return other


_gelu = tf.nn.gelu


def _exact_gelu(features: tf.Tensor, approximate: bool = False, name: str | None = None) -> tf.Tensor:
    """TensorFlow's own, but in float64, where one of its constants is a float32 number (off by 1e-9)."""
    if features.dtype != tf.float64:
        return _gelu(features, approximate, name)
    if approximate:
        inner = math.sqrt(2 / math.pi) * (features + 0.044715 * features**3)
        return 0.5 * features * (1 + tf.tanh(inner))
    return 0.5 * features * tf.math.erfc(-features * math.sqrt(0.5))


tf.nn.gelu = _exact_gelu  # through which Keras goes, too


@contextmanager
def dropout_off(model: keras.Model) -> Iterator[None]:
    """Let dropout layers do nothing in training mode: the two frameworks draw different masks."""
    rates = {layer: layer.rate for layer in model._flatten_layers() if "Dropout" in type(layer).__name__}
    for layer in rates:
        layer.rate = 0.0
    try:
        yield
    finally:
        for layer, rate in rates.items():
            layer.rate = rate


def _counts(variable: keras.Variable) -> bool:
    """Whether a variable is part of what the model computes; the state of random generators is not."""
    return "seed_generator" not in variable.path


def _patch(model: keras.Model, code: str) -> None:
    scope: dict[str, Any] = {}
    exec(compile(code, "<fixes>", "exec"), scope)
    scope["fix"](model)
