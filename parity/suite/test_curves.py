"""Level 9: the loss curves of both frameworks on identical batches."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from parity.data.dataset import Dataset
from parity.proofs.loss_curves import curves_proof, loss_curves
from parity.records.records import Curves
from parity.suite.recording import Keep
from parity.workers.pool import Workers

CurvesOf = Callable[[str], tuple[Curves, float]]

BATCH = 32  # images a step: the recipe's own would take hours in float64


@pytest.fixture(scope="module")
def curves_of(provers: Workers, dataset: Dataset, seed: int) -> CurvesOf:
    """The curves of one network and the seconds that they took, computed once."""
    drawn: dict[str, tuple[Curves, float]] = {}

    def get(name: str) -> tuple[Curves, float]:
        if name not in drawn:
            start = time.perf_counter()
            curves = loss_curves(provers, name, dataset, batch=BATCH, seed=seed)
            drawn[name] = curves, time.perf_counter() - start
        return drawn[name]

    return get


@pytest.mark.benchmark
def test_loss_curve(trained: str, curves_of: CurvesOf, provers: Workers, keep: Keep) -> None:
    """In float64 the curves of both frameworks are equal within the limit."""
    curves, seconds = curves_of(trained)
    proof = replace(curves_proof(curves, list(provers)), seconds=seconds)
    keep(proof)
    assert proof.passed, "\n".join([f"{trained}: {proof.title}", *proof.problems])


@pytest.mark.benchmark
def test_float32_divergence(trained: str, curves_of: CurvesOf, keep: Keep) -> None:
    """Records from which step on float32 curves diverge, between and within frameworks; there is no limit."""
    curves, _ = curves_of(trained)
    keep(curves)
    assert all(len(losses) == curves.steps for losses in curves.losses.values())
