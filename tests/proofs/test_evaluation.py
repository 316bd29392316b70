"""Level 7: the evaluation of correct twins passes, and every way in which one can be another is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from parity.catalogue.networks import NETWORKS
from parity.data.dataset import Dataset
from parity.numerics.comparison import compare, layer_scales
from parity.numerics.losses import cross_entropies
from parity.proofs.context import ProofContext
from parity.proofs.evaluation import (
    evaluated,
    evaluation,
    evaluation_probe,
    predictions,
    rounding_limits,
    two_steps,
)
from parity.proofs.train_mode import recipe_for, start, train_rows, training_part
from parity.runtime.training_loop import evaluation_parts
from parity.training.run import Settings, train
from parity.workers.pool import Workers

if TYPE_CHECKING:
    from tests.conftest import FaultyPair

DROPPED = """
_parts = evaluation_parts
def evaluation_parts(images, batch):
    return _parts(images - 1, batch)
"""

LAST_LOSS = """
_sums = Trainer.sums
_steps = Trainer.steps
def steps(self, plan, begin, end):
    _steps(self, plan, begin, end - 1)
    self.loss_sum.assign(tf.zeros_like(self.loss_sum))
    _steps(self, plan, end - 1, end)
Trainer.steps = steps
"""

HALF_LOSS = """
_evaluation_step = Trainer.evaluation_step
def evaluation_step(self, pixels, labels):
    losses, hits, logits = _evaluation_step(self, pixels, labels)
    return losses / 2, hits, logits
Trainer.evaluation_step = evaluation_step
"""


@pytest.mark.parametrize("name", ["lenet5", "mini_resnet"])
def test_correct_twins_pass(workers: Workers, dataset: Dataset, name: str) -> None:
    proof = evaluation(ProofContext(workers, NETWORKS[name], dataset))
    assert proof.passed, proof.problems
    assert proof.level == 7
    assert all(count > 0 for count in proof.compared.values())
    assert set(proof.frameworks) == set(workers)
    assert proof.gap is not None
    assert proof.limit is not None
    assert proof.gap <= proof.limit


def test_every_position_and_an_incomplete_batch_are_looked_at(workers: Workers, dataset: Dataset) -> None:
    context = ProofContext(workers, NETWORKS["mini_resnet"], dataset)
    images, batch = len(training_part(context).test_labels), context.evaluation_batch
    assert 2 * batch < images < 3 * batch
    assert evaluation(context).compared["positions"] == batch + 1  # and the last batch alone


def test_evaluation_and_prediction_are_two_paths_to_the_same_logits(workers: Workers, dataset: Dataset) -> None:
    context = ProofContext(workers, NETWORKS["lenet5"], dataset)
    predicted = predictions(context, "float64")
    for name, result in evaluated(context, "float64", batch=7).items():
        assert np.abs(result.logits - predicted[name]).max() < 1e-12


def test_probe_weights_show_every_class_near_ties_and_large_losses(workers: Workers, dataset: Dataset) -> None:
    context = ProofContext(workers, NETWORKS["lenet5"], dataset)
    probe = evaluation_probe(context)
    labels = probe.part.test_labels.astype(int)
    for result in evaluated(context, "float64", probe).values():
        logits = result.logits
        best = logits.argmax(axis=1)
        assert set(best[best == labels]) == set(labels) == set(range(10))
        assert (best == labels).mean() == pytest.approx(0.76, abs=0.05)
        assert (best == labels)[: context.evaluation_batch].sum() > 256  # more than a byte counts
        assert np.abs(logits).max() > 100
        assert cross_entropies(logits, labels).max() > 100
        second, first = np.sort(logits, axis=1)[:, -2:].T
        assert np.median((first - second) / first) < 2**-9  # what bfloat16 rounds


def test_weights_and_memory_come_back_as_they_were_sent(workers: Workers, dataset: Dataset) -> None:
    context = ProofContext(workers, NETWORKS["lenet5"], dataset)
    plan = start(context, recipe_for(context), precision="float32")
    for framework in workers:
        worker = workers[framework]
        train_rows(context, worker, plan, 0)
        digests = [worker.digest_training("lenet5")]
        sent = worker.export_training("lenet5", optimizer=True).arrays
        worker.load_training("lenet5", sent)
        digests.append(worker.digest_training("lenet5"))
        assert digests[0] == digests[1]
        assert any(name.startswith("m/") for name in digests[0])


def test_a_training_that_reports_another_mean_than_its_steps_fails(faulty_pair: FaultyPair, dataset: Dataset) -> None:
    pair = faulty_pair("tensorflow", {"tf_impl.training": LAST_LOSS})
    proof = evaluation(ProofContext(pair, NETWORKS["lenet5"], dataset))
    assert not proof.passed
    assert [line.partition(" of ")[0] for line in proof.problems] == ["tensorflow: two steps in one call report a loss"]


def test_parts_cover_all_images_once() -> None:
    assert evaluation_parts(10, 4) == [slice(0, 4), slice(4, 8), slice(8, 10)]
    assert evaluation_parts(8, 4) == [slice(0, 4), slice(4, 8)]


def test_cross_entropies_of_hand_counted_logits() -> None:
    logits = np.log([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]).astype(np.float32)
    assert cross_entropies(logits, np.array([1, 2])) == pytest.approx([-np.log(0.25), -np.log(0.8)], rel=1e-6)


def test_a_loss_that_is_not_that_of_the_logits_fails(faulty_pair: FaultyPair, dataset: Dataset) -> None:
    pair = faulty_pair("paddle", {"paddle_impl.training": HALF_LOSS})
    proof = evaluation(ProofContext(pair, NETWORKS["lenet5"], dataset))
    assert not proof.passed
    assert all(line.startswith("loss, paddle") for line in proof.problems)
    assert len(proof.problems) == 2  # in both precisions


def test_a_training_says_when_it_was_not_evaluated_on_all_images(faulty_pair: FaultyPair, dataset: Dataset) -> None:
    pair = faulty_pair("paddle", {"parity.runtime.training_loop": DROPPED})
    outcome = train(pair["paddle"], "lenet5", dataset, Settings(epochs=1))
    expected = f"epoch 1: expected {len(dataset.test_images)} test images, found {len(dataset.test_images) - 1}"
    assert outcome.record.problems == [expected]


@pytest.mark.parametrize("name", ["mini_resnet", "resnet20_v1"])
def test_sums_in_another_order_are_no_side_effect(workers: Workers, dataset: Dataset, name: str) -> None:
    """Where sums have no fixed order, as on a GPU: noise on the scale of a layer's gradients, and a real difference."""
    context = ProofContext(workers, NETWORKS[name], dataset)
    for steps in two_steps(context, exact=False, interrupted=False).values():
        limits = rounding_limits(context, steps)
        assert set(limits) == set(steps.end)
        memory = layer_scales({name: steps.end[name] for name in steps.memory})
        draw = np.random.default_rng(0)
        noise = {name: draw.uniform(-1, 1, array.shape) for name, array in steps.end.items()}
        scales = {name: memory.get(name, np.abs(array).max()) for name, array in steps.end.items()}
        for size, seen in ((1e-14, 0), (1e-6, len(scales))):
            moved = {name: array + size * scales[name] * noise[name] for name, array in steps.end.items()}
            others = compare(steps.end, moved, limits)
            assert sum(not gap.passed for gap in others.gaps) >= 0.8 * seen
            assert seen or others.passed
