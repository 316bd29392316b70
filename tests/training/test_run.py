"""Training: the same batches, masks and update rules in both frameworks."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest

from parity.catalogue.networks import NETWORKS
from parity.catalogue.recipes import RECIPES, Optimizer, Schedule, decayed, learning_rates, trainer_settings
from parity.data.batches import plan_arrays, prepared, reference_digest
from parity.data.dataset import Dataset
from parity.numerics.arrays import pack
from parity.numerics.tolerance import derive_limits, perturb
from parity.training.run import Outcome, Progress, Settings, train
from parity.weights.initializers import training_state
from parity.weights.state import State
from parity.workers.errors import WorkerError
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.pool import Workers
from parity.workers.worker import Worker

if TYPE_CHECKING:
    from tests.conftest import FaultyPair

FLOAT32_STEPS = 2e-4  # of an array's scale: how far two float32 runs may part in three steps; chosen, not derived


def trained_weights(
    workers: Sequence[Worker],
    dataset: Dataset,
    name: str,
    recipe_name: str,
    rates: list[float],
    precision: str = "float32",
    draw: np.random.Generator | None = None,
) -> list[State]:
    """Each worker's weights after one step for every rate; `draw` moves the first ones by float32 rounding."""
    recipe = RECIPES[recipe_name]
    few = dataset.limited(16 * len(rates))
    exported = []
    for worker in workers:
        description = worker.describe(name)
        state = training_state(description.entries, recipe.init, 0)
        state = {key: array.astype(precision) for key, array in state.items()}
        state = perturb(state, draw) if draw else state
        settings = trainer_settings(recipe, batch=16, precision=precision)
        arrays = pack(state=state, data=prepared(few, recipe))
        worker.start_training(name, 0, arrays, settings)
        plan = plan_arrays(few, recipe, 16, 0, 0, description.dropout)
        plan["rate"] = np.array(rates, np.float32)
        worker.train_epoch(name, plan)
        exported.append(worker.export_training(name).arrays)
    return exported


def test_what_a_training_cannot_go_on_from_changes_nothing(workers: Workers, dataset: Dataset) -> None:
    """A memory of another update rule, with weights that fit; weights without an array, with a memory that fits."""
    for worker in (workers[name] for name in workers):
        trained_weights([worker], dataset, "lenet5", "paddle_vgg", [1e-3])
        before, exported = worker.digest_training("lenet5"), worker.export_training("lenet5", optimizer=True)
        state = {name: array + 1 for name, array in exported.state.items()}
        memory = {name: array + 1 for name, array in exported.optimizer.items()}
        of_another_rule = {name.replace("velocity/", "m/"): array for name, array in memory.items()}
        for arrays, says in (
            (pack(state=state, optimizer=of_another_rule), "are missing or extra"),
            (pack(state=dict(list(state.items())[1:]), optimizer=memory), "missing: "),
        ):
            with pytest.raises(WorkerError, match=says):
                worker.load_training("lenet5", arrays)
            assert worker.digest_training("lenet5") == before


def test_steps_in_one_call_are_the_steps_one_at_a_time(workers: Workers, dataset: Dataset) -> None:
    """The losses of every step are read one call at a time; without them a call takes as many steps as it has time."""
    recipe, few = RECIPES["mini"], dataset.limited(16 * 12)
    for worker in (workers[name] for name in workers):
        description = worker.describe("lenet5")
        arrays = pack(state=training_state(description.entries, recipe.init, 0), data=prepared(few, recipe))
        plan = plan_arrays(few, recipe, 16, 0, 0, description.dropout)
        digests, means = [], []
        for losses in (True, False):
            worker.start_training("lenet5", 0, arrays, trainer_settings(recipe, batch=16))
            trained = worker.train_epoch("lenet5", plan, losses=losses)
            assert trained.images == 16 * 12
            assert len(trained.losses) == (12 if losses else 0)
            digests.append(worker.digest_training("lenet5"))
            means.append(trained.loss)
        assert digests[0] == digests[1]
        assert means[0] == pytest.approx(means[1], rel=12 * 2**-24)  # twelve float32 sums, against float64 ones


def test_xla_trains_as_the_graph_does(workers: Workers, dataset: Dataset) -> None:
    worker, recipe, few = workers["tensorflow"], RECIPES["mini"], dataset.limited(32)
    description = worker.describe("lenet5")
    state = {
        key: array.astype(np.float64) for key, array in training_state(description.entries, recipe.init, 0).items()
    }
    plan = plan_arrays(few, recipe, 16, 0, 0, description.dropout)
    trained = {}
    for mode in FRAMEWORKS["tensorflow"].modes:
        settings = trainer_settings(recipe, batch=16, mode=mode, precision="float64")
        assert worker.start_training("lenet5", 0, pack(state=state, data=prepared(few, recipe)), settings) == mode
        worker.train_epoch("lenet5", plan)
        trained[mode] = worker.export_training("lenet5").state
    graph, xla = trained.values()
    for name, array in graph.items():
        np.testing.assert_allclose(xla[name], array, rtol=0, atol=1e-12 * np.abs(array).max(), err_msg=name)
    assert any((graph[name] != state[name]).any() for name in state)


