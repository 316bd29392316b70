"""GoogLeNet with batch norm, and the small inception network without it."""

from __future__ import annotations

from typing import Any

from parity.catalogue.designs import BatchNorm, GoogLeNet, Inception, MiniInception, Network, Padding
from tf_impl.layers import average_pool, batch_norm, concat, conv, dropout, global_max_pool, head, max_pool, relu


def googlenet(network: Network, images: Any) -> Any:
    """Logits [n, classes] of images [n, h, w, 3]."""
    design = network.design
    assert isinstance(design, GoogLeNet)
    x = images
    for i, (kernel, channels) in enumerate(design.stem, start=1):
        x = _unit(x, f"stem.conv{i}", channels, kernel, network.batch_norm)
        x = max_pool(x, f"stem.pool{i}", 3, 2)
    for g, group in enumerate(design.modules, start=3):
        for module in group:
            x = inception(x, module, network.batch_norm, pool=design.branch_pool, padding="same")
        if group is not design.modules[-1]:
            x = max_pool(x, f"pool{g}", 3, 2)
    x = global_max_pool(x, "pool")
    return head(x, design.hidden, network.classes, network.batch_norm)


def mini_inception(network: Network, images: Any) -> Any:
    """Logits [n, classes] of images [n, h, w, 3]."""
    design = network.design
    assert isinstance(design, MiniInception)
    x = conv(images, "stem.conv", design.stem, 3, bias=False)
    x = max_pool(x, "stem.pool", 3, 2, padding=1)
    x = batch_norm(x, "stem.bn", network.batch_norm)
    for g, group in enumerate(design.modules):
        if g:
            x = max_pool(x, f"pool{g}", 3, 2, padding="valid")
        for module in group:
            x = inception(x, module, None, pool=design.branch_pool, padding=1)
    x = average_pool(x, "pool", 3, 2)
    x = dropout(x, "drop", design.dropout)
    return head(x, (), network.classes, network.batch_norm)


def inception(x: Any, module: Inception, facts: BatchNorm | None, *, pool: int, padding: Padding) -> Any:
    """Four branches side by side: 1x1; 1x1 to 3x3; 1x1 to 5x5; max-pool to 1x1."""
    name = f"inception{module.name}"
    one = _unit(x, f"{name}.conv1", module.conv1, 1, facts)
    three = _unit(x, f"{name}.reduce3", module.reduce3, 1, facts)
    three = _unit(three, f"{name}.conv3", module.conv3, 3, facts)
    five = _unit(x, f"{name}.reduce5", module.reduce5, 1, facts)
    five = _unit(five, f"{name}.conv5", module.conv5, 5, facts)
    pooled = max_pool(x, f"{name}.pool", pool, 1, padding=padding)
    pooled = _unit(pooled, f"{name}.project", module.project, 1, facts)
    return concat([one, three, five, pooled], f"{name}.concat")


def _unit(x: Any, name: str, channels: int, kernel: int, facts: BatchNorm | None) -> Any:
    """conv, batch norm where there is one, ReLU."""
    x = conv(x, name, channels, kernel)
    x = batch_norm(x, f"{name}_bn", facts)
    return relu(x, f"{name}_relu")
