"""Recommenders: several inputs, factorisation machines, wide and deep."""

from typing import Any


def tensorflow_wide_deep() -> Any:
    import keras
    from keras import layers

    ids = keras.Input((5,), dtype="int32", name="ids")
    numbers = keras.Input((4,), name="numbers")
    x = layers.Flatten(name="rows")(layers.Embedding(50, 3, name="factors")(ids))
    x = layers.Concatenate(name="join")([x, numbers])
    deep = layers.Dense(1, name="deep2")(layers.Dense(8, activation="relu", name="deep1")(x))
    wide = layers.Dense(1, name="wide")(numbers)
    return keras.Model([ids, numbers], layers.Activation("sigmoid", name="click")(layers.Add(name="sum")([wide, deep])))


def paddle_wide_deep(numbers_first: bool = False, wide_relu: bool = False) -> Any:
    """numbers_first: the order of concatenation is another."""
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class WideDeep(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(50, 3)
            self.fc1 = nn.Linear(19, 8)
            self.fc2 = nn.Linear(8, 1)
            self.wide = nn.Linear(4, 1)

        def forward(self, ids: Any, numbers: Any) -> Any:
            x = self.embedding(ids).flatten(1)
            x = paddle.concat([numbers, x] if numbers_first else [x, numbers], axis=1)
            deep = self.fc2(F.relu(self.fc1(x)))
            wide = F.relu(self.wide(numbers)) if wide_relu else self.wide(numbers)
            return F.sigmoid(wide + deep)

    return WideDeep()


def tensorflow_factorisation() -> Any:
    """A factorisation machine: half of the square of the sum less the sum of squares."""
    import keras
    from keras import layers, ops

    ids = keras.Input((6,), dtype="int32")
    linear = layers.Embedding(50, 1, name="linear")(ids)
    factors = layers.Embedding(50, 4, name="factors")(ids)
    first = ops.sum(linear, axis=1)
    pairs = ops.square(ops.sum(factors, axis=1)) - ops.sum(ops.square(factors), axis=1)
    second = 0.5 * ops.sum(pairs, axis=1, keepdims=True)
    deep = layers.Dense(8, activation="relu", name="deep1")(layers.Flatten(name="rows")(factors))
    return keras.Model(ids, ops.sigmoid(first + second + layers.Dense(1, name="deep2")(deep)))


def paddle_factorisation(half: bool = True, difference: bool = True) -> Any:
    """difference: written as (sum - v) v, the same number."""
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class FactorisationMachine(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Embedding(50, 1)
            self.v = nn.Embedding(50, 4)
            self.mlp = nn.Sequential(nn.Linear(24, 8), nn.ReLU(), nn.Linear(8, 1))

        def forward(self, ids: Any) -> Any:
            v = self.v(ids)
            total = v.sum(axis=1, keepdim=True)
            if difference:
                pairs = ((total - v) * v).sum(axis=1)
            else:
                pairs = paddle.square(total.squeeze(1)) - paddle.square(v).sum(axis=1)
            second = pairs.sum(axis=1, keepdim=True) * (0.5 if half else 1.0)
            return F.sigmoid(self.w(ids).sum(axis=1) + second + self.mlp(v.flatten(1)))

    return FactorisationMachine()


def tensorflow_two_towers(normalised: bool = True, temperature: float = 0.1) -> Any:
    """Users and items: the cosine of two vectors over a temperature."""
    import keras
    from keras import layers, ops

    user, item = keras.Input((6,), name="user"), keras.Input((8,), name="item")
    a = layers.Dense(4, name="user2")(layers.Dense(8, activation="relu", name="user1")(user))
    b = layers.Dense(4, name="item2")(layers.Dense(8, activation="relu", name="item1")(item))
    if normalised:
        a, b = layers.UnitNormalization(name="user_unit")(a), layers.UnitNormalization(name="item_unit")(b)
    return keras.Model([user, item], ops.sum(a * b, axis=-1, keepdims=True) / temperature)


def paddle_two_towers(normalised: bool = True, temperature: float = 0.1) -> Any:
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class TwoTowers(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.user = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4))
            self.item = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4))

        def forward(self, user: Any, item: Any) -> Any:
            a, b = self.user(user), self.item(item)
            if normalised:
                a, b = F.normalize(a), F.normalize(b)
            return (a * b).sum(axis=-1, keepdim=True) / temperature

    return TwoTowers()


def tensorflow_named_inputs() -> Any:
    """A dict of inputs of one shape, which only their names tell apart."""
    import keras
    from keras import layers

    inputs = {"price": keras.Input((4,), name="price"), "age": keras.Input((4,), name="age")}
    x = layers.Dense(5, activation="relu", name="of_price")(inputs["price"])
    y = layers.Dense(5, activation="tanh", name="of_age")(inputs["age"])
    return keras.Model(inputs, layers.Dense(2, name="logits")(layers.Subtract(name="less")([x, y])))


def paddle_named_inputs(exchanged: bool = False) -> Any:
    """exchanged: the difference is taken the other way round."""
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.age = nn.Linear(4, 5)
            self.price = nn.Linear(4, 5)
            self.out = nn.Linear(5, 2)

        def forward(self, age: Any, price: Any) -> Any:
            x, y = F.relu(self.price(price)), paddle.tanh(self.age(age))
            return self.out(y - x if exchanged else x - y)

    return Net()


def tensorflow_cross(depth: int = 2) -> Any:
    """Deep and cross: x0 * (w x + b) + x."""
    import keras
    from keras import layers

    x = inputs = keras.Input((6,))
    for index in range(depth):
        x = layers.Add(name=f"add{index}")(
            [layers.Multiply(name=f"cross{index}")([inputs, layers.Dense(6, name=f"mix{index}")(x)]), x]
        )
    return keras.Model(inputs, layers.Dense(1, name="score")(x))


def paddle_cross(depth: int = 2, first: bool = True) -> Any:
    """first: multiplied by the first input, as published, not by the last one."""
    from paddle import nn

    class Cross(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.mix = nn.LayerList([nn.Linear(6, 6) for _ in range(depth)])
            self.score = nn.Linear(6, 1)

        def forward(self, x0: Any) -> Any:
            x = x0
            for mix in self.mix:
                x = (x0 if first else x) * mix(x) + x
            return self.score(x)

    return Cross()
