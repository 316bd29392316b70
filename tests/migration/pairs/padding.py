"""Padding: as a layer, as a function, in the convolution, with a crop after it; modes and sides."""

from typing import Any


def tensorflow_strided(size: int = 9, padding: str = "same", kernel: int = 3) -> Any:
    """A convolution of stride 2, the layer of which every port must think."""
    import keras
    from keras import layers

    x = inputs = keras.Input((size, size, 3))
    if padding == "layer":  # of keras.applications
        x = layers.ZeroPadding2D(((0, 1), (0, 1)), name="pad")(x)
    x = layers.Conv2D(4, kernel, strides=2, padding="same" if padding == "same" else "valid", name="conv")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(layers.ReLU(name="relu")(x))
    return keras.Model(inputs, layers.Dense(2, name="logits")(x))


def paddle_strided(how: str = "convolution", padding: Any = 1, kernel: int = 3) -> Any:
    """A convolution of stride 2 that pads in one of several ways.

    Args:
        how: "convolution"; "layer" or "function" before it; "crop", by one too many, cut off after it.
        padding: of the convolution, or left, right, top, bottom of what stands before it.
        kernel: its size.
    """
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            inside = padding if how == "convolution" else kernel - 1 if how == "crop" else 0
            self.pad = nn.Pad2D(list(padding)) if how == "layer" else None
            self.conv = nn.Conv2D(3, 4, kernel, stride=2, padding=inside)
            self.fc = nn.Linear(4, 2)

        def forward(self, x: Any) -> Any:
            if how == "function":
                x = F.pad(x, list(padding))
            elif self.pad is not None:
                x = self.pad(x)
            x = self.conv(x)
            if how == "crop":
                x = x[:, :, 1:, 1:]
            return self.fc(F.relu(x).mean(axis=[2, 3]))

    return Net()


def tensorflow_prepared() -> Any:
    """Pixels are made small before the first convolution."""
    import keras
    from keras import layers

    x = inputs = keras.Input((8, 8, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="prepare")(x)
    x = layers.Conv2D(4, 3, strides=2, padding="same", name="conv")(x)
    return keras.Model(inputs, layers.Dense(2, name="logits")(layers.GlobalAveragePooling2D(name="mean")(x)))


def paddle_prepared(prepare: bool = True, padding: Any = 1) -> Any:
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.logits = nn.Conv2D(3, 4, 3, stride=2, padding=padding), nn.Linear(4, 2)

        def forward(self, x: Any) -> Any:
            x = x / 127.5 - 1 if prepare else x
            return self.logits(self.conv(x).mean([2, 3]))

    return Net()


def tensorflow_mirrored(mode: str = "reflect", width: int = 2) -> Any:
    import keras
    from keras import layers, ops

    x = inputs = keras.Input((8, 8, 3))
    x = ops.pad(x, [[0, 0], [width, width], [width, width], [0, 0]], mode=mode)
    x = layers.Conv2D(4, 2 * width + 1, activation="relu", name="conv")(x)
    return keras.Model(inputs, layers.Conv2D(2, 1, name="colours")(x))


def paddle_mirrored(mode: str = "reflect", width: int = 2) -> Any:
    from paddle import nn

    return nn.Sequential(nn.Pad2D(width, mode=mode), nn.Conv2D(3, 4, 2 * width + 1), nn.ReLU(), nn.Conv2D(4, 2, 1))


def tensorflow_causal() -> Any:
    """Dilated convolutions that see only the past."""
    import keras
    from keras import layers

    x = inputs = keras.Input((16, 3))
    for dilation in (1, 2, 4):
        x = layers.Conv1D(4, 3, padding="causal", dilation_rate=dilation, activation="relu", name=f"dilated{dilation}")(
            x
        )
    return keras.Model(inputs, layers.Conv1D(2, 1, name="logits")(x))


def paddle_causal(both_sides: bool = False, dilations: Any = (1, 2, 4)) -> Any:
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class WaveNet(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.convs = nn.LayerList(
                [nn.Conv1D(3 if index == 0 else 4, 4, 3, dilation=dilation) for index, dilation in enumerate(dilations)]
            )
            self.out = nn.Conv1D(4, 2, 1)

        def forward(self, x: Any) -> Any:
            x = x.transpose([0, 2, 1])
            for conv, dilation in zip(self.convs, dilations, strict=True):
                x = F.relu(conv(F.pad(x, [dilation, dilation] if both_sides else [2 * dilation, 0], data_format="NCL")))
            return self.out(x).transpose([0, 2, 1])

    return WaveNet()


def tensorflow_value(value: float = 0.0) -> Any:
    """A border of a constant, before a pool that would see it."""
    import keras
    from keras import layers, ops

    x = inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(x)
    x = ops.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=value)
    x = layers.MaxPooling2D(3, strides=2, name="pool")(x)
    return keras.Model(inputs, layers.Conv2D(2, 1, name="classes")(x))


def paddle_value(value: float = 0.0, inside: bool = False) -> Any:
    """inside: the pool pads by itself, with minus infinity."""
    from paddle import nn

    return nn.Sequential(
        nn.Conv2D(3, 4, 3),
        nn.ReLU(),
        *([] if inside else [nn.Pad2D(1, value=value)]),
        nn.MaxPool2D(3, stride=2, padding=1 if inside else 0),
        nn.Conv2D(4, 2, 1),
    )


def tensorflow_bordered() -> Any:
    """A max pool that pads for itself."""
    import keras
    from keras import layers

    x = inputs = keras.Input((9, 9, 3))
    x = layers.MaxPooling2D(3, 2, padding="same", name="pool")(layers.Conv2D(4, 3, padding="same", name="conv")(x))
    return keras.Model(inputs, layers.Dense(2, name="logits")(layers.Flatten()(x)))


def paddle_bordered(value: float = -1e30) -> Any:
    """Numbers around the map by a function of its own."""
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.logits = nn.Conv2D(3, 4, 3, padding=1), nn.Linear(100, 2)

        def forward(self, x: Any) -> Any:
            x = F.max_pool2d(F.pad(self.conv(x), [1, 1, 1, 1], value=value), 3, 2)
            return self.logits(x.transpose([0, 2, 3, 1]).flatten(1))

    return Net()
