"""A recorded run of one model as a graph: what each value depends on, and which operations use which arrays."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from parity.kinds import of
from parity.kinds.kind import Kind

# operations whose results depend on the shape or type of what they take and on no number in it
SHAPE_ONLY = frozenset(
    {"Shape", "shape", "ShapeN", "Size", "Rank", "numel", "ZerosLike", "OnesLike", "zeros_like", "ones_like"}
    | {"full_like", "full_batch_size_like", "empty_like"}
)


@dataclass(frozen=True)
class RecordedValue:
    """A tensor of the run.

    Attributes:
        source: "input", "array", "constant" or "made".
        name: of the input or array.
        shape: in the framework's own order of axes, batch included.
        dtype: "float64", "int32", ...
    """

    source: str
    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def floating(self) -> bool:
        """Whether it holds floating-point numbers."""
        return "float" in self.dtype


@dataclass(frozen=True)
class RecordedOperation:
    """An operation of the run; inputs and outputs are numbers of values, `call` the index of a layer call or -1."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    call: int


@dataclass(frozen=True)
class RecordedCall:
    """A layer call of the run; inputs and outputs are numbers of values, `parent` the index of a call or -1.

    `own`: whether the layer's class is the user's and not the framework's.
    """

    path: str
    kind: str
    parent: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    own: bool


@dataclass(frozen=True)
class RecordedStep:
    """A layer or function of a traced run.

    Attributes:
        name: the layer's path; a function is named after the layer that calls it.
        kind: of `parity.kinds`, with its `numbers`.
        numbers: see `kind`.
        shapes: of its arrays in canonical layout, by kind.
        inputs: numbers of the values that it takes; -1 for one that is not known.
        output: number of the value that it makes; -1 where that is not known.
        layer: whether it is a layer.
        index: among the steps that the worker found.
    """

    name: str
    kind: str
    numbers: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    inputs: tuple[int, ...]
    output: int
    layer: bool
    index: int

    @property
    def what(self) -> Kind:
        """What it computes."""
        return of(self.kind, self.numbers)

    def __str__(self) -> str:
        numbers = ", ".join(f"{name} {value}" for name, value in self.numbers.items())
        arrays = ", ".join(f"{kind} {'x'.join(map(str, shape))}" for kind, shape in self.shapes.items())
        return "; ".join(part for part in (self.kind, arrays, numbers) if part)


@dataclass
class Unit:
    """Arrays that one layer holds, and the operations of the run that take them.

    Attributes:
        path: of the layer.
        kind: the layer's class.
        arrays: names, in the order of their first use.
        operations: indices of the operations that take numbers of the input and these arrays.
        call: index of the layer's first call; -1 where it holds layers with arrays, too, or no layer holds these.
        own: whether the user's own code takes the arrays, and no layer of the framework.
    """

    path: str
    kind: str
    arrays: list[str] = field(default_factory=list)
    operations: list[int] = field(default_factory=list)
    call: int = -1
    own: bool = False


