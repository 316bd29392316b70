"""The CIFAR ResNets: two families of any depth that their rule allows; some depths have published results."""

from __future__ import annotations

import re
from dataclasses import replace

from parity.catalogue.counting import count
from parity.catalogue.designs import KERAS_BATCH_NORM, BottleneckStage, Network, Published, ResNet, ResNetV2, Stage

KERAS_RESNET_EXAMPLE = "Keras example: CIFAR-10 ResNet"

RESNET_PAPER = "He et al. (2015), table 6"

IDENTITY_PAPER = "He et al. (2016), identity mappings"

POOL = 8  # the example's window: the whole last map of a 32x32 image, a quarter of that of a 64x64 one

PAPER_EPOCHS = 164  # both papers: 64,000 steps of 128 of the 50,000 images

# version: (f, what f counts), where depth = f * n + 2 and n is the number of blocks in each of the three stages
RULES = {1: (6, "two 3x3 convolutions"), 2: (9, "1x1, 3x3 and 1x1 convolutions")}

DEEPEST_IN_PROFILE = 110

# (version, depth): params, trainable, flops
STATED = {
    (1, 20): (274_442, 273_066, 81_626_368),
    (1, 32): (470_218, 467_946, 138_249_472),
    (1, 44): (665_994, 662_826, 194_872_576),
    (1, 56): (861_770, 857_706, 251_495_680),
    (1, 110): (1_742_762, 1_734_666, 506_299_648),
    (1, 164): (2_623_754, 2_611_626, 761_103_616),
    (2, 20): (574_090, 570_602, 132_486_144),
    (2, 56): (1_673_738, 1_663_338, 386_241_536),
    (2, 110): (3_323_210, 3_302_442, 766_874_624),
    (2, 164): (4_972_682, 4_941_546, 1_147_507_712),
    (2, 1001): (30_539_498, 30_347_658, 7_047_320_576),
}


def _example(accuracy: float, epoch_seconds: float) -> Published:
    return Published(
        KERAS_RESNET_EXAMPLE,
        accuracy,
        200,
        epoch_seconds=epoch_seconds,
        hardware="GTX 1080 Ti",
        framework="tensorflow",
    )


def _paper(source: str, accuracy: float, spread: float | None = None) -> Published:
    return Published(source, accuracy, PAPER_EPOCHS, spread=spread)


PUBLISHED = {
    (1, 20): (_example(92.16, 35), _paper(RESNET_PAPER, 91.25)),
    (1, 32): (_example(92.46, 50), _paper(RESNET_PAPER, 92.49)),
    (1, 44): (_example(92.50, 70), _paper(RESNET_PAPER, 92.83)),
    (1, 56): (_example(92.71, 90), _paper(RESNET_PAPER, 93.03)),
    (1, 110): (_example(92.65, 165), _paper(RESNET_PAPER, 93.39, 0.16)),
    (1, 164): (_paper(IDENTITY_PAPER, 94.07),),
    (2, 56): (_example(93.01, 100),),
    (2, 110): (_example(93.15, 180), _paper(IDENTITY_PAPER, 93.63)),
    (2, 164): (_paper(IDENTITY_PAPER, 94.54),),
    (2, 1001): (_paper(IDENTITY_PAPER, 95.08, 0.14),),
}

ERRATA = {(1, 164): ("The paper's 164 layers of version 1 are bottlenecks; the example's are basic blocks, as here.",)}


def resnet(version: int, depth: int) -> Network:
    """The ResNet of a version and depth.

    Its pool keeps the example's window at every image size, as the example's code does: 64x64 images leave 2x2 maps,
    and four times the rows in the fully connected layer. Images below 29x29, whose last map is smaller than the window,
    are refused, as by that code. A global pool there would be another network under the same name.

    Args:
        version: 1 or 2.
        depth: 6n + 2 for version 1, 9n + 2 for version 2.

    Raises:
        ValueError: no network has this depth; the message names the nearest ones.

    Example:
        >>> resnet(1, 20).name
        'resnet20_v1'
    """
    factor, layers = RULES[version]
    n, rest = divmod(max(depth - 2, 0), factor)
    if rest or n < 1:
        near = [factor * m + 2 for m in (n, n + 1) if m > 0]
        raise ValueError(
            f"the depth of a version {version} ResNet is {factor}n + 2 (three stages of n blocks, each of {layers}); "
            f"nearest: {' and '.join(f'resnet{nearest}_v{version}' for nearest in near)}"
        )
    key = version, depth
    entry = Network(
        name=f"resnet{depth}_v{version}",
        source=KERAS_RESNET_EXAMPLE,
        design=_basic(n) if version == 1 else _bottlenecks(n),
        params=0,
        trainable=0,
        flops=0,
        recipe="keras_resnet",
        batch_norm=KERAS_BATCH_NORM,
        published=PUBLISHED.get(key, ()),
        errata=ERRATA.get(key, ()),
        in_profile=depth <= DEEPEST_IN_PROFILE,
    )
    params, trainable, flops = STATED.get(key) or count(entry)
    return replace(entry, params=params, trainable=trainable, flops=flops)


def resnet_named(name: str) -> Network | None:
    """The ResNet of a name like "resnet26_v1"; None for a name of another form.

    Raises:
        ValueError: the form is right, but no network has this depth.
    """
    match = re.fullmatch(r"resnet([1-9]\d*)_v([12])", name)
    return resnet(version=int(match[2]), depth=int(match[1])) if match else None


def _basic(n: int) -> ResNet:
    stages = (Stage(16, n, 1, project=False), Stage(32, n, 2, project=True), Stage(64, n, 2, project=True))
    return ResNet(stem=16, stages=stages, projection_batch_norm=False, pool=POOL)


def _bottlenecks(n: int) -> ResNetV2:
    stages = (BottleneckStage(16, 64, n, 1), BottleneckStage(64, 128, n, 2), BottleneckStage(128, 256, n, 2))
    return ResNetV2(stem=16, stages=stages, pool=POOL)