@pytest.mark.parametrize("framework", list(FRAMEWORKS))
def test_a_mode_that_the_framework_lacks_is_refused_with_those_it_has(
    framework: str, workers: Workers, dataset: Dataset
) -> None:
    worker, recipe = workers[framework], RECIPES["mini"]
    few = dataset.limited(16)
    with pytest.raises(WorkerError) as error:
        worker.start_training("lenet5", 0, pack(data=prepared(few, recipe)), trainer_settings(recipe, mode="other"))
    assert all(repr(mode) in str(error.value) for mode in FRAMEWORKS[framework].modes)


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("lenet5", "paddle_vgg"),  # momentum, decay of everything
        ("lenet5", "keras_vgg"),  # nesterov
        ("lenet5", "mini"),  # Adam, crops and flips
        ("lenet5", "keras_resnet"),  # Adam with decay of conv kernels, mean image
        # batch norm; not by Adam, which blows the rounding of zero gradients up
        pytest.param("resnet20_v1", "paddle_vgg", marks=pytest.mark.slow),
        ("mini_inception", "paddle_vgg"),  # dropout on maps
    ],
)
def test_three_steps_across_a_drop_of_the_rate_give_the_same_weights(
    workers: Workers, dataset: Dataset, name: str, recipe: str
) -> None:
    """Optimizer, weight decay, masks and running statistics: whatever differs shows in the weights."""
    rates = [1e-3, 1e-3, 1e-4]
    both = [workers[framework] for framework in workers]
    one, other = trained_weights(both, dataset, name, recipe, rates)
    assert list(one) == list(other)
    bounds = {key: FLOAT32_STEPS * max(np.abs(array).max(), 1e-2) for key, array in one.items()}
    apart = {key: np.abs(array - other[key]).max() for key, array in one.items()}
    over = [key for key in one if not apart[key] <= bounds[key]]
    # more than that only where float64 shows that rounding does it: Adam divides small gradients by themselves
    if over:
        oracle, _ = trained_weights(both, dataset, name, recipe, rates, "float64")
        draws = [np.random.default_rng(seed) for seed in range(20)]
        moved = [trained_weights(both[:1], dataset, name, recipe, rates, "float64", draw)[0] for draw in draws]
        derived = derive_limits(oracle, moved)
        for key in over:
            limit = derived[key] * np.abs(oracle[key]).max()
            for exported in (one, other):
                assert np.abs(exported[key] - oracle[key]).max() <= limit, key


def test_weights_move_and_decay_acts(workers: Workers, dataset: Dataset) -> None:
    """The comparison above would also hold for a training that does nothing."""
    both = [workers[framework] for framework in workers]
    decaying, _ = trained_weights(both, dataset, "lenet5", "paddle_vgg", [1e-3])
    plain, _ = trained_weights(both, dataset, "lenet5", "keras_vgg", [1e-3])
    assert any(np.abs(array - plain[name]).max() > 1e-6 for name, array in decaying.items())


@pytest.fixture(scope="module")
def runs(workers: Workers, dataset: Dataset) -> dict[str, Outcome]:
    """lenet5 for two epochs on 400 images, in each framework."""
    few = dataset.limited(400)
    return {name: train(workers[name], "lenet5", few, Settings(epochs=2, seed=3)) for name in workers}


def test_both_frameworks_start_from_the_same_weights_and_see_the_same_batches(runs: dict[str, Outcome]) -> None:
    """Bit-identical, and identical to the numpy reference (else there would be a problem in the record)."""
    paddle, tensorflow = (runs[name].record for name in ("paddle", "tensorflow"))
    assert paddle.problems == tensorflow.problems == []
    assert len(paddle.batches_digest) == len(paddle.initial_digest) == 64
    assert paddle.batches_digest == tensorflow.batches_digest
    assert paddle.initial_digest == tensorflow.initial_digest


# TensorFlow keeps the images in another type on a GPU; only that, on the CPU.
AS_ON_A_GPU = """
own_settings, make = device.settings, Trainer.__init__

def settings():
    return own_settings() | {"device": "gpu"}

device.settings = settings

def made(self, *args, **options):
    make(self, *args, **options)
    assert self.images.dtype == tf.float16

Trainer.__init__ = made
"""


