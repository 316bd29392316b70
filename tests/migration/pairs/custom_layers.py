"""Layers of the user's own, with arrays of their own that often start at zero or one."""

from typing import Any


def tensorflow_positions(where: str = "before", initializer: str = "zeros") -> Any:
    """A position embedding that is added before or after the norm."""
    import keras
    from keras import layers

    class AddPositions(layers.Layer):
        def build(self, shape: Any) -> None:
            self.table = self.add_weight(shape=(1, *shape[1:]), initializer=initializer, name="table")

        def call(self, x: Any) -> Any:
            return x + self.table

    x = inputs = keras.Input((6, 8))
    x = layers.Dense(8, name="embed")(x)
    if where == "before":
        x = AddPositions(name="positions")(x)
    x = layers.LayerNormalization(epsilon=1e-6, name="norm")(x)
    if where == "after":
        x = AddPositions(name="positions")(x)
    return keras.Model(inputs, layers.Dense(3, name="logits")(x))


def paddle_positions(where: str = "before") -> Any:
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Linear(8, 8)
            self.ln = nn.LayerNorm(8, epsilon=1e-6)
            self.out = nn.Linear(8, 3)
            if where != "none":
                self.pos = self.create_parameter([1, 6, 8], default_initializer=nn.initializer.Constant(0.0))

        def forward(self, x: Any) -> Any:
            x = self.embed(x)
            x = self.ln(x + self.pos if where == "before" else x)
            return self.out(x + self.pos if where == "after" else x)

    return Net()


def tensorflow_class_token() -> Any:
    """Patches of an image with a class token before them, and positions of all."""
    import keras
    from keras import layers, ops

    class ClassToken(layers.Layer):
        def build(self, shape: Any) -> None:
            self.token = self.add_weight(shape=(1, 1, shape[-1]), initializer="zeros", name="token")
            self.positions = self.add_weight(shape=(1, shape[1] + 1, shape[-1]), name="positions")

        def call(self, x: Any) -> Any:
            token = ops.broadcast_to(self.token, (ops.shape(x)[0], 1, x.shape[-1]))
            return ops.concatenate([token, x], axis=1) + self.positions

    x = inputs = keras.Input((8, 8, 3))
    x = layers.Reshape((4, 8), name="rows")(layers.Conv2D(8, 4, strides=4, name="patches")(x))
    x = ClassToken(name="class_token")(x)
    x = layers.Add(name="sum")([x, layers.MultiHeadAttention(2, key_dim=4, name="attention")(x, x)])
    x = layers.LayerNormalization(epsilon=1e-6, name="norm")(x)
    return keras.Model(inputs, layers.Dense(3, name="head")(x[:, 0]))


def paddle_class_token(last: bool = False, epsilon: float = 1e-6) -> Any:
    """last: the token stands behind the patches."""
    import paddle
    from paddle import nn

    class ViT(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.patch = nn.Conv2D(3, 8, 4, stride=4)
            self.cls_token = self.create_parameter([1, 1, 8])
            self.pos_embed = self.create_parameter([1, 5, 8])
            self.attn = nn.MultiHeadAttention(8, 2)
            self.norm = nn.LayerNorm(8, epsilon=epsilon)
            self.head = nn.Linear(8, 3)

        def forward(self, x: Any) -> Any:
            x = self.patch(x).flatten(2).transpose([0, 2, 1])
            token = self.cls_token.expand([x.shape[0], -1, -1])
            x = paddle.concat([x, token] if last else [token, x], axis=1) + self.pos_embed
            x = self.norm(x + self.attn(x))
            return self.head(x[:, -1 if last else 0])

    return ViT()


def tensorflow_layer_scale(start: float = 1e-6) -> Any:
    import keras
    from keras import layers

    class LayerScale(layers.Layer):
        def build(self, shape: Any) -> None:
            constant = keras.initializers.Constant(start)
            self.gamma = self.add_weight(shape=(shape[-1],), initializer=constant, name="gamma")

        def call(self, x: Any) -> Any:
            return self.gamma * x

    x = inputs = keras.Input((8,))
    x = layers.Dense(6, name="stem")(x)
    for index in range(2):
        y = layers.Dense(6, activation="tanh", name=f"branch{index}")(x)
        x = layers.Add(name=f"sum{index}")([x, LayerScale(name=f"scale{index}")(y)])
    return keras.Model(inputs, layers.Dense(3, name="head")(x))


def paddle_layer_scale(scaled: int = 2, around: bool = False) -> Any:
    """scaled: how many of the branches are; around: the scale multiplies branch and shortcut."""
    import paddle
    from paddle import nn

    class Block(nn.Layer):
        def __init__(self, scale: bool) -> None:
            super().__init__()
            self.fc = nn.Linear(6, 6)
            self.gamma = None
            if scale:
                self.gamma = self.create_parameter([6], default_initializer=nn.initializer.Constant(1e-6))

        def forward(self, x: Any) -> Any:
            y = paddle.tanh(self.fc(x))
            if self.gamma is None:
                return x + y
            return self.gamma * (x + y) if around else x + self.gamma * y

    return nn.Sequential(nn.Linear(8, 6), *[Block(index < scaled) for index in range(2)], nn.Linear(6, 3))


def tensorflow_temperature(inverse: bool = False) -> Any:
    """Logits over a learned temperature that starts at 1."""
    import keras
    from keras import layers

    class Temperature(layers.Layer):
        def build(self, shape: Any) -> None:
            self.value = self.add_weight(shape=(), initializer="ones", name="value")

        def call(self, x: Any) -> Any:
            return x * self.value if inverse else x / self.value

    x = inputs = keras.Input((8,))
    x = layers.Dense(4, name="logits")(layers.Dense(6, activation="relu", name="hidden")(x))
    return keras.Model(inputs, layers.Softmax(name="softmax")(Temperature(name="temperature")(x)))


def paddle_temperature(learned: bool = True) -> Any:
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.mlp = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 4))
            if learned:
                self.temperature = self.create_parameter([1], default_initializer=nn.initializer.Constant(1.0))

        def forward(self, x: Any) -> Any:
            x = self.mlp(x)
            return F.softmax(x / self.temperature if learned else x)

    return Net()


