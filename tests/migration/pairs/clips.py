"""Functions that bend where ordinary inputs do not reach: ReLU6, clips, hard sigmoid, hard tanh."""

from typing import Any


def tensorflow_bounded(function: str = "relu6") -> Any:
    """One bounded function between two layers."""
    import keras
    from keras import layers, ops

    functions: dict[str, Any] = {
        "clip20": lambda x: ops.minimum(ops.relu(x), 20.0),
        "clip": lambda x: ops.clip(x, -50.0, 50.0),
        "identity": lambda x: x,
        "uneven": lambda x: ops.clip(x, -2.0, 2.5),
        "probability": lambda x: ops.clip(ops.sigmoid(x), 0.0, 1.0),
        "hard_tanh": lambda x: ops.clip(x, -1.0, 1.0),
        "sigmoid02": lambda x: ops.clip(0.2 * x + 0.5, 0.0, 1.0),
    }
    x = inputs = keras.Input((8,))
    x = layers.Dense(6, name="hidden")(x)
    x = functions[function](x) if function in functions else layers.Activation(function, name="bend")(x)
    return keras.Model(inputs, layers.Dense(3, name="logits")(x))


def paddle_bounded(function: str = "relu6", **options: Any) -> Any:
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.fc1 = nn.Linear(8, 6)
            self.fc2 = nn.Linear(6, 3)

        def bend(self, x: Any) -> Any:
            if function == "identity":
                return x
            return paddle.clip(x, **options) if function == "clip" else getattr(F, function)(x, **options)

        def forward(self, x: Any) -> Any:
            return self.fc2(self.bend(self.fc1(x)))

    return Net()


def tensorflow_bounded_twice(function: str = "relu6") -> Any:
    """No input reaches the second function's end: the first one bounds what comes there."""
    import keras
    from keras import layers

    x = inputs = keras.Input((8,))
    x = layers.Dense(6, activation="tanh", name="hidden")(x)
    x = layers.Activation(function, name="bend")(layers.Dense(6, name="bounded")(x))
    return keras.Model(inputs, layers.Dense(3, name="logits")(x))


def paddle_bounded_twice(function: str = "ReLU6") -> Any:
    from paddle import nn

    bend = getattr(nn, function)()
    return nn.Sequential(nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 6), bend, nn.Linear(6, 3))


def tensorflow_hard_swish() -> Any:
    """MobileNet's functions by hand, on a map."""
    import keras
    from keras import layers

    x = inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(4, 3, padding="same", name="conv")(x)
    gate = layers.Rescaling(1 / 6, name="sixth")(
        layers.ReLU(6.0, name="bounded")(layers.Rescaling(1.0, 3.0, name="plus3")(x))
    )
    x = layers.Multiply(name="swish")([x, gate])
    return keras.Model(inputs, layers.Conv2D(2, 1, name="classes")(x))


def paddle_hard_swish(activation: str = "Hardswish") -> Any:
    from paddle import nn

    return nn.Sequential(nn.Conv2D(3, 4, 3, padding=1), getattr(nn, activation)(), nn.Conv2D(4, 2, 1))


def tensorflow_log_probability(floor: float = 1e-7) -> Any:
    """Logarithms of probabilities with a floor, which only sure predictions reach."""
    import keras
    from keras import layers, ops

    x = inputs = keras.Input((8,))
    x = layers.Dense(3, activation="softmax", name="probabilities")(x)
    return keras.Model(inputs, ops.log(ops.clip(x, floor, 1.0)))


def paddle_log_probability(floor: float | None = 1e-7) -> Any:
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(8, 3)

        def forward(self, x: Any) -> Any:
            x = F.softmax(self.fc(x))
            return paddle.log(x if floor is None else paddle.clip(x, min=floor))

    return Net()


def tensorflow_log_variance(bias: bool = True) -> Any:
    """The scale of a variational encoder: what comes before the bounds is small with usual weights."""
    import keras
    from keras import layers, ops

    x, noise = keras.Input((8,), name="x"), keras.Input((3,), name="noise")
    h = layers.Dense(6, activation="tanh", name="hidden")(x)
    mean = layers.Dense(3, name="mean")(h)
    variance = layers.Dense(3, use_bias=bias, name="variance")(h)
    scale = ops.exp(0.5 * ops.clip(variance, -20.0, 10.0))
    return keras.Model([x, noise], mean + scale * noise)


def paddle_log_variance(bias: bool = True, smallest: float | None = -20.0, largest: float | None = 10.0) -> Any:
    import paddle
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = nn.Linear(8, 6)
            self.mean = nn.Linear(6, 3)
            self.variance = nn.Linear(6, 3, bias_attr=None if bias else False)

        def forward(self, x: Any, noise: Any) -> Any:
            h = paddle.tanh(self.hidden(x))
            variance = self.variance(h)
            if smallest is not None or largest is not None:
                variance = paddle.clip(variance, smallest, largest)
            return self.mean(h) + paddle.exp(0.5 * variance) * noise

    return Net()


def tensorflow_log_softmax(activation: str = "relu") -> Any:
    import keras
    from keras import layers

    x = inputs = keras.Input((5,))
    x = layers.Dense(4, activation=activation, name="hidden")(x)
    return keras.Model(inputs, layers.Activation("log_softmax", name="log_softmax")(x))


def paddle_log_softmax() -> Any:
    """Paddle's log_softmax takes no number for further below the largest than 64."""
    from paddle import nn

    return nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.LogSoftmax())
