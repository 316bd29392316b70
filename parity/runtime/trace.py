"""Run a user's model, and record every layer and function that it calls.

The same in both frameworks but for what each framework's `Trace` says: how a call is intercepted, and what a layer is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar
from unittest import mock

from parity.kinds.registry import Facts, FunctionCall, Registry
from parity.runtime.traced_steps import (
    INPUT,
    UNKNOWN,
    Sides,
    TracedStep,
    arguments,
    composed,
    merged,
    results_of,
    tensors_of,
    unique,
)

LayerCall = Callable[..., Any]  # a layer's own `__call__`, which takes the layer first


@dataclass(frozen=True)
class Readers:
    """How a framework's layers and functions are recognised, and how those that are known are read."""

    tensor: type
    registry: Registry
    # what a call of a layer with several inputs takes, attention and recurrent layers; None for any other call
    operands: Callable[[Any, tuple[Any, ...], dict[str, Any]], list[Any] | None]


class Trace(ABC):
    """What one run of a model reached, in order; paddings are merged into the layers that they pad for."""

    readers: ClassVar[Readers]

    def __init__(self, model: Any, inputs: Sequence[Any], run: Callable[[], Any], *, everything: bool = False) -> None:
        """Run a model.

        Args:
            model: the framework's.
            inputs: its tensors.
            run: calls it.
            everything: whether functions of tensors that no step made are steps, too.
        """
        self._everything = everything
        self.steps: list[Any] = []  # of the framework's `TracedStep`
        self._top = model
        self._paths = self._named_layers()
        self._made = {id(x): INPUT for x in inputs}  # by tensor: the step that made it
        self._parts: dict[int, int] = {}  # by tensor: which of its step's results it is, where not the first
        self._alive: list[Any] = list(inputs)  # keeps every tensor, so that no id is given twice
        self._inside: list[str] = []  # the layers that are running, by path
        self._quiet = 0  # above 0 inside a known layer, whose own functions are not recorded
        with self._recording():
            self.result = run()
        self.steps = composed(merged(self.steps, self._sides))

    @abstractmethod
    def _named_layers(self) -> dict[int, str]:
        """The full paths of the model's layers, by id."""

    @abstractmethod
    def _layers(self) -> Sequence[Any]:
        """The model and all layers in it."""

    @abstractmethod
    def _calls(self) -> dict[type, LayerCall]:
        """How calls of layers are intercepted: by class, the replacement of its `__call__`."""

    @abstractmethod
    def _path(self, layer: Any) -> str:
        """What a layer is called."""

    @abstractmethod
    def _readable(self, layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether a call is one step, for `_known`; else what runs inside of it is looked at."""

    @abstractmethod
    def _known(self, call: LayerCall, layer: Any, path: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Make a call and record it."""

    @abstractmethod
    def _sides(self, step: Any, padder: Any) -> Sides:
        """How height and width of what a step and the padding before it take and make are read."""

    def _step(self, tensors: Sequence[Any], result: Any, **facts: Any) -> TracedStep:
        """The step that made `result` of the tensors."""
        return TracedStep(**facts)

    def _of_function(self, name: str, given: dict[str, Any], x: Any, y: Any, values: Sequence[Any]) -> Facts:
        """Kind and numbers of a function that made y of x; `values` are all that it was given, in order."""
        return self.readers.registry.of_function(FunctionCall(name, given, x, y, values=values))

    def _scope(self, layer: Any, path: str) -> str:
        """What the functions inside of a layer are named after; nothing for none."""
        return path

    @contextmanager
    def _recording(self) -> Iterator[None]:
        with ExitStack() as stack:
            for owner, spy in self._calls().items():
                stack.enter_context(mock.patch.object(owner, "__call__", spy))
            spies = {}
            for name, locations in self.readers.registry.called.items():
                for owner, attribute in locations:
                    original = getattr(owner, attribute)
                    spies[id(original)] = self._function(name, original)
                    stack.enter_context(mock.patch.object(owner, attribute, spies[id(original)]))
            for layer, attribute, function in self._kept_functions(spies):
                stack.enter_context(mock.patch.object(layer, attribute, spies[id(function)]))
            yield

    @contextmanager
    def _unrecorded(self) -> Iterator[None]:
        """Inside this context nothing is recorded."""
        self._quiet += 1
        try:
            yield
        finally:
            self._quiet -= 1

    def _kept_functions(self, functions: Container[int]) -> list[tuple[Any, str, Any]]:
        """Functions by id that layers keep as attributes, as in `self.act = relu`."""
        return [
            (layer, attribute, value)
            for layer in self._layers()
            if not self.readers.registry.known(layer)
            for attribute, value in vars(layer).items()
            if id(value) in functions
        ]

    def _layer_spy(self, call: LayerCall) -> LayerCall:
        """The replacement of a layer's own `__call__`."""

        def spy(layer: Any, *args: Any, **kwargs: Any) -> Any:
            return self._layer(call, layer, args, kwargs)

        return spy

    def _layer(self, call: LayerCall, layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._quiet:
            return call(layer, *args, **kwargs)
        path = self._path(layer)
        if (tensors := self.readers.operands(layer, args, kwargs)) is not None:
            with self._unrecorded():
                result = call(layer, *args, **kwargs)
            self._operated(path, layer, tensors, results_of(result))
            return result
        if self._readable(layer, args, kwargs):
            return self._known(call, layer, path, args, kwargs)
        self._inside.append(self._scope(layer, path))
        before = len(self.steps)
        try:
            result = call(layer, *args, **kwargs)
        finally:
            self._inside.pop()
        if isinstance(result, self.readers.tensor) and self._unexplained(layer, before, result):
            self._opaque(path, layer, args, result)
        return result

    @abstractmethod
    def _has_arrays(self, layer: Any) -> bool:
        """Whether arrays belong to the layer itself, and not to one inside of it."""

    def _unexplained(self, layer: Any, before: int, result: Any) -> bool:
        """Whether nothing known ran in a layer, or functions only that do not explain its result: these go."""
        inside = self.steps[before:]
        # functions around arrays of the layer's own are not known by what they are alone
        partly = self._has_arrays(layer) and any(step.kind != "other" for step in inside)
        explained = id(result) in self._made and not partly
        if explained or layer is self._top or any(step.layer is not None for step in inside):
            return not inside
        del self.steps[before:]
        self._made = {tensor: index for tensor, index in self._made.items() if index < before}
        return True

    def _operated(self, path: str, layer: Any, tensors: list[Any], results: Sequence[Any]) -> None:
        """Record a layer with several inputs, and maybe several results: the first is the step's output."""
        output, *others = results
        facts = self.readers.registry.of_layer(layer, tensors, output)
        self._add(path, *facts, tensors, output, layer)
        for part, other in enumerate(others, 1):
            self._made[id(other)], self._parts[id(other)] = len(self.steps) - 1, part
            self._alive.append(other)

    def _opaque(self, path: str, layer: Any, args: tuple[Any, ...], result: Any) -> None:
        """A layer in which nothing known ran: its inputs and output are all that can be said."""
        tensors = tensors_of(args, self.readers.tensor)
        self._add(path, "other", {"type": type(layer).__name__}, tensors, result, layer)

    def _function(
        self, name: str, original: Callable[..., Any], facts: dict[str, Any] | None = None
    ) -> Callable[..., Any]:
        """The replacement of a function; `facts` are its numbers by name, where its arguments do not say them."""
        tensor = self.readers.tensor

        def spy(*args: Any, **kwargs: Any) -> Any:
            if self._quiet:
                return original(*args, **kwargs)
            with self._unrecorded():
                result = original(*args, **kwargs)
            tensors = tensors_of([*args, *kwargs.values()], tensor)
            traced = self._everything or any(id(operand) in self._made for operand in tensors)
            if tensors and isinstance(result, tensor) and traced:
                given = facts if facts is not None else arguments(original, args, kwargs)
                kind, numbers = self._of_function(name, given, tensors[0], result, [*args, *kwargs.values()])
                path = ".".join([*[scope for scope in self._inside if scope][-1:], name])
                self._add(path, kind, numbers, tensors, result)
            return result

        spy.__name__ = getattr(original, "__name__", name)  # by which a layer that keeps it is read
        return spy

    def _add(
        self,
        path: str,
        kind: str,
        numbers: dict[str, Any],
        tensors: Sequence[Any],
        result: Any,
        layer: Any = None,
    ) -> None:
        """Record a step that made `result` of the tensors; a function has no layer."""
        step = self._step(
            tensors,
            result,
            name=unique(path, [step.name for step in self.steps]),
            kind=kind,
            numbers=numbers,
            inputs=tuple(self._source(operand, kind) for operand in tensors),
            operands=tuple(tensors),
            output=result,
            made=tuple(result.shape),
            shapes=tuple(tuple(operand.shape) for operand in tensors),
            arrays=self.readers.registry.arrays_of(layer) if layer is not None else {},
            layer=layer,
            part=self._parts.get(id(tensors[0]), 0) if tensors else 0,
        )
        self._made[id(result)] = len(self.steps)
        self._alive.append(result)
        self.steps.append(step)

    def _source(self, operand: Any, kind: str) -> int:
        """The step that made a tensor; of a layer's last states only a slice knows what to make."""
        state = self._parts.get(id(operand), 0) > 0 and kind != "slice"
        return UNKNOWN if state else self._made.get(id(operand), UNKNOWN)
