"""From a network's name to a model."""

from __future__ import annotations

from collections.abc import Callable

import paddle
from paddle import nn

from paddle_impl.layers import in_bfloat16
from paddle_impl.networks.alexnet import AlexNet
from paddle_impl.networks.googlenet import GoogLeNet, MiniInception
from paddle_impl.networks.lenet import LeNet
from paddle_impl.networks.resnet import ResNet, ResNetV2
from paddle_impl.networks.vgg import Vgg
from parity.catalogue import designs, networks
from parity.runtime.model_cache import ModelCache

DESIGNS: dict[type, Callable[[designs.Network], nn.Layer]] = {
    designs.VGG: Vgg,
    designs.GoogLeNet: GoogLeNet,
    designs.MiniInception: MiniInception,
    designs.ResNet: ResNet,
    designs.ResNetV2: ResNetV2,
    designs.LeNet: LeNet,
    designs.AlexNet: AlexNet,
}


def build(name: str, precision: str) -> nn.Layer:
    """A new model of the catalogue's network; its weights are still to be transferred.

    Args:
        name: of the network, as in `parity.catalogue.networks.network`.
        precision: "float32", "float64" or "bfloat16" (convolutions and fully connected layers, see `in_bfloat16`).
    """
    network = networks.network(name)
    before = paddle.get_default_dtype()
    paddle.set_default_dtype("float64" if precision == "float64" else "float32")
    try:
        model = DESIGNS[type(network.design)](network)
    finally:
        paddle.set_default_dtype(before)
    if precision == "bfloat16":
        in_bfloat16(model)
    return model


cached = ModelCache(build).get  # as `build`, the last ones kept: for proofs, which set every weight anyway
