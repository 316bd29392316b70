"""The catalogue against its documents, and both twins against the catalogue."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from parity.catalogue.counting import Counts, count
from parity.catalogue.designs import KERAS_BATCH_NORM, PADDLE_BATCH_NORM, GoogLeNet, Inception
from parity.catalogue.networks import NETWORKS, default_networks, network
from parity.numerics.arrays import pack
from parity.weights.state import Entry, parameter_counts
from parity.workers.pool import Workers

# name: (all arrays, without the batch-norm statistics), counted from the published definitions
PUBLISHED = {
    "vgg16": (15_264_074, 15_254_602),
    "vgg16_plain": (19_982_154, 19_982_154),
    "vgg16_slim": (33_638_218, 33_638_218),
    "vgg16_keras": (15_001_418, 14_991_946),
    "vgg16_bigconv": (21_360_010, 21_356_042),
    "googlenet": (1_903_906, 1_895_602),
    "resnet18": (11_457_482, 11_446_730),
    "resnet20_v1": (274_442, 273_066),
    "resnet32_v1": (470_218, 467_946),
    "resnet44_v1": (665_994, 662_826),
    "resnet56_v1": (861_770, 857_706),
    "resnet110_v1": (1_742_762, 1_734_666),
    "resnet164_v1": (2_623_754, 2_611_626),
    "resnet20_v2": (574_090, 570_602),
    "resnet56_v2": (1_673_738, 1_663_338),
    "resnet110_v2": (3_323_210, 3_302_442),
    "resnet164_v2": (4_972_682, 4_941_546),
    "resnet1001_v2": (30_539_498, 30_347_658),
    "mini_resnet": (196_858, 195_738),
    "mini_resnet_nobn": (194_618, 194_618),
    "mini_vgg": (207_834, 207_002),
    "mini_inception": (107_608, 107_596),
    "lenet5": (62_006, 62_006),
    "alexnet": (1_756_426, 1_756_426),
    "vgg16_imagenet": (138_357_544, 138_357_544),
    "vgg19_imagenet": (143_667_240, 143_667_240),
}

# what the documents themselves say, in thousands of trainable parameters
ROUNDED = {"mini_resnet": 195, "mini_vgg": 207, "mini_inception": 107, "vgg16_imagenet": 138_000}

# convolutions and fully connected layers, without the projections of shortcuts
LAYERS = {
    "vgg16": 16,
    "vgg16_plain": 16,
    "vgg16_slim": 16,
    "vgg16_keras": 15,
    "vgg16_bigconv": 7,
    "googlenet": 58,
    "resnet18": 19,  # the document has one fully connected layer more than the name says
    "mini_resnet": 14,
    "mini_resnet_nobn": 14,
    "mini_vgg": 13,
    "mini_inception": 26,
    "lenet5": 5,
    "alexnet": 5,
    "vgg16_imagenet": 16,
    "vgg19_imagenet": 19,
}

Shapes = dict[str, tuple[int, ...]]  # by stage; maps are height, width, channels of one image

VGG16_SHAPES: Shapes = {
    "group1/relu2": (32, 32, 64),
    "group1/pool": (16, 16, 64),
    "group2/pool": (8, 8, 128),
    "group3/pool": (4, 4, 256),
    "group4/pool": (2, 2, 512),
    "group5/relu3": (2, 2, 512),
    "group5/pool": (1, 1, 512),
    "head/logits": (10,),
}

IMAGENET_SHAPES: Shapes = {
    "group1/relu2": (224, 224, 64),
    "group1/pool": (112, 112, 64),
    "group5/pool": (7, 7, 512),
    "head/fc1": (4096,),
    "head/fc2": (4096,),
    "head/logits": (1000,),
}


def resnet_v1(n: int) -> Shapes:
    """Of the Keras example, with n blocks in each of the three stages."""
    return {
        "stem/relu": (32, 32, 16),
        f"stage1/block{n}/relu2": (32, 32, 16),
        "stage2/block1/project": (16, 16, 32),
        f"stage2/block{n}/relu2": (16, 16, 32),
        "stage3/block1/conv1": (8, 8, 64),
        f"stage3/block{n}/relu2": (8, 8, 64),
        "pool": (1, 1, 64),
        "head/logits": (10,),
    }


def resnet_v2(n: int) -> Shapes:
    """Of the Keras example, with n blocks in each of the three stages."""
    return {
        "stem/relu": (32, 32, 16),
        "stage1/block1/conv2": (32, 32, 16),
        f"stage1/block{n}/add": (32, 32, 64),
        "stage2/block1/relu1": (32, 32, 64),
        "stage2/block1/conv1": (16, 16, 64),
        f"stage2/block{n}/add": (16, 16, 128),
        "stage3/block1/project": (8, 8, 256),
        f"stage3/block{n}/conv2": (8, 8, 128),
        "final/relu": (8, 8, 256),
        "pool": (1, 1, 256),
        "head/logits": (10,),
    }


MINI_RESNET_SHAPES: Shapes = {
    "stem/relu": (32, 32, 16),
    "stage1/block2/relu2": (32, 32, 16),
    "stage2/block1/project": (16, 16, 32),
    "stage3/block2/relu2": (8, 8, 64),
    "pool": (1, 1, 64),
    "head/logits": (10,),
}

SHAPES: dict[str, Shapes] = {
    "vgg16": VGG16_SHAPES | {"head/fc1": (512,), "head/fc2": (512,)},
    "vgg16_plain": VGG16_SHAPES | {"head/fc1": (2048,), "head/fc2": (2048,)},
    "vgg16_slim": VGG16_SHAPES | {"head/fc1": (4096,), "head/fc2": (4096,)},
    "vgg16_keras": VGG16_SHAPES | {"head/fc1": (512,)},
    "vgg16_bigconv": {
        "group1/conv1": (32, 32, 64),
        "group2/conv1": (16, 16, 128),
        "group3/conv1": (8, 8, 256),
        "group4/conv1": (4, 4, 512),
        "group5/conv1": (2, 2, 512),
        "group5/pool": (1, 1, 512),
        "head/fc1": (512,),
        "head/logits": (10,),
    },
    "googlenet": {
        "stem/conv1": (32, 32, 64),
        "stem/pool1": (16, 16, 64),
        "stem/conv2": (16, 16, 96),
        "stem/pool2": (8, 8, 96),
        "inception3a/concat": (8, 8, 128),
        "inception3b/concat": (8, 8, 240),
        "pool3": (4, 4, 240),
        "inception4a/concat": (4, 4, 256),
        "inception4b/concat": (4, 4, 256),
        "inception4c/concat": (4, 4, 256),
        "inception4d/concat": (4, 4, 264),
        "inception4e/pool": (4, 4, 264),
        "inception4e/concat": (4, 4, 416),
        "pool4": (2, 2, 416),
        "inception5a/concat": (2, 2, 416),
        "inception5b/concat": (2, 2, 512),
        "pool": (1, 1, 512),
        "head/fc1": (512,),
        "head/logits": (10,),
    },
    "resnet18": {
        "stem/conv": (32, 32, 64),
        "stem/pool": (16, 16, 64),
        "stage1/block2/relu2": (16, 16, 64),
        "stage2/block1/project": (8, 8, 128),
        "stage2/block2/relu2": (8, 8, 128),
        "stage3/block2/relu2": (4, 4, 256),
        "stage4/block2/relu2": (2, 2, 512),
        "pool": (1, 1, 512),
        "head/fc1": (512,),
        "head/logits": (10,),
    },
    "resnet20_v1": resnet_v1(3),
    "resnet32_v1": resnet_v1(5),
    "resnet44_v1": resnet_v1(7),
    "resnet56_v1": resnet_v1(9),
    "resnet110_v1": resnet_v1(18),
    "resnet164_v1": resnet_v1(27),
    "resnet20_v2": resnet_v2(2),
    "resnet56_v2": resnet_v2(6),
    "resnet110_v2": resnet_v2(12),
    "resnet164_v2": resnet_v2(18),
    "resnet1001_v2": resnet_v2(111),
    "mini_resnet": MINI_RESNET_SHAPES,
    "mini_resnet_nobn": MINI_RESNET_SHAPES,
    "mini_vgg": {
        "group1/relu2": (32, 32, 16),
        "group2/relu2": (16, 16, 32),
        "group3/relu2": (8, 8, 32),
        "group4/relu2": (4, 4, 64),
        "group5/pool": (1, 1, 64),
        "pool": (3, 3, 64),
        "head/fc1": (64,),
        "head/fc2": (64,),
        "head/logits": (10,),
    },
    "mini_inception": {
        "stem/conv": (32, 32, 6),
        "stem/pool": (16, 16, 6),
        "inception3a/concat": (16, 16, 80),
        "inception3b/pool": (16, 16, 80),
        "inception3b/concat": (16, 16, 120),
        "pool1": (7, 7, 120),
        "inception5b/concat": (7, 7, 120),
        "pool": (3, 3, 120),
        "head/logits": (10,),
    },
    "lenet5": {
        "group1/conv": (28, 28, 6),
        "group1/pool": (14, 14, 6),
        "group2/conv": (10, 10, 16),
        "group2/pool": (5, 5, 16),
        "head/fc1": (120,),
        "head/fc2": (84,),
        "head/logits": (10,),
    },
    "alexnet": {
        "group1/conv": (32, 32, 64),
        "group1/pool": (16, 16, 64),
        "group1/lrn": (16, 16, 64),
        "group2/lrn": (16, 16, 64),
        "group2/pool": (8, 8, 64),
        "head/fc1": (384,),
        "head/fc2": (192,),
        "head/logits": (10,),
    },
    "vgg16_imagenet": IMAGENET_SHAPES,
    "vgg19_imagenet": IMAGENET_SHAPES | {"group5/relu4": (14, 14, 512)},
}

# Not in the catalogue: what they must be follows from parity.catalogue.counting alone.
FURTHER: dict[str, Shapes] = {
    "resnet26_v1": resnet_v1(4),
    "resnet29_v2": resnet_v2(3),
    "resnet20_v1-nobn-100c-64px": {"stage3/block3/relu2": (16, 16, 64), "pool": (2, 2, 64), "head/logits": (100,)},
    "resnet20_v2-64px": {"final/relu": (16, 16, 256), "pool": (2, 2, 256), "head/logits": (10,)},
    "resnet20_v2-nobn-30px": {"final/relu": (8, 8, 256), "pool": (1, 1, 256)},
    "mini_resnet-29px": {"stage2/block2/relu2": (15, 15, 32), "stage3/block2/relu2": (8, 8, 64), "pool": (1, 1, 64)},
    "resnet18-64px": {"stage4/block2/relu2": (4, 4, 512), "pool": (1, 1, 512)},
    "vgg16_keras-nobn-33px": {"group1/pool": (17, 17, 64), "group4/pool": (3, 3, 512), "group5/pool": (2, 2, 512)},
    "mini_vgg-47px": {"group5/pool": (2, 2, 64), "pool": (3, 3, 64)},
    "googlenet-nobn": {"pool": (1, 1, 512)},
    "mini_inception-100c-64px": {"pool1": (15, 15, 120), "pool": (7, 7, 120), "head/logits": (100,)},
    "lenet5-16px": {"group2/pool": (1, 1, 16)},
    "alexnet-27px": {"group1/pool": (14, 14, 64), "group2/pool": (7, 7, 64)},
}

SLOW = {"resnet110_v1", "resnet110_v2", *(name for name, entry in NETWORKS.items() if not entry.in_profile)}


@dataclass(frozen=True)
class Built:
    """One network as both workers built it."""

    name: str
    entries: dict[str, list[Entry]]  # by framework
    layers: dict[str, list[dict[str, Any]]]
    shapes: dict[str, Shapes]  # of every stage


@pytest.fixture(
    scope="module",
    params=[pytest.param(n, marks=[pytest.mark.slow] if n in SLOW else []) for n in [*NETWORKS, *FURTHER]],
)
def built(workers: Workers, request: pytest.FixtureRequest) -> Built:
    """Each network in turn. All weights are zero, since only shapes are looked at."""
    name: str = request.param
    described = workers.map(lambda worker: worker.describe(name))
    entries = {framework: description.entries for framework, description in described.items()}
    state = {entry.name: np.zeros(entry.shape, entry.dtype) for entry in entries["paddle"]}
    images = {"nhwc": np.ones((1, *network(name).image), np.float32)}
    arrays = pack(state=state, images=images)
    staged = workers.map(lambda worker: worker.stages(name, "float32", arrays))
    return Built(
        name,
        entries,
        {framework: description.layers for framework, description in described.items()},
        {framework: {n: a.shape[1:] for n, a in stages.items()} for framework, stages in staged.items()},
    )


def test_this_file_covers_the_whole_catalogue() -> None:
    assert set(PUBLISHED) == set(SHAPES) == set(NETWORKS)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_catalogue_states_the_published_counts(name: str) -> None:
    assert (NETWORKS[name].params, NETWORKS[name].trainable) == PUBLISHED[name]


@pytest.mark.parametrize("name", ROUNDED)
def test_the_counts_are_those_that_the_documents_round(name: str) -> None:
    digits = 1000 if ROUNDED[name] < 1000 else 1_000_000
    assert PUBLISHED[name][1] // digits * digits == ROUNDED[name] * 1000


@pytest.mark.parametrize("name", NETWORKS)
def test_the_counter_agrees_with_what_is_stated(name: str) -> None:
    """It shares no code with the twins; further networks, which nobody has counted, rest on it."""
    entry = NETWORKS[name]
    assert count(entry) == Counts(entry.params, entry.trainable, entry.flops)


def test_both_twins_have_exactly_the_published_parameters(built: Built) -> None:
    entry = network(built.name)
    expected = PUBLISHED.get(built.name, (entry.params, entry.trainable))
    for framework, entries in built.entries.items():
        assert parameter_counts(entries) == expected, framework


def test_both_twins_have_the_same_entries_and_layers_in_the_same_order(built: Built) -> None:
    assert built.entries["paddle"] == built.entries["tensorflow"]
    assert built.layers["paddle"] == built.layers["tensorflow"]
    names = [layer["name"] for layer in built.layers["paddle"]]
    assert len(set(names)) == len(names) > 10
    assert names[-1] == "head/logits"
    layers = [entry.name.rpartition("/")[0] for entry in built.entries["paddle"]]
    assert [name for name in names if name in set(layers)] == list(dict.fromkeys(layers))


def test_stages_have_the_published_shapes_and_the_catalogue_their_flops(built: Built) -> None:
    """Two operations for each multiply-add: each kernel once for every position of its layer's output."""
    kernels = {e.name.removesuffix("/kernel"): e.shape for e in built.entries["paddle"] if e.name.endswith("/kernel")}
    expected = (SHAPES | FURTHER)[built.name]
    for framework, shapes in built.shapes.items():
        assert {stage: shapes[stage] for stage in expected} == expected, framework
        flops = sum(2 * math.prod(kernel) * math.prod(shapes[layer][:-1]) for layer, kernel in kernels.items())
        assert flops == network(built.name).flops, framework
    assert list(built.shapes["paddle"].items()) == list(built.shapes["tensorflow"].items())


