"""Attention: as a layer, by hand, with masks of either sense, causal, with scales and key sizes."""

from typing import Any


def tensorflow_layer(causal: bool = False, epsilon: float = 1e-5, key_size: int = 4, dropout: float = 0.0) -> Any:
    """A block of an encoder with Keras's own layer."""
    import keras
    from keras import layers

    x = inputs = keras.Input((6, 8))
    attention = layers.MultiHeadAttention(2, key_dim=key_size, dropout=dropout, name="attention")
    y = attention(x, x, use_causal_mask=causal)
    x = layers.LayerNormalization(epsilon=epsilon, name="norm")(layers.Add(name="sum")([x, y]))
    return keras.Model(inputs, layers.Dense(3, name="logits")(x))


def paddle_layer(causal: bool = False, flipped: bool = False, residual: bool = True) -> Any:
    """flipped: the causal mask lets every step see the steps after it."""
    import paddle
    from paddle import nn

    class Block(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.mha = nn.MultiHeadAttention(8, 2)
            self.ln = nn.LayerNorm(8)
            self.fc = nn.Linear(8, 3)

        def forward(self, x: Any) -> Any:
            mask = None
            if causal:
                ones = paddle.ones([x.shape[1], x.shape[1]], dtype="int32")
                mask = (paddle.triu(ones) if flipped else paddle.tril(ones)).astype("bool")  # True: may look there
            y = self.mha(x, x, x, attn_mask=mask)
            return self.fc(self.ln(x + y if residual else y))

    return Block()


def paddle_by_hand(scale: float | None = None, heads: int = 2, key_size: int = 4, axis: int = -1) -> Any:
    """The layer above as most code has it: three projections, two products, a softmax."""
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Attention(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.q = nn.Linear(8, heads * key_size)
            self.k = nn.Linear(8, heads * key_size)
            self.v = nn.Linear(8, heads * key_size)
            self.proj = nn.Linear(heads * key_size, 8)
            self.scale = key_size**-0.5 if scale is None else scale

        def split(self, x: Any) -> Any:
            return x.reshape([x.shape[0], x.shape[1], heads, key_size]).transpose([0, 2, 1, 3])

        def forward(self, x: Any) -> Any:
            q, k, v = (self.split(project(x)) for project in (self.q, self.k, self.v))
            scores = F.softmax(paddle.matmul(q, k, transpose_y=True) * self.scale, axis=axis)
            x = paddle.matmul(scores, v).transpose([0, 2, 1, 3])
            return self.proj(x.flatten(2))

    class Block(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.attention = Attention()
            self.ln = nn.LayerNorm(8)
            self.fc = nn.Linear(8, 3)

        def forward(self, x: Any) -> Any:
            return self.fc(self.ln(x + self.attention(x)))

    return Block()


def tensorflow_padded(mask: bool = True) -> Any:
    """An encoder that does not look at padded words; the mask is given, Keras's own reaches the mean."""
    import keras
    from keras import layers, ops

    ids = keras.Input((9,), dtype="int32")
    x = layers.Embedding(30, 8, name="words")(ids)
    present = ops.expand_dims(ops.not_equal(ids, 0), 1) if mask else None  # [n, 1, t]
    y = layers.MultiHeadAttention(2, key_dim=4, name="attention")(x, x, attention_mask=present)
    x = layers.LayerNormalization(epsilon=1e-5, name="norm")(layers.Add(name="sum")([x, y]))
    return keras.Model(ids, layers.Dense(3, name="logits")(x[:, 0]))


def paddle_padded(mask: str | None = "added") -> Any:
    """mask: "added" -1e9 at padded words; "boolean", True at present words; "inverted", True at padded ones."""
    from paddle import nn

    class Encoder(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(30, 8)
            self.mha = nn.MultiHeadAttention(8, 2)
            self.ln = nn.LayerNorm(8)
            self.fc = nn.Linear(8, 3)

        def mask(self, ids: Any, dtype: Any) -> Any:
            if mask is None:
                return None
            if mask == "added":
                return ((ids == 0).astype(dtype) * -1e9).unsqueeze([1, 2])  # [n, 1, 1, t]
            present = ids == 0 if mask == "inverted" else ids != 0
            return present.unsqueeze([1, 2])

        def forward(self, ids: Any) -> Any:
            x = self.embedding(ids)
            x = self.ln(x + self.mha(x, x, x, attn_mask=self.mask(ids, x.dtype)))
            return self.fc(x[:, 0])

    return Encoder()


def tensorflow_implicit() -> Any:
    """mask_zero alone: attention and mean pick the mask up by themselves."""
    import keras
    from keras import layers

    ids = keras.Input((9,), dtype="int32")
    x = layers.Embedding(3000, 8, mask_zero=True, name="words")(ids)
    y = layers.MultiHeadAttention(2, key_dim=4, name="attention")(x, x)
    x = layers.LayerNormalization(epsilon=1e-5, name="norm")(layers.Add(name="sum")([x, y]))
    return keras.Model(ids, layers.Dense(3, name="logits")(layers.GlobalAveragePooling1D(name="mean")(x)))


def paddle_implicit(attention: bool = True, mean: bool = True) -> Any:
    from paddle import nn

    class Encoder(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(3000, 8)
            self.mha = nn.MultiHeadAttention(8, 2)
            self.ln = nn.LayerNorm(8)
            self.fc = nn.Linear(8, 3)

        def forward(self, ids: Any) -> Any:
            x = self.embedding(ids)
            present = ids != 0
            x = self.ln(x + self.mha(x, x, x, attn_mask=present.unsqueeze([1, 2]) if attention else None))
            if not mean:
                return self.fc(x.mean(axis=1))
            weights = present.astype(x.dtype).unsqueeze(-1)
            return self.fc((x * weights).sum(axis=1) / weights.sum(axis=1))

    return Encoder()


def tensorflow_transformer(norm_first: bool = False, activation: str = "relu") -> Any:
    """Two blocks, as a Keras tutorial writes them."""
    import keras
    from keras import layers

    x = inputs = keras.Input((6, 8))
    for index in range(2):
        attention = layers.MultiHeadAttention(2, key_dim=4, name=f"attention{index}")
        norm1 = layers.LayerNormalization(epsilon=1e-5, name=f"norm1_{index}")
        wide = layers.Dense(16, activation=activation, name=f"wide{index}")
        narrow = layers.Dense(8, name=f"narrow{index}")
        norm2 = layers.LayerNormalization(epsilon=1e-5, name=f"norm2_{index}")
        if norm_first:
            y = norm1(x)
            x = x + attention(y, y)
            x = x + narrow(wide(norm2(x)))
        else:
            x = norm1(x + attention(x, x))
            x = norm2(x + narrow(wide(x)))
    return keras.Model(inputs, layers.Dense(3, name="logits")(x))


def paddle_transformer(norm_first: bool = False, activation: str = "relu") -> Any:
    from paddle import nn

    block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, activation=activation, normalize_before=norm_first)
    return nn.Sequential(nn.TransformerEncoder(block, 2), nn.Linear(8, 3))


def tensorflow_cross(swapped: bool = False) -> Any:
    """Attention from one sequence to another; swapped: Keras's order is query, value, key."""
    import keras
    from keras import layers

    query, memory = keras.Input((5, 8), name="query"), keras.Input((7, 8), name="memory")
    key = layers.Dense(8, name="keys")(memory)
    attention = layers.MultiHeadAttention(2, key_dim=4, name="attention")
    x = attention(query, key, memory) if swapped else attention(query, memory, key)
    return keras.Model([query, memory], layers.Dense(3, name="logits")(x))


def paddle_cross() -> Any:
    """Paddle's order is query, key, value."""
    from paddle import nn

    class Cross(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.keys = nn.Linear(8, 8)
            self.mha = nn.MultiHeadAttention(8, 2)
            self.fc = nn.Linear(8, 3)

        def forward(self, query: Any, memory: Any) -> Any:
            return self.fc(self.mha(query, self.keys(memory), memory))

    return Cross()


def tensorflow_rotary() -> Any:
    """One head whose queries and keys turn with their place; Keras makes the keys first, which are transposed."""
    import keras
    import numpy as np
    from keras import layers, ops

    angles = np.arange(6)[:, None] * 100.0 ** (-np.arange(4) / 4)
    angles = np.concatenate([angles, angles], axis=-1)

    class Rotary(layers.Layer):
        def call(self, x: Any) -> Any:
            one, other = ops.split(x, 2, axis=-1)
            turned = ops.concatenate([-other, one], axis=-1)
            return x * ops.cast(np.cos(angles), x.dtype) + turned * ops.cast(np.sin(angles), x.dtype)

    inputs = keras.Input((6, 8))
    query, key = Rotary(name="turned")(layers.Dense(8, name="query")(inputs)), layers.Dense(8, name="key")(inputs)
    key = Rotary(name="turned_too")(key)
    weights = ops.softmax(ops.matmul(query, ops.transpose(key, (0, 2, 1))) / 8**0.5)
    return keras.Model(inputs, ops.matmul(weights, layers.Dense(8, name="value")(inputs)))


def paddle_rotary(axis: int = -1) -> Any:
    import numpy as np
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    angles = np.arange(6)[:, None] * 100.0 ** (-np.arange(4) / 4)
    angles = np.concatenate([angles, angles], axis=-1)

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.q, self.k, self.v = (nn.Linear(8, 8) for _ in range(3))

        def turned(self, x: Any) -> Any:
            turned = paddle.concat([-x[..., 4:], x[..., :4]], axis=-1)
            cosine, sine = (paddle.to_tensor(made(angles)).astype(x.dtype) for made in (np.cos, np.sin))
            return x * cosine + turned * sine

        def forward(self, x: Any) -> Any:
            scores = self.turned(self.q(x)) @ self.turned(self.k(x)).transpose([0, 2, 1]) / 8**0.5
            return F.softmax(scores, axis=axis) @ self.v(x)

    return Net()
