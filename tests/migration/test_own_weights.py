"""Both models with the weights that they have: real files of both frameworks, converted well and badly."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import parity
from parity.catalogue.targets import TargetError
from parity.data.dataset import Dataset
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.compare import compare_pair
from parity.migration.prove.user_inputs import pair_inputs
from parity.migration.specs import FIRST, SECOND, model_specs
from parity.numerics.comparison import FLOAT64_LIMIT
from parity.records.migrations import Migration, OwnArray, OwnWeights
from parity.workers.pool import Workers
from tests.command_line import ROOT

TWINS = "tests.migration.own_paddle"

PICTURE, WORDS, ROWS = "6,6,3", "5:int:40", "4"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models and weights that both frameworks write."""
    folder = tmp_path_factory.mktemp("own")
    for module in ("own_keras", "own_paddle"):
        command = [sys.executable, "-m", f"tests.migration.{module}", str(folder)]
        done = subprocess.run(command, capture_output=True, cwd=ROOT, check=False)
        assert done.returncode == 0, done.stderr.decode()
    return folder


class Comparer:
    """Compares a TensorFlow file with a Paddle twin and its file of weights."""

    def __init__(self, workers: Workers, files: Path, dataset: Dataset) -> None:
        self.workers, self.files, self.dataset = workers, files, dataset
        self.stages: list[str] = []

    def __call__(self, first: str, second: str, weights: str, shape: str | None, inputs: Any = None) -> Migration:
        forms, user_inputs = pair_inputs(shape, None, inputs)
        target = str(self.files / second) if "." in second else f"{TWINS}:{second}"
        own = {SECOND: self.files / f"{weights}.pdparams"} if weights else {}
        specs = model_specs(str(self.files / first), target, forms, weights=own)
        pair = RecordedPair(self.workers, specs, self.dataset, user_inputs=user_inputs)

        def on_event(kind: str, event: Any) -> None:
            if kind == "stage":
                self.stages.append(event)

        try:
            return compare_pair(pair, impact=False, own_weights=True, on_event=on_event)
        finally:
            pair.forget()


@pytest.fixture
def compared(workers: Workers, files: Path, dataset: Dataset) -> Comparer:
    return Comparer(workers, files, dataset)


def own_of(migration: Migration) -> OwnWeights:
    assert migration.own is not None
    assert migration.own.verdict == migration.verdict
    assert bool(migration.own.reasons) == (migration.verdict != "equal")
    return migration.own


def others(own: OwnWeights) -> dict[str, OwnArray]:
    return {one.name: one for one in own.arrays if one.state == "other"}


@pytest.mark.parametrize(
    ("first", "second", "weights"),
    [
        ("picture.keras", "picture", "right"),
        ("picture.h5", "picture", "right"),
        ("picture", "picture", "right"),
        ("picture.keras", "program.json", ""),
        ("picture", "program.pdiparams", ""),
    ],
)
def test_a_right_conversion_is_equal_bit_for_bit(compared: Comparer, first: str, second: str, weights: str) -> None:
    migration = compared(first, second, weights, PICTURE)
    own = own_of(migration)
    assert (migration.verdict, own.drawn) == ("equal", "equal")
    assert {one.state for one in own.arrays} == {"same bits"}
    assert len(own.arrays) == 11  # batch norm statistics among them
    assert sum(one.elements for one in own.arrays) == migration.parameters[SECOND]
    assert own.alone == []
    assert (own.inputs, own.top1, own.top5) == (200, 200, 200)
    assert own.elements > 200 * 7
    assert own.gap is not None
    assert own.limit is not None
    assert own.gap <= own.limit
    assert own.limit == (1e-12 if second == "picture" and first != "picture" else pytest.approx(0, abs=1e-4))
    assert not migration.causes
    assert Migration.from_dict(json.loads(json.dumps(migration.as_dict()))) == migration


def test_exchanged_kernels_of_one_shape_are_different_and_it_is_said_which(compared: Comparer) -> None:
    migration = compared("picture.keras", "picture", "swapped", PICTURE)
    own = own_of(migration)
    assert (own.verdict, own.drawn) == ("different", "equal")
    assert migration.changes  # of what differs in training only, which mends no weights
    assert migration.fixed_verdict == "different"
    assert {name: one.holds for name, one in others(own).items()} == {
        "conv2.weight": "conv3.weight",
        "conv3.weight": "conv2.weight",
    }
    assert own.gap is not None
    assert own.gap > 0.1
    assert own.top1 is not None
    assert own.top1 < 200
    assert any("conv2.weight does not hold conv2/kernel, but what belongs to conv3.weight" in r for r in own.reasons)


def test_exchanged_kernels_of_a_program_are_different(compared: Comparer) -> None:
    """Put together by their numbers they are the same bits: but not in their places."""
    own = own_of(compared("picture", "picture", "swapped", PICTURE))
    assert (own.verdict, own.drawn) == ("different", "different")
    assert others(own) == {}
    assert any("some may lie where others belong" in reason for reason in own.reasons)


