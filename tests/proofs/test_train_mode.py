"""Level 4 to 6: correct twins pass; a real fault in one twin's training is seen by the level that must see it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from parity.catalogue.networks import network
from parity.catalogue.recipes import RECIPES, Optimizer, Recipe, Schedule
from parity.data.dataset import Dataset
from parity.diagnosis.prove import prove, prove_rule
from parity.proofs.context import ProofContext
from parity.proofs.optimizer import OPTIMIZERS, boundary_rates, optimizer_steps, rule_recipe
from parity.proofs.train_mode import STEPS
from parity.records.levels import LEVELS
from parity.records.records import Proof, RuleProof
from parity.workers.pool import Workers

if TYPE_CHECKING:
    from tests.conftest import FaultyPair

BATCH_NORMS = {"lenet5": 0, "mini_inception": 1, "mini_resnet": 15}

LAYERS = """
_batch_norm = batch_norm
def batch_norm(x, name, facts):  # mini_inception: Keras's own momentum instead of the catalogue's
    y = _batch_norm(x, name, facts)
    if name == "stem.bn" and facts.momentum < 0.95:
        y._keras_history.operation.momentum = 0.99
    return y

def _move(self, running, batch):  # resnet20_v1, fused kernel only: the running variance stays unbiased
    kind = running.name.rpartition("/")[2]
    count = 4.0 * 6.0 * 6.0
    batch = batch * (count / (count - 1.0)) if "variance" in kind else batch
    running.assign(running * self.momentum + batch * (1.0 - self.momentum))
FusedBatchNorm._move = _move

_relu = relu
def relu(x, name):  # mini_inception: the same values, but no gradient beyond this layer
    y = _relu(x, name)
    if name == "inception3a.conv1_relu":
        y = keras.layers.Lambda(tf.stop_gradient, name="stop")(y)
    return y
"""

DROPOUT = """
_call = SharedDropout.call
def call(self, x, training=False):  # the rate read as the probability to keep
    rate, self.rate = self.rate, 1.0 - self.rate
    try:
        return _call(self, x, training)
    finally:
        self.rate = rate
SharedDropout.call = call
"""

OPTIMIZER = """
_init = Optimizer.__init__
def __init__(self, rule, slots, decays):  # sgd: half of the decay; momentum: a decay of everything
    if rule["kind"] == "sgd":
        decays = [decay / 2 for decay in decays]
    if rule["kind"] == "momentum":
        decays = [max(decays)] * len(decays)
    _init(self, rule, slots, decays)

def _momentum_update(self, rate):
    def update(index, variable, gradient):
        momentum, velocity = self.rule["momentum"], self.kept["velocity"][index]
        if self.rule["kind"] == "nesterov":  # the rate folded into the velocity, as Keras does
            velocity.assign(momentum * velocity + rate * gradient)
            variable.assign_sub(momentum * velocity + rate * gradient)
        else:
            velocity.assign(momentum * velocity + gradient)
            variable.assign_sub(rate * velocity)
    return update

def _adam_update(self, rate):  # epsilon added to the uncorrected root, as Keras does
    one, two = self.rule["beta1"], self.rule["beta2"]
    rate = rate * tf.sqrt(1.0 - tf.pow(tf.cast(two, rate.dtype), self.steps))
    rate = rate / (1.0 - tf.pow(tf.cast(one, rate.dtype), self.steps))
    def update(index, variable, gradient):
        m, v = self.kept["m"][index], self.kept["v"][index]
        m.assign(one * m + (1.0 - one) * gradient)
        v.assign(two * v + (1.0 - two) * gradient * gradient)
        variable.assign_sub(rate * m / (tf.sqrt(v) + self.rule["epsilon"]))
    return update

for fault in (__init__, _momentum_update, _adam_update):
    setattr(Optimizer, fault.__name__, fault)
"""

BOUNDARY = """
_steps = Trainer.steps
def steps(self, plan, begin, end):  # the rate changes one step late
    late = tf.concat([plan["rate"][:1], plan["rate"][:-1]], axis=0)
    _steps(self, plan | {"rate": late}, begin, end)
Trainer.steps = steps
"""

KILLED = """
import os, signal
Trainer.steps = lambda self, plan, begin, end: os.kill(os.getpid(), signal.SIGKILL)
"""

DECAY_OF_BIASES = """
_init = Optimizer.__init__
def __init__(self, rule, slots, decays):  # biases before batch norms decay, too, which changes little else
    names = [slot.entry.name for slot in slots]
    before = ["/conv" in name and name.endswith("/bias") for name in names]
    _init(self, rule, slots, [max(decays) if bias else decay for bias, decay in zip(before, decays)])
