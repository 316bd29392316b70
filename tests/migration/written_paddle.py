"""Paddle models of a few layers, written in the test that uses them; imported in the Paddle worker."""

import paddle
from paddle import nn


class Last(nn.Layer):
    """The outputs of a recurrent layer, without its states."""

    def __init__(self, recurrent: nn.Layer) -> None:
        super().__init__()
        self.recurrent = recurrent

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.recurrent(x)[0]


class Functional(nn.Layer):
    """An activation that the code of a layer calls."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return nn.functional.gelu(self.linear(x))


class Cropped(nn.Layer):
    """Maps without their outermost pixels."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return x[:, :, 1:-1, 1:-1]


def chain(*written: str) -> nn.Layer:
    """Layers behind each other; each is the code of its constructor."""
    scope = {"nn": nn, "paddle": paddle, "Last": Last, "Functional": Functional, "Cropped": Cropped}
    return nn.Sequential(*(eval(code, scope) for code in written))


class Subclassed(nn.Layer):
    """The twin of `written_keras.Subclassed`."""

    def __init__(self, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.first = nn.Linear(8, 6)
        self.norm, self.inner = nn.BatchNorm1D(6, epsilon=epsilon), nn.Linear(6, 6)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return nn.functional.relu(self.inner(self.norm(self.first(x))))


class Nested(nn.Layer):
    """The twin of `written_keras.nested`: one layer under two names."""

    def __init__(self, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 6), nn.Linear(6, 6)
        self.norm = nn.BatchNorm1D(6, epsilon=epsilon)
        self.again = nn.Sequential(self.norm)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.again(self.second(self.norm(self.first(x))))
