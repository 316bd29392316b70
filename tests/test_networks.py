"""The catalogue against its documents, and both twins against the catalogue."""

import math
from typing import Any

import numpy as np
import pytest

from parity import networks
from parity.evidence import entries_of
from parity.networks import NETWORKS, Inception, UnknownNetworkError, network
from parity.protocol import Arrays, pack
from parity.weights import parameter_counts
from parity.workers import Workers

# name: (all arrays, without the batch-norm statistics), counted from the published definitions
PUBLISHED = {
    "vgg16": (15_264_074, 15_254_602),
    "vgg16_plain": (19_982_154, 19_982_154),
    "googlenet": (1_903_906, 1_895_602),
    "resnet18": (11_457_482, 11_446_730),
    "resnet20_v1": (274_442, 273_066),
    "mini_inception": (107_608, 107_596),
    "lenet5": (62_006, 62_006),
    "vgg16_imagenet": (138_357_544, 138_357_544),
}

VGG16_SHAPES = {
    "group1/relu2": (32, 32, 64),
    "group1/pool": (16, 16, 64),
    "group2/pool": (8, 8, 128),
    "group3/pool": (4, 4, 256),
    "group4/pool": (2, 2, 512),
    "group5/relu3": (2, 2, 512),
    "group5/pool": (1, 1, 512),
    "head/logits": (10,),
}

# Maps are height, width, channels of one image.
SHAPES: dict[str, dict[str, tuple[int, ...]]] = {
    "vgg16": VGG16_SHAPES | {"head/fc1": (512,), "head/fc2": (512,)},
    "vgg16_plain": VGG16_SHAPES | {"head/fc1": (2048,), "head/fc2": (2048,)},
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
    "resnet20_v1": {
        "stem/relu": (32, 32, 16),
        "stage1/block3/relu2": (32, 32, 16),
        "stage2/block1/project": (16, 16, 32),
        "stage2/block3/relu2": (16, 16, 32),
        "stage3/block3/relu2": (8, 8, 64),
        "pool": (1, 1, 64),
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
    "vgg16_imagenet": {
        "group1/relu2": (224, 224, 64),
        "group1/pool": (112, 112, 64),
        "group5/pool": (7, 7, 512),
        "head/fc1": (4096,),
        "head/fc2": (4096,),
        "head/logits": (1000,),
    },
}

LARGE = ("vgg16_imagenet",)
EVERY = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else []) for name in NETWORKS]
)


def descriptions(workers: Workers, name: str) -> dict[str, dict[str, Any]]:
    return {framework: reply.result for framework, reply in workers.each("describe", network=name).items()}


def stages(workers: Workers, name: str) -> dict[str, Arrays]:
    """Both twins' float32 stages of one image; all weights are zero, since only shapes are looked at."""
    entries = entries_of(workers["paddle"].call("describe", network=name).result)
    state = {entry.name: np.zeros(entry.shape, entry.dtype) for entry in entries}
    images = {"nhwc": np.ones((1, *NETWORKS[name].image), np.float32)}
    replies = workers.each("stages", network=name, dtype="float32", arrays=pack(state=state, images=images))
    return {framework: reply.arrays for framework, reply in replies.items()}


def test_this_file_covers_the_whole_catalogue() -> None:
    assert set(PUBLISHED) == set(SHAPES) == set(NETWORKS)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_catalogue_states_the_published_counts(name: str) -> None:
    assert (NETWORKS[name].params, NETWORKS[name].trainable) == PUBLISHED[name]


@pytest.mark.parametrize("name", NETWORKS)
def test_both_twins_have_exactly_the_published_parameters(workers: Workers, name: str) -> None:
    for framework, description in descriptions(workers, name).items():
        assert parameter_counts(entries_of(description)) == PUBLISHED[name], framework


