"""The verbs of a worker about users' models that are recorded operation by operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from parity.numerics.arrays import Arrays, pack, unpack
from parity.numerics.signature import pack_signatures
from parity.numerics.tolerance import Roundings
from parity.runtime.recorded_model import RecordedModel
from parity.runtime.user_models import BuildSpec
from parity.system import trim_heap


class RecordedModels:
    """The verbs; `build(spec, fixes)` makes one of the framework's models."""

    def __init__(self, build: Callable[[BuildSpec, Sequence[str]], RecordedModel]) -> None:
        self.build = build
        self.models: dict[str, RecordedModel] = {}

    @property
    def verbs(self) -> tuple[Callable[..., Any], ...]:
        """The functions that a worker offers, by their names."""
        return (
            self.open_model,
            self.close_model,
            self.try_next_calling,
            self.record_run,
            self.read_step_arrays,
            self.write_fix,
            self.run_model,
            self.run_training_pass,
            self.read_arrays,
            self.write_arrays,
            self.load_weights,
            self.save_weights,
            self.give_arrays,
            self.assign_arrays,
            self.changed_arrays,
            self.evaluate_operations,
            self.value_signatures,
            self.read_values,
            self.inject_values,
            self.release_values,
        )

    def open_model(self, network: str, spec: dict[str, Any], fixes: Sequence[str] | None = None) -> dict[str, Any]:
        """Build a model.

        Args:
            network: the name under which the other verbs use it; another one of this name is forgotten.
            spec: the fields of `parity.catalogue.user_models.ModelSpec`.
            fixes: code of the form `def fix(model): ...`, which changes the model.

        Returns:
            `arrays`: by name what `RecordedModel.arrays` says; `axes` of its inputs and `precision`; `inputs`, the
            names of these as its author wrote them.

        Raises:
            PrecisionError: the model has or runs in another precision only.
            TargetError: the target gives no model, or it does not run.
            WeightsError: a file of weights that cannot be read.
        """
        self.models.pop(network, None)
        model = self.models[network] = self.build(BuildSpec.from_dict(spec), fixes or ())
        return {
            "arrays": model.arrays(),
            "axes": model.calling.axes,
            "precision": model.precision,
            "inputs": model.names,
        }

    def close_model(self, network: str) -> dict[str, Any]:
        """Forget a model.

        Args:
            network: the name of an open model, or of none.

        Returns:
            Nothing: {}, the reply of a verb.
        """
        self.models.pop(network, None)
        return {}

    def try_next_calling(self, network: str) -> dict[str, Any]:
        """Give a model its inputs in the next order of axes, or way of a call, under which it runs.

        Args:
            network: the name of an open model.

        Returns:
            `axes` of its inputs, None where there is no further way.
        """
        model = self.models[network]
        return {"axes": model.calling.axes if model.try_next_calling() else None}

    def record_run(self, network: str, arrays: Arrays, traced: bool = False) -> dict[str, Any]:
        """Run a model in inference and record it.

        Args:
            network: the name of an open model.
            arrays: inputs by `input_keys`, [n, *shape], channels last.
            traced: whether to find out what layers and functions run, too.

        Returns:
            What `RecordedModel.record` says.
        """
        trim_heap()  # a large model's arrays were sent or written one by one before this
        return self.models[network].record(arrays, traced=traced)

    def read_step_arrays(self, network: str, step: int) -> tuple[dict[str, Any], Arrays]:
        """A traced step's arrays by canonical kind, float64, in canonical layout.

        Args:
            network: the name of an open model, with a traced run.
            step: its index.
        """
        return {}, self.models[network].step_arrays(step)

    def write_fix(self, network: str, edits: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Code for changes of a model, see `parity.runtime.fixing.Fixer.write`.

        Args:
            network: the name of an open model, unchanged.
            edits: as there.

        Returns:
            What is said there, and the code that stands before and behind the statements, `head` and `helpers`.
        """
        model = self.models[network]
        return {**model.fixer.write(model.model, edits), "head": model.fix_head, "helpers": model.fix_helpers}

    def run_model(
        self, network: str, arrays: Arrays, roundings: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], Arrays]:
        """Run a model in inference, unrecorded.

        Args:
            network: the name of an open model.
            arrays: inputs by `input_keys`, [n, *shape], channels last.
            roundings: as in `assign_arrays`, of the inputs.

        Returns:
            `paths` of the outputs, and these under "0", "1", ... in the framework's own order of axes.
        """
        model = self.models[network]
        trim_heap()
        outputs = model.outputs(_moved(arrays, roundings))
        made = {str(index): np.ascontiguousarray(model.numbers(tensor)) for index, (_, tensor) in enumerate(outputs)}
        return {"paths": [path for path, _ in outputs]}, made

    def run_training_pass(
        self, network: str, arrays: Arrays, roundings: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], Arrays]:
        """One pass in training mode, see `RecordedModel.training_pass`.

        Args:
            network: the name of an open model.
            arrays: the groups `inputs`, by `input_keys`, and `cotangents`, "0", "1", ... in the order of the outputs.
            roundings: as in `assign_arrays`, of the inputs.

        Returns:
            The groups `outputs`, "0", "1", ...; `gradients` and `statistics`, arrays that are not trained as they are
            after the pass, by the framework's names.
        """
        model = self.models[network]
        trim_heap()
        inputs = _moved(unpack(arrays, "inputs"), roundings)
        cotangents = unpack(arrays, "cotangents")
        outputs, gradients = model.training_pass(inputs, [cotangents[str(i)] for i in range(len(cotangents))])
        statistics = {
            name: model.read_array(tensor)
            for name, tensor in model.state().items()
            if not model.trainable(tensor) and "float" in str(tensor.dtype)
        }
        made = {str(index): np.ascontiguousarray(output) for index, output in enumerate(outputs)}
        return {}, pack(outputs=made, gradients=gradients, statistics=statistics)

    def read_arrays(self, network: str) -> tuple[dict[str, Any], Arrays]:
        """All arrays of a model, by the framework's names.

        Args:
            network: the name of an open model.
        """
        model = self.models[network]
        return {}, {name: model.read_array(tensor) for name, tensor in model.state().items()}

    def write_arrays(self, network: str, arrays: Arrays) -> dict[str, Any]:
        """Overwrite arrays of a model.

        Args:
            network: the name of an open model.
            arrays: by the framework's names.

        Returns:
            Nothing: {}, the reply of a verb.
        """
        state = self.models[network].state()
        for name, array in arrays.items():
            self.models[network].write_array(state[name], array)
        return {}

    def load_weights(self, network: str, path: str) -> dict[str, Any]:
        """Load a file of the model's weights.

        Args:
            network: the name of an open model in float32.
            path: of the file.

        Returns:
            Nothing: {}, the reply of a verb.

        Raises:
            TargetError: a file that does not fit the model or is not in float32.
            WeightsError: a file that cannot be read.
        """
        self.models[network].read_file(Path(path))
        return {}

    def save_weights(self, network: str, path: str) -> dict[str, Any]:
        """Write the model's weights as a file, in the format of the file's suffix.

        Args:
            network: the name of an open model in float32.
            path: of the file.

        Returns:
            `held`: the names of those of the model's arrays that the file holds.

        Raises:
            TargetError: the framework cannot save such a model.
        """
        return {"held": list(self.models[network].write_file(Path(path)))}

    def give_arrays(self, network: str, arrays: Arrays) -> dict[str, Any]:
        """Take numbers in the place of drawn ones in `assign_arrays` and `changed_arrays`.

        Args:
            network: the name of an open model.
            arrays: float32, by the names that pieces' terms have.

        Returns:
            Nothing: {}, the reply of a verb.
        """
        self.models[network].given = arrays
        return {}

    def assign_arrays(
        self,
        network: str,
        pieces: Mapping[str, Any],
        laws: Mapping[str, Any],
        seed: int,
        roundings: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Overwrite arrays by pieces of drawn ones, see `RecordedModel.assign`.

        Args:
            network: the name of an open model.
            pieces: by array, the fields of each `Piece`.
            laws: by the names in the pieces' terms, the fields of `Law`.
            seed: of the numbers.
            roundings: the fields of `Roundings`, by which the drawn numbers are moved; None for not at all.

        Returns:
            Nothing: {}, the reply of a verb.
        """
        model = self.models[network]
        if 2 * len(pieces) > len(model.state()):  # the whole model, and not a layer on trial
            trim_heap()
        model.assign(pieces, laws, seed, Roundings(**roundings) if roundings else None)
        return {}

    def changed_arrays(
        self, network: str, pieces: Mapping[str, Any], laws: Mapping[str, Any], seed: int
    ) -> dict[str, Any]:
        """Read arrays back, see `RecordedModel.changed`.

        Args:
            network: the name of an open model.
            pieces: as in `assign_arrays`.
            laws: as in `assign_arrays`.
            seed: as in `assign_arrays`.

        Returns:
            `changed`: the names of arrays that hold other numbers.
        """
        return {"changed": self.models[network].changed(pieces, laws, seed)}

    def evaluate_operations(
        self,
        network: str,
        operations: Sequence[int],
        values: Sequence[int],
        roundings: dict[str, Any] | None = None,
    ) -> tuple[dict[str, Any], Arrays]:
        """Run recorded operations again.

        Args:
            network: the name of an open model, with a recorded run.
            operations: indices, in an order in which they can run.
            values: of which the signatures are wanted.
            roundings: as in `assign_arrays`, of what each operation makes.

        Returns:
            As `value_signatures`.
        """
        self.models[network].evaluate(operations, Roundings(**roundings) if roundings else None)
        return self.value_signatures(network, values)

    def value_signatures(self, network: str, values: Sequence[int]) -> tuple[dict[str, Any], Arrays]:
        """What values hold now, as signatures.

        Args:
            network: the name of an open model, with a recorded run.
            values: by number.

        Returns:
            `shapes`, and the arrays of `pack_signatures`.
        """
        shapes, packed = pack_signatures(self.models[network].signatures(values))
        return {"shapes": shapes}, packed

    def read_values(self, network: str, values: Sequence[int]) -> tuple[dict[str, Any], Arrays]:
        """What values hold now.

        Args:
            network: the name of an open model, with a recorded run.
            values: by number.

        Returns:
            Arrays by the number as text, in the framework's own order of axes.
        """
        model = self.models[network]
        return {}, {str(number): np.ascontiguousarray(model.value(number)) for number in values}

    def inject_values(self, network: str, arrays: Arrays) -> dict[str, Any]:
        """Put other numbers in the place of values, for the operations that run after this.

        Args:
            network: the name of an open model, with a recorded run.
            arrays: by the number of the value as text.

        Returns:
            Nothing: {}, the reply of a verb.
        """
        for number, array in arrays.items():
            self.models[network].inject(int(number), array)
        return {}

    def release_values(self, network: str, values: Sequence[int]) -> dict[str, Any]:
        """Let operations give injected values their numbers again.

        Args:
            network: the name of an open model, with a recorded run.
            values: by number.

        Returns:
            Nothing: {}, the reply of a verb.
        """
        self.models[network].release(values)
        return {}


def _moved(inputs: Arrays, roundings: dict[str, Any] | None) -> Arrays:
    """Inputs moved by the fields of `Roundings`; whole numbers and truth values as they are."""
    if roundings is None:
        return inputs
    moved_by = Roundings(**roundings)
    return {
        name: moved_by.of(name, array, index) if array.dtype.kind == "f" else array
        for index, (name, array) in enumerate(inputs.items())
    }
