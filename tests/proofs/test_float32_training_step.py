"""Level 8: the float32 step of correct twins passes; what is wrong in float32 only is seen there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

from parity.catalogue.networks import NETWORKS
from parity.data.dataset import Dataset
from parity.numerics.comparison import Comparison, Gap, compare
from parity.proofs import float32_training_step, layer_gradients
from parity.proofs.context import ProofContext
from parity.proofs.float32_training_step import LARGEST_LIMIT, float32_step
from parity.proofs.layer_gradients import apart, gradients_alone, probes_of
from parity.proofs.single_steps import TrainerState, by_the_rule, counter_problems, run_step
from parity.proofs.train_mode import plan_of, recipe_for
from parity.workers.pool import Workers

if TYPE_CHECKING:
    from tests.conftest import FaultyPair

# In float32, every third step is half as large: no layer alone shows it, and no float64 run.
EVERY_THIRD = """
_apply = Optimizer.apply
def apply(self, rate):
    self.count = getattr(self, "count", 0) + 1
    single = self.slots[0].entry.dtype == "float32" and len(self.slots) > 1
    _apply(self, rate / 2 if single and self.count % 3 == 0 else rate)
Optimizer.apply = apply
"""


@pytest.mark.parametrize("name", ["lenet5", "mini_resnet"])
def test_correct_twins_pass(workers: Workers, dataset: Dataset, name: str) -> None:
    proof = float32_step(ProofContext(workers, NETWORKS[name], dataset))
    assert proof.passed, proof.problems
    assert (proof.level, proof.compared["steps"], proof.compared["classes"]) == (8, 6, 10)
    assert all(count > 0 for count in proof.compared.values())
    assert set(proof.frameworks) == set(workers)
    assert proof.limit is not None
    assert 0 < proof.limit <= LARGEST_LIMIT


def test_what_the_optimizer_does_wrong_in_float32_only_is_seen(faulty_pair: FaultyPair, dataset: Dataset) -> None:
    pair = faulty_pair("paddle", {"paddle_impl.optimizers": EVERY_THIRD})
    proof = float32_step(ProofContext(pair, NETWORKS["lenet5"], dataset))
    assert not proof.passed
    assert any(re.match(r"paddle, step \d, weights by the update rule", line) for line in proof.problems)
    assert not any(line.startswith("tensorflow") for line in proof.problems)


def test_gradients_of_layers_alone_are_of_every_array(workers: Workers, dataset: Dataset) -> None:
    context = ProofContext(workers, NETWORKS["mini_resnet"], dataset)
    trainable = {entry.name for entry in context.entries() if entry.trainable}
    for comparison in gradients_alone(context).values():
        assert comparison.passed, comparison.explain()
        assert trainable <= {gap.name for gap in comparison.gaps}
        assert max(gap.limit for gap in comparison.gaps) < 1e-4


def test_layers_in_parts_are_compared_as_all_at_once(
    workers: Workers, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ProofContext(workers, NETWORKS["lenet5"], dataset)
    whole = gradients_alone(context)
    monkeypatch.setattr(layer_gradients, "NUMBERS", 1)
    for name, parts in gradients_alone(context).items():
        assert parts.passed
        assert [gap.name for gap in parts.gaps] == [gap.name for gap in whole[name].gaps]


def test_a_layer_without_weights_is_fed_large_numbers_too(workers: Workers, dataset: Dataset) -> None:
    probes = probes_of(ProofContext(workers, NETWORKS["lenet5"], dataset))
    largest = {name: np.abs(array).max() for name, array in probes.inputs.items()}
    assert largest["group1/relu"] > 9000
    assert largest["group1/conv"] <= 2


def test_the_numbers_of_a_probe_are_apart(workers: Workers, dataset: Dataset) -> None:
    for count in (1, 2, 9, 10):
        numbers = np.sort(apart((count,), np.random.default_rng(0)))
        assert np.abs(numbers).min() > 0.05 / count
        assert count == 1 or np.diff(numbers).min() == pytest.approx(4 / count, rel=1e-5)
    probes = probes_of(ProofContext(workers, NETWORKS["lenet5"], dataset))
    assert probes.inputs.keys() == probes.gradients.keys()


def test_a_step_from_handed_over_memory_goes_on_from_it(workers: Workers, dataset: Dataset) -> None:
    context = ProofContext(workers, NETWORKS["lenet5"], dataset)
    recipe, plan = recipe_for(context), plan_of(context, recipe_for(context), 0)
    rows = [{name: array[index : index + 1] for name, array in plan.items()} for index in range(2)]
    drawn = dict.fromkeys(workers, TrainerState(context.state("float64")))
    first = run_step(context, recipe, drawn, rows[0], "float64")
    states = {name: taken.after for name, taken in first.items()}
    for name, taken in run_step(context, recipe, states, rows[1], "float64").items():
        rate = float(rows[1]["rate"][0])
        comparison = by_the_rule(recipe, states[name], taken, rate, 2, 2.0**-53)
        assert comparison is not None
        assert comparison.passed, comparison.explain()
        assert counter_problems(recipe, taken.after.memory, 2, 2.0**-53) == []
        wrong = by_the_rule(recipe, states[name], taken, rate, 1, 2.0**-53)
        assert wrong is not None
        assert not wrong.passed
        assert counter_problems(recipe, taken.after.memory, 3, 2.0**-53) != []


def test_of_every_array_the_smaller_gap_counts() -> None:
    one = Comparison((Gap("a", 0.5, 0.1, 1.0, 3), Gap("b", 0.01, 0.1, 1.0, 3)), ())
    other = Comparison((Gap("a", 0.01, 0.1, 1.0, 3), Gap("b", 0.5, 0.1, 1.0, 3)), ())
    assert [gap.gap for gap in float32_training_step._better(one, other).gaps] == [0.01, 0.01]
    broken = compare({"a": np.ones(2)}, {}, 0.1)
    assert float32_training_step._better(broken, other) is broken
