"""THE weight-transfer layer: canonical state, layout rules, validation, safetensors files.

A canonical state maps names to arrays. A name says place and kind (`group1/conv1/kernel`, `.../gamma`, `.../mean`); the
layout is Keras's: kernels HWIO, dense kernels [in, out] with the rows of the first one in height, width, channel order.
A transfer goes by name through an explicit `Layout`: no squeeze, no reshape to fit, no guessing by shape.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import safetensors
import safetensors.numpy

from parity.printable import quoted
from parity.writing import replacing

State = dict[str, np.ndarray]

DTYPES = {"F32": "<f4", "F64": "<f8"}  # what a state is made of, by safetensors' names


class StateError(Exception):
    """A state that does not fit: one message that lists every missing, extra, misshapen, wrongly typed or NaN entry."""


@dataclass(frozen=True)
class Layout:
    """How a framework stores a canonical array.

    `views` gives two views of one shape, on the stored and on the canonical memory; copying one to the other is the
    whole transfer, either way, without a temporary array.
    """

    # "same"; "OIHW", a kernel stored as [out, in, h, w]; "CHW rows", see `maps`; "depthwise", stored as [h, w, in, m]
    # and canonically the kernel [h, w, 1, in * m] of as many groups as inputs; "OIHW cell" and "HWIO cell", a 1x1
    # kernel that works on single cells and is canonically a dense one [in, out]; "row" and "OIK", kernels of
    # sequences, stored as [k, in, out] and [out, in, k] and canonically [1, k, in, out]; "shared", stored with axes of
    # one cell before those that the array has canonically; "heads", stored as [..., heads, size], and "heads out", as
    # [heads, size, out], both axes of which are one canonically
    kind: str = "same"
    # (channels, height, width) that the rows of a dense kernel, or the numbers of a vector, were flattened from
    maps: tuple[int, int, int] = (0, 0, 0)

    def views(self, stored: np.ndarray, canonical: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Views on `stored` and `canonical` (C-contiguous) whose elements correspond. Raises StateError."""
        if self.kind == "OIHW":
            pair = stored.transpose(2, 3, 1, 0), canonical
        elif self.kind == "OIK":
            pair = stored.transpose(2, 1, 0)[None], canonical
        elif self.kind == "CHW rows":
            c, h, w = self.maps
            pair = stored.reshape(c, h, w, -1).transpose(1, 2, 0, 3), canonical.reshape(h, w, c, -1)
        elif self.kind == "OIHW cell":
            pair = stored.reshape(stored.shape[:2]).T, canonical
        elif self.kind in ("HWIO cell", "depthwise", "heads", "heads out", "row", "shared"):
            pair = stored.reshape(self.canonical_shape(stored.shape)), canonical
        else:
            pair = stored, canonical
        if pair[0].shape != pair[1].shape:
            raise StateError(f"layout {self.kind}: stored {stored.shape} does not correspond to {canonical.shape}")
        return pair

    def canonical_shape(self, stored: Sequence[int]) -> tuple[int, ...]:
        """The canonical shape of an array that is stored with this shape."""
        if self.kind == "OIHW":
            out, into, height, width = stored
            return height, width, into, out
        if self.kind == "OIHW cell":
            return stored[1], stored[0]
        if self.kind == "HWIO cell":
            return tuple(stored[-2:])
        if self.kind == "row":
            return 1, *stored
        if self.kind == "OIK":
            return 1, *tuple(stored)[::-1]
        if self.kind == "depthwise":
            return stored[0], stored[1], 1, stored[2] * stored[3]
        if self.kind == "heads":
            return *stored[:-2], stored[-2] * stored[-1]
        if self.kind == "heads out":
            return stored[0] * stored[1], stored[2]
        if self.kind == "shared":
            first = next((axis for axis, extent in enumerate(stored) if extent > 1), len(stored) - 1)
            return tuple(stored[first:])
        return tuple(stored)

    def read(self, stored: np.ndarray) -> np.ndarray:
        """A new canonical array from the framework's memory: one copy."""
        canonical = np.empty(self.canonical_shape(stored.shape), stored.dtype)
        source, target = self.views(stored, canonical)
        np.copyto(target, source)
        return canonical

    def write(self, canonical: np.ndarray, stored: np.ndarray) -> None:
        """Into the framework's own memory: one copy."""
        target, source = self.views(stored, np.ascontiguousarray(canonical))
        np.copyto(target, source)


SAME = Layout()


@dataclass(frozen=True)
class Entry:
    """One array of a model's state, as the canonical state knows it."""

    name: str
    shape: tuple[int, ...]
    dtype: str  # "float32" or "float64"
    trainable: bool


def entries_of(description: Mapping[str, Any]) -> list[Entry]:
    """The entries of a worker's `describe`."""
    return [Entry(**(entry | {"shape": tuple(entry["shape"])})) for entry in description["entries"]]