@pytest.mark.parametrize(("weights", "count"), [("half", 11), ("part", 1)])
def test_rounded_weights_are_equal_up_to_that(compared: Comparer, weights: str, count: int) -> None:
    own = own_of(compared("picture.keras", "picture", weights, PICTURE))
    assert own.verdict == "equal"
    assert own.roundings == {"float16": count}
    assert len(own.arrays) == 11
    assert own.gap is not None
    assert own.limit is not None
    assert 1e-6 < own.gap < own.limit < 0.02


def test_a_row_that_no_input_looks_up_is_a_difference(compared: Comparer) -> None:
    right = own_of(compared("words.keras", "words", "words", WORDS))
    assert right.verdict == "equal"
    # the bias that Paddle has in two parts: their sum is TensorFlow's but for rounding
    rounded = {one.name for one in right.arrays if one.state == "rounded"}
    assert rounded == {"lstm.bias_ih_l0", "lstm.bias_hh_l0"}
    assert right.roundings == {"float32": 2}
    own = own_of(compared("words.keras", "words", "row", WORDS))
    assert (own.verdict, own.drawn) == ("different", "equal")
    assert own.gap is not None
    assert own.limit is not None
    assert own.gap < own.limit  # on inputs that were tried
    assert {name: one.index for name, one in others(own).items()} == {"embedding.weight": [45, 2]}
    assert own.top1 == 200
    assert own.top5 is None  # three classes


def test_a_folded_batch_norm_is_undecided_and_a_wrong_one_different(compared: Comparer) -> None:
    own = own_of(compared("picture.keras", "picture(norm=False)", "folded", PICTURE))
    assert (own.verdict, own.drawn) == ("undecided", "different")
    assert {one.name for one in own.alone if not one.idle} == {
        *(f"norm/{role}" for role in ("gamma", "beta", "moving_mean", "moving_variance")),
        "conv.bias",
    }
    assert own.gap is not None
    assert own.limit is not None
    assert FLOAT64_LIMIT < own.gap < own.limit < 1e-5  # folding rounded its results to float32
    assert "the outputs agree on 200 inputs" in own.reasons[0]
    assert "norm/gamma" in own.reasons[1]
    wrong = own_of(compared("picture.keras", "picture(norm=False)", "wrongly_folded", PICTURE))
    assert (wrong.verdict, wrong.drawn) == ("different", "different")
    assert wrong.top1 == 200  # a bias that is off by 0.001


def test_not_a_number_is_a_difference(compared: Comparer) -> None:
    own = own_of(compared("picture.keras", "picture", "nan", PICTURE))
    assert own.verdict == "different"
    assert others(own)["fc.bias"].gap is None
    assert others(own)["fc.bias"].index == [3]
    assert (own.gap, own.top1) == (None, 0)


def test_an_array_of_one_model_that_changes_nothing_is_left_as_it_is(compared: Comparer) -> None:
    migration = compared("zero.keras", "picture", "right", PICTURE)
    own = own_of(migration)
    assert (own.verdict, own.drawn) == ("equal", "equal")
    assert [(one.framework, one.name, one.idle) for one in own.alone] == [(FIRST, "conv/bias", True)]
    assert all(proof.passed for proof in migration.proofs)
    own = own_of(compared("biased.keras", "picture", "right", PICTURE))
    assert own.verdict == "different"
    assert [(one.name, one.idle) for one in own.alone] == [("conv/bias", False)]


def test_layers_that_may_be_exchanged_are_equal_in_either_order(compared: Comparer) -> None:
    """The map says one of both; the other one is proven as well."""
    for weights in ("gated", "exchanged"):
        own = own_of(compared("gated.keras", "gated", weights, ROWS))
        assert own.verdict == "equal"
        assert {one.state for one in own.arrays} == {"same bits"}
    assert compared.stages.count("layers that hold each other's weights, exchanged") == 1


def test_outputs_are_compared_on_the_users_own_inputs(compared: Comparer, tmp_path: Path) -> None:
    np.savez(tmp_path / "ids.npz", ids=np.arange(50).repeat(5).reshape(50, 5))
    migration = compared("words.keras", "words", "row", None, tmp_path / "ids.npz")
    own = own_of(migration)
    assert (own.inputs, own.title) == (50, f"your inputs ({tmp_path / 'ids.npz'})")
    assert any(reason.startswith("with own weights, your inputs") for reason in own.reasons)
    assert others(own)["embedding.weight"].index == [45, 2]


def test_a_python_program_gets_the_same_record(files: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(20, 4))
    weights = {SECOND: files / "gated.pdparams"}
    models = str(files / "gated.keras"), f"{TWINS}:gated"
    own = own_of(parity.compare(*models, inputs={"x": rows}, own_weights=True, weights=weights))
    assert (own.verdict, own.inputs, own.top1) == ("equal", 20, 20)


def test_weights_of_another_model_are_refused(compared: Comparer) -> None:
    with pytest.raises(TargetError, match="does not fit the model"):
        compared("picture.keras", "picture", "words", PICTURE)
