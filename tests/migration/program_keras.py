"""Keras models that are saved as SavedModels, and functions of TensorFlow's own."""

import sys
from typing import Any

import keras
import tensorflow as tf


def maps() -> keras.Model:
    picture = keras.Input((8, 8, 3), name="picture")
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(picture)
    x = keras.layers.BatchNormalization(epsilon=1e-5)(keras.layers.Conv2D(4, 3, padding="same")(x))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.MaxPooling2D(2)(x))
    return keras.Model(picture, keras.layers.Dense(4)(x))


def sequence() -> keras.Model:
    ids = keras.Input((6,), dtype="int32", name="ids")
    x = keras.layers.Embedding(30, 4)(ids)
    x = keras.layers.Bidirectional(keras.layers.GRU(5, return_sequences=True, reset_after=True))(x)
    return keras.Model(ids, keras.layers.Dense(3)(x[:, -1]))


class Rows(tf.Module):
    """Two arrays of one name; with noise that is none, so that nobody runs its operations one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.first = tf.Variable(tf.random.normal((5, 4)), name="w")
        self.second = tf.Variable(tf.random.normal((4, 4)), name="w")

    def rows(self, x: Any) -> Any:
        return tf.matmul(tf.nn.relu(tf.matmul(x, self.first)), self.second)

    def noisy(self, x: Any) -> Any:
        return self.rows(x) + 0 * tf.random.uniform(())


class Many(tf.Module):
    """More square arrays than are tried in every order, and noise that is none."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels = [tf.Variable(tf.random.normal((5, 5)), name="w") for _ in range(8)]

    def many(self, x: Any) -> Any:
        for kernel in self.kernels:
            x = tf.nn.tanh(tf.matmul(x, kernel))
        return x + 0 * tf.random.uniform(())


if __name__ == "__main__":
    keras.utils.set_random_seed(1)
    for name in ("maps", "sequence"):
        globals()[name]().export(f"{sys.argv[1]}/{name}", verbose=False)
    spec = tf.TensorSpec([None, 5], tf.float32, "x")
    rows, many = Rows(), Many()
    for name, module in (("rows", rows), ("noisy", rows), ("many", many)):
        function = tf.function(getattr(module, name)).get_concrete_function(spec)
        tf.saved_model.save(module, f"{sys.argv[1]}/{name}", signatures=function)
