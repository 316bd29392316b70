"""Requests about users' models that are recorded operation by operation.

`network` is the name of the pair under which a model was opened. Values are tensors of its recorded run, by number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypedDict, cast

from parity.workers.client.requests import Requests, group

if TYPE_CHECKING:  # workers begin before numpy and the like are imported, and this is imported before them
    import numpy as np

    from parity.catalogue.user_models import ModelSpec
    from parity.numerics.arrays import Arrays
    from parity.numerics.signature import Signature
    from parity.numerics.tolerance import Roundings
    from parity.weights.parts import Piece
    from parity.weights.random_arrays import Law


class RecordedRun(TypedDict):
    """A recording as plain JSON values; `parity.migration.align.recorded_graph` reads them."""

    values: list[dict[str, Any]]
    operations: list[dict[str, Any]]
    calls: list[dict[str, Any]]
    outputs: list[list[Any]]
    steps: list[dict[str, Any]]


class ArrayFacts(TypedDict):
    """One of a model's arrays, as it was built."""

    shape: list[int]
    dtype: str
    trainable: bool
    mean: float
    deviation: float


@dataclass(frozen=True)
class OpenModel:
    """A model that was built.

    Attributes:
        arrays: by the framework's own names.
        axes: of each input, the places that its axes come from, the batch's among them.
        precision: what it computes in.
        inputs: their names, as its author wrote them.
    """

    arrays: dict[str, ArrayFacts]
    axes: tuple[tuple[int, ...], ...]
    precision: str
    inputs: list[str]


@dataclass(frozen=True)
class RecordedTrainingPass:
    """One pass in training mode.

    Attributes:
        outputs: of floating-point numbers, in the framework's own order of axes.
        gradients: by the framework's names of arrays.
        statistics: arrays that are not trained, after the pass, by these names.
    """

    outputs: list[np.ndarray]
    gradients: Arrays
    statistics: Arrays


class Edit(TypedDict):
    """What one step or layer of a model should do otherwise, see `parity.runtime.fixing.Fixer.write`."""

    name: str
    expected: dict[str, Any] | None
    actual: dict[str, Any] | None
    shape: list[int]
    layer: bool
    array: str
    has: bool
    remove: bool


class WrittenChange(TypedDict):
    """The changed layer: `edits` are the indices of those that it is for."""

    name: str
    edits: list[int]
    statement: str
    constructor: str
    short: str


class WrittenFix(TypedDict):
    """Code for edits, see `parity.runtime.fixing.Fixer.write`."""

    changes: list[WrittenChange]
    open: dict[str, str]
    head: str
    helpers: str


