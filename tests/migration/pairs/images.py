"""Blocks of plain convolutional networks, with small errors of ports."""

from typing import Any


def tensorflow_convnext(epsilon: float = 1e-6, activation: str = "gelu") -> Any:
    import keras
    from keras import layers

    x = inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 2, strides=2, name="stem")(x)
    y = layers.DepthwiseConv2D(7, padding="same", name="depthwise")(x)
    y = layers.LayerNormalization(epsilon=epsilon, name="norm")(y)
    y = layers.Activation(activation, name="bend")(layers.Dense(16, name="wide")(y))
    x = layers.Add(name="sum")([x, layers.Dense(4, name="narrow")(y)])
    return keras.Model(inputs, layers.Dense(3, name="head")(layers.GlobalAveragePooling2D(name="mean")(x)))


def paddle_convnext(epsilon: float = 1e-6, approximate: bool = False) -> Any:
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class ConvNeXt(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2D(3, 4, 2, stride=2)
            self.dwconv = nn.Conv2D(4, 4, 7, padding=3, groups=4)
            self.norm = nn.LayerNorm(4, epsilon=epsilon)
            self.pwconv1 = nn.Linear(4, 16)
            self.pwconv2 = nn.Linear(16, 4)
            self.head = nn.Linear(4, 3)

        def forward(self, x: Any) -> Any:
            x = self.stem(x)
            y = self.norm(self.dwconv(x).transpose([0, 2, 3, 1]))
            y = self.pwconv2(F.gelu(self.pwconv1(y), approximate=approximate))
            return self.head((x + y.transpose([0, 3, 1, 2])).mean([-2, -1]))

    return ConvNeXt()


def tensorflow_squeeze_excite(gate: str = "sigmoid", squeeze: str = "relu") -> Any:
    import keras
    from keras import layers

    x = inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="conv")(x)
    z = layers.GlobalAveragePooling2D(name="squeeze")(x)
    z = layers.Dense(2, activation=squeeze, name="reduce")(z)
    z = layers.Dense(8, activation=gate, name="excite")(z)
    x = layers.Multiply(name="gated")([x, layers.Reshape((1, 1, 8), name="channels")(z)])
    return keras.Model(inputs, layers.Conv2D(2, 1, name="classes")(x))