def test_images_as_they_are_kept_on_a_gpu_make_the_same_batches_and_training(
    faulty_pair: FaultyPair, dataset: Dataset, runs: dict[str, Outcome]
) -> None:
    worker = faulty_pair("tensorflow", {"tf_impl.training": AS_ON_A_GPU})["tensorflow"]
    record = train(worker, "lenet5", dataset.limited(400), Settings(epochs=2, seed=3)).record
    usual = runs["tensorflow"].record
    assert record.problems == []
    assert record.batches_digest == usual.batches_digest
    assert record.weights_digest == usual.weights_digest


def test_losses_of_the_two_frameworks_agree(runs: dict[str, Outcome]) -> None:
    """Eight float32 steps in, the losses still share four digits."""
    for first, second in zip(*(runs[name].record.epochs for name in runs), strict=True):
        for key in ("train_loss", "test_loss"):
            assert getattr(first, key) == pytest.approx(getattr(second, key), rel=2e-4)
        assert first.seconds > 0
        assert 0 <= first.test_accuracy <= 1


def test_another_seed_gives_other_weights_and_other_batches(workers: Workers, dataset: Dataset) -> None:
    """The seed reaches both."""
    few = dataset.limited(200)
    one, other = (train(workers["tensorflow"], "lenet5", few, Settings(epochs=1, seed=seed)).record for seed in (1, 2))
    assert one.initial_digest != other.initial_digest
    assert one.batches_digest != other.batches_digest


def test_batches_that_are_not_the_reference_are_noticed(
    workers: Workers, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker mirrors images, the reference is made without."""
    mini, few = RECIPES["mini"], dataset.limited(200)
    unmirrored = dataclasses.replace(mini, augmentation=dataclasses.replace(mini.augmentation, flip=False))
    other = reference_digest(few, unmirrored, 100, 0)
    assert other != reference_digest(few, mini, 100, 0)
    monkeypatch.setattr("parity.training.run.reference_digest", lambda *_: other)
    record = train(workers["tensorflow"], "lenet5", few, Settings(epochs=1)).record
    assert any("not bit-identical" in problem for problem in record.problems)


def test_a_killed_worker_leaves_the_epochs_so_far(workers: Workers, dataset: Dataset) -> None:
    """A real SIGKILL in the second epoch: one finished epoch, no weights, and the reason."""
    worker = workers["paddle"]

    def kill(progress: Progress) -> None:
        if progress.record is not None and worker.pid:
            os.kill(worker.pid, signal.SIGKILL)

    outcome = train(worker, "lenet5", dataset.limited(200), Settings(epochs=3), on_progress=kill)
    assert len(outcome.record.epochs) == 1
    assert outcome.weights is None
    assert "SIGKILL" in outcome.record.problems[0]


def test_a_data_set_smaller_than_a_batch_is_refused(workers: Workers, dataset: Dataset) -> None:
    """Nothing to train on is an error, not a run of no steps."""
    with pytest.raises(ValueError, match="batch 100"):
        train(workers["tensorflow"], "lenet5", dataset.limited(50), Settings(epochs=1))


def test_learning_rates_follow_the_documents() -> None:
    """Epochs are counted from 0 and the Keras listing's comparison is >: epoch 81 is the first with a tenth."""
    keras = RECIPES["keras_resnet"].schedule
    first = {epoch: float(learning_rates(keras, epoch, 1)[0]) for epoch in (0, 80, 81, 120, 121, 160, 161, 180, 181)}
    expected = {0: 1e-3, 80: 1e-3, 81: 1e-4, 120: 1e-4, 121: 1e-5, 160: 1e-5, 161: 1e-6, 180: 1e-6, 181: 5e-7}
    assert first == pytest.approx(expected)
    mini = RECIPES["mini"].schedule
    assert [float(learning_rates(mini, epoch, 1)[0]) for epoch in (19, 20, 40)] == pytest.approx(
        [1e-3, 1e-3 / 3, 1e-3 / 9]
    )
    decay = learning_rates(Schedule(0.1, inverse_time=0.5), 1, 2)  # steps 2 and 3
    assert decay == pytest.approx([0.1 / 2, 0.1 / 2.5])


def test_scopes_of_weight_decay() -> None:
    """Biases and batch norm decay only where everything does."""
    assert decayed("head/fc1/bias", "dense", "all")
    assert decayed("head/fc1/kernel", "dense", "kernels")
    assert not decayed("head/fc1/bias", "dense", "kernels")
    assert not decayed("head/fc1/kernel", "dense", "conv kernels")
    assert decayed("stem/conv/kernel", "conv", "conv kernels")
    with pytest.raises(ValueError, match="unknown scope"):
        decayed("a/kernel", "conv", "everything")


def test_every_network_has_a_recipe() -> None:
    """By a name that exists, with an optimizer that both twins know."""
    for network in NETWORKS.values():
        assert RECIPES[network.recipe].optimizer.kind in ("sgd", "momentum", "nesterov", "adam")
    assert Optimizer("adam").epsilon == np.float32(1e-8)
