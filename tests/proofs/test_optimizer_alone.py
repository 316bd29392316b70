"""The optimizer alone: the closed form of its updates, and a counter that does not last."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import pytest

from parity.catalogue.networks import NETWORKS
from parity.catalogue.recipes import Optimizer
from parity.data.dataset import Dataset
from parity.proofs.context import ProofContext
from parity.proofs.optimizer import OPTIMIZERS, rule_recipe
from parity.proofs.optimizer_alone import (
    GRADIENTS,
    CountedSteps,
    checkpoints_of,
    count_steps,
    expected_update,
    limit_of,
    updates_alone,
)
from parity.proofs.train_mode import recipe_for
from parity.workers.pool import Workers

if TYPE_CHECKING:
    from tests.conftest import FaultyPair

# Adam's steps in a signed byte
BYTE = """
_apply = Optimizer.apply
def apply(self, gradients, rate):
    _apply(self, gradients, rate)
    self.steps.assign(tf.where(self.steps == 127.0, tf.cast(-129.0, self.steps.dtype), self.steps))
Optimizer.apply = apply
"""


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_every_rule_lasts(workers: Workers, dataset: Dataset, kind: str, precision: str) -> None:
    context = ProofContext(workers, NETWORKS["lenet5"], dataset)
    comparisons = updates_alone(context, rule_recipe(kind), 300, precision)
    assert set(comparisons) == set(workers)
    for comparison in comparisons.values():
        assert comparison.passed, comparison.explain()
        assert comparison.elements == len(checkpoints_of(300)) * len(GRADIENTS)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_the_closed_form_is_what_the_rule_comes_to(kind: str) -> None:
    rule, gradient = Optimizer(kind), np.array([1e-8, -3.0, 1e4])
    velocity = m = v = np.zeros(3)
    for count in range(1, 6):
        velocity = rule.momentum * velocity + gradient
        m, v = (
            beta * old + (1 - beta) * new
            for beta, old, new in ((rule.beta1, m, gradient), (rule.beta2, v, gradient**2))
        )
        corrected = m / (1 - rule.beta1**count) / (np.sqrt(v / (1 - rule.beta2**count)) + rule.epsilon)
        by_hand = {
            "sgd": gradient,
            "momentum": velocity,
            "nesterov": gradient + rule.momentum * velocity,
            "adam": corrected,
        }[kind]
        assert expected_update(rule, 0.1, gradient, count) == pytest.approx(0.1 * by_hand, rel=1e-12)


def test_checkpoints_are_where_counters_wrap() -> None:
    assert checkpoints_of(1) == [1]
    assert checkpoints_of(300) == [1, 2, 3, 4, 5, 8, 9, 16, 17, 32, 33, 64, 65, 128, 129, 256, 257, 300]


def test_the_limit_is_tight_enough_for_a_wrong_rule() -> None:
    for kind in OPTIMIZERS:
        rule = Optimizer(kind)
        assert limit_of(rule, 2.0**-24) < 1e-3
        other = Optimizer(kind, momentum=0.99, beta1=0.5, epsilon=1e-3)
        if kind != "sgd":
            ratio = expected_update(other, 0.1, GRADIENTS, 5) / expected_update(rule, 0.1, GRADIENTS, 5)
            assert np.abs(ratio - 1).max() > 10 * limit_of(rule, 2.0**-24), asdict(rule)


def test_a_counter_that_wraps_is_seen_at_the_step_where_it_does(faulty_pair: FaultyPair, dataset: Dataset) -> None:
    pair = faulty_pair("tensorflow", {"tf_impl.optimizers": BYTE})
    context = ProofContext(pair, NETWORKS["lenet5"], dataset)
    comparisons = updates_alone(context, recipe_for(context), 300, "float32")
    assert comparisons["paddle"].passed
    assert comparisons["tensorflow"].first_failure is not None
    assert comparisons["tensorflow"].first_failure.name == "step 128"


def test_networks_share_what_a_rule_did_alone(workers: Workers, dataset: Dataset) -> None:
    context = ProofContext(workers, NETWORKS["lenet5"], dataset)
    first = count_steps(context, recipe_for(context))
    other = ProofContext(workers, NETWORKS["mini_vgg"], dataset, 3, context.updates)
    assert count_steps(other, recipe_for(other)) is first
    assert first == CountedSteps(80 * (len(dataset.train_images) // 100), [])
