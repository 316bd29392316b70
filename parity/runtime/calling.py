"""How a user's model is called so that it runs, and all that it returns: order of axes, precision, nesting."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Any

import numpy as np

from parity.catalogue.targets import PrecisionError, TargetError
from parity.catalogue.user_models import InputSpec, input_keys
from parity.error_causes import cause
from parity.numerics.arrays import Arrays
from parity.runtime.user_models import BuildSpec

MOST_CANDIDATES = 24  # orders of axes of several inputs together

Axes = tuple[int, ...]


@dataclass(frozen=True)
class Calling:
    """A way to call a model under which it runs.

    Attributes:
        axes: of each input in the order of the specs, the places that its axes come from, the batch's among them:
            (0, 3, 1, 2) for maps [n, c, h, w] of an input [n, h, w, c].
        way: the index of the call among those that the model's signature leaves open, see
            `parity.runtime.call_arguments.ways`.
    """

    axes: tuple[Axes, ...]
    way: int = 0


@dataclass(frozen=True)
class Running:
    """A model that was built, and has run.

    Attributes:
        model: the framework's, in inference mode.
        calling: the likeliest way to call it.
        precision: what it computes in: "float64", "float32", "float16", "bfloat16", or "mixed_float16" and
            "mixed_bfloat16" of Keras.
        names: of its inputs, as its author wrote them.
    """

    model: Any
    calling: Calling
    precision: str
    names: list[str]


def candidates(specs: Sequence[InputSpec], axes_of: Callable[[InputSpec], Sequence[Axes]]) -> list[tuple[Axes, ...]]:
    """Orders of axes of all inputs together, the likeliest first.

    Args:
        specs: the inputs.
        axes_of: the orders of one input's axes, the likeliest first.

    Returns:
        At most `MOST_CANDIDATES`.
    """
    choices = [axes_of(one) for one in specs]
    ranked = sorted(product(*(range(len(one)) for one in choices)), key=sum)
    combined = (tuple(one[index] for one, index in zip(choices, indices, strict=True)) for indices in ranked)
    return list(islice(combined, MOST_CANDIDATES))


def turned(arrays: Arrays, specs: Sequence[InputSpec], axes: Sequence[Axes]) -> Arrays:
    """The inputs with their axes in a model's order.

    Args:
        arrays: by `input_keys`, [n, *shape].
        specs: the inputs.
        axes: as in `Calling`.

    Returns:
        C-contiguous arrays by the same names, in the order of the specs.
    """
    return {
        key: np.ascontiguousarray(arrays[key].transpose(order))
        for key, order in zip(input_keys(specs), axes, strict=True)
    }


def running_callings(
    spec: BuildSpec, orders: Iterable[tuple[Axes, ...]], count_ways: Callable[[], int], run: Callable[[Calling], Any]
) -> Iterator[Calling]:
    """The ways to call a model under which it runs, one after the other; each is tried when it is asked for.

    Args:
        spec: the model.
        orders: of axes, see `candidates`.
        count_ways: how many calls its signature leaves open.
        run: runs the model on its examples.

    Yields:
        Those under which it runs, the likeliest first.

    Raises:
        TargetError: it runs under none; the message is that of the first.
    """
    first: Exception | None = None
    ran = False
    try:
        numbers = range(count_ways())
    except TargetError as error:
        raise TargetError(f"{spec.target!r} does not take {spec.inputs_text}: {error}") from error
    for axes in orders:
        for way in numbers:
            calling = Calling(axes, way)
            try:
                run(calling)
            except Exception as error:
                first = first or error
                continue
            ran = True
            yield calling
    if not ran:
        if isinstance(first, TargetError):
            raise first
        raise TargetError(spec.does_not_run(first or ValueError("no order of axes fits"))) from first


def build_running(
    spec: BuildSpec,
    dtype: str,
    build: Callable[[BuildSpec, str], Any],
    callings: Callable[[Any, BuildSpec, str], Iterator[Calling]],
) -> tuple[Any, Calling]:
    """A model that runs in a precision.

    Args:
        spec: the model.
        dtype: "float64" or "float32".
        build: builds it.
        callings: the ways to call it under which it runs.

    Returns:
        The model, and the likeliest way to call it.

    Raises:
        PrecisionError: it runs in float32, but not in float64.
        TargetError: it cannot be built, or does not run.
    """

    def attempt(dtype: str) -> tuple[Any, Calling]:
        model = build(spec, dtype)
        return model, next(callings(model, spec, dtype))

    try:
        return attempt(dtype)
    except PrecisionError:
        raise
    except TargetError as error:
        if dtype != "float64":
            raise
        try:
            attempt("float32")
        except Exception:
            raise error from error.__cause__
        raise PrecisionError(
            f"{spec.target!r} runs in float32, and not in float64: {cause(error.__cause__ or error)}; its code fixes "
            "the type of some numbers",
            "float32",
        ) from error


def flattened(result: Any, tensor: type | tuple[type, ...], convert: Callable[[Any], Any]) -> list[tuple[str, Any]]:
    """All tensors of what a model returned.

    Args:
        result: a tensor, or lists, tuples, dictionaries, dataclasses and other objects that hold tensors, nested.
        tensor: the framework's type of tensors.
        convert: makes a tensor of a numpy array.

    Returns:
        Path and tensor in the order in which they stand: "" for a tensor alone, "0", "logits", "0.boxes". What is none
        of these (None, texts, Python's numbers) is left out; a list or tuple of one tensor is still a list: "0".
    """
    outputs: list[tuple[str, Any]] = []
    seen: set[int] = set()

    def visit(value: Any, path: str) -> None:
        if isinstance(value, tensor):
            outputs.append((path, value))
            return
        if isinstance(value, np.ndarray):
            outputs.append((path, convert(value)))
            return
        if value is None or isinstance(value, (str, bytes, bool, int, float, complex, type)) or id(value) in seen:
            return
        children: Iterable[tuple[Any, Any]] = ()
        if isinstance(value, Mapping):
            children = value.items()
        elif isinstance(value, tuple) and hasattr(value, "_fields"):
            children = zip(value._fields, value, strict=True)
        elif isinstance(value, (list, tuple)):
            children = enumerate(value)
        elif dataclasses.is_dataclass(value):
            children = [(one.name, getattr(value, one.name)) for one in dataclasses.fields(value)]
        elif hasattr(value, "__dict__") and not callable(value):
            children = [(name, one) for name, one in vars(value).items() if not name.startswith("_")]
        seen.add(id(value))
        for name, child in children:
            visit(child, f"{path}.{name}" if path else str(name))

    visit(result, "")
    return outputs
