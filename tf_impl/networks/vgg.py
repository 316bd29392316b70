"""VGG: groups of square convolutions, each closed by a 2x2 max-pool, then fully connected layers."""

from __future__ import annotations

from typing import Any

from parity.catalogue.designs import VGG, Network
from tf_impl.layers import adaptive_average_pool, batch_norm, conv, dropout, head, max_pool, relu


def vgg(network: Network, images: Any) -> Any:
    """Logits [n, classes] of images [n, h, w, 3]."""
    design = network.design
    assert isinstance(design, VGG)
    x = images
    for g, (widths, kernel) in enumerate(zip(design.groups, design.kernels, strict=True), start=1):
        rates = design.dropouts[g - 1] if design.dropouts else (0.0,) * len(widths)
        for i, (width, rate) in enumerate(zip(widths, rates, strict=True), start=1):
            x = conv(x, f"group{g}.conv{i}", width, kernel)
            x = batch_norm(x, f"group{g}.bn{i}", network.batch_norm)
            x = relu(x, f"group{g}.relu{i}")
            if rate:
                x = dropout(x, f"group{g}.drop{i}", rate)
        x = max_pool(x, f"group{g}.pool", 2, 2)
    if design.average is not None:
        x = adaptive_average_pool(x, "pool", design.average)
    if design.input_dropout:
        x = dropout(x, "drop", design.input_dropout)
    return head(x, design.hidden, network.classes, network.batch_norm)
