"""The designed states reach what drawn ones do not: large and tiny activations, losses and gradients, every class."""

from __future__ import annotations

import numpy as np
import pytest

from parity.catalogue.networks import NETWORKS, network
from parity.data.dataset import Dataset
from parity.proofs.context import ProofContext
from parity.proofs.extremes import CLASS, EXTREMES, LARGEST_INPUT, Extreme, extreme_plan, extreme_state, scaled_up
from parity.proofs.single_steps import TrainerState, run_step
from parity.proofs.train_mode import gradients_of, plan_of, recipe_for, start, training_part, training_stages
from parity.workers.pool import Workers

NAMES = ("lenet5", "mini_resnet", "mini_inception")  # a plain head, a sum and a concatenation before it


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("extreme", EXTREMES, ids=lambda extreme: extreme.name)
def test_what_the_designed_numbers_reach(workers: Workers, dataset: Dataset, name: str, extreme: Extreme) -> None:
    context = ProofContext(workers, NETWORKS[name], dataset)
    recipe = recipe_for(context)
    state = extreme_state(context.state("float64"), context.layers(), extreme, "float64")
    plan = extreme_plan(plan_of(context, recipe, 0), training_part(context).train_labels, extreme)
    start(context, recipe, dict.fromkeys(workers, state))
    for batch in gradients_of(context, plan).values():
        sizes = np.array([np.abs(array).max() for array in batch.gradients.values()])
        if extreme.right:
            assert 1e-8 < batch.loss < 1e-6
            assert sizes[sizes > 1e-20].min() < 1e-7
        else:
            assert batch.loss == pytest.approx(100, abs=5)
            assert sizes.max() > 1e2
    for passed in training_stages(context, plan).values():
        largest = max(float(np.abs(array).max()) for array in passed.stages.values())
        assert (largest > 1e3) == (not extreme.right)


def test_a_first_row_has_images_of_the_class_or_of_every_other(workers: Workers, dataset: Dataset) -> None:
    context = ProofContext(workers, NETWORKS["lenet5"], dataset)
    labels = training_part(context).train_labels
    large, tiny = EXTREMES
    plan = plan_of(context, recipe_for(context), 0)
    wrong = labels[extreme_plan(plan, labels, large)["order"][0]]
    assert CLASS not in wrong
    assert len(set(wrong)) == len(wrong) == 8
    assert set(labels[extreme_plan(plan, labels, tiny)["order"][0]]) == {CLASS}
    assert extreme_plan(plan, labels, large)["order"].shape == plan["order"].shape


def test_the_images_of_a_training_are_of_every_class(workers: Workers, dataset: Dataset) -> None:
    for name in ("lenet5", "vgg16", "lenet5-1000c"):  # more classes than a label's uint8 has numbers
        part = training_part(ProofContext(workers, network(name), dataset))
        assert len(set(part.train_labels)) == 10
        assert np.bincount(part.train_labels).max() - np.bincount(part.train_labels).min() <= 1


def test_scaled_up_keeps_proportions_and_zeros() -> None:
    scaled = scaled_up({"a": np.array([0.5, -2.0]), "none": np.zeros(3)})
    assert scaled["a"].tolist() == [LARGEST_INPUT / 4, -LARGEST_INPUT]
    assert not scaled["none"].any()


def test_the_frameworks_agree_on_both(workers: Workers, dataset: Dataset) -> None:
    context = ProofContext(workers, NETWORKS["lenet5"], dataset)
    recipe = recipe_for(context)
    for extreme in EXTREMES:
        state = extreme_state(context.state("float64"), context.layers(), extreme, "float64")
        plan = extreme_plan(plan_of(context, recipe, 0), training_part(context).train_labels, extreme)
        one, other = run_step(context, recipe, dict.fromkeys(workers, TrainerState(state)), plan, "float64").values()
        assert one.loss == pytest.approx(other.loss, abs=1e-10)
        assert one.after.memory.keys() & other.after.memory.keys()