Optimizer.__init__ = __init__
"""


def proofs(workers: Workers, name: str, dataset: Dataset, *levels: int) -> dict[int, Proof]:
    context = ProofContext(workers, network(name), dataset)
    return {proof.level: proof for proof in prove(context, levels or (4, 5, 6))}


def steps_by(workers: Workers, dataset: Dataset, recipe: Recipe) -> Proof:
    return optimizer_steps(ProofContext(workers, network("lenet5"), dataset), recipe)


@pytest.mark.parametrize("name", BATCH_NORMS)
def test_correct_twins_pass(workers: Workers, dataset: Dataset, name: str) -> None:
    by_level = proofs(workers, name, dataset)
    assert list(by_level) == [4, 5, 6]
    for level, proof in by_level.items():
        assert proof.passed, proof.problems
        assert proof.title.startswith(LEVELS[level])
        assert proof.gap is not None
        assert proof.limit is not None
        assert 0 < proof.gap <= proof.limit
        assert all(count > 0 for count in proof.compared.values())
    norms = BATCH_NORMS[name]
    assert by_level[4].compared.get("running statistics", 0) == 2 * norms
    assert by_level[4].compared.get("batch norms alone, tensorflow float32", 0) == 3 * norms
    assert by_level[4].compared.get("dropout masks", 0) == (1 if name == "mini_inception" else 0)
    assert by_level[5].compared["elements"] == network(name).trainable
    assert by_level[6].compared["elements"] == network(name).params
    assert by_level[6].compared["steps"] == STEPS


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_every_update_rule_agrees_across_a_change_of_the_rate(workers: Workers, dataset: Dataset, kind: str) -> None:
    proof = steps_by(workers, dataset, rule_recipe(kind))
    assert proof.passed, proof.problems
    assert proof.title == f"optimizer steps: {kind}"


def test_an_update_rule_is_proven_as_itself_and_not_as_its_network(workers: Workers, dataset: Dataset) -> None:
    proof = prove_rule(ProofContext(workers, network("lenet5"), dataset), "nesterov")
    assert proof.passed, proof.problems
    assert (type(proof), proof.kind, proof.rule) == (RuleProof, "update rule", "nesterov")
    assert LEVELS[proof.level] == "optimizer steps"
    assert proof.seconds > 0


def test_rates_that_leave_no_numbers_are_lowered_and_the_title_says_so(workers: Workers, dataset: Dataset) -> None:
    recipe = replace(rule_recipe("sgd"), schedule=Schedule(300.0, drops=((1, 0.1),)))
    proof = optimizer_steps(ProofContext(workers, network("lenet5"), dataset), recipe)
    assert proof.passed, proof.problems
    assert proof.title == "optimizer steps: sgd, rates times 0.01"


def test_a_wrong_momentum_of_the_running_statistics_is_seen_by_level_four_alone(
    faulty_pair: FaultyPair, dataset: Dataset
) -> None:
    pair = faulty_pair("tensorflow", {"tf_impl.layers": LAYERS})
    by_level = proofs(pair, "mini_inception", dataset, 1, 2, 3, 4)
    assert all(by_level[level].passed for level in (1, 2, 3))
    assert any(
        line.startswith("running statistics: 2 of 2") and "'stem/bn/mean'" in line for line in by_level[4].problems
    )


def test_a_fused_kernel_with_another_variance_is_seen_in_float32(faulty_pair: FaultyPair, dataset: Dataset) -> None:
    """float64 takes another path, which is right: the batch norms alone in float32 tell it."""
    pair = faulty_pair("tensorflow", {"tf_impl.layers": LAYERS})
    (line,) = proofs(pair, "resnet20_v1", dataset, 4)[4].problems
    assert line.startswith("batch norms alone, tensorflow float32, against numpy: 19 of 57 stages differ")
    assert "'stem/bn/variance'" in line


def test_a_gradient_that_is_cut_off_is_seen_by_level_five(faulty_pair: FaultyPair, dataset: Dataset) -> None:
    pair = faulty_pair("tensorflow", {"tf_impl.layers": LAYERS})
    by_level = proofs(pair, "mini_inception", dataset, 2, 5)
    assert by_level[2].passed
    assert not by_level[5].passed
    assert any("'inception3a/conv1/kernel'" in line for line in by_level[5].problems)


def test_a_worker_that_dies_in_a_step_gives_no_answer_and_is_no_difference(
    faulty_pair: FaultyPair, dataset: Dataset
) -> None:
    """Its forward pass agrees."""
    proof = proofs(faulty_pair("tensorflow", {"tf_impl.training": KILLED}), "lenet5", dataset, 4)[4]
    assert not proof.passed
    assert proof.compared == {}
    assert "TensorFlow, network lenet5, step 'train_epoch': the worker was killed by SIGKILL" in proof.problems[0]


def test_a_rate_read_as_the_probability_to_keep_is_reported_at_its_dropout(
    faulty_pair: FaultyPair, dataset: Dataset
) -> None:
    pair = faulty_pair("tensorflow", {"tf_impl.layers": DROPOUT})
    by_level = proofs(pair, "mini_inception", dataset, 2, 4)
    assert by_level[2].passed
    assert by_level[4].first_failure == "drop"


@pytest.mark.parametrize(
    ("kind", "trap"),
    [("sgd", "half of the decay"), ("momentum", "decay of biases"), ("nesterov", "rate in the velocity"),
     ("adam", "epsilon hat")],
)  # fmt: skip
def test_a_wrong_update_rule_is_seen(faulty_pair: FaultyPair, dataset: Dataset, kind: str, trap: str) -> None:
    pair = faulty_pair("tensorflow", {"tf_impl.optimizers": OPTIMIZER})
    proof = steps_by(pair, dataset, rule_recipe(kind))
    assert not proof.passed, trap
    assert proof.gap is not None
    assert proof.gap > 1e-8  # ten times the limit and more


def test_a_rate_folded_into_the_velocity_shows_in_the_memory_alone_while_the_rate_stays(
    faulty_pair: FaultyPair, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the boundary is for: without it the two rules come to the same weights."""
    monkeypatch.setattr("parity.proofs.optimizer.boundary_rates", lambda _: np.full(STEPS, 0.01, np.float32))
    pair = faulty_pair("tensorflow", {"tf_impl.optimizers": OPTIMIZER})
    proof = steps_by(pair, dataset, rule_recipe("nesterov"))
    assert not proof.passed
    assert all(line.startswith(("large numbers", "tiny numbers")) for line in proof.problems)
    assert any("'velocity/" in line for line in proof.problems)


