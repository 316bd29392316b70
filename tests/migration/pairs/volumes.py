"""Volumes: three dimensions and channels, Paddle's first."""

from typing import Any


def tensorflow_classifier(padding: str = "same", strides: int = 2) -> Any:
    import keras
    from keras import layers

    x = inputs = keras.Input((6, 7, 8, 2))
    x = layers.Conv3D(4, 3, strides=strides, padding=padding, activation="relu", name="conv")(x)
    x = layers.BatchNormalization(epsilon=1e-5, name="norm")(x)
    x = layers.GlobalAveragePooling3D(name="mean")(x)
    return keras.Model(inputs, layers.Dense(3, name="logits")(x))


def paddle_classifier(padding: Any = "SAME", epsilon: float = 1e-5) -> Any:
    from paddle import nn

    return nn.Sequential(
        nn.Conv3D(2, 4, 3, stride=2, padding=padding),
        nn.ReLU(),
        nn.BatchNorm3D(4, epsilon=epsilon),
        nn.AdaptiveAvgPool3D(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    )


def tensorflow_segmentation(pool: str = "max") -> Any:
    """TensorFlow pools volumes in float32 only."""
    import keras
    from keras import layers

    x = inputs = keras.Input((4, 6, 6, 2))
    x = layers.Conv3D(4, 3, padding="same", activation="relu", name="down")(x)
    if pool == "convolution":
        x = layers.Conv3D(4, 2, strides=2, name="pool")(x)
    else:
        x = (layers.MaxPooling3D if pool == "max" else layers.AveragePooling3D)(2, name="pool")(x)
    x = layers.Conv3DTranspose(4, 2, strides=2, name="up")(x)
    return keras.Model(inputs, layers.Conv3D(2, 1, name="classes")(x))


def paddle_segmentation(pool: str = "max") -> Any:
    from paddle import nn

    pools = {"max": nn.MaxPool3D(2), "average": nn.AvgPool3D(2), "convolution": nn.Conv3D(4, 4, 2, stride=2)}
    return nn.Sequential(
        nn.Conv3D(2, 4, 3, padding=1),
        nn.ReLU(),
        pools[pool],
        nn.Conv3DTranspose(4, 4, 2, stride=2),
        nn.Conv3D(4, 2, 1),
    )


def tensorflow_rows() -> Any:
    """Flattened, with the channels fastest."""
    import keras
    from keras import layers

    x = inputs = keras.Input((4, 4, 4, 2))
    x = layers.Conv3D(3, 2, strides=2, activation="relu", name="conv")(x)
    return keras.Model(inputs, layers.Dense(3, name="logits")(layers.Flatten(name="rows")(x)))


def paddle_rows(transposed: Any = (0, 2, 3, 4, 1)) -> Any:
    """transposed: before the rows are made; (0, 3, 2, 4, 1) exchanges depth and height."""
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv3D(2, 3, 2, stride=2)
            self.fc = nn.Linear(24, 3)

        def forward(self, x: Any) -> Any:
            return self.fc(F.relu(self.conv(x)).transpose(list(transposed)).flatten(1))

    return Net()
