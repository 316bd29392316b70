"""Recorded runs: operations that run again on other numbers, arrays that are recognised, and one noise for both."""

import numpy as np
import pytest

from parity.catalogue.user_models import ModelSpec
from parity.migration.align.recorded_graph import RecordedGraph
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.prove.inputs import designed_inputs
from parity.migration.prove.training import compare_training
from parity.migration.specs import FIRST, SECOND, input_specs, model_specs
from parity.numerics.arrays import Arrays, pack
from parity.numerics.comparison import relative_gap
from parity.workers.client.recorded_models import RecordedRun
from parity.workers.pool import Workers
from parity.workers.worker import Worker
from tests.migration.pairs import PAIRS
from tests.migration.verdicts import put_together

MODELS = f"{__name__.rpartition('.')[0]}.recorded_models"

BY_NAME = {pair.name: pair for pair in PAIRS}

# Of the Paddle models: recurrent, attention, pools, adaptive and resized maps, masks, noise, several inputs, buffers.
RERUN = [
    "recurrent/lstm",
    "recurrent/bidirectional",
    "recurrent/own-cell",
    "recurrent/initial-state",
    "masks/lstm",
    "masks/mean",
    "attention/layer",
    "attention/by-hand",
    "attention/cross",
    "attention/transformer",
    "images/adaptive",
    "images/squeeze-excite",
    "images/residual",
    "segmentation/resize",
    "autoencoders/tied",
    "custom_layers/buffer",
    "custom_layers/class-token",
    "random_layers/vae",
    "siamese/distance",
]


def specs(name: str) -> dict[str, ModelSpec]:
    pair = BY_NAME[name]
    return model_specs(pair.tensorflow, pair.paddle, input_specs(list(pair.inputs), pair.options.get("tokens")))


def of_inputs(run: RecordedRun) -> dict[str, int]:
    """The number of each input of the model."""
    return {value["name"]: number for number, value in enumerate(run["values"]) if value["source"] == "input"}


