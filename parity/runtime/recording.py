"""One run of a model as the operations that made each of its tensors, which can be run again on other tensors.

Deeper than a trace: it needs to know no layer and no function. The same in both frameworks but for what each
framework's `Recorder` says: how an operation is intercepted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

INPUT, ARRAY, CONSTANT, MADE = "input", "array", "constant", "made"  # where a value comes from


@dataclass
class Value:
    """A tensor of a run.

    Attributes:
        tensor: the framework's.
        source: INPUT, ARRAY (of the model's state), CONSTANT (made outside of the recorded operations) or MADE.
        name: of the input or array; else empty.
    """

    tensor: Any
    source: str
    name: str = ""


@dataclass(frozen=True)
class Operation:
    """One operation of the framework.

    Attributes:
        name: the framework's own, such as "conv2d" or "Conv2D".
        inputs: numbers of values; an operation that takes a value twice lists it twice.
        outputs: numbers of values.
        call: the index of the innermost layer call that it belongs to; -1 for none.
        run: makes new outputs of new inputs, as many as it had; None where nobody runs it again.
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    call: int
    run: Callable[[Sequence[Any]], list[Any]] | None


@dataclass
class LayerCall:
    """One call of a layer.

    Attributes:
        path: the layer's full name in its model.
        kind: the name of its class.
        parent: the index of the call inside of which it ran; -1 for none.
        layer: the framework's own.
        inputs: numbers of the values among its arguments.
        outputs: numbers of the values that it returned.
    """

    path: str
    kind: str
    parent: int
    layer: Any
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()


@dataclass
class Recording:
    """What a run did.

    Attributes:
        values: by number.
        operations: in the order in which they ran.
        calls: of layers, in the order in which they began.
        outputs: of the model: a path ("" for a single tensor) and the number of the value.
        steps: of a run that was traced, its layers and functions (the framework's `TracedStep`), with the numbers of
            the values that each took and of the one that it made; -1 for one that the recording has not met.
    """

    values: list[Value] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    calls: list[LayerCall] = field(default_factory=list)
    outputs: list[tuple[str, int]] = field(default_factory=list)
    steps: list[tuple[Any, tuple[int, ...], int]] = field(default_factory=list)


class Recorder(ABC):
    """Records what runs inside `recording()`.

    Args:
        arrays: the model's state: the framework's own arrays by name.
        paths: names of the model's layers, by id.
    """

    def __init__(self, arrays: Mapping[str, Any], paths: Mapping[int, str]) -> None:
        self.recorded = Recording()
        self._numbers: dict[int, int] = {}  # of values, by the identity of the tensor
        self._arrays = arrays
        self._paths = paths
        self._running: list[int] = []  # layer calls, the innermost last

    @abstractmethod
    def identity(self, tensor: Any) -> int:
        """What tells a tensor from all others that live at the same time."""

    @abstractmethod
    def intercepted(self) -> Any:
        """A context in which operations and layer calls reach `operation` and `layer_call`."""

    @contextmanager
    def recording(self, inputs: Mapping[str, Any]) -> Iterator[Recording]:
        """Record everything that runs inside this context.

        Args:
            inputs: the framework's tensors by the name of the model's input.

        Yields:
            The recording, which fills while the model runs.
        """
        for name, tensor in inputs.items():
            self._new(tensor, INPUT, name)
        with self.intercepted():
            yield self.recorded

    def number(self, tensor: Any) -> int:
        """The number of the value that a tensor holds; of a tensor that no recorded operation made, a new constant."""
        known = self._numbers.get(self.identity(tensor))
        return self._new(tensor, CONSTANT) if known is None else known

    def known(self, tensor: Any) -> int:
        """As `number`, but -1 for a tensor that the recording has not met."""
        return self._numbers.get(self.identity(tensor), -1)

    def of_steps(self, steps: Sequence[Any]) -> list[tuple[Any, tuple[int, ...], int]]:
        """Traced steps with the numbers of the values that they took and made, as `Recording.steps` has them."""
        return [(step, tuple(map(self.known, step.operands)), self.known(step.output)) for step in steps]

    def operation(
        self,
        name: str,
        inputs: Sequence[int],
        outputs: Sequence[Any],
        run: Callable[[Sequence[Any]], list[Any]] | None = None,
    ) -> None:
        """Note an operation that has run.

        Args:
            name: the framework's own.
            inputs: numbers of values, taken before it ran.
            outputs: the tensors that it made or overwrote.
            run: see `Operation`.
        """
        made = tuple(self._new(tensor, MADE) for tensor in outputs)
        innermost = self._running[-1] if self._running else -1
        self.recorded.operations.append(Operation(name, tuple(inputs), made, innermost, run))

    def layer_call(
        self, layer: Any, run: Callable[[], Any], given: Sequence[Any], tensors: Callable[[Any], list[Any]]
    ) -> Any:
        """Run a layer and note its call.

        Args:
            layer: the framework's.
            run: calls it.
            given: the tensors among its arguments.
            tensors: the tensors in what it returns.

        Returns:
            What the layer returned.
        """
        calls, index = self.recorded.calls, len(self.recorded.calls)
        parent = self._running[-1] if self._running else -1
        kind = type(layer).__name__
        path = self._paths.get(id(layer)) or getattr(layer, "name", "") or kind
        calls.append(LayerCall(path, kind, parent, layer, tuple(self.number(tensor) for tensor in given)))
        self._running.append(index)
        try:
            result = run()
        finally:
            self._running.pop()
        calls[index].outputs = tuple(self.number(tensor) for tensor in tensors(result))
        return result

    def array(self, name: str, tensor: Any) -> int:
        """The number of the value of one of the model's arrays, which `tensor` holds."""
        return self._new(tensor, ARRAY, name)

    def _new(self, tensor: Any, source: str, name: str = "") -> int:
        # the recording keeps the tensor, so that its identity is given to no other
        number = len(self.recorded.values)
        self.recorded.values.append(Value(tensor, source, name))
        self._numbers[self.identity(tensor)] = number
        return number
