"""What one framework knows of the kinds: its layers, its functions, and code for them, collected from its families.

Each framework has a file for each family, which may hold four tables:
    LAYERS     by class: a `Layer`
    FUNCTIONS  by a name of the suite's own: a `Function`
    SCRIPTS    by `Kind.key`: the lines of a script that compute `y` of `x`, with placeholders for facts in braces, or a
               function that writes them of the kind and its arrays' shapes; see
               `parity.migration.reproduction.repro_scripts`
    REPAIRS    by `Kind.name`: what changes where a layer is made that is to compute this; see `Repair` and `Change`
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from parity.catalogue.targets import TargetError
from parity.kinds import FAMILIES, of
from parity.kinds.kind import Kind, Other
from parity.kinds.repairs import Change, Repair
from parity.weights.layout import Layout

Facts = tuple[str, dict[str, Any]]  # a kind's name and numbers, as `parity.kinds.of` takes them

# Of a layer's arrays: the framework's name, the canonical kind, the layout.
ArraySlots = tuple[tuple[str, str, Layout], ...]


@dataclass(frozen=True)
class Layer:
    """One of a framework's layers: how its numbers are read, and where it keeps its arrays."""

    read: Callable[[Any, Any, Any], Kind]  # of the layer, of the x that it took, and of the y that it made
    arrays: ArraySlots | Callable[[Any], ArraySlots] = ()  # or of the layer

    def arrays_of(self, layer: Any) -> ArraySlots:
        """Where a layer keeps its arrays."""
        return self.arrays(layer) if callable(self.arrays) else self.arrays


Script = str | Callable[[Any, Mapping[str, tuple[int, ...]]], str]


@dataclass(frozen=True)
class FunctionCall:
    """A call of a function that made y of x."""

    name: str
    arguments: Mapping[str, Any]
    x: Any
    y: Any
    channels_second: bool = False  # the second axis of x holds its channels
    values: Sequence[Any] = ()  # all arguments in order, of functions in C, too, which do not say their names

    def get(self, name: str, default: Any) -> Any:
        """An argument of the call, or `default` where none was given.

        Args:
            name: of the function's parameter; arguments given by position are found under it, too.
            default: the framework's own.

        Returns:
            The value as the model passed it: a number, a list or a string.
        """
        return self.arguments.get(name, default)


@dataclass(frozen=True)
class Function:
    """A function that models call: the modules and names through which they do, and how its numbers are read."""

    called: tuple[tuple[Any, str], ...]
    read: Callable[[FunctionCall], Kind]


def plain(kind: type[Kind]) -> Callable[..., Kind]:
    """A reader, as `Layer.read` and `Function.read`, of layers or functions of a kind without numbers.

    Args:
        kind: the class.

    Returns:
        A function that ignores its arguments and makes the kind.
    """
    return lambda *_: kind()


def existing(*locations: tuple[Any, str]) -> tuple[tuple[Any, str], ...]:
    """Those of the places where models may call a function that there are: a framework has few names in all of them.

    Args:
        locations: modules or classes, and attributes.

    Example:
        >>> import math
        >>> [name for _, name in existing((math, "sin"), (math, "sine"))]
        ['sin']
    """
    return tuple(location for location in locations if hasattr(*location))


