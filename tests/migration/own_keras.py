"""TensorFlow models whose trained weights are compared with those of their Paddle twins in `own_paddle`."""

import sys
from pathlib import Path

import keras
import numpy as np
from keras import layers


def picture(bias: bool = False) -> keras.Model:
    """Convolutions, of which two have kernels of one shape, and a batch norm."""
    x = inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(6, 3, padding="same", use_bias=bias, name="conv")(x)
    x = layers.ReLU(name="relu")(layers.BatchNormalization(epsilon=1e-5, name="norm")(x))
    x = layers.Conv2D(6, 3, padding="same", activation="relu", name="conv2")(x)
    x = layers.Conv2D(6, 3, padding="same", activation="relu", name="conv3")(x)
    return keras.Model(inputs, layers.Dense(7, name="fc")(layers.GlobalAveragePooling2D(name="pool")(x)))


def words() -> keras.Model:
    inputs = keras.Input((5,), dtype="int32")
    x = layers.LSTM(4, name="lstm")(layers.Embedding(50, 6, name="embedding")(inputs))
    return keras.Model(inputs, layers.Dense(3, name="fc")(x))


def gated() -> keras.Model:
    """Two layers that may be exchanged, and a third one."""
    inputs = keras.Input((4,))
    product = layers.Dense(6, name="one")(inputs) * layers.Dense(6, name="two")(inputs)
    return keras.Model(inputs, layers.Dense(6, name="fc")(product))


def trained(model: keras.Model, seed: int = 0) -> keras.Model:
    """Numbers as training leaves them; the same in every call."""
    draw = np.random.default_rng(seed)
    for variable in model.weights:
        if "seed" in variable.path:
            continue
        positive = any(word in variable.path for word in ("gamma", "variance"))
        drawn = draw.normal(0, 0.4, variable.shape)
        variable.assign(np.abs(drawn) + 0.5 if positive else drawn)
    return model


def write(folder: Path) -> None:
    """Each model as files, and its arrays for the twins."""
    for build in (picture, words, gated):
        model = trained(build())
        name = build.__name__
        model.save(folder / f"{name}.keras")
        np.savez(folder / f"{name}.npz", **{v.path: v.numpy() for v in model.weights if "seed" not in v.path})
    model = trained(picture())
    model.save(folder / "picture.h5")
    model.export(folder / "picture")
    for name, bias in (("zero", 0.0), ("biased", 0.25)):
        other = picture(bias=True)
        own = {variable.path: variable.numpy() for variable in model.weights}
        for variable in other.weights:
            variable.assign(own.get(variable.path, np.full(variable.shape, bias)))
        other.save(folder / f"{name}.keras")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
