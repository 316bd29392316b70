"""Calls of layers and functions inside of a Paddle model, changed: for what no number of a layer says."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import paddle
from paddle import nn

from paddle_impl.kinds import registry
from paddle_impl.user_models.tracing import operands
from parity.runtime.traced_steps import tensors_of, unique

Change = Callable[..., Any]  # of the call, its arguments by position and by keyword, to the result


def change_call(model: nn.Layer, steps: str | Collection[str], change: Change) -> None:
    """Let one call inside of a model, or some, the same in every run, give something else.

    Args:
        model: changed in place: its `forward` is replaced.
        steps: the name that the call has in a trace, such as "block.relu" or "conv#2", or the names of several.
        change: is given the call, a function, and its arguments, and returns what stands for its result.

    Raises:
        ValueError: in a run, where no call has one of these names.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        >>> change_call(model, "1", lambda call, x: -call(x))
        >>> bool((model(paddle.ones([1, 2])) <= 0).all())
        True
    """
    forward, names = model.forward, {steps} if isinstance(steps, str) else set(steps)

    @functools.wraps(forward)
    def changed(*args: Any, **kwargs: Any) -> Any:
        run = _Run(model, names, change)
        with run.intercepted():
            result = forward(*args, **kwargs)
        if missing := names - set(run.taken):
            raise ValueError(f"expected a call with the name {min(missing)!r}, found {', '.join(run.taken)}")
        return result

    model.forward = changed


class _Run:
    """One run of a model, in which layers and functions get the names that a trace gives them."""

    def __init__(self, model: nn.Layer, steps: Collection[str], change: Change) -> None:
        self.steps, self.change = steps, change
        self.taken: list[str] = []
        self._model = model
        self._paths = {id(layer): path for path, layer in model.named_sublayers()}
        self._inside = [type(model).__name__]
        self._quiet = False  # inside of what is one step

    @contextmanager
    def intercepted(self) -> Iterator[None]:
        """A context in which calls are named, and the one is changed."""
        with ExitStack() as stack:
            stack.enter_context(mock.patch.object(nn.Layer, "__call__", self._layer_spy(nn.Layer.__call__)))
            spies = {}
            for name, locations in registry.called.items():
                for owner, attribute in locations:
                    original = getattr(owner, attribute)
                    spies[id(original)] = self._function_spy(name, original)
                    stack.enter_context(mock.patch.object(owner, attribute, spies[id(original)]))
            for layer in self._model.sublayers(include_self=True):
                kept = [] if registry.known(layer) else list(vars(layer).items())
                for attribute, value in kept:
                    if id(value) in spies:
                        stack.enter_context(mock.patch.object(layer, attribute, spies[id(value)]))
            yield

    def _layer_spy(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def spy(layer: nn.Layer, *args: Any, **kwargs: Any) -> Any:
            if self._quiet:
                return call(layer, *args, **kwargs)
            path = self._paths.get(id(layer)) or type(layer).__name__
            several = operands(layer, args, kwargs) is not None
            single = registry.known(layer) and len(args) == 1 and not kwargs and isinstance(args[0], paddle.Tensor)
            if several or single:
                return self._step(path, functools.partial(call, layer), args, kwargs, layer=True)
            self._inside.append(path)
            try:
                return call(layer, *args, **kwargs)
            finally:
                self._inside.pop()

        return spy

    def _function_spy(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def spy(*args: Any, **kwargs: Any) -> Any:
            if self._quiet or not tensors_of([*args, *kwargs.values()], paddle.Tensor):
                return original(*args, **kwargs)
            return self._step(f"{self._inside[-1]}.{name}", original, args, kwargs, layer=False)

        spy.__name__ = getattr(original, "__name__", name)
        return spy

    def _step(
        self, path: str, call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], *, layer: bool
    ) -> Any:
        name = unique(path, self.taken)
        self._quiet = True
        try:
            result = self.change(call, *args, **kwargs) if name in self.steps else call(*args, **kwargs)
        finally:
            self._quiet = False
        if layer or isinstance(result, paddle.Tensor):  # a function of several results is no step of a trace
            self.taken.append(name)
        return result
