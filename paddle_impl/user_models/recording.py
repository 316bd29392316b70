"""Record the operations that a Paddle model runs: all functions of `_C_ops`, old and new, and methods of tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import paddle
from paddle import nn

from paddle_impl.user_models.patching import patched
from parity.runtime import recording

# methods of `paddle.Tensor` that compute without a function of `_C_ops`
OPERATORS = tuple(
    f"__{prefix}{name}__"
    for name in ("add", "sub", "mul", "div", "truediv", "floordiv", "pow", "mod", "matmul")
    for prefix in ("", "r")
)
COMPARISONS = tuple(f"__{name}__" for name in ("gt", "ge", "lt", "le", "eq", "ne"))
ALIASES = ("clone", "contiguous", "detach", "_new_shared_tensor", "_tensor_use_gpudnn")  # the same numbers
METHODS = (*OPERATORS, *COMPARISONS, *ALIASES, "__getitem__", "__setitem__", "copy_")
PROPERTIES = ("T", "mT")


class Recorder(recording.Recorder):
    """Records what a Paddle layer runs."""

    def __init__(self, model: nn.Layer, arrays: Mapping[str, paddle.Tensor]) -> None:
        super().__init__(arrays, {id(layer): path for path, layer in model.named_sublayers()})
        self._names = {id(tensor): name for name, tensor in arrays.items()}
        self._busy = False  # inside an operation, whose own parts are not recorded

    def identity(self, tensor: paddle.Tensor) -> int:
        return id(tensor)

    def number(self, tensor: paddle.Tensor) -> int:
        if id(tensor) not in self._numbers and id(tensor) in self._names:
            return self.array(self._names[id(tensor)], tensor)
        return super().number(tensor)

    @contextmanager
    def intercepted(self) -> Iterator[None]:
        spies = {
            id(function): self._spy(name, function)
            for operations in (paddle._C_ops, paddle._legacy_C_ops)
            for name, function in vars(operations).items()
            if callable(function) and not name.startswith("_") and not isinstance(function, type)
        }
        layer_spy = (nn.Layer, "__call__", self._layer_spy(nn.Layer.__call__))
        with patched(spies, [*self._methods(), layer_spy]):
            yield

    def _methods(self) -> Iterator[tuple[Any, str, Any]]:
        own = vars(paddle.Tensor)
        for name in METHODS:
            if name in own:
                yield paddle.Tensor, name, self._spy(name.strip("_"), own[name], own[name])
        for name in PROPERTIES:
            if isinstance(own.get(name), property):
                yield paddle.Tensor, name, property(self._spy(name, own[name].fget))

    def _spy(self, name: str, function: Callable[..., Any], method: Any = None) -> Callable[..., Any]:
        writes = name.endswith("_") or name == "setitem"

        def spy(*args: Any, **kwargs: Any) -> Any:
            if self._busy:
                return function(*args, **kwargs)
            self._busy = True
            try:
                inputs = [self.number(tensor) for tensor in tensors_of((args, kwargs))]
                run = _again(function, args, kwargs, writes=writes)
                result = function(*args, **kwargs)
                made = [args[0]] if name == "setitem" else tensors_of(result)
                self.operation(name, inputs, [tensor for tensor in made if tensor._is_initialized()], run)
            finally:
                self._busy = False
            return result

        return spy

    def _layer_spy(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def spy(layer: nn.Layer, *args: Any, **kwargs: Any) -> Any:
            if self._busy:
                return call(layer, *args, **kwargs)
            return self.layer_call(layer, lambda: call(layer, *args, **kwargs), tensors_of((args, kwargs)), tensors_of)

        return spy


def tensors_of(value: Any) -> list[paddle.Tensor]:
    """The tensors in nested lists, tuples and dictionaries, in order; a tensor without memory is none."""
    if isinstance(value, paddle.Tensor):
        return [value] if value._is_initialized() else []
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [tensor for element in value for tensor in tensors_of(element)]
    return []


def _again(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], *, writes: bool
) -> Callable[[Sequence[paddle.Tensor]], list[paddle.Tensor]]:
    """The same call on other tensors; one that overwrites its first argument works on a copy of it."""

    def run(tensors: Sequence[paddle.Tensor]) -> list[paddle.Tensor]:
        left = iter([tensors[0].clone(), *tensors[1:]] if writes else tensors)

        def put(value: Any) -> Any:
            if isinstance(value, paddle.Tensor):
                return next(left) if value._is_initialized() else value
            if isinstance(value, Mapping):
                return {name: put(element) for name, element in value.items()}
            if isinstance(value, (list, tuple)):
                return type(value)(put(element) for element in value)
            return value

        own = [put(value) for value in args]
        result = function(*own, **{name: put(value) for name, value in kwargs.items()})
        return tensors_of(own[0] if result is None else result)

    return run
