"""LeNet-5: VALID convolutions with ReLU and max-pool, then fully connected layers."""

from __future__ import annotations

from typing import Any

from parity.catalogue.designs import LeNet, Network
from tf_impl.layers import conv, head, max_pool, relu


def lenet(network: Network, images: Any) -> Any:
    """Logits [n, classes] of images [n, h, w, 3]."""
    design = network.design
    assert isinstance(design, LeNet)
    x = images
    for i, width in enumerate(design.convs, start=1):
        x = conv(x, f"group{i}.conv", width, 5, padding="valid")
        x = relu(x, f"group{i}.relu")
        x = max_pool(x, f"group{i}.pool", 2, 2, padding="valid")
    return head(x, design.hidden, network.classes, network.batch_norm)
