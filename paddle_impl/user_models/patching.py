"""Other functions in the place of Paddle's operations, wherever a module holds them."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import paddle

Replacement = tuple[Any, str, Any]  # a module or class, an attribute, and what it is to be

_HELD: dict[int, tuple[Any, int, list[str]]] = {}  # by the id of a module: itself, how many names it had, and _holds


@contextmanager
def patched(spies: Mapping[int, Callable[..., Any]], others: Iterable[Replacement] = ()) -> Iterator[None]:
    """Inside this context every module and `paddle.Tensor` hold the replacements.

    Args:
        spies: by the id of a function, its replacement: code that imported the function by name calls it there.
        others: further replacements.
    """
    replaced = [*_places(spies), *others]
    originals = [(owner, name, vars(owner)[name]) for owner, name, _ in replaced]
    try:
        for owner, name, spy in replaced:
            setattr(owner, name, spy)
        yield
    finally:
        for owner, name, original in originals:
            setattr(owner, name, original)


def _places(spies: Mapping[int, Callable[..., Any]]) -> Iterator[Replacement]:
    for owner in [*sys.modules.values(), paddle.Tensor]:
        for name in _holds(owner, spies):
            value = vars(owner).get(name)
            if id(value) in spies:
                yield owner, name, spies[id(value)]


def _holds(owner: Any, spies: Collection[int]) -> list[str]:
    """The names in a module or class that hold operations; looked for again only where it has gained or lost names."""
    names = getattr(owner, "__dict__", {})
    known = _HELD.get(id(owner))
    if known is not None and known[0] is owner and known[1] == len(names):
        return known[2]
    # inside another context there are replacements in the place of operations
    found = [name for name, value in list(names.items()) if id(value) in _operations() or id(value) in spies]
    _HELD[id(owner)] = owner, len(names), found
    return found


@functools.cache
def _operations() -> frozenset[int]:
    """The ids of all functions of Paddle's kernels."""
    return frozenset(
        id(function)
        for module in (paddle._C_ops, paddle._legacy_C_ops)
        for name, function in vars(module).items()
        if callable(function) and not name.startswith("_") and not isinstance(function, type)
    )
