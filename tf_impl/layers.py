"""The primitives in Keras, with every default spelled out.

Each function adds one named layer to a functional model. The layer carries a `spec`, which says in neutral terms what
it is meant to compute, so that it can be probed alone against a numpy reference. Kernels start at zero: the canonical
state is always transferred in.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from parity.catalogue.designs import LRN, BatchNorm, Hidden, Padding
from parity.data.epoch_plan import dropout_scale


def conv(
    x: Any, name: str, channels: int, kernel: int, *, stride: int = 1, padding: Padding = "same", bias: bool = True
) -> Any:
    """A square convolution.

    Args:
        x: maps [n, h, w, c].
        name: of the layer.
        channels: of the output.
        kernel: its side.
        stride: for both axes.
        padding: "same", "valid" or a number of pixels on every side. SAME with stride 2 pads the bottom and the right
            of an even map: a number makes another network of it.
        bias: whether there is one.
    """
    kind: Any = ExplicitConv if isinstance(padding, int) else keras.layers.Conv2D
    layer = kind(
        channels,
        kernel,
        strides=stride,
        padding=padding,
        data_format="channels_last",
        use_bias=bias,
        kernel_initializer="zeros",
        name=name,
    )
    return _apply(layer, x, kind="conv", stride=stride, padding=padding)


def batch_norm(x: Any, name: str, facts: BatchNorm | None) -> Any:
    """Batch normalisation over the channels, with the biased variance in the batch and in the running statistics.

    Args:
        x: maps [n, h, w, c] or rows [n, c].
        name: of the layer.
        facts: epsilon and momentum; None for no layer at all.
    """
    if facts is None:
        return x
    layer = FusedBatchNorm(axis=-1, momentum=facts.momentum, epsilon=facts.epsilon, center=True, scale=True, name=name)
    return _apply(layer, x, kind="batch_norm", epsilon=facts.epsilon, maps=len(x.shape) == 4)


def relu(x: Any, name: str) -> Any:
    """max(x, 0)."""
    return _apply(keras.layers.ReLU(name=name), x, kind="relu")


def lrn(x: Any, name: str, facts: LRN) -> Any:
    """Local response normalisation across the channels."""
    return _apply(LocalResponseNorm(facts, name=name), x, kind="lrn", **dataclasses.asdict(facts))


def max_pool(x: Any, name: str, window: int, stride: int, *, padding: Padding = "same") -> Any:
    """Max-pool over square windows.

    Args:
        x: maps [n, h, w, c].
        name: of the layer.
        window: its side.
        stride: for both axes.
        padding: "same", "valid" or a number of pixels on every side; padding never wins.
    """
    if isinstance(padding, int):
        layer: keras.layers.Layer = ExplicitMaxPool(window, stride, padding, name=name)
    else:
        layer = keras.layers.MaxPooling2D(window, strides=stride, padding=padding, name=name)
    return _apply(layer, x, kind="max_pool", window=window, stride=stride, padding=padding)


def average_pool(x: Any, name: str, window: int, stride: int) -> Any:
    """Average pool without padding."""
    layer = keras.layers.AveragePooling2D(window, strides=stride, padding="valid", name=name)
    return _apply(layer, x, kind="average_pool", window=window, stride=stride, padding="valid")


def adaptive_average_pool(x: Any, name: str, side: int) -> Any:
    """Means over side x side windows that cover the map evenly; a map smaller than that is repeated."""
    return _apply(AdaptiveAveragePool(side, name=name), x, kind="adaptive_average_pool", side=side)


def global_max_pool(x: Any, name: str) -> Any:
    """The largest value of each channel's map, as a 1x1 map."""
    return _apply(keras.layers.GlobalMaxPooling2D(keepdims=True, name=name), x, kind="global_max_pool")


def dense(x: Any, name: str, width: int) -> Any:
    """A fully connected layer with bias.

    Args:
        x: rows [n, in].
        name: of the layer.
        width: numbers of an output row.
    """
    return _apply(keras.layers.Dense(width, kernel_initializer="zeros", name=name), x, kind="dense")


def dropout(x: Any, name: str, rate: float) -> Any:
    """Inverted dropout whose mask both frameworks share; on maps, not on flattened ones."""
    return _apply(SharedDropout(rate, name=name), x, kind="dropout", rate=rate)


