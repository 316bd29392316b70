"""Layers inside of real networks: their order, and single ones in both precisions against plain numpy."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pytest

from parity.catalogue.designs import AlexNet
from parity.catalogue.networks import NETWORKS, network
from parity.kinds.conv import conv2d
from parity.kinds.norm import LocalResponseNorm
from parity.kinds.pool import AdaptiveAveragePool
from parity.numerics.arrays import Arrays, pack
from parity.weights.initializers import proof_state
from parity.weights.state import Entry, State
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.pool import Workers

# relative to the largest value; float32: a sum of up to 576 products, each addition rounded by 2 ** -24 at most
LIMITS = {"float64": 1e-14, "float32": 576 * 2.0**-24}

BOTH = pytest.mark.parametrize("framework", FRAMEWORKS)

PRECISIONS = pytest.mark.parametrize("dtype", LIMITS)


@dataclass(frozen=True)
class Run:
    """A forward pass: the weights and every stage, as float64 numbers."""

    state: State
    stages: Arrays


def run(workers: Workers, framework: str, name: str, dtype: str) -> Run:
    """Random weights, two random images; large ones, so that local response normalisation has something to do."""
    worker = workers[framework]
    entries = worker.describe(name).entries
    state = proof_state([Entry(entry.name, entry.shape, dtype, entry.trainable) for entry in entries], seed=0)
    images = np.random.default_rng(0).normal(size=(2, *network(name).image)) * 30
    arrays = pack(state=state, images={"nhwc": images.astype(np.float32)})
    stages = worker.stages(name, dtype, arrays)
    assert {str(array.dtype) for array in stages.values()} == {dtype}
    return Run(
        {name: array.astype(np.float64) for name, array in state.items()},
        {name: array.astype(np.float64) for name, array in stages.items()},
    )


def gap(actual: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference, relative to the largest value."""
    assert actual.shape == expected.shape
    assert actual.size > 0
    return float(np.abs(actual - expected).max() / np.abs(expected).max())


@BOTH
@PRECISIONS
def test_local_response_normalisation(workers: Workers, framework: str, dtype: str) -> None:
    """Also that another radius, or the mean for the sum, would be found."""
    stages = run(workers, framework, "alexnet", dtype).stages
    design = NETWORKS["alexnet"].design
    assert isinstance(design, AlexNet)
    facts: dict[str, Any] = {"radius": 4, "bias": 1.0, "alpha": 0.001 / 9, "beta": 0.75}
    assert asdict(design.lrn) == facts
    others = ({"radius": 3}, {"radius": 5}, {"alpha": 0.001 / 81}, {"alpha": 0.001}, {"beta": 0.5}, {"bias": 2.0})
    for source, target in (("group1/pool", "group1/lrn"), ("group2/relu", "group2/lrn")):
        x, y = stages[source], stages[target]
        assert gap(y, LocalResponseNorm(**facts).compute([x], {})) < LIMITS[dtype]
        for other in others:
            assert gap(y, LocalResponseNorm(**(facts | other)).compute([x], {})) > 10 * LIMITS[dtype], other


