"""The verbs of a worker about the recorded run of a user's model: what it did, and its operations run again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from parity.catalogue.targets import TargetError
from parity.numerics.arrays import Arrays
from parity.numerics.signature import Signature, signature
from parity.numerics.tolerance import Roundings
from parity.runtime.calling import Calling, Running
from parity.runtime.fixing import Fixer
from parity.runtime.recording import Recording
from parity.runtime.user_models import BuildSpec, run_fix
from parity.weights.parts import Piece, assembled
from parity.weights.random_arrays import Law, cached

FRAMEWORK_PACKAGES = ("keras", "tf_keras", "tensorflow", "paddle")  # layers of other packages are the user's own


class RecordedModel(ABC):
    """A model in one precision, the recording of its last run, and the values that its operations have now."""

    fixer: Fixer  # writes changes of the model
    fix_head: str  # the code before and behind the statements that the fixer writes
    fix_helpers: str

    def __init__(self, spec: BuildSpec, fixes: Sequence[str] = ()) -> None:
        """Build the model.

        Args:
            spec: which model, its inputs, and the precision.
            fixes: code of the form `def fix(model): ...`, which changes it.

        Raises:
            PrecisionError: it has or runs in another precision only.
            TargetError: it cannot be built, or does not run.
            WeightsError: a file of weights that cannot be read.
        """
        self.spec, self.dtype = spec, spec.dtype
        running = self.built(spec, spec.dtype)
        self.model, self.calling, self.precision = running.model, running.calling, running.precision
        self.names = running.names
        for code in fixes:
            run_fix(self.model, code)
        self.prepare()
        self._callings: Iterator[Calling] | None = None
        self.recording = Recording()
        self.now: dict[int, Any] = {}  # tensors by number of the value
        self.given: Arrays = {}  # by name, numbers in the place of drawn ones
        self.held: set[int] = set()  # values that `inject` gave their numbers, which no operation changes

    @abstractmethod
    def built(self, spec: BuildSpec, dtype: str) -> Running:
        """The model in inference mode, and the likeliest way to call it."""

    @abstractmethod
    def prepare(self) -> None:
        """What the model needs, built and changed, before it runs."""

    @abstractmethod
    def callings(self) -> Iterator[Calling]:
        """All ways to call it under which it runs, the likeliest first."""

    @abstractmethod
    def state(self) -> Mapping[str, Any]:
        """The model's arrays by the framework's own names."""

    @abstractmethod
    def read_array(self, tensor: Any) -> np.ndarray:
        """A copy of one of the model's arrays, in the framework's order."""

    @abstractmethod
    def write_array(self, tensor: Any, array: np.ndarray) -> None:
        """Overwrite one of the model's arrays."""

    @abstractmethod
    def read_file(self, path: Path) -> None:
        """Load a file of the model's weights. Raises TargetError or WeightsError."""

    @abstractmethod
    def write_file(self, path: Path) -> Collection[str]:
        """Write the model's weights in the format of the file's suffix. Raises TargetError.

        Args:
            path: of the file.

        Returns:
            The names of those of the model's arrays that the file holds.
        """

    @abstractmethod
    def trainable(self, tensor: Any) -> bool:
        """Whether the model lets an array be trained."""

    @abstractmethod
    def recorded(self, inputs: Arrays, *, traced: bool = False) -> Recording:
        """Run the model in inference and record it.

        Args:
            inputs: by `input_keys`, [n, *shape], channels last.
            traced: whether to find out what layers and functions run, too.
        """

    @abstractmethod
    def outputs(self, inputs: Arrays) -> list[tuple[str, Any]]:
        """Run the model in inference, unrecorded.

        Args:
            inputs: by `input_keys`, [n, *shape], channels last.

        Returns:
            Path ("" for a single one) and tensor of each output.
        """

    @abstractmethod
    def training_pass(self, inputs: Arrays, cotangents: Sequence[np.ndarray]) -> tuple[list[np.ndarray], Arrays]:
        """One forward and backward pass in training mode, with the masks of dropout that both frameworks get.

        Args:
            inputs: by `input_keys`, [n, *shape], channels last.
            cotangents: of the shapes of the outputs of floating-point numbers.

        Returns:
            These outputs, and the gradients of the sum of their products with the cotangents by the framework's names
            of arrays; those of arrays that the outputs do not depend on left out.
        """

    @abstractmethod
    def numbers(self, tensor: Any) -> np.ndarray:
        """The numbers of a tensor."""

    @abstractmethod
    def tensor_like(self, array: np.ndarray, like: Any) -> Any:
        """A tensor of the framework with these numbers, in the type of another tensor."""

    def try_next_calling(self) -> bool:
        """Call the model in the next way under which it runs; whether there is one."""
        if self._callings is None:
            self._callings = (one for one in self.callings() if one != self.calling)
        following = next(self._callings, None)
        if following is not None:
            self.calling = following
        return following is not None

    def record(self, inputs: Arrays, *, traced: bool = False) -> dict[str, Any]:
        """Run and record the model.

        Args:
            inputs: by `input_keys`, [n, *shape], channels last.
            traced: whether to find out what layers and functions run, too.

        Returns:
            The recording as plain JSON values: `values` (source, name, shape, dtype), `operations` (name, inputs,
            outputs, call), `calls` (path, kind, parent, inputs, outputs), `outputs` (path, value), `steps` (name, kind,
            numbers, shapes of its arrays, inputs, output, layer); none of a model that cannot be traced.
        """
        self.held = set()
        try:
            self.recording = self.recorded(inputs, traced=traced)
        except Exception:
            if not traced:
                raise
            self.recording = self.recorded(inputs)
        self.now = {number: value.tensor for number, value in enumerate(self.recording.values)}
        return {
            "values": [
                {
                    "source": value.source,
                    "name": value.name,
                    "shape": list(value.tensor.shape),
                    "dtype": dtype_of(value),
                }
                for value in self.recording.values
            ],
            "operations": [
                {"name": op.name, "inputs": list(op.inputs), "outputs": list(op.outputs), "call": op.call}
                for op in self.recording.operations
            ],
            "calls": [
                {
                    "path": call.path,
                    "kind": call.kind,
                    "own": type(call.layer).__module__.partition(".")[0] not in FRAMEWORK_PACKAGES,
                    "parent": call.parent,
                    "inputs": list(call.inputs),
                    "outputs": list(call.outputs),
                }
                for call in self.recording.calls
            ],
            "outputs": [[path, number] for path, number in self.recording.outputs],
            "steps": [self._described(*step) for step in self.recording.steps],
        }

    @staticmethod
    def _described(step: Any, inputs: Sequence[int], number: int) -> dict[str, Any]:
        return {
            "name": step.name,
            "kind": step.kind,
            "numbers": step.numbers,
            "shapes": {kind: layout.canonical_shape(tensor.shape) for kind, (tensor, layout) in step.arrays.items()},
            "inputs": list(inputs),
            "output": number,
            "layer": step.layer is not None,
        }

    def step_arrays(self, index: int) -> Arrays:
        """A traced step's arrays by canonical kind, float64, in canonical layout.

        Args:
            index: of the step in the recording.
        """
        step = self.recording.steps[index][0]
        return {
            kind: layout.read(self.read_array(tensor)).astype(np.float64)
            for kind, (tensor, layout) in step.arrays.items()
        }

    def arrays(self) -> dict[str, Any]:
        """The model's arrays.

        Returns:
            By name: `shape`, `dtype`, `trainable`, and `mean` and `deviation` of the finite numbers that they hold.
        """
        described = {}
        for name, tensor in self.state().items():
            array = self.read_array(tensor)
            numbers = array.astype(np.float64) if array.dtype.kind in "fiu" else np.zeros(1)
            numbers = numbers[np.isfinite(numbers)]
            described[name] = {
                "shape": list(array.shape),
                "dtype": str(array.dtype),
                "trainable": self.trainable(tensor),
                "mean": float(numbers.mean()) if numbers.size else 0.0,
                "deviation": float(numbers.std()) if numbers.size else 0.0,
            }
        return described

    def assign(
        self,
        arrays: Mapping[str, Sequence[Mapping[str, Any]]],
        laws: Mapping[str, Mapping[str, Any]],
        seed: int,
        roundings: Roundings | None = None,
    ) -> None:
        """Overwrite arrays by pieces of drawn ones.

        Args:
            arrays: by the framework's name, the fields of each `Piece`.
            laws: by the names that the pieces' terms have, the fields of `Law`.
            seed: of the numbers.
            roundings: by which the drawn numbers are moved; None for not at all.

        Raises:
            ValueError: pieces that do not cover an array.
        """
        for _, tensor, made in self._made(arrays, laws, seed, roundings):
            self.write_array(tensor, made)

    def changed(
        self, arrays: Mapping[str, Sequence[Mapping[str, Any]]], laws: Mapping[str, Mapping[str, Any]], seed: int
    ) -> list[str]:
        """The arrays that do not hold, bit for bit, what `assign` gave them.

        Args:
            arrays: as in `assign`.
            laws: as in `assign`.
            seed: as in `assign`.

        Returns:
            Their names.
        """
        return [
            name
            for name, tensor, made in self._made(arrays, laws, seed, None)
            # in the array's own type: one of half precision holds rounded numbers
            if self.read_array(tensor).tobytes() != self.read_array(self.tensor_like(made, tensor)).tobytes()
        ]

    def _made(
        self,
        arrays: Mapping[str, Sequence[Mapping[str, Any]]],
        laws: Mapping[str, Mapping[str, Any]],
        seed: int,
        roundings: Roundings | None,
    ) -> Iterator[tuple[str, Any, np.ndarray]]:
        """Of each array its name, the framework's tensor, and the numbers for it."""
        state = self.state()
        known = {name: Law(**{**law, "shape": tuple(law["shape"])}) for name, law in laws.items()}
        order = {name: index for index, name in enumerate(known)}

        def source(name: str) -> np.ndarray:
            drawn = self.given[name] if name in self.given else cached(known[name], seed)
            return drawn if roundings is None else roundings.of(name, drawn, order[name])

        for name, pieces in arrays.items():
            tensor = state[name]
            yield name, tensor, assembled(tuple(tensor.shape), [Piece.from_dict(piece) for piece in pieces], source)

    def evaluate(self, operations: Sequence[int], roundings: Roundings | None = None) -> None:
        """Run operations of the recording again, on the values that they have now.

        Args:
            operations: indices, in an order in which they can run.
            roundings: move what each operation makes by these.
        """
        for index in operations:
            operation = self.recording.operations[index]
            assert operation.run is not None, operation.name
            made = operation.run([self.now[number] for number in operation.inputs])
            for number, tensor in zip(operation.outputs, made, strict=True):
                if number not in self.held:
                    if roundings is not None and "float" in dtype_of(self.recording.values[number]):
                        tensor = self.tensor_like(roundings.of("", self.numbers(tensor), number), tensor)
                    self.now[number] = tensor

    def inject(self, number: int, array: np.ndarray) -> None:
        """Put other numbers in the place of a value, for the operations that run after this.

        Args:
            number: of the value.
            array: of any shape that the operations can take.
        """
        self.now[number] = self.tensor_like(array, self.recording.values[number].tensor)
        self.held.add(number)

    def release(self, numbers: Sequence[int]) -> None:
        """Let operations give values their numbers again; an input has at once those that the run was recorded on.

        Args:
            numbers: of injected values.
        """
        self.held -= set(numbers)
        for number in numbers:
            if (value := self.recording.values[number]).source == "input":
                self.now[number] = value.tensor

    def value(self, number: int) -> np.ndarray:
        """The numbers that a value has now."""
        return self.numbers(self.now[number])

    def signatures(self, numbers: Sequence[int]) -> list[Signature]:
        """The signatures of what values have now."""
        return [signature(self.value(number)) for number in numbers]


def dtype_of(value: Any) -> str:
    """The name of a value's type, the same in both frameworks ("float64")."""
    dtype = value.tensor.dtype
    return str(getattr(dtype, "name", dtype)).rpartition(".")[2].lower()


def require_as_many(outputs: Sequence[Any], cotangents: Sequence[np.ndarray]) -> None:
    """Refuse a model that gives more or fewer outputs of floating-point numbers in training mode than in inference.

    Args:
        outputs: of it in training mode.
        cotangents: one for each in inference.

    Raises:
        TargetError: it does.
    """
    if len(outputs) != len(cotangents):
        raise TargetError(
            f"in training mode the model gives {len(outputs)} outputs of floating-point numbers, in inference "
            f"{len(cotangents)}: compare a model that gives the same in both, or leave --training out"
        )
