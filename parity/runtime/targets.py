"""From a target that a user names to what it gives: its module is imported, its callable called."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parity.catalogue.targets import EXAMPLE, Target, TargetError
from parity.error_causes import ForeignImportError, cause


def call(target: Target, offered: Mapping[str, Any]) -> Any:
    """Import the target's callable and call it.

    The working directory can be imported from, as in a script.

    Args:
        target: a callable, see `parse`; an object that cannot be called is returned as it is.
        offered: arguments that the callable gets where it has parameters of these names; those of the target go before.

    Raises:
        TargetError: the module cannot be imported, has no such name, or the call fails.
    """
    try:
        return _called(target, offered)
    except TargetError as error:
        if not isinstance(error.__cause__, ForeignImportError):
            raise
        raise TargetError(
            f"{target.text!r} imports {error.__cause__.name}, and both frameworks cannot be imported into one process. "
            "The TensorFlow model is the first target, the Paddle model the second: exchange them if they were given "
            "the other way round. A module that holds both models imports each framework in the function that needs it."
        ) from error.__cause__


def _called(target: Target, offered: Mapping[str, Any]) -> Any:
    """As `call`; a TargetError names what failed."""
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
