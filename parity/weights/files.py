"""Canonical states in safetensors files: written whole, validated when read."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import safetensors
import safetensors.numpy

from parity.system import replacing
from parity.weights.state import State, StateError

DTYPES = {"F32": "<f4", "F64": "<f8"}  # what a state is made of, by safetensors' names


def save_state(state: Mapping[str, np.ndarray], path: Path, *, metadata: Mapping[str, str] | None = None) -> None:
    """Write a canonical state as a safetensors file, by way of a temporary name beside it.

    Args:
        state: float32 or float64 arrays by name.
        path: the file; its directory is made. What it held is replaced only once the new file is whole.
        metadata: texts to be kept beside the arrays, see `read_metadata`.

    Raises:
        OSError: no room, or no permission.
    """
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
    match = re.search(r"os error (\d+)", str(error))
    return OSError(int(match[1]), os.strerror(int(match[1]))) if match else OSError(str(error))


def load_state(path: Path) -> State:
    """Read a canonical state from a safetensors file.

    Args:
        path: of the file.

    Returns:
        Arrays by name, in the order of the file's header; float32 or float64, each in memory of its own.

    Raises:
        StateError: no such file, a file that is cut off or not a safetensors file, an array that is neither float32 nor
            float64, or a name that occurs twice. The message names the file.
    """
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
    """The texts that a safetensors file carries beside its arrays.

    Args:
        path: of the file.

    Returns:
        Texts by name; empty where the file has none.

    Raises:
        StateError: no such file, or not a safetensors file; the message names it.
    """
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
