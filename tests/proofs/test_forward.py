"""Proofs of correct twins pass; a real fault in one twin is detected, at the stage where it enters.

The faults are put into one worker's interpreter from outside (`altered_python`): the twins carry no switches.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

import parity
from parity.catalogue.networks import NETWORKS, UnknownNetworkError, network
from parity.data.dataset import Dataset
from parity.diagnosis.prove import prove
from parity.proofs.context import ProofContext
from parity.records.levels import LEVELS
from parity.records.records import Proof
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.pool import Workers

if TYPE_CHECKING:
    from tests.conftest import FaultyPair

# In each of these interpreters several networks are faulty, each in one way only.
TENSORFLOW_LAYERS = """
def batch_norm(x, name, facts):  # mini_inception: Keras's own epsilon instead of the catalogue's
    if facts is None:
        return x
    epsilon = 1e-3 if facts.epsilon < 1e-4 else facts.epsilon
    layer = keras.layers.BatchNormalization(momentum=facts.momentum, epsilon=epsilon, name=name)
    return _apply(layer, x, kind="batch_norm", epsilon=facts.epsilon, maps=len(x.shape) == 4)

class Unbiased(keras.layers.Conv2D):
    def call(self, x):
        return self.convolution_op(x, self.kernel)

_conv = conv
def conv(x, name, channels, kernel, *, stride=1, padding="same", bias=True):  # resnet20_v1: a bias that is not added
    if (name, channels) != ("stage2.block1.project", 32):
        return _conv(x, name, channels, kernel, stride=stride, padding=padding, bias=bias)
    layer = Unbiased(channels, kernel, strides=stride, padding=padding, name=name)
    return _apply(layer, x, kind="conv", stride=stride, padding=padding)

_relu = relu
def relu(x, name):  # lenet5: not a number wherever ReLU gives zero
    if name != "group2.relu":
        return _relu(x, name)
    return _apply(keras.layers.Activation(tf.sqrt, name=name), x, kind="relu")

class HalfPrecision(keras.layers.GlobalMaxPooling2D):
    def call(self, x):
        y = super().call(x)
        return tf.cast(tf.cast(y, "float16"), "float32") if y.dtype == "float32" else y

def global_max_pool(x, name):  # googlenet: half precision inside of a float32 model
    return _apply(HalfPrecision(keepdims=True, name=name), x, kind="global_max_pool")
