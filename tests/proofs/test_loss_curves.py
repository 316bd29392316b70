"""Level 9: curves of correct twins stay together in float64; float32 divergence is distinguished from a difference."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from parity.data.dataset import Dataset
from parity.proofs.loss_curves import TOGETHER, curves_proof, loss_curves, perturbed, relative_gaps
from parity.records.records import Curves
from parity.workers.pool import Workers

if TYPE_CHECKING:
    from tests.conftest import FaultyPair

STEPS, BATCH = 12, 16

# a rule of TRAPS: Keras's place of epsilon in Adam, which changes the first losses in their seventh digit
EPSILON_HAT = """
_own = Optimizer._adam_update
def _adam_update(self, rate):
    own, self.rule = self.rule, dict(self.rule) | {"epsilon": self.rule["epsilon"] * 1.5}
    try:
        return _own(self, rate)
    finally:
        self.rule = own
Optimizer._adam_update = _adam_update
"""


@pytest.fixture(scope="module")
def curves(workers: Workers, dataset: Dataset) -> Curves:
    return loss_curves(workers, "lenet5", dataset, steps=STEPS, batch=BATCH)


def test_float64_stays_together_and_float32_starts_together(curves: Curves, workers: Workers) -> None:
    proof = curves_proof(curves, list(workers))
    assert proof.passed, proof.problems
    assert proof.compared == {"steps": STEPS, "runs": 8}
    assert proof.gap is not None
    assert proof.gap < 1e-12
    assert len(curves.losses) == 8
    assert all(len(losses) == STEPS for losses in curves.losses.values())
    assert len({losses[0] for losses in curves.losses.values()}) > 1  # float32 is not float64
    assert all(len(set(losses)) == STEPS for losses in curves.losses.values())  # every step has its own


def test_pairs_are_frameworks_and_divergence_in_both_precisions(curves: Curves) -> None:
    pairs = [(pair.meaning, pair.one.split()[1]) for pair in curves.pairs]
    assert sorted(pairs) == sorted(
        [("frameworks", p) for p in ("float64", "float32")] + [("divergence", p) for p in ("float64", "float32")] * 2
    )
    for pair in curves.pairs:
        gaps = relative_gaps(*(np.array(curves.losses[run]) for run in (pair.one, pair.other)))
        assert pair.largest == gaps.max()
        assert (pair.parted is None) == bool((gaps <= TOGETHER).all())


def test_a_perturbed_run_differs_by_rounding(curves: Curves) -> None:
    for run in ("paddle float64", "tensorflow float64"):
        gaps = relative_gaps(np.array(curves.losses[run]), np.array(curves.losses[f"{run} perturbed"]))
        assert gaps.max() < 1e-12
    gaps = relative_gaps(*(np.array(curves.losses[f"paddle float32{end}"]) for end in ("", " perturbed")))
    assert 0 < gaps.max() < 1e-3


def test_a_perturbation_moves_every_number_to_a_neighbour() -> None:
    state = {"a": np.array([1.0, -2.0, 0.0], np.float32), "b": np.array([3.0])}
    moved = perturbed(state, 0)
    assert moved["a"].dtype == np.float32
    assert moved["a"][2] == 0
    assert np.abs(moved["a"][:2] - state["a"][:2]) / np.spacing(np.abs(state["a"][:2])) == pytest.approx(1, abs=0.5)
    assert moved["b"][0] != 3.0


def test_a_wrong_update_rule_parts_the_float64_losses(faulty_pair: FaultyPair, dataset: Dataset) -> None:
    pair = faulty_pair("tensorflow", {"tf_impl.optimizers": EPSILON_HAT})
    proof = curves_proof(loss_curves(pair, "lenet5", dataset, steps=STEPS, batch=BATCH), list(pair))
    assert not proof.passed
    assert "part at step" in proof.problems[0]


@pytest.mark.parametrize("bad", [[1.0, math.nan], [], [1.0]])
def test_nan_and_missing_steps_fail(bad: list[float]) -> None:
    losses = {"paddle float64": bad, "tensorflow float64": bad}
    made = Curves("lenet5", "mini", "x", BATCH, 0, 2, losses, [], TOGETHER)
    assert not curves_proof(made, ["paddle", "tensorflow"]).passed


def test_batches_go_on_into_further_epochs(workers: Workers, dataset: Dataset) -> None:
    few = dataset.limited(64)
    curves = loss_curves(workers, "lenet5", few, steps=9, batch=16)
    assert len(curves.losses["paddle float32"]) == 9
