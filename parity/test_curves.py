"""Evidence 7: the loss curves of both frameworks on identical batches."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import pytest

from parity.clock import CLOCK, replay
from parity.data import Dataset
from parity.loss_curves import LEVEL, TITLE, curves_proof, loss_curves
from parity.results import Curves
from parity.workers import Workers

CurvesOf = Callable[[str], tuple[Curves, float]]

BATCH = 32  # images a step: the recipe's own would take hours in float64


@pytest.fixture(scope="module")
def curves_of(provers: Workers, dataset: Dataset, seed: int) -> CurvesOf:
    """The curves of one network and the seconds that they took, drawn once."""
    drawn: dict[str, tuple[Curves, float]] = {}

    def get(name: str) -> tuple[Curves, float]:
        if name not in drawn:
            start = time.perf_counter()
            curves = loss_curves(provers, name, dataset, batch=BATCH, seed=seed)
            drawn[name] = curves, time.perf_counter() - start
        return drawn[name]

    return get


@pytest.mark.benchmark(timer=CLOCK)
def test_loss_curve(trained: str, curves_of: CurvesOf, provers: Workers, benchmark: Any) -> None:
    """In float64 the frameworks stay together."""
    curves, seconds = curves_of(trained)
    proof = dataclasses.replace(curves_proof(curves, list(provers)), seconds=seconds)
    benchmark.group = f"proof {LEVEL}: {TITLE}"
    replay(benchmark, [seconds], proof.as_dict())
    assert proof.passed, "\n".join([f"{trained}: {proof.title}", *proof.problems])


@pytest.mark.benchmark(timer=CLOCK)
def test_chaos(trained: str, curves_of: CurvesOf, benchmark: Any) -> None:
    """Records where float32 parts the frameworks, and where it parts one framework from itself: no limit here."""
    curves, seconds = curves_of(trained)
    benchmark.group = "loss curves"
    replay(benchmark, [seconds], curves.as_dict())
    assert all(len(losses) == curves.steps for losses in curves.losses.values())
