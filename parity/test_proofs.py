"""Evidence 1 to 8 for every network, and every update rule. Each proof is saved with the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from parity.console import cause_lines
from parity.data import Dataset
from parity.evidence import LEVELS, Evidence
from parity.networks import network as entry
from parity.optimizer_proofs import OPTIMIZERS
from parity.proving import prove_level, prove_rule
from parity.recording import Keep
from parity.workers import Workers

SMALL = "mini_resnet"  # on which every update rule is proven


@pytest.fixture(scope="module")
def evidence_of(provers: Workers, dataset: Dataset, seed: int) -> Callable[[str], Evidence]:
    """One network's evidence at a time: its levels share inputs and stages."""
    last: list[Evidence] = []
    updates: dict[str, Any] = {}  # of optimizers alone, which networks share

    def get(name: str) -> Evidence:
        if not last or last[0].network.name != name:
            last[:] = [Evidence(provers, entry(name), dataset, seed, updates)]
        return last[0]

    return get


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: LEVELS[level].replace(" ", "-"))
def test_proof(network: str, level: int, evidence_of: Callable[[str], Evidence], keep: Keep) -> None:
    """The twins are equal at this level, and something was compared."""
    proof = prove_level(evidence_of(network), level)
    keep(proof)
    assert proof.passed, "\n".join([f"{network}: {proof.title}", *proof.problems, *cause_lines(proof)])
    assert all(count > 0 for count in proof.compared.values())


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_update_rule(kind: str, provers: Workers, dataset: Dataset, seed: int, keep: Keep) -> None:
    """Every rule, also those that no recipe uses, comes to the same weights across a change of the learning rate."""
    found = prove_rule(Evidence(provers, entry(SMALL), dataset, seed), kind)
    keep(found)
    assert found.passed, "\n".join([f"{kind}, on {SMALL}: {found.title}", *found.problems])
