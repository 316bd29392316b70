"""Masks of padded sequences: Keras's travel by themselves, Paddle's are written by hand."""

from typing import Any


def tensorflow_mean(mask: bool = True, vocabulary: int = 40) -> Any:
    """The mean of the words of a sentence."""
    import keras
    from keras import layers

    ids = keras.Input((12,), dtype="int32")
    x = layers.Embedding(vocabulary, 8, mask_zero=mask, name="words")(ids)
    x = layers.Dense(6, activation="tanh", name="mix")(x)
    x = layers.GlobalAveragePooling1D(name="mean")(x)
    return keras.Model(ids, layers.Dense(3, name="logits")(x))


def paddle_mean(mask: bool = True, vocabulary: int = 40, pad: int = 0, count_all: bool = False) -> Any:
    """count_all: divides by the padded length, pad: takes another id for the padding."""
    import paddle
    from paddle import nn

    class MeanOfWords(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(vocabulary, 8)
            self.fc = nn.Linear(8, 6)
            self.out = nn.Linear(6, 3)

        def forward(self, ids: Any) -> Any:
            x = paddle.tanh(self.fc(self.embedding(ids)))
            if not mask:
                return self.out(x.mean(axis=1))
            weights = (ids != pad).astype(x.dtype).unsqueeze(-1)  # [n, t, 1]
            total = (x * weights).sum(axis=1)
            return self.out(total / (ids.shape[1] if count_all else weights.sum(axis=1)))

    return MeanOfWords()


def tensorflow_residual_mean(layer: bool) -> Any:
    """Keras's mask goes through a layer that adds and gets lost at an operator: the mean then counts the padding."""
    import keras
    from keras import layers

    ids = keras.Input((12,), dtype="int32")
    x = layers.Embedding(40, 8, mask_zero=True, name="words")(ids)
    y = layers.Dense(8, activation="tanh", name="mix")(x)
    x = layers.GlobalAveragePooling1D(name="mean")(layers.Add(name="sum")([x, y]) if layer else x + y)
    return keras.Model(ids, layers.Dense(3, name="logits")(x))


def paddle_residual_mean(mask: bool) -> Any:
    import paddle
    from paddle import nn

    class MeanOfWords(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(40, 8)
            self.fc = nn.Linear(8, 8)
            self.out = nn.Linear(8, 3)

        def forward(self, ids: Any) -> Any:
            x = self.embedding(ids)
            x = x + paddle.tanh(self.fc(x))
            if not mask:
                return self.out(x.mean(axis=1))
            weights = (ids != 0).astype(x.dtype).unsqueeze(-1)  # [n, t, 1]
            return self.out((x * weights).sum(axis=1) / weights.sum(axis=1))

    return MeanOfWords()


def tensorflow_lstm(mask: bool = True) -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((12,), dtype="int32"),
            layers.Embedding(40, 8, mask_zero=mask, name="words"),
            layers.LSTM(6, name="memory"),
            layers.Dense(3, name="logits"),
        ]
    )


