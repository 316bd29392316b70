"""Keras models that differ from those of `differing_paddle` in one thing; imported in the TensorFlow worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops


def between(function: Callable[[Any], Any], shape: tuple[int, ...] = (8,)) -> keras.Model:
    """A function between two fully connected layers."""
    x = keras.Input(shape)
    return keras.Model(x, layers.Dense(5, name="second")(function(layers.Dense(6, name="first")(x))))


def function(code: str) -> keras.Model:
    """A function of `x`, by its code."""
    return between(eval(f"lambda x: {code}", {"keras": keras, "ops": ops, "tf": tf}))


class Called(keras.Model):
    """The same in the code of a model's call."""

    def __init__(self, code: str) -> None:
        super().__init__()
        self.first, self.second = layers.Dense(6, name="first"), layers.Dense(5, name="second")
        self.function = eval(f"lambda x: {code}", {"keras": keras, "ops": ops, "tf": tf})

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.second(self.function(self.first(x)))


class Slopes(layers.Layer):
    """A number for each channel, from the layer's code."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return x * tf.constant(np.linspace(0.5, 1.0, 6), x.dtype)


def slopes() -> keras.Model:
    return between(Slopes(name="slopes"))


class Biased(layers.Layer):
    """An attention with a bias of each head that falls with the distance."""

    def __init__(self) -> None:
        super().__init__(name="attention")
        self.query, self.key = layers.Dense(6, name="query"), layers.Dense(6, name="key")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        query, key, value = (
            ops.transpose(ops.reshape(y, (-1, 5, 2, 3)), (0, 2, 1, 3)) for y in (self.query(x), self.key(x), x)
        )
        apart = np.abs(np.arange(5)[:, None] - np.arange(5))
        bias = -np.array([0.5, 0.25])[:, None, None] * apart
        seen = ops.softmax(ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) + tf.constant(bias, query.dtype))
        return ops.reshape(ops.transpose(ops.matmul(seen, value), (0, 2, 1, 3)), (-1, 5, 6))


def biased() -> keras.Model:
    return between(Biased(), (5, 8))


class WeightNorm(layers.Layer):
    """A fully connected layer whose kernel has one length for each of its outputs."""

    def build(self, shape: tuple[int, ...]) -> None:
        self.v, self.g = self.add_weight(shape=(shape[-1], 6), name="v"), self.add_weight(shape=(6,), name="g")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return ops.matmul(x, self.v * self.g / ops.sqrt(ops.sum(ops.square(self.v), axis=0)))


def weight_norm(width: int) -> keras.Model:
    x = keras.Input((width,))
    return keras.Model(x, layers.Dense(5, name="second")(WeightNorm(name="norm")(x)))


def recurrent(layer: str) -> keras.Model:
    x = keras.Input((5, 3))
    memory = eval(layer, {"layers": layers})
    memory.name = "memory"
    return keras.Model(x, layers.Dense(5, name="head")(memory(x)))


def causal() -> keras.Model:
    x = keras.Input((9, 3))
    return keras.Model(x, layers.Conv1D(4, 3, dilation_rate=2, padding="causal", name="conv")(x))


def joined() -> keras.Model:
    """Two branches, one of which is turned and turned back."""
    x = keras.Input((6, 8))
    turned = layers.Permute((2, 1), name="back")(layers.Permute((2, 1), name="turn")(layers.Dense(8, name="two")(x)))
    both = layers.Concatenate(name="join")([layers.Dense(8, name="one")(x), turned])
    return keras.Model(x, layers.Dense(5, name="head")(both))


def words() -> keras.Model:
    """Two masks of ids, of which the smaller counts."""
    ids = keras.Input((6,), dtype="int64")
    known, usual = (ops.cast(ops.not_equal(ids, number), "float64") for number in (0, 3))
    x = layers.Embedding(20, 6, name="words")(ids) * ops.expand_dims(ops.minimum(known, usual), -1)
    return keras.Model(ids, layers.Dense(5, name="head")(ops.sum(x, axis=1)))
