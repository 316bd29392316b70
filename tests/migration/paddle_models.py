"""Paddle models as users write them, right and wrong ones; the twins of `tests/migration/keras_models.py`."""

from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F  # noqa: N812
from paddle import nn

SAME_STRIDE_2 = [0, 1, 0, 1]  # of a 3x3 kernel on an even map: above, below, left, right


def padded_before_a_pool() -> nn.Layer:
    rows = [nn.Conv2D(3, 4, 3, 2, padding=1), nn.MaxPool2D(2, 1), nn.AdaptiveAvgPool2D(1)]
    return nn.Sequential(*rows, nn.Flatten(), nn.Linear(4, 3))


class Positions(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.token, self.place, self.fc = nn.Embedding(30, 4), nn.Embedding(9, 4), nn.Linear(4, 3)

    def forward(self, ids: paddle.Tensor) -> paddle.Tensor:
        return self.fc((self.token(ids) + self.place(paddle.arange(9))).mean(1))


def padded() -> nn.Layer:
    return nn.Sequential(
        nn.ZeroPad2D([3, 0, 2, 1]),
        nn.Conv2D(3, 4, 3),
        nn.ReLU(),
        nn.ZeroPad2D(1),
        nn.Conv2D(4, 4, 3),
        nn.AdaptiveAvgPool2D(1),
        nn.Flatten(),
        nn.Linear(4, 4),
    )


class Small(nn.Layer):
    """As users write it; `padding` 1 is the trap."""

    def __init__(
        self,
        epsilon: float,
        padding: Any,
        act: nn.Layer | None,
        bias: bool,
        classes: int,
        mode: str = "upscale_in_train",
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2D(3, 8, 3, stride=2, padding=padding, bias_attr=None if bias else False)
        self.bn = nn.BatchNorm2D(8, epsilon=epsilon)
        self.act = act or nn.ReLU()
        self.pool = nn.MaxPool2D(2)
        self.fc = nn.Sequential(nn.Linear(128, 12), nn.ReLU(), nn.Dropout(0.4, mode=mode), nn.Linear(12, classes))

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self.pool(self.act(self.bn(self.conv(x))))
        return self.fc(paddle.flatten(x, 1))


def small(
    epsilon: float = 1e-5,
    padding: Any = None,
    act: str = "",
    bias: bool = True,
    num_classes: int = 10,
    mode: str = "upscale_in_train",
) -> nn.Layer:
    padding = SAME_STRIDE_2 if padding is None else padding
    return Small(epsilon, padding, getattr(nn, act)() if act else None, bias, num_classes, mode)


def tower(depth: int) -> nn.Layer:
    blocks = [[nn.Linear(16 if index else 8, 16), nn.BatchNorm1D(16), nn.ReLU()] for index in range(depth)]
    return nn.Sequential(*(layer for block in blocks for layer in block), nn.Linear(16, 4))


class Bare(Small):
    """Without the activation after the batch norm."""

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.fc(paddle.flatten(self.pool(self.bn(self.conv(x))), 1))


def bare() -> nn.Layer:
    return Bare(1e-5, SAME_STRIDE_2, None, True, 10)


class EveryKind(nn.Layer):
    """One of each kind of layer."""

    def __init__(self) -> None:
        super().__init__()
        self.dilated = nn.Conv2D(3, 8, (3, 5), padding=(2, 4), dilation=2)
        self.depth1 = nn.Conv2D(8, 8, 3, stride=2, padding=SAME_STRIDE_2, groups=8, bias_attr=False)
        self.point1 = nn.Conv2D(8, 8, 1)
        self.depth2 = nn.Conv2D(8, 16, 3, padding=1, groups=8)
        self.grouped = nn.Conv2D(16, 8, 1, groups=4)
        self.average = nn.AvgPool2D(3, stride=1, padding=1)
        self.norm = nn.LayerNorm(16)
        self.drop = nn.Dropout(0.5)
        self.logits = nn.Linear(16, 5)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = F.elu(self.point1(self.depth1(F.leaky_relu(self.dilated(x)))))
        y = self.grouped(self.depth2(x))
        x = paddle.concat([x + y, paddle.multiply(x, self.average(x))], axis=1)
        x = F.adaptive_avg_pool2d(F.gelu(paddle.tanh(x)), 1).flatten(1)
        return F.softmax(self.logits(self.drop(self.norm(x))))


def every_kind() -> nn.Layer:
    return EveryKind()


def up_again(padding: Any = (0, 1, 0, 1), output_padding: int = 0) -> nn.Layer:
    up = nn.Conv2DTranspose(8, 6, 3, stride=2, padding=padding, output_padding=output_padding)
    down = [nn.Conv2D(3, 8, 3, stride=2, padding=SAME_STRIDE_2), nn.GroupNorm(4, 8), nn.PReLU(8)]
    rows = [nn.Flatten(), nn.Linear(384, 12), nn.PReLU(12), nn.Linear(12, 4)]
    return nn.Sequential(*down, up, nn.ReLU(), nn.InstanceNorm2D(6), nn.PReLU(), *rows)


def words(epsilon: float = 1e-5) -> nn.Layer:
    return nn.Sequential(nn.Embedding(50, 8), nn.LayerNorm(8, epsilon=epsilon), nn.Flatten(), nn.Linear(56, 4))


def bounded() -> nn.Layer:
    return nn.Sequential(nn.Conv2D(3, 4, 3), nn.Sigmoid(), nn.ReLU(), nn.Flatten(), nn.Linear(144, 4))


def nested(softmax: bool = False) -> nn.Layer:
    end = [nn.Softmax()] if softmax else []
    return nn.Sequential(nn.Sequential(nn.Conv2D(3, 4, 3), nn.ReLU()), nn.Flatten(), nn.Linear(144, 4), *end)


class Functions(nn.Layer):
    """Runs its long branch first."""

    def __init__(self, hard: bool) -> None:
        super().__init__()
        self.hard = hard
        self.a, self.b, self.c = nn.Conv2D(3, 6, 3, padding=1), nn.Conv2D(6, 6, 1), nn.Conv2D(6, 6, 3, padding=1)
        self.d, self.e = nn.Conv2D(6, 6, 1), nn.Linear(6, 4)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = (F.hardswish if self.hard else F.relu)(self.a(x))
        y = self.c((F.hardsigmoid if self.hard else F.relu)(self.b(x)))
        y += self.d(x)
        return self.e(y.mean([2, 3]))


def functions(hard: bool = False) -> nn.Layer:
    return Functions(hard)


class Composed(nn.Layer):
    """Hard swish and hard sigmoid as single layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.gate = nn.Conv2D(3, 4, 3), nn.Conv2D(4, 4, 1)
        self.swish, self.sigmoid, self.fc = nn.Hardswish(), nn.Hardsigmoid(), nn.Linear(144, 4)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self.swish(self.conv(x))
        gate = self.sigmoid(self.gate(F.adaptive_avg_pool2d(x, 1)))
        return self.fc((x * gate).flatten(1))


def composed() -> nn.Layer:
    return Composed()


class Shared(nn.Layer):
    """One convolution twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2D(3, 3, 3, padding=1), nn.Linear(3, 4)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.fc(F.adaptive_max_pool2d(self.conv(self.conv(x)), 1).flatten(1))


def shared() -> nn.Layer:
    return Shared()


class Twins(nn.Layer):
    """Two branches that cannot be distinguished."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2D(3, 4, 3, padding=1), nn.Conv2D(3, 4, 3, padding=1)
        self.fc = nn.Linear(4, 4)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.fc((self.one(x) + self.two(x)).mean([2, 3]))


def twins() -> nn.Layer:
    return Twins()


def last() -> nn.Layer:
    """Maps [n, h, w, c], as TensorFlow's: what `nested` is, with another layout."""
    return nn.Sequential(nn.Conv2D(3, 4, 3, data_format="NHWC"), nn.ReLU(), nn.Flatten(), nn.Linear(144, 4))


class TwoInputs(nn.Layer):
    """Adds two images."""

    def forward(self, x: paddle.Tensor, y: paddle.Tensor) -> paddle.Tensor:
        return x + y


def two_inputs() -> nn.Layer:
    return TwoInputs()


def half() -> nn.Layer:
    return nn.Conv2D(3, 4, 3).to(dtype="float16")


def with_nan() -> nn.Layer:
    model = small()
    kernel = model.conv.weight.numpy()
    kernel[0, 0, 0, 0] = np.nan
    model.conv.weight.set_value(kernel)
    return model


def not_a_model() -> str:
    return "a model"


def raises() -> nn.Layer:
    raise RuntimeError("out of ideas")


class Signals(nn.Layer):
    """Takes sequences [n, c, t]; `turned`: [n, t, c], and turns them itself."""

    def __init__(self, turned: bool, padding: Any, exclusive: bool) -> None:
        super().__init__()
        self.turned = turned
        self.body = nn.Sequential(
            nn.Conv1D(6, 8, 3, stride=2, padding=[0, 1]),
            nn.BatchNorm1D(8),
            nn.ReLU(),
            nn.MaxPool1D(2),
            nn.Conv1D(8, 8, 3, padding=padding),
            nn.Tanh(),
            nn.AvgPool1D(3, stride=1, padding=1, exclusive=exclusive),
            nn.Conv1D(8, 4, 2, groups=2, padding=1),
        )
        self.norm, self.logits = nn.BatchNorm1D(24), nn.Linear(24, 4)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self.body(x.transpose([0, 2, 1]) if self.turned else x)
        return self.logits(self.norm(x.flatten(1)))


def signals(turned: bool = False, padding: Any = 1, exclusive: bool = True) -> nn.Layer:
    return Signals(turned, padding, exclusive)


class Sentences(nn.Layer):
    """Convolutions of two widths over token embeddings."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(50, 8)
        self.narrow, self.wide = nn.Conv1D(8, 6, 3), nn.Conv1D(8, 6, 5)
        self.drop, self.logits = nn.Dropout(0.5), nn.Linear(12, 3)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = paddle.transpose(self.words(x), [0, 2, 1])
        narrow = F.adaptive_max_pool1d(F.relu(self.narrow(x)), 1).squeeze(2)
        return self.logits(self.drop(paddle.concat([narrow, F.relu(self.wide(x)).mean(2)], axis=1)))


def sentences() -> nn.Layer:
    return Sentences()


def bends(softplus: float = 40.0, last: str = "LogSigmoid") -> nn.Layer:
    acts = [nn.Softplus(threshold=softplus), nn.Mish(), nn.SELU(), nn.Softsign(), nn.CELU(), nn.Hardtanh()]
    stack: list[nn.Layer] = [nn.Flatten()]
    for index, act in enumerate([*acts, getattr(nn, last)()]):
        stack += [nn.Linear(8 if index else 72, 8), act]
    return nn.Sequential(*stack, nn.Linear(8, 4))


class Left(nn.Layer):
    """Leaves the framework for numpy, where nothing is recorded."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.out = nn.Linear(8, 16), nn.Linear(16, 4)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.out(paddle.to_tensor(nn.functional.relu(self.hidden(x)).numpy()))


def left() -> nn.Layer:
    return Left()


def normed() -> nn.Layer:
    """The batch norm of Paddle 1, whose activation is one of its old operations."""
    norm = nn.BatchNorm(4, act="relu")
    return nn.Sequential(nn.Conv2D(3, 4, 3), norm, nn.AdaptiveAvgPool2D(1), nn.Flatten(), nn.Linear(4, 3))


def floor() -> nn.Layer:
    return nn.Sequential(nn.Flatten(), nn.Linear(72, 8), nn.LogSoftmax(), nn.Linear(8, 4))


class Recurrent(nn.Layer):
    """A recurrent layer, of whose outputs the last is used or every one."""

    def __init__(self, cell: str, *, both: bool, every: bool, outputs: bool) -> None:
        super().__init__()
        self.every, self.outputs, self.both = every, outputs, both
        self.words, self.logits = nn.Embedding(50, 8), nn.Linear(12 if both else 6, 3)
        self.memory = getattr(nn, cell)(8, 6, direction="bidirect" if both else "forward")

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        y, states = self.memory(self.words(x))
        last = states[0] if isinstance(states, tuple) else states
        if self.every or self.outputs:
            return self.logits(y if self.every else y[:, -1])
        return self.logits(paddle.concat([last[-2], last[-1]], axis=-1) if self.both else last[-1])


def recurrent(cell: str = "LSTM", *, both: bool = False, every: bool = False, outputs: bool = False) -> nn.Layer:
    return Recurrent(cell, both=both, every=every, outputs=outputs)


def volumes() -> nn.Layer:
    return nn.Sequential(
        nn.Conv3D(2, 4, 3, stride=[1, 2, 1], padding=[1, 1, 0, 1, 1, 1]),
        nn.ReLU(),
        nn.BatchNorm3D(4),
        nn.AdaptiveAvgPool3D(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    )


class Projected(nn.Layer):
    """A recurrent layer that the suite does not look into."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.logits = nn.Embedding(50, 8), nn.Linear(6, 3)
        self.memory = nn.LSTM(8, 10, proj_size=6)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.logits(self.memory(self.words(x))[0][:, -1])


def projected() -> nn.Layer:
    return Projected()


class Transformer(nn.Layer):
    """Paddle's own encoder layer behind patches."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.logits = nn.Conv2D(3, 12, 4, stride=4), nn.Linear(12, 4)
        self.block = nn.TransformerEncoderLayer(12, 3, 24, dropout=0.0, activation="gelu", normalize_before=True)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self.patches(x).flatten(2).transpose([0, 2, 1])
        return self.logits(self.block(x).mean(1))


def transformer() -> nn.Layer:
    return Transformer()