def paddle_lstm(mask: bool = True, last_output: bool = False) -> Any:
    """last_output: the output at the last step of the padded sequence, not of the sentence."""
    from paddle import nn

    class Sentence(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(40, 8)
            self.rnn = nn.LSTM(8, 6)
            self.fc = nn.Linear(6, 3)

        def forward(self, ids: Any) -> Any:
            lengths = (ids != 0).astype("int64").sum(axis=1) if mask else None
            outputs, (hidden, _) = self.rnn(self.embedding(ids), sequence_length=lengths)
            return self.fc(outputs[:, -1] if last_output else hidden[-1])

    return Sentence()


def tensorflow_bidirectional() -> Any:
    """Both directions begin at an end of the sentence, not of the padding."""
    import keras
    from keras import layers

    ids = keras.Input((12,), dtype="int32")
    x = layers.Embedding(40, 8, mask_zero=True, name="words")(ids)
    x = layers.Bidirectional(layers.LSTM(5), name="both")(x)
    return keras.Model(ids, layers.Dense(3, name="logits")(x))


def paddle_bidirectional(mask: bool = True) -> Any:
    import paddle
    from paddle import nn

    class Sentence(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(40, 8)
            self.rnn = nn.LSTM(8, 5, direction="bidirect")
            self.fc = nn.Linear(10, 3)

        def forward(self, ids: Any) -> Any:
            lengths = (ids != 0).astype("int64").sum(axis=1) if mask else None
            _, (hidden, _) = self.rnn(self.embedding(ids), sequence_length=lengths)
            return self.fc(paddle.concat([hidden[0], hidden[1]], axis=-1))

    return Sentence()


def tensorflow_gru_steps() -> Any:
    """Masked steps of Keras's GRU repeat the state before them."""
    import keras
    from keras import layers

    ids = keras.Input((12,), dtype="int32")
    x = layers.Embedding(40, 8, mask_zero=True, name="words")(ids)
    x = layers.GRU(6, return_sequences=True, name="memory")(x)
    return keras.Model(ids, layers.GlobalAveragePooling1D(name="mean")(x))


def paddle_gru_steps(mask: bool = True) -> Any:
    """mask: of the mean; the steps after the sentence do not matter then."""
    from paddle import nn

    class Steps(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(40, 8)
            self.rnn = nn.GRU(8, 6)

        def forward(self, ids: Any) -> Any:
            lengths = (ids != 0).astype("int64").sum(axis=1)
            x, _ = self.rnn(self.embedding(ids), sequence_length=lengths)
            if not mask:
                return x.mean(axis=1)
            weights = (ids != 0).astype(x.dtype).unsqueeze(-1)
            return (x * weights).sum(axis=1) / weights.sum(axis=1)

    return Steps()


def tensorflow_marked(number: float = -1.0) -> Any:
    """Frames that stand for padding hold another number than zero."""
    import keras
    from keras import layers

    x = inputs = keras.Input((8, 3))
    x = layers.Masking(number, name="masking")(x)
    x = layers.LSTM(5, name="memory")(x)
    return keras.Model(inputs, layers.Dense(2, name="logits")(x))


def paddle_marked(number: float | None = -1.0) -> Any:
    """number: None for no mask."""
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.logits = nn.LSTM(3, 5), nn.Linear(5, 2)

        def forward(self, x: Any) -> Any:
            lengths = None if number is None else (x != number).any(axis=-1).astype("int64").sum(axis=1)
            return self.logits(self.lstm(x, sequence_length=lengths)[1][0][0])

    return Net()


def tensorflow_masking_layer(mask: bool = True) -> Any:
    import keras
    from keras import layers

    x = inputs = keras.Input((10, 4))
    if mask:
        x = layers.Masking(0.0, name="masking")(x)
    x = layers.Dense(6, activation="relu", name="frames")(x)
    x = layers.GlobalAveragePooling1D(name="mean")(x)
    return keras.Model(inputs, layers.Dense(2, name="logits")(x))


def paddle_masking_layer(mask: bool = True) -> Any:
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Frames(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 6)
            self.out = nn.Linear(6, 2)

        def forward(self, x: Any) -> Any:
            weights = (x != 0).any(axis=-1, keepdim=True).astype(x.dtype)
            x = F.relu(self.fc(x))
            if mask:
                return self.out((x * weights).sum(axis=1) / weights.sum(axis=1))
            return self.out(x.mean(axis=1))

    return Frames()


def tensorflow_table(mask: bool = False) -> Any:
    """An embedding whose row 0 is trained and read as any other."""
    import keras
    from keras import layers

    ids = keras.Input((7,), dtype="int32")
    x = layers.Embedding(500, 5, mask_zero=mask, name="words")(ids)
    x = layers.LayerNormalization(epsilon=1e-5, name="norm")(layers.Dense(5, name="mix")(x))
    return keras.Model(ids, layers.Dense(3, name="logits")(layers.Flatten(name="rows")(x)))


def paddle_table(padding_idx: int | None = None, max_norm: float | None = None) -> Any:
    """max_norm: longer rows are shortened when they are read."""
    from paddle import nn

    return nn.Sequential(
        nn.Embedding(500, 5, padding_idx=padding_idx, max_norm=max_norm),
        nn.Linear(5, 5),
        nn.LayerNorm(5),
        nn.Flatten(),
        nn.Linear(35, 3),
    )


def tensorflow_maximum() -> Any:
    """Keras's maximum over time takes no mask: padded words count, though the embedding makes one."""
    import keras
    from keras import layers

    ids = keras.Input((12,), dtype="int32")
    x = layers.Embedding(40, 8, mask_zero=True, name="words")(ids)
    x = layers.GlobalMaxPooling1D(name="maximum")(layers.Conv1D(6, 3, name="trigrams")(x))
    return keras.Model(ids, layers.Dense(3, name="logits")(x))


def paddle_maximum(mask: bool = False) -> Any:
    """mask: zeros the padded words before the convolution."""
    from paddle import nn

    class Trigrams(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(40, 8)
            self.conv = nn.Conv1D(8, 6, 3)
            self.fc = nn.Linear(6, 3)

        def forward(self, ids: Any) -> Any:
            x = self.embedding(ids)
            if mask:
                x = x * (ids != 0).astype(x.dtype).unsqueeze(-1)
            return self.fc(self.conv(x.transpose([0, 2, 1])).max(axis=2))

    return Trigrams()


def tensorflow_causal(most: float | None = None) -> Any:
    """Scores of later steps are replaced by a number that nothing comes near to; most: of other scores."""
    import keras
    import numpy as np
    from keras import layers, ops

    inputs = keras.Input((6, 8))
    query, key, value = (layers.Dense(8, name=name)(inputs) for name in ("query", "key", "value"))
    scores = ops.matmul(query, ops.transpose(key, (0, 2, 1))) / 8**0.5
    scores = scores if most is None else ops.clip(scores, -most, most)
    scores = ops.where(np.tril(np.ones((6, 6), bool)), scores, -1e9)
    return keras.Model(inputs, layers.Dense(2, name="out")(ops.matmul(ops.softmax(scores), value)))


def paddle_causal(hidden: float = -1e4) -> Any:
    """hidden: what is added to scores of later steps, which scores of very large inputs come near to."""
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Causal(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.query, self.key, self.value = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)
            self.out = nn.Linear(8, 2)

        def forward(self, x: Any) -> Any:
            scores = self.query(x) @ self.key(x).transpose([0, 2, 1]) / 8**0.5
            later = paddle.triu(paddle.ones([6, 6], dtype=x.dtype), 1) * hidden
            return self.out(F.softmax(scores + later, axis=-1) @ self.value(x))

    return Causal()
