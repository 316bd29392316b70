"""A SavedModel folder as a Keras model: the operations of one of its functions, and its variables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity.catalogue.targets import PrecisionError, TargetError
from parity.error_causes import cause
from parity.runtime import call_arguments
from parity.runtime.call_arguments import Parameters
from parity.runtime.program import Part, ProgramError, Values, execute, parts_of, same_numbers
from parity.runtime.program_signature import SignatureInput
from parity.runtime.user_models import BuildSpec
from tf_impl.user_models.program_nodes import ProgramNodes

SIGNATURE = "serving_default"


def load_program(path: Path, spec: BuildSpec, dtype: str) -> SavedProgram:
    """A saved program as a model: its operations, one by one; where that cannot be done, one operation in float32.

    Args:
        path: of the SavedModel's folder, or of the file `saved_model.pb` in it.
        spec: with the inputs on which the operations have to give what the program gives.
        dtype: "float32", or "float64".

    Raises:
        TargetError: no SavedModel, or one without a signature.
        PrecisionError: float64, of a program that runs as one operation only.
    """
    path = path.parent if path.suffix == ".pb" else path
    try:
        loaded = tf.saved_model.load(str(path))
    except Exception as error:
        raise TargetError(f"{path} cannot be loaded as a SavedModel: {cause(error)}") from error
    function = _signature(path, loaded)
    try:
        operations = _Operations(function, dtype)
        model = SavedProgram(loaded, function, dtype, operations)
        _check(model, function, spec, dtype)
    except ProgramError as error:
        if dtype == "float64":
            raise PrecisionError(
                f"{spec.target!r} cannot be run operation by operation, so that it computes in float32 only: {error}",
                "float32",
            ) from error
        return SavedProgram(loaded, function, dtype, None)
    return model


def _signature(path: Path, loaded: Any) -> Any:
    signatures = dict(getattr(loaded, "signatures", {}))
    name = SIGNATURE if SIGNATURE in signatures or len(signatures) != 1 else next(iter(signatures))
    if name not in signatures:
        listed = ", ".join(signatures) or "none"
        raise TargetError(
            f"{path} has no signature {SIGNATURE}; it has {listed}. Save it with model.export(folder), or with "
            "tf.saved_model.save(module, folder, signatures=function)"
        )
    return signatures[name]


def _check(model: SavedProgram, function: Any, spec: BuildSpec, dtype: str) -> None:
    """Raise ProgramError where the operations, one by one, do not give what the function gives."""
    names = [one.name for one in model.saved_signature]
    try:
        given = call_arguments.assigned(spec.examples(), Parameters(names, len(names)))
        types = {one.name: one.dtype for one in model.saved_signature}
        inputs = {name: tf.cast(tf.constant(array), types[name]) for name, array in given.items()}
        expected = tf.nest.flatten(function(**inputs))
    except Exception:  # other inputs than the program's, which are refused with a message where it is called
        return
    try:
        own = {n: tf.cast(x, dtype) if x.dtype == tf.float32 else x for n, x in inputs.items()}
        made = tf.nest.flatten(model.call(own) if len(expected) > 1 else [model.call(own)])
    except Exception as error:
        raise ProgramError(cause(error)) from error
    pairs = [(one.numpy(), other.numpy()) for one, other in zip(expected, made, strict=False)]
    if len(expected) != len(made) or not all(same_numbers(*both) for both in pairs):
        raise ProgramError("its operations, one by one, give other numbers")


class SavedProgram(keras.Model):
    """A function of a SavedModel; its weights are the variables that the function uses.

    Args:
        loaded: what the folder holds.
        function: the function of its signature.
        dtype: "float32" or "float64".
        operations: of the function; None where it runs as one.
    """

    def __init__(self, loaded: Any, function: Any, dtype: str, operations: _Operations | None) -> None:
        super().__init__(dtype=dtype)
        self._loaded, self._function = [loaded], function  # in a list: Keras does not look into the first
        self._operations = operations
        self._part_layers = [_PartLayer(part, dtype) for part in operations.parts if part.owner] if operations else []
        for variable in operations.variables if operations else own_variables(function, "float32", shared=True):
            self._track_variable(variable)
        self.saved_signature = [
            SignatureInput(name, None if spec.shape.rank is None else spec.shape.as_list(), spec.dtype.name)
            for name, spec in function.structured_input_signature[1].items()
        ]
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor]) -> Any:
        """All outputs by name; of a signature with one output that alone."""
        if self._operations is None:
            outputs = self._function(**inputs)
        else:
            outputs = self._operations.run(inputs, {layer.part.owner: layer for layer in self._part_layers})
        return next(iter(outputs.values())) if len(outputs) == 1 else outputs


class _PartLayer(keras.layers.Layer):
    """The operations on the arrays of one owner."""

    def __init__(self, part: Part, dtype: str) -> None:
        super().__init__(name=part.owner.replace("/", "."), dtype=dtype, autocast=False)
        self.part, self.values = part, Values()
        self.built = True

    def call(self, given: list[tf.Tensor]) -> list[tf.Tensor]:
        values = self.values.by_key
        values.update(zip(self.part.given, given, strict=True))
        execute(self.part.nodes, values)
        return [values[key] for key in self.part.made]


class _Operations:
    """A function's operations in parts, and its variables in one precision. Raises ProgramError."""

    def __init__(self, function: Any, dtype: str) -> None:
        nodes = ProgramNodes(dtype)
        inputs = [nodes.key() for _ in function.graph.inputs]
        outputs = nodes.add(function.graph, inputs)
        names = function._arg_keywords
        self.inputs = dict(zip(names, inputs, strict=False))
        self.outputs = dict(zip(sorted(function.structured_outputs), outputs, strict=True))
        self.variables = own_variables(function, dtype)
        by_handle = {id(v.handle): own for v, own in zip(function.variables, self.variables, strict=True)}
        self.captured = {
            key: by_handle[id(tensor)] if id(tensor) in by_handle else nodes.typed(tensor)
            for key, tensor in zip(inputs[len(names) :], function.captured_inputs, strict=True)
        }
        owners = {
            key: own.path.rpartition("/")[0] for key, own in self.captured.items() if isinstance(own, keras.Variable)
        }
        self.parts = parts_of(nodes.nodes, self.inputs.values(), owners, outputs)

    def run(self, inputs: Mapping[str, tf.Tensor], layers: Mapping[str, _PartLayer]) -> dict[str, tf.Tensor]:
        held = Values()
        values = held.by_key
        values.update({key: inputs[name] for name, key in self.inputs.items()})
        for key, own in self.captured.items():
            values[key] = own.value.handle if isinstance(own, keras.Variable) else own
        for part in self.parts:
            if not part.owner:
                execute(part.nodes, values)
                continue
            layer = layers[part.owner]
            layer.values = held
            values.update(zip(part.made, layer([values[key] for key in part.given]), strict=True))
        return {name: values[key] for name, key in self.outputs.items()}


def own_variables(function: Any, dtype: str, *, shared: bool = False) -> list[keras.Variable]:
    """A function's variables as Keras's, by names of which each is there once.

    Args:
        function: of a SavedModel.
        dtype: of those that are float32 in the file.
        shared: whether they are the function's own, or others with the same numbers.
    """
    made: dict[str, keras.Variable] = {}
    for variable in function.variables:
        name = path = variable.name.partition(":")[0]
        while path in made:
            path = f"{name}_{len(made)}"
        kind = dtype if variable.dtype == tf.float32 else variable.dtype.name
        value = variable if shared else np.array(variable)
        own = keras.Variable(value, trainable=variable.trainable, dtype=kind, name=path.replace("/", "_"))
        setattr(own, "_path" if hasattr(own, "_path") else "path", path)
        made[path] = own
    return list(made.values())
