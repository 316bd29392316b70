"""Norms: epsilon, axes, groups, what is learned, statistics in inference and in training."""

from typing import Any


def tensorflow_batch(
    epsilon: float = 1e-3, scale: bool = True, center: bool = True, training: bool | None = None
) -> Any:
    import keras
    from keras import layers

    x = inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", use_bias=False, name="conv")(x)
    norm = layers.BatchNormalization(epsilon=epsilon, scale=scale, center=center, name="norm")
    x = norm(x) if training is None else norm(x, training=training)
    x = layers.GlobalAveragePooling2D(name="mean")(layers.ReLU(name="relu")(x))
    return keras.Model(inputs, layers.Dense(2, name="logits")(x))


def paddle_batch(epsilon: float = 1e-5, momentum: float = 0.9, learned: bool = True) -> Any:
    from paddle import nn

    fixed: Any = None if learned else False
    return nn.Sequential(
        nn.Conv2D(3, 4, 3, padding=1, bias_attr=False),
        nn.BatchNorm2D(4, momentum=momentum, epsilon=epsilon, weight_attr=fixed, bias_attr=fixed),
        nn.ReLU(),
        nn.AdaptiveAvgPool2D(1),
        nn.Flatten(),
        nn.Linear(4, 2),
    )


def tensorflow_blocks(
    scale: bool = True, center: bool = True, epsilon: float = 1e-3, strides: tuple[int, ...] = (1, 2, 1)
) -> Any:
    """Convolutions with a bias, and batch norms that may lack a scale or a shift."""
    import keras
    from keras import layers

    x = inputs = keras.Input((12, 12, 3))
    for index, stride in enumerate(strides):
        x = layers.Conv2D(4, 3, strides=stride, use_bias=scale, name=f"conv{index}")(x)
        x = layers.BatchNormalization(epsilon=epsilon, scale=scale, center=center, momentum=0.9, name=f"norm{index}")(x)
        x = layers.ReLU(name=f"relu{index}")(x)
    return keras.Model(inputs, layers.Dense(2, name="logits")(layers.GlobalAveragePooling2D(name="mean")(x)))


def paddle_blocks(
    scale: Any = None,
    shift: Any = None,
    epsilon: float = 1e-3,
    bias: bool = True,
    strides: tuple[int, ...] = (1, 2, 1),
) -> Any:
    """scale, shift: False for a norm without one."""
    from paddle import nn

    blocks: list[Any] = []
    for index, stride in enumerate(strides):
        convolution = nn.Conv2D(4 if index else 3, 4, 3, stride=stride, bias_attr=None if bias else False)
        norm = nn.BatchNorm2D(4, epsilon=epsilon, weight_attr=scale, bias_attr=shift)
        blocks += [convolution, norm, nn.ReLU()]

    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2D(1), nn.Flatten(), nn.Linear(4, 2))


def tensorflow_small_bias() -> Any:
    """A bias that is small beside what it is added to, before a norm."""
    import keras
    from keras import layers

    x = inputs = keras.Input((8,))
    x = layers.Rescaling(3e4, name="large")(x)
    x = layers.BatchNormalization(epsilon=1.001e-5, name="norm")(layers.Dense(6, name="first")(x))
    return keras.Model(inputs, layers.Dense(2, name="logits")(layers.ReLU(name="relu")(x)))


def paddle_small_bias(bias: bool = True, epsilon: float = 1.001e-5) -> Any:
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(8, 6, bias_attr=None if bias else False)
            self.norm, self.logits = nn.BatchNorm1D(6, epsilon=epsilon), nn.Linear(6, 2)

        def forward(self, x: Any) -> Any:
            return self.logits(nn.functional.relu(self.norm(self.first(x * 3e4))))

    return Net()


def tensorflow_layer_axes(axes: Any = -1, epsilon: float = 1e-3) -> Any:
    """A layer norm over the channels, or over all of a map."""
    import keras
    from keras import layers

    x = inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(4, 3, padding="same", name="conv")(x)
    x = layers.LayerNormalization(axis=axes, epsilon=epsilon, name="norm")(x)
    return keras.Model(inputs, layers.Conv2D(2, 1, name="classes")(x))


def paddle_layer_axes(everything: bool = False, epsilon: float = 1e-3) -> Any:
    """everything: over channels, rows and columns; else channels alone, which takes two transposes."""
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2D(3, 4, 3, padding=1)
            self.ln = nn.LayerNorm([4, 6, 6] if everything else 4, epsilon=epsilon)
            self.head = nn.Conv2D(4, 2, 1)

        def forward(self, x: Any) -> Any:
            x = self.conv(x)
            x = self.ln(x) if everything else self.ln(x.transpose([0, 2, 3, 1])).transpose([0, 3, 1, 2])
            return self.head(x)

    return Net()


def tensorflow_group(groups: int = 2, epsilon: float = 1e-3) -> Any:
    import keras
    from keras import layers

    x = inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(4, 3, padding="same", name="conv")(x)
    x = layers.GroupNormalization(groups, epsilon=epsilon, name="norm")(x)
    return keras.Model(inputs, layers.Conv2D(2, 1, name="classes")(layers.Activation("silu", name="silu")(x)))


def paddle_group(groups: int = 2, epsilon: float = 1e-3) -> Any:
    from paddle import nn

    return nn.Sequential(
        nn.Conv2D(3, 4, 3, padding=1), nn.GroupNorm(groups, 4, epsilon=epsilon), nn.Silu(), nn.Conv2D(4, 2, 1)
    )


