"""Arrays that a user's own code takes: stacked ones, those of a list of layers, kernels without a layer's call."""

from typing import Any


def tensorflow_stacked() -> Any:
    """Experts of two layers, whose kernels are stacked, and of which no layer's output exists by itself."""
    import keras
    from keras import layers, ops

    class Experts(layers.Layer):
        def build(self, shape: Any) -> None:
            self.router = self.add_weight(shape=(shape[-1], 3), name="router")
            self.up = self.add_weight(shape=(3, shape[-1], 5), name="up")
            self.start = self.add_weight(shape=(3, 5), name="start")
            self.down = self.add_weight(shape=(3, 5, 2), name="down")

        def call(self, x: Any) -> Any:
            shares = ops.softmax(ops.matmul(x, self.router), axis=-1)
            hidden = ops.relu(ops.einsum("nd,edh->neh", x, self.up) + self.start)
            return ops.einsum("ne,neh,eho->no", shares, hidden, self.down)

    inputs = keras.Input((6,))
    return keras.Model(inputs, Experts(name="experts")(inputs))


def tensorflow_listed() -> Any:
    """The same experts as layers, which Keras runs in no order that names say."""
    import keras
    from keras import layers, ops

    inputs = keras.Input((6,))
    shares = layers.Dense(3, activation="softmax", name="router")(inputs)
    made = [
        layers.Dense(2, use_bias=False, name=f"down{k}")(layers.Dense(5, activation="relu", name=f"up{k}")(inputs))
        for k in (2, 0, 1)
    ]
    return keras.Model(inputs, ops.sum(shares[..., None] * ops.stack([made[1], made[2], made[0]], axis=1), axis=1))


