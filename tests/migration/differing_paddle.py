"""Paddle models that differ from those of `differing_keras` in one thing; imported in the Paddle worker."""

from __future__ import annotations

import numpy as np
import paddle
from paddle import nn

F = nn.functional


class Between(nn.Layer):
    """A layer between two fully connected ones."""

    def __init__(self, layer: nn.Layer) -> None:
        super().__init__()
        self.first, self.layer, self.second = nn.Linear(8, 6), layer, nn.Linear(6, 5)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.second(self.layer(self.first(x)))


class Function(nn.Layer):
    """A function of `x`, by its code."""

    def __init__(self, code: str) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 6), nn.Linear(6, 5)
        self.function = eval(f"lambda x: {code}", {"F": F, "paddle": paddle, "nn": nn})

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.second(self.function(self.first(x)))


class Slopes(nn.Layer):
    """A number for each channel, in a buffer."""

    def __init__(self, first: float) -> None:
        super().__init__()
        self.register_buffer("table", paddle.to_tensor(np.linspace(first, 1.0, 6).astype("float32")))

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return x * self.table


def slopes(first: float) -> nn.Layer:
    return Between(Slopes(first))


class Biased(nn.Layer):
    """An attention with a bias of each head that falls with the distance."""

    def __init__(self, smaller: float) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(6, 6), nn.Linear(6, 6)
        self.register_buffer("slopes", paddle.to_tensor(np.array([0.5, smaller], "float32")))

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        query, key, value = (y.reshape([-1, 5, 2, 3]).transpose([0, 2, 1, 3]) for y in (self.query(x), self.key(x), x))
        place = paddle.arange(5).astype(query.dtype)
        bias = -self.slopes.reshape([1, 2, 1, 1]) * (place.unsqueeze(0) - place.unsqueeze(1)).abs()
        seen = F.softmax(paddle.matmul(query, key, transpose_y=True) + bias, -1)
        return paddle.matmul(seen, value).transpose([0, 2, 1, 3]).reshape([-1, 5, 6])


def biased(smaller: float) -> nn.Layer:
    return Between(Biased(smaller))


def weight_norm(width: int, dim: int) -> nn.Layer:
    return nn.Sequential(nn.utils.weight_norm(nn.Linear(width, 6, bias_attr=False), dim=dim), nn.Linear(6, 5))


class Recurrent(nn.Layer):
    """What code takes of a recurrent layer's outputs `y` and last states `h`."""

    def __init__(self, layer: str, taken: str) -> None:
        super().__init__()
        self.memory = eval(layer, {"nn": nn})
        self.head = nn.Linear(4 * self.memory.num_directions, 5)
        self.taken = eval(f"lambda y, h: {taken}", {"paddle": paddle})

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.head(self.taken(*self.memory(x)))


class Padded(nn.Layer):
    """A convolution of sequences [n, c, t] behind a padding function, or less what it pads at the end."""

    def __init__(self, dilation: int, *, cut: bool = False) -> None:
        super().__init__()
        self.around, self.cut = 2 * dilation, cut
        self.conv = nn.Conv1D(3, 4, 3, dilation=dilation, padding=self.around if cut else 0)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = x.transpose([0, 2, 1])
        y = self.conv(x if self.cut else F.pad(x, [self.around, 0], data_format="NCL"))
        return (y[:, :, : -self.around] if self.cut else y).transpose([0, 2, 1])


class Joined(nn.Layer):
    """Two branches, one of which is reshaped where it should be turned back."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.head = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(16, 5)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        turned = self.two(x).transpose([0, 2, 1]).reshape([-1, 6, 8])
        return self.head(paddle.concat([self.one(x), turned], axis=-1))


class Words(nn.Layer):
    """Two masks of ids, of which both must hold."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.head = nn.Embedding(20, 6), nn.Linear(6, 5)

    def forward(self, ids: paddle.Tensor) -> paddle.Tensor:
        x = self.words(ids)
        usual, known = ((ids != number).astype(x.dtype) for number in (3, 0))
        return self.head((x * (known * usual).unsqueeze(-1)).sum(axis=1))