class Registry:
    """The families of one framework.

    Its readers of layers and functions raise TargetError where one of them fails: neither the user's model nor the
    input is at fault then, and the message says so.

    Args:
        package: the framework's own.
        title: the framework's name and version, for messages ("Keras 3.5.0").
        readable: whether a layer of a class that a family has is set up in a way that the family reads.
    """

    def __init__(self, package: str, title: str, readable: Callable[[Any], bool]) -> None:
        self.title, self.readable = title, readable
        modules = [importlib.import_module(f"{package}.kinds.{family}") for family in FAMILIES]
        self.layers: dict[type, Layer] = _joined(modules, "LAYERS")
        self.functions: dict[str, Function] = _joined(modules, "FUNCTIONS")
        self.scripts: dict[str, Script] = _joined(modules, "SCRIPTS")
        self.repairs: dict[str, Callable[[Repair], Change | None]] = _joined(modules, "REPAIRS")

    @cached_property
    def called(self) -> dict[str, tuple[tuple[Any, str], ...]]:
        """The functions that this version has, by the modules and names through which models call them.

        Returns:
            By the suite's name of a function: pairs (module or class, attribute).
        """
        present = {
            name: tuple(location for location in function.called if hasattr(*location))
            for name, function in self.functions.items()
        }
        return {name: locations for name, locations in present.items() if locations}

    def lacks(self) -> list[str]:
        """The functions that this version does not have.

        Returns:
            Module or class and attribute, such as "paddle.nn.functional.relu", in the order of the families.
        """
        return [
            f"{owner.__name__}.{name}"
            for function in self.functions.values()
            for owner, name in function.called
            if not hasattr(owner, name)
        ]

    def known(self, layer: Any) -> bool:
        """Whether the layer is one of the framework's own that `of_layer` can describe.

        Args:
            layer: the framework's.

        Returns:
            False for a class that no family has, a subclass included.
        """
        with self._reading(type(layer).__name__):
            return type(layer) in self.layers and self.readable(layer)

    def arrays_of(self, layer: Any) -> dict[str, tuple[Any, Layout]]:
        """The layer's arrays by canonical kind, those that it has.

        Args:
            layer: the framework's.

        Returns:
            By kind ("kernel", "bias", "gamma", ...), the framework's own array and its layout. Empty for a class that
            no family has; a subclass is another class.
        """
        arrays = {}
        known = self.layers.get(type(layer))
        with self._reading(type(layer).__name__):
            for own_name, kind, layout in known.arrays_of(layer) if known else ():
                array = functools.reduce(lambda owner, part: getattr(owner, part, None), own_name.split("."), layer)
                if array is not None:
                    arrays[kind] = array, layout
        return arrays

    def of_layer(self, layer: Any, x: Any, y: Any) -> Facts:
        """Kind and numbers of a known layer of the framework that made y of x.

        Args:
            layer: the framework's.
            x: the tensor that it took, or a list of several.
            y: the tensor that it made.

        Returns:
            All numbers of the kind; "other" where the family knows no kind for how the layer is set up.
        """
        with self._reading(type(layer).__name__):
            kind = self.layers[type(layer)].read(layer, x, y)
            return kind.name, kind.numbers()

    def of_function(self, call: FunctionCall) -> Facts:
        """Kind and numbers of a call of a known function; another one is of no family.

        Args:
            call: with x and y as the framework's tensors.

        Returns:
            All numbers of the kind; "other", with the function's name, where no family has it.
        """
        known = self.functions.get(call.name)
        with self._reading(call.name):
            kind = Other(call.name) if known is None else known.read(call)
            return kind.name, kind.numbers()

    def write_script(self, kind: str, numbers: dict[str, Any], shapes: dict[str, list[int]]) -> dict[str, str]:
        """The `lines` of a script for a layer, with placeholders for facts; empty where none are known.

        A verb.

        Args:
            kind: as in `parity.kinds.of`.
            numbers: as there.
            shapes: of the layer's canonical arrays, by kind ("kernel", "bias", ...).

        Returns:
            `lines`: statements that compute `y` of `x`; facts are put in by
            `parity.migration.reproduction.repro_scripts`.

        Raises:
            ValueError: an unknown kind, or numbers that are not the kind's.
        """
        known = of(kind, numbers)
        lines = self.scripts.get(known.key, "")
        return {"lines": lines if isinstance(lines, str) else lines(known, {k: tuple(s) for k, s in shapes.items()})}

    def change_for(self, repair: Repair) -> Change | None:
        """What changes where a layer is made, so that it computes what another one does; None where nothing does that.

        Args:
            repair: the layer, and what it should compute.
        """
        write = self.repairs.get(repair.expected.name)
        with self._reading(type(repair.layer).__name__):
            return write(repair) if write else None

    @contextmanager
    def _reading(self, what: str) -> Iterator[None]:
        """Raises TargetError for any exception while `what`, a layer or function, is read."""
        try:
            yield
        except Exception as error:
            raise TargetError(
                f"the suite does not understand {what!r} as {self.title} has it: {type(error).__name__}: {error}. "
                "Your model and its input are not at fault: please report this message."
            ) from error


def _joined(modules: Sequence[Any], table: str) -> dict[Any, Any]:
    entries: dict[Any, Any] = {}
    for module in modules:
        own = getattr(module, table, {})
        if double := entries.keys() & own.keys():
            raise ValueError(f"{module.__name__}.{table}: {double} stands in another family, too")
        entries |= own
    return entries
