"""How models are built: names of parameters, whole numbers in buffers, tf.function, subclasses, Lambda."""

from typing import Any


def tensorflow_rows(bias: bool = True) -> Any:
    import keras
    from keras import layers

    x = inputs = keras.Input((8,))
    x = layers.Dense(6, activation="relu", name="hidden")(x)
    return keras.Model(inputs, layers.Dense(4, use_bias=bias, name="logits")(x))


def paddle_named_parameters(activation: str = "ReLU") -> Any:
    """Every parameter has a name of its own, which Paddle gives once in a process only."""
    import paddle
    from paddle import nn

    def linear(inputs: int, outputs: int, name: str) -> Any:
        return nn.Linear(
            inputs,
            outputs,
            weight_attr=paddle.ParamAttr(name=f"{name}_weights"),
            bias_attr=paddle.ParamAttr(name=f"{name}_offset"),
        )

    return nn.Sequential(linear(8, 6, "fc1"), getattr(nn, activation)(), linear(6, 4, "fc2"))


def paddle_optional_import(relu: bool = True) -> Any:
    """Code that looks for the other framework, as libraries for both do, and does without."""
    from importlib.util import find_spec

    from paddle import nn

    try:
        import tensorflow

        other = tensorflow.__name__
    except ImportError:
        other = "keras" if find_spec("keras") else ""
    assert other in ("", "keras", "tensorflow")
    return nn.Sequential(nn.Linear(8, 6), nn.ReLU() if relu else nn.Tanh(), nn.Linear(6, 4))


def paddle_rows(bias: bool = True) -> Any:
    from paddle import nn

    return nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 4, bias_attr=None if bias else False))


def tensorflow_function(activation: str = "relu") -> Any:
    """A subclass whose call is compiled by tf.function."""
    import keras
    import tensorflow as tf
    from keras import layers

    class Net(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = layers.Dense(6, activation=activation, name="hidden")
            self.logits = layers.Dense(4, name="logits")

        def build(self, shape: Any) -> None:  # else the first trace holds the first weights for good
            self.hidden.build(shape)
            self.logits.build((shape[0], 6))
            self.built = True

        @tf.function
        def call(self, x: Any) -> Any:
            return self.logits(self.hidden(x))

    return Net()


def tensorflow_subclass(add: bool = True) -> Any:
    """A subclass with a residual block of its own, and a Python loop."""
    import keras
    from keras import layers

    class Block(layers.Layer):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.wide = layers.Dense(12, activation="gelu", name="wide")
            self.narrow = layers.Dense(6, name="narrow")

        def call(self, x: Any) -> Any:
            y = self.narrow(self.wide(x))
            return x + y if add else y

    class Net(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.stem = layers.Dense(6, name="stem")
            self.blocks = [Block(name=f"block{index}") for index in range(2)]
            self.head = layers.Dense(3, name="head")

        def call(self, x: Any) -> Any:
            x = self.stem(x)
            for block in self.blocks:
                x = block(x)
            return self.head(x)

    return Net()


def paddle_subclass(approximate: bool = False, blocks: int = 2) -> Any:
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Block(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.fc1 = nn.Linear(6, 12)
            self.fc2 = nn.Linear(12, 6)

        def forward(self, x: Any) -> Any:
            return x + self.fc2(F.gelu(self.fc1(x), approximate=approximate))

    return nn.Sequential(nn.Linear(8, 6), *[Block() for _ in range(blocks)], nn.Linear(6, 3))


def tensorflow_gather(order: Any = (5, 4, 3, 2, 1, 0)) -> Any:
    """Features in another order, by whole numbers."""
    import keras
    from keras import layers, ops

    x = inputs = keras.Input((8,))
    x = layers.Dense(6, activation="tanh", name="hidden")(x)
    return keras.Model(inputs, layers.Dense(4, name="logits")(ops.take(x, list(order), axis=1)))


def paddle_gather(order: Any = (5, 4, 3, 2, 1, 0)) -> Any:
    import paddle
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.fc1 = nn.Linear(8, 6)
            self.fc2 = nn.Linear(6, 4)
            self.register_buffer("order", paddle.to_tensor(list(order), dtype="int64"))

        def forward(self, x: Any) -> Any:
            return self.fc2(paddle.index_select(paddle.tanh(self.fc1(x)), self.order, axis=1))

    return Net()


def tensorflow_statistics(mean: Any = (1.0, -2.0, 0.5, 3.0), variance: Any = (4.0, 1.0, 0.25, 9.0)) -> Any:
    """Columns standardised by a layer that knows their statistics, a count of whole numbers among them."""
    import keras
    from keras import layers

    x = inputs = keras.Input((4,))
    x = layers.Normalization(mean=list(mean), variance=list(variance), name="standardise")(x)
    return keras.Model(inputs, layers.Dense(3, name="logits")(layers.Dense(6, activation="relu", name="hidden")(x)))


def paddle_statistics(root: bool = True) -> Any:
    """root: divided by the deviation; else, wrongly, by the variance."""
    import paddle
    from paddle import nn

    class Standardise(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            variance = paddle.to_tensor([4.0, 1.0, 0.25, 9.0])
            self.register_buffer("mean", paddle.to_tensor([1.0, -2.0, 0.5, 3.0]))
            self.register_buffer("std", variance.sqrt() if root else variance)

        def forward(self, x: Any) -> Any:
            return (x - self.mean) / self.std

    return nn.Sequential(Standardise(), nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))


def tensorflow_lambda(power: int = 2) -> Any:
    import keras
    from keras import layers

    x = inputs = keras.Input((8,))
    x = layers.Dense(6, name="hidden")(x)
    x = layers.Lambda(lambda rows: rows**power / (1.0 + abs(rows)), name="bend")(x)
    return keras.Model(inputs, layers.Dense(3, name="logits")(x))


def paddle_lambda(one: float = 1.0) -> Any:
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.fc1 = nn.Linear(8, 6)
            self.fc2 = nn.Linear(6, 3)

        def forward(self, x: Any) -> Any:
            x = self.fc1(x)
            return self.fc2(x * x / (x.abs() + one))

    return Net()


def tensorflow_one_hot(depth: int = 5) -> Any:
    """Whole numbers made to rows of zeros and a one."""
    import keras
    from keras import layers, ops

    ids = keras.Input((4,), dtype="int32")
    x = layers.Flatten(name="rows")(ops.one_hot(ids, depth, dtype=keras.config.floatx()))
    return keras.Model(ids, layers.Dense(3, name="logits")(x))


def paddle_one_hot(shifted: bool = False) -> Any:
    """shifted: a category less, as where 0 stands for padding."""
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(20, 3)

        def forward(self, ids: Any) -> Any:
            ids = paddle.clip(ids - 1, min=0) if shifted else ids
            return self.fc(F.one_hot(ids, 5).flatten(1).astype(self.fc.weight.dtype))

    return Net()