def tensorflow_slopes() -> Any:
    """Activations whose slope is learned: sin(a x)."""
    import keras
    from keras import layers, ops

    class Wave(layers.Layer):
        def build(self, shape: Any) -> None:
            self.a = self.add_weight(shape=(1,), initializer="ones", name="a")

        def call(self, x: Any) -> Any:
            return ops.sin(self.a * x)

    x = inputs = keras.Input((2,))
    for index in range(2):
        x = Wave(name=f"wave{index}")(layers.Dense(6, name=f"dense{index}")(x))
    return keras.Model(inputs, layers.Dense(1, name="u")(x))


def paddle_slopes(shared: bool = False, function: str = "sin") -> Any:
    """shared: one slope for both activations."""
    import paddle
    from paddle import nn

    class Wave(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.a = self.create_parameter([1], default_initializer=nn.initializer.Constant(1.0))

        def forward(self, x: Any) -> Any:
            return getattr(paddle, function)(self.a * x)

    first = Wave()
    return nn.Sequential(nn.Linear(2, 6), first, nn.Linear(6, 6), first if shared else Wave(), nn.Linear(6, 1))


def tensorflow_prelu(shared: bool = True) -> Any:
    import keras
    from keras import layers

    x = inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(4, 3, padding="same", name="conv")(x)
    x = layers.PReLU(shared_axes=[1, 2] if shared else None, name="slopes")(x)
    return keras.Model(inputs, layers.Conv2D(2, 1, name="classes")(x))


def paddle_prelu(slopes: int = 4) -> Any:
    from paddle import nn

    return nn.Sequential(nn.Conv2D(3, 4, 3, padding=1), nn.PReLU(slopes), nn.Conv2D(4, 2, 1))


def tensorflow_buffer(values: Any = (0.5, -1.0, 2.0, 0.1, 0.0, 1.0)) -> Any:
    """Fixed factors that no optimizer changes."""
    import keras
    from keras import layers

    class Factors(layers.Layer):
        def build(self, shape: Any) -> None:
            self.factors = self.add_weight(shape=(6,), trainable=False, initializer="ones", name="factors")
            self.factors.assign(values)

        def call(self, x: Any) -> Any:
            return x * self.factors

    x = inputs = keras.Input((8,))
    x = Factors(name="factors")(layers.Dense(6, name="embed")(x))
    return keras.Model(inputs, layers.Dense(3, name="logits")(x))


def paddle_buffer(used: bool = True) -> Any:
    import paddle
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Linear(8, 6)
            self.out = nn.Linear(6, 3)
            self.register_buffer("factors", paddle.to_tensor([0.5, -1.0, 2.0, 0.1, 0.0, 1.0]))

        def forward(self, x: Any) -> Any:
            x = self.embed(x)
            return self.out(x * self.factors if used else x)

    return Net()


def tensorflow_relative_bias() -> Any:
    """Attention of a window with a table of biases by relative position, gathered by a fixed index."""
    import keras
    import numpy as np
    from keras import layers, ops

    index = (np.arange(4)[:, None] - np.arange(4)[None] + 3).reshape(-1)  # of 4 steps: 0 to 6

    class WindowAttention(layers.Layer):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.qkv = layers.Dense(24, name="qkv")
            self.project = layers.Dense(8, name="project")

        def build(self, shape: Any) -> None:
            self.table = self.add_weight(shape=(7, 2), initializer="zeros", name="table")

        def call(self, x: Any) -> Any:
            qkv = ops.transpose(ops.reshape(self.qkv(x), (-1, 4, 3, 2, 4)), (2, 0, 3, 1, 4))
            scores = ops.matmul(qkv[0] * 4**-0.5, ops.swapaxes(qkv[1], -1, -2))  # [n, heads, t, t]
            bias = ops.reshape(ops.take(self.table, index, axis=0), (4, 4, 2))
            scores = ops.softmax(scores + ops.expand_dims(ops.transpose(bias, (2, 0, 1)), 0), axis=-1)
            return self.project(ops.reshape(ops.transpose(ops.matmul(scores, qkv[2]), (0, 2, 1, 3)), (-1, 4, 8)))

    x = inputs = keras.Input((4, 8))
    x = layers.Add(name="sum")([x, WindowAttention(name="attention")(x)])
    return keras.Model(inputs, layers.Dense(3, name="logits")(x))


def paddle_relative_bias(transposed: bool = False) -> Any:
    """transposed: the index counts from key to query."""
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class WindowAttention(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.relative_position_bias_table = self.create_parameter(
                [7, 2], default_initializer=nn.initializer.Constant(0.0)
            )
            steps = paddle.arange(4)
            index = steps.unsqueeze(1) - steps.unsqueeze(0) + 3
            self.register_buffer("relative_position_index", index.t() if transposed else index)
            self.qkv = nn.Linear(8, 24)
            self.proj = nn.Linear(8, 8)

        def forward(self, x: Any) -> Any:
            n = x.shape[0]
            q, k, v = self.qkv(x).reshape([n, 4, 3, 2, 4]).transpose([2, 0, 3, 1, 4])
            bias = paddle.index_select(self.relative_position_bias_table, self.relative_position_index.reshape([-1]))
            scores = paddle.matmul(q * 4**-0.5, k, transpose_y=True)
            scores = F.softmax(scores + bias.reshape([4, 4, 2]).transpose([2, 0, 1]).unsqueeze(0), -1)
            return self.proj(paddle.matmul(scores, v).transpose([0, 2, 1, 3]).reshape([n, 4, 8]))

    class Block(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.attn = WindowAttention()
            self.out = nn.Linear(8, 3)

        def forward(self, x: Any) -> Any:
            return self.out(x + self.attn(x))

    return Block()


def tensorflow_sinusoids(base: float = 10000.0) -> Any:
    """Positions of sines and cosines that nobody trains."""
    import keras
    import numpy as np
    from keras import layers

    rates = base ** (-np.arange(0, 8, 2) / 8)
    angles = np.arange(6)[:, None] * rates[None]
    table = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)[None]
    x = inputs = keras.Input((6, 8))
    x = layers.Dense(8, name="embed")(x) + keras.ops.cast(table, keras.config.floatx())
    return keras.Model(inputs, layers.Dense(3, name="logits")(x))


def paddle_sinusoids(interleaved: bool = False, base: float = 10000.0) -> Any:
    """interleaved: sine and cosine in turn, the other convention."""
    import numpy as np
    import paddle
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Linear(8, 8)
            self.out = nn.Linear(8, 3)
            angles = np.arange(6)[:, None] * base ** (-np.arange(0, 8, 2) / 8)[None]
            waves = [np.sin(angles), np.cos(angles)]
            table = np.stack(waves, axis=-1).reshape(6, 8) if interleaved else np.concatenate(waves, axis=1)
            self.register_buffer("pe", paddle.to_tensor(table[None], dtype=paddle.get_default_dtype()))

        def forward(self, x: Any) -> Any:
            return self.out(self.embed(x) + self.pe)

    return Net()


def tensorflow_rounded() -> Any:
    """Numbers on a grid, as training for quantisation has them."""
    import keras
    from keras import layers, ops

    class Grid(layers.Layer):
        def call(self, x: Any) -> Any:
            return ops.round(x * 2.0) / 2.0

    inputs = keras.Input((8,))
    return keras.Model(inputs, layers.Dense(3, name="logits")(Grid(name="grid")(inputs)))


def paddle_rounded(function: str = "round") -> Any:
    """`round` gives the even number for a half, floor(x + 0.5) the larger one."""
    import paddle
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(8, 3)

        def forward(self, x: Any) -> Any:
            x = x * 2.0
            return self.fc((paddle.round(x) if function == "round" else paddle.floor(x + 0.5)) / 2.0)

    return Net()