class RecordedGraph:
    """A recorded run.

    Attributes:
        values: by number.
        operations: in the order in which they ran.
        calls: of layers.
        outputs: path and number of the value.
        steps: of a traced run, its layers and functions in the order in which they ran; else empty.
        producer: by number of a value, the operation that made it.
        consumers: by number of a value, the operations that take it.
        data: by number, whether a value depends on numbers of the model's input.
        arrays: by number of a value that does not, the names of the arrays that it depends on.
        units: in the order of first use.
    """

    def __init__(self, run: Mapping[str, Any], arrays: Container[str]) -> None:
        """From what a worker describes.

        Args:
            run: as `RecordedModel.record` gives it.
            arrays: names of those of the model's arrays that are drawn; the others are constants.
        """
        self.values = [
            RecordedValue(value["source"], value["name"], tuple(value["shape"]), value["dtype"])
            for value in run["values"]
        ]
        self.operations = [
            RecordedOperation(op["name"], tuple(op["inputs"]), tuple(op["outputs"]), op["call"])
            for op in run["operations"]
        ]
        self.calls = [
            RecordedCall(
                call["path"], call["kind"], call["parent"], tuple(call["inputs"]), tuple(call["outputs"]), call["own"]
            )
            for call in run["calls"]
        ]
        self.outputs: list[tuple[str, int]] = [(path, number) for path, number in run["outputs"]]
        self.steps = [
            RecordedStep(
                step["name"],
                step["kind"],
                dict(step["numbers"]),
                {kind: tuple(shape) for kind, shape in step["shapes"].items()},
                tuple(step["inputs"]),
                step["output"],
                step["layer"],
                index,
            )
            for index, step in enumerate(run["steps"])
        ]
        self.producer: dict[int, int] = {}
        self.consumers: dict[int, list[int]] = {}
        self.data = [value.source == "input" for value in self.values]
        self.arrays: list[frozenset[str]] = [
            frozenset([value.name]) if value.source == "array" and value.name in arrays else frozenset()
            for value in self.values
        ]
        for index, operation in enumerate(self.operations):
            self._connect(index, operation)
        # functions of constants and arrays alone are no part of what is made of the inputs
        self.steps = [step for step in self.steps if step.layer or step.output < 0 or self.data[step.output]]
        self.units = self._units()

    def _connect(self, index: int, operation: RecordedOperation) -> None:
        data = operation.name not in SHAPE_ONLY and any(self.data[number] for number in operation.inputs)
        needed = frozenset[str]() if data else frozenset().union(*(self.arrays[n] for n in operation.inputs))
        for number in operation.inputs:
            self.consumers.setdefault(number, []).append(index)
        for number in operation.outputs:
            self.producer[number] = index
            self.data[number] = data
            self.arrays[number] = needed

    def arrays_of(self, index: int) -> frozenset[str]:
        """The arrays that an operation takes, also through operations on arrays alone.

        Args:
            index: of the operation.

        Returns:
            Their names.
        """
        return frozenset().union(*(self.arrays[number] for number in self.operations[index].inputs))

    def units_order(self, index: int) -> list[str]:
        """The arrays that an operation takes, in the order in which units list them."""
        needed = self.arrays_of(index)
        return [name for unit in self.units for name in unit.arrays if name in needed]

    def on_data(self, index: int) -> bool:
        """Whether an operation's results depend on numbers of the model's input."""
        return any(self.data[number] for number in self.operations[index].outputs)

    def ancestors(self, number: int, stop: Mapping[int, Any] | set[int]) -> tuple[list[int], set[int]]:
        """What a value is made of.

        Args:
            number: of the value.
            stop: values behind which nothing is looked at.

        Returns:
            The operations between, in order; and the values of `stop`, inputs among them, at which they begin.
        """
        operations: set[int] = set()
        roots: set[int] = set()
        waiting = [number]
        seen: set[int] = set()
        while waiting:
            value = waiting.pop()
            if value in seen:
                continue
            seen.add(value)
            index = self.producer.get(value)
            if value in stop or index is None:
                if self.data[value]:
                    roots.add(value)
                continue
            operations.add(index)
            waiting.extend(self.operations[index].inputs)
        return sorted(operations), roots

    def flattened_from(self, number: int) -> list[tuple[int, ...]]:
        """Shapes, without the batch, from which the axes of a value may have been flattened."""
        shapes: list[tuple[int, ...]] = []
        operations, _ = self.ancestors(number, set())
        size = math.prod(self.values[number].shape[1:])
        for index in reversed(operations):
            for value in self.operations[index].inputs:
                shape = self.values[value].shape
                if len(shape) > 2 and math.prod(shape[1:]) == size and shape[1:] not in shapes:
                    shapes.append(shape[1:])
            if len(shapes) > 3:
                break
        return shapes

    def path_of(self, index: int) -> str:
        """The path of the innermost layer in which an operation ran; empty for none."""
        call = self.operations[index].call
        return self.calls[call].path if call >= 0 else ""

    def _units(self) -> list[Unit]:
        users: dict[str, list[int]] = {}  # of each array, the operations that take it
        for index in range(len(self.operations)):
            if self.on_data(index):
                for name in sorted(self.arrays_of(index)):  # the same in every run
                    users.setdefault(name, []).append(index)
        held: dict[str, set[str]] = {}  # by path of a layer, the arrays that operations inside of its calls take
        for name, operations in users.items():
            for index in operations:
                call = self.operations[index].call
                while call >= 0:
                    held.setdefault(self.calls[call].path, set()).add(name)
                    call = self.calls[call].parent
        units: dict[tuple[str, str], Unit] = {}
        direct: dict[str, set[str]] = {}  # by path, the arrays that the layer's own operations take
        for name, operations in users.items():
            direct.setdefault(self.path_of(operations[0]), set()).add(name)
        for name, operations in sorted(users.items(), key=lambda item: item[1][0]):
            call = self.operations[operations[0]].call
            path = self.path_of(operations[0])
            whole = held.get(path) == direct[path]
            own = call < 0 or self.calls[call].own
            # a layer that holds nothing but this one, as a recurrent layer its cell
            while whole and call >= 0 and (parent := self.calls[call].parent) >= 0:
                if self.calls[parent].parent < 0 or held[self.calls[parent].path] != held[path]:
                    break
                call, path = parent, self.calls[parent].path
                direct[path] = held[path]
            kind = self.calls[call].kind if call >= 0 else ""
            # a layer that holds others, too, takes and gives more than what these arrays work on
            unit = units.setdefault(
                (path, "" if whole else name), Unit(path, kind, call=call if whole else -1, own=own)
            )
            unit.arrays.append(name)
            unit.operations = sorted({*unit.operations, *operations})
        return list(units.values())

    def inputs_of(self, unit: Unit) -> list[int]:
        """The values that reach a unit from outside: those that its layer's first call takes, else its operations."""
        if unit.call >= 0 and self.calls[unit.call].parent >= 0:
            given = [number for number in self.calls[unit.call].inputs if self.data[number]]
            if given:
                return given
        own = {number for index in unit.operations for number in self.operations[index].outputs}
        return list(
            dict.fromkeys(
                number
                for index in unit.operations
                for number in self.operations[index].inputs
                if self.data[number] and number not in own
            )
        )

    def outputs_of(self, unit: Unit) -> list[int]:
        """The values that a unit gives: those that its layer's first call returns, else its operations' own."""
        if unit.call >= 0 and self.calls[unit.call].parent >= 0:
            returned = [number for number in self.calls[unit.call].outputs if self.data[number]]
            if returned:
                return returned
        return list(self.operations[unit.operations[-1]].outputs)


def names(paths: Sequence[str]) -> str:
    """Paths in one line, each once."""
    return ", ".join(dict.fromkeys(path for path in paths if path))
