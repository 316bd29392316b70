"""Which argument of a function each input of a user's model is: by name, or in order."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from parity.catalogue.targets import TargetError

Tensors = Mapping[str, Any] | Sequence[Any]  # in the order of the specs, by the user's names where there are some

Arguments = tuple[tuple[Any, ...], dict[str, Any]]  # of one call: by place and by name


@dataclass(frozen=True)
class Parameters:
    """The inputs that a model has.

    Attributes:
        names: in order.
        required: how many of these it does not run without; they come first.
        unlimited: whether it takes any number of further ones.
        aliases: other names of inputs, to those of `names`.
    """

    names: list[str]
    required: int
    unlimited: bool = False
    aliases: Mapping[str, str] = field(default_factory=dict)


def parameters_of(function: Callable[..., Any], without: Sequence[str] = ()) -> Parameters:
    """What a function can be given.

    Args:
        function: bound, such as `model.forward`.
        without: names of parameters that are no inputs.

    Returns:
        Its parameters; any number of a function whose signature cannot be read.
    """
    try:
        given = [one for one in inspect.signature(function).parameters.values() if one.name not in without]
    except (TypeError, ValueError):
        return Parameters([], 0, unlimited=True)
    unlimited = any(one.kind is one.VAR_POSITIONAL for one in given)
    named = [one for one in given if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    required = [one.name for one in named if one.default is one.empty]
    optional = [one.name for one in named if one.default is not one.empty]
    return Parameters([*required, *optional], len(required), unlimited)


def assigned(tensors: Tensors, parameters: Parameters) -> dict[str, Any]:
    """Which input gets which tensor: by name where a name fits, the others in their order.

    Args:
        tensors: what is given.
        parameters: the model's inputs.

    Returns:
        By the model's names, in the model's order; what it takes beyond its names, by number, at the end.

    Raises:
        TargetError: inputs that the model does not have, or required ones that were not given; it lists the inputs.
    """
    given = list(tensors.items()) if isinstance(tensors, Mapping) else [("", one) for one in tensors]
    by_name: dict[str, Any] = {}
    others: list[tuple[str, Any]] = []
    for name, tensor in given:
        own = name if name in parameters.names else parameters.aliases.get(name, "")
        if own and own not in by_name:
            by_name[own] = tensor
        else:
            others.append((name, tensor))
    free = [name for name in parameters.names if name not in by_name]
    by_name |= {name: tensor for name, (_, tensor) in zip(free, others, strict=False)}
    further = others[len(free) :]
    missing = [name for name in parameters.names[: parameters.required] if name not in by_name]
    if (further and not parameters.unlimited) or missing:
        titles = ["one without a name" if not name or name.isdecimal() else name for name, _ in given]
        found = ", ".join(titles) or "none"
        listed = ", ".join(parameters.names) or "none"
        needed = f" ({parameters.required} required)" if parameters.required < len(parameters.names) else ""
        raise TargetError(f"expected the inputs {listed}{needed}, found {found}")
    ordered = {name: by_name[name] for name in parameters.names if name in by_name}
    return ordered | {str(index): tensor for index, (_, tensor) in enumerate(further)}


def ways(tensors: Tensors, parameters: Parameters) -> list[Arguments]:
    """The calls that a signature leaves open, the likeliest first.

    Args:
        tensors: what is given.
        parameters: of the model's own function.

    Returns:
        One by the names of its parameters, where these suffice; for a function of one required parameter that is given
        several inputs, also their dictionary, where they have names, and their list.

    Raises:
        TargetError: no call is possible.
    """
    packed: list[Arguments] = []
    if len(tensors) > 1 and parameters.required == 1:
        values = list(tensors.values()) if isinstance(tensors, Mapping) else list(tensors)
        named = isinstance(tensors, Mapping) and not all(name.isdecimal() for name in tensors)
        packed = [((dict(tensors),), {})] if named and isinstance(tensors, Mapping) else []
        packed.append(((values,), {}))
    try:
        given = assigned(tensors, parameters)
    except TargetError:
        if not packed or (isinstance(tensors, Mapping) and set(tensors) & set(parameters.names)):
            raise
        return packed
    if parameters.unlimited:
        return [(tuple(given.values()), {}), *packed]
    required = parameters.names[: parameters.required] or parameters.names[:1]
    by_place = tuple(given[name] for name in required if name in given)
    by_name = {name: tensor for name, tensor in given.items() if name not in required}
    plain: Arguments = (by_place, by_name)
    # `call(self, inputs, mask=None)` means a list, unless a name says that one of the inputs is a mask
    masks = isinstance(tensors, Mapping) and any("mask" in name for name in tensors)
    by_chance = not masks and any("mask" in name for name in by_name)
    return [*packed, plain] if by_chance else [plain, *packed]
