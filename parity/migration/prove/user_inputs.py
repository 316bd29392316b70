"""The user's own inputs: from a file, a function or arrays to a set of inputs for both models."""

from __future__ import annotations

import contextlib
import importlib
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from parity.catalogue.targets import TargetError, parse
from parity.catalogue.user_models import WHOLE, InputSpec, input_keys
from parity.migration.prove.inputs import InputSet
from parity.migration.specs import EXPECTED, input_specs
from parity.weights.state import all_finite

FILES = (".npz", ".npy")

UNNAMED = "arr_"  # with a number, what numpy.savez calls arrays that were given without a name


@dataclass(frozen=True)
class UserInputs:
    """What the user gave, as arrays that are not checked yet.

    Attributes:
        where: for messages, `--inputs` and what the user wrote.
        given: an array for each input, by name or in order.
    """

    where: str
    given: Mapping[str, np.ndarray] | Sequence[np.ndarray]

    def specs(self, tokens: int | None = None) -> list[InputSpec]:
        """The form of the models' inputs, as the arrays show it.

        Args:
            tokens: whole numbers are below this; if None, one above the largest that is there.

        Returns:
            One for each array: its shape without the batch, its name where there are several, whole numbers as "int",
            truth values as "bool"; all others as floating-point numbers in the precision of the models.

        Raises:
            TargetError: what is given holds no numbers, or no rows.
        """
        named = isinstance(self.given, Mapping) and len(self.given) > 1
        items = self.given.items() if isinstance(self.given, Mapping) else enumerate(self.given)
        specs = []
        for key, array in items:
            where = f"{self.where}: {key!r}"
            if array.dtype.kind not in "biuf":
                raise TargetError(f"{where}: expected numbers, found an array of dtype {array.dtype}")
            if array.ndim < 1 or not array.size:
                raise TargetError(f"{where}: expected the shape [n, ...], n at least 1, found {list(array.shape)}")
            name = str(key) if named and not str(key).startswith(UNNAMED) else ""
            spec = InputSpec(list(array.shape[1:]), name, dtype="bool" if array.dtype.kind == "b" else "")
            if array.dtype.kind in "iu":
                spec = replace(spec, dtype=WHOLE, tokens=tokens or max(int(array.max()), 0) + 1)
            specs.append(spec)
        if not specs:
            raise TargetError(f"{self.where}: expected an array for each input, found none")
        return specs

    def checked(self, specs: Sequence[InputSpec]) -> InputSet:
        """The inputs as both models get them.

        Args:
            specs: the models' inputs.

        Returns:
            A set by `input_keys`: numbers as float32, whole numbers as int64, truth values as bool.

        Raises:
            TargetError: arrays of another form; the message says which input is wrong and how.
        """
        arrays = {
            key: _checked(f"{self.where}: {key!r}" if spec.name else self.where, spec, array)
            for key, spec, array in zip(input_keys(specs), specs, self._in_order(specs), strict=True)
        }
        counts = {key: len(array) for key, array in arrays.items()}
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{count} of {key!r}" for key, count in counts.items())
            raise TargetError(f"{self.where}: expected as many of each input, found {listed}")
        source = self.where.removeprefix("--inputs").strip()
        name = f"your inputs ({source})" if source else "your inputs"
        return InputSet(name, arrays, "the user's own", apart=True)

    def _in_order(self, specs: Sequence[InputSpec]) -> list[np.ndarray]:
        """One array for each spec: by name where there are names, else in the order in which they are given."""
        given = self.given
        if len(given) != len(specs):
            found = ", ".join(map(repr, given)) if isinstance(given, Mapping) else str(len(given))
            listed = ", ".join(map(str, specs))
            raise TargetError(f"{self.where}: expected arrays for {len(specs)} inputs ({listed}), found {found}")
        if not isinstance(given, Mapping):
            return list(given)
        keys = input_keys(specs)
        if set(keys) == set(given):
            return [given[key] for key in keys]
        if any(spec.name for spec in specs) and len(specs) > 1:
            listed = ", ".join(map(repr, keys))
            raise TargetError(f"{self.where}: expected the names {listed}, found {', '.join(map(repr, given))}")
        return list(given.values())


def load_inputs(given: str | Path | Mapping[str, Any] | Sequence[Any] | np.ndarray) -> UserInputs:
    """The user's own inputs.

    Args:
        given: `FILE.npz`, `FILE.npy`, or `package.module:callable`, which returns an array, several in a list or tuple,
            or a dictionary of them; with arguments or without. What it prints goes to standard error. Or the arrays.

    Returns:
        What was given, not checked yet.

    Raises:
        TargetError: the file or callable gives no arrays.

    Example:
        >>> own = load_inputs({"ids": np.array([[3, 7], [1, 0]]), "x": np.zeros((2, 4))})
        >>> [str(spec) for spec in own.specs()], own.checked(own.specs()).count
        (['ids=2:int:8', 'x=4'], 2)
    """
    if isinstance(given, (str, Path)):
        where = f"--inputs {given}"
        is_file = isinstance(given, Path) or given.endswith(FILES)
        made = _from_file(Path(given), where) if is_file else _from_callable(str(given), where)
    else:
        where, made = "--inputs", given
    if isinstance(made, Mapping):
        return UserInputs(where, {str(name): _array(f"{where}: {name!r}", one) for name, one in made.items()})
    several = made if isinstance(made, (list, tuple)) else [made]
    return UserInputs(where, [_array(where, one) for one in several])


