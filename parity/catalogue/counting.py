"""Parameters and FLOPs of a network, counted from its design alone.

This shares no code with the twins. Where no document states a count (variants, further depths), the twins are compared
with it. Tests compare it with every count that is stated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from parity.catalogue.designs import (
    VGG,
    AlexNet,
    GoogLeNet,
    Hidden,
    Inception,
    LeNet,
    MiniInception,
    Network,
    Padding,
    ResNet,
    ResNetV2,
)

Maps = tuple[int, int, int]  # height, width, channels


class Counts(NamedTuple):
    """The counts of a network, as the fields of the same names of `Network`."""

    params: int
    trainable: int
    flops: int


def count(network: Network) -> Counts:
    """The counts of a network's design, image size, classes and batch norm; its own `params` and so on are not read.

    Raises:
        ValueError: a window is larger than the map that it slides over.

    Example:
        >>> from parity.catalogue.networks import network
        >>> count(network("lenet5"))
        Counts(params=62006, trainable=62006, flops=1303440)
    """
    tally = Tally(network.batch_norm is not None)
    maps, hidden = _FAMILIES[type(network.design)](tally, network.design, network.image)
    tally.head(maps, hidden, network.classes)
    return Counts(tally.trainable + tally.statistics, tally.trainable, tally.flops)


class Tally:
    """Sums of parameters and FLOPs; each method takes the size of a layer's input and returns that of its output."""

    def __init__(self, normed: bool) -> None:
        self.normed = normed
        self.trainable = self.statistics = self.flops = 0

    def conv(
        self,
        maps: Maps,
        channels: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: Padding = "same",
        bias: bool = True,
        batch_norm: bool = False,
    ) -> Maps:
        """Add a convolution, with the batch norm of its output if there is one.

        Args:
            maps: (height, width, channels) of the input.
            channels: of the output.
            kernel: side of the square kernel.
            stride: along both axes.
            padding: "same", "valid" or pixels on every side.
            bias: whether it has one.
            batch_norm: whether one follows, in networks that have any.
        """
        height, width, in_channels = self.pool(maps, kernel, stride, padding=padding)
        weights = kernel * kernel * in_channels * channels
        self.trainable += weights + bias * channels
        self.flops += 2 * weights * height * width
        if batch_norm:
            self.batch_norm(channels)
        return height, width, channels

    def batch_norm(self, channels: int) -> None:
        """Add gamma and beta, mean and variance."""
        if self.normed:
            self.trainable += 2 * channels
            self.statistics += 2 * channels

    def pool(self, maps: Maps, window: int, stride: int, *, padding: Padding = "same") -> Maps:
        """The maps after a window has slid over them; adds nothing."""
        height, width = (_positions(extent, window, stride, padding) for extent in maps[:2])
        return height, width, maps[2]

    def dense(self, features: int, width: int) -> int:
        """Add a fully connected layer with bias; returns its width."""
        self.trainable += features * width + width
        self.flops += 2 * features * width
        return width

    def head(self, maps: Maps, hidden: Sequence[Hidden], classes: int) -> None:
        """Add hidden layers and logits on flattened maps."""
        features = maps[0] * maps[1] * maps[2]
        for layer in hidden:
            features = self.dense(features, layer.width)
            if layer.batch_norm:
                self.batch_norm(features)
        self.dense(features, classes)