@pytest.mark.parametrize("name", NETWORKS)
def test_both_twins_have_the_same_entries_and_layers_in_the_same_order(workers: Workers, name: str) -> None:
    paddle, tensorflow = descriptions(workers, name).values()
    assert paddle["entries"] == tensorflow["entries"]
    assert paddle["layers"] == tensorflow["layers"]
    names = [layer["name"] for layer in paddle["layers"]]
    assert len(set(names)) == len(names) > 10
    assert names[-1] == "head/logits"
    places = [entry["name"].rpartition("/")[0] for entry in paddle["entries"]]
    assert [place for place in names if place in set(places)] == list(dict.fromkeys(places))


@EVERY
def test_stages_have_the_published_shapes_and_the_catalogue_their_flops(workers: Workers, name: str) -> None:
    """Two operations for each multiply-add: each kernel once for every position of its layer's output."""
    found = stages(workers, name)
    kernels = {
        entry.name.removesuffix("/kernel"): entry.shape
        for entry in entries_of(workers["paddle"].call("describe", network=name).result)
        if entry.name.endswith("/kernel")
    }
    for framework, arrays in found.items():
        assert {stage: arrays[stage].shape[1:] for stage in SHAPES[name]} == SHAPES[name], framework
        flops = sum(2 * math.prod(shape) * math.prod(arrays[layer].shape[1:-1]) for layer, shape in kernels.items())
        assert flops == NETWORKS[name].flops, framework
    assert list(found["paddle"]) == list(found["tensorflow"])
    assert [array.shape for array in found["paddle"].values()] == [a.shape for a in found["tensorflow"].values()]


def test_flops_of_lenet5_by_hand() -> None:
    convolutions = 28 * 28 * 5 * 5 * 3 * 6 + 10 * 10 * 5 * 5 * 6 * 16
    fully_connected = 400 * 120 + 120 * 84 + 84 * 10
    assert NETWORKS["lenet5"].flops == 2 * (convolutions + fully_connected)


@pytest.mark.parametrize(
    ("wrong", "right"), [("vgg61", "vgg16"), ("resnet-18", "resnet18"), ("lenet", "lenet5"), ("GoogLeNet", "googlenet")]
)
def test_an_unknown_network_suggests_the_nearest(wrong: str, right: str) -> None:
    with pytest.raises(UnknownNetworkError) as caught:
        network(wrong)
    assert f"no network named {wrong!r}. Did you mean {right!r}?" in str(caught.value)
    assert all(name in str(caught.value) for name in NETWORKS)


def test_a_name_like_no_other_gets_the_list_and_no_suggestion() -> None:
    with pytest.raises(UnknownNetworkError) as caught:
        network("transformer")
    assert "Did you mean" not in str(caught.value)
    assert ", ".join(NETWORKS) in str(caught.value)


def test_what_is_checked_by_default_leaves_out_only_the_large_one() -> None:
    assert networks.default_networks() == [name for name in NETWORKS if name not in LARGE]


def test_batch_norm_constants_are_float32_numbers() -> None:
    """Paddle keeps them as float32 attributes even in a float64 model; the other twin must be given the same."""
    for entry in NETWORKS.values():
        for value in (entry.batch_norm.momentum, entry.batch_norm.epsilon):
            assert value == float(np.float32(value))
    assert networks.KERAS_BATCH_NORM.epsilon == pytest.approx(1e-3, rel=1e-7)
    assert networks.PADDLE_BATCH_NORM.epsilon == pytest.approx(1e-5, rel=1e-7)


def test_googlenet_has_half_the_widths_of_the_paper() -> None:
    design = NETWORKS["googlenet"].design
    assert isinstance(design, networks.GoogLeNet)
    widths = {module.name: module for group in design.modules for module in group}
    assert list(widths) == ["3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"]
    assert widths["3a"] == Inception("3a", 32, 48, 64, 8, 16, 16)
    assert widths["5b"] == Inception("5b", 192, 96, 192, 24, 64, 64)
    assert widths["5b"].out_channels == 512
