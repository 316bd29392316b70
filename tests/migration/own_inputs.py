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


def keras_rounded() -> Any:
    import keras
    from keras import layers

    x = inputs = keras.Input((6,))
    x = layers.Lambda(keras.ops.round, name="whole")(x)
    return keras.Model(inputs, layers.Dense(2, name="logits")(x))


def paddle_rounded() -> Any:
    """Halves go up."""
    import paddle
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.logits = nn.Linear(6, 2)

        def forward(self, x: Any) -> Any:
            return self.logits(paddle.floor(x + 0.5))

    return Net()
