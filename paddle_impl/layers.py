"""The primitives in Paddle, with every default spelled out.

Each function makes one layer. The layer carries a `spec`, which says in neutral terms what it is meant to compute, so
that it can be probed alone against a numpy reference. Kernels start at zero: the canonical state is always transferred
in. Maps are NCHW, Paddle's default and its faster layout.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import paddle
from paddle import nn

from parity.catalogue.designs import LRN, BatchNorm, Hidden, Padding
from parity.data.epoch_plan import dropout_scale


def conv(
    in_channels: int, channels: int, kernel: int, *, stride: int = 1, padding: Padding = "same", bias: bool = True
) -> nn.Layer:
    """A square convolution.

    Args:
        in_channels: of the input.
        channels: of the output.
        kernel: its side.
        stride: for both axes.
        padding: "same", "valid" or a number of pixels on every side. SAME with stride 2 pads the bottom and the right
            of an even map: a number makes another network of it.
        bias: whether there is one.
    """
    layer = Conv2D(
        in_channels,
        channels,
        kernel,
        stride=stride,
        padding=_sides(padding),
        data_format="NCHW",
        weight_attr=_zeros(),
        bias_attr=_zeros() if bias else False,
    )
    return _mark(layer, kind="conv", stride=stride, padding=padding)


class Conv2D(nn.Conv2D):
    """Paddle's own, but for the shape [c, 1, 1] in which the bias is added.

    Paddle adds it as [1, c, 1, 1]. For shapes that begin with 1 its CPU kernels are about ten times slower, forward and
    backward: two fifths of the time of a small network's step.
    """

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Maps [n, c, h, w] -> [n, channels, h, w]."""
        y = nn.functional.conv2d(x, self.weight, stride=self._stride, padding=self._padding)
        return y if self.bias is None else y + self.bias.reshape([-1, 1, 1])


def batch_norm(channels: int, facts: BatchNorm | None, *, maps: bool = True) -> nn.Layer:
    """Batch normalisation over the channels, with the biased variance in the batch and in the running statistics.

    Args:
        channels: of the input.
        facts: epsilon and momentum; None for no layer at all.
        maps: whether the input is maps [n, c, h, w]; else it is rows [n, c].
    """
    if facts is None:
        return nn.Identity()  # without a spec: neither a layer of the network nor a stage
    kind = nn.BatchNorm2D if maps else nn.BatchNorm1D
    layer = kind(channels, momentum=facts.momentum, epsilon=facts.epsilon)
    return _mark(layer, kind="batch_norm", epsilon=facts.epsilon, maps=maps)


def relu() -> nn.Layer:
    """max(x, 0)."""
    return _mark(nn.ReLU(), kind="relu")


def lrn(facts: LRN) -> nn.Layer:
    """Local response normalisation across the channels."""
    layer = LocalResponseNorm(facts)
    return _mark(layer, kind="lrn", **dataclasses.asdict(facts))


def max_pool(window: int, stride: int, *, padding: Padding = "same") -> nn.Layer:
    """Max-pool over square windows.

    Args:
        window: its side.
        stride: for both axes.
        padding: "same", "valid" or a number of pixels on every side; padding never wins.
    """
    layer = nn.MaxPool2D(window, stride=stride, padding=_sides(padding), ceil_mode=False)
    return _mark(layer, kind="max_pool", window=window, stride=stride, padding=padding)


def average_pool(window: int, stride: int) -> nn.Layer:
    """Average pool without padding."""
    layer = AveragePool(window, stride=stride, padding=0, ceil_mode=False)
    return _mark(layer, kind="average_pool", window=window, stride=stride, padding="valid")


def adaptive_average_pool(side: int) -> nn.Layer:
    """Means over side x side windows that cover the map evenly; a map smaller than that is repeated."""
    return _mark(nn.AdaptiveAvgPool2D(side), kind="adaptive_average_pool", side=side)


def global_max_pool() -> nn.Layer:
    """The largest value of each channel's map, as a 1x1 map."""
    return _mark(nn.AdaptiveMaxPool2D(1), kind="global_max_pool")


