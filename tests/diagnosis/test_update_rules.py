"""Steps against update rules in numpy: what runs away must do so by the rule, and nothing judges nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from parity.catalogue.recipes import Optimizer
from parity.diagnosis.update_rules import Rule, UpdateStep, update_distance

SGD = Rule(Optimizer("sgd"), l2=0.0, l2_scope="kernels")

KINDS = {"conv": "conv"}


def one_step(gradient: list[float], after: list[float]) -> float:
    """The distance of SGD with rate 1 from one step that began at 4."""
    step = UpdateStep(
        before={"conv/kernel": np.full(len(gradient), 4.0)},
        gradients={"conv/kernel": np.array(gradient)},
        after={"conv/kernel": np.array(after)},
    )
    return update_distance(SGD, [step], [1.0], KINDS)


@pytest.mark.parametrize(
    ("gradient", "after", "expected"),
    [
        ([1.0, 2.0], [3.0, 2.0], 0.0),
        ([0.0, 2.0], [4.0, 3.0], 0.25),
        ([math.nan, 2.0], [math.nan, 2.0], 0.0),  # NaN is what the rule makes of it; the other number is judged
        ([math.nan, 0.0], [math.nan, 3.0], 0.25),
        ([0.0, 2.0], [math.nan, 2.0], math.inf),  # the rule gives a number
        ([math.inf, 2.0], [4.0, 2.0], math.inf),  # the rule gives none
        ([math.nan, math.nan], [math.nan, math.nan], math.inf),  # nothing to judge by
    ],
)
def test_distance_of_a_step(gradient: list[float], after: list[float], expected: float) -> None:
    assert one_step(gradient, after) == expected


def test_no_step_is_no_agreement() -> None:
    assert update_distance(SGD, [], [], KINDS) == math.inf
