"""Several layers on one side that are one layer on the other: fused projections, gates, stacked experts."""

from typing import Any


def tensorflow_attention() -> Any:
    """Keras's attention keeps query, key and value apart."""
    import keras
    from keras import layers

    x = inputs = keras.Input((6, 8))
    y = layers.LayerNormalization(epsilon=1e-6, name="norm")(x)
    x = layers.Add(name="sum")([x, layers.MultiHeadAttention(2, key_dim=4, name="attention")(y, y)])
    return keras.Model(inputs, layers.Dense(3, name="logits")(x))


def paddle_attention(order: str = "qkv-heads", scaled: bool = True, epsilon: float = 1e-6) -> Any:
    """One Linear for all three.

    Args:
        order: of the outputs, slowest first: "qkv-heads" as in ViT, "heads-qkv" as in Megatron, "chunks".
        scaled: whether products are divided by the root of the key's size.
        epsilon: of the norm.
    """
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Attention(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.qkv = nn.Linear(8, 24)
            self.proj = nn.Linear(8, 8)

        def split(self, x: Any) -> Any:
            n, t, _ = x.shape
            if order == "heads-qkv":
                parts = self.qkv(x).reshape([n, t, 2, 3, 4]).transpose([3, 0, 2, 1, 4])
                return parts[0], parts[1], parts[2]
            if order == "qkv-heads":
                return self.qkv(x).reshape([n, t, 3, 2, 4]).transpose([2, 0, 3, 1, 4]).unbind(0)
            return [part.reshape([n, t, 2, 4]).transpose([0, 2, 1, 3]) for part in self.qkv(x).chunk(3, axis=-1)]

        def forward(self, x: Any) -> Any:
            q, k, v = self.split(x)
            scores = paddle.matmul(q, k.transpose([0, 1, 3, 2])) * (0.5 if scaled else 1.0)
            x = paddle.matmul(F.softmax(scores, axis=-1), v).transpose([0, 2, 1, 3])
            return self.proj(x.reshape([x.shape[0], x.shape[1], 8]))

    class Block(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.norm1 = nn.LayerNorm(8, epsilon=epsilon)
            self.attn = Attention()
            self.head = nn.Linear(8, 3)

        def forward(self, x: Any) -> Any:
            return self.head(x + self.attn(self.norm1(x)))

    return Block()


def tensorflow_gated(activation: str = "sigmoid") -> Any:
    """A product of two layers, one of which is the gate."""
    import keras
    from keras import layers

    x = inputs = keras.Input((8,))
    value = layers.Dense(6, name="value")(x)
    gate = layers.Dense(6, activation=activation, name="gate")(x)
    return keras.Model(inputs, layers.Dense(3, name="out")(layers.Multiply(name="product")([value, gate])))


def paddle_gated(activation: str = "sigmoid", both: bool = False) -> Any:
    """both: the gate's function is applied to both halves."""
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Gated(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.w12 = nn.Linear(8, 12)
            self.w3 = nn.Linear(6, 3)

        def forward(self, x: Any) -> Any:
            x = self.w12(x)
            if activation == "sigmoid" and not both:
                return self.w3(F.glu(x, axis=-1))
            value, gate = x.chunk(2, axis=-1)
            act = getattr(F, activation)
            return self.w3((act(value) if both else value) * act(gate))

    return Gated()


def paddle_gated_apart(activation: str = "sigmoid") -> Any:
    """Two layers alike, of which the gate is made first."""
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Gated(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.w1 = nn.Linear(8, 6)
            self.w2 = nn.Linear(8, 6)
            self.w3 = nn.Linear(6, 3)

        def forward(self, x: Any) -> Any:
            return self.w3(getattr(F, activation)(self.w1(x)) * self.w2(x))

    return Gated()


def tensorflow_experts() -> Any:
    """Experts whose kernels are stacked in one array, mixed by a router."""
    import keras
    from keras import layers, ops

    class Experts(layers.Layer):
        def build(self, shape: Any) -> None:
            self.kernels = self.add_weight(shape=(3, shape[-1], 5), name="kernels")
            self.biases = self.add_weight(shape=(3, 5), initializer="zeros", name="biases")

        def call(self, x: Any, weights: Any) -> Any:
            outputs = ops.einsum("nd,edh->neh", x, self.kernels) + self.biases
            return ops.sum(ops.expand_dims(weights, -1) * outputs, axis=1)

    inputs = keras.Input((8,))
    weights = layers.Dense(3, activation="softmax", name="router")(inputs)
    return keras.Model(inputs, layers.Dense(2, name="out")(Experts(name="experts")(inputs, weights)))


def paddle_experts(normalised: bool = True) -> Any:
    """A layer an expert; not normalised: the router's softmax is missing."""
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Mixture(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.gate = nn.Linear(8, 3)
            self.experts = nn.LayerList([nn.Linear(8, 5) for _ in range(3)])
            self.out = nn.Linear(5, 2)

        def forward(self, x: Any) -> Any:
            weights = self.gate(x)
            if normalised:
                weights = F.softmax(weights, axis=-1)
            outputs = paddle.stack([expert(x) for expert in self.experts], axis=1)
            return self.out((weights.unsqueeze(-1) * outputs).sum(axis=1))

    return Mixture()


def tensorflow_separable() -> Any:
    import keras
    from keras import layers

    x = inputs = keras.Input((8, 8, 3))
    x = layers.SeparableConv2D(6, 3, padding="same", activation="relu", name="separable")(x)
    return keras.Model(inputs, layers.Conv2D(2, 1, name="classes")(x))


def paddle_separable(middle: bool = False) -> Any:
    """middle: an activation between the two convolutions."""
    from paddle import nn

    return nn.Sequential(
        nn.Conv2D(3, 3, 3, padding=1, groups=3, bias_attr=False),
        *([nn.ReLU()] if middle else []),
        nn.Conv2D(3, 6, 1),
        nn.ReLU(),
        nn.Conv2D(6, 2, 1),
    )


def tensorflow_heads() -> Any:
    """Three outputs, each of a layer of its own."""
    import keras
    from keras import layers

    x = inputs = keras.Input((8,))
    x = layers.Dense(6, activation="tanh", name="hidden")(x)
    shares = layers.Dense(3, activation="softmax", name="shares")(x)
    spread = layers.Dense(3, activation="softplus", name="spread")(x)
    return keras.Model(inputs, (shares, layers.Dense(3, name="middle")(x), spread))


def paddle_heads(order: Any = (0, 1, 2), exponential: bool = False) -> Any:
    """The same three as parts of one layer's output, in any order."""
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Heads(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = nn.Linear(8, 6)
            self.heads = nn.Linear(6, 9)

        def forward(self, x: Any) -> Any:
            parts = self.heads(paddle.tanh(self.hidden(x))).split(3, axis=-1)
            shares, middle, spread = (parts[place] for place in order)
            return F.softmax(shares, -1), middle, paddle.exp(spread) if exponential else F.softplus(spread)

    return Heads()


def tensorflow_keys() -> Any:
    """Keys and values of half the width of queries: two of them are as large as the layer of the output."""
    import keras
    from keras import layers

    x = inputs = keras.Input((6, 8))
    q, k, v = (layers.Dense(size, use_bias=False, name=name)(x) for name, size in (("q", 8), ("k", 4), ("v", 4)))
    k, v = (keras.ops.concatenate([part, part], axis=-1) for part in (k, v))
    weights = keras.ops.softmax(keras.ops.einsum("nqd,nkd->nqk", q, k))
    y = layers.Dense(8, use_bias=False, name="o")(keras.ops.matmul(weights, v))
    return keras.Model(inputs, layers.Dense(3, name="logits")(layers.Add(name="sum")([x, y])))


def paddle_keys(scale: float = 1.0) -> Any:
    """Keys and values from one layer, which stands before the one of queries."""
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Attention(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.kv = nn.Linear(8, 8, bias_attr=False)
            self.q = nn.Linear(8, 8, bias_attr=False)
            self.o = nn.Linear(8, 8, bias_attr=False)
            self.logits = nn.Linear(8, 3)

        def forward(self, x: Any) -> Any:
            k, v = self.kv(x).chunk(2, axis=-1)
            k, v = (paddle.concat([part, part], axis=-1) for part in (k, v))
            products = paddle.matmul(self.q(x), k, transpose_y=True)
            y = self.o(paddle.matmul(F.softmax(products * scale, -1), v))
            return self.logits(x + y)

    return Attention()


def tensorflow_sentences() -> Any:
    """A whole model for each time step."""
    import keras
    from keras import layers

    words = keras.Input((5, 4))
    inner = keras.Model(words, layers.GRU(3, name="words")(layers.Dense(4, activation="tanh", name="word")(words)))
    inputs = keras.Input((3, 5, 4))
    x = layers.TimeDistributed(inner, name="sentences")(inputs)
    return keras.Model(inputs, layers.Dense(2, name="logits")(layers.GRU(3, name="document")(x)))


def paddle_sentences(activation: str = "tanh") -> Any:
    """Time steps as rows."""
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Reader(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.word, self.words = nn.Linear(4, 4), nn.GRU(4, 3)
            self.document, self.logits = nn.GRU(3, 3), nn.Linear(3, 2)

        def forward(self, x: Any) -> Any:
            n, sentences, words, width = x.shape
            _, last = self.words(getattr(F, activation)(self.word(x.reshape([n * sentences, words, width]))))
            _, last = self.document(last[0].reshape([n, sentences, 3]))
            return self.logits(last[0])

    return Reader()


def tensorflow_signals(unused: bool = False) -> Any:
    """Gated convolutions over time, as of WaveNet; of the last one only a part is used."""
    import keras
    from keras import layers

    x = inputs = keras.Input((8, 3))
    bent = layers.Conv1D(4, 2, padding="causal", activation="tanh", name="bent")(x)
    gate = layers.Conv1D(4, 2, padding="causal", activation="sigmoid", name="gate")(x)
    x = layers.Multiply(name="product")([bent, gate])
    x = layers.Dense(2, name="part")(x) if unused else x
    return keras.Model(inputs, layers.Dense(2, name="logits")(layers.GlobalAveragePooling1D(name="mean")(x)))


def paddle_signals(unused: bool = False, swapped: bool = False) -> Any:
    """One convolution gives what is bent, and the gates."""
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Signals(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.both = nn.Conv1D(3, 8, 2)
            self.parts = nn.Linear(4, 5)
            self.logits = nn.Linear(2 if unused else 4, 2)

        def forward(self, x: Any) -> Any:
            bent, gate = self.both(F.pad(x, [1, 0], data_format="NCL")).chunk(2, axis=1)
            x = (F.tanh(bent) * (F.tanh if swapped else F.sigmoid)(gate)).transpose([0, 2, 1])
            x = self.parts(x)[:, :, :2] if unused else x
            return self.logits(x.mean(1))

    return Signals()


def tensorflow_joined() -> Any:
    """One layer on two inputs that are put together."""
    import keras
    from keras import layers

    left, right = keras.Input((6,), name="left"), keras.Input((4,), name="right")
    x = layers.Dense(8, activation="relu", name="hidden")(layers.Concatenate(name="join")([left, right]))
    return keras.Model([left, right], layers.Dense(2, name="logits")(x))


def paddle_joined() -> Any:
    """A layer for each input, whose outputs are added: the same with the rows of one kernel."""
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other, self.logits = nn.Linear(6, 8), nn.Linear(4, 8, bias_attr=False), nn.Linear(8, 2)

        def forward(self, left: Any, right: Any) -> Any:
            return self.logits(F.relu(self.one(left) + self.other(right)))

    return Net()


def tensorflow_apart() -> Any:
    """Two convolutions on different maps, whose outputs are added."""
    import keras
    from keras import layers

    x = inputs = keras.Input((8, 8, 3))
    one = layers.Conv2D(4, 3, padding="same", activation="relu", name="own")(x)
    other = layers.MaxPooling2D(3, 1, padding="same", name="largest")(x)
    mixed = [
        layers.Conv2D(5, 3, padding="same", name="mix")(one),
        layers.Conv2D(5, 3, padding="same", use_bias=False, name="rest")(other),
    ]
    return keras.Model(inputs, layers.Activation("relu", name="bend")(layers.Add(name="sum")(mixed)))


def paddle_apart(reverse: bool = False, activation: str = "relu") -> Any:
    """One convolution on both maps."""
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.own, self.mix = nn.Conv2D(3, 4, 3, padding=1), nn.Conv2D(7, 5, 3, padding=1)

        def forward(self, x: Any) -> Any:
            maps = [F.relu(self.own(x)), F.max_pool2d(x, 3, 1, 1)]
            return getattr(F, activation)(self.mix(paddle.concat(maps[::-1] if reverse else maps, axis=1)))

    return Net()


def tensorflow_highway() -> Any:
    """Layers with a gate, whose kernels are one array of the user's own."""
    import keras
    from keras import layers, ops

    class Highway(layers.Layer):
        def build(self, shape: Any) -> None:
            self.kernel = self.add_weight(shape=(shape[-1], 2 * shape[-1]), name="kernel")
            self.bias = self.add_weight(shape=(2 * shape[-1],), name="bias")

        def call(self, x: Any) -> Any:
            value, gate = ops.split(ops.matmul(x, self.kernel) + self.bias, 2, axis=-1)
            gate = ops.sigmoid(gate)
            return gate * ops.relu(value) + (1 - gate) * x

    x = inputs = keras.Input((8,))
    for number in range(2):
        x = Highway(name=f"highway{number}")(x)
    return keras.Model(inputs, layers.Dense(2, name="logits")(x))


def paddle_highway(carried: bool = True) -> Any:
    """Two layers each; without `carried` the input does not pass."""
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.values = nn.LayerList([nn.Linear(8, 8) for _ in range(2)])
            self.gates = nn.LayerList([nn.Linear(8, 8) for _ in range(2)])
            self.logits = nn.Linear(8, 2)

        def forward(self, x: Any) -> Any:
            for value, gate in zip(self.values, self.gates, strict=True):
                share = F.sigmoid(gate(x))
                x = share * F.relu(value(x)) + ((1 - share) * x if carried else 0)
            return self.logits(x)

    return Net()
