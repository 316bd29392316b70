"""Two models that differ on inputs alone which only a user has. Each function imports its own framework."""

from typing import Any


def keras_net() -> Any:
    import keras
    from keras import layers

    inputs = keras.Input((4,))
    hidden = layers.Dense(6, name="hidden")(keras.ops.minimum(inputs, 1000.0))
    return keras.Model(inputs, layers.Dense(3, name="out")(hidden))


def paddle_net() -> Any:
    from paddle import nn

    return nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 3))
