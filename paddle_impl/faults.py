"""Known faults, injected into the layers of a built twin to measure what the suite detects. No other file uses them."""

from __future__ import annotations

import dataclasses
from unittest.mock import patch

import paddle
from paddle import nn
from paddle.nn import functional

from paddle_impl.training import Trainer, loop
from paddle_impl.training_faults import TRAINING_FAULTS
from parity.catalogue.traps import FaultName
from parity.runtime.fault_session import Faults, FaultSession, Patches

LAYER_FAULTS = Faults()


@LAYER_FAULTS.named(FaultName.SYMMETRIC_PADDING)
def _symmetric_padding(layer: nn.Layer) -> Patches:
    """The same number of pixels on every side, where SAME pads the bottom and the right of an even map only."""
    padding = layer.spec.get("window", 3) // 2 if layer.spec["kind"] == "max_pool" else layer.weight.shape[2] // 2
    stride = layer.spec["stride"]

    def conv(x: paddle.Tensor) -> paddle.Tensor:
        return functional.conv2d(x, layer.weight, layer.bias, stride=stride, padding=padding)

    def pool(x: paddle.Tensor) -> paddle.Tensor:
        return functional.max_pool2d(x, layer.spec["window"], stride=stride, padding=padding)

    yield patch.object(layer, "forward", pool if layer.spec["kind"] == "max_pool" else conv)


@LAYER_FAULTS.named(FaultName.OTHER_EPSILON)
def _other_epsilon(layer: nn.Layer) -> Patches:
    """The other framework's default."""
    yield patch.object(layer, "_epsilon", 1e-5 if layer._epsilon > 1e-4 else 1e-3)


@LAYER_FAULTS.named(FaultName.OTHER_MOMENTUM)
def _other_momentum(layer: nn.Layer) -> Patches:
    """The other framework's default."""
    yield patch.object(layer, "_momentum", 0.9 if layer._momentum > 0.95 else 0.99)


@LAYER_FAULTS.named(FaultName.UNBIASED_VARIANCE)
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


@LAYER_FAULTS.named(FaultName.FROZEN_STATISTICS)
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


@LAYER_FAULTS.named(FaultName.BATCH_STATISTICS)
def _batch_statistics(layer: nn.Layer) -> Patches:
    """Inference normalises by the batch's own statistics."""
    own = layer.forward

    def forward(x: paddle.Tensor) -> paddle.Tensor:
        if layer.training:
            return own(x)
        axes = [axis for axis in range(x.ndim) if axis != 1]
        mean, variance = x.mean(axis=axes, keepdim=True), x.var(axis=axes, unbiased=False, keepdim=True)
        scale, shift = (parameter.reshape(mean.shape) for parameter in (layer.weight, layer.bias))
        return (x - mean) / paddle.sqrt(variance + layer._epsilon) * scale + shift

    yield patch.object(layer, "forward", forward)


@LAYER_FAULTS.named(FaultName.RELU_MISSING)
def _relu_missing(layer: nn.Layer) -> Patches:
    """The activation is left out."""
    yield patch.object(layer, "forward", lambda x: x)


@LAYER_FAULTS.named(FaultName.RELU_ADDED)
def _relu_added(layer: nn.Layer) -> Patches:
    """An activation that the network does not have."""
    own = layer.forward
    yield patch.object(layer, "forward", lambda x: functional.relu(own(x)))


@LAYER_FAULTS.named(FaultName.BIAS_LEFT_OUT)
def _bias_left_out(layer: nn.Layer) -> Patches:
    """The layer computes without its bias."""
    own = layer.forward

    def forward(x: paddle.Tensor) -> paddle.Tensor:
        bias = layer.bias if layer.spec["kind"] == "dense" else layer.bias.reshape([1, -1, 1, 1])
        return own(x) - bias

    yield patch.object(layer, "forward", forward)


@LAYER_FAULTS.named(FaultName.KEEP_PROBABILITY)
def _keep_probability(layer: nn.Layer) -> Patches:
    """The rate is read as the share that is kept."""
    yield patch.object(layer, "rate", 1 - layer.rate)