def dense(in_features: int, width: int, *, maps: tuple[int, int, int] | None = None) -> nn.Layer:
    """A fully connected layer with bias.

    Args:
        in_features: numbers of an input row.
        width: numbers of an output row.
        maps: (channels, height, width) of the maps that the input was flattened from; None for other rows.
    """
    layer = nn.Linear(in_features, width, weight_attr=_zeros(), bias_attr=_zeros())
    layer.maps = maps
    return _mark(layer, kind="dense")


def dropout(rate: float) -> nn.Layer:
    """Inverted dropout whose mask both frameworks share; on maps, not on flattened ones."""
    return _mark(SharedDropout(rate), kind="dropout", rate=rate)


def flatten() -> nn.Layer:
    """Maps to rows, in channel, height, width order: the transfer permutes the rows of the next kernel."""
    return _mark(nn.Flatten(), kind="flatten")


def add() -> nn.Layer:
    """x + y."""
    return _mark(Add(), kind="add")


def concat() -> nn.Layer:
    """The maps one after the other along the channels."""
    return _mark(Concat(), kind="concat")


def head(maps: tuple[int, int, int], hidden: Sequence[Hidden], classes: int, facts: BatchNorm | None) -> nn.Sequential:
    """Flatten, hidden fully connected layers, logits.

    Args:
        maps: (channels, height, width) of the input.
        hidden: the hidden layers, in order.
        classes: number of logits.
        facts: of the hidden layers' batch norms; None for a network without batch norm.
    """
    layers: list[tuple[str, nn.Layer]] = [("flatten", flatten())]
    rows: tuple[int, int, int] | None = maps
    features = maps[0] * maps[1] * maps[2]
    for number, layer in enumerate(hidden, start=1):
        layers.append((f"fc{number}", dense(features, layer.width, maps=rows)))
        features, rows = layer.width, None
        if layer.batch_norm:
            layers.append((f"bn{number}", batch_norm(features, facts, maps=False)))
        if layer.relu:
            layers.append((f"relu{number}", relu()))
        if layer.dropout:
            layers.append((f"drop{number}", dropout(layer.dropout)))
    layers.append(("logits", dense(features, classes, maps=rows)))
    return nn.Sequential(*layers)


class Add(nn.Layer):
    """x + y as a layer, so that it is a named stage."""

    def forward(self, x: paddle.Tensor, y: paddle.Tensor) -> paddle.Tensor:
        """Two tensors of one shape -> their sum."""
        return x + y


class Concat(nn.Layer):
    """Concatenation along the channels as a layer, so that it is a named stage."""

    def forward(self, *maps: paddle.Tensor) -> paddle.Tensor:
        """Maps [n, c_i, h, w] -> [n, sum of c_i, h, w]."""
        return paddle.concat(maps, axis=1)


class LocalResponseNorm(nn.LocalResponseNorm):
    """y = x / (bias + alpha * s) ** beta, s the sum of x ** 2 over the channels up to `radius` away.

    In float32 this is Paddle's own, which averages over the window, so that alpha is multiplied by its size. It does so
    by an average pool, whose float64 gradient is off (see `AveragePool`), so float64 writes the formula out.
    """

    def __init__(self, facts: LRN) -> None:
        size = 2 * facts.radius + 1
        super().__init__(size, alpha=facts.alpha * size, beta=facts.beta, k=facts.bias, data_format="NCHW")
        self.facts = facts

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """x [n, c, h, w] -> the same shape."""
        if x.dtype != paddle.float64:
            return super().forward(x)
        facts, channels = self.facts, x.shape[1]
        beyond = paddle.zeros([x.shape[0], facts.radius, *x.shape[2:]], x.dtype)
        squares = paddle.concat([beyond, x * x, beyond], axis=1)
        near = paddle.add_n([squares[:, begin : begin + channels] for begin in range(2 * facts.radius + 1)])
        bias, alpha, beta = (paddle.full([], value, x.dtype) for value in (facts.bias, facts.alpha, facts.beta))
        return x / (bias + alpha * near) ** beta


