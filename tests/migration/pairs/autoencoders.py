"""Autoencoders: down by strides, through rows, up again."""

from typing import Any


def tensorflow_convolutional(activation: str = "sigmoid") -> Any:
    import keras
    from keras import layers

    x = inputs = keras.Input((12, 12, 1))
    x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="down1")(x)
    x = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu", name="down2")(x)
    x = layers.Dense(5, name="code")(layers.Flatten(name="rows")(x))
    x = layers.Dense(54, activation="relu", name="expand")(x)
    x = layers.Reshape((3, 3, 6), name="maps")(x)
    x = layers.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu", name="up1")(x)
    x = layers.Conv2DTranspose(1, 3, strides=2, padding="same", activation=activation, name="up2")(x)
    return keras.Model(inputs, x)


def paddle_convolutional(down: str = "SAME", up: str = "cropped", channels_last: bool = True) -> Any:
    """down: "SAME", or 1 on all sides; up: "cropped" or "symmetric"; channels_last: rows are in Keras's order."""
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    padding: Any = "SAME" if down == "SAME" else 1

    def transposed(inputs: int, outputs: int) -> Any:
        if up == "cropped":
            return nn.Conv2DTranspose(inputs, outputs, 3, stride=2, padding=[0, 1, 0, 1])
        return nn.Conv2DTranspose(inputs, outputs, 3, stride=2, padding=1, output_padding=1)

    class AutoEncoder(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2D(1, 4, 3, stride=2, padding=padding)
            self.conv2 = nn.Conv2D(4, 6, 3, stride=2, padding=padding)
            self.code = nn.Linear(54, 5)
            self.expand = nn.Linear(5, 54)
            self.up1 = transposed(6, 4)
            self.up2 = transposed(4, 1)

        def forward(self, x: Any) -> Any:
            x = F.relu(self.conv2(F.relu(self.conv1(x))))
            if channels_last:
                x = x.transpose([0, 2, 3, 1])
            x = F.relu(self.expand(self.code(x.flatten(1))))
            x = x.reshape([-1, 3, 3, 6]).transpose([0, 3, 1, 2]) if channels_last else x.reshape([-1, 6, 3, 3])
            return F.sigmoid(self.up2(F.relu(self.up1(x))))

    return AutoEncoder()


def tensorflow_dense(activation: str = "elu") -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((10,)),
            layers.Dense(6, activation=activation, name="encode"),
            layers.Dense(2, name="code"),
            layers.Dense(6, activation=activation, name="decode"),
            layers.Dense(10, name="rebuilt"),
        ]
    )


def paddle_dense(alpha: float = 1.0) -> Any:
    from paddle import nn

    return nn.Sequential(
        nn.Sequential(nn.Linear(10, 6), nn.ELU(alpha), nn.Linear(6, 2)),
        nn.Sequential(nn.Linear(2, 6), nn.ELU(alpha), nn.Linear(6, 10)),
    )


def tensorflow_tied() -> Any:
    """The decoder's kernel is the encoder's, transposed."""
    import keras
    from keras import layers, ops

    class Tied(layers.Layer):
        def build(self, shape: Any) -> None:
            self.kernel = self.add_weight(shape=(shape[-1], 4), name="kernel")
            self.hidden_bias = self.add_weight(shape=(4,), initializer="zeros", name="hidden_bias")
            self.bias = self.add_weight(shape=(shape[-1],), initializer="zeros", name="bias")

        def call(self, x: Any) -> Any:
            hidden = ops.tanh(ops.matmul(x, self.kernel) + self.hidden_bias)
            return ops.matmul(hidden, ops.transpose(self.kernel)) + self.bias

    x = inputs = keras.Input((10,))
    x = Tied(name="tied")(layers.Dense(6, activation="relu", name="first")(x))
    return keras.Model(inputs, layers.Dense(3, name="last")(x))


def paddle_tied(tied: bool = True) -> Any:
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class AutoEncoder(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(10, 6)
            self.encode = nn.Linear(6, 4)
            self.last = nn.Linear(6, 3)
            self.bias = self.create_parameter([6], is_bias=True)
            if not tied:
                self.decode = self.create_parameter([4, 6])

        def forward(self, x: Any) -> Any:
            hidden = paddle.tanh(self.encode(F.relu(self.first(x))))
            kernel = self.encode.weight.t() if tied else self.decode
            return self.last(paddle.matmul(hidden, kernel) + self.bias)

    return AutoEncoder()
