"""The catalogue: every network's published numbers, written once and read by both twins.

A network's `design` holds what its document fixes (widths, depths, strides, rates); the wiring is written twice, by
hand, in `paddle_impl/` and `tf_impl/`. Parameter counts are literals: a twin that differs from them is wrong.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

import numpy as np

PADDLE_VGG_POST = "Charlotte77: VGG in PaddlePaddle and TensorFlow (2017)"
KERAS_CIFAR_POST = "VGG16, GoogLeNet and ResNet18 on CIFAR-10 in Keras (blog listing)"
KERAS_RESNET_EXAMPLE = "Keras example: CIFAR-10 ResNet"
SMALL_NETWORKS_POST = "VGG, ResNet and Inception at 100k to 200k parameters (blog post)"
LENET_PAPER = "LeCun et al. (1998), read for 3x32x32 input"


@dataclass(frozen=True)
class BatchNorm:
    """running = momentum * running + (1 - momentum) * batch; y = (x - mean) / sqrt(variance + epsilon) * gamma + beta.

    Both numbers are float32 numbers even in a float64 model: Paddle stores them as float32 attributes, so the other
    twin has to be given the same rounded values.
    """

    momentum: float
    epsilon: float

    def __post_init__(self) -> None:
        for name in ("momentum", "epsilon"):
            object.__setattr__(self, name, float(np.float32(getattr(self, name))))


KERAS_BATCH_NORM = BatchNorm(momentum=0.99, epsilon=1e-3)
PADDLE_BATCH_NORM = BatchNorm(momentum=0.9, epsilon=1e-5)  # PyTorch's defaults too, written the other way round


@dataclass(frozen=True)
class Hidden:
    """A hidden fully connected layer of a classifier head, in order: fc, batch norm, ReLU, dropout."""

    width: int
    batch_norm: bool = False
    relu: bool = True
    dropout: float = 0.0


@dataclass(frozen=True)
class VGG:
    """Groups of square convolutions (stride 1, SAME, bias), each group closed by a 2x2 max-pool with stride 2."""

    groups: tuple[tuple[int, ...], ...]  # output channels of each convolution
    dropouts: tuple[tuple[float, ...], ...]  # rate after each convolution's ReLU; 0 means no dropout layer
    hidden: tuple[Hidden, ...]
    batch_norm: bool = False
    input_dropout: float = 0.0  # before the first fully connected layer
    kernel: int = 3


@dataclass(frozen=True)
class Inception:
    """The six widths of one module: 1x1; 3x3 reduce, 3x3; 5x5 reduce, 5x5; pool projection."""

    name: str
    conv1: int
    reduce3: int
    conv3: int
    reduce5: int
    conv5: int
    project: int

    @property
    def out_channels(self) -> int:
        """Channels of the concatenated output."""
        return self.conv1 + self.conv3 + self.conv5 + self.project


@dataclass(frozen=True)
class GoogLeNet:
    """conv-BN-ReLU stem with pools, modules (BN after every conv), global max-pool, one hidden fc."""

    stem: tuple[tuple[int, int], ...]  # (kernel, channels), each followed by BN, ReLU and max-pool 3/2 SAME
    modules: tuple[tuple[Inception, ...], ...]  # a max-pool 3/2 SAME stands between the groups
    hidden: tuple[Hidden, ...]
    branch_pool: int = 2  # window of the pool branch, stride 1, SAME


@dataclass(frozen=True)
class MiniInception:
    """conv (no bias), max-pool 3/2 pad 1, BN; modules without BN; average pool; dropout; fc."""

    stem: int
    modules: tuple[tuple[Inception, ...], ...]  # a max-pool 3/2 without padding stands between the groups
    branch_pool: int = 3  # window of the pool branch, stride 1, padding 1
    dropout: float = 0.4


@dataclass(frozen=True)
class Stage:
    """Basic blocks of one width; `project` puts a 1x1 convolution on the first block's shortcut."""

    width: int
    blocks: int
    stride: int
    project: bool


@dataclass(frozen=True)
class ResNet:
    """Post-activation basic blocks, every convolution with bias and SAME padding."""

    stem: int  # channels of the 3x3 convolution before the stages
    stages: tuple[Stage, ...]
    stem_pool: bool  # max-pool 3/2 SAME after the stem
    projection_batch_norm: bool
    pool: str  # "max" (global) or "average" (8x8, the whole map)
    hidden: tuple[Hidden, ...] = ()


