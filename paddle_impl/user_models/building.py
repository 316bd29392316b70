"""From a user's target to a Paddle layer in one precision; and weights out of files."""

from __future__ import annotations

from pathlib import Path

import paddle
from paddle import nn

from paddle_impl.user_models.calling import callings, dtype_of, parameters_of, precision_of
from paddle_impl.user_models.constructors import keeping_arguments
from paddle_impl.user_models.saved_program import load_program
from parity.catalogue.targets import TargetError, parse
from parity.numerics.geometry import single
from parity.printable import quoted
from parity.runtime import calling, targets
from parity.runtime.calling import Running
from parity.runtime.user_models import HALF, SEED, BuildSpec, check_weights
from parity.weights import pdparams


def set_weights(model: nn.Layer, path: Path) -> None:
    """Load a `.pdparams` file into a model.

    Raises:
        TargetError: arrays that the model lacks, or that are missing, of another shape or dtype.
        WeightsError: a file that cannot be read.
    """
    # Paddle takes numbers in the order of bytes of this machine only; they are the same numbers
    state = {
        name: array.astype(array.dtype.newbyteorder("="), copy=False) for name, array in pdparams.read(path).items()
    }
    own = model.state_dict()
    check_weights({name: tuple(tensor.shape) for name, tensor in own.items()}, state, str(path))
    types = {name: str(tensor.dtype).removeprefix("paddle.") for name, tensor in own.items()}
    if odd := [name for name, array in state.items() if str(array.dtype) != types[name]]:
        name, expected = odd[0], types[odd[0]]
        raise TargetError(
            f"{path}: {quoted(name)} is {state[name].dtype}; expected {expected}: save the model in {expected}"
        )
    model.set_state_dict(state)


def build_model(spec: BuildSpec, dtype: str) -> nn.Layer:
    """Build a user's model, with its weights.

    Args:
        spec: which model, its file of weights and its inputs.
        dtype: "float32" or "float64".

    Returns:
        A new model, in training mode or not as its author left it.

    Raises:
        TargetError: a target that gives no `paddle.nn.Layer`, or weights that do not fit it.
        PrecisionError: a model that has only another precision than float64.
        WeightsError: a file of weights that cannot be read.
    """
    target = parse(spec.target)
    if target.file is not None:
        model = load_program(target.file, spec, dtype)
    else:
        offered = {"num_classes": spec.classes, "class_num": spec.classes} if spec.classes else {}
        before = paddle.get_default_dtype()
        paddle.set_default_dtype("float32")
        paddle.seed(SEED)
        try:
            # parameters with names of their own can be built again
            with keeping_arguments(), paddle.utils.unique_name.guard():
                model = targets.call(target, offered)
        finally:
            paddle.set_default_dtype(before)
    if not isinstance(model, nn.Layer):
        raise TargetError(
            f"{spec.target!r}: expected a paddle.nn.Layer, found {type(model).__module__}.{type(model).__name__}. The "
            "TensorFlow model is the first target, the Paddle model the second"
        )
    if spec.weights:
        set_weights(model, Path(spec.weights))
    state = {name: (dtype_of(tensor), tensor) for name, tensor in model.state_dict().items()}
    spec.require_numbers({name: (kind, tensor.numpy) for name, (kind, tensor) in state.items()})
    if (precision := precision_of(model)) in HALF:
        spec.require_precision(dtype, precision)
        return model
    return _in_float64(model) if dtype == "float64" else model


def build_running(spec: BuildSpec, dtype: str) -> Running:
    """Build a user's model in inference mode, and find out how it is called.

    Args:
        spec: which model, its file of weights and its inputs.
        dtype: "float32" or "float64".

    Raises:
        PrecisionError: a float64 model was asked for, and it has or runs in another precision only.
        TargetError: the model cannot be built, or does not run.
    """

    def build(spec: BuildSpec, dtype: str) -> nn.Layer:
        model = build_model(spec, dtype)
        model.eval()
        return model

    model, way = calling.build_running(spec, dtype, build, callings)
    return Running(model, way, precision_of(model), parameters_of(model).names)


def _in_float64(model: nn.Layer) -> nn.Layer:
    """The model cast, whole numbers apart, and tensors that layers hold as plain attributes, too.

    Buffers without memory, such as a recurrent layer's, are left alone: Paddle fails on them.
    """
    layers = model.sublayers(include_self=True)
    empty = [
        (layer, name, buffer)
        for layer in layers
        for name, buffer in layer._buffers.items()
        if buffer is not None and not buffer._is_initialized()
    ]
    for layer, name, _ in empty:
        layer._buffers[name] = None
    model = model._to_impl(dtype="float64", floating_only=True)  # `to` casts indices, too
    for layer, name, buffer in empty:
        layer._buffers[name] = buffer
    for layer in layers:
        for name, value in list(vars(layer).items()):
            if isinstance(value, paddle.Tensor) and dtype_of(value) == "float32" and value._is_initialized():
                object.__setattr__(layer, name, value.astype("float64"))
    return model


def round_constants(model: nn.Layer) -> None:
    """Round constants to float32 numbers where TensorFlow does it even in float64; a float32 model stays the same."""
    for layer in model.sublayers(include_self=True):
        if isinstance(layer, nn.LeakyReLU):
            layer._negative_slope = single(layer._negative_slope)
        if isinstance(layer, nn.GroupNorm):  # Paddle's instance norm rounds it, its group norm does not
            layer._epsilon = single(layer._epsilon)
