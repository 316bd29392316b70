"""A SavedModel folder as a Keras model: one function that runs a whole graph, and its variables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from parity.catalogue.targets import TargetError
from parity.error_causes import cause
from parity.runtime.calling import SignatureInput

SIGNATURE = "serving_default"


def load_program(path: Path) -> SavedProgram:
    """A saved program as a model, which runs it as one operation.

    Args:
        path: of the SavedModel's folder, or of the file `saved_model.pb` in it.

    Raises:
        TargetError: no SavedModel, or one without a signature.
    """
    return SavedProgram(path.parent if path.suffix == ".pb" else path)


class SavedProgram(keras.Model):
    """The function `serving_default` of a SavedModel; its weights are the variables that the function uses."""

    def __init__(self, path: Path) -> None:
        """Load the folder, see `load_program`."""
        super().__init__(dtype="float32")
        try:
            loaded = tf.saved_model.load(str(path))
        except Exception as error:
            raise TargetError(f"{path} cannot be loaded as a SavedModel: {cause(error)}") from error
        signatures = dict(getattr(loaded, "signatures", {}))
        name = SIGNATURE if SIGNATURE in signatures or len(signatures) != 1 else next(iter(signatures))
        if name not in signatures:
            listed = ", ".join(signatures) or "none"
            raise TargetError(
                f"{path} has no signature {SIGNATURE}; it has {listed}. Save it with model.export(folder), or with "
                "tf.saved_model.save(module, folder, signatures=function)"
            )
        self._loaded, self._function = [loaded], signatures[name]  # in a list: Keras does not look into the first
        for variable in self._function.variables:
            own = keras.Variable(
                variable, trainable=variable.trainable, dtype=variable.dtype.name, name=variable.name.replace("/", "_")
            )
            setattr(own, "_path" if hasattr(own, "_path") else "path", variable.name.partition(":")[0])
            self._track_variable(own)
        self.saved_signature = [
            SignatureInput(name, None if spec.shape.rank is None else spec.shape.as_list(), spec.dtype.name)
            for name, spec in self._function.structured_input_signature[1].items()
        ]
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor]) -> Any:
        """All outputs by name; of a signature with one output that alone."""
        outputs = self._function(**inputs)
        return next(iter(outputs.values())) if len(outputs) == 1 else outputs
