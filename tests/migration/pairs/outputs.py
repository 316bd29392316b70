"""Ends of models: squeezed, transposed, of whole numbers, in dicts and lists, made by a function."""

from typing import Any


def tensorflow_regression(squeezed: bool = False) -> Any:
    import keras
    from keras import layers, ops

    x = inputs = keras.Input((8,))
    x = layers.Dense(1, name="value")(layers.Dense(6, activation="relu", name="hidden")(x))
    return keras.Model(inputs, ops.squeeze(x, axis=-1) if squeezed else x)


def paddle_regression(squeezed: bool = False) -> Any:
    from paddle import nn

    class Regression(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.mlp = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 1))

        def forward(self, x: Any) -> Any:
            x = self.mlp(x)
            return x.squeeze(-1) if squeezed else x

    return Regression()


def tensorflow_frames() -> Any:
    """Logits of every step, channels last."""
    import keras
    from keras import layers

    x = inputs = keras.Input((10, 4))
    x = layers.Conv1D(6, 3, padding="same", activation="relu", name="features")(x)
    return keras.Model(inputs, layers.Conv1D(5, 1, name="logits")(x))


def paddle_frames(transposed_back: bool = True, back: bool = True) -> Any:
    """transposed_back: the steps come second again; back: by a transpose, and not by a reshape."""
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Frames(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1D(4, 6, 3, padding=1)
            self.out = nn.Conv1D(6, 5, 1)

        def forward(self, x: Any) -> Any:
            x = self.out(F.relu(self.conv(x.transpose([0, 2, 1]))))
            if not transposed_back:
                return x
            return x.transpose([0, 2, 1]) if back else x.reshape([x.shape[0], 10, 5])

    return Frames()


def tensorflow_classes(axis: int = -1, classes: int = 4) -> Any:
    """The class itself."""
    import keras
    from keras import layers, ops

    x = inputs = keras.Input((8,))
    x = layers.Dense(classes, name="logits")(layers.Dense(6, activation="relu", name="hidden")(x))
    return keras.Model(inputs, ops.argmax(x, axis=axis))


def paddle_classes(lowest: bool = False, second: bool = False) -> Any:
    """second: the index of the second largest, as a slice of topk that is off by one gives it."""
    from paddle import nn

    class Classes(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.mlp = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 4))

        def forward(self, x: Any) -> Any:
            x = self.mlp(x)
            if second:
                return x.topk(2, axis=-1)[1][:, 1]
            return x.argmin(-1) if lowest else x.argmax(-1)

    return Classes()


def tensorflow_dict() -> Any:
    """Two outputs of one shape by name."""
    import keras
    from keras import layers

    x = inputs = keras.Input((8,))
    x = layers.Dense(6, activation="relu", name="hidden")(x)
    outputs = {
        "mean": layers.Dense(3, name="mean")(x),
        "spread": layers.Dense(3, activation="sigmoid", name="spread")(x),
    }
    return keras.Model(inputs, outputs)


