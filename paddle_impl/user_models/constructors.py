"""What the layers of a user's model were made with: Paddle keeps no record of it."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from paddle import nn

from paddle_impl.kinds import registry

GIVEN = "_arguments_given"  # the attribute under which a layer keeps them, in copies of it, too


@contextlib.contextmanager
def keeping_arguments() -> Iterator[None]:
    """Let the layers that are made inside keep what they were made with."""
    with contextlib.ExitStack() as stack:
        for kind in registry.layers:
            stack.enter_context(mock.patch.object(kind, "__init__", _keeping(kind)))
        yield


def _keeping(kind: type[nn.Layer]) -> Callable[..., None]:
    init: Callable[..., None] = inspect.getattr_static(kind, "__init__")
    signature = inspect.signature(init)

    @functools.wraps(init)
    def kept(layer: nn.Layer, *args: Any, **kwargs: Any) -> None:
        init(layer, *args, **kwargs)
        if type(layer) is kind:  # and no class of the user's
            given = dict(signature.bind(layer, *args, **kwargs).arguments)
            given.pop(next(iter(signature.parameters)))
            vars(layer)[GIVEN] = given

    return kept


def given_arguments(layer: nn.Layer) -> dict[str, Any] | None:
    """What a layer was made with, by name; None where it was made outside of `keeping_arguments`."""
    given = vars(layer).get(GIVEN)
    return None if given is None else dict(given)
