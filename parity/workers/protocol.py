"""The messages between the suite and a worker: a JSON header and named numpy arrays, nothing else.

A message is a little-endian 64-bit length, so many bytes of JSON, and the arrays' bytes one after the other, in the
order in which the JSON lists their names, types and shapes. Large states are sent without a copy of the whole.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from parity.numerics.arrays import Arrays

_LENGTH = struct.Struct("<Q")

_KINDS = "biuf"  # of dtypes: booleans and numbers


def write_message(stream: BinaryIO, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray] | None = None) -> None:
    """Send one message and flush.

    Args:
        stream: to which it is written.
        header: plain JSON values.
        arrays: of numbers or booleans, by name.

    Raises:
        TypeError: an array has another dtype; nothing is sent then.
        OSError: the stream is closed at the other end.
    """
    ready = {name: np.asarray(array, order="C") for name, array in (arrays or {}).items()}
    for name, array in ready.items():
        if array.dtype.kind not in _KINDS:
            raise TypeError(f"array {name!r}: expected numbers or booleans, found dtype {array.dtype}")
    listed = [[name, array.dtype.str, array.shape] for name, array in ready.items()]
    head = json.dumps({"header": header, "arrays": listed}).encode()
    stream.write(_LENGTH.pack(len(head)) + head)
    for array in ready.values():
        stream.write(array.reshape(-1).view(np.uint8).data)
    stream.flush()


def read_message(stream: BinaryIO) -> tuple[dict[str, Any], Arrays] | None:
    """Receive one message.

    Returns:
        Header and arrays; None at the end of the stream, even in the middle of a message.

    Example:
        >>> import io
        >>> stream = io.BytesIO()
        >>> write_message(stream, {"verb": "describe"}, {"labels": np.arange(3)})
        >>> _ = stream.seek(0)
        >>> read_message(stream)
        ({'verb': 'describe'}, {'labels': array([0, 1, 2])})
    """
    length = _read(stream, _LENGTH.size)
    head = None if length is None else _read(stream, _LENGTH.unpack(length)[0])
    if head is None:
        return None
    message = json.loads(head)
    arrays: Arrays = {}
    for name, dtype, shape in message["arrays"]:
        array = np.empty(math.prod(shape), dtype)
        if not _fill(stream, array.view(np.uint8).data):
            return None
        arrays[name] = array.reshape(shape)
    return message["header"], arrays


def _read(stream: BinaryIO, count: int) -> bytes | None:
    data = stream.read(count)  # a buffered stream returns less only at its end
    return data if len(data) == count else None


def _fill(stream: BinaryIO, memory: memoryview) -> bool:
    """Read into the whole of `memory`; False at the end of the stream."""
    while len(memory):
        count = stream.readinto(memory)  # type: ignore[attr-defined]
        if not count:
            return False
        memory = memory[count:]
    return True
