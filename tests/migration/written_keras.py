"""Keras models of a few layers, written in the test that uses them; imported in the TensorFlow worker."""

import keras
from keras import layers


def chain(*written: str, input_shape: tuple[int, ...], tokens: bool = False) -> keras.Model:
    """Layers behind each other; each is the code of its constructor, and is named "a", "b", ..."""
    x = keras.Input(input_shape, dtype="int64" if tokens else None)
    y = x
    for index, code in enumerate(written):
        layer = eval(code, {"layers": layers, "keras": keras})
        layer.name = chr(ord("a") + index)
        y = layer(y)
    return keras.Model(x, y)


class Block(keras.layers.Layer):
    """A layer of a user's own that holds layers, in an attribute and in a list."""

    def __init__(self, epsilon: float) -> None:
        super().__init__(name="block")
        self.norm = layers.BatchNormalization(epsilon=epsilon, name="norm")
        self.others = [layers.Dense(6, activation="relu", name="inner")]

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        for layer in self.others:
            x = layer(self.norm(x))
        return x


class Subclassed(keras.Model):
    """A model that is no graph of layers."""

    def __init__(self, epsilon: float = 1e-3) -> None:
        super().__init__()
        self.first = layers.Dense(6, name="first")
        self.block = Block(epsilon)

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        return self.block(self.first(x))


def nested(epsilon: float = 1e-3, input_shape: tuple[int, ...] = (8,)) -> keras.Model:
    """A model within a model, used twice."""
    inside = keras.Input((6,))
    inner = keras.Model(inside, layers.BatchNormalization(epsilon=epsilon, name="norm")(inside), name="inner")
    x = keras.Input(input_shape)
    return keras.Model(x, inner(layers.Dense(6, name="second")(inner(layers.Dense(6, name="first")(x)))))
