"""The file of a saved program's arrays: whether it holds all of the last one, which Paddle does not look at.

Each array follows the one before: a version (4 bytes), a number of levels of detail (8), a version (4), the size of a
description (4), the description, and the numbers. Of a file that ends early Paddle takes what memory holds.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import BinaryIO

from google.protobuf.message import DecodeError
from paddle.base.proto import framework_pb2

from parity.catalogue.targets import TargetError

SIZES = {  # of a number in bytes, by what the description calls its type
    **dict.fromkeys(("BOOL", "UINT8", "INT8", "FP8_E4M3FN", "FP8_E5M2"), 1),
    **dict.fromkeys(("INT16", "FP16", "BF16"), 2),
    **dict.fromkeys(("INT32", "FP32"), 4),
    **dict.fromkeys(("INT64", "FP64", "COMPLEX64"), 8),
    "COMPLEX128": 16,
}


def require_whole(path: Path) -> None:
    """Raise TargetError for a file that ends in the middle of an array.

    Args:
        path: of a `.pdiparams`.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        while (start := stream.tell()) < size:
            end = _end_of_array(stream)
            if end is None:
                return
            if end > size:
                raise TargetError(
                    f"{path}: ends in the middle of the array that begins at byte {start}: expected {end} bytes or "
                    f"more, found {size}; copy or save the file again"
                )
            stream.seek(end)


def _number(stream: BinaryIO, form: str) -> int | None:
    """The next number; None where the file ends."""
    found = stream.read(size := struct.calcsize(form))
    return int(struct.unpack(form, found)[0]) if len(found) == size else None


def _end_of_array(stream: BinaryIO) -> int | None:
    """The place behind an array, at least; None where that cannot be told: Paddle says what is wrong."""
    levels = _number(stream, "<4xQ")
    length = _number(stream, "<4xi")
    if levels is None or length is None:
        return stream.tell() + 1
    if levels or length <= 0:  # arrays of a program have no levels
        return None
    described = stream.read(length)
    if len(described) < length:
        return stream.tell() + 1
    description = framework_pb2.VarType.TensorDesc()
    try:
        description.ParseFromString(described)
        number = SIZES.get(framework_pb2.VarType.Type.Name(description.data_type))
    except (DecodeError, ValueError):
        return None
    return None if number is None else stream.tell() + math.prod(description.dims) * number