@dataclass(frozen=True)
class LeNet:
    """5x5 VALID convolutions, each with ReLU and a 2x2 max-pool with stride 2; then ReLU fully connected layers."""

    convs: tuple[int, ...]
    hidden: tuple[Hidden, ...]


Design = VGG | GoogLeNet | MiniInception | ResNet | LeNet


@dataclass(frozen=True)
class Published:
    """A published result. Accuracies in percent; `seconds` is the whole training, `epoch_seconds` one epoch."""

    source: str
    accuracy: float
    epochs: int
    train_accuracy: float | None = None
    seconds: float | None = None
    epoch_seconds: float | None = None
    hardware: str = "not stated"
    framework: str = "not stated"


@dataclass(frozen=True)
class Network:
    """One network of the catalogue."""

    name: str
    source: str
    design: Design
    params: int  # every array of the state, batch-norm statistics included
    trainable: int  # without the batch-norm statistics
    flops: int  # forward, one image: two for each multiply-add of the convolutions and fully connected layers
    recipe: str  # name in parity.recipes
    batch_norm: BatchNorm = KERAS_BATCH_NORM
    published: tuple[Published, ...] = ()
    errata: tuple[str, ...] = ()
    image: tuple[int, int, int] = (32, 32, 3)  # height, width, channels
    classes: int = 10
    in_profile: bool = True  # checked when no network is named


VGG16_WIDTHS = ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3)
NO_DROPOUT = tuple((0.0,) * len(group) for group in VGG16_WIDTHS)


