"""The state dict of a PaddlePaddle `.pdparams` file, read without Paddle and without trusting the file.

Such a file is a pickle, which may call anything; here it can call plain containers and the replacements below only.
"""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np

from parity.error_causes import cause, message
from parity.printable import quoted

# What Paddle puts beside the arrays: its own names of them, and which ones protocols 2 and 3 have cut into slices.
NAMES, SLICED = "StructuredToParameterName@@", "UnpackBigParamInfor@@"

REMEDY = "expected a dict of names and arrays: write the file with paddle.save(model.state_dict(), path)"


class WeightsError(Exception):
    """A file of weights that cannot be read: which file, what was expected, what was found, what to do."""


def read(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a `.pdparams` file by name, in the types they were saved in: bfloat16 comes as uint16.

    They may be read-only.

    Raises:
        WeightsError: a file that cannot be read, that is not a state dict, or that asks for anything but numpy arrays
            and plain containers. The message names the file, and the entry where one is at fault.
    """
    try:
        with path.open("rb") as stream:
            content = _Unpickler(stream, path).load()
    except WeightsError:
        raise
    except OSError as error:
        raise WeightsError(f"{path}: {error.strerror or error}; expected a .pdparams file") from None
    except Exception as error:  # a damaged pickle raises nearly anything
        raise WeightsError(f"{path}: not readable as a pickle ({cause(error)}); {REMEDY}") from None
    if not isinstance(content, dict):
        raise WeightsError(f"{path}: found {_kind(content)}; {REMEDY}")
    content.pop(NAMES, None)
    sliced = content.pop(SLICED, {})
    if not isinstance(sliced, dict):
        raise WeightsError(f"{path}: entry {SLICED!r}: {_kind(sliced)}; {REMEDY}")
    arrays: dict[str, np.ndarray] = {}
    for name, value in [*content.items(), *sliced.items()]:
        if not isinstance(name, str):
            raise WeightsError(f"{path}: found {_kind(name)} as a name; {REMEDY}")
        try:
            arrays[name] = _joined(value, arrays) if name in sliced else _array(value)
        except Exception as error:  # the file may hold anything in place of an array's parts
            raise WeightsError(f"{path}: entry {quoted(name)}: {message(error)}; {REMEDY}") from None
    if not arrays:
        raise WeightsError(f"{path}: found no arrays; {REMEDY}")
    return arrays


def _array(value: object) -> np.ndarray:
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str):  # (Paddle's own name, array)
        value = value[1]
    if not isinstance(value, _Array):
        raise TypeError(_kind(value))
    return value.build()


def _joined(facts: Any, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """The array whose slices are among `arrays`, which loses them."""
    if missing := [part for part in facts["slices"] if not isinstance(part, str) or part not in arrays]:
        part = missing[0]
        raise ValueError(f"no {quoted(part) if isinstance(part, str) else _kind(part)}, a slice of it")
    return np.concatenate([arrays.pop(part) for part in facts["slices"]]).reshape(facts["OriginShape"])


def _kind(value: object) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__.strip('_').lower()}"


class _Type:
    """Replaces numpy.dtype; of numbers only."""

    code: Any = None
    order: Any = "="

    def __init__(self, code: object, *_flags: object) -> None:
        self.code = code

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1]

    def build(self) -> np.dtype:
        if not isinstance(self.code, str) or not re.fullmatch(r"[biufc][0-9]{1,2}", self.code):
            raise TypeError(f"an array of type {self.code!r}, which is no type of numbers")
        return np.dtype(self.code).newbyteorder(self.order)


class _Array:
    """Replaces numpy.ndarray and `_reconstruct`, whose arguments hold no information.

    Admitting numpy's own is unsafe: `dtype.__setstate__` takes an object type that claims to hold no objects, and
    `ndarray.__setstate__` then takes bytes of the file for pointers.
    """

    dtype: Any = None
    shape: Any = None
    data: Any = None
    order: Any = "C"

    def __init__(self, *_blank: object) -> None:
        pass

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.shape, self.dtype, fortran, data = state[-4:]
        self.order = "F" if fortran else "C"
        self.data = data.encode("latin1") if isinstance(data, str) else data  # a text where Python 2 wrote the file

    def build(self) -> np.ndarray:
        if not isinstance(self.dtype, _Type):
            raise TypeError("an array without a type")
        dtype = self.dtype.build()
        if not isinstance(self.shape, tuple) or not all(isinstance(extent, int) for extent in self.shape):
            raise TypeError("an array whose shape is no row of numbers")
        if not isinstance(self.data, (bytes, bytearray)):
            raise TypeError("an array without data")
        if math.prod(self.shape) * dtype.itemsize != len(self.data):
            raise ValueError(f"{len(self.data)} bytes for an array {self.shape} of {dtype}")
        return np.ndarray(self.shape, dtype, self.data, order=self.order)


class _Dict(dict):
    """Replaces OrderedDict, and dict as a function, which would hash anything."""

    def __init__(self, pairs: Any = ()) -> None:
        super().__init__()
        for key, value in pairs:
            self[_hashable(key)] = value


class _Set(set):
    """Replaces set as a function."""

    def __init__(self, items: Any = ()) -> None:
        super().__init__(map(_hashable, items))


def _hashable(key: object) -> object:
    """The key of a dict or a member of a set, which are names and numbers here.

    Python hashes a tuple of tuples of tuples by calling itself, to the end of its stack and so of the process.
    """
    if isinstance(key, tuple):
        raise TypeError("a tuple as a name")
    return key


def _scalar(dtype: object, data: object) -> _Array:
    return _from_buffer(data, dtype, (), "C")


def _from_buffer(data: object, dtype: object, shape: object, order: object, *_axes: object) -> _Array:
    if order not in ("C", "F"):
        raise ValueError(f"memory order {order!r}")
    array = _Array()
    array.__setstate__((shape, dtype, order == "F", data))
    return array


def _bytes(*text: str) -> bytes:
    """What protocol 2 writes for bytes: encode(text, "latin1"), or bytes() for none."""
    if text[1:] not in ((), ("latin1",)):
        raise ValueError(f"bytes as {text[1:]}")
    return text[0].encode("latin1") if text else b""


ADMITTED = {"numpy.ndarray": _Array, "numpy.dtype": _Type, "_codecs.encode": _bytes, "collections.OrderedDict": _Dict}

for _core in ("numpy.core", "numpy._core"):  # numpy 1 and 2
    ADMITTED |= {f"{_core}.multiarray._reconstruct": _Array, f"{_core}.multiarray.scalar": _scalar}
    ADMITTED |= {f"{_core}.numeric._frombuffer": _from_buffer}

for _builtins in ("builtins", "__builtin__"):  # protocol 2 knows Python 2's name
    ADMITTED |= {f"{_builtins}.tuple": tuple, f"{_builtins}.list": list, f"{_builtins}.bytes": _bytes}
    ADMITTED |= {f"{_builtins}.dict": _Dict, f"{_builtins}.set": _Set}


class _Whole:
    """A stream that does not end in the middle of what is asked of it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def read(self, count: int) -> bytes:
        data = self._stream.read(count)
        if len(data) < count:
            raise EOFError("the file ends before its pickle does")
        return data

    def readline(self) -> bytes:
        line = self._stream.readline()
        if not line.endswith(b"\n"):
            raise EOFError("the file ends before its pickle does")
        return line


_InPython: Any = pickle._Unpickler


class _Unpickler(_InPython):
    """Python's own unpickler in Python, because the one in C hashes what it is given without a look at it.

    A file of weights has a few instructions for each array, so its speed is that of reading the arrays.
    """

    dispatch: ClassVar[dict[int, Any]] = dict(_InPython.dispatch)

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        super().__init__(_Whole(stream), encoding="latin1")  # as Paddle itself reads it
        self._path = path

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if (name := f"{module_name}.{global_name}") not in ADMITTED:
            needed = "a state dict needs numpy arrays and plain containers only"
            raise WeightsError(f"{self._path}: refused: it asks for {quoted(name)}; {needed}")
        return ADMITTED[name]

    def persistent_load(self, pid: object) -> Any:
        raise WeightsError(f"{self._path}: refused: it asks for something outside the file; {REMEDY}")

    def build(self) -> None:
        """BUILD: give an object its state; of a function or a class it would change what the next file is read with."""
        if not isinstance(self.stack[-2], (_Array, _Type)):
            raise TypeError("a state for something that is no array")
        self.load_build()


def _checked(usual: Callable[[Any], None], keys: slice) -> Callable[[Any], None]:
    """An instruction that first looks at those of the values on the stack that will be hashed."""

    def instruction(self: _Unpickler) -> None:
        for key in self.stack[keys]:
            _hashable(key)
        usual(self)

    return instruction


_Unpickler.dispatch[pickle.BUILD[0]] = _Unpickler.build

for _code, _keys in (
    (pickle.SETITEM, slice(-2, -1)),
    (pickle.SETITEMS, slice(0, None, 2)),
    (pickle.DICT, slice(0, None, 2)),
    (pickle.ADDITEMS, slice(None)),
    (pickle.FROZENSET, slice(None)),
):
    _Unpickler.dispatch[_code[0]] = _checked(_Unpickler.dispatch[_code[0]], _keys)
