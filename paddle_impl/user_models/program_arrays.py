"""The file of a saved program's arrays: whether it holds all of the last one, which Paddle does not look at.

Each array follows the one before: a version (4 bytes), a number of levels of detail (8, and the levels), a version (4),
the size of a description (4), the description, and the numbers. Of a file that ends early Paddle takes what memory
holds.
"""

from __future__ import annotations

import math
import os
import struct
from pathlib import Path
from typing import BinaryIO

from paddle.base.proto import framework_pb2

from parity.catalogue.targets import TargetError

SIZES = {  # of a number in bytes, by what the description calls its type
    **dict.fromkeys(("BOOL", "UINT8", "INT8", "FP8_E4M3FN", "FP8_E5M2"), 1),
    **dict.fromkeys(("INT16", "FP16", "BF16"), 2),
    **dict.fromkeys(("INT32", "FP32"), 4),
    **dict.fromkeys(("INT64", "FP64", "COMPLEX64"), 8),
    "COMPLEX128": 16,
}

MOST_LEVELS = 8  # of detail that an array may have; programs' arrays have none


def require_whole(path: Path) -> None:
    """Raise TargetError for a file that ends in the middle of an array.

    Args:
        path: of a `.pdiparams`.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        while (start := stream.tell()) < size:
            end = _end_of_array(stream)
            if end is None:  # of a type that is not known here: Paddle reads it
                return
            if end > size:
                raise TargetError(
                    f"{path}: ends in the middle of the array that begins at byte {start}: expected {end} bytes or "
                    f"more, found {size}; copy or save the file again"
                )
            stream.seek(end)


def _number(stream: BinaryIO, form: str) -> int:
    """The next number; 0 where the file ends."""
    found = stream.read(size := struct.calcsize(form))
    return int(struct.unpack(form, found)[0]) if len(found) == size else 0


def _end_of_array(stream: BinaryIO) -> int | None:
    """The place behind an array, at least; None where its numbers are of no known size."""
    levels = _number(stream, "<4xQ")
    for _ in range(min(levels, MOST_LEVELS)):
        stream.seek(_number(stream, "<Q"), os.SEEK_CUR)
    length = _number(stream, "<4xi")
    described = stream.read(length)
    if len(described) < length or not length:
        return stream.tell() + 1
    description = framework_pb2.VarType.TensorDesc()
    description.ParseFromString(described)
    number = SIZES.get(framework_pb2.VarType.Type.Name(description.data_type))
    return None if number is None else stream.tell() + math.prod(description.dims) * number
