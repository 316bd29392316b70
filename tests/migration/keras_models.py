"""Keras models as users write them, right and wrong ones; the twins are in `tests/migration/paddle_models.py`."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers


def small(epsilon: float = 1e-5, activation: str = "relu", bias: bool = True, classes: int = 10) -> keras.Model:
    x = inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=bias, name="first")(x)
    x = layers.BatchNormalization(epsilon=epsilon, momentum=0.9, name="norm")(x)
    x = layers.Activation(activation, name="act")(x)
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.Flatten(name="rows")(x)
    x = layers.Dense(12, activation="relu", name="hidden")(x)
    x = layers.Dropout(0.4, name="drop")(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x))


def padded_before_a_pool() -> keras.Model:
    rows = [layers.ZeroPadding2D(((0, 1), (0, 1)), name="pad"), layers.Conv2D(4, 3, strides=2, name="conv")]
    rows += [layers.MaxPooling2D(2, name="pool"), layers.GlobalAveragePooling2D(), layers.Dense(3)]
    return keras.Sequential([keras.Input((8, 8, 3)), *rows])


def position_as_a_constant() -> keras.Model:
    ids = keras.Input((9,), dtype="int32")
    x = layers.Embedding(30, 4)(ids) + layers.Embedding(9, 4)(keras.ops.arange(9))
    return keras.Model(ids, layers.Dense(3)(layers.GlobalAveragePooling1D()(x)))


def every_kind() -> keras.Model:
    x = inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, (3, 5), padding="same", dilation_rate=2, name="dilated")(x)
    x = layers.LeakyReLU(negative_slope=0.01, name="leaky")(x)
    x = layers.SeparableConv2D(8, 3, strides=2, padding="same", activation="elu", name="separable")(x)
    y = layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", name="depthwise")(x)
    y = layers.Conv2D(8, 1, groups=4, name="grouped")(y)
    z = layers.AveragePooling2D(3, strides=1, padding="same", name="average")(x)
    x = layers.Concatenate(name="join")([layers.Add(name="sum")([x, y]), layers.Multiply(name="product")([x, z])])
    x = layers.Activation("gelu", name="gelu")(layers.Activation("tanh", name="tanh")(x))
    x = layers.GlobalAveragePooling2D(name="means")(x)
    x = layers.LayerNormalization(epsilon=1e-5, name="layer_norm")(x)
    x = layers.Dropout(0.5, name="drop")(x)
    return keras.Model(inputs, layers.Dense(5, activation="softmax", name="logits")(x))


def up_again(epsilon: float = 1e-5) -> keras.Model:
    """Down and up again, with norms of groups and slopes that are learned."""
    x = inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", name="down")(x)
    x = layers.GroupNormalization(4, epsilon=epsilon, name="groups")(x)
    x = layers.PReLU(shared_axes=[1, 2], name="slopes")(x)
    x = layers.Conv2DTranspose(6, 3, strides=2, padding="same", activation="relu", name="up")(x)
    x = layers.GroupNormalization(-1, epsilon=1e-5, name="instances")(x)
    x = layers.PReLU(shared_axes=[1, 2, 3], name="slope")(x)
    x = layers.Dense(12, name="hidden")(layers.Flatten(name="rows")(x))
    return keras.Model(inputs, layers.Dense(4, name="logits")(layers.PReLU(name="last_slopes")(x)))


def tower(depth: int, epsilon: float = 1e-5, momentum: float = 0.9) -> keras.Model:
    """In training mode it amplifies rounding: statistics of few rows, many layers deep."""
    x = inputs = keras.Input((8,))
    for _ in range(depth):
        x = layers.Dense(16)(x)
        x = layers.BatchNormalization(epsilon=epsilon, momentum=momentum)(x)
        x = layers.ReLU()(x)
    return keras.Model(inputs, layers.Dense(4, name="logits")(x))


def words() -> keras.Model:
    x = inputs = keras.Input((7,), dtype="int32")
    x = layers.Embedding(50, 8, name="embedding")(x)
    x = layers.LayerNormalization(epsilon=1e-5, name="norm")(x)
    x = layers.Flatten(name="rows")(x)
    return keras.Model(inputs, layers.Dense(4, name="logits")(x))


def bounded(function: str = "relu6") -> keras.Model:
    """An activation that only ever sees numbers between 0 and 1."""
    x = inputs = keras.Input((8, 8, 3))
    x = layers.Activation("sigmoid", name="gate")(layers.Conv2D(4, 3, name="conv")(x))
    x = layers.Flatten(name="rows")(layers.Activation(function, name="act")(x))
    return keras.Model(inputs, layers.Dense(4, name="logits")(x))


def nested(softmax: bool = False) -> keras.Model:
    body = keras.Sequential([layers.Conv2D(4, 3, name="conv"), layers.ReLU(name="relu")], name="body")
    x = inputs = keras.Input((8, 8, 3))
    x = layers.Flatten(name="rows")(body(x))
    return keras.Model(inputs, layers.Dense(4, activation="softmax" if softmax else None, name="logits")(x))


def padded() -> keras.Model:
    x = inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="conv")(layers.ZeroPadding2D(((2, 1), (3, 0)), name="pad")(x))
    x = layers.Conv2D(4, 3, name="second")(layers.ZeroPadding2D(1, name="pad_all")(layers.ReLU(name="relu")(x)))
    return keras.Model(inputs, layers.Dense(4, name="logits")(layers.GlobalAveragePooling2D(name="mean")(x)))


class Functions(keras.Model):
    """Calls functions where others have layers, and branches that it runs in another order than its twin."""

    def __init__(self, hard: bool) -> None:
        super().__init__()
        self.first = layers.Conv2D(6, 3, padding="same", name="first")
        self.short = layers.Conv2D(6, 1, name="short")
        self.long = layers.Conv2D(6, 1, name="long_one")
        self.longer = layers.Conv2D(6, 3, padding="same", name="long_two")
        self.logits = layers.Dense(4, name="logits")
        self.act = keras.ops.hard_silu if hard else tf.nn.relu
        self.hard = hard

    def call(self, x: Any) -> Any:
        x = self.act(self.first(x))
        y = self.long(x)
        x = self.short(x) + self.longer(keras.activations.hard_sigmoid(y) if self.hard else tf.nn.relu(y))
        return self.logits(tf.reduce_mean(x, axis=[1, 2]))


def functions(hard: bool = False) -> keras.Model:
    return Functions(hard)


def composed(single: bool = False) -> keras.Model:
    """Hard swish and hard sigmoid of several functions, as in Keras's MobileNetV3; or of one function each."""

    def hard_sigmoid(x: Any) -> Any:
        return keras.ops.hard_sigmoid(x) if single else layers.ReLU(6.0)(x + 3.0) * (1.0 / 6.0)

    x = inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="conv")(x)
    x = keras.ops.hard_swish(x) if single else layers.Multiply(name="swish")([x, hard_sigmoid(x)])
    gate = layers.Conv2D(4, 1, name="gate")(layers.GlobalAveragePooling2D(keepdims=True, name="means")(x))
    x = layers.Flatten(name="rows")(layers.Multiply(name="gated")([x, hard_sigmoid(gate)]))
    return keras.Model(inputs, layers.Dense(4, name="logits")(x))