def paddle_experts(router_bias: bool = False, over: int = -1) -> Any:
    """over: the axis along which shares add up to 1."""
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Mixture(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.router = nn.Linear(6, 3, bias_attr=None if router_bias else False)
            self.ups = nn.LayerList([nn.Linear(6, 5) for _ in range(3)])
            self.downs = nn.LayerList([nn.Linear(5, 2, bias_attr=False) for _ in range(3)])

        def forward(self, x: Any) -> Any:
            shares = F.softmax(self.router(x), axis=over)
            layers = zip(self.ups, self.downs, strict=True)
            return sum(shares[:, k : k + 1] * down(F.relu(up(x))) for k, (up, down) in enumerate(layers))

    return Mixture()


def tensorflow_transitions() -> Any:
    """The log of the sum over all paths, as a conditional random field has it."""
    import keras
    from keras import layers, ops

    class Paths(layers.Layer):
        def build(self, shape: Any) -> None:
            self.transitions = self.add_weight(shape=(shape[-1], shape[-1]), name="transitions")
            self.start = self.add_weight(shape=(shape[-1],), name="start")

        def call(self, scores: Any) -> Any:
            total = scores[:, 0] + self.start
            for step in range(1, scores.shape[1]):
                total = ops.logsumexp(total[:, :, None] + self.transitions, axis=1) + scores[:, step]
            return total

    inputs = keras.Input((4, 3))
    return keras.Model(inputs, Paths(name="paths")(layers.Dense(4, name="scores")(inputs)))


def paddle_transitions(backwards: bool = False) -> Any:
    """backwards: transitions [to, from]."""
    import paddle
    from paddle import nn

    class Paths(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.scores = nn.Linear(3, 4)
            self.transitions = self.create_parameter([4, 4])
            self.start = self.create_parameter([4])

        def forward(self, x: Any) -> Any:
            scores = self.scores(x)
            total = scores[:, 0] + self.start
            for step in range(1, scores.shape[1]):
                transitions = self.transitions.T if backwards else self.transitions
                total = paddle.logsumexp(total.unsqueeze(-1) + transitions, axis=1) + scores[:, step]
            return total

    return Paths()


def tensorflow_learned_start() -> Any:
    """A GRU that begins with a state that is learned."""
    import keras
    from keras import layers, ops

    class Memory(layers.Layer):
        def build(self, shape: Any) -> None:
            self.start = self.add_weight(shape=(1, 5), name="start", initializer="zeros")
            self.gru = layers.GRU(5, return_sequences=True)
            self.gru.build(shape)

        def call(self, x: Any) -> Any:
            return self.gru(x, initial_state=ops.broadcast_to(self.start, (ops.shape(x)[0], 5)))

    inputs = keras.Input((4, 3))
    return keras.Model(inputs, Memory(name="memory")(inputs))


def paddle_learned_start(used: bool = True) -> Any:
    from paddle import nn

    class Memory(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.gru = nn.GRU(3, 5)
            self.start = self.create_parameter([1, 1, 5], is_bias=True)

        def forward(self, x: Any) -> Any:
            start = self.start.expand([1, x.shape[0], 5])
            return self.gru(x, start if used else None)[0]

    return Memory()


def tensorflow_gated() -> Any:
    import keras
    from keras import layers

    inputs = keras.Input((5, 3))
    x = layers.GRU(4, activation="relu", name="memory")(inputs)
    return keras.Model(inputs, layers.Dense(2, name="logits")(x))


def paddle_gated(activation: str = "relu") -> Any:
    """The steps of a GRU written out, with kernels of the model's own."""
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Gated(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.weight_ih, self.weight_hh = self.create_parameter([12, 3]), self.create_parameter([12, 4])
            self.bias_ih = self.create_parameter([12], is_bias=True)
            self.bias_hh = self.create_parameter([12], is_bias=True)
            self.logits = nn.Linear(4, 2)

        def forward(self, x: Any) -> Any:
            state = x[:, 0, :1] * 0 + self.bias_hh[:4] * 0
            for step in range(x.shape[1]):
                given = (x[:, step] @ self.weight_ih.T + self.bias_ih).split(3, -1)
                kept = (state @ self.weight_hh.T + self.bias_hh).split(3, -1)
                reset, update = F.sigmoid(given[0] + kept[0]), F.sigmoid(given[1] + kept[1])
                state = update * state + (1 - update) * getattr(F, activation)(given[2] + reset * kept[2])
            return self.logits(state)

    return Gated()


def tensorflow_generator() -> Any:
    """Maps of features that a norm and an activation have changed before."""
    import keras
    from keras import layers

    x = inputs = keras.Input((5,))
    x = layers.BatchNormalization(name="norm")(layers.Dense(4 * 3 * 6, use_bias=False, name="dense")(x))
    x = layers.Reshape((4, 3, 6))(layers.LeakyReLU(name="leaky")(x))
    return keras.Model(inputs, layers.Conv2DTranspose(2, 2, strides=2, name="up")(x))


def paddle_generator(slope: float = 0.3) -> Any:
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Generator(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.dense = nn.Linear(5, 72, bias_attr=False)
            self.norm = nn.BatchNorm1D(72, epsilon=1e-3)
            self.up = nn.Conv2DTranspose(6, 2, 2, stride=2)

        def forward(self, x: Any) -> Any:
            return self.up(F.leaky_relu(self.norm(self.dense(x)), slope).reshape([-1, 6, 4, 3]))

    return Generator()


def tensorflow_standardised() -> Any:
    """A convolution whose kernel is standardised before."""
    import keras
    from keras import layers, ops

    class Standardised(layers.Conv2D):
        def call(self, x: Any) -> Any:
            mean, variance = ops.moments(self.kernel, axes=(0, 1, 2), keepdims=True)
            return ops.conv(x, (self.kernel - mean) / ops.sqrt(variance + 1e-5), padding="same") + self.bias

    x = inputs = keras.Input((6, 6, 3))
    x = layers.ReLU()(Standardised(4, 3, name="standardised")(x))
    return keras.Model(inputs, layers.Conv2D(2, 1, name="classes")(x))


def paddle_standardised(unbiased: bool = False) -> Any:
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Standardised(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.classes = nn.Conv2D(3, 4, 3), nn.Conv2D(4, 2, 1)

        def forward(self, x: Any) -> Any:
            kernel = self.conv.weight
            mean = kernel.mean([1, 2, 3], keepdim=True)
            variance = kernel.var([1, 2, 3], unbiased=unbiased, keepdim=True)
            kernel = (kernel - mean) / paddle.sqrt(variance + 1e-5)
            return self.classes(F.relu(F.conv2d(x, kernel, self.conv.bias, padding=1)))

    return Standardised()


def tensorflow_spectral() -> Any:
    """Keras divides the kernel by its largest singular value in training, and then keeps it so."""
    import keras
    from keras import layers

    inputs = keras.Input((6,))
    x = layers.SpectralNormalization(layers.Dense(5), name="spectral")(inputs)
    return keras.Model(inputs, layers.Dense(2, name="logits")(layers.ReLU()(x)))


def paddle_spectral() -> Any:
    """Paddle divides it in every run."""
    from paddle import nn

    return nn.Sequential(nn.utils.spectral_norm(nn.Linear(6, 5)), nn.ReLU(), nn.Linear(5, 2))


def tensorflow_crossed() -> Any:
    """Deep and cross: layers of a kernel and a bias each."""
    import keras
    from keras import layers, ops

    class Cross(layers.Layer):
        def build(self, shape: Any) -> None:
            self.kernel = self.add_weight(shape=(6, 1), name="kernel")
            self.bias = self.add_weight(shape=(6,), name="bias")

        def call(self, first: Any, x: Any) -> Any:
            return first * ops.matmul(x, self.kernel) + self.bias + x

    x = inputs = keras.Input((6,))
    for number in range(3):
        x = Cross(name=f"cross{number}")(inputs, x)
    return keras.Model(inputs, layers.Dense(1, name="logit")(x))


def paddle_crossed(residual: bool = True) -> Any:
    """All kernels in one list, and all biases in another."""
    from paddle import nn

    class Crossed(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.kernels = nn.ParameterList([self.create_parameter([6, 1]) for _ in range(3)])
            self.biases = nn.ParameterList([self.create_parameter([6], is_bias=True) for _ in range(3)])
            self.logit = nn.Linear(6, 1)

        def forward(self, first: Any) -> Any:
            x = first
            for kernel, bias in zip(self.kernels, self.biases, strict=True):
                crossed = first * (x @ kernel) + bias
                x = crossed + x if residual else crossed
            return self.logit(x)

    return Crossed()
