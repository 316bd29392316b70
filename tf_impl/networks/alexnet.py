"""AlexNet for small images: two convolutions with pools and local response normalisation, then dense layers."""

from __future__ import annotations

from typing import Any

from parity.catalogue.designs import AlexNet, Network
from tf_impl.layers import conv, head, lrn, max_pool, relu


def alexnet(network: Network, images: Any) -> Any:
    """Logits [n, classes] of images [n, h, w, 3]."""
    design = network.design
    assert isinstance(design, AlexNet)
    first, second = design.convs
    x = conv(images, "group1.conv", first, design.kernel)
    x = relu(x, "group1.relu")
    x = max_pool(x, "group1.pool", 3, 2)
    x = lrn(x, "group1.lrn", design.lrn)
    x = conv(x, "group2.conv", second, design.kernel)
    x = relu(x, "group2.relu")
    x = lrn(x, "group2.lrn", design.lrn)
    x = max_pool(x, "group2.pool", 3, 2)
    return head(x, design.hidden, network.classes, network.batch_norm)