def _positions(extent: int, window: int, stride: int, padding: Padding) -> int:
    """How many positions a window has along an axis. Raises ValueError for none."""
    if padding == "same":
        return -(-extent // stride)
    padded = extent + 2 * padding if isinstance(padding, int) else extent
    if padded < window:
        raise ValueError(f"a window of {window}x{window} is larger than a map of {extent}x{extent}")
    return (padded - window) // stride + 1


def _vgg(tally: Tally, design: VGG, maps: Maps) -> tuple[Maps, Sequence[Hidden]]:
    for widths, kernel in zip(design.groups, design.kernels, strict=True):
        for width in widths:
            maps = tally.conv(maps, width, kernel, batch_norm=True)
        maps = tally.pool(maps, 2, 2)
    if design.average is not None:
        maps = design.average, design.average, maps[2]
    return maps, design.hidden


def _googlenet(tally: Tally, design: GoogLeNet, maps: Maps) -> tuple[Maps, Sequence[Hidden]]:
    for kernel, width in design.stem:
        maps = tally.conv(maps, width, kernel, batch_norm=True)
        maps = tally.pool(maps, 3, 2)
    for number, group in enumerate(design.modules):
        if number:
            maps = tally.pool(maps, 3, 2)
        for module in group:
            maps = _inception(tally, module, maps, batch_norm=True)
    return (1, 1, maps[2]), design.hidden


def _mini_inception(tally: Tally, design: MiniInception, maps: Maps) -> tuple[Maps, Sequence[Hidden]]:
    maps = tally.conv(maps, design.stem, 3, bias=False, batch_norm=True)
    maps = tally.pool(maps, 3, 2, padding=1)
    for number, group in enumerate(design.modules):
        if number:
            maps = tally.pool(maps, 3, 2, padding="valid")
        for module in group:
            maps = _inception(tally, module, maps, batch_norm=False)
    return tally.pool(maps, 3, 2, padding="valid"), ()


def _inception(tally: Tally, module: Inception, maps: Maps, *, batch_norm: bool) -> Maps:
    tally.conv(maps, module.conv1, 1, batch_norm=batch_norm)
    reduced = tally.conv(maps, module.reduce3, 1, batch_norm=batch_norm)
    tally.conv(reduced, module.conv3, 3, batch_norm=batch_norm)
    reduced = tally.conv(maps, module.reduce5, 1, batch_norm=batch_norm)
    tally.conv(reduced, module.conv5, 5, batch_norm=batch_norm)
    tally.conv(maps, module.project, 1, batch_norm=batch_norm)
    return maps[0], maps[1], module.out_channels


def _resnet(tally: Tally, design: ResNet, maps: Maps) -> tuple[Maps, Sequence[Hidden]]:
    bias, padding = design.bias, design.padding
    maps = tally.conv(maps, design.stem, 3, padding=padding, bias=bias, batch_norm=True)
    if design.stem_pool:
        maps = tally.pool(maps, 3, 2)
    for stage in design.stages:
        for block in range(stage.blocks):
            stride = 1 if block else stage.stride
            if stage.project and not block:
                normed, kernel = design.projection_batch_norm, design.projection_kernel
                tally.conv(maps, stage.width, kernel, stride=stride, padding=padding, bias=bias, batch_norm=normed)
            maps = tally.conv(maps, stage.width, 3, stride=stride, padding=padding, bias=bias, batch_norm=True)
            maps = tally.conv(maps, stage.width, 3, padding=padding, bias=bias, batch_norm=True)
    if isinstance(design.pool, int):
        return tally.pool(maps, design.pool, design.pool, padding="valid"), design.hidden
    return (1, 1, maps[2]), design.hidden


def _resnet_v2(tally: Tally, design: ResNetV2, maps: Maps) -> tuple[Maps, Sequence[Hidden]]:
    maps = tally.conv(maps, design.stem, 3, batch_norm=True)
    for number, stage in enumerate(design.stages):
        for block in range(stage.blocks):
            stride = 1 if block else stage.stride
            if number or block:
                tally.batch_norm(maps[2])
            if not block:
                tally.conv(maps, stage.width, 1, stride=stride)
            maps = tally.conv(maps, stage.inner, 1, stride=stride, batch_norm=True)
            maps = tally.conv(maps, stage.inner, 3, batch_norm=True)
            maps = tally.conv(maps, stage.width, 1)
    tally.batch_norm(maps[2])
    return tally.pool(maps, design.pool, design.pool, padding="valid"), ()


def _lenet(tally: Tally, design: LeNet, maps: Maps) -> tuple[Maps, Sequence[Hidden]]:
    for width in design.convs:
        maps = tally.conv(maps, width, 5, padding="valid")
        maps = tally.pool(maps, 2, 2, padding="valid")
    return maps, design.hidden


def _alexnet(tally: Tally, design: AlexNet, maps: Maps) -> tuple[Maps, Sequence[Hidden]]:
    for width in design.convs:
        maps = tally.conv(maps, width, design.kernel)
        maps = tally.pool(maps, 3, 2)
    return maps, design.hidden


_FAMILIES: dict[type, Callable[[Tally, Any, Maps], tuple[Maps, Sequence[Hidden]]]] = {
    VGG: _vgg,
    GoogLeNet: _googlenet,
    MiniInception: _mini_inception,
    ResNet: _resnet,
    ResNetV2: _resnet_v2,
    LeNet: _lenet,
    AlexNet: _alexnet,
}
