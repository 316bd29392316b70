"""A call of a layer or function inside of a Paddle model, changed: for what no number of a layer says."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import paddle
from paddle import nn

from paddle_impl.kinds import registry
from paddle_impl.user_models.tracing import operands
from parity.runtime.traced_steps import results_of, tensors_of, unique

Change = Callable[..., Any]  # of the call, its arguments by position and by keyword, to the result


def change_call(model: nn.Layer, step: str, change: Change) -> None:
    """Let one call inside of a model, the same in every run, give something else.

    Args:
        model: changed in place: its `forward` is replaced.
        step: the name that the call has in a trace, such as "block.relu" or "conv#2".
        change: is given the call, a function, and its arguments, and returns what stands for its result.

    Raises:
        ValueError: in a run, where no call has this name.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        >>> change_call(model, "1", lambda call, x: -call(x))
        >>> bool((model(paddle.ones([1, 2])) <= 0).all())
        True
    """
    forward = model.forward

    @functools.wraps(forward)
    def changed(*args: Any, **kwargs: Any) -> Any:
        run = _Run(model, step, change, tensors_of([*args, *kwargs.values()], paddle.Tensor))
        with run.intercepted():
            result = forward(*args, **kwargs)
        if not run.reached:
            raise ValueError(f"expected a call with the name {step!r}, found {', '.join(run.taken)}")
        return result

    model.forward = changed


class _Run:
    """One run of a model, in which layers and functions get the names that a trace gives them."""

    def __init__(self, model: nn.Layer, step: str, change: Change, inputs: list[paddle.Tensor]) -> None:
        self.step, self.change, self.reached = step, change, False
        self.taken: list[str] = []
        self._model = model
        self._paths = {id(layer): path for path, layer in model.named_sublayers()}
        self._inside = [type(model).__name__]
        self._alive = list(inputs)  # so that no id is given twice
        self._made = {id(tensor) for tensor in inputs}
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
                return self._step(path, functools.partial(call, layer), args, kwargs)
            self._inside.append(path)
            try:
                result = call(layer, *args, **kwargs)
            finally:
                self._inside.pop()
            self._keep(result)
            return result

        return spy

    def _function_spy(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def spy(*args: Any, **kwargs: Any) -> Any:
            tensors = [] if self._quiet else tensors_of([*args, *kwargs.values()], paddle.Tensor)
            if not any(id(tensor) in self._made for tensor in tensors):
                return original(*args, **kwargs)
            return self._step(f"{self._inside[-1]}.{name}", original, args, kwargs)

        spy.__name__ = getattr(original, "__name__", name)
        return spy

    def _step(self, path: str, call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        name = unique(path, self.taken)
        self.taken.append(name)
        self._quiet = True
        try:
            if name == self.step:
                self.reached = True
                result = self.change(call, *args, **kwargs)
            else:
                result = call(*args, **kwargs)
        finally:
            self._quiet = False
        self._keep(result)
        return result

    def _keep(self, result: Any) -> None:
        for tensor in results_of(result):
            if isinstance(tensor, paddle.Tensor):
                self._alive.append(tensor)
                self._made.add(id(tensor))