def test_batch_norm_stands_where_the_network_has_it_and_nowhere_else(built: Built) -> None:
    facts = network(built.name).batch_norm
    for framework, layers in built.layers.items():
        norms = [layer for layer in layers if layer["kind"] == "batch_norm"]
        assert bool(norms) == (facts is not None), framework
        assert all(facts is not None and layer["epsilon"] == facts.epsilon for layer in norms), framework


def test_both_twins_are_as_deep_as_they_should_be(built: Built) -> None:
    """A ResNet of the two families says its depth in its name; projections do not count."""
    base = built.name.partition("-")[0]
    for framework, layers in built.layers.items():
        weighty = [layer for layer in layers if layer["kind"] in ("conv", "dense")]
        depth = sum(not layer["name"].endswith("/project") or "inception" in layer["name"] for layer in weighty)
        if base in LAYERS:
            assert depth == LAYERS[base], framework
        else:
            assert base.startswith(f"resnet{depth}_v"), framework


def test_flops_of_lenet5_by_hand() -> None:
    convolutions = 28 * 28 * 5 * 5 * 3 * 6 + 10 * 10 * 5 * 5 * 6 * 16
    fully_connected = 400 * 120 + 120 * 84 + 84 * 10
    assert NETWORKS["lenet5"].flops == 2 * (convolutions + fully_connected)


