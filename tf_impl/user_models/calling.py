"""Call a user's model with its inputs, however many, and flatten what it returns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

import keras
import tensorflow as tf

from parity.catalogue.user_models import InputSpec
from parity.numerics.arrays import Arrays
from parity.runtime import call_arguments, calling, program_signature
from parity.runtime.call_arguments import Arguments, Parameters, Tensors
from parity.runtime.calling import Axes, Calling
from parity.runtime.program_signature import SignatureInput
from parity.runtime.user_models import HALF, BuildSpec

Function = type(tf.function(lambda: None))  # what the decorator makes

compiled_call = Function.__call__

FULL = ("", "float32", "float64")  # types of inputs that a model has in the precision that it is built in

SETTINGS = ("training", "self")  # parameters of a call that are no inputs


@contextmanager
def running_in(dtype: str) -> Iterator[None]:
    """Let what a model makes itself, such as zeros, be of its precision; and run its `tf.function`s as Python code.

    Those of the framework itself stay compiled: on a CPU, a grouped convolution has no gradients otherwise.

    Args:
        dtype: in which the model runs.
    """
    floatx = keras.config.floatx()
    keras.config.set_floatx(dtype)

    def call(function: Any, *args: Any, **kwargs: Any) -> Any:
        python_function = function.python_function
        own = str(getattr(python_function, "__module__", "")).partition(".")[0] in ("keras", "tensorflow")
        return compiled_call(function, *args, **kwargs) if own else python_function(*args, **kwargs)

    try:
        with mock.patch.object(Function, "__call__", call):
            yield
    finally:
        keras.config.set_floatx(floatx)


def precision_of(model: keras.Model) -> str:
    """What a model computes in.

    Returns:
        "float64" or "float32"; where a layer computes in half precision, its policy's name: "float16", "bfloat16",
        "mixed_float16" or "mixed_bfloat16".
    """
    for layer in model._flatten_layers():
        policy = getattr(layer, "dtype_policy", None)
        if policy is not None and str(policy.compute_dtype) in HALF:
            return str(policy.name)
    types = [dtype_of(variable) for variable in model.weights]
    floats = [one for one in types if "float" in one]
    return floats[0] if floats else str(model.compute_dtype)


def signature_of(model: keras.Model) -> list[SignatureInput]:
    """The inputs of a saved program; empty for a model whose layers Keras knows."""
    signature: list[SignatureInput] = getattr(model, "saved_signature", [])
    return signature


def parameters_of(model: keras.Model) -> Parameters:
    """The inputs that a model has, by name.

    Returns:
        Of a functional model its input layers, in the order in which they are written; of a subclassed one the
        parameters of `call`.
    """
    if signature := signature_of(model):
        names = [one.name for one in signature]
        return Parameters(names, len(names))
    if (struct := _structure(model)) is None:
        return call_arguments.parameters_of(model.call, SETTINGS)
    leaves = _leaves(struct)
    aliases = {tensor.name: name for name, tensor in leaves if tensor.name != name}
    return Parameters([name for name, _ in leaves], len(leaves), aliases=aliases)


def ways(model: keras.Model, tensors: Tensors) -> list[Arguments]:
    """The calls that a model's signature leaves open, the likeliest first.

    Args:
        model: to be called.
        tensors: by name, or in order.

    Raises:
        TargetError: the model has other inputs; it lists them.
    """
    parameters = parameters_of(model)
    if signature_of(model):
        return [((call_arguments.assigned(tensors, parameters),), {})]
    if (struct := _structure(model)) is None:
        return call_arguments.ways(tensors, parameters)
    values = iter(call_arguments.assigned(tensors, parameters).values())
    return [((_filled(struct, values),), {})]


def call_model(model: keras.Model, tensors: Tensors, training: bool | None = False, way: int = 0) -> Any:
    """What a model makes of its inputs.

    Args:
        model: to be called.
        tensors: by name, or in order, see `to_tensors`.
        training: training mode, else inference mode; None for what each layer of the model was told to do.
        way: see `Calling`.

    Returns:
        What the model returns, see `flatten_outputs`.

    Raises:
        TargetError: the model has other inputs; it lists them. What the model itself raises comes as it is.
    """
    args, kwargs = ways(model, tensors)[way]
    doubles = any(str(variable.dtype) == "float64" for variable in model.weights)
    with running_in("float64" if doubles or _any_float64(tensors) else "float32"):
        return model(*args, training=training, **kwargs)


def flatten_outputs(result: Any) -> list[tuple[str, tf.Tensor]]:
    """All tensors of what a model returned.

    Args:
        result: of `call_model`.

    Returns:
        Path and tensor, see `parity.runtime.calling.flattened`; ragged tensors are padded, sparse ones filled with 0.
    """
    flat = calling.flattened(result, (tf.Tensor, tf.RaggedTensor, tf.SparseTensor, tf.Variable), tf.constant)
    return [(path, _dense(value)) for path, value in flat]


def to_tensors(arrays: Arrays, specs: Sequence[InputSpec], axes: Sequence[Axes], dtype: str) -> dict[str, tf.Tensor]:
    """The inputs as a model takes them.

    Args:
        arrays: by `input_keys`, [n, *shape].
        specs: the inputs.
        axes: of `Calling`.
        dtype: of floating-point inputs but those in half precision.

    Returns:
        By the same names; whole numbers are int32 where the user names no type.
    """
    own = calling.turned(arrays, specs, axes)
    return {
        key: tf.constant(array.astype(_dtype(spec, dtype)))
        for (key, array), spec in zip(own.items(), specs, strict=True)
    }


def callings(model: keras.Model, spec: BuildSpec, dtype: str) -> Iterator[Calling]:
    """The ways to call a model under which it runs on its examples, the likeliest first; each tried when asked for.

    Args:
        model: in inference mode.
        spec: with its inputs.
        dtype: the model's.

    Raises:
        TargetError: it runs under none, or is a saved program for other inputs.
    """
    orders = calling.candidates(spec.inputs, _axes)
    if signature := signature_of(model):
        orders = program_signature.check_signature(spec, signature, orders)
    examples = spec.examples()

    def run(one: Calling) -> None:
        call_model(model, to_tensors(examples, spec.inputs, one.axes, dtype), way=one.way)

    def count_ways() -> int:
        return len(ways(model, to_tensors(examples, spec.inputs, orders[0], dtype)))

    return calling.running_callings(spec, orders, count_ways, run)


def dtype_of(tensor: tf.Tensor | keras.Variable) -> str:
    """A tensor's dtype by its name in numpy, or "bfloat16"."""
    return str(keras.backend.standardize_dtype(tensor.dtype))


