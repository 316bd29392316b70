"""A user's models: built, traced, and run under the canonical names that the alignment gave their layers."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import paddle
from paddle import nn

from paddle_impl import weights
from paddle_impl.kinds.geometry import channels_last
from paddle_impl.user_models.building import build_model, round_constants, set_weights, takes_channels_first
from paddle_impl.user_models.calling import running_in
from paddle_impl.user_models.tracing import Order, Trace, TracedStep
from parity.numerics.geometry import flattened_1x1
from parity.runtime.hosted_model import HostedModel
from parity.runtime.model_host import Host
from parity.runtime.model_state import Slot
from parity.weights.layout import Layout


class UserModel(HostedModel):
    """A Paddle layer."""

    def built(self) -> nn.Layer:
        return build_model(self.spec, self.dtype)

    def prepare(self) -> None:
        round_constants(self.model)
        self.model.eval()
        self.given = Order(first=len(self.spec.input.shape) == 2 and takes_channels_first(self.model, self.spec))
        self.last = any(channels_last(layer) for layer in self.model.sublayers(include_self=True))

    def reached(self, x: paddle.Tensor) -> Trace:
        with running_in(self.dtype), paddle.no_grad():
            return Trace(self.model, [x], lambda: self.model(x), self.given)

    def state(self) -> Mapping[str, paddle.Tensor]:
        return self.model.state_dict()

    def arrays_within(self, layer: nn.Layer) -> Collection[paddle.Tensor]:
        return layer.state_dict().values()

    def trainable(self, tensor: paddle.Tensor) -> bool:
        return not tensor.stop_gradient

    def trained(self, kind: str, tensor: paddle.Tensor) -> bool:
        return not tensor.stop_gradient

    def layout(self, step: TracedStep, kind: str, *, as_dense: bool) -> Layout:
        tensor, layout = step.arrays[kind]
        if as_dense:
            return Layout("OIHW 1x1")
        maps = self.steps[step.inputs[0]].order.maps if step.inputs[0] >= 0 else None  # of the rows that reach it
        if kind != "bias" and maps and tensor.shape[0] == math.prod(maps):
            return Layout("CHW rows", maps)
        return layout

    def read(self, slot: Slot) -> np.ndarray:
        return weights.read(slot)

    def write(self, slot: Slot, array: np.ndarray) -> None:
        weights.write(slot, array)

    def canonical_shape(self, step: TracedStep) -> tuple[int, ...]:
        shape = step.made[1:]
        if self._turned(len(step.made), step.order):
            shape = (*shape[1:], shape[0])
        return flattened_1x1(shape)

    def canonical_order(self, array: np.ndarray, step: TracedStep) -> np.ndarray:
        if self._turned(array.ndim, step.order):
            return np.moveaxis(array, 1, -1)
        if step.order.maps is not None:
            return weights.rows_to_hwc(array, step.order.maps)
        return array

    def own_order(self, array: np.ndarray, source: int) -> np.ndarray:
        order = self.steps[source].order if source >= 0 else self.given
        if self._turned(array.ndim, order):
            return np.moveaxis(array, -1, 1)
        if order.maps is not None:
            return weights.rows_from_hwc(array, order.maps)
        return array

    def _turned(self, rank: int, order: Order) -> bool:
        """Whether a tensor's channels come before its height and width, or its time steps."""
        return (rank > 3 and not self.last) or (rank == 3 and order.first)

    def tensor(self, array: np.ndarray) -> paddle.Tensor:
        whole = np.issubdtype(array.dtype, np.integer)
        return paddle.to_tensor(np.ascontiguousarray(array, "int64" if whole else self.dtype))

    @paddle.no_grad()
    def alone(self, name: str, inputs: Sequence[np.ndarray]) -> np.ndarray:
        return super().alone(name, inputs)

    def read_file(self, path: Path) -> None:
        set_weights(self.model, path)

    def write_file(self, path: Path) -> None:
        paddle.save(self.model.state_dict(), str(path))


host = Host(UserModel)
