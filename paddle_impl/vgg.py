"""VGG: groups of square convolutions, each closed by a 2x2 max-pool, then fully connected layers."""

from __future__ import annotations

import paddle
from paddle import nn

from paddle_impl.layers import batch_norm, conv, dropout, head, max_pool, relu
from parity.networks import VGG, Network


class Vgg(nn.Layer):
    """Logits [n, classes] of images [n, 3, h, w]."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        design = network.design
        assert isinstance(design, VGG)
        height, width, channels = network.image
        self.groups = []
        for g, (widths, rates) in enumerate(zip(design.groups, design.dropouts, strict=True), start=1):
            layers: list[tuple[str, nn.Layer]] = []
            for i, (out_channels, rate) in enumerate(zip(widths, rates, strict=True), start=1):
                layers.append((f"conv{i}", conv(channels, out_channels, design.kernel)))
                if design.batch_norm:
                    layers.append((f"bn{i}", batch_norm(out_channels, network.batch_norm)))
                layers.append((f"relu{i}", relu()))
                if rate:
                    layers.append((f"drop{i}", dropout(rate)))
                channels = out_channels
            layers.append(("pool", max_pool(2, 2)))
            height, width = -(-height // 2), -(-width // 2)
            self.groups.append(self.add_sublayer(f"group{g}", nn.Sequential(*layers)))
        self.drop = dropout(design.input_dropout) if design.input_dropout else None
        self.head = head((channels, height, width), design.hidden, network.classes, network.batch_norm)

    def forward(self, images: paddle.Tensor) -> paddle.Tensor:
        """Images [n, 3, h, w] -> logits [n, classes]."""
        x = images
        for group in self.groups:
            x = group(x)
        if self.drop is not None:
            x = self.drop(x)
        return self.head(x)