def rerun_on_others(worker: Worker, name: str, spec: ModelSpec) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Outputs of a run's operations on the inputs of another run, and the model's own outputs on these."""
    opened = worker.open_model(name, spec)
    one, other = (designed_inputs(spec.inputs, seed)[0].arrays for seed in (1, 2))
    assert any(not np.array_equal(one[key], other[key]) for key in one)
    run = worker.record_run(name, other)
    given = worker.read_values(name, list(of_inputs(run).values()))
    given = {key: given[str(number)] for key, number in of_inputs(run).items()}
    run = worker.record_run(name, one)
    graph = RecordedGraph(run, set(opened.arrays))
    worker.inject_values(name, {str(number): given[key] for key, number in of_inputs(run).items()})
    operations = [index for index in range(len(graph.operations)) if graph.on_data(index)]
    worker.evaluate_operations(name, operations, [])
    numbers = [number for _, number in graph.outputs]
    values = worker.read_values(name, numbers)
    own = [array for _, array in worker.run_model(name, other)]
    before = [array for _, array in worker.run_model(name, one)]
    assert not all(np.array_equal(array, first) for array, first in zip(own, before, strict=True))
    return [values[str(number)] for number in numbers], own


@pytest.mark.parametrize("name", RERUN)
def test_operations_that_run_again_give_what_the_model_gives(workers: Workers, name: str) -> None:
    for made, own in zip(*rerun_on_others(workers[SECOND], name, specs(name)[SECOND]), strict=True):
        np.testing.assert_array_equal(made, own)


def test_operations_in_place_can_run_again(workers: Workers) -> None:
    spec = ModelSpec(f"{MODELS}:paddle_in_place", input_specs([4]))
    for made, own in zip(*rerun_on_others(workers[SECOND], "in place", spec), strict=True):
        np.testing.assert_array_equal(made, own)


def test_a_value_that_is_held_is_not_overwritten_until_it_is_released(workers: Workers) -> None:
    spec = ModelSpec(f"{MODELS}:paddle_scaled", input_specs([4]))
    worker, name = workers[SECOND], "held"
    worker.open_model(name, spec)
    run = worker.record_run(name, designed_inputs(spec.inputs, 0)[0].arrays)
    first, last = run["operations"][0]["outputs"][0], run["outputs"][0][1]
    operations = list(range(len(run["operations"])))
    before = worker.read_values(name, [first, last])
    worker.inject_values(name, {str(first): np.zeros_like(before[str(first)])})
    worker.evaluate_operations(name, operations, [])
    held = worker.read_values(name, [first, last])
    assert not held[str(first)].any()
    assert not np.array_equal(held[str(last)], before[str(last)])
    worker.release_values(name, [first])
    worker.evaluate_operations(name, operations, [])
    after = worker.read_values(name, [first, last])
    for number, array in before.items():
        np.testing.assert_array_equal(after[number], array)


@pytest.mark.parametrize(
    ("framework", "target", "expected"),
    [
        (FIRST, "keras_scaled", {"wave/a", "wave/b", "hidden/kernel", "hidden/bias", "out/kernel", "out/bias"}),
        (SECOND, "paddle_scaled", {"1.a", "1.b", "0.weight", "0.bias", "2.weight", "2.bias"}),
    ],
)
def test_every_array_is_recognised_where_it_is_used(
    workers: Workers, framework: str, target: str, expected: set[str]
) -> None:
    """TensorFlow reads `a` of `0.5 * self.a * x` on the way into the product, and tells nobody."""
    spec = ModelSpec(f"{MODELS}:{target}", input_specs([4]))
    pair = RecordedPair(workers, {FIRST: spec, SECOND: spec})
    worker = workers[framework]
    opened = worker.open_model(pair.name, spec)
    assert set(opened.arrays) == expected
    if framework == FIRST:  # numbers that are not drawn are those of other arrays, too
        pair.opened[FIRST] = opened
        pair.draw()
    run = worker.record_run(pair.name, designed_inputs(spec.inputs, 0)[0].arrays)
    assert {value["name"] for value in run["values"] if value["source"] == "array"} == expected
    graph = RecordedGraph(run, expected)
    assert {name for unit in graph.units for name in unit.arrays} == expected
    taken = [graph.arrays_of(index) for index in range(len(graph.operations)) if graph.on_data(index)]
    assert frozenset().union(*taken) == expected
    assert max(map(len, taken)) <= 2  # a kernel and its bias


def aligned(workers: Workers, name: str) -> tuple[RecordedPair, Arrays]:
    pair = RecordedPair(workers, specs(name))
    return pair, put_together(pair)[0].arrays


def gap(pair: RecordedPair, inputs: Arrays) -> float:
    outputs = pair.outputs(inputs)
    return max(relative_gap(one, other) for (_, one), (_, other) in zip(outputs[FIRST], outputs[SECOND], strict=True))


@pytest.mark.parametrize("name", ["random_layers/vae", "random_layers/monte-carlo"])
def test_both_models_draw_the_same_noise(workers: Workers, name: str) -> None:
    pair, inputs = aligned(workers, name)
    assert gap(pair, inputs) < 1e-12
    once, again = pair.outputs(inputs)[FIRST], pair.outputs(inputs)[FIRST]
    np.testing.assert_array_equal(once[0][1], again[0][1])  # every run begins anew


def test_without_its_noise_a_model_gives_something_else(workers: Workers) -> None:
    pair, inputs = aligned(workers, "random_layers/vae-mean")
    assert gap(pair, inputs) > 1e-3


@pytest.mark.parametrize("name", ["random_layers/dropout", "random_layers/dropout-spatial"])
def test_both_models_drop_the_same_numbers_in_training(workers: Workers, name: str) -> None:
    pair, inputs = aligned(workers, name)
    compared = compare_training(pair, inputs)
    assert compared.passed
    assert compared.gradients is not None
    assert len(compared.gradients.gaps) == 4  # of two kernels and two biases
    # dropout acted: in inference the outputs are others
    ones = {str(i): np.ones_like(array) for i, (_, array) in enumerate(pair.outputs(inputs)[FIRST])}
    given = pack(inputs=inputs, cotangents=ones)
    for framework in (FIRST, SECOND):
        trained = workers[framework].run_training_pass(pair.name, given).outputs[0]
        assert relative_gap(trained, pair.outputs(inputs)[framework][0][1]) > 1e-3


def test_a_dropout_of_another_kind_shows_in_training(workers: Workers) -> None:
    pair, inputs = aligned(workers, "random_layers/dropout-kind")
    assert gap(pair, inputs) < 1e-12
    assert not compare_training(pair, inputs).passed


def test_gradients_that_are_zero_in_both_models_are_compared_with_other_weights(workers: Workers) -> None:
    pair, inputs = aligned(workers, "images/narrow")
    pair.use_seed(1)  # under which the ReLU of the gate gives zeros
    own = pair.workers[FIRST].read_arrays(pair.name)
    given = pack(inputs=inputs, cotangents={"0": np.ones_like(pair.outputs(inputs)[FIRST][0][1])})
    gradients = pair.workers[FIRST].run_training_pass(pair.name, given).gradients
    assert not gradients["squeeze/kernel"].any()
    compared = compare_training(pair, inputs)
    assert compared.passed
    assert not compared.unshown
    assert compared.gradients is not None
    assert {one.name for one in compared.gradients.gaps} == gradients.keys()
    assert pair.seed == 1
    again = pair.workers[FIRST].read_arrays(pair.name)
    for name, array in own.items():
        np.testing.assert_array_equal(again[name], array)