def tensorflow_rms(epsilon: float = 1e-6, offset: float = 0.0) -> Any:
    """RMSNorm as a layer of the user's own; offset: Gemma scales by 1 + gamma."""
    import keras
    from keras import layers, ops

    class RMSNorm(layers.Layer):
        def build(self, shape: Any) -> None:
            self.gamma = self.add_weight(shape=(shape[-1],), initializer="ones", name="gamma")

        def call(self, x: Any) -> Any:
            power = ops.mean(ops.square(x), axis=-1, keepdims=True)
            return x * ops.rsqrt(power + epsilon) * (offset + self.gamma)

    x = inputs = keras.Input((6, 8))
    x = RMSNorm(name="norm")(layers.Dense(8, name="mix")(x))
    return keras.Model(inputs, layers.Dense(3, name="logits")(x))


def paddle_rms(epsilon: float = 1e-6) -> Any:
    import paddle
    from paddle import nn

    class RMSNorm(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.weight = self.create_parameter([8], default_initializer=nn.initializer.Constant(1.0))

        def forward(self, x: Any) -> Any:
            return x / paddle.sqrt(x.pow(2).mean(-1, keepdim=True) + epsilon) * self.weight

    return nn.Sequential(nn.Linear(8, 8), RMSNorm(), nn.Linear(8, 3))


def tensorflow_unit(epsilon: float = 1e-12) -> Any:
    """Rows of length 1, as tf.nn.l2_normalize makes them: epsilon under the root."""
    import keras
    import tensorflow as tf
    from keras import layers

    x = inputs = keras.Input((8,))
    x = layers.Dense(6, use_bias=False, name="embed")(x)
    x = layers.Lambda(lambda rows: tf.math.l2_normalize(rows, axis=-1, epsilon=epsilon), name="unit")(x)
    return keras.Model(inputs, layers.Dense(3, name="logits")(x))


def paddle_unit(epsilon: float = 1e-6) -> Any:
    """1e-6 here is 1e-12 there: Paddle's epsilon bounds the length, TensorFlow's its square."""
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Linear(8, 6, bias_attr=False)
            self.out = nn.Linear(6, 3)

        def forward(self, x: Any) -> Any:
            return self.out(F.normalize(self.embed(x), axis=-1, epsilon=epsilon))

    return Net()


def tensorflow_instance(epsilon: float = 1e-5) -> Any:
    """Instance norm written by hand, over rows and columns."""
    import keras
    from keras import layers, ops

    x = inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(4, 3, padding="same", name="conv")(x)
    mean = ops.mean(x, axis=(1, 2), keepdims=True)
    variance = ops.var(x, axis=(1, 2), keepdims=True)
    x = (x - mean) / ops.sqrt(variance + epsilon)
    return keras.Model(inputs, layers.Conv2D(2, 1, name="classes")(x))


def paddle_instance(epsilon: float = 1e-5) -> Any:
    from paddle import nn

    return nn.Sequential(
        nn.Conv2D(3, 4, 3, padding=1),
        nn.InstanceNorm2D(4, epsilon=epsilon, weight_attr=False, bias_attr=False),
        nn.Conv2D(4, 2, 1),
    )


def tensorflow_weight_norm() -> Any:
    """A kernel of given length for every output: g v / |v|."""
    import keras
    from keras import layers, ops

    class NormedDense(layers.Layer):
        def build(self, shape: Any) -> None:
            self.v = self.add_weight(shape=(shape[-1], 6), name="v")
            self.g = self.add_weight(shape=(6,), initializer="ones", name="g")
            self.bias = self.add_weight(shape=(6,), initializer="zeros", name="bias")

        def call(self, x: Any) -> Any:
            kernel = self.g * self.v / ops.sqrt(ops.sum(ops.square(self.v), axis=0))
            return ops.matmul(x, kernel) + self.bias

    x = inputs = keras.Input((8,))
    return keras.Model(inputs, layers.Dense(3, name="logits")(layers.ReLU(name="relu")(NormedDense(name="normed")(x))))


def paddle_weight_norm(dim: int | None = 1) -> Any:
    """dim 1 is that of outputs in a Linear's weight [in, out]; 0, PyTorch's habit, that of inputs."""
    from paddle import nn

    return nn.Sequential(nn.utils.weight_norm(nn.Linear(8, 6), dim=dim), nn.ReLU(), nn.Linear(6, 3))


def tensorflow_dwarfed(epsilon: float = 1.001e-5) -> Any:
    """Two norms, of which the other one's numbers are 300 times as large at the end."""
    import keras
    from keras import layers

    x = inputs = keras.Input((8,))
    loud = layers.BatchNormalization(epsilon=epsilon, name="loud")(layers.Dense(6, name="first")(x))
    quiet = layers.BatchNormalization(epsilon=epsilon, name="quiet")(layers.Dense(6, name="second")(x))
    return keras.Model(inputs, layers.Add(name="sum")([layers.Rescaling(300.0, name="scale")(loud), quiet]))


def paddle_dwarfed(epsilon: float = 1.001e-5) -> Any:
    from paddle import nn

    class Dwarfed(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.loud = nn.Linear(8, 6), nn.BatchNorm1D(6, epsilon=epsilon)
            self.second, self.quiet = nn.Linear(8, 6), nn.BatchNorm1D(6, epsilon=epsilon)

        def forward(self, x: Any) -> Any:
            return 300.0 * self.loud(self.first(x)) + self.quiet(self.second(x))

    return Dwarfed()
