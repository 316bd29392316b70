"""The causes that `parity compare` names of pairs of `tests/migration/pairs`: each once, and nothing beside them."""

import pytest

from parity.workers.pool import Workers
from tests.migration.pairs import PAIRS
from tests.migration.verdicts import Outcome, compare_words

BY_NAME = {pair.name: pair for pair in PAIRS}


def outcome(workers: Workers, name: str) -> Outcome:
    return compare_words(workers, BY_NAME[name].arguments)


@pytest.mark.parametrize(
    ("name", "layer", "words"),
    [
        # a mask by another number beside functions that only one model has
        ("masks/mean-of-another-id", "mean", "number that a mask is made by: TensorFlow has 0, Paddle 1"),
        # a convolution that pads for itself beside one that pads before
        ("detection/two-heads-padding", "features", "conv padding"),
        # maps whose four extents are one number, in another order in each framework
        ("images/convnext-epsilon", "norm", "layer norm epsilon"),
        # a layer of TensorFlow against functions of Paddle
        ("attention/scale-of-width", "attention", "attention scale"),
        ("fused/gate-function", "gate.activation", "TensorFlow has silu, Paddle sigmoid"),
        # layers of the user's own against each other
        ("normalisation/rms-epsilon", "norm", "epsilon: TensorFlow adds 1e-06, Paddle adds 1e-05"),
        # arrays that one model has alone, and those beside them that both have
        ("recurrent/lstm-no-bias", "memory", "rnn.bias_hh_l0 (20), rnn.bias_ih_l0 (20) exist in PaddlePaddle only"),
        ("siamese/recurring-unshared", "step", "is shared in TensorFlow, used 3 times"),
        # functions of Paddle's where TensorFlow has a layer of its own
        ("wiring/blurred-border", "blur", "what TensorFlow computes comes of reflect"),
        ("wiring/elu-alpha", "up", "what TensorFlow computes comes of elu (alpha 1)"),
        # layers with kernels of one shape, and arrays as large as those of another layer
        ("wiring/pooled-largest", "means", "TensorFlow has global_average_pool, Paddle global_max_pool"),
        ("wiring/token-bias", "patch", "the array patch/bias (6) exists in TensorFlow only"),
    ],
)
def test_the_only_cause_is_the_true_one(workers: Workers, name: str, layer: str, words: str) -> None:
    found = outcome(workers, name)
    assert (found.verdict, found.layers) == ("different", (layer,))
    (cause,) = found.causes
    assert words in cause


def test_a_map_that_was_not_found_is_told_with_the_gap_and_the_shapes(workers: Workers) -> None:
    found = outcome(workers, "recurrent/own-cell-backwards")
    assert found.verdict == "undecided"
    last = found.causes[-1]
    assert "memory/lstm_cell/kernel (3x20)" in last
    assert "rnn.cell.weight_ih (20x3)" in last
    assert "leaves a gap of" in last


def test_numbers_of_training_have_the_digits_that_they_were_given(workers: Workers) -> None:
    (line,) = outcome(workers, "normalisation/batch-learned").training
    assert line == "batch norm momentum: TensorFlow has 0.99, Paddle 0.9 (norm)"


def test_dropout_that_drops_in_inference_is_no_difference_in_training_only(workers: Workers) -> None:
    found = outcome(workers, "random_layers/monte-carlo")
    assert (found.verdict, found.training) == ("equal", ())


def test_dropout_that_one_model_has_alone_is_told(workers: Workers) -> None:
    found = outcome(workers, "random_layers/dropout-mode")
    assert any("exists in TensorFlow only (dropout)" in line for line in found.training)


def test_the_last_axis_is_the_last_one_in_both_models(workers: Workers) -> None:
    found = outcome(workers, "wiring/rolled-forward")
    assert found.verdict == "different"
    assert not any("axis" in cause for cause in found.causes)
