"""Recurrent layers: order of gates, activations, directions, what they return."""

from typing import Any


def tensorflow_lstm(
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
    go_backwards: bool = False,
    use_bias: bool = True,
    dropout: float = 0.0,
) -> Any:
    import keras
    from keras import layers

    x = inputs = keras.Input((8, 3))
    x = layers.LSTM(
        5,
        activation=activation,
        recurrent_activation=recurrent_activation,
        go_backwards=go_backwards,
        use_bias=use_bias,
        dropout=dropout,
        name="memory",
    )(x)
    return keras.Model(inputs, layers.Dense(2, name="head")(x))


def paddle_lstm(flipped: bool = False, first: bool = False) -> Any:
    """flipped: the sequence is turned round before it; first: takes the output of the first step."""
    import paddle
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.LSTM(3, 5)
            self.fc = nn.Linear(5, 2)

        def forward(self, x: Any) -> Any:
            outputs, _ = self.rnn(paddle.flip(x, axis=[1]) if flipped else x)
            return self.fc(outputs[:, 0 if first else -1])

    return Net()


def tensorflow_gru(reset_after: bool = True, units: int = 5) -> Any:
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((8, 3)),
            layers.GRU(units, reset_after=reset_after, return_sequences=True, name="memory"),
            layers.Dense(2, name="head"),
        ]
    )


def paddle_gru(units: int = 5) -> Any:
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.GRU(3, units)
            self.fc = nn.Linear(units, 2)

        def forward(self, x: Any) -> Any:
            return self.fc(self.rnn(x)[0])

    return Net()


def tensorflow_simple(activation: str = "tanh", steps: bool = False) -> Any:
    import keras
    from keras import layers

    x = inputs = keras.Input((8, 3))
    x = layers.SimpleRNN(5, activation=activation, return_sequences=steps, name="memory")(x)
    if steps:
        x = layers.GlobalMaxPooling1D(name="maximum")(x)
    return keras.Model(inputs, layers.Dense(2, name="head")(x))


def paddle_simple(activation: str = "tanh") -> Any:
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.SimpleRNN(3, 5, activation=activation)
            self.fc = nn.Linear(5, 2)

        def forward(self, x: Any) -> Any:
            _, hidden = self.rnn(x)
            return self.fc(hidden[-1])

    return Net()


def tensorflow_bidirectional(merge: str = "concat", steps: bool = True) -> Any:
    import keras
    from keras import layers

    x = inputs = keras.Input((8, 3))
    x = layers.Bidirectional(layers.LSTM(5, return_sequences=steps), merge_mode=merge, name="both")(x)
    return keras.Model(inputs, layers.Dense(2, name="head")(x))


def paddle_bidirectional(merge: str = "concat", steps: bool = True, ends: bool = True) -> Any:
    """Of one vector a sequence (not steps): the ends of both directions, or, wrongly, the last step of both."""
    import paddle
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.LSTM(3, 5, direction="bidirect")
            self.fc = nn.Linear(10 if merge == "concat" else 5, 2)

        def forward(self, x: Any) -> Any:
            x, (hidden, _) = self.rnn(x)
            if not steps:
                x = paddle.concat([hidden[0], hidden[1]], axis=-1) if ends else x[:, -1]
            if merge == "sum":
                x = x[..., :5] + x[..., 5:]
            elif merge == "ave":
                x = (x[..., :5] + x[..., 5:]) / 2
            return self.fc(x)

    return Net()


def tensorflow_stacked(layers_count: int = 2) -> Any:
    import keras
    from keras import layers

    model = keras.Sequential([keras.Input((8, 3))])
    for index in range(layers_count):
        model.add(layers.LSTM(4, return_sequences=index + 1 < layers_count, name=f"memory{index}"))
    model.add(layers.Dense(2, name="head"))
    return model


def paddle_stacked(layers_count: int = 2, dropout: float = 0.0) -> Any:
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.LSTM(3, 4, num_layers=layers_count, dropout=dropout)
            self.fc = nn.Linear(4, 2)

        def forward(self, x: Any) -> Any:
            return self.fc(self.rnn(x)[0][:, -1])

    return Net()


def tensorflow_initial_state() -> Any:
    """A decoder that begins with a state which the first step's input gives."""
    import keras
    from keras import layers

    inputs = keras.Input((8, 3))
    state = layers.Dense(5, activation="tanh", name="state")(inputs[:, 0])
    x = layers.GRU(5, return_sequences=True, name="memory")(inputs, initial_state=state)
    return keras.Model(inputs, layers.Dense(2, name="head")(x))


def paddle_initial_state(given: bool = True) -> Any:
    import paddle
    from paddle import nn

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(3, 5)
            self.rnn = nn.GRU(3, 5)
            self.fc = nn.Linear(5, 2)

        def forward(self, x: Any) -> Any:
            state = paddle.tanh(self.first(x[:, 0])).unsqueeze(0)  # [layers, n, units]
            return self.fc(self.rnn(x, state if given else paddle.zeros_like(state))[0])

    return Net()


def tensorflow_own_cell(activation: str = "tanh") -> Any:
    return tensorflow_lstm(activation=activation)


def paddle_own_cell(activation: str = "tanh", backwards: bool = False) -> Any:
    """An LSTM cell of the user's own, run by `nn.RNN`; `backwards`: its last column is the first unit's first gate."""
    import paddle
    import paddle.nn.functional as F  # noqa: N812
    from paddle import nn

    class Cell(nn.LSTMCell):
        def forward(self, inputs: Any, states: Any = None) -> Any:
            if states is None:
                states = self.get_initial_states(inputs, self.state_shape)
            hidden, cell = states
            gates = paddle.matmul(inputs, self.weight_ih, transpose_y=True) + self.bias_ih
            gates = gates + paddle.matmul(hidden, self.weight_hh, transpose_y=True) + self.bias_hh
            i, f, g, o = paddle.split(gates.flip([-1]) if backwards else gates, 4, axis=-1)
            act = getattr(F, activation)
            cell = F.sigmoid(f) * cell + F.sigmoid(i) * act(g)
            hidden = F.sigmoid(o) * act(cell)
            return hidden, (hidden, cell)

    class Net(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.RNN(Cell(3, 5))
            self.fc = nn.Linear(5, 2)

        def forward(self, x: Any) -> Any:
            return self.fc(self.rnn(x)[0][:, -1])

    return Net()
