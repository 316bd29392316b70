"""Levels 1 to 8 for every network, and every update rule. Each proof is saved with the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from parity.catalogue.networks import LARGE
from parity.catalogue.networks import network as entry
from parity.data.dataset import Dataset
from parity.diagnosis.attribution import cause_lines
from parity.diagnosis.prove import prove_level, prove_rule
from parity.proofs.context import ProofContext
from parity.proofs.optimizer import OPTIMIZERS
from parity.records.levels import LEVELS
from parity.records.records import Proof
from parity.suite.job_queue import JobQueue
from parity.suite.recording import Keep
from parity.workers.interpreter import shared_threads
from parity.workers.pool import Workers

SMALL = "mini_resnet"  # on which every update rule is proven

PAIRS = 2  # of workers: one framework often waits for the other, or for numpy

Job = Callable[[Workers], Proof]


@pytest.fixture(scope="module")
def proofs(
    request: pytest.FixtureRequest, workers: Workers, dataset: Dataset, seed: int
) -> Iterator[JobQueue[tuple[str, Any], Proof]]:
    """The proofs that this session has tests of, by network and level, or by "rule" and its kind."""
    items = [item for item in request.session.items if item.path == request.path and isinstance(item, pytest.Function)]
    parameters: list[dict[str, Any]] = [item.callspec.params for item in items if hasattr(item, "callspec")]
    networks = list(dict.fromkeys(values["network"] for values in parameters if "network" in values))
    updates: dict[str, Any] = {}  # of optimizers alone, which networks share
    current: dict[int, ProofContext] = {}  # of each pair: the levels of one network share inputs and stages

    def prove(name: str, level: int, pair: Workers) -> Proof:
        context = current.get(id(pair))
        if context is None or context.network.name != name:
            context = current[id(pair)] = ProofContext(pair, entry(name), dataset, seed, updates)
        return prove_level(context, level)

    def rule(kind: str, pair: Workers) -> Proof:
        return prove_rule(ProofContext(pair, entry(SMALL), dataset, seed), kind)

    groups: list[dict[tuple[str, Any], Job]] = []
    for name in networks:
        levels = [values["level"] for values in parameters if values.get("network") == name]
        groups.append({(name, level): partial(prove, name, level) for level in levels})
    groups.append(
        {("rule", values["kind"]): partial(rule, values["kind"]) for values in parameters if "kind" in values}
    )
    device = workers[next(iter(workers))].device
    alone = device != "cpu" or any(entry(name).params > LARGE for name in networks)  # two would not fit into memory
    pairs = 1 if alone else PAIRS
    threads = request.config.getoption("--threads") or shared_threads(pairs)
    workers.stop()
    with JobQueue(groups, lambda: Workers(device=device, threads=threads), pairs) as ahead:
        yield ahead


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: LEVELS[level].replace(" ", "-"))
def test_proof(network: str, level: int, proofs: JobQueue[tuple[str, Any], Proof], keep: Keep) -> None:
    """The twins are equal at this level, and something was compared."""
    proof = proofs[network, level]
    keep(proof)
    assert proof.passed, "\n".join([f"{network}: {proof.title}", *proof.problems, *cause_lines(proof)])
    assert all(count > 0 for count in proof.compared.values())


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_update_rule(kind: str, proofs: JobQueue[tuple[str, Any], Proof], keep: Keep) -> None:
    """Every rule gives the same weights, also after a change of the learning rate; also rules that no recipe uses."""
    proof = proofs["rule", kind]
    keep(proof)
    assert proof.passed, "\n".join([f"{kind}, on {SMALL}: {proof.title}", *proof.problems])