def test_what_is_checked_by_default_leaves_out_only_the_large_ones() -> None:
    large = {"resnet164_v1", "resnet164_v2", "resnet1001_v2", "vgg16_imagenet", "vgg19_imagenet"}
    assert default_networks() == [name for name in NETWORKS if name not in large]


def test_batch_norm_constants_are_float32_numbers() -> None:
    """Paddle keeps them as float32 attributes even in a float64 model; the other twin must be given the same."""
    constants = [entry.batch_norm for entry in NETWORKS.values() if entry.batch_norm is not None]
    assert len(constants) > 10
    for facts in constants:
        for value in (facts.momentum, facts.epsilon):
            assert value == float(np.float32(value))
    assert KERAS_BATCH_NORM.epsilon == pytest.approx(1e-3, rel=1e-7)
    assert PADDLE_BATCH_NORM.epsilon == pytest.approx(1e-5, rel=1e-7)


def test_batch_norm_has_the_constants_of_the_documents_framework() -> None:
    others = {"vgg16", "mini_resnet", "mini_vgg", "mini_inception"}  # Paddle and PyTorch
    for name, entry in NETWORKS.items():
        if entry.batch_norm is not None:
            assert entry.batch_norm == (PADDLE_BATCH_NORM if name in others else KERAS_BATCH_NORM), name


def test_googlenet_has_half_the_widths_of_the_paper() -> None:
    design = NETWORKS["googlenet"].design
    assert isinstance(design, GoogLeNet)
    widths = {module.name: module for group in design.modules for module in group}
    assert list(widths) == ["3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"]
    assert widths["3a"] == Inception("3a", 32, 48, 64, 8, 16, 16)
    assert widths["5b"] == Inception("5b", 192, 96, 192, 24, 64, 64)
    assert widths["5b"].out_channels == 512
