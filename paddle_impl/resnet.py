"""ResNets of post-activation basic blocks (v1), with and without a batch-normed projection."""

from __future__ import annotations

import paddle
from paddle import nn

from paddle_impl.layers import add, average_pool, batch_norm, conv, global_max_pool, head, max_pool, relu
from parity.networks import Network
from parity.networks import ResNet as ResNetDesign


class ResNet(nn.Layer):
    """Logits [n, classes] of images [n, 3, h, w]."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        design = network.design
        assert isinstance(design, ResNetDesign)
        channels = design.stem
        stem = [
            ("conv", conv(network.image[2], channels, 3)),
            ("bn", batch_norm(channels, network.batch_norm)),
            ("relu", relu()),
        ]
        if design.stem_pool:
            stem.append(("pool", max_pool(3, 2)))
        self.stem = nn.Sequential(*stem)
        self.stages = []
        for s, stage in enumerate(design.stages, start=1):
            blocks: list[tuple[str, nn.Layer]] = []
            for b in range(1, stage.blocks + 1):
                stride, project = (stage.stride, stage.project) if b == 1 else (1, False)
                blocks.append((f"block{b}", BasicBlock(channels, stage.width, stride, project, network)))
                channels = stage.width
            self.stages.append(self.add_sublayer(f"stage{s}", nn.Sequential(*blocks)))
        self.pool = global_max_pool() if design.pool == "max" else average_pool(8, 8)
        self.head = head((channels, 1, 1), design.hidden, network.classes, network.batch_norm)

    def forward(self, images: paddle.Tensor) -> paddle.Tensor:
        """Images [n, 3, h, w] -> logits [n, classes]."""
        x = self.stem(images)
        for stage in self.stages:
            x = stage(x)
        return self.head(self.pool(x))


class BasicBlock(nn.Layer):
    """relu(shortcut(x) + bn(conv(relu(bn(conv(x))))))."""

    def __init__(self, in_channels: int, width: int, stride: int, project: bool, network: Network) -> None:
        super().__init__()
        design = network.design
        assert isinstance(design, ResNetDesign)
        self.conv1 = conv(in_channels, width, 3, stride=stride)
        self.bn1 = batch_norm(width, network.batch_norm)
        self.relu1 = relu()
        self.conv2 = conv(width, width, 3)
        self.bn2 = batch_norm(width, network.batch_norm)
        self.project = conv(in_channels, width, 1, stride=stride) if project else None
        normed = project and design.projection_batch_norm
        self.project_bn = batch_norm(width, network.batch_norm) if normed else None
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
