"""What layers take and functions compute where TensorFlow has one layer of its own: states, borders, order, tokens."""

from typing import Any


def tensorflow_deconvolved() -> Any:
    """A transposed convolution with an activation of its own."""
    import keras
    from keras import layers

    x = inputs = keras.Input((8, 3))
    x = layers.Conv1DTranspose(4, 4, strides=2, padding="same", activation="elu", name="up")(x)
    return keras.Model(inputs, layers.Conv1D(2, 3, padding="same", name="out")(x))


def paddle_deconvolved(alpha: float = 1.0) -> Any:
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.up = nn.Conv1DTranspose(3, 4, 4, stride=2, padding=1)
            self.out = nn.Conv1D(4, 2, 3, padding=1)

        def forward(self, x: Any) -> Any:
            x = nn.functional.elu(self.up(x.transpose([0, 2, 1])), alpha)
            return self.out(x).transpose([0, 2, 1])

    return Net()


def tensorflow_blurred() -> Any:
    """A mean of nine pixels, with the border reflected, at every other pixel."""
    import keras
    import tensorflow as tf
    from keras import layers

    sides = [[0, 0], [1, 1], [1, 1], [0, 0]]
    x = inputs = keras.Input((9, 9, 3))
    x = layers.Conv2D(4, 3, name="conv")(x)
    blur = layers.Lambda(lambda z: tf.nn.avg_pool2d(tf.pad(z, sides, "REFLECT"), 3, 2, "VALID"), name="blur")
    return keras.Model(inputs, layers.Conv2D(2, 1, name="out")(blur(x)))


def paddle_blurred(mode: str = "reflect") -> Any:
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.out = nn.Conv2D(3, 4, 3), nn.Conv2D(4, 2, 1)

        def forward(self, x: Any) -> Any:
            return self.out(F.avg_pool2d(F.pad(self.conv(x), [1, 1, 1, 1], mode=mode), 3, 2))

    return Net()


def tensorflow_branches(count: int = 2) -> Any:
    """Branches that begin with the same convolution, in an order in which Keras does not run them."""
    import keras
    from keras import layers

    def convolution(x: Any, size: tuple[int, int], name: str) -> Any:
        x = layers.Conv2D(4, size, padding="same", use_bias=False, name=f"conv_{name}")(x)
        x = layers.BatchNormalization(scale=False, name=f"norm_{name}")(x)
        return layers.ReLU(name=f"relu_{name}")(x)

    x = inputs = keras.Input((4, 4, 12))
    for block in range(count):
        one = convolution(x, (1, 1), f"one{block}")
        two = convolution(convolution(x, (1, 1), f"two_a{block}"), (1, 3), f"two_b{block}")
        three = convolution(x, (1, 1), f"three_a{block}")
        for step, size in enumerate(((3, 1), (1, 3), (3, 1))):
            three = convolution(three, size, f"three_{step}{block}")
        x = layers.Concatenate(name=f"join{block}")([one, two, three])
    return keras.Model(inputs, layers.Dense(2, name="logits")(layers.GlobalAveragePooling2D(name="mean")(x)))