@BOTH
@PRECISIONS
@pytest.mark.parametrize("name", ["mini_vgg", "mini_vgg-47px", "mini_vgg-96px", "mini_vgg-128px"])
def test_adaptive_average_pool(workers: Workers, framework: str, dtype: str, name: str) -> None:
    """From maps of 1x1 (each value nine times), 2x2 (windows that overlap), 3x3 and 4x4."""
    stages = run(workers, framework, name, dtype).stages
    x, y = stages["group5/pool"], stages["pool"]
    side = {"mini_vgg": 1, "mini_vgg-47px": 2, "mini_vgg-96px": 3, "mini_vgg-128px": 4}[name]
    assert x.shape == (2, side, side, 64)
    assert gap(y, AdaptiveAveragePool(3).compute([x], {})) < LIMITS[dtype]
    if side in (1, 3):
        np.testing.assert_array_equal(y, x.repeat(3 // side, axis=1).repeat(3 // side, axis=2))


@BOTH
@PRECISIONS
def test_a_convolution_that_pads_both_sides_alike(workers: Workers, framework: str, dtype: str) -> None:
    """PyTorch's padding=1 at stride 2, where SAME has the same shape and other values."""
    forward_run = run(workers, framework, "mini_resnet", dtype)
    x, kernel = forward_run.stages["stage1/block2/relu2"], forward_run.state["stage2/block1/conv1/kernel"]
    y = forward_run.stages["stage2/block1/conv1"]
    assert gap(y, conv2d(x, kernel, None, stride=2, padding=1)) < LIMITS[dtype]
    assert gap(y, conv2d(x, kernel, None, stride=2, padding="same")) > 0.1


@BOTH
@pytest.mark.parametrize("name", ["resnet20_v1", "resnet20_v2-30px", "mini_resnet-4px", "mini_resnet-64px"])
def test_the_average_pool_of_a_resnet_takes_the_whole_map(workers: Workers, framework: str, name: str) -> None:
    stages = run(workers, framework, name, "float64").stages
    last = "final/relu" if "_v2" in name else "stage3/block3/relu2" if "_v1" in name else "stage3/block2/relu2"
    side = {"resnet20_v1": 8, "resnet20_v2-30px": 8, "mini_resnet-4px": 1, "mini_resnet-64px": 16}[name]
    assert stages[last].shape[1:3] == (side, side)
    assert gap(stages["pool"], stages[last].mean(axis=(1, 2), keepdims=True)) < LIMITS["float64"]


@BOTH
@pytest.mark.parametrize("name", ["resnet20_v1-64px", "resnet20_v1-70px", "resnet20_v2-64px"])
def test_the_average_pool_of_the_keras_resnets_is_8x8_on_large_images_too(
    workers: Workers, framework: str, name: str
) -> None:
    """As in their code, whose default stride is the window: four means, and what is left of a map of 18x18 unused."""
    stages = run(workers, framework, name, "float64").stages
    x = stages["final/relu" if "_v2" in name else "stage3/block3/relu2"]
    assert x.shape[1:3] == ((18, 18) if name.endswith("70px") else (16, 16))
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        window = x[:, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
        assert gap(stages["pool"][:, row, column], window.mean(axis=(1, 2))) < LIMITS["float64"]
    assert stages["pool"].shape[1:3] == (2, 2)


@BOTH
def test_the_first_bottleneck_takes_the_stem_as_it_is(workers: Workers, framework: str) -> None:
    """The others start with batch norm and ReLU; every projection takes the block's input before these."""
    forward_run = run(workers, framework, "resnet20_v2", "float64")
    for block, x, projected, stride in (
        ("stage1/block1", "stem/relu", "stem/relu", 1),
        ("stage2/block1", "stage2/block1/relu1", "stage1/block2/add", 2),
    ):
        for layer, source in (("conv1", x), ("project", projected)):
            kernel, bias = (forward_run.state[f"{block}/{layer}/{kind}"] for kind in ("kernel", "bias"))
            expected = conv2d(forward_run.stages[source], kernel, bias, stride=stride, padding="same")
            assert gap(forward_run.stages[f"{block}/{layer}"], expected) < LIMITS["float64"], (block, layer)
    inner = forward_run.stages["stage1/block2/relu1"]
    assert gap(inner, forward_run.stages["stage1/block1/add"]) > 0.1


def sequence(workers: Workers, name: str, prefix: str) -> str:
    """The kinds of the layers below a prefix, in order."""
    layers = workers["paddle"].describe(name).layers
    return " ".join(layer["kind"] for layer in layers if layer["name"].startswith(prefix))


UNIT = "conv batch_norm relu"


@pytest.mark.parametrize(
    ("name", "prefix", "expected"),
    [
        ("vgg16_keras", "group1/", f"{UNIT} dropout {UNIT} max_pool"),
        ("vgg16_keras", "group3/", f"{UNIT} dropout {UNIT} dropout {UNIT} max_pool"),
        ("vgg16_keras", "drop", "dropout"),
        ("vgg16_keras", "head/", "flatten dense batch_norm relu dropout dense"),
        ("vgg16", "head/", "flatten dense batch_norm relu dropout dense dense"),
        ("vgg16_bigconv", "group", " ".join([f"{UNIT} dropout max_pool"] * 5)),
        ("vgg16_bigconv", "head/", "flatten dense batch_norm relu dropout dense"),
        ("vgg16_slim", "head/", "flatten dense relu dropout dense relu dropout dense"),
        ("mini_vgg", "group5/", f"{UNIT} {UNIT} max_pool"),
        ("mini_vgg", "head/", "flatten dense relu dense relu dense"),
        ("mini_resnet", "stage2/block1/", f"{UNIT} conv batch_norm conv batch_norm add relu"),
        ("mini_resnet_nobn", "stage2/block1/", "conv relu conv conv add relu"),
        ("resnet20_v2", "stage1/block1/", f"conv batch_norm relu {UNIT} conv conv add"),
        ("resnet20_v2", "stage1/block2/", f"batch_norm relu {UNIT} {UNIT} conv add"),
        ("resnet20_v2", "stage2/block1/", f"batch_norm relu {UNIT} {UNIT} conv conv add"),
        ("resnet20_v2", "final/", "batch_norm relu"),
        ("alexnet", "group", "conv relu max_pool lrn conv relu lrn max_pool"),
        ("alexnet", "head/", "flatten dense relu dense relu dense"),
    ],
)
def test_layers_are_in_the_order_of_the_listing(workers: Workers, name: str, prefix: str, expected: str) -> None:
    assert sequence(workers, name, prefix) == expected
