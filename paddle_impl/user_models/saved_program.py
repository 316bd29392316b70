"""A program that Paddle saved for inference, as a layer: one function that runs a whole graph, and its arrays."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import paddle
from paddle import nn

from parity.catalogue.targets import KERAS_FILES, TargetError
from parity.error_causes import cause


def load_program(path: Path) -> nn.Layer:
    """A saved program as a layer, which runs it as one operation.

    Args:
        path: of the program, or of the file of its arrays beside it.

    Raises:
        TargetError: no program, or one that cannot be loaded.
    """
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
    try:
        with _old_programs() if path.suffix == ".pdmodel" else contextlib.nullcontext():
            return paddle.jit.load(str(prefix))
    except Exception as error:
        raise TargetError(f"{path} cannot be loaded as a program of Paddle's: {cause(error)}") from error


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
