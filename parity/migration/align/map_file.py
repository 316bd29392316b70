"""The file of `--map` and `--write-map`: which layer of the TensorFlow model is which of the Paddle model."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.specs import FIRST, SECOND, MatchError
from parity.printable import printable
from parity.system import write_atomically

EXAMPLE = '[layers]\n"block1_conv1" = "features.0"'


def read_map(path: Path) -> dict[str, str]:
    """Read the table `layers` of a map file.

    Args:
        path: a TOML file.

    Returns:
        Names of the TensorFlow model's layers to names of the Paddle model's.

    Raises:
        MatchError: the file cannot be read, or holds no such table.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "map.toml")
        ...     _ = path.write_text(EXAMPLE)
        ...     read_map(path)
        {'block1_conv1': 'features.0'}
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise MatchError(f"{path}: expected a TOML file such as\n{EXAMPLE}\nfound: {error}") from None
    layers = content.get("layers")
    if not isinstance(layers, dict) or not all(isinstance(value, str) for value in layers.values()):
        raise MatchError(f"{path}: expected a table [layers] of names, such as\n{EXAMPLE}")
    return layers


def write_map(path: Path, pair: RecordedPair) -> None:
    """Write a map file of the layers with arrays that correspond; arrays of one model only follow as comments.

    Args:
        path: the file to write.
        pair: aligned.

    Raises:
        OSError: the file cannot be written.
    """
    first, second = pair.graphs[FIRST], pair.graphs[SECOND]
    lines = [
        f"# {_one_line(pair.specs[FIRST].target)}",
        f"# {_one_line(pair.specs[SECOND].target)}",
        "# `parity compare ... --map` takes these as given and finds the rest by itself.",
        "",
        "[layers]",
    ]
    for unit_pair in pair.alignment.pairs:
        if len(unit_pair.first) == 1 and first.units[unit_pair.first[0]].path and second.units[unit_pair.second].path:
            why = "their values agree" if unit_pair.certified else "by shapes and order; their values differ"
            names = first.units[unit_pair.first[0]].path, second.units[unit_pair.second].path
            lines.append(f"{_quoted(names[0])} = {_quoted(names[1])}  # {why}")
    comments = [f"TensorFlow only: {name}" for name in pair.alignment.alone[0]]
    comments += [f"Paddle only: {name}" for name in pair.alignment.alone[1]]
    lines += ["", *(f"# {_one_line(comment)}" for comment in comments)]
    write_atomically(path, "\n".join(lines).rstrip("\n") + "\n")


def _quoted(name: str) -> str:
    """A TOML basic string, which escapes as JSON does, and DEL too."""
    return json.dumps(name, ensure_ascii=False).replace("\x7f", "\\u007f")


def _one_line(text: str) -> str:
    """The text of a comment: a line break in a name must not begin a new line of the file."""
    return " ".join(printable(text).split())
