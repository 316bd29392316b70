"""A user's Paddle layer, recorded operation by operation."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from paddle_impl.user_models import fixing
from paddle_impl.user_models.building import build_running, round_constants, set_weights
from paddle_impl.user_models.calling import call_model, callings, dtype_of, flatten_outputs, to_tensors
from paddle_impl.user_models.exact import exact_average_pools
from paddle_impl.user_models.noise import shared_noise
from paddle_impl.user_models.recording import Recorder
from paddle_impl.user_models.tracing import Order, Trace
from parity.numerics.arrays import Arrays
from parity.numerics.tolerance import Roundings
from parity.runtime import recorded_model
from parity.runtime.calling import Calling, Running
from parity.runtime.recorded_models import RecordedModels
from parity.runtime.recording import Recording
from parity.runtime.user_models import HALF, BuildSpec


class RecordedModel(recorded_model.RecordedModel):
    """A Paddle layer."""

    fixer, fix_head, fix_helpers = fixing.Fixer(), fixing.HEAD, fixing.HELPERS

    def built(self, spec: BuildSpec, dtype: str) -> Running:
        return build_running(spec, dtype)

    def prepare(self) -> None:
        round_constants(self.model)
        self.model.eval()

    def callings(self) -> Iterator[Calling]:
        return callings(self.model, self.spec, self.dtype)

    def state(self) -> Mapping[str, paddle.Tensor]:
        buffers = {name: tensor for name, tensor in self.model.named_buffers() if tensor._is_initialized()}
        return {**dict(self.model.named_parameters()), **buffers}

    def read_array(self, tensor: paddle.Tensor) -> np.ndarray:
        return np.array(_full(tensor).numpy())

    def write_array(self, tensor: paddle.Tensor, array: np.ndarray) -> None:
        half = dtype_of(tensor) in HALF  # numpy has no bfloat16
        tensor.set_value(self.tensor_like(array, tensor) if half else array.astype(tensor.numpy().dtype, copy=False))

    def read_file(self, path: Path) -> None:
        set_weights(self.model, path)

    def write_file(self, path: Path) -> Collection[str]:
        held = self.model.state_dict()
        paddle.save(held, str(path))
        return [name for name in self.state() if name in held]

    def trainable(self, tensor: paddle.Tensor) -> bool:
        return not tensor.stop_gradient

    @paddle.no_grad()
    def recorded(self, inputs: Arrays, *, traced: bool = False) -> Recording:
        tensors = to_tensors(inputs, self.spec.inputs, self.calling.axes, self.dtype)
        recorder = Recorder(self.model, self.state())
        with shared_noise(), recorder.recording(tensors) as recording:
            if traced:
                order = Order(first=(0, 2, 1) in self.calling.axes)
                trace = Trace(self.model, list(tensors.values()), lambda: self.called(tensors), order, everything=True)
                outputs, steps = trace.result, trace.steps
            else:
                outputs, steps = self.called(tensors), []
            recording.outputs = [(path, recorder.number(tensor)) for path, tensor in outputs]
            recording.steps = recorder.of_steps(steps)
        return recording

    @paddle.no_grad()
    def outputs(self, inputs: Arrays) -> list[tuple[str, paddle.Tensor]]:
        with shared_noise():
            return self.called(to_tensors(inputs, self.spec.inputs, self.calling.axes, self.dtype))

    def training_pass(self, inputs: Arrays, cotangents: Sequence[np.ndarray]) -> tuple[list[np.ndarray], Arrays]:
        tensors = to_tensors(inputs, self.spec.inputs, self.calling.axes, self.dtype)
        trained = {name: tensor for name, tensor in self.state().items() if not tensor.stop_gradient}
        with shared_noise(), exact_average_pools():
            flat = flatten_outputs(call_model(self.model, tensors, True, self.calling.way))
            outputs = [tensor for _, tensor in flat if tensor.is_floating_point()]
            recorded_model.require_as_many(outputs, cotangents)
            products = [
                (y * paddle.to_tensor(np.ascontiguousarray(c)).astype(y.dtype)).sum()
                for y, c in zip(outputs, cotangents, strict=True)
            ]
            paddle.add_n(products).backward()
        found: Arrays = {}
        for name, tensor in trained.items():  # one after the other: those of a large model are as large as the model
            if tensor.grad is not None:
                found[name] = tensor.grad.numpy()
                tensor.clear_gradient(set_to_zero=False)
        return [tensor.detach().numpy() for tensor in outputs], found

    def called(self, tensors: Mapping[str, paddle.Tensor]) -> list[tuple[str, paddle.Tensor]]:
        """What the model gives for tensors."""
        return flatten_outputs(call_model(self.model, tensors, way=self.calling.way))

    @paddle.no_grad()
    def evaluate(self, operations: Sequence[int], roundings: Roundings | None = None) -> None:
        super().evaluate(operations, roundings)

    def numbers(self, tensor: Any) -> np.ndarray:
        return np.array(_full(tensor).numpy())

    def tensor_like(self, array: np.ndarray, like: paddle.Tensor) -> paddle.Tensor:
        return paddle.to_tensor(np.ascontiguousarray(array)).astype(like.dtype)


def _full(tensor: paddle.Tensor) -> paddle.Tensor:
    """A tensor as it is, one of half precision in float32."""
    return tensor.astype("float32") if dtype_of(tensor) in HALF else tensor


models = RecordedModels(RecordedModel)
