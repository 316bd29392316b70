"""Paddle models as users write them: several inputs and outputs, nested; names, buffers and numbers of their own."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import paddle
from paddle import nn


class Several(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(6, 3)

    def forward(self, wide: paddle.Tensor, deep: Any = None) -> Any:
        return self.dense(paddle.concat([wide, 10 * deep], axis=-1)), {"sum": wide + deep[:, :1]}


class Packed(nn.Layer):
    """Takes all in one: as a dictionary or as a list."""

    def __init__(self, by_name: bool) -> None:
        super().__init__()
        self.dense, self.by_name = nn.Linear(6, 3), by_name

    def forward(self, inputs: Any, mask: Any = None) -> paddle.Tensor:
        wide, deep = (inputs["wide"], inputs["deep"]) if self.by_name else inputs
        return self.dense(paddle.concat([wide, 10 * deep], axis=-1))


class Starred(nn.Layer):
    def forward(self, *tensors: paddle.Tensor) -> paddle.Tensor:
        return paddle.concat([tensors[0], 10 * tensors[1]], axis=-1)


@dataclass
class Detection:
    boxes: paddle.Tensor
    scores: list[paddle.Tensor]
    title: str = "boxes"


class Detector(nn.Layer):
    def forward(self, wide: paddle.Tensor, deep: paddle.Tensor) -> Detection:
        return Detection(wide, [deep, deep + 1])


def several() -> nn.Layer:
    return Several()


def packed(by_name: bool) -> nn.Layer:
    return Packed(by_name)


def starred() -> nn.Layer:
    return Starred()


def detector() -> nn.Layer:
    return Detector()


def named() -> nn.Layer:
    return nn.Sequential(nn.Linear(4, 2, weight_attr=paddle.ParamAttr(name="fc_w")))


class Indexed(nn.Layer):
    """A buffer of whole numbers, and a tensor that is neither parameter nor buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(4, 4)
        self.register_buffer("order", paddle.to_tensor([3, 2, 1, 0]))
        self.scale = paddle.to_tensor(np.array([1, 2, 3, 4], np.float32))

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        zeros = paddle.zeros([4, 4])
        return paddle.index_select(self.dense(x), self.order, axis=1) * self.scale + paddle.matmul(x, zeros)


def indexed() -> nn.Layer:
    return Indexed()


class Fixed(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(4, 2)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return paddle.matmul(paddle.to_tensor(np.eye(2), dtype="float32"), self.dense(x))


def fixed() -> nn.Layer:
    return Fixed()


def half() -> nn.Layer:
    return nn.Linear(4, 2).to(dtype="bfloat16")


def not_a_number() -> nn.Layer:
    model = nn.Linear(4, 2)
    model.bias.set_value(paddle.to_tensor(np.array([1, np.nan], np.float32)))
    return model


def maps(last: bool = False, channels: int = 3) -> nn.Layer:
    return nn.Sequential(nn.Conv2D(channels, 2, 3, data_format="NHWC" if last else "NCHW"), nn.Flatten())


class Turning(nn.Layer):
    """Takes maps as Keras has them, and turns them itself."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2D(3, 2, 3)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        return self.conv(x.transpose([0, 3, 1, 2]))


def turning() -> nn.Layer:
    return Turning()


def volumes() -> nn.Layer:
    return nn.Conv3D(2, 3, 2)


def signals(first: bool) -> nn.Layer:
    return nn.Conv1D(5, 3, 3) if first else nn.Linear(5, 3)


class Static(nn.Layer):
    """With a function that Paddle compiles."""

    def __init__(self) -> None:
        super().__init__()
        self.dense, self.ran_eagerly = nn.Linear(6, 3), False

    @paddle.jit.to_static
    def forward(self, wide: paddle.Tensor, deep: paddle.Tensor) -> paddle.Tensor:
        self.ran_eagerly = paddle.in_dynamic_mode()
        return self.dense(paddle.concat([wide, 10 * deep], axis=-1))


def static() -> nn.Layer:
    return Static()


def save(folder: str) -> None:
    """A network as a program for inference, and one of two inputs; and what a batch of one was fixed in."""
    paddle.seed(1)
    model = maps()
    model.eval()
    spec = paddle.static.InputSpec
    paddle.jit.save(model, f"{folder}/plain", input_spec=[spec([None, 3, 6, 6], "float32", "picture")])
    paddle.jit.save(model, f"{folder}/one", input_spec=[spec([1, 3, 6, 6], "float32", "picture")])
    paddle.save(model.state_dict(), f"{folder}/plain.pdparams")
    np.save(f"{folder}/plain.npy", model(paddle.ones([1, 3, 6, 6])).numpy())
    two = several()
    two.eval()
    names = [spec([None, 4], "float32", "wide"), spec([None, 2], "float32", "deep")]
    paddle.jit.save(two, f"{folder}/two", input_spec=names)
