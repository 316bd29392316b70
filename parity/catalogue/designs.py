"""What the catalogue is made of: a network's facts as frozen dataclasses, one design for each family.

A `design` holds what a document fixes: widths, depths, strides, rates. The wiring is written twice, by hand, in
`paddle_impl/` and `tf_impl/`. Whether a network has batch norm at all, and with which constants, is in
`Network.batch_norm`; a design only says after which layers.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

Padding = str | int  # "same", "valid" or a number of pixels on every side


def float32(value: float) -> float:
    """The nearest float32 number. Without numpy, which takes long to import and a list of networks does not need.

    Example:
        >>> float32(0.1)
        0.10000000149011612
    """
    return float(struct.unpack("f", struct.pack("f", value))[0])


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
            object.__setattr__(self, name, float32(getattr(self, name)))


KERAS_BATCH_NORM = BatchNorm(momentum=0.99, epsilon=1e-3)

PADDLE_BATCH_NORM = BatchNorm(momentum=0.9, epsilon=1e-5)  # PyTorch's defaults too, written the other way round


@dataclass(frozen=True)
class LRN:
    """Local response normalisation: y = x / (bias + alpha * s) ** beta.

    s is the sum of x ** 2 over the channels up to `radius` away on either side.
    """

    radius: int
    bias: float
    alpha: float
    beta: float


@dataclass(frozen=True)
class Hidden:
    """A hidden fully connected layer of a classifier head, in order: fc, batch norm, ReLU, dropout."""

    width: int
    batch_norm: bool = False
    relu: bool = True
    dropout: float = 0.0


@dataclass(frozen=True)
class VGG:
    """Groups of square convolutions (stride 1, SAME, bias), each group closed by a 2x2 max-pool with stride 2.

    A convolution is followed by batch norm, ReLU and dropout, in this order.
    """

    groups: tuple[tuple[int, ...], ...]  # output channels of each convolution
    hidden: tuple[Hidden, ...]
    kernels: tuple[int, ...] = (3, 3, 3, 3, 3)  # of each group
    dropouts: tuple[tuple[float, ...], ...] | None = None  # rate after each convolution's ReLU; 0: no dropout layer
    average: int | None = None  # side of the maps that an adaptive average pool makes after the groups; None: no pool
    input_dropout: float = 0.0  # before the first fully connected layer


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
    """Blocks of one width, the first one with this stride; `project` puts a convolution on that one's shortcut."""

    width: int
    blocks: int
    stride: int
    project: bool


@dataclass(frozen=True)
class ResNet:
    """Version 1: basic blocks relu(shortcut(x) + bn(conv(relu(bn(conv(x)))))) of 3x3 convolutions."""

    stem: int  # channels of the 3x3 convolution before the stages
    stages: tuple[Stage, ...]
    projection_batch_norm: bool
    pool: str | int  # "max" (global), "average" (the whole map), or the window and stride of an average pool (VALID)
    projection_kernel: int = 1
    bias: bool = True  # of every convolution
    padding: Padding = "same"  # of every convolution; 1, where all are 3x3, is another network at stride 2
    stem_pool: bool = False  # max-pool 3/2 SAME after the stem
    hidden: tuple[Hidden, ...] = ()


@dataclass(frozen=True)
class BottleneckStage:
    """Bottlenecks 1x1 to `inner`, 3x3, 1x1 to `width` channels; the first one has this stride and a projection."""

    inner: int
    width: int
    blocks: int
    stride: int


@dataclass(frozen=True)
class ResNetV2:
    """Version 2: BN and ReLU before every convolution (SAME, bias) of a bottleneck; average pool, flatten, fc.

    The very first bottleneck starts with its convolution, since the stem has just ended with BN and ReLU. Projections
    are 1x1 without BN. BN and ReLU stand once more before the pool.
    """

    stem: int  # channels of the 3x3 convolution before the stages
    stages: tuple[BottleneckStage, ...]
    pool: int  # window and stride of the average pool (VALID)


@dataclass(frozen=True)
class LeNet:
    """5x5 VALID convolutions, each with ReLU and a 2x2 max-pool with stride 2; then ReLU fully connected layers."""

    convs: tuple[int, ...]
    hidden: tuple[Hidden, ...]


@dataclass(frozen=True)
class AlexNet:
    """Two groups, conv-ReLU-pool-LRN and conv-ReLU-LRN-pool (SAME, pools 3/2), then ReLU fully connected layers."""

    convs: tuple[int, int]
    kernel: int
    lrn: LRN
    hidden: tuple[Hidden, ...]


Design = VGG | GoogLeNet | MiniInception | ResNet | ResNetV2 | LeNet | AlexNet


@dataclass(frozen=True)
class Published:
    """A published result. Accuracies in percent; `seconds` is the whole training, `epoch_seconds` one epoch."""

    source: str
    accuracy: float
    epochs: int
    train_accuracy: float | None = None
    spread: float | None = None  # standard deviation of the accuracy over several runs, in percentage points
    seconds: float | None = None
    epoch_seconds: float | None = None
    gpu_megabytes: float | None = None
    gpu_percent: float | None = None  # utilisation of the GPU
    hardware: str = "not stated"
    framework: str = "not stated"


@dataclass(frozen=True)
class Network:
    """A network: an entry of the catalogue, a member of a family, or a variant of either."""

    name: str
    source: str
    design: Design
    params: int  # every array of the state, batch-norm statistics included
    trainable: int  # without the batch-norm statistics
    flops: int  # forward, one image: two for each multiply-add of the convolutions and fully connected layers
    recipe: str  # name in parity.catalogue.recipes
    batch_norm: BatchNorm | None = None  # None: none anywhere, whatever the design says
    published: tuple[Published, ...] = ()
    errata: tuple[str, ...] = ()
    image: tuple[int, int, int] = (32, 32, 3)  # height, width, channels
    classes: int = 10
    in_profile: bool = True  # checked when no network is named; not those that take minutes or many GiB
