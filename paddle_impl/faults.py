"""Known faults for the built twin, put in from outside: they show what the suite finds. No other file knows of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import paddle
from paddle import nn
from paddle.nn import functional

from paddle_impl import training
from paddle_impl.models import cached
from paddle_impl.optimizers import Optimizer
from paddle_impl.steps import layers_of

Patches = Iterator[Any]

_injected = ExitStack()


def inject(network: str, fault: str, stage: str = "") -> dict[str, Any]:
    """Put a fault into a layer of the network's float32 and float64 models, or into the training's loss or optimizer.

    `stage` is the layer's canonical name, empty for the training's faults. It stays until `heal`. Raises KeyError for
    an unknown fault or layer.
    """
    heal()
    if fault in TRAINING_FAULTS:
        patches = list(TRAINING_FAULTS[fault]())
    else:
        models = [cached(network, dtype) for dtype in ("float32", "float64")]
        patches = [each for model in models for each in LAYER_FAULTS[fault](layers_of(model)[stage])]
    for each in patches:
        _injected.enter_context(each)
    return {}


def heal() -> dict[str, Any]:
    """Take back what was injected."""
    _injected.close()
    training.loop.forget()  # it may be compiled with the fault in it
    return {}


def _symmetric_padding(layer: nn.Layer) -> Patches:
    """As many cells on every side, where SAME pads the bottom and the right of an even map only."""
    cells = layer.spec.get("window", 3) // 2 if layer.spec["kind"] == "max_pool" else layer.weight.shape[2] // 2
    stride = layer.spec["stride"]

    def conv(x: paddle.Tensor) -> paddle.Tensor:
        return functional.conv2d(x, layer.weight, layer.bias, stride=stride, padding=cells)

    def pool(x: paddle.Tensor) -> paddle.Tensor:
        return functional.max_pool2d(x, layer.spec["window"], stride=stride, padding=cells)

    yield patch.object(layer, "forward", pool if layer.spec["kind"] == "max_pool" else conv)


def _other_epsilon(layer: nn.Layer) -> Patches:
    """The other framework's default."""
    yield patch.object(layer, "_epsilon", 1e-5 if layer._epsilon > 1e-4 else 1e-3)


def _other_momentum(layer: nn.Layer) -> Patches:
    """The other framework's default."""
    yield patch.object(layer, "_momentum", 0.9 if layer._momentum > 0.95 else 0.99)


def _unbiased_variance(layer: nn.Layer) -> Patches:
    """The running variance is moved by the variance with n - 1."""
    own = layer.forward

    def forward(x: paddle.Tensor) -> paddle.Tensor:
        y = own(x)
        if layer.training:
            with paddle.no_grad():
                axes = [axis for axis in range(x.ndim) if axis != 1]
                count = x.size // x.shape[1]
                excess = x.var(axis=axes, unbiased=False) / (count - 1)
                layer._variance.set_value(layer._variance + (1 - layer._momentum) * excess)
        return y

    yield patch.object(layer, "forward", forward)


def _frozen_statistics(layer: nn.Layer) -> Patches:
    """Training leaves the running statistics as they are."""
    own = layer.forward

    def forward(x: paddle.Tensor) -> paddle.Tensor:
        before = layer._mean.clone(), layer._variance.clone()
        y = own(x)
        layer._mean.set_value(before[0])
        layer._variance.set_value(before[1])
        return y

    yield patch.object(layer, "forward", forward)


def _batch_statistics(layer: nn.Layer) -> Patches:
    """Inference normalises by the batch's own statistics."""
    own = layer.forward

    def forward(x: paddle.Tensor) -> paddle.Tensor:
        if layer.training:
            return own(x)
        axes = [axis for axis in range(x.ndim) if axis != 1]
        mean, variance = x.mean(axis=axes, keepdim=True), x.var(axis=axes, unbiased=False, keepdim=True)
        scale, shift = (each.reshape(mean.shape) for each in (layer.weight, layer.bias))
        return (x - mean) / paddle.sqrt(variance + layer._epsilon) * scale + shift

    yield patch.object(layer, "forward", forward)


def _relu_missing(layer: nn.Layer) -> Patches:
    """The activation is left out."""
    yield patch.object(layer, "forward", lambda x: x)


def _relu_added(layer: nn.Layer) -> Patches:
    """An activation that the network does not have."""
    own = layer.forward
    yield patch.object(layer, "forward", lambda x: functional.relu(own(x)))


def _bias_left_out(layer: nn.Layer) -> Patches:
    """The layer computes without its bias."""
    own = layer.forward

    def forward(x: paddle.Tensor) -> paddle.Tensor:
        bias = layer.bias if layer.spec["kind"] == "dense" else layer.bias.reshape([1, -1, 1, 1])
        return own(x) - bias

    yield patch.object(layer, "forward", forward)


def _keep_probability(layer: nn.Layer) -> Patches:
    """The rate is read as the share that is kept."""
    yield patch.object(layer, "rate", 1 - layer.rate)


def _inference_scaling(layer: nn.Layer) -> Patches:
    """Dropout of the old kind: nothing is scaled in training, everything in inference."""
    own = layer.forward
    keep = 1 - layer.rate
    yield patch.object(layer, "forward", lambda x: own(x) * keep)


def _averaged_window(layer: nn.Layer) -> Patches:
    """Alpha counts for the mean over the window, not for the sum."""
    size = 2 * layer.facts.radius + 1
    yield patch.object(layer, "facts", dataclasses.replace(layer.facts, alpha=layer.facts.alpha / size))
    yield patch.object(layer, "alpha", layer.alpha / size)


