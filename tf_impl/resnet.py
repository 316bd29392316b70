"""ResNets of post-activation basic blocks (v1), with and without a batch-normed projection."""

from __future__ import annotations

from typing import Any

from parity.networks import Network, ResNet
from tf_impl.layers import add, average_pool, batch_norm, conv, global_max_pool, head, max_pool, relu


def resnet(network: Network, images: Any) -> Any:
    """Logits [n, classes] of images [n, h, w, 3]."""
    design = network.design
    assert isinstance(design, ResNet)
    x = conv(images, "stem.conv", design.stem, 3)
    x = batch_norm(x, "stem.bn", network.batch_norm)
    x = relu(x, "stem.relu")
    if design.stem_pool:
        x = max_pool(x, "stem.pool", 3, 2)
    for s, stage in enumerate(design.stages, start=1):
        for b in range(1, stage.blocks + 1):
            stride, project = (stage.stride, stage.project) if b == 1 else (1, False)
            x = basic_block(x, f"stage{s}.block{b}", stage.width, stride, project, network)
    x = global_max_pool(x, "pool") if design.pool == "max" else average_pool(x, "pool", 8, 8)
    return head(x, design.hidden, network.classes, network.batch_norm)


def basic_block(x: Any, name: str, width: int, stride: int, project: bool, network: Network) -> Any:
    """relu(shortcut(x) + bn(conv(relu(bn(conv(x))))))."""
    design = network.design
    assert isinstance(design, ResNet)
    y = conv(x, f"{name}.conv1", width, 3, stride=stride)
    y = batch_norm(y, f"{name}.bn1", network.batch_norm)
    y = relu(y, f"{name}.relu1")
    y = conv(y, f"{name}.conv2", width, 3)
    y = batch_norm(y, f"{name}.bn2", network.batch_norm)
    if project:
        x = conv(x, f"{name}.project", width, 1, stride=stride)
        if design.projection_batch_norm:
            x = batch_norm(x, f"{name}.project_bn", network.batch_norm)
    return relu(add(x, y, f"{name}.add"), f"{name}.relu2")