def test_where_the_limit_is_exceeded_rounding_itself_is_measured(
    workers: Workers, faulty_pair: FaultyPair, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no limit at all correct twins pass by the derived one, and a wrong rule still does not."""
    monkeypatch.setattr("parity.proofs.optimizer.UPDATE_LIMIT", 0.0)
    proof = steps_by(workers, dataset, rule_recipe("momentum"))
    assert proof.passed, proof.problems
    assert proof.limit is not None
    assert 0 < proof.limit < 1e-9
    wrong = steps_by(faulty_pair("tensorflow", {"tf_impl.optimizers": OPTIMIZER}), dataset, rule_recipe("momentum"))
    assert not wrong.passed


@pytest.mark.slow
def test_the_larger_limits_under_adam_hide_no_decay_of_biases(
    faulty_pair: FaultyPair, workers: Workers, dataset: Dataset
) -> None:
    """Every convolution of resnet20_v1 has a bias before a batch norm, whose rounding Adam amplifies."""
    entry = network("resnet20_v1")
    assert optimizer_steps(ProofContext(workers, entry, dataset)).passed
    pair = faulty_pair("tensorflow", {"tf_impl.optimizers": DECAY_OF_BIASES})
    wrong = optimizer_steps(ProofContext(pair, entry, dataset))
    assert not wrong.passed
    assert wrong.first_failure in ("stem/conv/bias", "m/stem/conv/bias")


def test_a_boundary_one_step_late_is_seen(faulty_pair: FaultyPair, dataset: Dataset) -> None:
    pair = faulty_pair("tensorflow", {"tf_impl.training": BOUNDARY})
    proof = steps_by(pair, dataset, rule_recipe("sgd"))
    assert not proof.passed


def test_rates_cross_the_first_change_of_the_schedule() -> None:
    assert boundary_rates(RECIPES["keras_resnet"].schedule).tolist() == pytest.approx([1e-3] * 5 + [1e-4] * 5)
    assert boundary_rates(RECIPES["mini"].schedule).tolist() == pytest.approx([1e-3] * 5 + [1e-3 / 3] * 5)
    assert boundary_rates(Schedule(0.01)).tolist() == pytest.approx([0.01] * 5 + [0.001] * 5)


def test_constants_of_update_rules_are_float32_numbers() -> None:
    """A float64 model with the decimal 0.9 would part from one with Paddle's float32 attribute."""
    for recipe in RECIPES.values():
        numbers = [recipe.l2, *(getattr(recipe.optimizer, name) for name in ("momentum", "beta1", "beta2", "epsilon"))]
        assert all(float(np.float32(number)) == number for number in numbers)
    assert Optimizer("momentum").momentum != 0.9