def paddle_squeeze_excite(
    how: str = "unsqueeze", gate: str = "sigmoid", squeeze: str = "relu", pool: str = "avg"
) -> Any:
    """how: "unsqueeze", "reshape", or "convolution", 1x1 on maps of one value."""
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class SqueezeExcite(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            convolved = how == "convolution"
            self.conv = nn.Conv2D(3, 8, 3, padding=1)
            self.fc1 = nn.Conv2D(8, 2, 1) if convolved else nn.Linear(8, 2)
            self.fc2 = nn.Conv2D(2, 8, 1) if convolved else nn.Linear(2, 8)
            self.head = nn.Conv2D(8, 2, 1)

        def forward(self, x: Any) -> Any:
            x = F.relu(self.conv(x))
            z = getattr(F, f"adaptive_{pool}_pool2d")(x, 1)
            if how != "convolution":
                z = z.flatten(1)
            z = getattr(F, gate)(self.fc2(getattr(F, squeeze)(self.fc1(z))))
            if how == "unsqueeze":
                z = z.unsqueeze([2, 3])
            elif how == "reshape":
                z = z.reshape([-1, 8, 1, 1])
            return self.head(x * z)

    return SqueezeExcite()


def tensorflow_inverted(activation: str = "relu6", epsilon: float = 1e-3) -> Any:
    """An inverted residual block of MobileNetV2."""
    import keras
    from keras import layers

    x = inputs = keras.Input((8, 8, 4))
    y = layers.Conv2D(8, 1, use_bias=False, name="expand")(x)
    y = layers.BatchNormalization(epsilon=epsilon, name="expand_norm")(y)
    y = layers.Activation(activation, name="expand_bend")(y)
    y = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depthwise")(y)
    y = layers.BatchNormalization(epsilon=epsilon, name="depthwise_norm")(y)
    y = layers.Activation(activation, name="depthwise_bend")(y)
    y = layers.Conv2D(4, 1, use_bias=False, name="project")(y)
    y = layers.BatchNormalization(epsilon=epsilon, name="project_norm")(y)
    return keras.Model(inputs, layers.Add(name="sum")([x, y]))


def paddle_inverted(
    activation: str = "ReLU6", epsilon: float = 1e-3, linear: bool = True, residual: bool = True
) -> Any:
    """linear: no activation after the projection, as published."""
    from paddle import nn

    class Inverted(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            act = getattr(nn, activation)
            self.block = nn.Sequential(
                nn.Conv2D(4, 8, 1, bias_attr=False),
                nn.BatchNorm2D(8, epsilon=epsilon),
                act(),
                nn.Conv2D(8, 8, 3, padding=1, groups=8, bias_attr=False),
                nn.BatchNorm2D(8, epsilon=epsilon),
                act(),
                nn.Conv2D(8, 4, 1, bias_attr=False),
                nn.BatchNorm2D(4, epsilon=epsilon),
                *([] if linear else [act()]),
            )

        def forward(self, x: Any) -> Any:
            return x + self.block(x) if residual else self.block(x)

    return Inverted()


def tensorflow_pooled(kind: str = "average", padding: str = "same", size: int = 3) -> Any:
    import keras
    from keras import layers

    x = inputs = keras.Input((9, 9, 3))
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="conv")(x)
    pool = layers.AveragePooling2D if kind == "average" else layers.MaxPooling2D
    x = pool(size, strides=2, padding=padding, name="pool")(x)
    return keras.Model(inputs, layers.Conv2D(2, 1, name="classes")(x))


def paddle_pooled(
    kind: str = "average", padding: Any = 1, exclusive: bool = True, ceil_mode: bool = False, size: int = 3
) -> Any:
    from paddle import nn

    if kind == "average":
        pool = nn.AvgPool2D(size, stride=2, padding=padding, exclusive=exclusive, ceil_mode=ceil_mode)
    else:
        pool = nn.MaxPool2D(size, stride=2, padding=padding, ceil_mode=ceil_mode)
    return nn.Sequential(nn.Conv2D(3, 4, 3, padding=1), nn.ReLU(), pool, nn.Conv2D(4, 2, 1))


def tensorflow_adaptive(windows: str = "adaptive") -> Any:
    """Ten columns to four: windows that overlap, or not."""
    import keras
    from keras import layers

    x = inputs = keras.Input((10, 10, 3))
    x = layers.Conv2D(4, 3, padding="same", name="conv")(x)
    if windows == "adaptive":
        x = layers.AdaptiveAveragePooling2D(4, name="pool")(x)
    else:
        x = layers.AveragePooling2D(4, strides=2, name="pool")(x)
    return keras.Model(inputs, layers.Conv2D(2, 1, name="classes")(x))


def paddle_adaptive() -> Any:
    from paddle import nn

    return nn.Sequential(nn.Conv2D(3, 4, 3, padding=1), nn.AdaptiveAvgPool2D(4), nn.Conv2D(4, 2, 1))


def tensorflow_residual(activation: str = "relu") -> Any:
    """Convolution, norm, activation; sum; activation."""
    import keras
    from keras import layers

    x = inputs = keras.Input((8, 8, 4))
    y = layers.Conv2D(4, 3, padding="same", name="conv1")(x)
    y = layers.Activation(activation, name="bend1")(layers.BatchNormalization(epsilon=1e-5, name="norm1")(y))
    y = layers.BatchNormalization(epsilon=1e-5, name="norm2")(layers.Conv2D(4, 3, padding="same", name="conv2")(y))
    x = layers.Activation(activation, name="bend2")(layers.Add(name="sum")([x, y]))
    return keras.Model(inputs, layers.Conv2D(2, 1, name="classes")(x))


def paddle_residual(last: bool = True, bias: bool = True, early: bool = False) -> Any:
    """last: the activation after the sum; early: before it; bias: of the second convolution."""
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Residual(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2D(4, 4, 3, padding=1)
            self.bn1 = nn.BatchNorm2D(4)
            self.conv2 = nn.Conv2D(4, 4, 3, padding=1, bias_attr=None if bias else False)
            self.bn2 = nn.BatchNorm2D(4)
            self.out = nn.Conv2D(4, 2, 1)

        def forward(self, x: Any) -> Any:
            y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
            if early:
                return self.out(x + F.relu(y))
            return self.out(F.relu(x + y) if last else x + y)

    return Residual()


def tensorflow_dilated(rate: int = 2, groups: int = 1) -> Any:
    import keras
    from keras import layers

    x = inputs = keras.Input((10, 10, 4))
    x = layers.Conv2D(4, 3, padding="same", dilation_rate=rate, groups=groups, activation="leaky_relu", name="atrous")(
        x
    )
    return keras.Model(inputs, layers.Conv2D(2, 1, name="classes")(x))


def paddle_dilated(rate: int = 2, groups: int = 1, slope: float = 0.2, padding: Any = None) -> Any:
    from paddle import nn

    return nn.Sequential(
        nn.Conv2D(4, 4, 3, padding=rate if padding is None else padding, dilation=rate, groups=groups),
        nn.LeakyReLU(slope),
        nn.Conv2D(4, 2, 1),
    )


def tensorflow_bottleneck() -> Any:
    """The stride in the first convolution."""
    import keras
    from keras import layers

    x = inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 1, strides=2, name="reduce")(x)
    x = layers.BatchNormalization(epsilon=1e-5, name="norm")(x)
    x = layers.Conv2D(4, 3, padding="same", name="spatial")(layers.ReLU(name="relu")(x))
    return keras.Model(inputs, layers.Dense(3, name="head")(layers.GlobalAveragePooling2D(name="mean")(x)))


def paddle_bottleneck(first: int = 2, second: int = 1, bias: Any = None) -> Any:
    from paddle import nn

    return nn.Sequential(
        nn.Conv2D(3, 4, 1, stride=first, bias_attr=bias),
        nn.BatchNorm2D(4),
        nn.ReLU(),
        nn.Conv2D(4, 4, 3, stride=second, padding=1, bias_attr=bias),
        nn.AdaptiveAvgPool2D(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    )


def tensorflow_text(widths: Any = (2, 3, 4)) -> Any:
    """Convolutions of several widths over one sequence, joined."""
    import keras
    from keras import layers

    ids = keras.Input((12,), dtype="int32")
    x = layers.Embedding(60, 6, name="words")(ids)
    branches = [
        layers.GlobalMaxPooling1D(name=f"max{width}")(
            layers.Conv1D(4, width, activation="relu", name=f"conv{width}")(x)
        )
        for width in widths
    ]
    x = layers.Dropout(0.5, name="drop")(layers.Concatenate(name="join")(branches))
    return keras.Model(ids, layers.Dense(3, name="logits")(x))


def paddle_text(order: Any = (0, 1, 2), relu: bool = True) -> Any:
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class TextCNN(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(60, 6)
            self.convs = nn.LayerList([nn.Conv1D(6, 4, width) for width in (2, 3, 4)])
            self.dropout = nn.Dropout(0.5)
            self.fc = nn.Linear(12, 3)

        def forward(self, ids: Any) -> Any:
            x = self.embedding(ids).transpose([0, 2, 1])
            rows = [(F.relu(conv(x)) if relu else conv(x)).max(axis=2) for conv in self.convs]
            return self.fc(self.dropout(paddle.concat([rows[index] for index in order], axis=1)))

    return TextCNN()


def tensorflow_narrow(dead: bool = False) -> Any:
    """A gate of one unit, whose ReLU gives nothing but zeros for some weights; `dead`: for all."""
    import keras
    from keras import layers, ops

    x = inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(4, 3, padding="same", name="conv")(x)
    gate = layers.Dense(1, name="squeeze")(layers.GlobalAveragePooling2D(name="average")(x))
    gate = layers.ReLU(name="bend")(-ops.exp(gate) if dead else gate)
    return keras.Model(inputs, x * layers.Reshape((1, 1, 4))(layers.Dense(4, name="excite")(gate)))


def paddle_narrow(dead: bool = False) -> Any:
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2D(3, 4, 3, padding=1)
            self.squeeze, self.excite = nn.Linear(4, 1), nn.Linear(1, 4)

        def forward(self, x: Any) -> Any:
            x = self.conv(x)
            gate = self.squeeze(x.mean([2, 3]))
            gate = F.relu(-paddle.exp(gate) if dead else gate)
            return x * self.excite(gate).unsqueeze([2, 3])

    return Net()
