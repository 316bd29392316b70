"""From a user's target to a Keras model in one precision; and weights out of files."""

from __future__ import annotations

import collections
import contextlib
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import h5py
import keras
import numpy as np
from keras.src.backend.common import global_state

from parity.catalogue.targets import PADDLE_FILES, PrecisionError, TargetError, parse
from parity.error_causes import cause
from parity.printable import quoted
from parity.runtime import calling, targets
from parity.runtime.calling import Running
from parity.runtime.user_models import HALF, SEED, BuildSpec
from tf_impl.user_models.calling import (
    call_model,
    callings,
    dtype_of,
    parameters_of,
    precision_of,
    running_in,
    to_tensors,
    ways,
)
from tf_impl.user_models.exact import exact_attention
from tf_impl.user_models.saved_program import SavedProgram, load_program


def set_weights(model: keras.Model, path: Path) -> dict[str, tuple[str, int]]:
    """Load a file of weights (`.weights.h5`, `.h5` or `.keras`) into a model.

    Returns:
        Dtype and number of elements of the file's arrays, by the file's names.

    Raises:
        TargetError: a file that does not fit the model, holds Python code, or is not in float32 or float64.
    """
    try:
        if path.suffix == ".keras":
            saved = keras.models.load_model(path, compile=False, safe_mode=True)
            types = {variable.path: (str(variable.dtype), int(np.prod(variable.shape))) for variable in saved.weights}
            model.set_weights(saved.get_weights())
        else:
            types = _stored(path)
            model.load_weights(path)
    except Exception as error:
        if advice := _unsafe(error):
            raise TargetError(f"{path} {advice} Give its weights alone: model.save_weights('x.weights.h5').") from error
        raise TargetError(
            f"{path} does not fit the model: {cause(error)}. Expected the weights of this model as Keras 3 saves them "
            "(.weights.h5, or a .keras file of the same model)."
        ) from error
    # Keras casts half precision, and skips layers that the model lacks, without an error
    if half := [name for name, (dtype, _) in types.items() if dtype in HALF]:
        raise TargetError(f"{path}: {half[0]!r} is {types[half[0]][0]}; expected float32: convert it first")
    floats = [variable for variable in model.weights if counts(variable) and str(variable.dtype).startswith("float")]
    own = sum(int(np.prod(variable.shape)) for variable in floats)
    held = sum(size for name, (dtype, size) in types.items() if dtype.startswith("float"))
    if held > own:
        raise TargetError(f"{path} does not fit the model: it holds {held:,} numbers, the model {own:,}")
    if held < own:  # Keras converts anything to numbers, without an error
        odd = next((f": {quoted(name)} is {kind}" for name, (kind, _) in types.items() if kind[:5] != "float"), "")
        raise TargetError(
            f"{path}: {own - held:,} of the model's {own:,} numbers are no floating-point numbers in the file{odd}; "
            "expected float32: save the model in float32"
        )
    return types


def _stored(path: Path) -> dict[str, tuple[str, int]]:
    stored: dict[str, tuple[str, int]] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and not name.startswith("optimizer"):
            stored[name] = str(item.attrs.get("dtype", item.dtype.newbyteorder("="))), int(item.size)

    with h5py.File(path) as file:
        file.visititems(visit)
    return stored


def build_model(spec: BuildSpec, dtype: str, *, rounded: bool = True) -> keras.Model:
    """Build a user's model, with its weights.

    Args:
        spec: which model, its file of weights and its inputs.
        dtype: "float32" or "float64".
        rounded: whether to round its constants, see `round_constants`.

    Returns:
        A new model, built; one in half precision as it is, where float32 is asked for.

    Raises:
        TargetError: a target that gives no `keras.Model`, or weights that do not fit it.
        PrecisionError: a model that has only another precision than float64.
    """
    target = parse(spec.target)
    policy = keras.config.dtype_policy()
    try:
        with running_in(dtype), _meaning(dtype):
            keras.config.set_dtype_policy(dtype)
            keras.utils.set_random_seed(SEED)
            # the same names whenever it is built: "dense", not "dense_7" because of models that were built before it
            global_state.set_global_attribute("object_name_uids", collections.defaultdict(int))
            if target.file is not None:
                model = _load(target.file, spec, dtype)
                if not isinstance(model, SavedProgram):
                    _require_numbers(model, spec)
                    model = _in_dtype(model, dtype)
            else:
                offered: dict[str, Any] = {"input_shape": tuple(spec.inputs[0].shape)}
                if spec.classes:
                    offered |= {"classes": spec.classes, "num_classes": spec.classes}
                model = targets.call(target, offered)
            if not isinstance(model, keras.Model):
                kind = f"{type(model).__module__}.{type(model).__name__}"
                raise TargetError(
                    f"{spec.target!r}: expected a keras.Model, found {kind}. The TensorFlow model is the first target, "
                    "the Paddle model the second"
                )
            if not model.built:
                _build(model, spec, dtype)
    except (TargetError, PrecisionError):
        raise
    except Exception as error:
        raise TargetError(spec.does_not_run(error)) from error
    finally:
        keras.config.set_dtype_policy(policy)
    if spec.weights:
        set_weights(model, Path(spec.weights))
    _require_numbers(model, spec)
    if (precision := precision_of(model)).endswith(HALF):
        spec.require_precision(dtype, precision)
    elif odd := [name for name, kind in _types(model).items() if kind.startswith("float") and kind != dtype]:
        raise PrecisionError(
            f"{spec.target!r} cannot be built in {dtype}: {odd[0]} has a precision of its own", "float32"
        )
    if rounded:
        round_constants(model)
    if dtype == "float64":
        exact_attention(model)
    return model


