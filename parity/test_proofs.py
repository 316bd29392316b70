"""Evidence 1 to 6 for every network. Each proof rides in a benchmark's extra_info, so that it is saved with the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from parity.console import cause_lines
from parity.data import Dataset
from parity.evidence import LEVELS, Evidence
from parity.networks import network as entry
from parity.optimizer_proofs import OPTIMIZERS, optimizer_steps, rule_recipe
from parity.proving import prove_level
from parity.workers import Workers

SMALL = "mini_resnet"  # on which every update rule is proven


@pytest.fixture(scope="module")
def evidence_of(provers: Workers, dataset: Dataset, seed: int) -> Callable[[str], Evidence]:
    """One network's evidence at a time: its levels share inputs and stages."""
    last: list[Evidence] = []

    def get(name: str) -> Evidence:
        if not last or last[0].network.name != name:
            last[:] = [Evidence(provers, entry(name), dataset, seed)]
        return last[0]

    return get


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: LEVELS[level].replace(" ", "-"))
def test_proof(network: str, level: int, evidence_of: Callable[[str], Evidence], benchmark: Any) -> None:
    """The twins are equal at this level, and something was compared."""
    benchmark.group = f"proof {level}: {LEVELS[level]}"
    proof = benchmark.pedantic(prove_level, args=(evidence_of(network), level), rounds=1)
    benchmark.extra_info.update(proof.as_dict())
    assert proof.passed, "\n".join([f"{network}: {proof.title}", *proof.problems, *cause_lines(proof)])
    assert all(count > 0 for count in proof.compared.values())


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_update_rule(kind: str, provers: Workers, dataset: Dataset, seed: int, benchmark: Any) -> None:
    """Every rule, also those that no recipe uses, comes to the same weights across a change of the learning rate."""
    benchmark.group = "proof 6: optimizer steps"
    evidence = Evidence(provers, entry(SMALL), dataset, seed)
    proof = benchmark.pedantic(optimizer_steps, args=(evidence, rule_recipe(kind)), rounds=1)
    benchmark.extra_info.update(proof.as_dict())
    assert proof.passed, "\n".join([f"{SMALL}: {proof.title}", *proof.problems])
