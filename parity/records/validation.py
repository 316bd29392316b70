"""Values out of a file become records: msgspec checks types, ranges, missing and unknown fields; errors say where."""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from parity.printable import LONGEST_NAME, quoted

T = TypeVar("T")

_MESSAGE = re.compile(r"(?P<text>.*?)(?: - at `\$(?P<path>[\w.\[\]]*)`)?", re.DOTALL)

_STEP = re.compile(r"\.(?P<name>\w+)|\[(?P<index>\d+)\]|\[\.\.\.\]")  # the last: some value of an object of free names

_FIELD = re.compile(r"Object (?P<what>contains unknown|missing required) field `(?P<name>.*)`", re.DOTALL)

_PLAIN_NAME = re.compile(r"\w+")


class RecordError(Exception):
    """A saved run that cannot be read: the message names the file, what was expected and what was found."""


def validated(values: Any, kind: type[T], where: str = "") -> T:
    """Plain JSON values as a record, or as another type that msgspec knows.

    >>> validated([1, 2], list[int])
    [1, 2]
    >>> validated({"seeds": [1, "two"]}, dict[str, list[int]], where="extra_info")
    Traceback (most recent call last):
    parity.records.validation.RecordError: extra_info.seeds[1]: expected int, found 'two'

    Args:
        values: what `json.loads` gives; a whole number may be given for a float, nothing else is converted.
        kind: the type that they should be of.
        where: the path of the values in their file, for messages.

    Returns:
        A new value of type `kind`; `values` are not changed.

    Raises:
        RecordError: the path of the first field that does not fit, what was expected there, and what was found.
    """
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise RecordError(_explained(str(error), values, kind, where)) from None
    except UnicodeEncodeError as error:  # a name of JSON's that no encoding takes
        raise RecordError(
            f"{_title(where)}: expected names of fields in Unicode, found {quoted(error.object)}"
        ) from None


def _explained(message: str, values: Any, kind: type, where: str) -> str:
    parts = _MESSAGE.fullmatch(message)
    text, path = (parts["text"], parts["path"] or "") if parts else (message, "")
    names, value = _followed(path, message, values, kind)
    own = _type_at(names, kind)
    location = where + "".join(f"[{name}]" if isinstance(name, int) else _dotted(name) for name in names)
    if field := _FIELD.fullmatch(text):
        location += _dotted(field["name"])
        if field["what"] == "missing required":
            return f"{_title(location)}: expected a value, found none"
        known = (
            ", ".join(known_field.encode_name for known_field in own.fields)
            if isinstance(own, inspect.StructType)
            else "none"
        )
        return (
            f"{_title(location)}: expected no field of this name, found {_shown(value[field['name']])} (known: {known})"
        )
    if not text.startswith(("Expected", "Invalid", "Number")):  # a check of the record's own, which says it all
        return _title(f"{location}.{text}")
    return f"{_title(location)}: expected {_expected(text, value, own)}, found {_shown(value)}"


def _title(path: str) -> str:
    return path.removeprefix(".") or "the values"


def _dotted(name: str) -> str:
    return f".{name}" if _PLAIN_NAME.fullmatch(name) else f"[{quoted(name)}]"


def _expected(text: str, value: Any, own: inspect.Type | None) -> str:
    """What a message of msgspec asks for."""
    if isinstance(value, float) and not math.isfinite(value) and isinstance(own, inspect.FloatType):
        return "a finite number"
    if isinstance(own, inspect.LiteralType):
        return " or ".join(map(repr, own.values))
    if isinstance(own, inspect.StructType) and text.startswith("Invalid value"):
        return repr(own.tag)
    if text.startswith("Number"):
        return "a number that float64 can hold"
    return text.removeprefix("Expected ").partition(", got ")[0].replace("`", "")


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        return f"an object of {len(value)} fields"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = json.dumps(value)
    return text if len(text) <= LONGEST_NAME else f"a number of {len(text):,} digits"


def _followed(path: str, message: str, values: Any, kind: type) -> tuple[list[str | int], Any]:
    """The steps to the value that a message is about, and the value.

    Where the message only says that it is some entry of an object, it is the one that alone gives the same message.
    """
    whole, names = [values], list[str | int]()
    holder: Any = whole
    name: str | int = 0
    for step in _STEP.finditer(path):
        holder[name] = inner = copy.copy(holder[name])
        holder, name = inner, step["name"] or int(step["index"] or 0)
        if not step["name"] and not step["index"]:
            entries = dict(inner)
            for name in entries:
                inner.clear()
                inner[name] = entries[name]
                if _message(whole[0], kind) == message:
                    break
        names.append(name)
    return names, holder[name]


def _message(values: Any, kind: type) -> str:
    try:
        msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        return str(error)
    return ""


def _type_at(names: Sequence[str | int], kind: type) -> inspect.Type | None:
    """The type that is declared there; None where it is one of several."""
    own = inspect.type_info(kind)
    for name in names:
        match own:
            case inspect.StructType(fields=fields):  # the field that says which kind it is is none of them
                own = next((field.type for field in fields if field.encode_name == name), own)
            case inspect.ListType(item_type=inner) | inspect.DictType(value_type=inner):
                own = inner
            case inspect.TupleType(item_types=inners):
                own = inners[int(name)]
            case _:
                return None
        if isinstance(own, inspect.UnionType):
            several = [member for member in own.types if not isinstance(member, inspect.NoneType)]
            own = several[0] if len(several) == 1 else own
    return own
