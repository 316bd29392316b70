"""THE weight-transfer layer: canonical state, layout rules, validation, safetensors files.

A canonical state maps names to arrays. A name says layer and kind (`group1/conv1/kernel`, `.../gamma`, `.../mean`); the
layout is Keras's: kernels HWIO, dense kernels [in, out] with the rows of the first one in height, width, channel order.
A transfer goes by name through an explicit `Layout`: no squeeze, no reshape to fit, no guessing by shape.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.printable import quoted

State = dict[str, np.ndarray]

STATISTICS = ("/mean", "/variance")  # ends of the names of arrays that no gradient moves


class StateError(Exception):
    """A state that does not fit: one message that lists every missing, extra, misshapen, wrongly typed or NaN entry."""


@dataclass(frozen=True)
class Entry:
    """One array of a model's state, as the canonical state knows it."""

    name: str
    shape: tuple[int, ...]
    dtype: str  # "float32" or "float64"
    trainable: bool


def entry_of(values: Mapping[str, Any]) -> Entry:
    """An entry from its plain JSON values.

    Args:
        values: the fields of `Entry`, the shape as a list.

    Returns:
        The entry, its shape as a tuple.

    Example:
        >>> entry_of({"name": "fc/bias", "shape": [10], "dtype": "float32", "trainable": True})
        Entry(name='fc/bias', shape=(10,), dtype='float32', trainable=True)
    """
    return Entry(**(dict(values) | {"shape": tuple(values["shape"])}))


def check_state(state: Mapping[str, np.ndarray], entries: Sequence[Entry], *, receiver: str) -> None:
    """Check that a state has exactly the arrays of a model.

    Args:
        state: canonical arrays by name.
        entries: the arrays that are expected; for a float64 one a float32 array will do.
        receiver: what they belong to, for the message ("the TensorFlow model of lenet5").

    Raises:
        StateError: an array that is missing, extra, of another shape or dtype, or holds NaN or infinity; a name that
            two entries have; or no entries at all. One message lists everything.
    """
    problems = [
        f"duplicate in {receiver}: {quoted(name)} is the name of {count} arrays"
        for name, count in Counter(entry.name for entry in entries).items()
        if count > 1
    ]
    expected = {entry.name: entry for entry in entries}
    problems += [f"missing: {quoted(name)} {expected[name].shape}" for name in expected if name not in state]
    problems += [f"extra: {quoted(name)} {array.shape}" for name, array in state.items() if name not in expected]
    for name, entry in expected.items():
        array = state.get(name)
        if array is None:
            continue
        if tuple(array.shape) != entry.shape:
            problems.append(f"wrong shape: {quoted(name)} expected {entry.shape}, found {tuple(array.shape)}")
        if str(array.dtype) not in _fitting(entry.dtype):
            problems.append(f"wrong dtype: {quoted(name)} expected {entry.dtype}, found {array.dtype}")
        elif not all_finite(array):
            bad = np.count_nonzero(~np.isfinite(array))
            problems.append(f"not finite: {quoted(name)} holds {bad} NaN or infinite values")
    if not entries:
        problems.append(f"{receiver} has no arrays at all: there is nothing to transfer")
    if problems:
        raise StateError(f"the state does not fit {receiver} ({len(problems)} problems):\n  " + "\n  ".join(problems))


def _fitting(dtype: str) -> tuple[str, ...]:
    """What an entry of this dtype may be given: every float32 number is a float64 number, not the reverse."""
    return ("float64", "float32") if dtype == "float64" else (dtype,)


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays agree in shape, dtype and every bit; a NaN equals a NaN of the same bits.

    Args:
        a: of any dtype, contiguous or not.
        b: the other one.

    Returns:
        False for zeros of different signs, and for numbers that are equal in two dtypes.

    Example:
        >>> same_bits(np.array([0.0]), np.array([-0.0]))
        False
    """
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    one, other = (np.ascontiguousarray(array).reshape(-1).view(np.uint8) for array in (a, b))
    return np.array_equal(one, other)


def all_finite(array: np.ndarray) -> bool:
    """Whether no element is NaN or infinite, without a temporary array of the same size in the usual case.

    Args:
        array: of a floating-point dtype.

    Returns:
        True of an empty array, too.

    Example:
        >>> all_finite(np.array([1.0, 2.0])), all_finite(np.array([1.0, np.nan]))
        (True, False)
    """
    with np.errstate(over="ignore", invalid="ignore"):
        # A NaN or an infinity survives any sum; a sum that merely overflowed is settled element by element.
        return bool(np.isfinite(array.sum())) or bool(np.isfinite(array).all())


def digest(state: Mapping[str, np.ndarray]) -> str:
    """sha256, in hexadecimal, over every name, dtype, shape and byte, in the order of the names.

    Args:
        state: arrays of any dtype by name.

    Returns:
        64 digits.

    Example:
        >>> digest({"a": np.zeros(2), "b": np.ones(1)}) == digest({"b": np.ones(1), "a": np.zeros(2)})
        True
    """
    total = hashlib.sha256()
    for name in sorted(state):
        array = np.asarray(state[name], order="C")
        total.update(f"{name} {array.dtype} {array.shape};".encode())
        total.update(array.data)
    return total.hexdigest()


def digests(state: Mapping[str, np.ndarray]) -> dict[str, str]:
    """sha256 of every array with its name, dtype and shape, by name.

    Args:
        state: arrays of any dtype by name.

    Returns:
        64 hexadecimal digits for each, in the order of the state.
    """
    return {name: digest({name: array}) for name, array in state.items()}


def parameter_counts(entries: Sequence[Entry]) -> tuple[int, int]:
    """Numbers of elements: of all arrays, and of the trainable ones.

    Args:
        entries: of a state.

    Returns:
        (all, trainable); running statistics are among the former only.

    Example:
        >>> parameter_counts([Entry("bn/gamma", (8,), "float32", True), Entry("bn/mean", (8,), "float32", False)])
        (16, 8)
    """
    sizes = [(math.prod(entry.shape), entry.trainable) for entry in entries]
    return sum(size for size, _ in sizes), sum(size for size, trainable in sizes if trainable)
