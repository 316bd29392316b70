"""ResNets: post-activation basic blocks (v1), pre-activation bottlenecks (v2)."""

from __future__ import annotations

from typing import Any

from parity.catalogue.designs import BottleneckStage, Network, ResNet, ResNetV2, Stage
from tf_impl.layers import add, average_pool, batch_norm, conv, global_max_pool, head, max_pool, relu


def resnet(network: Network, images: Any) -> Any:
    """Logits [n, classes] of images [n, h, w, 3]; version 1."""
    design = network.design
    assert isinstance(design, ResNet)
    x = conv(images, "stem.conv", design.stem, 3, padding=design.padding, bias=design.bias)
    x = batch_norm(x, "stem.bn", network.batch_norm)
    x = relu(x, "stem.relu")
    if design.stem_pool:
        x = max_pool(x, "stem.pool", 3, 2)
    for s, stage in enumerate(design.stages, start=1):
        for b in range(1, stage.blocks + 1):
            x = basic_block(x, f"stage{s}.block{b}", stage, network, first=b == 1)
    side = design.pool if isinstance(design.pool, int) else x.shape[1]
    x = global_max_pool(x, "pool") if design.pool == "max" else average_pool(x, "pool", side, side)
    return head(x, design.hidden, network.classes, network.batch_norm)


def resnet_v2(network: Network, images: Any) -> Any:
    """Logits [n, classes] of images [n, h, w, 3]; version 2."""
    design = network.design
    assert isinstance(design, ResNetV2)
    x = conv(images, "stem.conv", design.stem, 3)
    x = batch_norm(x, "stem.bn", network.batch_norm)
    x = relu(x, "stem.relu")
    for s, stage in enumerate(design.stages, start=1):
        for b in range(1, stage.blocks + 1):
            x = bottleneck(x, f"stage{s}.block{b}", stage, network, first=b == 1, activated=s == b == 1)
    x = batch_norm(x, "final.bn", network.batch_norm)
    x = relu(x, "final.relu")
    x = average_pool(x, "pool", design.pool, design.pool)
    return head(x, (), network.classes, network.batch_norm)


def basic_block(x: Any, name: str, stage: Stage, network: Network, *, first: bool) -> Any:
    """relu(shortcut(x) + bn(conv(relu(bn(conv(x)))))); only a stage's first block has its stride and a projection."""
    design = network.design
    assert isinstance(design, ResNet)
    stride = stage.stride if first else 1
    bias, padding = design.bias, design.padding
    y = conv(x, f"{name}.conv1", stage.width, 3, stride=stride, padding=padding, bias=bias)
    y = batch_norm(y, f"{name}.bn1", network.batch_norm)
    y = relu(y, f"{name}.relu1")
    y = conv(y, f"{name}.conv2", stage.width, 3, padding=padding, bias=bias)
    y = batch_norm(y, f"{name}.bn2", network.batch_norm)
    if first and stage.project:
        kernel = design.projection_kernel
        x = conv(x, f"{name}.project", stage.width, kernel, stride=stride, padding=padding, bias=bias)
        if design.projection_batch_norm:
            x = batch_norm(x, f"{name}.project_bn", network.batch_norm)
    return relu(add(x, y, f"{name}.add"), f"{name}.relu2")


def bottleneck(x: Any, name: str, stage: BottleneckStage, network: Network, *, first: bool, activated: bool) -> Any:
    """shortcut(x) + conv(relu(bn(conv(relu(bn(conv(relu(bn(x))))))))); no bn and relu of x if that is `activated`."""
    stride = stage.stride if first else 1
    y = x
    if not activated:
        y = batch_norm(y, f"{name}.bn1", network.batch_norm)
        y = relu(y, f"{name}.relu1")
    y = conv(y, f"{name}.conv1", stage.inner, 1, stride=stride)
    y = batch_norm(y, f"{name}.bn2", network.batch_norm)
    y = relu(y, f"{name}.relu2")
    y = conv(y, f"{name}.conv2", stage.inner, 3)
    y = batch_norm(y, f"{name}.bn3", network.batch_norm)
    y = relu(y, f"{name}.relu3")
    y = conv(y, f"{name}.conv3", stage.width, 1)
    if first:
        x = conv(x, f"{name}.project", stage.width, 1, stride=stride)
    return add(x, y, f"{name}.add")