def shared() -> keras.Model:
    x = inputs = keras.Input((8, 8, 3))
    conv = layers.Conv2D(3, 3, padding="same", name="again")
    x = layers.GlobalMaxPooling2D(name="largest")(conv(conv(x)))
    return keras.Model(inputs, layers.Dense(4, name="logits")(x))


def twins(swapped: bool = False) -> keras.Model:
    x = inputs = keras.Input((8, 8, 3))
    branches = [layers.Conv2D(4, 3, padding="same", name=name)(x) for name in ("left", "right")]
    x = layers.GlobalAveragePooling2D(name="means")(layers.Add(name="sum")(branches))
    return keras.Model(inputs, layers.Dense(4, name="logits")(x))


def unbuilt() -> keras.Model:
    return keras.Sequential(
        [layers.Conv2D(4, 3, name="conv"), layers.ReLU(), layers.Flatten(), layers.Dense(4, name="logits")]
    )


class Odd(layers.Layer):
    """A layer of a user's own, with an array."""

    def build(self, shape: Any) -> None:
        self.scale = self.add_weight(shape=(shape[-1],), name="scale")

    def call(self, x: Any) -> Any:
        return tf.math.cumsum(x, axis=1) * self.scale


def custom() -> keras.Model:
    x = inputs = keras.Input((8, 8, 3))
    x = layers.Flatten(name="rows")(Odd(name="odd")(layers.Conv2D(4, 3, name="conv")(x)))
    return keras.Model(inputs, layers.Dense(4, name="logits")(x))


def two_inputs() -> keras.Model:
    one, other = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
    return keras.Model([one, other], layers.Add()([one, other]))


def half() -> keras.Model:
    x = inputs = keras.Input((8, 8, 3), dtype="float16")
    return keras.Model(inputs, layers.Conv2D(4, 3, name="conv", dtype="float16")(x))


def with_nan() -> keras.Model:
    model = small()
    weights = model.get_weights()
    weights[0][0, 0, 0, 0] = np.nan
    model.set_weights(weights)
    return model


def not_a_model() -> str:
    return "a model"


def raises() -> keras.Model:
    raise RuntimeError("out of ideas")