def build_running(spec: BuildSpec, dtype: str) -> Running:
    """Build a user's model in inference mode, and find out how it is called.

    Args:
        spec: which model, its file of weights and its inputs.
        dtype: "float32" or "float64".

    Raises:
        PrecisionError: a float64 model was asked for, and it has or runs in another precision only.
        TargetError: the model cannot be built, or does not run.
    """
    model, way = calling.build_running(spec, dtype, build_model, callings)
    return Running(model, way, precision_of(model), parameters_of(model).names)


@contextlib.contextmanager
def _meaning(dtype: str) -> Iterator[None]:
    """Let the policy "float32" of a single layer, which keeps it out of half precision, mean `dtype`."""
    kind = type(keras.config.dtype_policy())
    parse_name = kind._parse_name

    def parsed(policy: Any, name: str) -> tuple[str, str]:
        compute, variables = parse_name(policy, name)
        return (dtype, dtype) if compute == variables == "float32" else (compute, variables)

    with mock.patch.object(kind, "_parse_name", parsed):
        yield


def _build(model: keras.Model, spec: BuildSpec, dtype: str) -> None:
    """Run a subclassed model once, which makes its variables."""
    tensors = to_tensors(spec.examples(), spec.inputs, [tuple(range(len(one.shape) + 1)) for one in spec.inputs], dtype)
    count = len(ways(model, tensors))
    for way in range(count):
        try:
            call_model(model, tensors, way=way)
        except Exception:
            if way == count - 1:
                raise
        else:
            return


def _require_numbers(model: keras.Model, spec: BuildSpec) -> None:
    spec.require_numbers(
        {variable.path: (dtype_of(variable), variable.numpy) for variable in model.weights if counts(variable)}
    )


def _types(model: keras.Model) -> dict[str, str]:
    return {variable.path: dtype_of(variable) for variable in model.weights if counts(variable)}


def _load(path: Path, spec: BuildSpec, dtype: str) -> keras.Model:
    if path.suffix in PADDLE_FILES:
        raise TargetError(
            f"{path} is a file of Paddle's: the TensorFlow model is the first target, the Paddle model the second"
        )
    if not path.exists():
        raise TargetError(
            f"{path}: no such file; expected a model that Keras saved (.keras or .h5), or a SavedModel's folder"
        )
    if path.is_dir() or path.suffix == ".pb":
        return load_program(path, spec, dtype)
    if path.name.endswith((".weights.h5", ".pdparams", ".safetensors")):
        raise TargetError(
            f"{path} holds weights and no model: expected package.module:callable or a .keras file; give the weights "
            "with --tensorflow-weights"
        )
    if path.suffix == ".keras" and not zipfile.is_zipfile(path):
        raise TargetError(
            f"{path} cannot be loaded by Keras: a .keras file is a zip archive, and this is none; cut off?"
        )
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        if advice := _unsafe(error):
            raise TargetError(
                f"{path} {advice} If you trust it, write a function that loads it so, and give that as the target: "
                f"`def net(): return keras.models.load_model({str(path)!r}, safe_mode=False)` in mine.py, then "
                "mine:net. Or put a layer of Keras in the place of the Lambda, and save."
            ) from error
        raise TargetError(
            f"{path} cannot be loaded by Keras: {cause(error)}. A model with classes of your own is given as "
            "package.module:callable that imports them and returns the loaded model."
        ) from error


def _unsafe(error: Exception) -> str:
    """Why a file was refused that holds code of its author; empty for another error."""
    if "safe_mode" not in str(error):
        return ""
    return (
        "holds Python code (a Lambda layer), which runs when the model is loaded and may do anything; the suite loads "
        "models in Keras's safe mode, which refuses it."
    )


def _in_dtype(model: keras.Model, dtype: str) -> keras.Model:
    """A saved model remembers its precision: the same model in another one, with the same weights."""
    if dtype == "float32":
        return model
    config = json.loads(json.dumps(model.get_config()).replace('"float32"', f'"{dtype}"'))
    other = type(model).from_config(config)
    other.set_weights(model.get_weights())
    return other


def counts(variable: keras.Variable) -> bool:
    """Whether a variable is part of what the model computes; the state of random generators is not."""
    return "seed_generator" not in variable.path


def round_constants(model: keras.Model) -> None:
    """Round constants to float32 numbers, as Paddle does even in float64; a float32 model stays the same."""
    for layer in model._flatten_layers():
        for name in ("epsilon", "momentum", "negative_slope", "alpha"):
            if isinstance(constant := getattr(layer, name, None), float):
                setattr(layer, name, float(np.float32(constant)))
