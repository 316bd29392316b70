"""ResNets: post-activation basic blocks (v1), pre-activation bottlenecks (v2)."""

from __future__ import annotations

import paddle
from paddle import nn

from paddle_impl.layers import add, average_pool, batch_norm, conv, global_max_pool, head, max_pool, relu
from parity.catalogue.designs import BottleneckStage, Network, Stage
from parity.catalogue.designs import ResNet as ResNetDesign
from parity.catalogue.designs import ResNetV2 as ResNetV2Design


class ResNet(nn.Layer):
    """Logits [n, classes] of images [n, 3, h, w]; version 1."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        design = network.design
        assert isinstance(design, ResNetDesign)
        side, channels = network.image[0], design.stem
        stem = [
            ("conv", conv(network.image[2], channels, 3, padding=design.padding, bias=design.bias)),
            ("bn", batch_norm(channels, network.batch_norm)),
            ("relu", relu()),
        ]
        if design.stem_pool:
            stem.append(("pool", max_pool(3, 2)))
            side = -(-side // 2)
        self.stem = nn.Sequential(*stem)
        self.stages = []
        for s, stage in enumerate(design.stages, start=1):
            blocks: list[tuple[str, nn.Layer]] = []
            for b in range(1, stage.blocks + 1):
                blocks.append((f"block{b}", BasicBlock(channels, stage, network, first=b == 1)))
                channels = stage.width
            self.stages.append(self.add_sublayer(f"stage{s}", nn.Sequential(*blocks)))
            side = -(-side // stage.stride)
        window = design.pool if isinstance(design.pool, int) else side
        self.pool = global_max_pool() if design.pool == "max" else average_pool(window, window)
        self.head = head((channels, side // window, side // window), design.hidden, network.classes, network.batch_norm)

    def forward(self, images: paddle.Tensor) -> paddle.Tensor:
        """Images [n, 3, h, w] -> logits [n, classes]."""
        x = self.stem(images)
        for stage in self.stages:
            x = stage(x)
        return self.head(self.pool(x))


class ResNetV2(nn.Layer):
    """Logits [n, classes] of images [n, 3, h, w]; version 2."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        design = network.design
        assert isinstance(design, ResNetV2Design)
        side, channels = network.image[0], design.stem
        self.stem = nn.Sequential(
            ("conv", conv(network.image[2], channels, 3)),
            ("bn", batch_norm(channels, network.batch_norm)),
            ("relu", relu()),
        )
        self.stages = []
        for s, stage in enumerate(design.stages, start=1):
            blocks: list[tuple[str, nn.Layer]] = []
            for b in range(1, stage.blocks + 1):
                block = Bottleneck(channels, stage, network, first=b == 1, activated=s == b == 1)
                blocks.append((f"block{b}", block))
                channels = stage.width
            self.stages.append(self.add_sublayer(f"stage{s}", nn.Sequential(*blocks)))
            side = -(-side // stage.stride)
        self.final = nn.Sequential(("bn", batch_norm(channels, network.batch_norm)), ("relu", relu()))
        self.pool = average_pool(design.pool, design.pool)
        pooled_side = side // design.pool
        self.head = head((channels, pooled_side, pooled_side), (), network.classes, network.batch_norm)

    def forward(self, images: paddle.Tensor) -> paddle.Tensor:
        """Images [n, 3, h, w] -> logits [n, classes]."""
        x = self.stem(images)
        for stage in self.stages:
            x = stage(x)
        return self.head(self.pool(self.final(x)))


class BasicBlock(nn.Layer):
    """relu(shortcut(x) + bn(conv(relu(bn(conv(x)))))); only a stage's first block has its stride and a projection."""

    def __init__(self, in_channels: int, stage: Stage, network: Network, *, first: bool) -> None:
        super().__init__()
        design = network.design
        assert isinstance(design, ResNetDesign)
        width, stride = stage.width, stage.stride if first else 1
        bias, padding = design.bias, design.padding
        self.conv1 = conv(in_channels, width, 3, stride=stride, padding=padding, bias=bias)
        self.bn1 = batch_norm(width, network.batch_norm)
        self.relu1 = relu()
        self.conv2 = conv(width, width, 3, padding=padding, bias=bias)
        self.bn2 = batch_norm(width, network.batch_norm)
        self.project = self.project_bn = None
        if first and stage.project:
            kernel = design.projection_kernel
            self.project = conv(in_channels, width, kernel, stride=stride, padding=padding, bias=bias)
            if design.projection_batch_norm:
                self.project_bn = batch_norm(width, network.batch_norm)
        self.add = add()
        self.relu2 = relu()

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Maps [n, c, h, w] -> [n, width, h / stride, w / stride]."""
        y = self.relu1(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.project is not None:
            x = self.project(x)
        if self.project_bn is not None:
            x = self.project_bn(x)
        return self.relu2(self.add(x, y))


class Bottleneck(nn.Layer):
    """shortcut(x) + conv(relu(bn(conv(relu(bn(conv(relu(bn(x))))))))); no bn and relu of x if that is `activated`."""

    def __init__(
        self, in_channels: int, stage: BottleneckStage, network: Network, *, first: bool, activated: bool
    ) -> None:
        super().__init__()
        stride = stage.stride if first else 1
        self.bn1 = self.relu1 = None
        if not activated:
            self.bn1 = batch_norm(in_channels, network.batch_norm)
            self.relu1 = relu()
        self.conv1 = conv(in_channels, stage.inner, 1, stride=stride)
        self.bn2 = batch_norm(stage.inner, network.batch_norm)
        self.relu2 = relu()
        self.conv2 = conv(stage.inner, stage.inner, 3)
        self.bn3 = batch_norm(stage.inner, network.batch_norm)
        self.relu3 = relu()
        self.conv3 = conv(stage.inner, stage.width, 1)
        self.project = conv(in_channels, stage.width, 1, stride=stride) if first else None
        self.add = add()

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Maps [n, c, h, w] -> [n, width, h / stride, w / stride]."""
        y = x
        if self.bn1 is not None and self.relu1 is not None:
            y = self.relu1(self.bn1(y))
        y = self.conv1(y)
        y = self.conv2(self.relu2(self.bn2(y)))
        y = self.conv3(self.relu3(self.bn3(y)))
        if self.project is not None:
            x = self.project(x)
        return self.add(x, y)