def signals(causal: bool = False) -> keras.Model:
    """Sequences [t, c], as maps of one row."""
    x = inputs = keras.Input((20, 6))
    x = layers.Conv1D(8, 3, strides=2, padding="same", name="first")(x)
    x = layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name="norm")(x)
    x = layers.MaxPooling1D(2, name="pool")(layers.ReLU(name="relu")(x))
    x = layers.Conv1D(8, 3, padding="causal" if causal else "same", activation="tanh", name="second")(x)
    x = layers.AveragePooling1D(3, strides=1, padding="same", name="average")(x)
    x = layers.Conv1D(4, 2, groups=2, name="grouped")(layers.ZeroPadding1D(1, name="pad")(x))
    x = layers.Flatten(name="rows")(x)
    x = layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name="rows_norm")(x)
    return keras.Model(inputs, layers.Dense(4, name="logits")(x))


def sentences() -> keras.Model:
    x = inputs = keras.Input((9,), dtype="int32")
    x = layers.Embedding(50, 8, name="embedding")(x)
    narrow = layers.GlobalMaxPooling1D(name="largest")(layers.Conv1D(6, 3, activation="relu", name="narrow")(x))
    wide = layers.GlobalAveragePooling1D(name="mean")(layers.Conv1D(6, 5, activation="relu", name="wide")(x))
    x = layers.Concatenate(name="both")([narrow, wide])
    return keras.Model(inputs, layers.Dense(3, name="logits")(layers.Dropout(0.5, name="drop")(x)))


def bends(names: str = "softplus mish selu softsign celu hard_tanh log_sigmoid") -> keras.Model:
    """Activations one after another, with a fully connected layer between any two of them."""
    x = inputs = keras.Input((6, 6, 2))
    x = layers.Flatten(name="rows")(x)
    for name in names.split():
        x = layers.Activation(name, name=name)(layers.Dense(8, name=f"before_{name}")(x))
    return keras.Model(inputs, layers.Dense(4, name="logits")(x))


def recurrent(cell: str = "LSTM", *, both: bool = False, every: bool = False, **options: Any) -> keras.Model:
    """A recurrent layer, of whose outputs the last is used or every one."""
    x = inputs = keras.Input((9,), dtype="int32")
    layer = getattr(layers, cell)(6, return_sequences=every, name="memory", **options)
    layer = layers.Bidirectional(layer, name="memory") if both else layer
    x = layer(layers.Embedding(50, 8, name="embedding")(x))
    return keras.Model(inputs, layers.Dense(3, name="logits")(x))


def hidden() -> keras.Model:
    x = inputs = keras.Input((8,))
    return keras.Model(inputs, layers.Dense(4, name="out")(layers.Dense(16, activation="relu", name="hidden")(x)))


def normed(epsilon: float = 1e-5) -> keras.Model:
    x = inputs = keras.Input((8, 8, 3))
    x = layers.BatchNormalization(momentum=0.9, epsilon=epsilon, name="norm")(layers.Conv2D(4, 3, name="conv")(x))
    x = layers.GlobalAveragePooling2D(name="mean")(layers.ReLU(name="relu")(x))
    return keras.Model(inputs, layers.Dense(3, name="logits")(x))


def volumes() -> keras.Model:
    x = inputs = keras.Input((4, 6, 5, 2))
    x = layers.Conv3D(4, 3, strides=(1, 2, 1), padding="same", activation="relu", name="conv")(x)
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="norm")(x)
    x = layers.GlobalAveragePooling3D(name="mean")(x)
    return keras.Model(inputs, layers.Dense(3, name="logits")(x))


def stacked() -> keras.Model:
    """A recurrent layer that the suite does not look into."""
    x = inputs = keras.Input((9,), dtype="int32")
    cells = layers.RNN([layers.LSTMCell(6, name="cell")], name="memory")
    x = cells(layers.Embedding(50, 8, name="embedding")(x))
    return keras.Model(inputs, layers.Dense(3, name="logits")(x))


def transformer(epsilon: float = 1e-5, dropout: float = 0.0) -> keras.Model:
    """A vision transformer of one block."""
    x = inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(12, 4, strides=4, name="patches")(x)
    x = layers.Reshape((16, 12), name="tokens")(x)
    y = layers.LayerNormalization(epsilon=epsilon, name="norm1")(x)
    y = layers.MultiHeadAttention(3, 4, dropout=dropout, name="attention")(y, y)
    x = layers.Add(name="sum1")([x, y])
    y = layers.Dense(24, activation="gelu", name="wide")(layers.LayerNormalization(epsilon=1e-5, name="norm2")(x))
    x = layers.Add(name="sum2")([x, layers.Dense(12, name="narrow")(y)])
    x = layers.GlobalAveragePooling1D(name="mean")(x)
    return keras.Model(inputs, layers.Dense(4, name="logits")(x))
