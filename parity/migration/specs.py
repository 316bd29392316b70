"""What a user says of a pair of models, checked before a worker starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from parity.catalogue.targets import parse
from parity.catalogue.user_models import ModelSpec

FIRST, SECOND = "tensorflow", "paddle"

DTYPES = ("float64", "float32")  # in which models are compared


def model_specs(
    first: str,
    second: str,
    shape: Sequence[int],
    *,
    classes: int | None = None,
    tokens: int | None = None,
    weights: Mapping[str, Path | None] | None = None,
    dtype: str = "float64",
) -> dict[str, ModelSpec]:
    """The two models of a pair, with the form of their input.

    Args:
        first: the TensorFlow target.
        second: the Paddle target.
        shape: of one input without the batch.
        classes: for callables that take a number of classes.
        tokens: inputs are token ids below this number.
        weights: by framework, a file of weights to load, or None.
        dtype: "float64" or "float32".

    Returns:
        By framework, what `ModelPair` takes.

    Raises:
        ValueError: a shape, framework or dtype that has no meaning, or a file of weights that does not exist.
        TargetError: a target is malformed.

    Example:
        >>> specs = model_specs("my.models:net", "my.twins:net", [32, 32, 3])
        >>> specs["paddle"].target, specs["paddle"].takes_images
        ('my.twins:net', True)
    """
    if isinstance(shape, int) or not shape or not all(isinstance(size, int) and size > 0 for size in shape):
        raise ValueError(f"shape: expected whole numbers above 0, such as (224, 224, 3), found {shape!r}")
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
        specs[framework] = ModelSpec(target, list(shape), classes, tokens, file, dtype)
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