def _axes(spec: InputSpec) -> list[Axes]:
    """The user gives shapes as Keras has them."""
    return [tuple(range(len(spec.shape) + 1))]


def _dtype(spec: InputSpec, dtype: str) -> str:
    if spec.whole and spec.dtype in ("", "int"):
        return "int32"
    return dtype if spec.dtype in FULL else spec.dtype


def _any_float64(tensors: Tensors) -> bool:
    values = tensors.values() if hasattr(tensors, "values") else tensors
    return any(getattr(value, "dtype", None) == tf.float64 for value in values)


def _dense(value: Any) -> tf.Tensor:
    if isinstance(value, tf.RaggedTensor):
        return value.to_tensor()
    if isinstance(value, tf.SparseTensor):
        return tf.sparse.to_dense(value)
    return tf.convert_to_tensor(value)


def _structure(model: keras.Model) -> Any:
    """How a functional model's inputs are nested: its symbolic tensors; None for a model that has no such structure."""
    functional = getattr(model, "_functional", None) or model  # of a Sequential
    return getattr(functional, "_inputs_struct", None)


def _leaves(struct: Any, name: str = "") -> list[tuple[str, Any]]:
    """Names and symbolic tensors in the order in which they are written."""
    if isinstance(struct, dict):
        return [leaf for key, value in struct.items() for leaf in _leaves(value, str(key))]
    if isinstance(struct, (list, tuple)):
        return [leaf for value in struct for leaf in _leaves(value)]
    return [(name or struct.name, struct)]


def _filled(struct: Any, values: Iterator[Any]) -> Any:
    """The same nesting with other tensors, which come in the order of `_leaves`."""
    if isinstance(struct, dict):
        return {key: _filled(value, values) for key, value in struct.items()}
    if isinstance(struct, (list, tuple)):
        filled = [_filled(value, values) for value in struct]
        return type(struct)(filled) if isinstance(struct, (list, tuple)) and not hasattr(struct, "_fields") else filled
    return next(values)
