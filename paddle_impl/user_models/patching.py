"""Other functions in the place of Paddle's operations, wherever a module holds them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import paddle

Replacement = tuple[Any, str, Any]  # a module or class, an attribute, and what it is to be


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
        for name, value in list(getattr(owner, "__dict__", {}).items()):
            if id(value) in spies and callable(value):
                yield owner, name, spies[id(value)]
