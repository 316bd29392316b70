"""What crosses the boundary between the suite and a worker: a JSON header and named numpy arrays, nothing else.

A message is two little-endian 64-bit lengths, the header as JSON, and the arrays as safetensors. The JSON also lists
the arrays' names, because safetensors does not keep their order, and the order of the stages says which failed first.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
import safetensors.numpy

Arrays = dict[str, np.ndarray]

_LENGTHS = struct.Struct("<QQ")


def write_message(stream: BinaryIO, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray] | None = None) -> None:
    """Send one message and flush."""
    head = json.dumps({"header": header, "names": list(arrays or ())}).encode()
    blob = b""
    if arrays:
        blob = safetensors.numpy.save({name: np.asarray(array, order="C") for name, array in arrays.items()})
    stream.write(_LENGTHS.pack(len(head), len(blob)) + head)
    stream.write(blob)
    stream.flush()


def read_message(stream: BinaryIO) -> tuple[dict[str, Any], Arrays] | None:
    """Receive one message; None at the end of the stream, even in the middle of a message."""
    lengths = _read(stream, _LENGTHS.size)
    if lengths is None:
        return None
    head_length, blob_length = _LENGTHS.unpack(lengths)
    head, blob = _read(stream, head_length), _read(stream, blob_length)
    if head is None or blob is None:
        return None
    message = json.loads(head)
    arrays = safetensors.numpy.load(blob) if blob else {}
    return message["header"], {name: arrays[name] for name in message["names"]}


def _read(stream: BinaryIO, count: int) -> bytes | None:
    data = stream.read(count)  # a buffered stream returns less only at its end
    return data if len(data) == count else None


def pack(**groups: Mapping[str, np.ndarray]) -> Arrays:
    """Several named groups of arrays as one: pack(state=...) puts `name` under `state:name`."""
    return {f"{group}:{name}": array for group, arrays in groups.items() for name, array in arrays.items()}


def unpack(arrays: Mapping[str, np.ndarray], group: str) -> Arrays:
    """One group of a packed set, under its own names."""
    prefix = f"{group}:"
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
