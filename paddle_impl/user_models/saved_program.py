"""A program that Paddle saved for inference, as a layer: its operations, and its arrays."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paddle
from paddle import nn

from paddle_impl.user_models import calling
from paddle_impl.user_models.program_arrays import require_whole
from paddle_impl.user_models.program_nodes import ProgramNodes
from parity.catalogue.targets import KERAS_FILES, PrecisionError, TargetError
from parity.error_causes import cause
from parity.runtime import call_arguments, program_signature
from parity.runtime.call_arguments import Parameters
from parity.runtime.program import Part, ProgramError, Values, execute, parts_of, same_numbers
from parity.runtime.user_models import BuildSpec


def load_program(path: Path, spec: BuildSpec, dtype: str) -> nn.Layer:
    """A saved program as a layer: its operations, one by one; where that cannot be done, one operation in float32.

    Args:
        path: of the program, or of the file of its arrays beside it.
        spec: with the inputs on which the operations have to give what the program gives.
        dtype: "float32", or "float64".

    Raises:
        TargetError: no program, or one that cannot be loaded.
        PrecisionError: float64, of a program that runs as one operation only.
    """
    whole = _loaded(path)
    try:
        return _by_operations(whole, spec, dtype)
    except ProgramError as error:
        if dtype == "float64":
            raise PrecisionError(
                f"{spec.target!r} cannot be run operation by operation, so that it computes in float32 only: {error}",
                "float32",
            ) from error
        return whole


def _loaded(path: Path) -> nn.Layer:
    if path.is_dir() and (held := sorted(one for one in path.iterdir() if one.suffix in (".json", ".pdmodel"))):
        raise TargetError(f"{path} is a folder; expected the file of a program, such as {held[0]}")
    if path.is_dir() or path.suffix in KERAS_FILES:
        raise TargetError(
            f"{path} is a model of TensorFlow's: the TensorFlow model is the first target, the Paddle model the second"
        )
    if path.suffix not in (".json", ".pdmodel", ".pdiparams"):
        raise TargetError(
            f"{path}: Paddle saves weights and programs, not layers; expected package.module:callable that returns a "
            "paddle.nn.Layer, with --paddle-weights FILE.pdparams for its weights; or the .json or .pdmodel file of a "
            "program that paddle.jit.save has written"
        )
    prefix = path.with_suffix("")
    programs = [prefix.with_suffix(suffix) for suffix in (".json", ".pdmodel")]
    if path.suffix == ".pdiparams":
        path = next((program for program in programs if program.exists()), programs[0])
    if missing := [file for file in (path, prefix.with_suffix(".pdiparams")) if not file.is_file()]:
        raise TargetError(f"{missing[0]}: no such file; paddle.jit.save writes a .json or .pdmodel, and a .pdiparams")
    require_whole(prefix.with_suffix(".pdiparams"))
    try:
        with _old_programs() if path.suffix == ".pdmodel" else contextlib.nullcontext():
            return paddle.jit.load(str(prefix))
    except Exception as error:
        raise TargetError(f"{path} cannot be loaded as a program of Paddle's: {cause(error)}") from error


def _by_operations(whole: nn.Layer, spec: BuildSpec, dtype: str) -> SavedProgram:
    """The operations of a loaded program. Raises ProgramError: they do not give what the program gives."""
    try:
        program = whole.program()
        if not hasattr(program.global_block().ops[0], "operands_source"):  # of Paddle 2
            program = paddle.pir.translate_to_pir(program.desc)
        model = SavedProgram(whole, ProgramNodes(program, dtype), dtype)
    except ProgramError:
        raise
    except Exception as error:
        raise ProgramError(cause(error)) from error
    signature = calling.signature_of(whole)
    names = [one.name or str(index) for index, one in enumerate(signature)]
    try:
        orders = program_signature.check_signature(spec, signature, calling.axes_orders(whole, spec))
        given = calling.to_tensors(spec.examples(), spec.inputs, orders[0], "float32")
        inputs = list(call_arguments.assigned(given, Parameters(names, len(names))).values())
        expected = [tensor for _, tensor in calling.flatten_outputs(whole(*inputs))]
    except Exception:  # other inputs than the program's, which are refused with a message where it is called
        return model
    try:
        own = [x.astype(dtype) if x.dtype == paddle.float32 else x for x in inputs]
        made = [tensor for _, tensor in calling.flatten_outputs(model(*own))]
    except Exception as error:
        raise ProgramError(cause(error)) from error
    pairs = [(one.numpy(), other.numpy()) for one, other in zip(expected, made, strict=False)]
    if len(expected) != len(made) or not all(same_numbers(*both) for both in pairs):
        raise ProgramError("its operations, one by one, give other numbers")
    return model


class SavedProgram(nn.Layer):
    """A program, operation by operation.

    Args:
        whole: the program as Paddle loads it.
        nodes: its operations.
        dtype: "float32" or "float64".
    """

    def __init__(self, whole: nn.Layer, nodes: ProgramNodes, dtype: str) -> None:
        super().__init__()
        self.saved_signature = calling.signature_of(whole)
        held = {tensor.name: tensor for tensor in whole.state_dict().values()}
        if missing := [name for name in nodes.parameters if name not in held]:
            raise ProgramError(f"its array {missing[0]} is not in the file")
        floating = {key for name, key in nodes.parameters.items() if held[name].is_floating_point()}
        owners = {key: owner for key, (owner, _) in nodes.names.items() if key in floating}
        self._nodes = nodes
        self._parts = parts_of(nodes.nodes, nodes.inputs.values(), owners, nodes.outputs)
        holders: dict[str, nn.Layer] = {}
        for part in self._parts:
            if part.owner:
                holders[part.owner] = _PartLayer(part)
        self._arrays: dict[int, tuple[nn.Layer, str]] = {}
        for name, key in nodes.parameters.items():
            owner, short = owners.get(key, ""), nodes.names[key][1]
            holder = holders.setdefault(owner, nn.Layer()) if owner else self
            _hold(holder, short, held[name], dtype)
            self._arrays[key] = holder, short
        for owner, holder in holders.items():
            self.add_sublayer(owner.replace(".", "/"), holder)
        self._holders = [holders.get(part.owner) for part in self._parts]

    def forward(self, *inputs: paddle.Tensor) -> Any:
        """All outputs in order; of a program with one output that alone."""
        held = Values(dict(zip(self._nodes.inputs.values(), inputs, strict=True)))
        values = held.by_key
        values.update({key: getattr(holder, name) for key, (holder, name) in self._arrays.items()})
        for part, layer in zip(self._parts, self._holders, strict=True):
            if layer is None:
                execute(part.nodes, values)
            else:
                values.update(zip(part.made, layer([values[key] for key in part.given], held), strict=True))
        outputs = [values[key] for key in self._nodes.outputs]
        return outputs[0] if len(outputs) == 1 else outputs


def _hold(holder: nn.Layer, name: str, tensor: paddle.Tensor, dtype: str) -> None:
    """Let a layer have an array of the file, in the program's precision."""
    if not tensor.is_floating_point():
        holder.register_buffer(name, tensor)  # one of a recurrent layer's has no memory, which no copy can be made of
        return
    own = holder.create_parameter(tensor.shape, dtype=dtype if tensor.dtype == paddle.float32 else tensor.dtype)
    own.set_value(tensor.astype(own.dtype))
    own.stop_gradient = tensor.stop_gradient
    holder.add_parameter(name, own)


class _PartLayer(nn.Layer):
    """The operations on the arrays of one owner."""

    def __init__(self, part: Part) -> None:
        super().__init__()
        self._part = part

    def forward(self, given: list[paddle.Tensor], values: Values) -> list[paddle.Tensor]:
        values.by_key.update(zip(self._part.given, given, strict=True))
        execute(self._part.nodes, values.by_key)
        return [values.by_key[key] for key in self._part.made]


@contextlib.contextmanager
def _old_programs() -> Iterator[None]:
    """Paddle 3 loads programs of Paddle 2 only while it is set to their form, which ends dynamic mode by itself."""
    if not getattr(paddle.framework, "use_pir_api", lambda: False)():
        yield
        return
    paddle.enable_static()
    try:
        with paddle.pir_utils.OldIrGuard():
            paddle.disable_static()
            try:
                yield
            finally:
                paddle.enable_static()
    finally:
        paddle.disable_static()