class RecordedModelRequests(Requests):
    """Requests about a recorded model."""

    def open_model(self, network: str, spec: ModelSpec, fixes: Sequence[str] | None = None) -> OpenModel:
        """Build a model.

        Args:
            network: the pair's name.
            spec: what to build.
            fixes: code of the form `def fix(model): ...`, which changes it.
        """
        result = self.call("open_model", network=network, spec=asdict(spec), fixes=fixes).result
        axes = tuple(tuple(order) for order in result["axes"])
        return OpenModel(result["arrays"], axes, result["precision"], result["inputs"])

    def write_fix(self, network: str, edits: Sequence[Edit]) -> WrittenFix:
        """Code for changes of the model.

        Args:
            network: the pair's name; the model is open and as its author wrote it.
            edits: what its steps should do otherwise.
        """
        return cast(WrittenFix, self.call("write_fix", network=network, edits=list(edits)).result)

    def close_model(self, network: str) -> None:
        """Forget the model.

        Args:
            network: the pair's name.
        """
        self.call("close_model", network=network)

    def try_next_calling(self, network: str) -> tuple[tuple[int, ...], ...] | None:
        """Give the model its inputs in the next order of axes, or way of a call, under which it runs.

        Args:
            network: the pair's name.

        Returns:
            The axes of each input, None where there is no further way.
        """
        axes = self.call("try_next_calling", network=network).result["axes"]
        return None if axes is None else tuple(tuple(order) for order in axes)

    def record_run(self, network: str, arrays: Arrays, traced: bool = False) -> RecordedRun:
        """Run the model in inference and record it.

        Args:
            network: the pair's name.
            arrays: inputs by `input_keys`, [n, *shape], channels last.
            traced: whether to find out what layers and functions run, too.
        """
        return cast(RecordedRun, self.call("record_run", network=network, arrays=arrays, traced=traced).result)

    def read_step_arrays(self, network: str, step: int) -> Arrays:
        """A traced step's arrays by canonical kind, float64, in canonical layout.

        Args:
            network: the pair's name.
            step: its index in the traced run.
        """
        return self.call("read_step_arrays", network=network, step=step).arrays

    def run_model(
        self, network: str, arrays: Arrays, roundings: Roundings | None = None
    ) -> list[tuple[str, np.ndarray]]:
        """Run the model in inference, unrecorded.

        Args:
            network: the pair's name.
            arrays: inputs by `input_keys`, [n, *shape], channels last.
            roundings: move the inputs by these.

        Returns:
            Path ("" for a single one) and numbers of each output, in the framework's own order of axes.
        """
        moved_by = asdict(roundings) if roundings else None
        reply = self.call("run_model", network=network, arrays=arrays, roundings=moved_by)
        return [(path, reply.arrays[str(index)]) for index, path in enumerate(reply.result["paths"])]

    def run_training_pass(
        self, network: str, arrays: Arrays, roundings: Roundings | None = None
    ) -> RecordedTrainingPass:
        """One pass in training mode, with the masks of dropout that both frameworks get.

        Args:
            network: the pair's name.
            arrays: the groups `inputs`, by `input_keys`, and `cotangents` of the outputs of floating-point numbers,
                "0", "1", ... in their order; packed by `parity.numerics.arrays.pack`.
            roundings: move the inputs by these.
        """
        moved_by = asdict(roundings) if roundings else None
        made = self.call("run_training_pass", network=network, arrays=arrays, roundings=moved_by).arrays
        outputs = group(made, "outputs")
        return RecordedTrainingPass(
            [outputs[str(index)] for index in range(len(outputs))],
            group(made, "gradients"),
            group(made, "statistics"),
        )

    def read_arrays(self, network: str) -> Arrays:
        """All arrays of a model, by the framework's names.

        Args:
            network: the pair's name.
        """
        return self.call("read_arrays", network=network).arrays

    def write_arrays(self, network: str, arrays: Arrays) -> None:
        """Overwrite arrays of a model.

        Args:
            network: the pair's name.
            arrays: by the framework's names.
        """
        self.call("write_arrays", network=network, arrays=arrays)

    def load_weights(self, network: str, path: str) -> None:
        """Load a file of the model's weights.

        Args:
            network: the pair's name.
            path: of the file. Fails for one whose arrays are not float32 or do not fit.
        """
        self.call("load_weights", network=network, path=path)

    def save_weights(self, network: str, path: str) -> list[str]:
        """Write the model's weights as a file, in the format of the file's suffix.

        Args:
            network: the pair's name.
            path: of the file.

        Returns:
            The names of those of the model's arrays that it holds.
        """
        return list(self.call("save_weights", network=network, path=path).result["held"])

    def give_arrays(self, network: str, arrays: Arrays) -> None:
        """Let numbers take the place of drawn ones in `assign_arrays` and `changed_arrays`.

        Args:
            network: the pair's name.
            arrays: float32, by the names that pieces' terms have.
        """
        self.call("give_arrays", network=network, arrays=arrays)

    def assign_arrays(
        self,
        network: str,
        pieces: Mapping[str, Sequence[Piece]],
        laws: Mapping[str, Law],
        seed: int,
        roundings: Roundings | None = None,
    ) -> None:
        """Overwrite arrays by pieces of drawn ones.

        Args:
            network: the pair's name.
            pieces: by array of this model.
            laws: by the names that the pieces' terms have.
            seed: of the numbers.
            roundings: move the drawn numbers by these.
        """
        moved_by = asdict(roundings) if roundings else None
        self.call("assign_arrays", network=network, **_sent(pieces, laws), seed=seed, roundings=moved_by)

    def changed_arrays(
        self, network: str, pieces: Mapping[str, Sequence[Piece]], laws: Mapping[str, Law], seed: int
    ) -> list[str]:
        """The names of arrays that do not hold, bit for bit, what `assign_arrays` gave them.

        Args:
            network: the pair's name.
            pieces: as in `assign_arrays`.
            laws: as in `assign_arrays`.
            seed: as in `assign_arrays`.
        """
        return list(self.call("changed_arrays", network=network, **_sent(pieces, laws), seed=seed).result["changed"])

    def evaluate_operations(
        self,
        network: str,
        operations: Sequence[int],
        values: Sequence[int],
        roundings: Roundings | None = None,
    ) -> list[Signature]:
        """Run recorded operations again.

        Args:
            network: the pair's name.
            operations: indices, in an order in which they can run.
            values: of which the signatures are wanted.
            roundings: move what each operation makes by these.

        Returns:
            The signatures, in the order of `values`.
        """
        moved_by = asdict(roundings) if roundings else None
        indices, numbers = list(operations), list(values)
        reply = self.call(
            "evaluate_operations", network=network, operations=indices, values=numbers, roundings=moved_by
        )
        return _signatures(reply)

    def value_signatures(self, network: str, values: Sequence[int]) -> list[Signature]:
        """The signatures of what values hold now.

        Args:
            network: the pair's name.
            values: by number.
        """
        return _signatures(self.call("value_signatures", network=network, values=list(values)))

    def read_values(self, network: str, values: Sequence[int]) -> Arrays:
        """What values hold now, by the number as text.

        Args:
            network: the pair's name.
            values: by number.
        """
        return self.call("read_values", network=network, values=list(values)).arrays

    def inject_values(self, network: str, arrays: Arrays) -> None:
        """Put other numbers in the place of values, for the operations that run after this.

        Args:
            network: the pair's name.
            arrays: by the number of the value as text.
        """
        self.call("inject_values", network=network, arrays=arrays)

    def release_values(self, network: str, values: Sequence[int]) -> None:
        """Let operations give injected values their numbers again.

        Args:
            network: the pair's name.
            values: by number.
        """
        self.call("release_values", network=network, values=list(values))


def _signatures(reply: Any) -> list[Signature]:
    from parity.numerics.signature import unpack_signatures

    return unpack_signatures(reply.result["shapes"], reply.arrays)


def _sent(pieces: Mapping[str, Sequence[Piece]], laws: Mapping[str, Law]) -> dict[str, Any]:
    """Pieces and laws as plain values."""
    given = {name: [asdict(piece) for piece in own] for name, own in pieces.items()}
    return {"pieces": given, "laws": {name: asdict(law) for name, law in laws.items()}}
