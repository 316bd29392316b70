"""The CIFAR ResNets as the documents' Keras code computes them, rebuilt from its description as an oracle.

`python -m tests.proofs.document_resnet NAME...` takes, of each network, arrays and images from the folder of its name,
NAME/state.npz and NAME/images.npy, and writes the model's logits in float64 and the number of its parameters there,
NAME/out.npz. It shares the names with the twins, and no code.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

EPSILON = float(np.float32(1e-3))  # Keras's default, as the float32 number that Paddle stores


class Builder:
    """Layers applied one after another, each under the name that our catalogue has for it."""

    def conv(self, x: Any, name: str, filters: int, kernel: int = 3, strides: int = 1) -> Any:
        return layers.Conv2D(filters, kernel, strides=strides, padding="same", name=name)(x)

    def normed(self, x: Any, name: str) -> Any:
        return layers.BatchNormalization(epsilon=EPSILON, name=name)(x)

    def active(self, x: Any, name: str) -> Any:
        return layers.Activation("relu")(self.normed(x, name))

    def version1(self, x: Any, depth: int) -> Any:
        """Two 3x3 convolutions a block; the first block of the second and third stage halves the map."""
        x = self.active(self.conv(x, "stem.conv", 16), "stem.bn")
        for stage in range(3):
            for block in range((depth - 2) // 6):
                name, width = f"stage{stage + 1}.block{block + 1}", 16 * 2**stage
                halves = stage > 0 and block == 0
                y = self.conv(x, f"{name}.conv1", width, strides=2 if halves else 1)
                y = self.conv(self.active(y, f"{name}.bn1"), f"{name}.conv2", width)
                y = self.normed(y, f"{name}.bn2")
                if halves:
                    x = self.conv(x, f"{name}.project", width, 1, 2)
                x = layers.Activation("relu")(layers.add([x, y]))
        return x

    def version2(self, x: Any, depth: int) -> Any:
        """Bottlenecks whose convolutions each follow batch norm and ReLU, but for the very first one."""
        x = self.active(self.conv(x, "stem.conv", 16), "stem.bn")
        inner = 16
        for stage in range(3):
            outer = inner * (2 if stage else 4)
            for block in range((depth - 2) // 9):
                name = f"stage{stage + 1}.block{block + 1}"
                strides = 2 if stage and not block else 1
                y = x if not stage and not block else self.active(x, f"{name}.bn1")
                y = self.conv(y, f"{name}.conv1", inner, 1, strides)
                y = self.conv(self.active(y, f"{name}.bn2"), f"{name}.conv2", inner)
                y = self.conv(self.active(y, f"{name}.bn3"), f"{name}.conv3", outer, 1)
                if not block:
                    x = self.conv(x, f"{name}.project", outer, 1, strides)
                x = layers.add([x, y])
            inner = outer
        return self.active(x, "final.bn")


def model(version: int, depth: int, side: int, classes: int) -> Any:
    """The documents' model without the softmax of its last layer."""
    images = keras.Input((side, side, 3))
    body = Builder().version1 if version == 1 else Builder().version2
    x = layers.AveragePooling2D(pool_size=8)(body(images, depth))
    return keras.Model(images, layers.Dense(classes, name="head.logits")(layers.Flatten()(x)))


def answer(folder: Path) -> None:
    """The logits and the number of parameters of the network that the folder is named for."""
    depth, version = folder.name.partition("-")[0].removeprefix("resnet").split("_v")
    state, images = dict(np.load(folder / "state.npz")), np.load(folder / "images.npy")
    built = model(int(version), int(depth), images.shape[1], len(state["head/logits/bias"]))
    kinds = {"moving_mean": "mean", "moving_variance": "variance"}
    for variable in built.weights:
        layer, kind = variable.path.rsplit("/", 1)
        variable.assign(state.pop(f"{layer.replace('.', '/')}/{kinds.get(kind, kind)}"))
    assert not state, list(state)
    np.savez(folder / "out.npz", logits=built(images, training=False).numpy(), parameters=built.count_params())


def main() -> None:
    keras.backend.set_floatx("float64")
    for name in sys.argv[1:]:
        answer(Path(name))


if __name__ == "__main__":
    main()
