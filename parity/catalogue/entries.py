"""The catalogue's entries: every network's published numbers, written once and read by both twins.

Parameter counts are literals: a twin that differs from them is wrong.
"""

from __future__ import annotations

from dataclasses import replace

from parity.catalogue.designs import (
    KERAS_BATCH_NORM,
    LRN,
    PADDLE_BATCH_NORM,
    VGG,
    AlexNet,
    GoogLeNet,
    Hidden,
    Inception,
    LeNet,
    MiniInception,
    Network,
    Published,
    ResNet,
    Stage,
)
from parity.catalogue.resnets import STATED, resnet

PADDLE_VGG_POST = "Charlotte77: VGG in PaddlePaddle and TensorFlow (2017)"

KERAS_CIFAR_POST = "VGG16, GoogLeNet and ResNet18 on CIFAR-10 in Keras (blog listing)"

SMALL_NETWORKS_POST = "VGG, ResNet and Inception at 100k to 200k parameters (blog post)"

LENET_PAPER = "LeCun et al. (1998), read for 3x32x32 input"

TENSORFLOW_TUTORIAL = "TensorFlow tutorial: CIFAR-10 (AlexNet, abridged)"

VGG16_WIDTHS = ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3)

VGG16_DROPOUTS = ((0.3, 0.0), (0.4, 0.0), (0.4, 0.4, 0.0), (0.4, 0.4, 0.0), (0.4, 0.4, 0.0))

VGG19_WIDTHS = ((64,) * 2, (128,) * 2, (256,) * 4, (512,) * 4, (512,) * 4)


