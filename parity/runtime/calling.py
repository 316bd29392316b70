"""How a user's model takes its inputs and gives its outputs: names, order of axes, nesting."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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

Tensors = Mapping[str, Any] | Sequence[Any]  # in the order of the specs, by the user's names where there are some

Arguments = tuple[tuple[Any, ...], dict[str, Any]]  # of one call: by place and by name


@dataclass(frozen=True)
class Calling:
    """A way to call a model under which it runs.

    Attributes:
        axes: of each input in the order of the specs, the places that its axes come from, the batch's among them:
            (0, 3, 1, 2) for maps [n, c, h, w] of an input [n, h, w, c].
        way: the index of the call among those that the model's signature leaves open, see `ways`.
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


@dataclass(frozen=True)
class Parameters:
    """The inputs that a model has.

    Attributes:
        names: in order.
        required: how many of these it does not run without; they come first.
        unlimited: whether it takes any number of further ones.
        aliases: other names of inputs, to those of `names`.
    """

    names: list[str]
    required: int
    unlimited: bool = False
    aliases: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SignatureInput:
    """An input of a saved program.

    Attributes:
        name: as the file has it; may be empty.
        shape: in the framework's own order, batch included; None, or a negative number, for any size.
        dtype: such as "float32".
    """

    name: str
    shape: Sequence[int | None] | None
    dtype: str

    def __str__(self) -> str:
        sizes = ["?" if size is None or size < 0 else str(size) for size in self.shape or ()]
        return f"{self.name} [{', '.join(sizes)}] {self.dtype}".strip()


