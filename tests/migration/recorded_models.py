"""Small models of both frameworks, each about one thing that recording or putting together must master.

This module imports no framework: it is imported in both workers.
"""

from typing import Any


def keras_scaled() -> Any:
    """A learned number that no layer call sees and TensorFlow reads unseen, on its way into an operation."""
    import keras
    from keras import layers, ops

    class Wave(layers.Layer):
        def build(self, shape: Any) -> None:
            self.a = self.add_weight(shape=(1,), initializer="ones", name="a")
            self.b = self.add_weight(shape=(6,), initializer="ones", name="b")

        def call(self, x: Any) -> Any:
            return ops.tanh(0.5 * self.a * x) * self.b

    inputs = keras.Input((4,))
    return keras.Model(inputs, layers.Dense(2, name="out")(Wave(name="wave")(layers.Dense(6, name="hidden")(inputs))))


def paddle_scaled() -> Any:
    import paddle
    from paddle import nn

    class Wave(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.a = self.create_parameter([1], default_initializer=nn.initializer.Constant(1.0))
            self.b = self.create_parameter([6], default_initializer=nn.initializer.Constant(1.0))

        def forward(self, x: Any) -> Any:
            return paddle.tanh(0.5 * self.a * x) * self.b

    return nn.Sequential(nn.Linear(4, 6), Wave(), nn.Linear(6, 2))


def paddle_in_place() -> Any:
    """Overwrites tensors that it has used before: whole ones, columns of one, and one that is used again."""
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = nn.Linear(4, 6)
            self.out = nn.Linear(12, 2)

        def forward(self, x: Any) -> Any:
            x = self.hidden(x)
            before = x * 1.0
            y = F.relu_(x)
            y.add_(before)
            y[:, 1:3] = before[:, 3:5] * 2
            y.scale_(0.5)
            return self.out(paddle.concat([y, before], axis=-1))

    return Net()


def keras_flatten() -> Any:
    """As VGG ends: maps, flattened, and two dense layers."""
    import keras
    from keras import layers

    x = inputs = keras.Input((9, 7, 3))
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="conv1")(x)
    x = layers.MaxPooling2D(2, name="pool")(layers.Conv2D(5, 3, padding="same", activation="relu", name="conv2")(x))
    x = layers.Dense(8, activation="relu", name="fc1")(layers.Flatten(name="rows")(x))
    return keras.Model(inputs, layers.Dense(6, name="fc2")(x))


def paddle_flatten() -> Any:
    from paddle import nn

    features = [nn.Conv2D(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2D(4, 5, 3, padding=1), nn.ReLU(), nn.MaxPool2D(2)]
    return nn.Sequential(*features, nn.Flatten(), nn.Linear(60, 8), nn.ReLU(), nn.Linear(8, 6))


def keras_reshaped() -> Any:
    """An autoencoder: maps, a code, features that become maps again."""
    import keras
    from keras import layers

    x = inputs = keras.Input((6, 6, 2))
    x = layers.Conv2D(4, 2, strides=2, activation="relu", name="down")(x)
    x = layers.Dense(5, activation="tanh", name="code")(layers.Flatten(name="rows")(x))
    x = layers.Dense(36, activation="relu", name="features")(x)
    x = layers.Reshape((3, 3, 4), name="maps")(x)
    return keras.Model(inputs, layers.Conv2DTranspose(2, 2, strides=2, name="up")(x))


def paddle_reshaped() -> Any:
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Autoencoder(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.down = nn.Conv2D(2, 4, 2, stride=2)
            self.code = nn.Linear(36, 5)
            self.features = nn.Linear(5, 36)
            self.up = nn.Conv2DTranspose(4, 2, 2, stride=2)

        def forward(self, x: Any) -> Any:
            x = F.relu(self.down(x)).flatten(1)
            x = F.relu(self.features(F.tanh(self.code(x))))
            return self.up(x.reshape([-1, 4, 3, 3]))

    return Autoencoder()


def keras_gated(opened: str = "sigmoid") -> Any:
    """Two layers alike in all but what becomes of them; opened by "tanh" they part only where they come together."""
    import keras
    from keras import layers

    inputs = keras.Input((5,))
    value = layers.Activation("tanh", name="bend")(layers.Dense(6, name="value")(inputs))
    gate = layers.Activation(opened, name="open")(layers.Dense(6, name="gate")(inputs))
    return keras.Model(inputs, layers.Dense(2, name="out")(layers.Subtract(name="difference")([value, gate])))


def paddle_gated(opened: str = "sigmoid", third: bool = False) -> Any:
    """Its names say nothing, and they run in the other order. third: with a factor that the other has not."""
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Gated(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Linear(5, 6), nn.Linear(5, 6), nn.Linear(6, 2)
            if third:
                self.factor = self.create_parameter([6], default_initializer=nn.initializer.Constant(1.0))

        def forward(self, x: Any) -> Any:
            gate = getattr(F, opened)(self.a(x))
            value = F.tanh(self.b(x))
            return self.c((value - gate) * self.factor if third else value - gate)

    return Gated()


def keras_table() -> Any:
    """Fixed numbers written in the code."""
    import keras
    import numpy as np
    from keras import layers, ops

    class Positions(layers.Layer):
        def call(self, x: Any) -> Any:
            table = np.sin(np.arange(20).reshape(5, 4) / 3)
            return x + ops.cast(ops.convert_to_tensor(table), x.dtype)

    inputs = keras.Input((5, 4))
    return keras.Model(inputs, layers.Dense(3, name="out")(Positions(name="positions")(inputs)))


def paddle_table(scale: float = 1.0) -> Any:
    """The same numbers in a buffer, times `scale`."""
    import numpy as np
    import paddle
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            table = np.sin(np.arange(20).reshape(5, 4) / 3) * scale
            self.register_buffer("table", paddle.to_tensor(table.astype(paddle.get_default_dtype())))
            self.out = nn.Linear(4, 3)

        def forward(self, x: Any) -> Any:
            return self.out(x + self.table)

    return Net()