def paddle_dict(exchanged: bool = False, as_tuple: bool = False) -> Any:
    """exchanged: the names are."""
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Heads(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = nn.Linear(8, 6)
            self.mu = nn.Linear(6, 3)
            self.sigma = nn.Linear(6, 3)

        def forward(self, x: Any) -> Any:
            x = F.relu(self.hidden(x))
            mean, spread = self.mu(x), F.sigmoid(self.sigma(x))
            if exchanged:
                mean, spread = spread, mean
            return (mean, spread) if as_tuple else {"spread": spread, "mean": mean}

    return Heads()


def tensorflow_unit() -> Any:
    """The model ends in a function."""
    import keras
    from keras import layers

    x = inputs = keras.Input((8,))
    x = layers.Dense(6, name="embedding")(layers.Dense(6, activation="tanh", name="hidden")(x))
    return keras.Model(inputs, layers.UnitNormalization(name="unit")(x))


def paddle_unit(norm: int = 2) -> Any:
    """norm 1: rows whose magnitudes add up to 1."""
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Embed(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.fc1 = nn.Linear(8, 6)
            self.fc2 = nn.Linear(6, 6)

        def forward(self, x: Any) -> Any:
            return F.normalize(self.fc2(paddle.tanh(self.fc1(x))), p=norm)

    return Embed()


def tensorflow_softmax(softmax: bool = True) -> Any:
    import keras
    from keras import layers

    x = inputs = keras.Input((6, 5))
    x = layers.Dense(4, name="scores")(x)
    return keras.Model(inputs, layers.Softmax(name="softmax")(x) if softmax else x)


def paddle_softmax(axis: int = -1, log: bool = False) -> Any:
    from paddle import nn

    return nn.Sequential(nn.Linear(5, 4), nn.LogSoftmax(axis) if log else nn.Softmax(axis))


def tensorflow_cumulative() -> Any:
    """Survival probabilities of steps: a cumulative product of 1 - hazard, with the hazards beside it."""
    import keras
    from keras import layers, ops

    x = inputs = keras.Input((6, 5))
    hazard = layers.Dense(1, activation="sigmoid", name="hazard")(x)
    return keras.Model(inputs, [hazard, ops.cumsum(ops.log(1.0 - hazard), axis=1)])


def paddle_cumulative(axis: int = 1, exclusive: bool = False) -> Any:
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Survival(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(5, 1)

        def forward(self, x: Any) -> Any:
            hazard = F.sigmoid(self.fc(x))
            steps = paddle.log(1.0 - hazard)
            total = paddle.cumsum(steps, axis=axis)
            return hazard, total - steps if exclusive else total

    return Survival()


def tensorflow_nested() -> Any:
    """A list with a dict in it."""
    import keras
    from keras import layers

    x = inputs = keras.Input((8,))
    features = layers.Dense(6, activation="relu", name="features")(x)
    heads = {"a": layers.Dense(2, name="head_a")(features), "b": layers.Dense(3, name="head_b")(features)}
    return keras.Model(inputs, [features, heads])


def paddle_nested(before: bool = False) -> Any:
    """before: the features are given back before their activation."""
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Nested(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(8, 6)
            self.a = nn.Linear(6, 2)
            self.b = nn.Linear(6, 3)

        def forward(self, x: Any) -> Any:
            raw = self.fc(x)
            features = F.relu(raw)
            return [raw if before else features, {"a": self.a(features), "b": self.b(features)}]

    return Nested()


def tensorflow_auxiliary() -> Any:
    """A second output in training mode alone."""
    import keras
    from keras import layers

    class Auxiliary(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.main = layers.Dense(6, activation="relu", name="hidden"), layers.Dense(3, name="main")

        def call(self, x: Any, training: bool | None = None) -> Any:
            x = self.hidden(x)
            return (self.main(x), x) if training else self.main(x)

    return Auxiliary()


def paddle_auxiliary() -> Any:
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Auxiliary(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.main = nn.Linear(8, 6), nn.Linear(6, 3)

        def forward(self, x: Any) -> Any:
            x = F.relu(self.hidden(x))
            return (self.main(x), x) if self.training else self.main(x)

    return Auxiliary()


def tensorflow_places() -> Any:
    """The places of the two rows with the highest scores, which of equal rows are any."""
    import keras
    from keras import layers, ops

    inputs = keras.Input((6, 5))
    scores = ops.squeeze(layers.Dense(1, name="scores")(inputs), -1)
    return keras.Model(inputs, ops.top_k(scores, 2)[1])


def paddle_places(largest: bool = True) -> Any:
    import paddle
    from paddle import nn

    class Places(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.scores = nn.Linear(5, 1)

        def forward(self, x: Any) -> Any:
            return paddle.topk(self.scores(x).squeeze(-1), 2, largest=largest)[1]

    return Places()