def paddle_branches(count: int = 2, epsilon: float = 1e-3, scale: Any = False) -> Any:
    import paddle
    from paddle import nn

    def convolution(size: tuple[int, int], channels: int = 4) -> Any:
        sides = (size[0] // 2, size[1] // 2)
        return nn.Sequential(
            nn.Conv2D(channels, 4, size, padding=sides, bias_attr=False),
            nn.BatchNorm2D(4, epsilon=epsilon, weight_attr=scale),
            nn.ReLU(),
        )

    class Block(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.one = convolution((1, 1), 12)
            self.two = nn.Sequential(convolution((1, 1), 12), convolution((1, 3)))
            self.three = nn.Sequential(
                convolution((1, 1), 12), convolution((3, 1)), convolution((1, 3)), convolution((3, 1))
            )

        def forward(self, x: Any) -> Any:
            return paddle.concat([self.one(x), self.two(x), self.three(x)], axis=1)

    return nn.Sequential(*(Block() for _ in range(count)), nn.AdaptiveAvgPool2D(1), nn.Flatten(), nn.Linear(12, 2))


def tensorflow_decoder() -> Any:
    """A decoder that begins with the states with which the encoder ends."""
    import keras
    from keras import layers

    x = inputs = keras.Input((6, 3))
    _, hidden, cell = layers.LSTM(4, return_state=True, name="encoder")(x)
    y = layers.LSTM(4, return_sequences=True, name="decoder")(
        layers.Dense(3, name="turn")(x), initial_state=[hidden, cell]
    )
    return keras.Model(inputs, layers.Dense(2, name="out")(y))


def paddle_decoder(cell: bool = True) -> Any:
    """cell: whether the decoder takes both states, or begins with zeros in its cells."""
    import paddle
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.decoder = nn.LSTM(3, 4), nn.LSTM(3, 4)
            self.turn, self.out = nn.Linear(3, 3), nn.Linear(4, 2)

        def forward(self, x: Any) -> Any:
            _, (hidden, last) = self.encoder(x)
            return self.out(self.decoder(self.turn(x), (hidden, last if cell else paddle.zeros_like(last)))[0])

    return Net()


def tensorflow_colours() -> Any:
    """Images as BGR, less the mean of each channel."""
    import keras
    import tensorflow as tf
    from keras import layers

    x = inputs = keras.Input((8, 8, 3))
    x = layers.Lambda(lambda z: z[..., ::-1] - tf.constant([10.0, 11.0, 12.0], dtype=z.dtype), name="prepare")(x)
    return keras.Model(inputs, layers.Conv2D(4, 3, name="conv")(x))


def paddle_colours(turned: bool = True) -> Any:
    import paddle
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2D(3, 4, 3)

        def forward(self, x: Any) -> Any:
            x = x.flip([1]) if turned else x
            return self.conv(x - paddle.to_tensor([10.0, 11.0, 12.0], dtype=x.dtype).reshape([1, 3, 1, 1]))

    return Net()


def tensorflow_graph() -> Any:
    """Two convolutions on a graph, each of which adds the loops and divides by the degrees."""
    import keras
    from keras import layers, ops

    class GraphConv(layers.Layer):
        def __init__(self, units: int, **options: Any) -> None:
            super().__init__(**options)
            self.dense = layers.Dense(units, use_bias=False)

        def build(self, shapes: Any) -> None:
            self.dense.build(shapes[0])

        def call(self, pair: Any) -> Any:
            x, edges = pair
            edges = edges + ops.eye(edges.shape[-1], dtype=edges.dtype)
            return ops.matmul(edges / ops.sum(ops.abs(edges), axis=-1, keepdims=True), self.dense(x))

    inputs = keras.Input((5, 4), name="x"), keras.Input((5, 5), name="edges")
    y = layers.ReLU(name="relu")(GraphConv(6, name="graph1")(inputs))
    return keras.Model(inputs, GraphConv(3, name="graph2")([y, inputs[1]]))


def paddle_graph(loops: bool = True) -> Any:
    import paddle
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(4, 6, bias_attr=False), nn.Linear(6, 3, bias_attr=False)

        def forward(self, x: Any, edges: Any) -> Any:
            edges = edges + paddle.eye(5, dtype=edges.dtype) if loops else edges
            edges = edges / edges.abs().sum(-1, keepdim=True)
            return paddle.bmm(edges, self.second(nn.functional.relu(paddle.bmm(edges, self.first(x)))))

    return Net()


def tensorflow_token() -> Any:
    """Patches with a token before them."""
    import keras
    from keras import layers, ops

    class Token(layers.Layer):
        def build(self, shape: Any) -> None:
            self.token = self.add_weight(shape=(1, 1, shape[-1]), name="token")

        def call(self, x: Any) -> Any:
            first = ops.broadcast_to(self.token, (ops.shape(x)[0], 1, x.shape[-1]))
            return ops.concatenate([first, x], axis=1)

    x = inputs = keras.Input((8, 8, 3))
    x = layers.Reshape((4, 6), name="rows")(layers.Conv2D(6, 4, strides=4, name="patch")(x))
    x = layers.LayerNormalization(epsilon=1e-5, name="norm")(Token(name="front")(x))
    return keras.Model(inputs, layers.Dense(2, name="out")(x))


def paddle_token(bias: bool = True) -> Any:
    import paddle
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.patch = nn.Conv2D(3, 6, 4, stride=4, bias_attr=None if bias else False)
            self.token = self.create_parameter([1, 1, 6])
            self.norm, self.out = nn.LayerNorm(6), nn.Linear(6, 2)

        def forward(self, x: Any) -> Any:
            x = self.patch(x).flatten(2).transpose([0, 2, 1])
            return self.out(self.norm(paddle.concat([self.token.expand([x.shape[0], -1, -1]), x], axis=1)))

    return Net()


def tensorflow_product() -> Any:
    """The inner product of what two branches give, and a number."""
    import keras
    from keras import layers, ops

    class Inner(layers.Layer):
        def build(self, shapes: Any) -> None:
            self.bias = self.add_weight(shape=(1,), name="bias")

        def call(self, pair: Any) -> Any:
            return ops.sum(pair[0] * pair[1], axis=1, keepdims=True) + self.bias

    inputs = keras.Input((5,), name="one"), keras.Input((4,), name="other")
    one = layers.Dense(6, name="left")(inputs[0])
    return keras.Model(inputs, Inner(name="inner")([one, layers.Dense(6, name="right")(inputs[1])]))


def paddle_product(function: str = "sum") -> Any:
    import paddle
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = nn.Linear(5, 6), nn.Linear(4, 6)
            self.bias = self.create_parameter([1], is_bias=True)

        def forward(self, one: Any, other: Any) -> Any:
            return getattr(paddle, function)(self.left(one) * self.right(other), axis=1, keepdim=True) + self.bias

    return Net()


def tensorflow_pooled_branch() -> Any:
    """Two branches with kernels of one shape, one on maps and one on their means."""
    import keras
    from keras import layers

    x = inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="body")(x)
    means = layers.GlobalAveragePooling2D(keepdims=True, name="means")(x)
    y = layers.Add(name="sum")([layers.Conv2D(5, 1, name="maps")(x), layers.Conv2D(5, 1, name="context")(means)])
    return keras.Model(inputs, layers.Conv2D(2, 1, name="out")(layers.ReLU(name="relu")(y)))


def paddle_pooled_branch(pool: str = "AdaptiveAvgPool2D") -> Any:
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.pool = nn.Conv2D(3, 4, 3), getattr(nn, pool)(1)
            self.maps, self.context, self.out = nn.Conv2D(4, 5, 1), nn.Conv2D(4, 5, 1), nn.Conv2D(5, 2, 1)

        def forward(self, x: Any) -> Any:
            x = self.body(x)
            context = self.context(self.pool(x))
            return self.out(nn.functional.relu(self.maps(x) + context))

    return Net()


def tensorflow_gated() -> Any:
    """A gate by a layer whose name begins as that of the norm before it does."""
    import keras
    from keras import layers

    x = inputs = keras.Input((6, 8))
    h = layers.Dense(8, name="values")(x)
    g = layers.LayerNormalization(epsilon=1e-5, name="gate_norm")(layers.Dense(8, name="scores")(x))
    y = layers.Multiply(name="product")([h, layers.Activation("sigmoid", name="gate")(g)])
    return keras.Model(inputs, layers.Dense(2, name="out")(layers.GlobalAveragePooling1D(name="mean")(y)))


def paddle_gated(gate: bool = True) -> Any:
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.values, self.scores, self.norm = nn.Linear(8, 8), nn.Linear(8, 8), nn.LayerNorm(8)
            self.out = nn.Linear(8, 2)

        def forward(self, x: Any) -> Any:
            g = self.norm(self.scores(x))
            return self.out((self.values(x) * (nn.functional.sigmoid(g) if gate else g)).mean(axis=1))

    return Net()


def tensorflow_rolled() -> Any:
    """Attention of two heads by hand, of a sequence that is turned by a step first."""
    import keras
    from keras import layers, ops

    class Attention(layers.Layer):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.query, self.key, self.value = (layers.Dense(8, name=name) for name in ("query", "key", "value"))

        def build(self, shape: Any) -> None:
            for layer in (self.query, self.key, self.value):
                layer.build(shape)

        def call(self, x: Any) -> Any:
            x = ops.roll(x, -1, axis=1)
            heads = [
                ops.transpose(ops.reshape(layer(x), (-1, 5, 2, 4)), (0, 2, 1, 3))
                for layer in (self.query, self.key, self.value)
            ]
            weights = ops.softmax(ops.matmul(heads[0], ops.transpose(heads[1], (0, 1, 3, 2))), axis=-1)
            return ops.reshape(ops.transpose(ops.matmul(weights, heads[2]), (0, 2, 1, 3)), (-1, 5, 8))

    x = inputs = keras.Input((5, 8))
    return keras.Model(inputs, layers.Dense(3, name="out")(Attention(name="attention")(x)))


def paddle_rolled(step: int = -1) -> Any:
    import paddle
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.query, self.key, self.value = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)
            self.out = nn.Linear(8, 3)

        def forward(self, x: Any) -> Any:
            x = paddle.roll(x, step, axis=1)
            q, k, v = (
                layer(x).reshape([-1, 5, 2, 4]).transpose([0, 2, 1, 3]) for layer in (self.query, self.key, self.value)
            )
            weights = nn.functional.softmax(paddle.matmul(q, k, transpose_y=True), axis=-1)
            return self.out(paddle.matmul(weights, v).transpose([0, 2, 1, 3]).reshape([-1, 5, 8]))

    return Net()


def tensorflow_biased() -> Any:
    """The bias of a layer whose other numbers are a hundred million times as large, and one of a usual layer."""
    import keras
    from keras import layers

    x = inputs = keras.Input((8,))
    large = layers.Dense(6, name="large")(layers.Rescaling(1e8, name="scale")(x))
    return keras.Model(inputs, layers.Concatenate(name="both")([large, layers.Dense(4, name="usual")(x)]))


def paddle_biased(bias: bool = True) -> Any:
    import paddle
    from paddle import nn

    class Biased(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.large = nn.Linear(8, 6, bias_attr=None if bias else False)
            self.usual = nn.Linear(8, 4, bias_attr=None if bias else False)

        def forward(self, x: Any) -> Any:
            return paddle.concat([self.large(1e8 * x), self.usual(x)], axis=-1)

    return Biased()
