"""Models that fix a precision somewhere: constants and casts to float32, policies."""

from typing import Any


def tensorflow_standardise(shift: float = 0.0) -> Any:
    """Images less their mean, over their deviation, both held as float32."""
    import keras
    import numpy as np
    from keras import layers, ops

    mean = np.array([0.485, 0.456, 0.406], "float32") + np.float32(shift)
    deviation = np.array([0.229, 0.224, 0.225], "float32")
    x = inputs = keras.Input((8, 8, 3))
    x = (x - ops.cast(mean, x.dtype)) / ops.cast(deviation, x.dtype)
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(x)
    return keras.Model(inputs, layers.Dense(3, name="logits")(layers.GlobalAveragePooling2D(name="mean")(x)))


def paddle_standardise(swapped: bool = False, ordered: bool = True) -> Any:
    """swapped: divided before the mean is taken off; not ordered: means in the order blue, green, red."""
    import numpy as np
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            means = [0.485, 0.456, 0.406]
            self.register_buffer("mean", self.constant(means if ordered else means[::-1]))
            self.register_buffer("std", self.constant([0.229, 0.224, 0.225]))
            self.conv = nn.Conv2D(3, 4, 3)
            self.fc = nn.Linear(4, 3)

        def constant(self, values: list[float]) -> Any:
            return paddle.to_tensor(np.array(values, "float32").reshape(1, 3, 1, 1))

        def forward(self, x: Any) -> Any:
            mean, std = self.mean.astype(x.dtype), self.std.astype(x.dtype)
            x = x / std - mean if swapped else (x - mean) / std
            return self.fc(F.relu(self.conv(x)).mean(axis=[2, 3]))

    return Net()


def tensorflow_rescaling(scale: float = 1 / 127.5, offset: float = -1.0) -> Any:
    import keras
    from keras import layers

    x = inputs = keras.Input((8, 8, 3))
    x = layers.Rescaling(scale, offset, name="rescaling")(x)
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(x)
    return keras.Model(inputs, layers.Dense(3, name="logits")(layers.GlobalAveragePooling2D(name="mean")(x)))


def paddle_rescaling(offset: float = 1.0, divisor: float = 127.5) -> Any:
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2D(3, 4, 3)
            self.fc = nn.Linear(4, 3)

        def forward(self, x: Any) -> Any:
            x = x / divisor - offset
            return self.fc(F.relu(self.conv(x)).mean(axis=[2, 3]))

    return Net()


def tensorflow_cast() -> Any:
    """A softmax that is taken in float32 whatever the rest computes in."""
    import keras
    from keras import layers, ops

    x = inputs = keras.Input((8,))
    x = layers.Dense(6, activation="relu", name="hidden")(x)
    x = ops.cast(layers.Dense(4, name="logits")(x), "float32")
    return keras.Model(inputs, ops.softmax(x))


def paddle_cast(temperature: float = 1.0) -> Any:
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.mlp = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 4))

        def forward(self, x: Any) -> Any:
            return F.softmax(self.mlp(x).astype("float32") / temperature, axis=-1)

    return Net()


def tensorflow_last_float32() -> Any:
    """The last layer in float32, as the guide on mixed precision has it."""
    import keras
    from keras import layers

    x = inputs = keras.Input((8,))
    x = layers.Dense(6, activation="relu", name="hidden")(x)
    return keras.Model(inputs, layers.Dense(4, dtype="float32", name="logits")(x))


def paddle_last_float32(activation: str = "ReLU") -> Any:
    from paddle import nn

    return nn.Sequential(nn.Linear(8, 6), getattr(nn, activation)(), nn.Linear(6, 4))


def tensorflow_float32_only() -> Any:
    """A constant of tf, float32, in a layer that is float32, too."""
    import keras
    import tensorflow as tf
    from keras import layers

    class Frequencies(layers.Layer):
        def call(self, x: Any) -> Any:
            rates = tf.constant([1.0, 2.0, 4.0, 8.0], dtype=tf.float32)
            return tf.sin(tf.cast(x, tf.float32)[..., None] * rates)

    x = inputs = keras.Input((3,), dtype="float32")
    x = layers.Flatten(name="rows", dtype="float32")(Frequencies(name="frequencies", dtype="float32")(x))
    return keras.Model(inputs, layers.Dense(2, name="out", dtype="float32")(x))


def paddle_float32_only(rate: float = 2.0) -> Any:
    import paddle
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.out = nn.Linear(12, 2)

        def forward(self, x: Any) -> Any:
            rates = paddle.to_tensor([rate**power for power in range(4)], dtype="float32")
            x = paddle.sin(x.astype("float32").unsqueeze(-1) * rates).flatten(1)
            return self.out(x.astype(self.out.weight.dtype))

    return Net()


def tensorflow_bfloat16() -> Any:
    """A policy of mixed precision: computed in bfloat16, kept in float32."""
    import keras
    from keras import layers

    x = inputs = keras.Input((8,), dtype="float32")
    x = layers.Dense(6, activation="relu", dtype="mixed_bfloat16", name="hidden")(x)
    return keras.Model(inputs, layers.Dense(4, dtype="float32", name="logits")(x))


def paddle_bfloat16(relu: bool = True) -> Any:
    """Paddle has no product of bfloat16 on a CPU: numbers are rounded to it, before and after."""
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.fc1 = nn.Linear(8, 6)
            self.fc2 = nn.Linear(6, 4)

        def forward(self, x: Any) -> Any:
            x = paddle.matmul(self.rounded(x), self.rounded(self.fc1.weight))
            x = self.rounded(self.rounded(x) + self.rounded(self.fc1.bias))
            return self.fc2(F.relu(x) if relu else x)

        def rounded(self, x: Any) -> Any:
            return x.astype("bfloat16").astype(self.fc2.weight.dtype)

    return Net()


def tensorflow_scaled(dtype: str = "bfloat16") -> Any:
    """Held and computed in half precision, the output, too."""
    import keras
    from keras import layers

    class Scaled(layers.Layer):
        def build(self, shape: Any) -> None:
            self.scale = self.add_weight(shape=(8,), initializer="ones", name="scale")
            self.shift = self.add_weight(shape=(8,), initializer="zeros", name="shift")

        def call(self, x: Any) -> Any:
            return keras.ops.relu(x * self.scale + self.shift)

    inputs = keras.Input((8,), dtype="float32")
    return keras.Model(inputs, Scaled(dtype=dtype, name="scaled")(inputs))


def paddle_scaled(relu: bool = True, dtype: str = "bfloat16") -> Any:
    """Held in half precision; Paddle computes nothing in it on a CPU, so that numbers are rounded to it."""
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Scaled(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            one = nn.initializer.Constant(1.0)
            self.scale = self.create_parameter([8], dtype=dtype, default_initializer=one)
            self.shift = self.create_parameter([8], dtype=dtype, is_bias=True)

        def forward(self, x: Any) -> Any:
            x = self.rounded(self.rounded(x) * self.scale.astype("float32"))
            x = x + self.shift.astype("float32")
            return (F.relu(x) if relu else x).astype(dtype)

        def rounded(self, x: Any) -> Any:
            return x.astype(dtype).astype("float32")

    return Scaled()
