"""The same in Paddle, and as programs for inference."""

import sys

import paddle
from paddle import nn


class Maps(nn.Layer):
    def __init__(self, stride: int = 2) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2D(3, 4, 3, padding=1), nn.Conv2D(4, 4, 3, padding=1)
        self.norm, self.fc, self.pool = nn.BatchNorm2D(4), nn.Linear(4, 4), nn.MaxPool2D(2, stride)

    def forward(self, picture: paddle.Tensor) -> paddle.Tensor:
        x = self.norm(self.second(nn.functional.relu(self.first(picture))))
        return self.fc(self.pool(x).mean([2, 3]))


class Sequence(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.rnn, self.fc = nn.Embedding(30, 4), nn.GRU(4, 5, direction="bidirect"), nn.Linear(10, 3)

    def forward(self, ids: paddle.Tensor) -> paddle.Tensor:
        return self.fc(self.rnn(self.table(ids))[0][:, -1])


class Branching(nn.Layer):
    """A program that branches on numbers cannot be run operation by operation."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(5, 4, bias_attr=False), nn.Linear(4, 4, bias_attr=False)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        if x.sum() > 1e9:
            x = x * 2
        return self.second(nn.functional.relu(self.first(x)))


def maps(stride: int = 2) -> nn.Layer:
    return Maps(stride)


def sequence() -> nn.Layer:
    return Sequence()


def rows() -> nn.Layer:
    return nn.Sequential(nn.Linear(5, 4, bias_attr=False), nn.ReLU(), nn.Linear(4, 4, bias_attr=False))


def many() -> nn.Layer:
    return nn.Sequential(*[layer for _ in range(8) for layer in (nn.Linear(5, 5, bias_attr=False), nn.Tanh())])


if __name__ == "__main__":
    spec = paddle.static.InputSpec
    saved = {
        "maps": (maps(), spec([None, 3, 8, 8], "float32", "picture")),
        "other": (maps(1), spec([None, 3, 8, 8], "float32", "picture")),
        "sequence": (sequence(), spec([None, 6], "int64", "ids")),
        "rows": (rows(), spec([None, 5], "float32", "x")),
        "branching": (Branching(), spec([None, 5], "float32", "x")),
    }
    for name, (model, given) in saved.items():
        model.eval()
        paddle.jit.save(model, f"{sys.argv[1]}/{name}", input_spec=[given])
