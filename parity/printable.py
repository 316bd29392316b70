"""Make text from files, models and frameworks safe to display: on a terminal, in a message, on a page.

A name in a file of weights may hold anything: sequences that move a terminal's cursor or ring its bell, half of a
surrogate pair, which no encoding takes, a million characters. Only displayed text is changed, not what is stored.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

LONGEST_NAME, LONGEST_WORD, LONGEST_LINE = 100, 400, 4000  # characters

# control, format (which turn the direction of text), surrogate, private and unassigned characters, odd line ends
_UNPRINTABLE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")

_LONG_WORD = re.compile(rf"\S{{{LONGEST_WORD + 1},}}")


def printable(text: object) -> str:
    r"""A message: characters that do not print are escaped, long words and lines shortened in the middle.

    Args:
        text: anything that `str` takes.

    Returns:
        Text that UTF-8 can encode. Line feeds and tabs stay; a word over `LONGEST_WORD` or a line over `LONGEST_LINE`
        characters keeps its beginning, its end, and the number of characters left out.

    >>> printable("\x1b[2Jgone\a")
    '\\x1b[2Jgone\\x07'
    """
    lines = _escaped(str(text)).split("\n")
    return "\n".join(_shortened(_LONG_WORD.sub(_short_word, line), LONGEST_LINE) for line in lines)


def quoted(name: object) -> str:
    r"""A name in quotes, on one line, shortened in the middle.

    Args:
        name: anything that `str` takes.

    Returns:
        The name as Python writes a string; over `LONGEST_NAME` characters its beginning, its end and its length.

    >>> quoted("fc\n.weight")
    "'fc\\n.weight'"
    """
    text = str(name)
    if len(text) <= LONGEST_NAME:
        return _escaped(repr(text))
    return _escaped(f"{text[: LONGEST_NAME // 2]!r}...{text[-LONGEST_NAME // 4 :]!r} ({len(text):,} characters)")


def few(names: Iterable[str], shown: int = 3) -> str:
    """The first names of many, and how many more there are.

    Args:
        names: in order.
        shown: how many are named at most.

    Returns:
        One line; empty for no names.

    Example:
        >>> few(["a", "b", "c", "d", "e"])
        'a, b, c and 2 more'
    """
    listed = list(names)
    return ", ".join(listed[:shown]) + (f" and {len(listed) - shown} more" if len(listed) > shown else "")


def _escaped(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if character in "\n\t" or _prints(character) else _escape(character) for character in text)


def _prints(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) not in _UNPRINTABLE


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _short_word(match: re.Match[str]) -> str:
    return _shortened(match.group(), LONGEST_WORD)


def _shortened(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    head, tail = longest // 2, longest // 4
    return f"{text[:head]}...[{len(text) - head - tail:,} characters left out]...{text[-tail:]}"
