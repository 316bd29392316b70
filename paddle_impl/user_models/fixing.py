"""Changes of a user's Paddle model: a layer that is to change is made anew, with the weights that it has."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from paddle import nn

from paddle_impl.kinds import registry
from paddle_impl.kinds.recurrent import RECURRENT
from paddle_impl.user_models.constructors import given_arguments
from parity.kinds.repairs import Change
from parity.runtime import fixing
from parity.runtime.fixing import Arguments, is_plain, written

HEAD = '''
from paddle import nn


def fix(model):
    """Make the Paddle model compute what the TensorFlow model does."""
    layers = dict(model.named_sublayers())
'''

HELPERS = '''

def replace(model, old, new):
    """Put a layer in the place of another one, with those of its weights that fit."""
    tensors = dict([*old.named_parameters(), *old.named_buffers()])
    if tensors:
        new.to(dtype=next(iter(tensors.values())).dtype)
    for name, tensor in tensors.items():
        if getattr(new, name, None) is not None and getattr(new, name).shape == tensor.shape:
            setattr(new, name, tensor)
    new.train() if old.training else new.eval()
    for parent in model.sublayers(include_self=True):
        for name, child in list(parent.named_children()):
            if child is old:
                setattr(parent, name, new)
'''


class Fixer(fixing.Fixer):
    """Writes the changes of Paddle models."""

    registry = registry
    namespace = "nn"

    def layer(self, model: nn.Layer, path: str) -> nn.Layer | None:
        return dict(model.named_sublayers()).get(path)

    def owner(self, path: str) -> str:
        return path

    def array_change(self, layer: nn.Layer, array: str, *, has: bool) -> Change | None:
        name = {"bias": "bias_attr", "scale": "weight_attr"}[array]
        takes = name in inspect.signature(type(layer)).parameters
        return Change({name: None if has else False}) if takes else None

    def removal(self, layer: nn.Layer, path: str) -> Change | None:
        return Change(layer="Identity")

    def arguments(self, layer: nn.Layer) -> tuple[Arguments, bool] | None:
        given = given_arguments(layer)
        if given is None or layer._forward_pre_hooks or layer._forward_post_hooks:
            return None
        parameters = inspect.signature(type(layer)).parameters
        plain = {name: value for name, value in given.items() if is_plain(value) and name != "name"}
        told = {name: value for name, value in plain.items() if not _is_default(parameters.get(name), value)}
        return told, len(plain) == len(given)

    def makes(self, layer: nn.Layer, change: Change) -> bool:
        """Paddle's recurrent layers hold each weight under several names."""
        return super().makes(layer, change) and not isinstance(layer, RECURRENT)

    def positional(self, layer: nn.Layer, change: Change) -> Sequence[str]:
        kind = getattr(nn, change.layer) if change.layer else type(layer)
        parameters = inspect.signature(kind).parameters.values()
        return [one.name for one in parameters if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD]

    def statement(self, path: str, layer: nn.Layer, change: Change) -> str:
        told, _ = ({}, True) if change.layer else self.arguments(layer) or ({}, False)
        name = change.layer or type(layer).__name__
        made = f"nn.{name}({written({**told, **change.arguments}, self.positional(layer, change))})"
        return f"replace(model, layers[{path!r}], {made})"


def _is_default(parameter: inspect.Parameter | None, value: Any) -> bool:
    if parameter is None or parameter.default is inspect.Parameter.empty:
        return False
    return type(parameter.default) is type(value) and bool(parameter.default == value)
