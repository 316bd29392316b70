"""What a user names as a model: `package.module:callable`, with arguments or without, or a saved file."""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parity.error_causes import cause

SAVED = (".keras", ".h5", ".weights.h5", ".pdparams", ".pdmodel", ".json", ".safetensors")

EXAMPLE = "keras.applications:VGG16(weights=None)"


class TargetError(Exception):
    """A target that gives no model; one message: what was expected, what was found, what to try."""


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
    """Read `package.module:callable`, `package.module:callable(argument, name=value)` or a file's path.

    Arguments are Python literals.

    Args:
        text: of the form above; a path has a suffix of `SAVED`.

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
    if text.endswith(SAVED):
        return Target(text)
    if not colon or not all(part.isidentifier() for part in module.split(".")):
        raise TargetError(f"{text!r}: expected package.module:callable, such as {EXAMPLE}, or a saved model's file")
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


def call(target: Target, offered: Mapping[str, Any]) -> Any:
    """Import the target's callable and call it.

    The working directory can be imported from, as in a script.

    Args:
        target: a callable, see `parse`; an object that cannot be called is returned as it is.
        offered: arguments that the callable gets where it has parameters of these names; those of the target go before.

    Raises:
        TargetError: the module cannot be imported, has no such name, or the call fails.
    """
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        attribute: Any = importlib.import_module(target.module)
    except Exception as error:
        raise TargetError(
            f"{target.text!r} cannot be imported: {cause(error)}. The module is looked for in "
            f"{Path.cwd()} and among the installed packages; try `python -c 'import {target.module}'` there."
        ) from error
    for part in target.attribute.split("."):
        if not hasattr(attribute, part):
            names = (
                [name for name in vars(attribute) if not name.startswith("_")][:8]
                if hasattr(attribute, "__dict__")
                else []
            )
            raise TargetError(f"{target.text!r}: {target.module} has no {part!r}; it has {', '.join(names)}, ...")
        attribute = getattr(attribute, part)
    if not callable(attribute):
        return attribute
    try:
        accepted = dict(inspect.signature(attribute).parameters)
        several = any(parameter.kind is parameter.VAR_KEYWORD for parameter in accepted.values())
    except (TypeError, ValueError):
        accepted, several = {}, False
    extra = {name: value for name, value in offered.items() if name in accepted or (several and name == "num_classes")}
    try:
        return attribute(*target.args, **(extra | dict(target.kwargs)))
    except Exception as error:
        raise TargetError(
            f"{target.text!r} does not build: {cause(error)}. It was called with "
            f"{_shown(target.args, extra | dict(target.kwargs))}; the target may give arguments, as in {EXAMPLE}."
        ) from error


def _shown(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    given = [repr(argument) for argument in args] + [f"{name}={value!r}" for name, value in kwargs.items()]
    return f"({', '.join(given)})"
