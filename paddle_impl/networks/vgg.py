"""VGG: groups of square convolutions, each closed by a 2x2 max-pool, then fully connected layers."""

from __future__ import annotations

import paddle
from paddle import nn

from paddle_impl.layers import adaptive_average_pool, batch_norm, conv, dropout, head, max_pool, relu
from parity.catalogue.designs import VGG, Network


class Vgg(nn.Layer):
    """Logits [n, classes] of images [n, 3, h, w]."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        design = network.design
        assert isinstance(design, VGG)
        height, width, channels = network.image
        self.groups = []
        for g, (widths, kernel) in enumerate(zip(design.groups, design.kernels, strict=True), start=1):
            rates = design.dropouts[g - 1] if design.dropouts else (0.0,) * len(widths)
            layers: list[tuple[str, nn.Layer]] = []
            for i, (out_channels, rate) in enumerate(zip(widths, rates, strict=True), start=1):
                layers.append((f"conv{i}", conv(channels, out_channels, kernel)))
                layers.append((f"bn{i}", batch_norm(out_channels, network.batch_norm)))
                layers.append((f"relu{i}", relu()))
                if rate:
                    layers.append((f"drop{i}", dropout(rate)))
                channels = out_channels
            layers.append(("pool", max_pool(2, 2)))
            height, width = -(-height // 2), -(-width // 2)
            self.groups.append(self.add_sublayer(f"group{g}", nn.Sequential(*layers)))
        self.pool = None
        if design.average is not None:
            self.pool = adaptive_average_pool(design.average)
            height = width = design.average
        self.drop = dropout(design.input_dropout) if design.input_dropout else None
        self.head = head((channels, height, width), design.hidden, network.classes, network.batch_norm)

    def forward(self, images: paddle.Tensor) -> paddle.Tensor:
        """Images [n, 3, h, w] -> logits [n, classes]."""
        x = images
        for group in self.groups:
            x = group(x)
        if self.pool is not None:
            x = self.pool(x)
        if self.drop is not None:
            x = self.drop(x)
        return self.head(x)
