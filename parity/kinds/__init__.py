"""What layers and functions compute, in neutral terms: one file a family, its reference, its traps.

Each framework says in `kinds/` of its own package, in a file of the same name, which of its layers and functions are of
a family, and how code for them is written.

>>> of("activation", {"function": "leaky_relu", "slope": 0.1})
LeakyReLU(slope=0.1)
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from parity.kinds.activation import Activation, OtherActivation
from parity.kinds.kind import Kind
from parity.numerics.geometry import flattened_1x1

_NO_FAMILIES = ("kind", "registry", "repairs")

FAMILIES = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name not in _NO_FAMILIES))


for _family in FAMILIES:
    importlib.import_module(f"{__name__}.{_family}")


def _subclasses(parent: type[Kind]) -> Iterator[type[Kind]]:
    for child in parent.__subclasses__():
        yield child
        yield from _subclasses(child)


KINDS = {cls.name: cls for cls in _subclasses(Kind) if "name" in vars(cls)}

ACTIVATIONS: dict[str, type[Kind]] = {
    vars(cls)["function"]: cls for cls in _subclasses(Activation) if "function" in vars(cls)
}

# Of optional arrays ("bias", "gamma", ...), the number with which each changes nothing.
NEUTRAL = {array: value for cls in KINDS.values() for array, value in cls.neutral.items()}


def of(kind: str, numbers: Mapping[str, Any]) -> Kind:
    """A kind by its name and numbers.

    Args:
        kind: of `KINDS`.
        numbers: all numbers of the kind as `Kind.numbers` gives them; an activation's `function` is among them.

    Raises:
        ValueError: an unknown kind, or numbers that are not those of the kind.

    Example:
        >>> of("batch_norm", {"epsilon": 0.001, "momentum": 0.99})
        BatchNorm(epsilon=0.001, momentum=0.99, frozen=False)
    """
    own = dict(numbers)
    cls: type[Kind] | None
    if kind == Activation.name:
        function = own.pop("function", None)
        cls = ACTIVATIONS.get(str(function))
        if cls is None:
            return OtherActivation(str(function))
    else:
        cls = KINDS.get(kind)
    if cls is None:
        raise ValueError(f"unknown kind {kind!r}; expected one of {', '.join(KINDS)}")
    return _made(cls, own)


def of_spec(spec: Mapping[str, Any]) -> Kind | None:
    """The kind of a layer of the suite's own networks by its `spec`; None where it computes nothing of one input.

    Its `kind` may be the function of an activation; strides and paddings are as the catalogue writes them.

    Raises:
        ValueError: a number of the kind is missing.

    Example:
        >>> of_spec({"kind": "max_pool", "window": 3, "stride": 2, "padding": "same"})
        MaxPool(window=3, stride=2, padding='same')
    """
    cls: type[Kind] | None = ACTIVATIONS.get(spec["kind"]) or KINDS.get(spec["kind"])
    if cls is None or cls.several_inputs:
        return None
    return _made(cls, {field.name: spec[field.name] for field in fields(cls) if field.name in spec})


def _made(cls: type[Kind], numbers: Mapping[str, Any]) -> Kind:
    try:
        return cls(**numbers)
    except TypeError:
        expected, given = (", ".join(names) or "none" for names in ([field.name for field in fields(cls)], numbers))
        raise ValueError(f"{cls.__name__}: expected the numbers {expected}; found {given}") from None


def layer(spec: Mapping[str, Any], x: np.ndarray, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """The numpy reference of one of the suite's own layers, in inference.

    Args:
        spec: the layer's, see `of_spec`.
        x: float64 maps [n, h, w, c] or rows [n, c].
        arrays: the layer's canonical arrays by kind ("kernel", "bias", ...).

    Raises:
        ValueError: a kind without a reference, or arrays that do not fit.

    Example:
        >>> layer({"kind": "relu"}, np.array([[-1.0, 2.0]]), {})
        array([[0., 2.]])
    """
    kind = of_spec(spec)
    if kind is None:
        raise ValueError(f"no reference for a layer of kind {spec['kind']!r}")
    return kind.compute([x], arrays)


def compute(
    kind: str, numbers: Mapping[str, Any], inputs: Sequence[np.ndarray], arrays: Mapping[str, np.ndarray]
) -> np.ndarray:
    """The numpy reference of a step of any model, in inference. 1x1 maps are rows, as inputs and as outputs.

    Args:
        kind: of `KINDS`.
        numbers: the kind's.
        inputs: float64 maps [n, h, w, c], sequences [n, t, c] or rows [n, c]; of an embedding whole numbers [n, ...].
        arrays: the step's own by kind ("kernel", "bias", "gamma", ...); without a bias, gamma or beta these do nothing.

    Raises:
        ValueError: an unknown kind or function, numbers that are not the kind's, or arrays that do not fit.

    Example:
        >>> compute("activation", {"function": "relu"}, [np.array([[-1.0, 2.0]])], {})
        array([[0., 2.]])
    """
    y = of(kind, numbers).compute(inputs, arrays)
    if inputs[0].ndim == 3 and y.ndim == 4:
        y = y[:, 0]  # a sequence again
    return y.reshape(len(y), *flattened_1x1(y.shape[1:]))