def flatten(x: Any, name: str) -> Any:
    """Maps to rows, in height, width, channel order: the canonical order."""
    return _apply(keras.layers.Flatten(name=name), x, kind="flatten")


def add(x: Any, y: Any, name: str) -> Any:
    """x + y."""
    return _apply(keras.layers.Add(name=name), [x, y], kind="add")


def concat(maps: Sequence[Any], name: str) -> Any:
    """The maps one after the other along the channels."""
    return _apply(keras.layers.Concatenate(axis=-1, name=name), list(maps), kind="concat")


def head(x: Any, hidden: Sequence[Hidden], classes: int, facts: BatchNorm | None) -> Any:
    """Flatten, hidden fully connected layers, logits.

    Args:
        x: maps [n, h, w, c].
        hidden: the hidden layers, in order.
        classes: number of logits.
        facts: of the hidden layers' batch norms; None for a network without batch norm.
    """
    x = flatten(x, "head.flatten")
    for number, layer in enumerate(hidden, start=1):
        x = dense(x, f"head.fc{number}", layer.width)
        if layer.batch_norm:
            x = batch_norm(x, f"head.bn{number}", facts)
        if layer.relu:
            x = relu(x, f"head.relu{number}")
        if layer.dropout:
            x = dropout(x, f"head.drop{number}", layer.dropout)
    return dense(x, "head.logits", classes)


