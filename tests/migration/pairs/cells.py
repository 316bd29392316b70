"""Recurrent cells of the user's own for a layer of the other framework: kernels, gates and states in other orders."""

from typing import Any


def tensorflow_lstm() -> Any:
    import keras
    from keras import layers

    x = inputs = keras.Input((5, 3))
    return keras.Model(inputs, layers.Dense(2, name="logits")(layers.LSTM(4, name="memory")(x)))


def paddle_lstm(how: str = "one", gates: str = "ifgo", interleaved: bool = False, forget: float = 0.0) -> Any:
    """One layer for input and state, or one for each; `interleaved`: the gates of a unit next to each other."""
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            if how == "one":
                self.both = nn.Linear(7, 16)
            else:
                self.own, self.state = nn.Linear(3, 16), nn.Linear(4, 16, bias_attr=False)
            self.logits = nn.Linear(4, 2)

        def step(self, x: Any, hidden: Any, cell: Any) -> Any:
            if how == "one":
                together = self.both(paddle.concat([hidden, x], axis=-1))
            else:
                together = self.own(x) + self.state(hidden)
            parts = together.reshape([-1, 4, 4]).unbind(-1) if interleaved else together.chunk(4, axis=-1)
            own = dict(zip(gates, parts, strict=True))
            cell = F.sigmoid(own["f"] + forget) * cell + F.sigmoid(own["i"]) * F.tanh(own["g"])
            return F.sigmoid(own["o"]) * F.tanh(cell), cell

        def forward(self, x: Any) -> Any:
            hidden = cell = paddle.zeros([x.shape[0], 4], dtype=x.dtype)
            for index in range(x.shape[1]):
                hidden, cell = self.step(x[:, index], hidden, cell)
            return self.logits(hidden)

    return Net()


def tensorflow_maps() -> Any:
    import keras
    from keras import layers

    x = inputs = keras.Input((3, 5, 5, 2))
    x = layers.ConvLSTM2D(3, 3, padding="same", name="memory")(x)
    return keras.Model(inputs, layers.Conv2D(1, 1, name="map")(x))


def paddle_maps(how: str = "one", gates: str = "ifog", activation: str = "tanh") -> Any:
    """The usual convolutional LSTM: one convolution of input and state, or one for each."""
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            if how == "one":
                self.both = nn.Conv2D(5, 12, 3, padding=1)
            else:
                self.own = nn.Conv2D(2, 12, 3, padding=1)
                self.state = nn.Conv2D(3, 12, 3, padding=1, bias_attr=False)
            self.map = nn.Conv2D(3, 1, 1)

        def forward(self, x: Any) -> Any:
            x = x.transpose([1, 0, 4, 2, 3])
            hidden = cell = paddle.zeros([x.shape[1], 3, 5, 5], dtype=x.dtype)
            bend = getattr(F, activation)
            for own in x:
                if how == "one":
                    together = self.both(paddle.concat([own, hidden], axis=1))
                else:
                    together = self.own(own) + self.state(hidden)
                part = dict(zip(gates, together.chunk(4, axis=1), strict=True))
                cell = F.sigmoid(part["f"]) * cell + F.sigmoid(part["i"]) * bend(part["g"])
                hidden = F.sigmoid(part["o"]) * bend(cell)
            return self.map(hidden)

    return Net()


def tensorflow_by_hand(how: str = "apart", gates: str = "ifgo", order: str = "gates", forget: float = 0.0) -> Any:
    """`order`: gates one after the other, "units" with their gates, or all of it "backwards"."""
    import keras
    from keras import layers, ops

    class Cell(layers.Layer):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.both = layers.Dense(16, name="both") if how == "one" else None
            self.own, self.state = layers.Dense(16, name="own"), layers.Dense(16, use_bias=False, name="state")

        def build(self, shape: Any) -> None:
            if self.both is not None:
                self.both.build((None, 7))
            else:
                self.own.build((None, 3))
                self.state.build((None, 4))

        def call(self, x: Any) -> Any:
            hidden = cell = ops.zeros((ops.shape(x)[0], 4), x.dtype)
            for index in range(5):
                if self.both is not None:
                    together = self.both(ops.concatenate([x[:, index], hidden], axis=-1))
                else:
                    together = self.own(x[:, index]) + self.state(hidden)
                if order == "units":
                    parts = ops.unstack(ops.reshape(together, (-1, 4, 4)), axis=-1)
                else:
                    parts = ops.split(ops.flip(together, -1) if order == "backwards" else together, 4, axis=-1)
                part = dict(zip(gates, parts, strict=True))
                cell = ops.sigmoid(part["f"] + forget) * cell + ops.sigmoid(part["i"]) * ops.tanh(part["g"])
                hidden = ops.sigmoid(part["o"]) * ops.tanh(cell)
            return hidden

    x = inputs = keras.Input((5, 3))
    return keras.Model(inputs, layers.Dense(2, name="logits")(Cell(name="cell")(x)))


def paddle_by_hand() -> Any:
    """Paddle's own layer, which has a second bias."""
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.memory, self.logits = nn.LSTM(3, 4), nn.Linear(4, 2)

        def forward(self, x: Any) -> Any:
            return self.logits(self.memory(x)[1][0][0])

    return Net()


def tensorflow_gru() -> Any:
    import keras
    from keras import layers

    x = inputs = keras.Input((5, 3))
    return keras.Model(inputs, layers.Dense(2, name="logits")(layers.GRU(4, name="memory")(x)))


def paddle_gru(kept: str = "old") -> Any:
    """A layer for the input and one for the state, both with a bias; `kept`: what the gate lets through."""
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.own, self.state, self.logits = nn.Linear(3, 12), nn.Linear(4, 12), nn.Linear(4, 2)

        def forward(self, x: Any) -> Any:
            hidden = paddle.zeros([x.shape[0], 4], dtype=x.dtype)
            for index in range(x.shape[1]):
                given, held = self.own(x[:, index]).chunk(3, -1), self.state(hidden).chunk(3, -1)
                gate, reset = F.sigmoid(given[0] + held[0]), F.sigmoid(given[1] + held[1])
                new = F.tanh(given[2] + reset * held[2])
                hidden = gate * hidden + (1 - gate) * new if kept == "old" else gate * new + (1 - gate) * hidden
            return self.logits(hidden)

    return Net()
