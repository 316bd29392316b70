"""From a target that a user names to what it gives: its module is imported, its callable called."""

from __future__ import annotations

import importlib
import importlib.abc
import inspect
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from parity.catalogue.targets import EXAMPLE, Target, TargetError
from parity.error_causes import ForeignImportError, cause


class StandardLibraryFinder(importlib.abc.MetaPathFinder):
    """Finds modules of Python's standard library before files of the same names in the working directory.

    As `python script.py` runs them, a `random.py` beside a script would take the place of Python's own for every
    package, numpy among them, and end in an error that does not name it.
    """

    def __init__(self) -> None:
        folder = Path(os.__file__).parent
        self.path = [str(folder), str(folder / "lib-dynload")]

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a module of the standard library whose name a file has; None for all others."""
        if fullname not in sys.stdlib_module_names or not {f"{fullname}.py", fullname} & set(shadowed(Path.cwd())):
            return None
        return PathFinder.find_spec(fullname, self.path)


def shadowed(folder: Path) -> list[str]:
    """Files and packages of a folder that have the names of modules of Python's standard library.

    Args:
        folder: from which modules are imported.

    Returns:
        Such as "random.py", sorted.
    """
    names = [path.name for path in folder.glob("*.py") if path.stem in sys.stdlib_module_names]
    names += [path.parent.name for path in folder.glob("*/__init__.py") if path.parent.name in sys.stdlib_module_names]
    return sorted(names)


def call(target: Target, offered: Mapping[str, Any]) -> Any:
    """Import the target's callable and call it.

    The working directory can be imported from, as in a script; but Python's own modules come before its files.

    Args:
        target: a callable, see `parse`; an object that cannot be called is returned as it is.
        offered: arguments that the callable gets where it has parameters of these names; those of the target go before.

    Raises:
        TargetError: the module cannot be imported, has no such name, ends the process, or the call fails.
    """
    try:
        return _called(target, offered)
    except TargetError as error:
        if (foreign := _foreign_import(error)) is not None:
            raise TargetError(
                f"{target.text!r} imports {foreign.name}, and both frameworks cannot be imported into one process. "
                "The TensorFlow model is the first target, the Paddle model the second: exchange them if they were "
                "given the other way round. A module that holds both models imports each framework in the function "
                "that needs it."
            ) from foreign
        if names := shadowed(Path.cwd()):
            raise TargetError(
                f"{error} In {Path.cwd()}, {', '.join(names[:5])} {'have names' if len(names) > 1 else 'has the name'} "
                "of Python's standard library, whose own modules are imported in their place: rename what is yours."
            ) from error.__cause__
        raise


def _foreign_import(error: BaseException) -> ForeignImportError | None:
    """The import of the other framework that led to an error, also where a package has put its own words to it."""
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        if isinstance(at, ForeignImportError):
            return at
        seen.add(id(at))
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    return None


def _called(target: Target, offered: Mapping[str, Any]) -> Any:
    """As `call`; a TargetError names what failed."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    if not any(isinstance(finder, StandardLibraryFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, StandardLibraryFinder())
    try:
        attribute: Any = importlib.import_module(target.module)
    except (Exception, SystemExit) as error:
        raise TargetError(
            f"{target.text!r} cannot be imported: {_cause(error)}. The module is looked for in "
            f"{here} and among the installed packages; try `python -c 'import {target.module}'` there."
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
    except (Exception, SystemExit) as error:
        raise TargetError(
            f"{target.text!r} does not build: {_cause(error)}. It was called with "
            f"{_shown(target.args, extra | dict(target.kwargs))}; the target may give arguments, as in {EXAMPLE}."
        ) from error


def _cause(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return (
            f"it ends the process (SystemExit: {error.code}), as scripts do that read arguments; what only a script "
            'does belongs under `if __name__ == "__main__":`'
        )
    return cause(error) if isinstance(error, Exception) else str(error)


def _shown(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    given = [repr(argument) for argument in args] + [f"{name}={value!r}" for name, value in kwargs.items()]
    return f"({', '.join(given)})"
