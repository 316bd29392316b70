"""Cross-evaluation: near-ties are excused by float64 and nothing else is."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from msgspec import structs

from parity.catalogue.networks import network
from parity.catalogue.recipes import recipe_of
from parity.data.dataset import Dataset
from parity.numerics.arrays import pack
from parity.records.records import Training
from parity.training.cross_evaluation import cross_evaluate
from parity.training.run import Settings, not_begun, train
from parity.weights.initializers import training_state
from parity.weights.state import State
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.pool import Workers

if TYPE_CHECKING:
    from tests.conftest import FaultyPair

HEAD = "head/logits/"


@pytest.fixture
def record(workers: Workers, dataset: Dataset) -> Training:
    """Of a training in Paddle by lenet5's recipe; its accuracies do not matter here."""
    return not_begun(workers["paddle"], "lenet5", dataset, Settings(), "").record


@pytest.fixture
def weights(workers: Workers) -> State:
    return training_state(workers["paddle"].describe("lenet5").entries, "torch", 0)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_trained_weights_predict_the_same_abroad(framework: str, workers: Workers, dataset: Dataset) -> None:
    """And at home what the training itself found; the recipe subtracts the mean image."""
    settings = Settings(recipe=recipe_of("keras_resnet"), epochs=3)
    outcome = train(workers[framework], "lenet5", dataset, settings)
    assert outcome.weights is not None
    evaluation = cross_evaluate(workers, dataset, outcome.record, outcome.weights)
    assert evaluation.passed
    assert evaluation.images == len(dataset.test_images) == 300
    assert (evaluation.trained_in, {evaluation.trained_in, evaluation.evaluated_in}) == (framework, set(FRAMEWORKS))
    assert evaluation.accuracy_home == pytest.approx(outcome.record.epochs[-1].test_accuracy, abs=1e-9)
    assert 0 < evaluation.largest_gap < 1e-5
    assert evaluation.seed == outcome.record.seed


def test_near_ties_are_listed_and_excused_by_float64(
    workers: Workers, dataset: Dataset, record: Training, weights: State
) -> None:
    """Two classes whose logits are the same but for some roundings of their kernels."""
    kernel = weights[HEAD + "kernel"]
    roundings = np.random.default_rng(0).integers(-4, 5, len(kernel))
    kernel[:, 7] = kernel[:, 2] * (1 + roundings * 2.0**-24)
    weights[HEAD + "bias"][[2, 7]] = 10  # the others have no chance
    evaluation = cross_evaluate(workers, dataset, record, weights)
    assert evaluation.differing
    assert evaluation.passed
    for image in evaluation.differing:
        assert {image.home, image.abroad} == {2, 7}
        assert 0 <= image.margin < 1e-4
        assert image.float64_agree
    assert [image.image for image in evaluation.differing] == sorted({image.image for image in evaluation.differing})
    differing = len(evaluation.differing)
    assert abs(evaluation.accuracy_home - evaluation.accuracy_abroad) * evaluation.images <= differing + 1e-9
    back = cross_evaluate(workers, dataset, structs.replace(record, framework="tensorflow"), weights)
    assert [image.image for image in back.differing] == [image.image for image in evaluation.differing]
    assert (back.accuracy_home, back.accuracy_abroad) == (evaluation.accuracy_abroad, evaluation.accuracy_home)


FAULT = """
from dataclasses import replace
_lenet5 = NETWORKS["lenet5"]
_hidden = (replace(_lenet5.design.hidden[0], relu=False), *_lenet5.design.hidden[1:])
NETWORKS["lenet5"] = replace(_lenet5, design=replace(_lenet5.design, hidden=_hidden))
"""


def test_a_twin_without_one_relu_is_not_excused(
    faulty_pair: FaultyPair, dataset: Dataset, record: Training, weights: State
) -> None:
    """Float64 does not settle what is no rounding."""
    pair = faulty_pair("tensorflow", {"parity.catalogue.networks": FAULT})
    weights = {name: array * (8 if name.endswith("kernel") else 1) for name, array in weights.items()}
    evaluation = cross_evaluate(pair, dataset, record, weights)
    assert not evaluation.problems
    assert any(not image.float64_agree for image in evaluation.differing)
    assert not evaluation.passed
    assert evaluation.largest_gap > 1e-3


def test_logits_that_are_not_finite_are_a_problem(
    workers: Workers, dataset: Dataset, record: Training, weights: State
) -> None:
    """The weights are finite, what becomes of them is not."""
    weights[HEAD + "kernel"] = np.full_like(weights[HEAD + "kernel"], 3e38)
    evaluation = cross_evaluate(workers, dataset, record, weights)
    assert [problem.partition(":")[0] for problem in evaluation.problems] == ["paddle", "tensorflow"]
    assert "300 of 300 images are not finite" in evaluation.problems[0]
    assert not evaluation.passed
    assert math.isnan(evaluation.largest_gap)


def test_logits_that_say_nothing_are_a_problem(
    workers: Workers, dataset: Dataset, record: Training, weights: State
) -> None:
    nothing = {name: np.zeros_like(array) for name, array in weights.items()}
    evaluation = cross_evaluate(workers, dataset, record, nothing)
    assert len(evaluation.problems) == 2
    assert "every logit is 0" in evaluation.problems[0]
    assert not evaluation.passed


def test_without_test_images_nothing_was_compared(
    workers: Workers, dataset: Dataset, record: Training, weights: State
) -> None:
    none = replace(dataset, test_images=dataset.test_images[:0], test_labels=dataset.test_labels[:0])
    evaluation = cross_evaluate(workers, none, record, weights)
    assert (evaluation.images, evaluation.differing) == (0, [])
    assert evaluation.problems == ["expected test images, found none: nothing was compared"]
    assert not evaluation.passed


def test_weights_that_do_not_fit_are_a_problem_that_names_the_framework(
    workers: Workers, dataset: Dataset, record: Training, weights: State
) -> None:
    del weights[HEAD + "bias"]
    evaluation = cross_evaluate(workers, dataset, record, weights)
    assert "missing: 'head/logits/bias'" in evaluation.problems[0]
    assert "PaddlePaddle" in evaluation.problems[0]
    assert not evaluation.passed


def test_the_batches_of_an_evaluation_make_no_difference(workers: Workers, dataset: Dataset, weights: State) -> None:
    """1,100 images are more than two batches, the last of which is smaller."""
    many = np.concatenate([dataset.test_images] * 4)[:1100]
    arrays = pack(state=weights, data={"images": many})
    for framework in workers:
        seen: list[int] = []
        logits = workers[framework].predict("lenet5", "float32", arrays, seen.append)
        assert logits.shape == (1100, network("lenet5").classes)
        assert seen == [500, 1000, 1100]
        assert np.abs(logits[:300] - logits[300:600]).max() < 1e-5 * np.abs(logits).max()
        assert np.abs(logits[:200] - logits[900:]).max() < 1e-5 * np.abs(logits).max()