@LAYER_FAULTS.named(FaultName.INFERENCE_SCALING)
def _inference_scaling(layer: nn.Layer) -> Patches:
    """Dropout of the old kind: nothing is scaled in training, everything in inference."""
    own = layer.forward
    keep = 1 - layer.rate
    yield patch.object(layer, "forward", lambda x: own(x) * keep)


@LAYER_FAULTS.named(FaultName.AVERAGED_WINDOW)
def _averaged_window(layer: nn.Layer) -> Patches:
    """Alpha counts for the mean over the window, not for the sum."""
    size = 2 * layer.facts.radius + 1
    yield patch.object(layer, "facts", dataclasses.replace(layer.facts, alpha=layer.facts.alpha / size))
    yield patch.object(layer, "alpha", layer.alpha / size)


@LAYER_FAULTS.named(FaultName.REDUCED_PRECISION)
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


@LAYER_FAULTS.named(FaultName.ONE_NAN)
def _one_nan(layer: nn.Layer) -> Patches:
    """One number of the output is not a number."""
    own = layer.forward

    def forward(x: paddle.Tensor) -> paddle.Tensor:
        y = own(x)
        first = (paddle.arange(y.size) == 0).reshape(y.shape)
        return paddle.where(first, paddle.full([], float("nan"), y.dtype), y)

    yield patch.object(layer, "forward", forward)


@LAYER_FAULTS.named(FaultName.CLIPPED_AT_20)
def _clipped(layer: nn.Layer) -> Patches:
    """Nothing above 20 passes."""
    own = layer.forward
    yield patch.object(layer, "forward", lambda x: own(x).clip(max=20.0))


@LAYER_FAULTS.named(FaultName.HALF_THE_GRADIENT)
def _half_gradient(layer: nn.Layer) -> Patches:
    """In float32 the gradient of its output counts half."""
    own = layer.forward

    def forward(x: paddle.Tensor) -> paddle.Tensor:
        y = own(x)
        return y / 2 + (y / 2).detach() if x.dtype == paddle.float32 else y

    yield patch.object(layer, "forward", forward)


@LAYER_FAULTS.named(FaultName.CUT_AT_20_IN_FLOAT32)
def _cut_in_float32(layer: nn.Layer) -> Patches:
    """In float32 no output is above 20."""
    own = layer.forward
    yield patch.object(layer, "forward", lambda x: own(x).clip(max=20.0) if x.dtype == paddle.float32 else own(x))


@LAYER_FAULTS.named(FaultName.LEAKING_GRADIENT)
def _leaking_gradient(layer: nn.Layer) -> Patches:
    """In float32 a hundredth of the gradient passes where the output is zero."""
    own = layer.forward

    def forward(x: paddle.Tensor) -> paddle.Tensor:
        leak = x.clip(max=0.0) / 100
        return own(x) + leak - leak.detach() if x.dtype == paddle.float32 else own(x)

    yield patch.object(layer, "forward", forward)


@LAYER_FAULTS.named(FaultName.GAMMA_WITHOUT_GRADIENT)
def _gamma_without_gradient(layer: nn.Layer) -> Patches:
    """In float32 gamma gets no gradient."""
    if layer.weight.dtype != paddle.float32:
        return
    own = layer.forward

    def forward(x: paddle.Tensor) -> paddle.Tensor:
        y = own(x)
        shape = [1, -1, *[1] * (x.ndim - 2)]
        own_part = (y - layer.bias.reshape(shape)) / layer.weight.detach().reshape(shape)
        gradient_of_gamma = own_part.detach() * layer.weight.reshape(shape)
        return y - gradient_of_gamma + gradient_of_gamma.detach()

    yield patch.object(layer, "forward", forward)


@LAYER_FAULTS.named(FaultName.BIAS_WITHOUT_GRADIENT)
def _bias_without_gradient(layer: nn.Layer) -> Patches:
    """In float32 the bias gets no gradient."""
    if layer.weight.dtype != paddle.float32:
        return
    own = layer.forward

    def forward(x: paddle.Tensor) -> paddle.Tensor:
        bias = layer.bias if layer.spec["kind"] == "dense" else layer.bias.reshape([1, -1, 1, 1])
        return own(x) - (bias - bias.detach())

    yield patch.object(layer, "forward", forward)


session = FaultSession(Trainer, loop, LAYER_FAULTS, TRAINING_FAULTS)
