"""Keras models as users write them: several inputs and outputs, nested; precisions of their own."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers


def listed() -> keras.Model:
    """Two inputs, one output by the second one's name."""
    wide, deep = keras.Input((4,), name="wide"), keras.Input((2,), name="deep")
    return keras.Model([wide, deep], layers.Dense(3)(layers.Concatenate()([wide, 10 * deep])))


def written() -> keras.Model:
    """The inputs in a dictionary whose order is not that of the alphabet, outputs by name."""
    wide, deep = keras.Input((4,), name="wide"), keras.Input((2,), name="deep")
    y = layers.Concatenate()([wide, 10 * deep])
    return keras.Model({"wide": wide, "deep": deep}, {"both": y, "first": wide + 1, "second": deep + 1})


class Several(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(3)

    def call(self, wide: tf.Tensor, deep: Any = None, training: bool = False) -> Any:
        return self.dense(keras.ops.concatenate([wide, 10 * deep], axis=-1)), {"sum": wide + deep[:, :1]}


class Packed(keras.Model):
    """Takes all in one: as a dictionary or as a list."""

    def __init__(self, by_name: bool) -> None:
        super().__init__()
        self.dense, self.by_name = layers.Dense(3), by_name

    def call(self, inputs: Any, mask: Any = None) -> tf.Tensor:
        wide, deep = (inputs["wide"], inputs["deep"]) if self.by_name else inputs
        return self.dense(keras.ops.concatenate([wide, 10 * deep], axis=-1))


def several() -> keras.Model:
    return Several()


def packed(by_name: bool) -> keras.Model:
    return Packed(by_name)


def counted() -> keras.Model:
    """A layer with a count among its variables."""
    norm = layers.Normalization()
    norm.adapt(np.arange(12.0).reshape(3, 4))
    return keras.Sequential([keras.Input((4,)), norm, layers.Dense(2)])


def last_single() -> keras.Model:
    """As users of mixed precision write it."""
    return keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(2, dtype="float32")])


def mixed(policy: str) -> keras.Model:
    keras.mixed_precision.set_global_policy(policy)
    return keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(2, dtype="float32")])


class Fixed(layers.Layer):
    def call(self, x: tf.Tensor) -> tf.Tensor:
        return x + tf.constant([1.0, 2.0, 3.0, 4.0], tf.float32)


def fixed() -> keras.Model:
    return keras.Sequential([keras.Input((4,)), Fixed(), layers.Dense(2)])


class Compiled(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.dense, self.ran_eagerly = layers.Dense(3), False

    @tf.function
    def call(self, x: tf.Tensor) -> tf.Tensor:
        self.ran_eagerly = tf.executing_eagerly()
        return self.dense(x) + keras.ops.zeros((3,)) * float(self.ran_eagerly)


def compiled() -> keras.Model:
    return Compiled()


def not_a_number() -> keras.Model:
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    model.layers[0].bias.assign([1.0, np.nan])
    return model


def plain() -> keras.Model:
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input((6, 6, 3), name="picture"), layers.Conv2D(2, 3), layers.Flatten()])


def save(folder: str) -> None:
    """The plain model in every format that Keras has, and a module of TensorFlow's of two inputs."""
    model = plain()
    model.save(f"{folder}/plain.keras")
    model.save(f"{folder}/plain.h5")
    model.export(f"{folder}/plain")
    np.save(f"{folder}/plain.npy", model(tf.ones((1, 6, 6, 3))).numpy())

    class Module(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = tf.Variable([2.0, 3.0], name="scale")

        @tf.function
        def both(self, first: tf.Tensor, second: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"sum": first * self.scale + second, "difference": first - second}

    module = Module()
    specs = [tf.TensorSpec([None, 2], tf.float32, name) for name in ("first", "second")]
    tf.saved_model.save(module, f"{folder}/module", signatures=module.both.get_concrete_function(*specs))
    tf.saved_model.save(tf.Module(), f"{folder}/empty")
    (Path(folder) / "nothing").mkdir()
