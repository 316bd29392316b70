"""Known faults, injected into the layers of a built twin to measure what the suite detects. No other file uses them."""

from __future__ import annotations

import dataclasses
from typing import Any
from unittest.mock import patch

import keras
import tensorflow as tf

from parity.catalogue.traps import FaultName
from parity.runtime.fault_session import Faults, FaultSession, Patches
from tf_impl.training import Trainer, loop
from tf_impl.training_faults import TRAINING_FAULTS

LAYER_FAULTS = Faults()


@LAYER_FAULTS.named(FaultName.SYMMETRIC_PADDING)
def _symmetric_padding(layer: keras.layers.Layer) -> Patches:
    """The same number of pixels on every side, where SAME pads the bottom and the right of an even map only."""
    window = layer.spec["window"] if layer.spec["kind"] == "max_pool" else layer.kernel.shape[0]
    sides = [[0, 0], [window // 2] * 2, [window // 2] * 2, [0, 0]]
    stride = layer.spec["stride"]

    def conv(x: tf.Tensor, **options: Any) -> tf.Tensor:
        y = tf.nn.conv2d(x, layer.kernel, stride, sides)
        return y + layer.bias if layer.use_bias else y

    def pool(x: tf.Tensor, **options: Any) -> tf.Tensor:
        return tf.nn.max_pool2d(x, window, stride, sides)

    yield patch.object(layer, "call", pool if layer.spec["kind"] == "max_pool" else conv)


@LAYER_FAULTS.named(FaultName.OTHER_EPSILON)
def _other_epsilon(layer: keras.layers.Layer) -> Patches:
    """The other framework's default."""
    yield patch.object(layer, "epsilon", 1e-5 if layer.epsilon > 1e-4 else 1e-3)


@LAYER_FAULTS.named(FaultName.OTHER_MOMENTUM)
def _other_momentum(layer: keras.layers.Layer) -> Patches:
    """The other framework's default."""
    yield patch.object(layer, "momentum", 0.9 if layer.momentum > 0.95 else 0.99)


@LAYER_FAULTS.named(FaultName.UNROUNDED_CONSTANTS)
def _unrounded_constants(layer: keras.layers.Layer) -> Patches:
    """Momentum and epsilon as float64 numbers, which Paddle's kernels never see."""
    yield patch.object(layer, "momentum", float(f"{layer.momentum:.6g}"))
    yield patch.object(layer, "epsilon", float(f"{layer.epsilon:.6g}"))


@LAYER_FAULTS.named(FaultName.UNBIASED_VARIANCE)
def _unbiased_variance(layer: keras.layers.Layer) -> Patches:
    """The running variance is moved by the variance with n - 1."""
    own = layer.call

    def call(x: tf.Tensor, training: bool = False, mask: None = None) -> tf.Tensor:
        y = own(x, training=training)
        if training:
            count = tf.cast(tf.size(x) // x.shape[-1], x.dtype)
            excess = tf.math.reduce_variance(x, axis=list(range(len(x.shape) - 1))) / (count - 1)
            layer.moving_variance.value.assign_add((1 - layer.momentum) * excess)
        return y

    yield patch.object(layer, "call", call)


@LAYER_FAULTS.named(FaultName.FROZEN_STATISTICS)
def _frozen_statistics(layer: keras.layers.Layer) -> Patches:
    """Training leaves the running statistics as they are."""
    own = layer.call

    def call(x: tf.Tensor, training: bool = False, mask: None = None) -> tf.Tensor:
        before = tf.identity(layer.moving_mean.value), tf.identity(layer.moving_variance.value)
        y = own(x, training=training)
        layer.moving_mean.value.assign(before[0])
        layer.moving_variance.value.assign(before[1])
        return y

    yield patch.object(layer, "call", call)


@LAYER_FAULTS.named(FaultName.BATCH_STATISTICS)
def _batch_statistics(layer: keras.layers.Layer) -> Patches:
    """Inference normalises by the batch's own statistics."""
    own = layer.call

    def call(x: tf.Tensor, training: bool = False, mask: None = None) -> tf.Tensor:
        if training:
            return own(x, training=True)
        mean, variance = tf.nn.moments(x, list(range(len(x.shape) - 1)))
        return (x - mean) / tf.sqrt(variance + layer.epsilon) * layer.gamma + layer.beta

    yield patch.object(layer, "call", call)


@LAYER_FAULTS.named(FaultName.RELU_MISSING)
def _relu_missing(layer: keras.layers.Layer) -> Patches:
    """The activation is left out."""
    yield patch.object(layer, "call", lambda x, **options: x)


@LAYER_FAULTS.named(FaultName.RELU_ADDED)
def _relu_added(layer: keras.layers.Layer) -> Patches:
    """An activation that the network does not have."""
    own = layer.call
    yield patch.object(layer, "call", lambda x, **options: tf.nn.relu(own(x)))


@LAYER_FAULTS.named(FaultName.BIAS_LEFT_OUT)
def _bias_left_out(layer: keras.layers.Layer) -> Patches:
    """The layer computes without its bias."""
    own = layer.call
    yield patch.object(layer, "call", lambda x, **options: own(x) - layer.bias)


@LAYER_FAULTS.named(FaultName.KEEP_PROBABILITY)
def _keep_probability(layer: keras.layers.Layer) -> Patches:
    """The rate is read as the share that is kept."""
    yield patch.object(layer, "rate", 1 - layer.rate)


@LAYER_FAULTS.named(FaultName.INFERENCE_SCALING)
def _inference_scaling(layer: keras.layers.Layer) -> Patches:
    """Dropout of the old kind: nothing is scaled in training, everything in inference."""
    own = layer.call
    keep = 1 - layer.rate
    yield patch.object(layer, "call", lambda x, training=False: own(x, training=training) * keep)


@LAYER_FAULTS.named(FaultName.AVERAGED_WINDOW)
def _averaged_window(layer: keras.layers.Layer) -> Patches:
    """Alpha counts for the mean over the window, not for the sum."""
    size = 2 * layer.facts.radius + 1
    yield patch.object(layer, "facts", dataclasses.replace(layer.facts, alpha=layer.facts.alpha / size))


@LAYER_FAULTS.named(FaultName.REDUCED_PRECISION)
def _reduced_precision(layer: keras.layers.Layer) -> Patches:
    """A float32 layer multiplies with TF32's eleven significant bits."""
    if layer.compute_dtype != "float32":
        return
    split = 2.0**13 + 1  # Veltkamp: cuts off the last 13 of 24 bits

    def cut(x: tf.Tensor) -> tf.Tensor:
        large = x * split
        return large - (large - x)

    def call(x: tf.Tensor, **options: Any) -> tf.Tensor:
        kernel = cut(tf.convert_to_tensor(layer.kernel))
        y = cut(x) @ kernel if layer.spec["kind"] == "dense" else layer.convolution_op(cut(x), kernel)
        return y + layer.bias if layer.use_bias else y

    yield patch.object(layer, "call", call)


@LAYER_FAULTS.named(FaultName.ONE_NAN)
def _one_nan(layer: keras.layers.Layer) -> Patches:
    """One number of the output is not a number."""
    own = layer.call

    def call(x: tf.Tensor, **options: Any) -> tf.Tensor:
        y = own(x, **options)
        first = tf.reshape(tf.range(tf.size(y)) == 0, tf.shape(y))
        return tf.where(first, tf.constant(float("nan"), y.dtype), y)

    yield patch.object(layer, "call", call)


@LAYER_FAULTS.named(FaultName.CLIPPED_AT_20)
def _clipped(layer: keras.layers.Layer) -> Patches:
    """Nothing above 20 passes."""
    own = layer.call
    yield patch.object(layer, "call", lambda x, **options: tf.minimum(own(x), tf.cast(20.0, x.dtype)))


@LAYER_FAULTS.named(FaultName.HALF_THE_GRADIENT)
def _half_gradient(layer: keras.layers.Layer) -> Patches:
    """In float32 the gradient of its output counts half."""
    if layer.compute_dtype != "float32":
        return
    own = layer.call

    def call(x: tf.Tensor, **options: Any) -> tf.Tensor:
        half = own(x) / 2
        return half + tf.stop_gradient(half)

    yield patch.object(layer, "call", call)


@LAYER_FAULTS.named(FaultName.CUT_AT_20_IN_FLOAT32)
def _cut_in_float32(layer: keras.layers.Layer) -> Patches:
    """In float32 no output is above 20."""
    own = layer.call
    if layer.compute_dtype == "float32":
        yield patch.object(layer, "call", lambda x, **options: tf.minimum(own(x), 20.0))


@LAYER_FAULTS.named(FaultName.LEAKING_GRADIENT)
def _leaking_gradient(layer: keras.layers.Layer) -> Patches:
    """In float32 a hundredth of the gradient passes where the output is zero."""
    if layer.compute_dtype != "float32":
        return
    own = layer.call

    def call(x: tf.Tensor, **options: Any) -> tf.Tensor:
        leak = tf.minimum(x, 0.0) / 100
        return own(x) + leak - tf.stop_gradient(leak)

    yield patch.object(layer, "call", call)


@LAYER_FAULTS.named(FaultName.GAMMA_WITHOUT_GRADIENT)
def _gamma_without_gradient(layer: keras.layers.Layer) -> Patches:
    """In float32 gamma gets no gradient."""
    if layer.compute_dtype != "float32":
        return
    own = layer.call

    def call(x: tf.Tensor, training: bool = False, mask: None = None) -> tf.Tensor:
        y = own(x, training=training)
        own_part = (y - layer.beta) / tf.stop_gradient(tf.convert_to_tensor(layer.gamma))
        gradient_of_gamma = tf.stop_gradient(own_part) * layer.gamma
        return y - gradient_of_gamma + tf.stop_gradient(gradient_of_gamma)

    yield patch.object(layer, "call", call)


@LAYER_FAULTS.named(FaultName.BIAS_WITHOUT_GRADIENT)
def _bias_without_gradient(layer: keras.layers.Layer) -> Patches:
    """In float32 the bias gets no gradient."""
    if layer.compute_dtype != "float32":
        return
    own = layer.call

    def call(x: tf.Tensor, **options: Any) -> tf.Tensor:
        bias = tf.convert_to_tensor(layer.bias)
        return own(x) - (bias - tf.stop_gradient(bias))

    yield patch.object(layer, "call", call)


session = FaultSession(Trainer, loop, LAYER_FAULTS, TRAINING_FAULTS)
