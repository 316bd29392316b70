"""Changes of a user's Keras model: a layer that is to change becomes one that was made anew, in its place."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import keras

from parity.kinds.repairs import Change, number, shortest
from parity.runtime import fixing
from parity.runtime.fixing import Arguments, is_plain, written
from tf_impl.kinds import registry
from tf_impl.user_models.recording import layer_paths

HEAD = '''
import contextlib

import keras
from keras import layers


def fix(model):
    """Make the TensorFlow model compute what the Paddle model does."""
    own = {path: layer for path, layer in named_layers(model)}
'''

HELPERS = '''

def named_layers(layer, prefix=""):
    """All layers of a model, with their paths."""
    for child in layer._layers:
        yield f"{prefix}{child.name}", child
        yield from named_layers(child, f"{prefix}{child.name}/")


def change(layer, **arguments):
    """Let a layer be as if it had been made with other arguments."""
    become(layer, type(layer).from_config({**layer.get_config(), **arguments}))


def become(layer, other):
    """Let a layer be another one, where it is in the model, with those of its weights that fit."""
    old = {variable.path: variable for variable in layer.variables}
    with contextlib.ExitStack() as scopes:  # in which variables get their paths
        for scope in (next(iter(old), "").partition(f"{layer.name}/")[0]).strip("/").split("/"):
            if scope:
                scopes.enter_context(keras.name_scope(scope))
        other.name = layer.name
        if (config := layer.get_build_config()) and not other.built:
            other.build_from_config(config)
    for variable in other.variables:
        if variable.path in old and variable.shape == old[variable.path].shape:
            variable.assign(old[variable.path])
    kept = {name: vars(layer)[name] for name in ("_inbound_nodes", "_outbound_nodes", "_dtype_policy")}
    layer.__class__ = type(other)
    vars(layer).clear()
    vars(layer).update(vars(other) | kept)


def pad_first(layer, sides, value=0.0):
    """Let a layer put a constant around each axis of what it takes."""
    call = layer.call
    layer.call = lambda x: call(keras.ops.pad(x, [(0, 0), *sides, (0, 0)], constant_values=value))


def crop_last(layer, sides):
    """Let a layer cut numbers off each axis of what it gives."""
    call, inside = layer.call, [slice(before, -after or None) for before, after in sides]
    layer.call = lambda x: call(x)[tuple([slice(None), *inside])]
'''

PER_AXIS = ("kernel_size", "strides", "dilation_rate", "pool_size", "size")  # arguments of one number or one each

ACTIVATION = ".activation"  # how the step of a layer's own activation is called


class Fixer(fixing.Fixer):
    """Writes the changes of Keras models."""

    registry = registry
    namespace = "layers"

    def layer(self, model: keras.Model, path: str) -> keras.layers.Layer | None:
        ids = {known: number for number, known in layer_paths(model).items()}
        return next((one for one in model._flatten_layers() if id(one) == ids.get(path)), None)

    def owner(self, path: str) -> str:
        return path.removesuffix(ACTIVATION)

    def array_change(self, layer: keras.layers.Layer, array: str, *, has: bool) -> Change | None:
        takes = inspect.signature(type(layer)).parameters
        names = {"bias": ("use_bias", "center"), "scale": ("scale",)}[array]
        name = next((one for one in names if one in takes), "")
        return Change({name: has}) if name else None

    def removal(self, layer: keras.layers.Layer, path: str) -> Change | None:
        return Change({"activation": "linear"}) if path.endswith(ACTIVATION) else Change(layer="Identity")

    def arguments(self, layer: keras.layers.Layer) -> tuple[Arguments, bool] | None:
        try:
            config = layer.get_config()
        except NotImplementedError:
            return None
        told: Arguments = {}
        for name, parameter in inspect.signature(type(layer)).parameters.items():
            value, default = config.get(name), parameter.default
            if not is_plain(value) or name in ("name", "dtype", "trainable", "seed", "use_cudnn", "kwargs"):
                continue
            required = default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
            if required or not _same(value, default):
                told[name] = _per_axis(value) if name in PER_AXIS else number(value)
        return told, True

    def makes(self, layer: keras.layers.Layer, change: Change) -> bool:
        """A graph of layers keeps the masks with which it was built."""
        return super().makes(layer, change) and not ("mask_zero" in change.arguments and layer._outbound_nodes)

    def constructor(self, layer: keras.layers.Layer, change: Change, *, short: bool = False) -> str:
        """A layer in both directions is written around the one that it runs."""
        if not isinstance(layer, keras.layers.Bidirectional) or change.layer:
            return super().constructor(layer, change, short=short)
        inside = super().constructor(layer.forward_layer, change, short=short)
        merge = "" if layer.merge_mode == "concat" else f", merge_mode={layer.merge_mode!r}"
        return f"{self.namespace}.Bidirectional({inside}{merge})"

    def positional(self, layer: keras.layers.Layer, change: Change) -> Sequence[str]:
        kind = getattr(keras.layers, change.layer) if change.layer else type(layer)
        parameters = inspect.signature(kind).parameters.values()
        return [one.name for one in parameters if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD]

    def padding(self, change: Change) -> str:
        around = change.pads[0] if len(change.pads) == 1 else change.pads
        if change.value:
            return f"keras.ops.pad(x, {[(0, 0), *change.pads, (0, 0)]}, constant_values=float('-inf'))"
        return f"layers.ZeroPadding{len(change.pads)}D({around})"

    def cropping(self, change: Change) -> str:
        return f"layers.Cropping{len(change.crops)}D({change.crops})"

    def statement(self, path: str, layer: keras.layers.Layer, change: Change) -> str:
        own, lines = f"own[{path!r}]", []
        directions = ("forward_layer", "backward_layer") if isinstance(layer, keras.layers.Bidirectional) else ()
        for one in [f"{own}.{direction}" for direction in directions] or [own]:
            if change.layer:
                made = written(change.arguments, self.positional(layer, change))
                lines.append(f"become({one}, layers.{change.layer}({made}))")
            elif change.arguments:
                lines.append(f"change({one}, {written(change.arguments)})")
        if change.pads:
            value = ", float('-inf')" if change.value else ""
            lines.append(f"pad_first({own}, {list(change.pads)}{value})")
        if change.crops:
            lines.append(f"crop_last({own}, {list(change.crops)})")
        return "\n".join(lines)


def _per_axis(value: Any) -> Any:
    """One number, or a tuple of them, as Keras's own documentation writes them."""
    numbers = shortest(value) if isinstance(value, (list, tuple)) else value
    return tuple(numbers) if isinstance(numbers, list) else numbers


def _same(value: Any, default: Any) -> bool:
    """Whether a value of a configuration is the argument's default, which a layer may keep for each axis."""
    if isinstance(value, (list, tuple)) and isinstance(default, int):
        return all(one == default for one in value)
    if value == "linear" and default is None:
        return True
    return value == default or (value == "channels_last" and default is None)