def parameters_of(function: Callable[..., Any], without: Sequence[str] = ()) -> Parameters:
    """What a function can be given.

    Args:
        function: bound, such as `model.forward`.
        without: names of parameters that are no inputs.

    Returns:
        Its parameters; any number of a function whose signature cannot be read.
    """
    try:
        given = [one for one in inspect.signature(function).parameters.values() if one.name not in without]
    except (TypeError, ValueError):
        return Parameters([], 0, unlimited=True)
    unlimited = any(one.kind is one.VAR_POSITIONAL for one in given)
    named = [one for one in given if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    required = [one.name for one in named if one.default is one.empty]
    optional = [one.name for one in named if one.default is not one.empty]
    return Parameters([*required, *optional], len(required), unlimited)


def assigned(tensors: Tensors, parameters: Parameters) -> dict[str, Any]:
    """Which input gets which tensor: by name where a name fits, the others in their order.

    Args:
        tensors: what is given.
        parameters: the model's inputs.

    Returns:
        By the model's names, in the model's order; what it takes beyond its names, by number, at the end.

    Raises:
        TargetError: inputs that the model does not have, or required ones that were not given; it lists the inputs.
    """
    given = list(tensors.items()) if isinstance(tensors, Mapping) else [("", one) for one in tensors]
    by_name: dict[str, Any] = {}
    others: list[tuple[str, Any]] = []
    for name, tensor in given:
        own = name if name in parameters.names else parameters.aliases.get(name, "")
        if own and own not in by_name:
            by_name[own] = tensor
        else:
            others.append((name, tensor))
    free = [name for name in parameters.names if name not in by_name]
    by_name |= {name: tensor for name, (_, tensor) in zip(free, others, strict=False)}
    further = others[len(free) :]
    missing = [name for name in parameters.names[: parameters.required] if name not in by_name]
    if (further and not parameters.unlimited) or missing:
        titles = ["one without a name" if not name or name.isdecimal() else name for name, _ in given]
        found = ", ".join(titles) or "none"
        listed = ", ".join(parameters.names) or "none"
        needed = f" ({parameters.required} required)" if parameters.required < len(parameters.names) else ""
        raise TargetError(f"expected the inputs {listed}{needed}, found {found}")
    ordered = {name: by_name[name] for name in parameters.names if name in by_name}
    return ordered | {str(index): tensor for index, (_, tensor) in enumerate(further)}


def ways(tensors: Tensors, parameters: Parameters) -> list[Arguments]:
    """The calls that a signature leaves open, the likeliest first.

    Args:
        tensors: what is given.
        parameters: of the model's own function.

    Returns:
        One by the names of its parameters, where these suffice; for a function of one required parameter that is given
        several inputs, also their dictionary, where they have names, and their list.

    Raises:
        TargetError: no call is possible.
    """
    packed: list[Arguments] = []
    if len(tensors) > 1 and parameters.required == 1:
        values = list(tensors.values()) if isinstance(tensors, Mapping) else list(tensors)
        named = isinstance(tensors, Mapping) and not all(name.isdecimal() for name in tensors)
        packed = [((dict(tensors),), {})] if named and isinstance(tensors, Mapping) else []
        packed.append(((values,), {}))
    try:
        given = assigned(tensors, parameters)
    except TargetError:
        if not packed or (isinstance(tensors, Mapping) and set(tensors) & set(parameters.names)):
            raise
        return packed
    if parameters.unlimited:
        return [(tuple(given.values()), {}), *packed]
    required = parameters.names[: parameters.required] or parameters.names[:1]
    by_place = tuple(given[name] for name in required if name in given)
    by_name = {name: tensor for name, tensor in given.items() if name not in required}
    plain: Arguments = (by_place, by_name)
    # `call(self, inputs, mask=None)` means a list, unless a name says that one of the inputs is a mask
    masks = isinstance(tensors, Mapping) and any("mask" in name for name in tensors)
    by_chance = not masks and any("mask" in name for name in by_name)
    return [*packed, plain] if by_chance else [plain, *packed]


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


def fits(signature: SignatureInput, spec: InputSpec, axes: Axes) -> bool:
    """Whether an input of a saved program takes an input of this form.

    Args:
        signature: the program's.
        spec: the user's.
        axes: the order in which the input's axes are given, as in `Calling`.

    Returns:
        Whether rank, sizes and kind of number agree.
    """
    floating = not spec.whole and spec.dtype != "bool"
    if ("float" in signature.dtype) != floating:
        return False
    if signature.shape is None:
        return True
    shape = [(-1, *spec.shape)[place] for place in axes]
    return len(shape) == len(signature.shape) and all(
        own is None or own < 0 or own == size or size < 0 for own, size in zip(signature.shape, shape, strict=True)
    )


def check_signature(
    spec: BuildSpec, signature: Sequence[SignatureInput], orders: Sequence[tuple[Axes, ...]]
) -> list[tuple[Axes, ...]]:
    """The orders of axes under which a saved program takes the given inputs.

    Args:
        spec: the model with its inputs.
        signature: of the program.
        orders: that are possible.

    Returns:
        Those of `orders` that fit, at least one.

    Raises:
        TargetError: none fits; it says what the program takes.
    """
    listed = "; ".join(map(str, signature))
    names = [one.name or str(index) for index, one in enumerate(signature)]
    pairs = dict(zip(input_keys(spec.inputs), enumerate(spec.inputs), strict=True))
    try:
        given = assigned(pairs, Parameters(names, len(names)))
    except TargetError as error:
        raise TargetError(f"{spec.target!r}: {error}; the file's inputs are {listed}") from None
    chosen = [
        order
        for order in orders
        if all(fits(one, given[name][1], order[given[name][0]]) for name, one in zip(names, signature, strict=True))
    ]
    if not chosen:
        raise TargetError(
            f"{spec.target!r} was saved for other inputs: expected {listed}, batch included, in the framework's own "
            f"order of axes; found {spec.inputs_text}"
        )
    if fixed := [one for one in signature if one.shape and one.shape[0] is not None and one.shape[0] >= 0]:
        raise TargetError(
            f"{spec.target!r} was saved for batches of {fixed[0].shape[0]} only ({fixed[0]}); expected any size: save "  # type: ignore[index]
            "it with None for the first axis"
        )
    return chosen


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
