"""Layers that are called more than once."""

from typing import Any


def tensorflow_distance(floor: float = 1e-9) -> Any:
    """The distance of two images under one encoder."""
    import keras
    from keras import layers, ops

    encoder = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(4, 3, activation="relu", name="conv"),
            layers.Flatten(name="rows"),
            layers.Dense(5, name="embedding"),
        ],
        name="encoder",
    )
    left, right = keras.Input((8, 8, 1), name="left"), keras.Input((8, 8, 1), name="right")
    squares = ops.sum(ops.square(encoder(left) - encoder(right)), axis=1, keepdims=True)
    return keras.Model([left, right], ops.sqrt(squares + floor))


def paddle_distance(shared: bool = True, transposed: bool = True) -> Any:
    """shared: one encoder for both; transposed: its rows are in Keras's order."""
    import paddle
    from paddle import nn

    class ToChannelsLast(nn.Layer):
        def forward(self, x: Any) -> Any:
            return x.transpose([0, 2, 3, 1])

    def encoder() -> Any:
        turn = [ToChannelsLast()] if transposed else []
        return nn.Sequential(nn.Conv2D(1, 4, 3), nn.ReLU(), *turn, nn.Flatten(), nn.Linear(144, 5))

    class Siamese(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder()
            self.other = self.encoder if shared else encoder()

        def forward(self, left: Any, right: Any) -> Any:
            squares = paddle.square(self.encoder(left) - self.other(right)).sum(axis=1, keepdim=True)
            return paddle.sqrt(squares + 1e-9)

    return Siamese()


def tensorflow_recurring(times: int = 3) -> Any:
    """One layer applied again and again, as in a deep equilibrium model."""
    import keras
    from keras import layers

    x = inputs = keras.Input((6,))
    step = layers.Dense(6, activation="tanh", name="step")
    for _ in range(times):
        x = step(x)
    return keras.Model(inputs, layers.Dense(2, name="out")(x))


def paddle_recurring(times: int = 3, shared: bool = True) -> Any:
    import paddle
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.steps = nn.LayerList([nn.Linear(6, 6) for _ in range(1 if shared else times)])
            self.out = nn.Linear(6, 2)

        def forward(self, x: Any) -> Any:
            for index in range(times):
                x = paddle.tanh(self.steps[0 if shared else index](x))
            return self.out(x)

    return Net()


def tensorflow_triplet() -> Any:
    """Similarities of an anchor with two others."""
    import keras
    from keras import layers

    anchor, near, far = (keras.Input((6,), name=name) for name in ("anchor", "near", "far"))
    encode = layers.Dense(4, activation="tanh", name="encode")
    dot = layers.Dot(axes=1, normalize=True, name="cosine")
    vectors = [encode(x) for x in (anchor, near, far)]
    return keras.Model([anchor, near, far], [dot(vectors[:2]), dot([vectors[0], vectors[2]])])


def paddle_triplet(normalised: bool = True) -> Any:
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Triplet(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(6, 4)

        def similarity(self, a: Any, b: Any) -> Any:
            if normalised:
                return F.cosine_similarity(a, b, axis=1).unsqueeze(1)
            return (a * b).sum(axis=1, keepdim=True)

        def forward(self, anchor: Any, near: Any, far: Any) -> Any:
            a, b, c = (paddle.tanh(self.fc(x)) for x in (anchor, near, far))
            return self.similarity(a, b), self.similarity(a, c)

    return Triplet()
