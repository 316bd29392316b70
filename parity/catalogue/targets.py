"""What a user names as a model: `package.module:callable`, with arguments or without, or a saved file."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SAVED = (".keras", ".h5", ".weights.h5", ".pdparams", ".pdmodel", ".pdiparams", ".json", ".safetensors", ".pb")

# of SAVED, those that only one framework reads
PADDLE_FILES, KERAS_FILES = (".pdparams", ".pdmodel", ".pdiparams"), (".keras", ".h5", ".pb")

EXAMPLE = "keras.applications:VGG16(weights=None)"


class TargetError(Exception):
    """A target that gives no model; one message: what was expected, what was found, what to try."""


class PrecisionError(TargetError):
    """A model that cannot be compared in this precision, and can in another one.

    Attributes:
        precision: that one: "float32", "float16", "bfloat16", "mixed_float16" or "mixed_bfloat16".
    """

    def __init__(self, message: str, precision: str) -> None:
        super().__init__(message)
        self.precision = precision


@dataclass(frozen=True)
class Target:
    """A named callable and its arguments, or the path of a saved model."""

    text: str
    module: str = ""
    attribute: str = ""
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def file(self) -> Path | None:
        """The saved model, where the target is one."""
        return None if self.module else Path(self.text)


def parse(text: str) -> Target:
    """Read `package.module:callable`, `package.module:callable(argument, name=value)` or the path of a saved model.

    Arguments are Python literals.

    Args:
        text: of the form above; a path is that of a folder, or has a suffix of `SAVED`.

    Returns:
        The target; of a path without a module. Nothing is imported, and the file need not exist.

    Raises:
        TargetError: text of another form.

    Example:
        >>> target = parse("keras.applications:VGG16(weights=None)")
        >>> target.module, target.attribute, target.kwargs
        ('keras.applications', 'VGG16', {'weights': None})
    """
    module, colon, expression = text.partition(":")
    if text.endswith(SAVED) or (not colon and Path(text).is_dir()):
        return Target(text)
    if not colon or not all(part.isidentifier() for part in module.split(".")):
        raise TargetError(
            f"{text!r}: expected package.module:callable, such as {EXAMPLE}, or a saved model's file or folder"
        )
    try:
        tree = ast.parse(expression, mode="eval").body
        call = tree if isinstance(tree, ast.Call) else ast.Call(tree, [], [])
        args = tuple(ast.literal_eval(argument) for argument in call.args)
        kwargs = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
        attribute = ast.unparse(call.func)
    except (SyntaxError, ValueError):
        attribute = ""
    if not all(part.isidentifier() for part in attribute.split(".")):
        raise TargetError(
            f"{text!r}: expected a name and arguments that are plain values after the colon, as in {EXAMPLE}"
        )
    return Target(text, module, attribute, args, kwargs)
