"""From a network's name to a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from parity.catalogue import designs, networks
from parity.runtime.model_cache import ModelCache
from tf_impl.layers import in_bfloat16
from tf_impl.networks.alexnet import alexnet
from tf_impl.networks.googlenet import googlenet, mini_inception
from tf_impl.networks.lenet import lenet
from tf_impl.networks.resnet import resnet, resnet_v2
from tf_impl.networks.vgg import vgg

DESIGNS: dict[type, Callable[[designs.Network, Any], Any]] = {
    designs.VGG: vgg,
    designs.GoogLeNet: googlenet,
    designs.MiniInception: mini_inception,
    designs.ResNet: resnet,
    designs.ResNetV2: resnet_v2,
    designs.LeNet: lenet,
    designs.AlexNet: alexnet,
}


def build(name: str, precision: str) -> keras.Model:
    """A new model of the catalogue's network; its weights are still to be transferred.

    Args:
        name: of the network, as in `parity.catalogue.networks.network`.
        precision: "float32", "float64" or "bfloat16" (convolutions and fully connected layers, see `in_bfloat16`).
    """
    network = networks.network(name)
    dtype = "float64" if precision == "float64" else "float32"
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        images = keras.Input(network.image, name="images", dtype=dtype)
        logits = DESIGNS[type(network.design)](network, images)
        model = keras.Model(images, logits, name=name)
    finally:
        keras.config.set_dtype_policy(before)
    if precision == "bfloat16":
        in_bfloat16(model)
    return model


cached = ModelCache(build).get  # as `build`, the last ones kept: for proofs, which set every weight anyway