class AveragePool(nn.AvgPool2D):
    """Paddle's own, but in float64, where the kernel's gradient is scaled by a float32 number (1/9 is off by 7e-9).

    There the taps of every window are added up one by one.
    """

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """x [n, c, h, w] -> [n, c, h', w'], without padding."""
        if x.dtype != paddle.float64:
            return super().forward(x)
        window, stride = self.ksize, self.stride
        height, width = ((extent - window) // stride * stride + 1 for extent in x.shape[2:])
        taps = [
            x[:, :, row : row + height : stride, column : column + width : stride]
            for row in range(window)
            for column in range(window)
        ]
        return paddle.add_n(taps) / paddle.full([], window**2, x.dtype)


class Noise:
    """The uniform numbers that dropout masks are cut from: one pool, and for the current step one offset a site."""

    def __init__(self, pool: paddle.Tensor, sites: int) -> None:
        self.pool = pool  # float32 [size], in [0, 1)
        self.offsets = [0] * sites


class SharedDropout(nn.Layer):
    """Zeroes an activation where its uniform number is below `rate`, scales the others by 1 / (1 - rate)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.noise: Noise | None = None  # set by training, see `attach_noise`
        self.site = 0

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """x [n, ...] -> the same shape; the identity outside of training."""
        if not self.training:
            return x
        if self.noise is None:
            raise RuntimeError(f"{self.full_name()}: dropout in training mode needs attach_noise() first")
        begin = self.noise.offsets[self.site]
        uniform = self.noise.pool[begin : begin + x.size]
        if x.ndim == 4:  # the pool is read in canonical NHWC order
            n, c, h, w = x.shape
            uniform = uniform.reshape([n, h, w, c]).transpose([0, 3, 1, 2])
        else:
            uniform = uniform.reshape(x.shape)
        return paddle.where(uniform >= self.rate, x * dropout_scale(self.rate), paddle.zeros([], x.dtype))


PRODUCTS = ("conv", "dense")  # the kinds of layers that bfloat16 is for


def in_bfloat16(model: nn.Layer) -> None:
    """Let convolutions and fully connected layers compute in bfloat16, on float32 weights; all else stays float32."""
    for layer in model.sublayers():
        if hasattr(layer, "spec") and layer.spec["kind"] in PRODUCTS:
            layer.forward = partial(_bfloat16_forward, layer.forward)


def _bfloat16_forward(forward: Callable[[paddle.Tensor], paddle.Tensor], x: paddle.Tensor) -> paddle.Tensor:
    with paddle.amp.auto_cast(level="O1", dtype="bfloat16"):  # casts input and weights of a product
        y = forward(x)
    return y.astype("float32")


def dropouts(model: nn.Layer) -> list[SharedDropout]:
    """The model's dropout layers, in the order of the forward pass."""
    return [layer for layer in model.sublayers() if isinstance(layer, SharedDropout)]


def largest_dropout(model: nn.Layer, image: tuple[int, int, int]) -> int:
    """Elements of one image's (height, width, channels) largest dropout input; 0 without dropout.

    A Paddle layer knows its shapes only by running.
    """
    sizes = [0]
    hooks = [
        layer.register_forward_post_hook(lambda _, __, output: sizes.append(math.prod(output.shape[1:])))
        for layer in dropouts(model)
    ]
    if hooks:
        height, width, channels = image
        model.eval()
        with paddle.no_grad():
            model(paddle.zeros([1, channels, height, width], model.parameters()[0].dtype))
    for hook in hooks:
        hook.remove()
    return max(sizes)


def attach_noise(model: nn.Layer, pool: Any) -> Noise:
    """Give every dropout layer its site in one pool of uniform numbers (float32 [size])."""
    layers = dropouts(model)
    noise = Noise(paddle.to_tensor(pool), len(layers))
    for site, layer in enumerate(layers):
        layer.noise, layer.site = noise, site
    return noise


def _zeros() -> paddle.ParamAttr:
    return paddle.ParamAttr(initializer=nn.initializer.Constant(0.0))


def _sides(padding: Padding) -> Padding:
    return padding.upper() if isinstance(padding, str) else padding


def _mark(layer: nn.Layer, **spec: Any) -> nn.Layer:
    layer.spec = spec
    return layer
