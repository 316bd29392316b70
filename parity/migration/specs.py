"""What a user says of a pair of models, checked before a worker starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from parity.catalogue.targets import parse
from parity.catalogue.user_models import WHOLE, InputSpec, ModelSpec

FIRST, SECOND = "tensorflow", "paddle"


class MatchError(Exception):
    """A map of layers that cannot be read, or does not fit the two models; the message says what they have."""


DTYPES = ("float64", "float32")  # in which models are compared

WHOLE_DTYPES = (WHOLE, "int8", "int16", "int32", "int64", "uint8")

INPUT_DTYPES = (*WHOLE_DTYPES, "bool", "float", "float16", "float32", "float64")

SCALAR = "scalar"  # the shape of an input of one number

EXPECTED = "expected SHAPE, NAME=SHAPE or NAME=SHAPE:dtype, such as 224,224,3, ids=12:int:1000 or user=scalar:int:50"


def input_spec(text: str) -> InputSpec:
    """One `--input`.

    Args:
        text: `SHAPE`, `NAME=SHAPE`, `NAME=SHAPE:dtype` or `NAME=SHAPE:int:TOKENS`. The shape is one input's without the
            batch, channels last, numbers with commas between them, or `scalar`.

    Returns:
        The form of the input.

    Raises:
        ValueError: text of another form.

    Example:
        >>> input_spec("ids=12:int:1000")
        InputSpec(shape=[12], name='ids', tokens=1000, dtype='int')
        >>> input_spec("224,224,3").shape
        [224, 224, 3]
    """
    name, equals, form = text.rpartition("=")
    sizes, *rest = (part.strip() for part in form.split(":"))
    name = name.strip()
    try:
        shape = [] if sizes == SCALAR else [int(size) for size in sizes.split(",")]
    except ValueError:
        raise ValueError(
            f"--input {text}: expected whole numbers above 0 with commas between them; {EXPECTED}"
        ) from None
    if any(size < 1 for size in shape):
        raise ValueError(f"--input {text}: expected whole numbers above 0 with commas between them; {EXPECTED}")
    if equals and not name:
        raise ValueError(f"--input {text}: the name before = is empty; {EXPECTED}")
    dtype, tokens = rest[0] if rest else "", rest[1] if len(rest) > 1 else ""
    if len(rest) > 2 or (rest and dtype not in INPUT_DTYPES):
        raise ValueError(f"--input {text}: expected one of {', '.join(INPUT_DTYPES)} after the shape; {EXPECTED}")
    if len(rest) == 2 and (dtype not in WHOLE_DTYPES or not tokens.isdecimal() or int(tokens) < 1):
        raise ValueError(f"--input {text}: expected a whole number above 0 after {dtype}: of whole numbers, how many")
    return InputSpec(shape, name, int(tokens) if tokens else None, "" if dtype == "float" else dtype)


def input_specs(
    given: str | Sequence[int] | Sequence[str] | Mapping[str, str | Sequence[int]], tokens: int | None = None
) -> list[InputSpec]:
    """All inputs of a pair of models.

    Args:
        given: a text as `input_spec` reads it, or several; a shape; or by name a shape or the text after the `=`.
        tokens: whole numbers are below this, for inputs that say nothing else.

    Returns:
        The inputs in the order in which they are given.

    Raises:
        ValueError: what is given has no meaning, a name is given twice, or of several inputs some have none; `tokens`
            for inputs of which none is said to be of whole numbers.

    Example:
        >>> [str(one) for one in input_specs({"ids": "12:int", "picture": (32, 32, 3)}, tokens=1000)]
        ['ids=12:int:1000', 'picture=32,32,3']
    """
    specs: list[InputSpec] = []
    if isinstance(given, Mapping):
        for name, form in given.items():
            specs.append(replace(input_spec(form) if isinstance(form, str) else _of_shape(form), name=name))
    elif isinstance(given, str):
        specs = [input_spec(given)]
    elif not isinstance(given, int) and given and all(isinstance(one, str) for one in given):
        specs = [input_spec(str(one)) for one in given]
    else:
        specs = [_of_shape(given)]  # type: ignore[arg-type]
    if not specs:
        raise ValueError(f"--input: found none; {EXPECTED}")
    counts = Counter(one.name for one in specs)
    if twice := [name for name, count in counts.items() if name and count > 1]:
        raise ValueError(f"--input {twice[0]}=...: the name is given {counts[twice[0]]} times; expected once")
    if counts[""] and len(counts) > 1:
        raise ValueError("--input: expected a name for every input or for none; found both")
    if tokens is None:
        return specs
    if len(specs) == 1 and not specs[0].dtype:
        return [replace(specs[0], tokens=tokens, dtype=WHOLE)]
    if not any(one.whole for one in specs):
        listed = ", ".join(map(str, specs))
        raise ValueError(f"--tokens {tokens}: no input is said to be of whole numbers ({listed}); add :int to those")
    return [replace(one, tokens=tokens) if one.whole and one.tokens is None else one for one in specs]


def unknown_names(inputs: Sequence[InputSpec], names: Mapping[str, Sequence[str]]) -> list[str]:
    """Names of inputs that no model of a pair has.

    Args:
        inputs: as the user gave them.
        names: by framework, the names of its model's inputs.

    Returns:
        In order; none where a model takes several inputs in one argument, whose names nobody knows.

    Example:
        >>> inputs = input_specs(["ids=12:int:9", "mask=12:bool"])
        >>> unknown_names(inputs, {"tensorflow": ["ids", "padding"], "paddle": ["x", "y"]})
        ['mask']
    """
    if any(len(own) < len(inputs) for own in names.values()):
        return []
    known = {name for own in names.values() for name in own}
    return [one.name for one in inputs if one.name and one.name not in known]


def _of_shape(shape: Sequence[int]) -> InputSpec:
    if isinstance(shape, int) or not shape or not all(isinstance(size, int) and size > 0 for size in shape):
        raise ValueError(f"shape: expected whole numbers above 0, such as (224, 224, 3), found {shape!r}")
    return InputSpec(list(shape))


def model_specs(
    first: str,
    second: str,
    inputs: Sequence[InputSpec],
    *,
    classes: int | None = None,
    weights: Mapping[str, Path | None] | None = None,
    dtype: str = "float64",
) -> dict[str, ModelSpec]:
    """The two models of a pair, with the form of their inputs.

    Args:
        first: the TensorFlow target.
        second: the Paddle target.
        inputs: see `input_specs`.
        classes: for callables that take a number of classes.
        weights: by framework, a file of weights to load, or None.
        dtype: "float64" or "float32".

    Returns:
        By framework, what `RecordedPair` takes.

    Raises:
        ValueError: a framework or dtype that has no meaning, or a file of weights that does not exist.
        TargetError: a target is malformed.

    Example:
        >>> specs = model_specs("my.models:net", "my.twins:net", input_specs([32, 32, 3]))
        >>> specs["paddle"].target, specs["paddle"].takes_images
        ('my.twins:net', True)
    """
    if unknown := sorted(set(weights or {}) - {FIRST, SECOND}):
        raise ValueError(f"weights: expected {FIRST!r} and {SECOND!r}, found {', '.join(map(repr, unknown))}")
    if dtype not in DTYPES:
        raise ValueError(f"dtype: expected {' or '.join(map(repr, DTYPES))}, found {dtype!r}")
    specs = {}
    for framework, target in ((FIRST, first), (SECOND, second)):
        parse(target)
        path = (weights or {}).get(framework)
        if path is not None and not Path(path).is_file():
            raise ValueError(f"{path}: no such file; expected a file of weights")
        file = str(Path(path).resolve()) if path else ""
        specs[framework] = ModelSpec(target, list(inputs), classes, file, dtype)
    return specs


def require_float64(training: bool, dtype: str) -> None:
    """Refuse a comparison of training in another precision than float64.

    Args:
        training: whether a pass in training mode and the gradients are to be compared.
        dtype: in which the models are compared.

    Raises:
        ValueError: training, and not float64.
    """
    if training and dtype != "float64":
        raise ValueError(f"training: expected dtype float64, for which levels 4 and 5 have limits; found {dtype}")
