"""What both workers share about models that somebody else wrote: what is wanted, what is refused, their weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity.error_causes import cause
from parity.numerics.arrays import Arrays
from parity.numerics.tolerance import FLOAT32_ROUNDING, perturb
from parity.printable import quoted
from parity.runtime.targets import TargetError
from parity.weights.state import all_finite

HALF = ("float16", "bfloat16")


@dataclass(frozen=True)
class Adoption:
    """How a step takes part in a comparison."""

    step: int  # its place in the trace
    cell: bool = False  # a 1x1 convolution of single cells, taken as the fully connected layer that it is
    neutral: list[str] = field(default_factory=list)  # kinds of arrays that the other model does not have


@dataclass(frozen=True)
class Wanted:
    """A model to build, and what is to be fed to it."""

    target: str  # see parity.runtime.targets
    input: list[int]  # one input's shape: [h, w, c], or of any other rank
    classes: int | None = None
    tokens: int | None = None  # inputs are whole numbers below this
    weights: str = ""  # a file of weights to load into it
    dtype: str = "float64"  # in which it is compared

    def example(self, *, opposite: bool = False) -> np.ndarray:
        """Two inputs, drawn: float32 [2, *input] in -2..2, or int64 below `tokens`; or what is opposite to these."""
        draw = np.random.default_rng(0)
        shape = (2, *self.input)
        if self.tokens:
            found = draw.integers(0, self.tokens, shape)
            return self.tokens - 1 - found if opposite else found
        found = draw.uniform(-2, 2, shape).astype(np.float32)
        return -found if opposite else found

    def does_not_run(self, error: Exception) -> str:
        """The message for a model that cannot be run on the example."""
        shape = ",".join(map(str, self.input))
        return (
            f"{self.target!r} does not run on --input {shape}: {cause(error)}. Expected a model of "
            "one input; give the shape of one input without the batch, channels last (224,224,3), and --tokens N where "
            "it takes whole numbers."
        )

    def output_of(self, result: Any, steps: Sequence[Any], tensor: type) -> int:
        """The place of the step that made the model's output. Raises TargetError."""
        if isinstance(result, (list, tuple)) and len(result) == 1:
            result = result[0]
        if not isinstance(result, tensor):
            found = f"{type(result).__name__} of {len(result)}" if hasattr(result, "__len__") else type(result).__name__
            raise TargetError(f"{self.target!r}: expected one output, a tensor; found a {found}. Wrap it in a model.")
        for place in range(len(steps) - 1, -1, -1):
            if steps[place].output is result:
                return place
        raise TargetError(
            f"{self.target!r}: its output is made by something that is neither a layer nor a function the suite knows; "
            "the last that it knows is " + (steps[-1].name if steps else "none")
        )

    def require_numbers(self, state: Mapping[str, tuple[str, Callable[[], np.ndarray]]]) -> None:
        """Refuse half precision and NaN in a model's own weights, by name. Raises TargetError."""
        for name, (dtype, read) in state.items():
            if dtype in HALF:
                raise TargetError(f"{self.target!r}: {name} is {dtype}; expected float32 or float64: convert it first")
            if dtype in ("float32", "float64") and not all_finite(array := read()):
                bad = np.count_nonzero(~np.isfinite(array))
                raise TargetError(f"{self.target!r}: {name} holds {bad} NaN or infinite values; expected numbers")


def require_static(first: Sequence[str], second: Sequence[str], target: str) -> None:
    """Raise TargetError where two different inputs took different ways through the model."""
    if list(first) != list(second):
        odd = next((pair for pair in zip(first, second, strict=False) if pair[0] != pair[1]), ("its end", "its end"))
        raise TargetError(
            f"{target!r} has dynamic control flow: one input reached {odd[0]}, another one {odd[1]} in its place; "
            "expected the same layers for every input. Compare its branches one by one."
        )


@dataclass(frozen=True)
class Roundings:
    """Random rounding errors that move every number of a model's weights and inputs."""

    seed: Sequence[int]
    size: float = FLOAT32_ROUNDING  # of one, relative to the number

    def of(self, name: str, array: np.ndarray, *place: int) -> np.ndarray:
        """The array, moved, as float64."""
        draw = np.random.default_rng([*self.seed, *place])
        return perturb({name: array.astype("float64")}, draw, self.size)[name]


@dataclass
class Kept:
    """The weights that a worker keeps for a model: float32, by canonical name; cast and moved one array at a time."""

    state: Arrays = field(default_factory=dict)

    def cast(self, dtype: str, roundings: Roundings | None = None) -> Iterator[tuple[str, np.ndarray]]:
        """Each name and array in `dtype`, moved by `roundings`."""
        for place, (name, array) in enumerate(self.state.items()):
            if roundings is not None:
                array = roundings.of(name, array, place)
            yield name, array.astype(dtype, copy=False)


def cast_inputs(inputs: np.ndarray, dtype: str, roundings: Roundings | None = None) -> np.ndarray:
    """Inputs in `dtype`, moved by `roundings`; whole numbers as they are."""
    if np.issubdtype(inputs.dtype, np.integer):
        return inputs
    if roundings is not None:
        inputs = roundings.of("inputs", inputs)
    return inputs.astype(dtype, copy=False)


def check_weights(own: Mapping[str, tuple[int, ...]], found: Mapping[str, np.ndarray], path: str) -> None:
    """Raise TargetError that lists every array of a weights file that does not fit a model."""
    problems = [f"missing {quoted(name)} {shape}" for name, shape in own.items() if name not in found]
    problems += [f"not in the model: {quoted(name)} {array.shape}" for name, array in found.items() if name not in own]
    for name, shape in own.items():
        if name in found and tuple(found[name].shape) != tuple(shape):
            problems.append(f"{quoted(name)}: expected {tuple(shape)}, found {found[name].shape}")
        if name in found and str(found[name].dtype) in ("float16", "uint16"):
            problems.append(f"{quoted(name)} is half precision ({found[name].dtype}); expected float32")
    if problems:
        listed = "\n  ".join(problems[:20])
        more = f"\n  and {len(problems) - 20} more" if len(problems) > 20 else ""
        raise TargetError(f"{path} does not fit the model ({len(problems)} problems):\n  {listed}{more}")


def run_fix(model: Any, code: str) -> None:
    """Let code of the form `def fix(model): ...`, as `parity.migration.fixes` writes it, change a model."""
    scope: dict[str, Any] = {}
    exec(compile(code, "<fix>", "exec"), scope)
    scope["fix"](model)
