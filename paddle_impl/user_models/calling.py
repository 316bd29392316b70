"""Call a user's model with its inputs, however many, and flatten what it returns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import paddle
from paddle import nn
from paddle.jit.dy2static.program_translator import ProgramTranslator

from paddle_impl.kinds.geometry import channels_last, sequences_last
from parity.catalogue.user_models import InputSpec
from parity.numerics.arrays import Arrays
from parity.runtime import call_arguments, calling, program_signature
from parity.runtime.call_arguments import Arguments, Parameters, Tensors
from parity.runtime.calling import Axes, Calling
from parity.runtime.program_signature import SignatureInput
from parity.runtime.user_models import HALF, BuildSpec

FULL = ("", "float32", "float64")  # types of inputs that a model has in the precision that it is built in

SETTINGS = ("self",)  # parameters of a call that are no inputs

# layers that take sequences [n, c, t], unless they say otherwise
SEQUENTIAL = (nn.Conv1D, nn.MaxPool1D, nn.AvgPool1D, nn.BatchNorm1D, nn.InstanceNorm1D)


PROGRAMS = ("TranslatedLayer", "PirTranslatedLayer")  # layers that paddle.jit.load gives, of Paddle 2 and 3


@contextmanager
def running_in(dtype: str) -> Iterator[None]:
    """Let what a model makes itself, such as zeros, be of its precision; and run what is `to_static` as Python code.

    Args:
        dtype: in which the model runs.
    """
    before, static = paddle.get_default_dtype(), ProgramTranslator().enable_to_static
    paddle.set_default_dtype(dtype)
    paddle.jit.enable_to_static(False)
    try:
        yield
    finally:
        paddle.jit.enable_to_static(static)
        paddle.set_default_dtype(before)


def precision_of(model: nn.Layer) -> str:
    """What a model computes in.

    Returns:
        "float64" or "float32"; "float16" or "bfloat16" where an array is in half precision.
    """
    types = [dtype_of(tensor) for tensor in model.state_dict().values()]
    half = [one for one in types if one in HALF]
    floats = [one for one in types if one.startswith("float")]
    return half[0] if half else floats[0] if floats else "float32"


def signature_of(model: nn.Layer) -> list[SignatureInput]:
    """The inputs of a saved program; empty for a model whose layers Paddle knows."""
    if type(model).__name__ not in PROGRAMS:
        own: list[SignatureInput] = getattr(model, "saved_signature", [])
        return own
    return [
        SignatureInput(one.name or "", list(one.shape), str(one.dtype).removeprefix("paddle.").lower())
        for one in model._input_spec()
    ]


def parameters_of(model: nn.Layer) -> Parameters:
    """The inputs that a model has, by name.

    Returns:
        The parameters of `forward`; of a saved program the inputs that its file names.
    """
    if signature := signature_of(model):
        names = [one.name or str(index) for index, one in enumerate(signature)]
        return Parameters(names, len(names))
    forward = getattr(model.forward, "dygraph_function", model.forward)  # of one that is `to_static`
    return call_arguments.parameters_of(forward, SETTINGS)


def ways(model: nn.Layer, tensors: Tensors) -> list[Arguments]:
    """The calls that a model's signature leaves open, the likeliest first.

    Args:
        model: to be called.
        tensors: by name, or in order.

    Raises:
        TargetError: the model has other inputs; it lists them.
    """
    parameters = parameters_of(model)
    if signature_of(model):
        return [(tuple(call_arguments.assigned(tensors, parameters).values()), {})]
    return call_arguments.ways(tensors, parameters)


def call_model(model: nn.Layer, tensors: Tensors, training: bool = False, way: int = 0) -> Any:
    """What a model makes of its inputs; afterwards it is in inference mode.

    Args:
        model: to be called.
        tensors: by name, or in order, see `to_tensors`.
        training: training mode, else inference mode.
        way: see `Calling`.

    Returns:
        What the model returns, see `flatten_outputs`.

    Raises:
        TargetError: the model has other inputs; it lists them. What the model itself raises comes as it is.
    """
    args, kwargs = ways(model, tensors)[way]
    doubles = precision_of(model) == "float64" or _any_float64(tensors)
    if training:
        model.train()
    else:
        model.eval()
    try:
        with running_in("float64" if doubles else "float32"):
            return model(*args, **kwargs)
    finally:
        model.eval()


def flatten_outputs(result: Any) -> list[tuple[str, paddle.Tensor]]:
    """All tensors of what a model returned.

    Args:
        result: of `call_model`.

    Returns:
        Path and tensor, see `parity.runtime.calling.flattened`.
    """
    return calling.flattened(result, paddle.Tensor, paddle.to_tensor)


def to_tensors(
    arrays: Arrays, specs: Sequence[InputSpec], axes: Sequence[Axes], dtype: str
) -> dict[str, paddle.Tensor]:
    """The inputs as a model takes them.

    Args:
        arrays: by `input_keys`, [n, *shape].
        specs: the inputs.
        axes: of `Calling`.
        dtype: of floating-point inputs but those in half precision.

    Returns:
        By the same names; whole numbers are int64 where the user names no type.
    """
    own = calling.turned(arrays, specs, axes)
    return {
        key: paddle.to_tensor(array.astype(_dtype(spec, dtype)))
        for (key, array), spec in zip(own.items(), specs, strict=True)
    }


def callings(model: nn.Layer, spec: BuildSpec, dtype: str) -> Iterator[Calling]:
    """The ways to call a model under which it runs on its examples, the likeliest first; each tried when asked for.

    Args:
        model: in inference mode.
        spec: with its inputs.
        dtype: the model's.

    Raises:
        TargetError: it runs under none, or is a saved program for other inputs.
    """
    orders = axes_orders(model, spec)
    if signature := signature_of(model):
        orders = program_signature.check_signature(spec, signature, orders)
    examples = spec.examples()

    def run(one: Calling) -> None:
        with paddle.no_grad():
            call_model(model, to_tensors(examples, spec.inputs, one.axes, dtype), way=one.way)

    def count_ways() -> int:
        return len(ways(model, to_tensors(examples, spec.inputs, orders[0], dtype)))

    return calling.running_callings(spec, orders, count_ways, run)


def axes_orders(model: nn.Layer, spec: BuildSpec) -> list[tuple[Axes, ...]]:
    """Orders of axes in which a model may take its inputs, the likeliest first.

    Args:
        model: any.
        spec: with its inputs.
    """
    layers = model.sublayers(include_self=True)
    last = any(channels_last(layer) for layer in layers)
    first = any(isinstance(layer, SEQUENTIAL) and not sequences_last(layer) for layer in layers)
    return calling.candidates(spec.inputs, lambda one: _axes(one, last, first))


def dtype_of(tensor: paddle.Tensor) -> str:
    """A tensor's dtype by its name in numpy, or "bfloat16"."""
    return str(tensor.dtype).removeprefix("paddle.")


def _axes(spec: InputSpec, last: bool, first: bool) -> list[Axes]:
    """The orders in which Paddle may take an input, the likeliest first: images and volumes [n, c, ...], unless the
    model's layers are channels last; sequences as they are, unless the model has layers that take [n, c, t].
    """
    rank = len(spec.shape) + 1
    same = tuple(range(rank))
    if spec.whole or spec.is_mask or rank < 3:
        return [same]
    second = (0, rank - 1, *range(1, rank - 1))
    likely = first if rank == 3 else not last
    return [second, same] if likely else [same, second]


def _dtype(spec: InputSpec, dtype: str) -> str:
    if spec.whole and spec.dtype in ("", "int"):
        return "int64"
    return dtype if spec.dtype in FULL else spec.dtype


def _any_float64(tensors: Tensors) -> bool:
    values = tensors.values() if hasattr(tensors, "values") else tensors
    return any(getattr(value, "dtype", None) == paddle.float64 for value in values)