def check_state(state: Mapping[str, np.ndarray], entries: Sequence[Entry], *, receiver: str) -> None:
    """Raise one StateError that lists everything about `state` that does not fit `entries`; `receiver` names them."""
    problems = [
        f"duplicate in {receiver}: {quoted(name)} stands for {count} arrays"
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
    """Whether two arrays are one to the last bit, NaN included."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    one, other = (np.ascontiguousarray(array).reshape(-1).view(np.uint8) for array in (a, b))
    return np.array_equal(one, other)


def all_finite(array: np.ndarray) -> bool:
    """Whether no element is NaN or infinite, without a temporary array of the same size in the usual case."""
    with np.errstate(over="ignore", invalid="ignore"):
        # A NaN or an infinity survives any sum; a sum that merely overflowed is settled element by element.
        return bool(np.isfinite(array.sum())) or bool(np.isfinite(array).all())


def save_state(state: Mapping[str, np.ndarray], path: Path, *, metadata: Mapping[str, str] | None = None) -> None:
    """Write a canonical state as a safetensors file, by way of a temporary name beside it. Raises OSError."""
    arrays = {name: np.asarray(array, order="C") for name, array in state.items()}
    with replacing(path, sum(array.nbytes for array in arrays.values())) as temporary:
        temporary.touch()
        mode = temporary.stat().st_mode  # what the user's umask gives; safetensors alone makes the file private
        try:
            safetensors.numpy.save_file(arrays, temporary, metadata=dict(metadata) if metadata else None)
        except safetensors.SafetensorError as error:  # how the library puts a full disk
            raise _system_error(error) from None
        temporary.chmod(mode)


def _system_error(error: Exception) -> OSError:
    """The operating system's own error behind one of the library, which names it by its number."""
    found = re.search(r"os error (\d+)", str(error))
    return OSError(int(found[1]), os.strerror(int(found[1]))) if found else OSError(str(error))


def load_state(path: Path) -> State:
    """Read a canonical state from a safetensors file. Raises StateError that names the file."""
    try:
        with path.open("rb") as stream:
            header = _header(stream, path.stat().st_size)
            with safetensors.safe_open(path, framework="numpy"):
                pass  # the library has checked names, types, shapes and offsets against the file
            start = stream.tell()
            # Straight into each array's memory: the library's own get_tensor takes twice the time.
            return {name: _read_array(stream, start, facts) for name, facts in header.items()}
    except FileNotFoundError:
        raise StateError(f"{path}: no such file") from None
    except (OSError, ValueError, RecursionError, safetensors.SafetensorError) as error:
        raise StateError(f"{path}: not a whole safetensors file: {error}") from None


def read_metadata(path: Path) -> dict[str, str]:
    """The texts that a safetensors file carries beside its arrays. Raises StateError that names the file."""
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            return file.metadata() or {}
    except (OSError, safetensors.SafetensorError) as error:
        raise StateError(f"{path}: not a whole safetensors file: {error}") from None


def _header(stream: BinaryIO, size: int) -> dict[str, Any]:
    """The file's header by name, without its metadata. Raises ValueError.

    A JSON header may name one array twice, of which parsers silently keep the last: that is refused.
    """
    length = int.from_bytes(stream.read(8), "little")
    if length > size:
        raise ValueError(f"the header claims {length} bytes, the file has {size}")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = Counter(name for name, _ in pairs)
        if double := [name for name, count in names.items() if count > 1]:
            raise ValueError(f"duplicate entries {double}")
        return dict(pairs)

    header = json.loads(stream.read(length), object_pairs_hook=unique)
    return {name: facts for name, facts in header.items() if name != "__metadata__"}


def _read_array(stream: BinaryIO, start: int, facts: Mapping[str, Any]) -> np.ndarray:
    """One array, by its entry in the header; `start` is where the header ends. Raises ValueError."""
    if facts["dtype"] not in DTYPES:
        raise ValueError(f"expected arrays of {' or '.join(DTYPES)}, found {facts['dtype']}")
    array = np.empty(facts["shape"], DTYPES[facts["dtype"]])
    stream.seek(start + facts["data_offsets"][0])
    if stream.readinto(array.reshape(-1).view(np.uint8)) != array.nbytes:  # type: ignore[attr-defined]
        raise ValueError("it ends in the middle of an array")
    return array


def digest(state: Mapping[str, np.ndarray]) -> str:
    """sha256 over every name, dtype, shape and byte, in name order."""
    total = hashlib.sha256()
    for name in sorted(state):
        array = np.asarray(state[name], order="C")
        total.update(f"{name} {array.dtype} {array.shape};".encode())
        total.update(array.data)
    return total.hexdigest()


def digests(state: Mapping[str, np.ndarray]) -> dict[str, str]:
    """sha256 of every array with its name, dtype and shape, by name."""
    return {name: digest({name: array}) for name, array in state.items()}


def parameter_counts(entries: Sequence[Entry]) -> tuple[int, int]:
    """(all, trainable) numbers of elements."""
    sizes = [(math.prod(entry.shape), entry.trainable) for entry in entries]
    return sum(size for size, _ in sizes), sum(size for size, trainable in sizes if trainable)
