"""LeNet-5: VALID convolutions with ReLU and max-pool, then fully connected layers."""

from __future__ import annotations

import paddle
from paddle import nn

from paddle_impl.layers import conv, head, max_pool, relu
from parity.catalogue.designs import LeNet as LeNetDesign
from parity.catalogue.designs import Network


class LeNet(nn.Layer):
    """Logits [n, classes] of images [n, 3, h, w]."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        design = network.design
        assert isinstance(design, LeNetDesign)
        height, width, channels = network.image
        self.groups = []
        for i, out_channels in enumerate(design.convs, start=1):
            layers = [
                ("conv", conv(channels, out_channels, 5, padding="valid")),
                ("relu", relu()),
                ("pool", max_pool(2, 2, padding="valid")),
            ]
            channels, height, width = out_channels, (height - 4) // 2, (width - 4) // 2
            self.groups.append(self.add_sublayer(f"group{i}", nn.Sequential(*layers)))
        self.head = head((channels, height, width), design.hidden, network.classes, network.batch_norm)

    def forward(self, images: paddle.Tensor) -> paddle.Tensor:
        """Images [n, 3, h, w] -> logits [n, classes]."""
        x = images
        for group in self.groups:
            x = group(x)
        return self.head(x)
