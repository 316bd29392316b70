"""Extract the cause from an error of a framework, whose message has many lines that are the same for every error.

Runs inside the workers and imports no framework: it recognises the forms of their messages.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from pathlib import Path

from parity.printable import printable


class ForeignImportError(ModuleNotFoundError):
    """A worker was to import the other framework: both in one process end in a segmentation fault.

    For a package that can do without that framework, it is not installed.
    """


DEBUG = "PARITY_DEBUG"  # an environment variable; where it is set, errors have their traceback

DEEPEST = 5  # levels of messages within messages

LONGEST = 1200  # characters of a cause: shapes and hints fit, a model's whole configuration does not

_STYLE = re.compile(r"\x1b\[[0-9;]*m")  # Keras prints the cause in bold

_NOISE = re.compile(
    r"\{\{function_node [^}]*\}\} ?"  # TensorFlow's own name of what ran
    r"|\[\[\{\{node [^\]]*\]\]"
    r"|\[Op:__inference_[^\]]*\]"
    r"|(?<=\]) name:(?= *(?:\n|$|\[in ))"
    r"|\(at \S+:\d+\)"  # a line of Paddle's C++
    r"|Target variable: <Variable .*?\]>"  # with all its numbers
    r"|^-{5,}$",
    re.MULTILINE | re.DOTALL,
)


def cause(error: BaseException, deepest: int = DEEPEST) -> str:
    """Describe an error in one line, as `Type: message`.

    Without a message, the line of code that raised it is named. The error that it was raised from is added unless the
    message contains it.

    Args:
        error: of a framework, a user's model or the suite.
        deepest: how many errors of the chain to name at most.

    Returns:
        Printable text, of each error's message at most about `LONGEST` characters.

    >>> cause(ValueError("first\\nsecond"))
    'ValueError: first second'
    """
    text, name, chain = message(error), type(error).__name__, ""
    inner = error.__cause__
    if inner is not None and inner is not error and (why := message(inner)) and why not in text and deepest > 1:
        chain = f", because of {cause(inner, deepest - 1)}"
    return (f"{name}: {text}" if text else f"{name}, without a message{_raised_by(error)}") + chain


def message(error: BaseException) -> str:
    """As `cause`, without the type of the error; empty where it has no message.

    Args:
        error: of a framework, a user's model or the suite; an own class whose `str` fails is no obstacle.

    Returns:
        One printable line of at most about `LONGEST` characters, shortened in the middle.

    >>> message(ValueError("first\\nsecond"))
    'first second'
    """
    try:
        text = str(error)
    except Exception as odd:  # a class of the user's own
        return f"its message cannot be read ({type(odd).__name__})"
    for _ in range(DEEPEST):
        before = text
        for form in _FORMS:
            text = form(text)
        if text == before:
            break
    text = " ".join(_NOISE.sub("", _STYLE.sub("", text)).split()).removeprefix(f"{type(error).__name__}: ")
    text = printable(text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST * 2 // 3]} ... {text[-LONGEST // 3 :]}"


def _keras_call(text: str) -> str:
    """Exception encountered when calling NAME.call().  <bold>CAUSE</bold>  Arguments received by NAME.call(): ..."""
    form = r"Exception encountered when calling (\S+)\.\n\n\x1b\[1m(.*)\x1b\[0m\n\nArguments"
    match = re.match(form, text, re.DOTALL)
    if not match:
        return text
    return f"{match[2].rstrip()} [in {match[1]}]" if match[2].strip() else ""


def _keras_configuration(text: str) -> str:
    """... could not be deserialized properly. ... Exception encountered: CAUSE Full object config: {...}"""
    _, mark, rest = text.rpartition("Exception encountered: ")
    return rest.partition(" Full object config: ")[0] if mark else text


def _keras_weights(text: str) -> str:
    """A total of N objects could not be loaded. Example error message for object <...>:  CAUSE  List of objects ..."""
    match = re.match(r"A total of (\d+) objects could not be loaded\. .*? for object (<.*?>):\n\n(.*)", text, re.DOTALL)
    return f"{match[2]}: {match[3].partition(chr(10) * 2)[0]} ({match[1]} layers in all)" if match else text


def _traced_function(text: str) -> str:
    """In user code: frames  Type: CAUSE; or Graph execution error: frames CAUSE; or N root error(s) found. (0) CAUSE"""
    if text.startswith("in user code:"):
        return text.strip().split("\n\n")[-1]
    if match := re.search(r"root error\(s\) found\.\s*\(0\) (.*)", text):
        return match[1]
    if text.startswith("Graph execution error:"):
        lines = [line.strip() for line in text.splitlines()]
        named = [line for line in lines if line and not line.startswith(("[[", "File ", "Detected at"))]
        return named[-1]
    return text


def _paddle_summary(text: str) -> str:
    """C++ Traceback: frames. Error Message Summary: CAUSE [Hint: ...]; or the same with Python's frames before it."""
    _, mark, rest = text.rpartition("Error Message Summary:")
    text = rest if mark else text
    match = re.search(r"\[operator < (\w+) > error\]", text)
    return text.replace(match.group(), f"[in operator {match[1]}]") if match else text


_FORMS: tuple[Callable[[str], str], ...] = (
    _keras_call,
    _keras_configuration,
    _keras_weights,
    _traced_function,
    _paddle_summary,
)


def _raised_by(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ""
    last = frames[-1]
    return printable(f"; raised by line {last.lineno} of {Path(last.filename).name}: {last.line or last.name}")


def frames(error: BaseException, most: int = 3) -> list[str]:
    """The innermost frames of a traceback, innermost last: two lines each, without underlining.

    Args:
        error: that was raised.
        most: how many frames.

    Returns:
        Lines that print, with file, line number and code of each frame; empty for an error that was never raised.
    """
    lines = "".join(traceback.format_tb(error.__traceback__)[-most:]).splitlines()
    return [printable(line) for line in lines if set(line.strip()) - set("~^")]