def _array(where: str, given: Any) -> np.ndarray:
    """What numpy makes of an array, a framework's tensor, or lists of numbers."""
    try:
        return np.asarray(given.numpy() if hasattr(given, "numpy") else given)
    except Exception as error:  # rows of different lengths, or a tensor that has no numbers
        raise TargetError(f"{where}: expected an array of numbers: {error}") from error


def _from_file(path: Path, where: str) -> Any:
    if not path.is_file():
        raise TargetError(f"{where}: no such file; expected a .npz of one array for each input")
    if path.suffix == ".npz" and not zipfile.is_zipfile(path):
        raise TargetError(f"{where}: cannot be read: expected a .npz file, as numpy.savez writes it")
    try:
        held = np.load(path, allow_pickle=False)
        return held if isinstance(held, np.ndarray) else {name: held[name] for name in held.files}
    except (OSError, ValueError, EOFError) as error:
        raise TargetError(f"{where}: cannot be read as arrays of numbers: {error}") from error
    except Exception as error:  # a damaged zip file has errors of its own
        raise TargetError(f"{where}: cannot be read: {error}") from error


def _from_callable(text: str, where: str) -> Any:
    target = parse(text)
    if target.file is not None:
        raise TargetError(f"{where}: expected a .npz file or package.module:callable")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            made: Any = importlib.import_module(target.module)
            for part in target.attribute.split("."):
                made = getattr(made, part)
            return made(*target.args, **target.kwargs) if callable(made) else made
    except (Exception, SystemExit) as error:
        raise TargetError(f"{where}: {type(error).__name__}: {error}") from error


def _checked(where: str, spec: InputSpec, array: np.ndarray) -> np.ndarray:
    """One input's array, in the type that the models are given."""
    expected = "[n, " + ", ".join(map(str, spec.shape)) + "]" if spec.shape else "[n]"
    if array.dtype.kind not in "biuf":
        raise TargetError(f"{where}: expected numbers, found an array of dtype {array.dtype}")
    if array.ndim != len(spec.shape) + 1 or list(array.shape[1:]) != spec.shape or not len(array):
        raise TargetError(f"{where}: expected the shape {expected}, n at least 1, found {list(array.shape)}")
    if array.dtype.kind == "f" and not all_finite(array):
        index = np.argwhere(~np.isfinite(array))[0].tolist()
        raise TargetError(f"{where}: holds NaN or infinity, first at {index}; expected numbers")
    if spec.dtype == "bool":
        if not np.isin(array, (0, 1)).all():
            raise TargetError(f"{where}: expected True and False, or 1 and 0, found {array.max()}")
        return array.astype(bool)
    if not spec.whole:
        with np.errstate(over="ignore"):
            single = array.astype(np.float32)
        if not all_finite(single):
            raise TargetError(f"{where}: holds numbers too large for float32, up to {np.abs(array).max():.3g}")
        return single
    if array.dtype.kind == "f":
        raise TargetError(f"{where}: expected whole numbers, found an array of dtype {array.dtype}")
    outside = (array < 0) | (array >= spec.tokens) if spec.tokens else array < 0
    if outside.any():
        index = np.argwhere(outside)[0].tolist()
        most = f"from 0 to {spec.tokens - 1}" if spec.tokens else "of at least 0"
        raise TargetError(
            f"{where}: expected whole numbers {most}, found {array[tuple(index)]}, the first such at {index}"
        )
    return array.astype(np.int64)


def pair_inputs(shape: Any, tokens: int | None = None, given: Any = None) -> tuple[list[InputSpec], InputSet | None]:
    """The form of a pair's inputs, and the user's own inputs.

    Args:
        shape: see `parity.migration.specs.input_specs`; nothing where the user's own inputs say it.
        tokens: whole numbers are below this.
        given: see `load_inputs`; None where there are none.

    Returns:
        The inputs, and the user's own as a set, None where there are none.

    Raises:
        ValueError: neither of both, or a shape that has no meaning.
        TargetError: the user's inputs cannot be read, or do not have the form that `shape` says.

    Example:
        >>> specs, own = pair_inputs("4", given={"x": np.ones((3, 4))})
        >>> [str(spec) for spec in specs], own.count
        (['4'], 3)
    """
    missing = shape is None or (hasattr(shape, "__len__") and len(shape) == 0)
    if given is None:
        if missing:
            raise ValueError(f"--input: found none; {EXPECTED}; or --inputs FILE.npz with inputs of your own")
        return input_specs(shape, tokens), None
    loaded = load_inputs(given)
    specs = loaded.specs(tokens) if missing else input_specs(shape, tokens)
    own = loaded.checked(specs)
    # of whole numbers that the user has not limited, those up to the largest of their own are drawn
    largest = [int(array.max()) if spec.whole else 0 for spec, array in zip(specs, own.arrays.values(), strict=True)]
    limited = [
        replace(spec, tokens=most + 1) if spec.tokens is None and most > 1 else spec
        for spec, most in zip(specs, largest, strict=True)
    ]
    return limited, own