class FusedBatchNorm(keras.layers.BatchNormalization):
    """Keras's batch norm on TensorFlow's fused kernel where there is one: float32 maps. A third less time a step.

    The kernel gives the running statistics the unbiased variance (n - 1), which is taken back here to the biased one
    of Keras and Paddle. The raw op is used because tf.nn's wrapper raises any epsilon to 1.001e-5.
    """

    def call(self, x: tf.Tensor, training: bool = False, mask: None = None) -> tf.Tensor:
        """x [n, ..., c] -> the same shape; in training by the batch's statistics, which update the running ones."""
        if len(x.shape) != 4 or x.dtype != tf.float32:
            return super().call(x, training=training)
        none = tf.zeros([0], tf.float32)
        y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=self.gamma.value,
            offset=self.beta.value,
            mean=none if training else self.moving_mean.value,
            variance=none if training else self.moving_variance.value,
            epsilon=self.epsilon,
            is_training=training,
        )
        if training:
            count = tf.cast(tf.size(x) // tf.shape(x)[-1], tf.float32)
            self._move(self.moving_mean.value, mean)
            self._move(self.moving_variance.value, variance * ((count - 1.0) / count))
        return y

    def _move(self, running: tf.Variable, batch: tf.Tensor) -> None:
        running.assign(running * self.momentum + batch * (1.0 - self.momentum))


class ExplicitConv(keras.layers.Conv2D):
    """Convolution with the same number of padding pixels on every side; Keras itself knows only "same" and "valid"."""

    def __init__(self, *args: Any, padding: int, **kwargs: Any) -> None:
        super().__init__(*args, padding="valid", **kwargs)
        self.pixels = padding

    def convolution_op(self, inputs: tf.Tensor, kernel: Any) -> tf.Tensor:
        """Maps [n, h, w, i] and kernel [k, k, i, o] -> [n, (h + 2p - k) // stride + 1, ..., o]."""
        sides = [self.pixels, self.pixels]
        return tf.nn.conv2d(inputs, kernel, self.strides, [[0, 0], sides, sides, [0, 0]])

    def compute_output_shape(self, input_shape: Sequence[Any]) -> Any:
        """The shape that `convolution_op` gives."""
        n, height, width, channels = input_shape
        return super().compute_output_shape((n, height + 2 * self.pixels, width + 2 * self.pixels, channels))


class LocalResponseNorm(keras.layers.Layer):
    """y = x / (bias + alpha * s) ** beta, s the sum of x ** 2 over the channels up to `radius` away.

    In float32 this is TensorFlow's own op. It has no float64 kernel, so float64 writes the formula out.
    """

    def __init__(self, facts: LRN, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.facts = facts

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """x [n, h, w, c] -> the same shape."""
        facts = self.facts
        if x.dtype == tf.float32:
            return tf.nn.local_response_normalization(x, facts.radius, facts.bias, facts.alpha, facts.beta)
        near = tf.linalg.band_part(tf.ones([x.shape[-1]] * 2, x.dtype), facts.radius, facts.radius)  # [c, c], 0 or 1
        return x / (facts.bias + facts.alpha * tf.tensordot(x * x, near, 1)) ** facts.beta


class ExplicitMaxPool(keras.layers.Layer):
    """Max-pool with the same number of padding pixels on every side; Keras itself knows only "same" and "valid"."""

    def __init__(self, window: int, stride: int, padding: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.window, self.stride, self.padding = window, stride, padding

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """x [n, h, w, c] -> [n, (h + 2p - window) // stride + 1, ..., c]."""
        sides = [self.padding, self.padding]
        return tf.nn.max_pool2d(x, self.window, self.stride, [[0, 0], sides, sides, [0, 0]])


class AdaptiveAveragePool(keras.layers.Layer):
    """The i-th of `side` windows along an axis of n pixels is floor(i * n / side) .. ceil((i + 1) * n / side)."""

    def __init__(self, side: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.side = side

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """x [n, h, w, c] -> [n, side, side, c]."""
        rows = tf.stack([tf.reduce_mean(x[:, window], axis=1) for window in self._windows(x.shape[1])], axis=1)
        return tf.stack([tf.reduce_mean(rows[:, :, window], axis=2) for window in self._windows(x.shape[2])], axis=2)

    def _windows(self, extent: int) -> list[slice]:
        return [slice(i * extent // self.side, -(-(i + 1) * extent // self.side)) for i in range(self.side)]


class Noise:
    """The uniform numbers that dropout masks are cut from: one pool, and for the current step one offset a site."""

    def __init__(self, pool: tf.Tensor, sites: int) -> None:
        self.pool = pool  # float32 [size], in [0, 1)
        self.offsets = tf.Variable(tf.zeros([sites], tf.int32), trainable=False)


class SharedDropout(keras.layers.Layer):
    """Zeroes an activation where its uniform number is below `rate`, scales the others by 1 / (1 - rate)."""

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.noise: Noise | None = None  # set by training, see `attach_noise`
        self.site = 0

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """x [n, ...] -> the same shape; the identity outside of training."""
        if not training or isinstance(x, keras.KerasTensor):
            return x
        if self.noise is None:
            raise RuntimeError(f"{self.name}: dropout in training mode needs attach_noise() first")
        begin = self.noise.offsets[self.site : self.site + 1]
        uniform = tf.reshape(tf.slice(self.noise.pool, begin, [tf.size(x)]), tf.shape(x))
        return tf.where(uniform >= self.rate, x * tf.cast(dropout_scale(self.rate), x.dtype), tf.zeros((), x.dtype))


PRODUCTS = ("conv", "dense")  # the kinds of layers that bfloat16 is for


def in_bfloat16(model: keras.Model) -> None:
    """Let convolutions and fully connected layers compute in bfloat16, on float32 weights; all else stays float32."""
    for layer in ordered(model):
        if layer.spec["kind"] in PRODUCTS:
            layer.dtype_policy = "mixed_bfloat16"  # casts input and weights; the next layer casts back


def dropouts(model: keras.Model) -> list[SharedDropout]:
    """The model's dropout layers, in the order of the forward pass."""
    return [layer for layer in ordered(model) if isinstance(layer, SharedDropout)]


def largest_dropout(model: keras.Model, image: tuple[int, int, int]) -> int:
    """Elements of one image's (height, width, channels) largest dropout input; 0 without dropout."""
    return max((math.prod(layer.output.shape[1:]) for layer in dropouts(model)), default=0)


def attach_noise(model: keras.Model, pool: Any) -> Noise:
    """Give every dropout layer its site in one pool of uniform numbers (float32 [size])."""
    layers = dropouts(model)
    noise = Noise(tf.constant(pool), len(layers))
    for site, layer in enumerate(layers):
        layer.noise, layer.site = noise, site
    return noise


def ordered(model: keras.Model) -> list[keras.layers.Layer]:
    """The model's layers as its definition made them; Keras itself sorts them by depth, which mixes the branches."""
    return sorted((layer for layer in model.layers if hasattr(layer, "spec")), key=lambda layer: layer.number)


_numbers = itertools.count()


def _apply(layer: keras.layers.Layer, x: Any, **spec: Any) -> Any:
    layer.spec, layer.number = spec, next(_numbers)
    return layer(x)