def _halved(name: str, *widths: int) -> Inception:
    """A module at half of the GoogLeNet paper's widths (1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection)."""
    return Inception(name, *(width // 2 for width in widths))


_VGG16 = Network(
    name="vgg16",
    source=PADDLE_VGG_POST,
    design=VGG(
        groups=VGG16_WIDTHS,
        dropouts=((0.3, 0.0), (0.4, 0.0), (0.4, 0.4, 0.0), (0.4, 0.4, 0.0), (0.4, 0.4, 0.0)),
        batch_norm=True,
        input_dropout=0.5,
        hidden=(Hidden(512, batch_norm=True, dropout=0.5), Hidden(512, relu=False)),
    ),
    params=15_264_074,
    trainable=15_254_602,
    flops=627_451_904,
    recipe="paddle_vgg",
    batch_norm=PADDLE_BATCH_NORM,
    published=(
        Published(
            PADDLE_VGG_POST, 89.11, 200, seconds=16 * 3600 + 21 * 60, hardware="8 x Tesla K80", framework="paddle"
        ),
    ),
)

_VGG16_PLAIN = Network(
    name="vgg16_plain",
    source=PADDLE_VGG_POST,
    design=VGG(groups=VGG16_WIDTHS, dropouts=NO_DROPOUT, hidden=(Hidden(2048, dropout=0.5),) * 2),
    params=19_982_154,
    trainable=19_982_154,
    flops=636_919_808,
    recipe="plain_vgg",
    published=(
        Published(
            PADDLE_VGG_POST, 89.18, 200, seconds=18 * 3600 + 12 * 60, hardware="8 x Tesla K80", framework="tensorflow"
        ),
    ),
    errata=("The listing puts a ReLU on the logits, marked with question marks by its author; it is left out here.",),
)

_VGG16_IMAGENET = Network(
    name="vgg16_imagenet",
    source=PADDLE_VGG_POST + ", figure 1 column D",
    design=VGG(groups=VGG16_WIDTHS, dropouts=NO_DROPOUT, hidden=(Hidden(4096, dropout=0.5),) * 2),
    params=138_357_544,
    trainable=138_357_544,
    flops=30_940_528_640,
    recipe="plain_vgg",
    image=(224, 224, 3),
    classes=1000,
    in_profile=False,
)

_GOOGLENET = Network(
    name="googlenet",
    source=KERAS_CIFAR_POST,
    design=GoogLeNet(
        stem=((3, 64), (5, 96)),
        modules=(
            (_halved("3a", 64, 96, 128, 16, 32, 32), _halved("3b", 128, 128, 192, 32, 96, 64)),
            (
                _halved("4a", 192, 96, 208, 16, 48, 64),
                _halved("4b", 160, 112, 224, 24, 64, 64),
                _halved("4c", 128, 128, 256, 24, 64, 64),
                _halved("4d", 112, 144, 288, 32, 64, 64),
                _halved("4e", 256, 160, 320, 32, 128, 128),
            ),
            (_halved("5a", 256, 160, 320, 32, 128, 128), _halved("5b", 384, 192, 384, 48, 128, 128)),
        ),
        hidden=(Hidden(512, batch_norm=True, dropout=0.5),),
    ),
    params=1_903_906,
    trainable=1_895_602,
    flops=127_776_768,
    recipe="keras_vgg",
    published=(Published(KERAS_CIFAR_POST, 89.46, 150, train_accuracy=99.24, framework="tensorflow"),),
)

_RESNET18 = Network(
    name="resnet18",
    source=KERAS_CIFAR_POST,
    design=ResNet(
        stem=64,
        stem_pool=True,
        stages=(
            Stage(64, 2, 1, project=True),
            Stage(128, 2, 2, project=True),
            Stage(256, 2, 2, project=True),
            Stage(512, 2, 2, project=True),
        ),
        projection_batch_norm=True,
        pool="max",
        hidden=(Hidden(512, batch_norm=True, dropout=0.5),),
    ),
    params=11_457_482,
    trainable=11_446_730,
    flops=282_994_688,
    recipe="keras_vgg",
    published=(Published(KERAS_CIFAR_POST, 92.70, 150, train_accuracy=99.90, framework="tensorflow"),),
)

_RESNET20_V1 = Network(
    name="resnet20_v1",
    source=KERAS_RESNET_EXAMPLE,
    design=ResNet(
        stem=16,
        stem_pool=False,
        stages=(Stage(16, 3, 1, project=False), Stage(32, 3, 2, project=True), Stage(64, 3, 2, project=True)),
        projection_batch_norm=False,
        pool="average",
    ),
    params=274_442,
    trainable=273_066,
    flops=81_626_368,
    recipe="keras_resnet",
    published=(
        Published(KERAS_RESNET_EXAMPLE, 92.16, 200, epoch_seconds=35, hardware="GTX 1080 Ti", framework="tensorflow"),
        Published("He et al. (2015), table 6", 91.25, 200),
    ),
)

_MINI_INCEPTION = Network(
    name="mini_inception",
    source=SMALL_NETWORKS_POST,
    design=MiniInception(
        stem=6,
        modules=(
            (Inception("3a", 16, 16, 32, 8, 16, 16), Inception("3b", 40, 32, 48, 12, 16, 16)),
            (Inception("5a", 40, 32, 48, 12, 16, 16), Inception("5b", 40, 32, 48, 12, 16, 16)),
        ),
    ),
    params=107_608,
    trainable=107_596,
    flops=24_156_896,
    recipe="mini",
    batch_norm=PADDLE_BATCH_NORM,
    published=(Published(SMALL_NETWORKS_POST, 80, 80, seconds=19 * 60, hardware="GTX 1050", framework="pytorch"),),
)

_LENET5 = Network(
    name="lenet5",
    source=LENET_PAPER,
    design=LeNet(convs=(6, 16), hidden=(Hidden(120), Hidden(84))),
    params=62_006,
    trainable=62_006,
    flops=1_303_440,
    recipe="mini",
)

NETWORKS: dict[str, Network] = {
    network.name: network
    for network in (
        _VGG16,
        _VGG16_PLAIN,
        _GOOGLENET,
        _RESNET18,
        _RESNET20_V1,
        _MINI_INCEPTION,
        _LENET5,
        _VGG16_IMAGENET,
    )
}


class UnknownNetworkError(Exception):
    """A name that the catalogue does not hold; the message lists the names and the nearest one."""


def network(name: str) -> Network:
    """The network of that name. Raises UnknownNetworkError."""
    if name not in NETWORKS:
        near = difflib.get_close_matches(name, NETWORKS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UnknownNetworkError(f"no network named {name!r}.{hint} The catalogue holds: {', '.join(NETWORKS)}.")
    return NETWORKS[name]


def default_networks() -> list[str]:
    """The networks that are checked when none is named."""
    return [name for name, entry in NETWORKS.items() if entry.in_profile]