def _halved(name: str, *widths: int) -> Inception:
    """A module at half of the GoogLeNet paper's widths (1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection)."""
    return Inception(name, *(width // 2 for width in widths))


def _on_k80(accuracy: float, hours: int, minutes: int, framework: str) -> tuple[Published]:
    seconds = 3600 * hours + 60 * minutes
    return (Published(PADDLE_VGG_POST, accuracy, 200, seconds=seconds, hardware="8 x Tesla K80", framework=framework),)


def _on_gtx1050(accuracy: float, minutes: int, megabytes: float, percent: float, setting: str = "") -> Published:
    return Published(
        SMALL_NETWORKS_POST + setting,
        accuracy,
        80,
        seconds=60 * minutes,
        gpu_megabytes=megabytes,
        gpu_percent=percent,
        hardware="GTX 1050",
        framework="pytorch",
    )


_VGG16 = Network(
    name="vgg16",
    source=PADDLE_VGG_POST,
    design=VGG(
        groups=VGG16_WIDTHS,
        dropouts=VGG16_DROPOUTS,
        input_dropout=0.5,
        hidden=(Hidden(512, batch_norm=True, dropout=0.5), Hidden(512, relu=False)),
    ),
    params=15_264_074,
    trainable=15_254_602,
    flops=627_451_904,
    recipe="paddle_vgg",
    batch_norm=PADDLE_BATCH_NORM,
    published=_on_k80(89.11, 16, 21, "paddle"),
)

_VGG16_PLAIN = Network(
    name="vgg16_plain",
    source=PADDLE_VGG_POST,
    design=VGG(groups=VGG16_WIDTHS, hidden=(Hidden(2048, dropout=0.5),) * 2),
    params=19_982_154,
    trainable=19_982_154,
    flops=636_919_808,
    recipe="plain_vgg",
    published=_on_k80(89.18, 18, 12, "tensorflow"),
    errata=(
        "The listing puts a ReLU on the logits, marked with question marks by its author; it is left out here.",
        "The listing has 1,000 logits for ten classes; here it is ten.",
    ),
)

_VGG16_SLIM = Network(
    name="vgg16_slim",
    source=PADDLE_VGG_POST + ", slim listing",
    design=VGG(groups=VGG16_WIDTHS, hidden=(Hidden(4096, dropout=0.5),) * 2),
    params=33_638_218,
    trainable=33_638_218,
    flops=664_223_744,
    recipe="plain_vgg",
    errata=("The listing has 1,000 logits for ten classes; here it is ten.",),
)

_VGG16_IMAGENET = Network(
    name="vgg16_imagenet",
    source=PADDLE_VGG_POST + ", figure 1 column D",
    design=VGG(groups=VGG16_WIDTHS, hidden=(Hidden(4096, dropout=0.5),) * 2),
    params=138_357_544,
    trainable=138_357_544,
    flops=30_940_528_640,
    recipe="plain_vgg",
    image=(224, 224, 3),
    classes=1000,
    in_profile=False,
)

_VGG19_IMAGENET = replace(
    _VGG16_IMAGENET,
    name="vgg19_imagenet",
    source=PADDLE_VGG_POST + ", figure 1 column E",
    design=VGG(groups=VGG19_WIDTHS, hidden=(Hidden(4096, dropout=0.5),) * 2),
    params=143_667_240,
    trainable=143_667_240,
    flops=39_264_124_928,
)

_VGG16_KERAS = Network(
    name="vgg16_keras",
    source=KERAS_CIFAR_POST,
    design=VGG(
        groups=VGG16_WIDTHS,
        dropouts=VGG16_DROPOUTS,
        input_dropout=0.5,
        hidden=(Hidden(512, batch_norm=True, dropout=0.5),),
    ),
    params=15_001_418,
    trainable=14_991_946,
    flops=626_927_616,
    recipe="keras_vgg",
    batch_norm=KERAS_BATCH_NORM,
    published=(Published(KERAS_CIFAR_POST, 93.04, 100, train_accuracy=97.93, framework="tensorflow"),),
)

_VGG16_BIGCONV = Network(
    name="vgg16_bigconv",
    source=KERAS_CIFAR_POST,
    design=VGG(
        groups=((64,), (128,), (256,), (512,), (512,)),
        kernels=(5, 5, 7, 7, 7),
        dropouts=((0.3,), (0.4,), (0.4,), (0.4,), (0.4,)),
        input_dropout=0.5,
        hidden=(Hidden(512, batch_norm=True, dropout=0.5),),
    ),
    params=21_360_010,
    trainable=21_356_042,
    flops=629_024_768,
    recipe="keras_vgg",
    batch_norm=KERAS_BATCH_NORM,
    published=(Published(KERAS_CIFAR_POST, 85.91, 100, train_accuracy=98.84, framework="tensorflow"),),
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
    batch_norm=KERAS_BATCH_NORM,
    published=(Published(KERAS_CIFAR_POST, 89.46, 150, train_accuracy=99.24, framework="tensorflow"),),
    errata=(
        "The listing computes each module's pool and convolves the module's input instead; here the pool is used.",
    ),
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
    batch_norm=KERAS_BATCH_NORM,
    published=(Published(KERAS_CIFAR_POST, 92.70, 150, train_accuracy=99.90, framework="tensorflow"),),
)

_MINI_RESNET = Network(
    name="mini_resnet",
    source=SMALL_NETWORKS_POST,
    design=ResNet(
        stem=16,
        stages=(Stage(16, 2, 1, project=False), Stage(32, 2, 2, project=True), Stage(64, 2, 2, project=True)),
        projection_kernel=3,
        projection_batch_norm=True,
        bias=False,
        padding=1,
        pool="average",
    ),
    params=196_858,
    trainable=195_738,
    flops=57_509_120,
    recipe="mini",
    batch_norm=PADDLE_BATCH_NORM,
    published=(
        _on_gtx1050(88, 22, 607, 99),
        _on_gtx1050(64, 22, 607, 99, setting=", without data augmentation"),
    ),
)

_MINI_RESNET_NOBN = replace(
    _MINI_RESNET,
    name="mini_resnet_nobn",
    source=SMALL_NETWORKS_POST + ", without batch norm",
    params=194_618,
    trainable=194_618,
    batch_norm=None,
    published=(_on_gtx1050(86, 19, 553, 99),),
)

_MINI_VGG = Network(
    name="mini_vgg",
    source=SMALL_NETWORKS_POST,
    design=VGG(
        groups=((16,) * 2, (32,) * 2, (32,) * 2, (64,) * 2, (64,) * 2),
        average=3,
        hidden=(Hidden(64), Hidden(64)),
    ),
    params=207_834,
    trainable=207_002,
    flops=17_483_008,
    recipe="mini",
    batch_norm=PADDLE_BATCH_NORM,
    published=(_on_gtx1050(84, 17, 535, 60),),
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
    published=(_on_gtx1050(80, 19, 613, 98),),
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

_ALEXNET = Network(
    name="alexnet",
    source=TENSORFLOW_TUTORIAL,
    design=AlexNet(
        convs=(64, 64),
        kernel=5,
        lrn=LRN(radius=4, bias=1.0, alpha=0.001 / 9, beta=0.75),
        hidden=(Hidden(384), Hidden(192)),
    ),
    params=1_756_426,
    trainable=1_756_426,
    flops=65_556_224,
    recipe="mini",
    errata=("The tutorial crops the images to 24x24; here they are 32x32.",),
)

CATALOGUE = (
    _VGG16,
    _VGG16_PLAIN,
    _VGG16_SLIM,
    _VGG16_KERAS,
    _VGG16_BIGCONV,
    _GOOGLENET,
    _RESNET18,
    *(resnet(version, depth) for version, depth in STATED),
    _MINI_RESNET,
    _MINI_RESNET_NOBN,
    _MINI_VGG,
    _MINI_INCEPTION,
    _LENET5,
    _ALEXNET,
    _VGG16_IMAGENET,
    _VGG19_IMAGENET,
)
