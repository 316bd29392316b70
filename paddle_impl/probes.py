"""The verbs of the proofs, with Paddle's way to run and to observe layers and models: see `parity.runtime.probes`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import paddle
from paddle import nn

from paddle_impl.twin import twin
from paddle_impl.weights import rows_from_hwc, rows_to_hwc
from parity.numerics.arrays import Arrays
from parity.runtime.model_state import Slot
from parity.runtime.probes import Gradients, ProofProbes


class Probes(ProofProbes):
    """The verbs, about Paddle's twins."""

    def tensor(self, array: np.ndarray, layer: nn.Layer | None = None) -> paddle.Tensor:
        """NHWC maps -> NCHW; rows that were flattened from maps -> the order that Paddle flattens in."""
        if array.ndim == 4:
            array = array.transpose(0, 3, 1, 2)
        elif layer is not None and getattr(layer, "maps", None) is not None:
            array = rows_from_hwc(array, layer.maps)
        return paddle.to_tensor(np.ascontiguousarray(array))

    @paddle.no_grad()
    def alone(self, layer: nn.Layer, x: np.ndarray, *, training: bool) -> np.ndarray:
        return _canonical(_in_mode(layer, training)(self.tensor(x, layer)))

    def backward(self, layer: nn.Layer, x: np.ndarray, gradient: np.ndarray, slots: Sequence[Slot]) -> Gradients:
        given = self.tensor(x, layer)
        given.stop_gradient = False
        paddle.autograd.backward([_in_mode(layer, True)(given)], [self.tensor(gradient)])
        gradients: Gradients = [_canonical(given.grad, layer)]
        for slot in slots:
            gradients.append(None if slot.tensor.grad is None else slot.layout.read(slot.tensor.grad.numpy()))
            slot.tensor.clear_gradient(False)
        return gradients

    @paddle.no_grad()
    def watched_outputs(
        self, model: nn.Layer, images: paddle.Tensor, layers: Mapping[str, nn.Layer], *, training: bool
    ) -> Arrays:
        outputs: Arrays = {}
        hooks = [
            layer.register_forward_post_hook(
                lambda _, __, output, name=name: outputs.update({name: _canonical(output)})
            )
            for name, layer in layers.items()
        ]
        _run_once(_in_mode(model, training), images, hooks)
        return outputs

    @paddle.no_grad()
    def watched_inputs(self, model: nn.Layer, images: paddle.Tensor, layers: Mapping[str, nn.Layer]) -> Arrays:
        inputs: Arrays = {}
        hooks = [
            layer.register_forward_pre_hook(
                lambda layer, given, name=name: inputs.update({name: _canonical(given[0], layer)})
            )
            for name, layer in layers.items()
        ]
        _run_once(_in_mode(model, False), images, hooks)
        return inputs

    def inference(self, model: nn.Layer, dtype: str, count: int) -> Callable[[np.ndarray], np.ndarray]:
        @paddle.no_grad()
        def infer(images: np.ndarray) -> np.ndarray:
            return _in_mode(model, False)(self.tensor(images)).numpy()

        return infer


def _in_mode(layer: nn.Layer, training: bool) -> nn.Layer:
    """The layer, or model, in training or in inference mode."""
    if training:
        layer.train()
    else:
        layer.eval()
    return layer


def _run_once(model: nn.Layer, images: paddle.Tensor, hooks: Sequence[Any]) -> None:
    """Run the model, and take the hooks out of it."""
    try:
        model(images)
    finally:
        for hook in hooks:
            hook.remove()


def _canonical(output: paddle.Tensor, layer: nn.Layer | None = None) -> np.ndarray:
    """The inverse of `Probes.tensor`."""
    array = output.numpy()
    if array.ndim == 4:
        array = array.transpose(0, 2, 3, 1)
    elif layer is not None and getattr(layer, "maps", None) is not None:
        array = rows_to_hwc(array, layer.maps)
    return np.ascontiguousarray(array)


probes = Probes(twin)