def _reduced_precision(layer: nn.Layer) -> Patches:
    """A float32 layer multiplies with TF32's eleven significant bits."""
    if layer.weight.dtype != paddle.float32:
        return
    own = layer.forward
    split = 2.0**13 + 1  # Veltkamp: cuts off the last 13 of 24 bits

    def cut(x: paddle.Tensor) -> paddle.Tensor:
        large = x * split
        return large - (large - x)

    def forward(x: paddle.Tensor) -> paddle.Tensor:
        exact = layer.weight.clone()
        layer.weight.set_value(cut(exact))
        y = own(cut(x))
        layer.weight.set_value(exact)
        return y

    yield patch.object(layer, "forward", forward)


def _one_nan(layer: nn.Layer) -> Patches:
    """One number of the output is not a number."""
    own = layer.forward

    def forward(x: paddle.Tensor) -> paddle.Tensor:
        y = own(x)
        first = (paddle.arange(y.size) == 0).reshape(y.shape)
        return paddle.where(first, paddle.full([], float("nan"), y.dtype), y)

    yield patch.object(layer, "forward", forward)


def _softmax_twice() -> Patches:
    """The loss takes probabilities for logits."""
    own = training._losses
    yield patch.object(training, "_losses", lambda logits, labels: own(functional.softmax(logits), labels))


def _label_column() -> Patches:
    """Labels [n, 1] against losses [n]: every image's loss counts every label."""
    own = training._losses

    def losses(logits: paddle.Tensor, labels: paddle.Tensor) -> paddle.Tensor:
        count = len(labels)
        return own(logits.repeat_interleave(count, axis=0), labels.tile([count]))

    yield patch.object(training, "_losses", losses)


def _folded_rate() -> Patches:
    """The velocity holds the learning rate: v = momentum * v - rate * g; w += v."""

    def apply(self: Optimizer, rate: float) -> None:
        def update(place: Any, parameter: paddle.Tensor, gradient: paddle.Tensor) -> None:
            momentum = self.rule["momentum"]
            before = _memory(self).get(place, paddle.zeros_like(parameter))
            velocity = momentum * before - rate * gradient
            _memory(self)[place] = velocity
            step = momentum * velocity - rate * gradient if self.rule["kind"] == "nesterov" else velocity
            parameter.set_value(parameter + step)

        _updated(self, update)

    yield patch.object(Optimizer, "apply", apply)


def _epsilon_hat() -> Patches:
    """Adam's epsilon stands beside the uncorrected root."""

    def apply(self: Optimizer, rate: float) -> None:
        steps = _memory(self).setdefault("steps", 0) + 1
        _memory(self)["steps"] = steps

        def update(place: Any, parameter: paddle.Tensor, gradient: paddle.Tensor) -> None:
            beta1, beta2 = self.rule["beta1"], self.rule["beta2"]
            none = paddle.zeros_like(parameter)
            m, v = _memory(self).get(place, (none, none))
            m, v = beta1 * m + (1 - beta1) * gradient, beta2 * v + (1 - beta2) * gradient * gradient
            _memory(self)[place] = m, v
            corrected = rate * (1 - beta2**steps) ** 0.5 / (1 - beta1**steps)
            parameter.set_value(parameter - corrected * m / (paddle.sqrt(v) + self.rule["epsilon"]))

        _updated(self, update)

    yield patch.object(Optimizer, "apply", apply)


def _decoupled_decay() -> Patches:
    """Weight decay shrinks the weights by rate * decay, beside the gradient's step."""
    own = Optimizer.apply

    @paddle.no_grad()
    def apply(self: Optimizer, rate: float) -> None:
        shrunk = [(slot.tensor, slot.tensor.regularizer) for slot in self.slots if slot.tensor.regularizer is not None]
        shifts = [rate * decay._coeff * tensor for tensor, decay in shrunk]
        for tensor, _ in shrunk:
            tensor.regularizer = None
        own(self, rate)
        for (tensor, decay), shift in zip(shrunk, shifts, strict=True):
            tensor.set_value(tensor - shift)
            tensor.regularizer = decay

    yield patch.object(Optimizer, "apply", apply)


def _memory(optimizer: Optimizer) -> dict[Any, Any]:
    """What a faulty rule remembers, kept with the kernel that it replaces, which a new training makes anew."""
    return optimizer.kernel.__dict__.setdefault("faulty", {})


def _updated(optimizer: Optimizer, update: Callable[[Any, paddle.Tensor, paddle.Tensor], None]) -> None:
    """One step by a rule of one's own, on gradients with the weight decay added."""
    with paddle.no_grad():
        for place, slot in enumerate(optimizer.slots):
            decay = slot.tensor.regularizer
            gradient = slot.tensor.grad + (decay._coeff * slot.tensor if decay is not None else 0.0)
            update(place, slot.tensor, gradient)
    optimizer.clear_gradients()


LAYER_FAULTS: dict[str, Callable[[nn.Layer], Patches]] = {
    "symmetric padding": _symmetric_padding,
    "other epsilon": _other_epsilon,
    "other momentum": _other_momentum,
    "unbiased variance": _unbiased_variance,
    "frozen statistics": _frozen_statistics,
    "batch statistics": _batch_statistics,
    "relu missing": _relu_missing,
    "relu added": _relu_added,
    "bias left out": _bias_left_out,
    "keep probability": _keep_probability,
    "inference scaling": _inference_scaling,
    "averaged window": _averaged_window,
    "reduced precision": _reduced_precision,
    "one nan": _one_nan,
}

TRAINING_FAULTS: dict[str, Callable[[], Patches]] = {
    "softmax twice": _softmax_twice,
    "label column": _label_column,
    "folded rate": _folded_rate,
    "epsilon hat": _epsilon_hat,
    "decoupled decay": _decoupled_decay,
}
