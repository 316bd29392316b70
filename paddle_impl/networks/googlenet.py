"""GoogLeNet with batch norm, and the small inception network without it."""

from __future__ import annotations

import paddle
from paddle import nn

from paddle_impl.layers import average_pool, batch_norm, concat, conv, dropout, global_max_pool, head, max_pool, relu
from parity.catalogue.designs import BatchNorm, Network, Padding
from parity.catalogue.designs import GoogLeNet as GoogLeNetDesign
from parity.catalogue.designs import Inception as InceptionWidths
from parity.catalogue.designs import MiniInception as MiniInceptionDesign


class GoogLeNet(nn.Layer):
    """Logits [n, classes] of images [n, 3, h, w]."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        design = network.design
        assert isinstance(design, GoogLeNetDesign)
        channels = network.image[2]
        stem: list[tuple[str, nn.Layer]] = []
        for i, (kernel, out_channels) in enumerate(design.stem, start=1):
            stem += _unit(f"conv{i}", channels, out_channels, kernel, network.batch_norm)
            stem.append((f"pool{i}", max_pool(3, 2)))
            channels = out_channels
        self.stem = nn.Sequential(*stem)
        self.chain: list[nn.Layer] = []
        for g, group in enumerate(design.modules, start=3):
            for module in group:
                layer = Inception(channels, module, network.batch_norm, pool=design.branch_pool, padding="same")
                self.chain.append(self.add_sublayer(f"inception{module.name}", layer))
                channels = module.out_channels
            if group is not design.modules[-1]:
                self.chain.append(self.add_sublayer(f"pool{g}", max_pool(3, 2)))
        self.pool = global_max_pool()
        self.head = head((channels, 1, 1), design.hidden, network.classes, network.batch_norm)

    def forward(self, images: paddle.Tensor) -> paddle.Tensor:
        """Images [n, 3, h, w] -> logits [n, classes]."""
        x = self.stem(images)
        for layer in self.chain:
            x = layer(x)
        return self.head(self.pool(x))


class MiniInception(nn.Layer):
    """Logits [n, classes] of images [n, 3, h, w]."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        design = network.design
        assert isinstance(design, MiniInceptionDesign)
        channels = design.stem
        self.stem = nn.Sequential(
            ("conv", conv(network.image[2], channels, 3, bias=False)),
            ("pool", max_pool(3, 2, padding=1)),
            ("bn", batch_norm(channels, network.batch_norm)),
        )
        height, width = ((size - 1) // 2 + 1 for size in network.image[:2])
        self.chain: list[nn.Layer] = []
        for g, group in enumerate(design.modules):
            if g:
                self.chain.append(self.add_sublayer(f"pool{g}", max_pool(3, 2, padding="valid")))
                height, width = (height - 3) // 2 + 1, (width - 3) // 2 + 1
            for module in group:
                layer = Inception(channels, module, None, pool=design.branch_pool, padding=1)
                self.chain.append(self.add_sublayer(f"inception{module.name}", layer))
                channels = module.out_channels
        self.pool = average_pool(3, 2)
        height, width = (height - 3) // 2 + 1, (width - 3) // 2 + 1
        self.drop = dropout(design.dropout)
        self.head = head((channels, height, width), (), network.classes, network.batch_norm)

    def forward(self, images: paddle.Tensor) -> paddle.Tensor:
        """Images [n, 3, h, w] -> logits [n, classes]."""
        x = self.stem(images)
        for layer in self.chain:
            x = layer(x)
        return self.head(self.drop(self.pool(x)))


class Inception(nn.Layer):
    """Four branches side by side: 1x1; 1x1 to 3x3; 1x1 to 5x5; max-pool to 1x1."""

    def __init__(
        self, in_channels: int, module: InceptionWidths, facts: BatchNorm | None, *, pool: int, padding: Padding
    ) -> None:
        super().__init__()
        self.one = self._branch(
            _unit("conv1", in_channels, module.conv1, 1, facts),
        )
        self.three = self._branch(
            _unit("reduce3", in_channels, module.reduce3, 1, facts),
            _unit("conv3", module.reduce3, module.conv3, 3, facts),
        )
        self.five = self._branch(
            _unit("reduce5", in_channels, module.reduce5, 1, facts),
            _unit("conv5", module.reduce5, module.conv5, 5, facts),
        )
        self.pooled = self._branch(
            [("pool", max_pool(pool, 1, padding=padding))],
            _unit("project", in_channels, module.project, 1, facts),
        )
        self.concat = concat()

    def _branch(self, *units: list[tuple[str, nn.Layer]]) -> list[nn.Layer]:
        """The layers in order, each registered under its own name."""
        return [self.add_sublayer(name, layer) for unit in units for name, layer in unit]

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        """Maps [n, c, h, w] -> [n, sum of the branches' channels, h, w]."""
        outputs = []
        for branch in (self.one, self.three, self.five, self.pooled):
            y = x
            for layer in branch:
                y = layer(y)
            outputs.append(y)
        return self.concat(*outputs)


def _unit(
    name: str, in_channels: int, channels: int, kernel: int, facts: BatchNorm | None
) -> list[tuple[str, nn.Layer]]:
    """conv, batch norm where there is one, ReLU; with their names."""
    return [
        (name, conv(in_channels, channels, kernel)),
        (f"{name}_bn", batch_norm(channels, facts)),
        (f"{name}_relu", relu()),
    ]
