"""What both workers share about users' models: what is to be built, what is refused, their weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.catalogue.targets import PrecisionError, TargetError
from parity.catalogue.user_models import InputSpec, ModelSpec, input_keys
from parity.error_causes import cause
from parity.numerics.arrays import Arrays
from parity.printable import quoted
from parity.weights.state import all_finite

HALF = ("float16", "bfloat16")

SEED = 1  # of initial weights: a model has the same ones whenever it is built


@dataclass(frozen=True)
class BuildSpec(ModelSpec):
    """The spec of a model that a worker builds, with the example that it is run on and the checks that it must pass."""

    def examples(self, *, opposite: bool = False) -> Arrays:
        """Two inputs, drawn, of each of the model's inputs; the same ones in every call.

        Args:
            opposite: the numbers negated, or whole numbers counted down from tokens - 1: they may reach other layers of
                a model that has branches.

        Returns:
            By `input_keys`, [2, *shape]: float32 in -2..2; of whole numbers int64, 0 to tokens - 1, lengths from 1 on;
            of bool all True.
        """
        draw = np.random.default_rng(0)
        return {
            key: _example(one, draw, opposite) for key, one in zip(input_keys(self.inputs), self.inputs, strict=True)
        }

    def does_not_run(self, error: Exception) -> str:
        """The message for a model that cannot be run on the example.

        Args:
            error: what the framework or the model raised.

        Returns:
            For a `TargetError`: the target, the input's shape, the cause, and the options that give another input.
        """
        return (
            f"{self.target!r} does not run on {self.inputs_text}: {cause(error)}. Give the shape of one input without "
            "the batch, channels last (224,224,3), --tokens N where it takes whole numbers, and of a model of several "
            "inputs each with its name (ids=12:int:1000)."
        )

    def require_precision(self, dtype: str, precision: str) -> None:
        """Refuse to build a model in another precision than it can have.

        Args:
            dtype: in which it is to be built, "float32" or "float64".
            precision: the only one that it has; "float32" or half precision.

        Raises:
            PrecisionError: a float64 model was asked for.
        """
        if dtype == "float64":
            raise PrecisionError(
                f"{self.target!r} cannot be built in float64: it computes in {precision} only (--dtype float32)",
                precision,
            )

    def require_numbers(self, state: Mapping[str, tuple[str, Callable[[], np.ndarray]]]) -> None:
        """Refuse NaN in a model's own weights, by name, unless the spec lets it be.

        Args:
            state: by the framework's name, an array's dtype ("float32", "bfloat16", ...) and the function that copies
                it out, which is called for float32 and float64 only.

        Raises:
            TargetError: the first array with NaN or infinity.
        """
        if self.nan:
            return
        for name, (dtype, read) in state.items():
            if dtype in ("float32", "float64") and not all_finite(array := read()):
                bad = np.count_nonzero(~np.isfinite(array))
                raise TargetError(f"{self.target!r}: {name} holds {bad} NaN or infinite values; expected numbers")


def _example(spec: InputSpec, draw: np.random.Generator, opposite: bool) -> np.ndarray:
    shape = (2, *spec.shape)
    if spec.dtype == "bool":
        return np.ones(shape, bool)
    if spec.whole:
        drawn = draw.integers(1 if spec.is_length and spec.limit > 1 else 0, spec.limit, shape)
        return spec.limit - 1 - drawn if opposite and not spec.is_length else drawn
    drawn = draw.uniform(-2, 2, shape).astype(np.float32)
    return -drawn if opposite else drawn


def check_weights(own: Mapping[str, tuple[int, ...]], arrays: Mapping[str, np.ndarray], path: str) -> None:
    """Check that a file of weights has exactly the arrays of a model.

    Args:
        own: the model's shapes by the framework's names.
        arrays: the file's, by the same names.
        path: the file, for the message.

    Raises:
        TargetError: an array that is missing, extra, of another shape, or in half precision; it lists the first twenty.
    """
    problems = [f"missing {quoted(name)} {shape}" for name, shape in own.items() if name not in arrays]
    problems += [f"not in the model: {quoted(name)} {array.shape}" for name, array in arrays.items() if name not in own]
    for name, shape in own.items():
        if name in arrays and tuple(arrays[name].shape) != tuple(shape):
            problems.append(f"{quoted(name)}: expected {tuple(shape)}, found {arrays[name].shape}")
        if name in arrays and str(arrays[name].dtype) in ("float16", "uint16"):
            problems.append(f"{quoted(name)} is half precision ({arrays[name].dtype}); expected float32")
    if problems:
        listed = "\n  ".join(problems[:20])
        more = f"\n  and {len(problems) - 20} more" if len(problems) > 20 else ""
        raise TargetError(f"{path} does not fit the model ({len(problems)} problems):\n  {listed}{more}")


def run_fix(model: Any, code: str) -> None:
    """Let code of the form `def fix(model): ...`, as `parity.migration.mend.proven_fix` gives it, change a model."""
    scope: dict[str, Any] = {}
    exec(compile(code, "<fix>", "exec"), scope)
    scope["fix"](model)
