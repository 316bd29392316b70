"""AlexNet for small images: two convolutions with pools and local response normalisation, then dense layers."""

from __future__ import annotations

import paddle
from paddle import nn

from paddle_impl.layers import conv, head, lrn, max_pool, relu
from parity.catalogue.designs import AlexNet as AlexNetDesign
from parity.catalogue.designs import Network


class AlexNet(nn.Layer):
    """Logits [n, classes] of images [n, 3, h, w]."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        design = network.design
        assert isinstance(design, AlexNetDesign)
        height, width, channels = network.image
        first, second = design.convs
        self.group1 = nn.Sequential(
            ("conv", conv(channels, first, design.kernel)),
            ("relu", relu()),
            ("pool", max_pool(3, 2)),
            ("lrn", lrn(design.lrn)),
        )
        self.group2 = nn.Sequential(
            ("conv", conv(first, second, design.kernel)),
            ("relu", relu()),
            ("lrn", lrn(design.lrn)),
            ("pool", max_pool(3, 2)),
        )
        height, width = (-(-side // 4) for side in (height, width))  # halved twice, rounded up
        self.head = head((second, height, width), design.hidden, network.classes, network.batch_norm)

    def forward(self, images: paddle.Tensor) -> paddle.Tensor:
        """Images [n, 3, h, w] -> logits [n, classes]."""
        return self.head(self.group2(self.group1(images)))