"""

PADDLE_LAYERS = """
_conv = conv
def conv(in_channels, channels, kernel, *, stride=1, padding="same", bias=True):  # resnet20_v1: pads both sides alike
    layer = _conv(in_channels, channels, kernel, stride=stride, padding=padding, bias=bias)
    if stride == 1 or kernel == 1:
        return layer
    other = nn.Conv2D(in_channels, channels, kernel, stride, kernel // 2, weight_attr=_zeros(), bias_attr=_zeros())
    return _mark(other, **layer.spec)
"""

PADDLE_DEATH = """
_stages = Probes.stages
def stages(self, network, dtype, arrays):  # lenet5: dies in the middle of its proof
    if network == "lenet5":
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
    return _stages(self, network, dtype, arrays)
Probes.stages = stages
"""

TRANSPOSED = """
_views = Layout.views
def views(self, stored, canonical):  # lenet5: height and width of every 5x5 kernel swapped, both ways
    if stored.shape[2:] != (5, 5):
        return _views(self, stored, canonical)
    return [(stored.transpose(3, 2, 1, 0), canonical)]
Layout.views = views
"""

SWAPPED = """
ARRAY_KINDS["batch_norm"] = {"weight": "beta", "bias": "gamma", "_mean": "mean", "_variance": "variance"}  # resnet20_v1
"""

RENAMED = """
_own_layers = layers_of
def layers_of(model):  # mini_inception: a stage that is called something else
    return {name.replace("stem/pool", "stem/max"): layer for name, layer in _own_layers(model).items()}
"""

FAULTS = {
    "tensorflow": ("tensorflow", {"tf_impl.layers": TENSORFLOW_LAYERS}),
    "paddle": ("paddle", {"paddle_impl.layers": PADDLE_LAYERS, "paddle_impl.probes": PADDLE_DEATH}),
    "transfer": (
        "paddle",
        {"parity.weights.layout": TRANSPOSED, "paddle_impl.weights": SWAPPED + RENAMED},
    ),
}

Faulty = Callable[[str], Workers]


@pytest.fixture
def faulty(faulty_pair: FaultyPair) -> Faulty:
    """faulty(name) are two workers of which one runs in that faulty interpreter."""
    return lambda name: faulty_pair(*FAULTS[name])


def proofs(workers: Workers, name: str, dataset: Dataset, *levels: int) -> dict[int, Proof]:
    proven = prove(ProofContext(workers, network(name), dataset), levels or (1, 2, 3))
    return {proof.level: proof for proof in proven}


STAGES = {"lenet5": 11, "mini_inception": 63}


@pytest.mark.parametrize("name", STAGES)
def test_correct_twins_pass_every_level(workers: Workers, dataset: Dataset, name: str) -> None:
    by_level = proofs(workers, name, dataset)
    assert list(by_level) == [1, 2, 3]
    for level, proof in by_level.items():
        assert proof.passed, proof.problems
        assert proof.problems == []
        assert proof.first_failure is None
        assert (proof.network, proof.title, proof.dataset) == (name, LEVELS[level], dataset.title)
        assert proof.gap is not None
        assert proof.limit is not None
        assert 0 < proof.gap <= proof.limit
        assert proof.seconds > 0
        assert all(count > 0 for count in proof.compared.values())
    assert by_level[1].compared["elements"] > 2 * NETWORKS[name].params
    assert by_level[2].compared["stages"] == STAGES[name]
    assert by_level[3].compared["stages"] == 2 * STAGES[name]
    assert by_level[3].compared["elements"] == 2 * by_level[2].compared["elements"]
    assert by_level[2].limit == 1e-12
    assert set(by_level[3].frameworks) == set(FRAMEWORKS)
    for numbers in by_level[3].frameworks.values():
        assert numbers.gap is not None
        assert numbers.limit is not None
        assert 1e-9 < numbers.gap <= numbers.limit < 1e-3  # it is float32 on both sides, and it was measured


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 6))])
def test_correct_twins_are_not_accused_with_other_weights_and_images(
    workers: Workers, dataset: Dataset, seed: int
) -> None:
    for proof in prove(ProofContext(workers, network("lenet5"), dataset, seed)):
        assert proof.passed, proof.problems


def test_both_twins_are_given_the_same_inputs_and_another_seed_gives_others(workers: Workers, dataset: Dataset) -> None:
    one, again = (ProofContext(workers, NETWORKS["lenet5"], dataset, seed=3) for _ in range(2))
    other = ProofContext(workers, NETWORKS["lenet5"], dataset, seed=4)
    assert (one.images() == again.images()).all()
    assert (one.images() != other.images()).any()
    assert all((one.state("float32")[name] == array).all() for name, array in again.state("float32").items())
    assert (one.state("float32")["head/fc1/kernel"] != other.state("float32")["head/fc1/kernel"]).any()
    assert one.images().shape == (8, 32, 32, 3)
    assert -2 <= one.images().min() < one.images().max() <= 2


def test_an_unknown_network_is_no_proof_at_all() -> None:
    with pytest.raises(UnknownNetworkError, match="Did you mean 'lenet5'"):
        parity.check("lenet")


def test_a_wrong_batch_norm_epsilon_is_reported_at_the_first_batch_norm(faulty: Faulty, dataset: Dataset) -> None:
    by_level = proofs(faulty("tensorflow"), "mini_inception", dataset)
    assert not by_level[1].passed  # the layer alone, against numpy
    assert any(line.startswith("tensorflow, layers alone") and "'stem/bn'" in line for line in by_level[1].problems)
    assert not any(line.startswith("paddle") for line in by_level[1].problems)
    assert not by_level[2].passed
    assert by_level[2].first_failure == "stem/bn"
    assert not by_level[3].passed
    assert by_level[3].first_failure == "stem/bn"
    assert all(line.startswith("tensorflow") for line in by_level[3].problems)


def test_a_bias_that_is_not_added_is_reported_at_its_layer(faulty: Faulty, dataset: Dataset) -> None:
    """The round trip holds, since the array is there: it is only not used."""
    by_level = proofs(faulty("tensorflow"), "resnet20_v1", dataset, 1, 2)
    assert not by_level[1].passed
    assert len(by_level[1].problems) == 1
    assert (
        "tensorflow, layers alone against numpy: 1 of 61 stages differ; the first is 'stage2/block1/project'"
        in (by_level[1].problems[0])
    )
    assert not by_level[2].passed
    assert by_level[2].first_failure == "stage2/block1/project"


def test_symmetric_padding_at_stride_two_is_reported_at_its_convolution(faulty: Faulty, dataset: Dataset) -> None:
    """The shapes are the same: only values tell it."""
    by_level = proofs(faulty("paddle"), "resnet20_v1", dataset, 1, 2)
    assert not by_level[1].passed
    assert (
        "paddle, layers alone against numpy: 2 of 61 stages differ; the first is 'stage2/block1/conv1'"
        in (by_level[1].problems[0])
    )
    assert not by_level[2].passed
    assert by_level[2].first_failure == "stage2/block1/conv1"


def test_a_nan_fails_where_it_enters(faulty: Faulty, dataset: Dataset) -> None:
    by_level = proofs(faulty("tensorflow"), "lenet5", dataset, 2, 3)
    for proof in by_level.values():
        assert not proof.passed
        assert proof.first_failure == "group2/relu"
        assert proof.problems
    assert by_level[2].gap is not None
    assert math.isnan(by_level[2].gap)


def test_a_transposed_square_kernel_survives_the_round_trip_but_not_the_certificate(
    faulty: Faulty, dataset: Dataset
) -> None:
    by_level = proofs(faulty("transfer"), "lenet5", dataset, 1, 2)
    assert not by_level[1].passed
    assert not any("round trip" in line for line in by_level[1].problems)
    assert len(by_level[1].problems) == 1
    assert (
        "paddle, layers alone against numpy: 2 of 11 stages differ; the first is 'group1/conv'"
        in (by_level[1].problems[0])
    )
    assert by_level[1].first_failure == "group1/conv"
    assert by_level[2].first_failure == "group1/conv"


def test_a_swapped_pair_of_one_shape_survives_the_round_trip_but_not_the_certificate(
    faulty: Faulty, dataset: Dataset
) -> None:
    by_level = proofs(faulty("transfer"), "resnet20_v1", dataset, 1)
    assert not by_level[1].passed
    assert not any("round trip" in line for line in by_level[1].problems)
    assert any("paddle, layers alone against numpy: 19 of 61 stages differ" in line for line in by_level[1].problems)
    assert by_level[1].first_failure == "stem/bn"


def test_reduced_precision_in_one_float32_twin_is_reported_by_level_three_alone(
    faulty: Faulty, dataset: Dataset
) -> None:
    by_level = proofs(faulty("tensorflow"), "googlenet", dataset, 2, 3)
    assert by_level[2].passed, by_level[2].problems
    assert not by_level[3].passed
    assert by_level[3].first_failure == "pool"
    assert all(line.startswith("tensorflow") for line in by_level[3].problems)
    own = by_level[3].frameworks["paddle"]
    assert own.gap is not None
    assert own.limit is not None
    assert own.gap <= own.limit


def test_a_stage_that_one_twin_lacks_fails_every_level_and_raises_nowhere(faulty: Faulty, dataset: Dataset) -> None:
    by_level = proofs(faulty("transfer"), "mini_inception", dataset)
    assert list(by_level) == [1, 2, 3]
    assert not any(proof.passed for proof in by_level.values())
    assert any("layers differ" in line and "stem/max" in line for line in by_level[1].problems)
    for level in (2, 3):
        assert any("missing stage 'stem/max'" in line for line in by_level[level].problems)
        assert any("extra stage 'stem/pool'" in line for line in by_level[level].problems)


def test_a_worker_that_dies_fails_its_proofs_and_not_the_next_networks(faulty: Faulty, dataset: Dataset) -> None:
    pair = faulty("paddle")
    dead = proofs(pair, "lenet5", dataset)
    assert dead[1].passed, dead[1].problems
    for level in (2, 3):
        assert not dead[level].passed
        assert dead[level].compared == {}
        assert dead[level].gap is None
        assert len(dead[level].problems) == 1
        assert (
            "PaddlePaddle, network lenet5, step 'stages': the worker was killed by SIGKILL" in (dead[level].problems[0])
        )
        assert dead[level].seconds > 0
    for proof in proofs(pair, "mini_inception", dataset).values():
        assert proof.passed, proof.problems
