"""Steps that would show nothing are taken at lower rates, at which faults are seen as before."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from parity.catalogue.networks import network
from parity.catalogue.recipes import Recipe, Schedule
from parity.data.dataset import Dataset
from parity.numerics.arrays import Arrays
from parity.proofs.context import ProofContext
from parity.proofs.optimizer import optimizer_steps, rule_recipe
from parity.proofs.step_rates import HIDDEN, LARGEST_ROUNDING, RATE_FACTORS, compare_steps
from parity.records.records import Proof
from parity.workers.pool import Workers
from tests.proofs.test_train_mode import BOUNDARY, OPTIMIZER

if TYPE_CHECKING:
    from tests.conftest import FaultyPair

END = {"kernel": np.array([1.0, -2.0])}


def with_rate(rate: float) -> Recipe:
    return replace(rule_recipe("momentum"), schedule=Schedule(rate, drops=((1, 0.1),)))


def steps_of_mini_vgg(workers: Workers, dataset: Dataset, rate: float) -> Proof:
    return optimizer_steps(ProofContext(workers, network("mini_vgg"), dataset), with_rate(rate))


def moved_by(*distances: float) -> dict[str, Arrays]:
    return {f"side {n}": {"kernel": END["kernel"] + distance} for n, distance in enumerate(distances)}


def test_rates_that_amplify_rounding_to_the_size_of_faults_are_lowered(workers: Workers, dataset: Dataset) -> None:
    """mini_vgg's numbers stay finite, but rounding moves either framework as far as they are apart."""
    proof = steps_of_mini_vgg(workers, dataset, 1.0)
    assert proof.passed, proof.problems
    assert proof.title == "optimizer steps: momentum, rates times 0.01"


@pytest.mark.parametrize("fault", [{"tf_impl.optimizers": OPTIMIZER}, {"tf_impl.training": BOUNDARY}])
def test_a_fault_does_not_hide_behind_lower_rates(
    faulty_pair: FaultyPair, dataset: Dataset, fault: dict[str, str]
) -> None:
    proof = steps_of_mini_vgg(faulty_pair("tensorflow", fault), dataset, 1.0)
    assert not proof.passed
    assert HIDDEN not in proof.problems
    assert proof.first_failure is not None


def test_steps_that_rounding_hides_at_all_rates_are_neither_equal_nor_different(
    workers: Workers, dataset: Dataset
) -> None:
    proof = steps_of_mini_vgg(workers, dataset, 1.0 / RATE_FACTORS[-1])
    assert not proof.passed
    assert proof.problems == [HIDDEN]
    assert not proof.compared  # as of a worker that gave no answer: not proven, and not "different"


@pytest.mark.parametrize(
    ("gap", "moves", "hidden"),
    [
        (0.0, [], False),
        (1.0, [(1.0, 1.0)], True),  # either side moves as far by rounding
        (1.0, [(1.0, 1e-12)], False),  # one does not: the difference is real
        (1.0, [(1e-12, 1.0)], False),
        (LARGEST_ROUNDING, [(1e-4, 1e-4)], False),  # within what a limit can be derived for
        (np.nan, [], False),
    ],
)
def test_rounding_hides_only_what_it_makes_of_both_sides(
    gap: float, moves: list[tuple[float, float]], hidden: bool
) -> None:
    comparison, found = compare_steps(
        moved_by(0.0, gap), 1e-12, lambda run: moved_by(*(np.add((0.0, gap), moves[run])))
    )
    assert found == hidden
    assert comparison.passed == (gap in (0.0, LARGEST_ROUNDING))
