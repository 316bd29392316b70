"""`parity check --replicas` and `parity traps --replicas`, with real processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from parity.catalogue.replica_faults import ReplicaFault
from parity.records.replicas import ReplicaDetection, ReplicaProof
from parity.records.saved_run import load_run
from parity.workers.interpreter import default_threads
from tests.command_line import parity

pytestmark = pytest.mark.skipif(default_threads() < 2, reason="replicas are processes that each need a core")

MORE = str(default_threads() + 1)


def test_check_proves_replicas_beside_the_levels(tmp_path: Path) -> None:
    saved = tmp_path / "run.json"
    done = parity("check", "lenet5", "--dataset", "generated", "--replicas", "2", "--save", saved)
    assert " 6 optimizer steps: 2 replicas  equal" in done.stdout
    assert "lenet5: EQUAL on all 8 levels and with 2 replicas" in done.stdout
    proofs = [record for record, _ in load_run(saved).entries if isinstance(record, ReplicaProof)]
    assert [(proof.passed, proof.replicas, proof.compared["steps"]) for proof in proofs] == [(True, 2, 20)]


@pytest.mark.slow
def test_traps_puts_every_fault_of_replicas_in(tmp_path: Path) -> None:
    saved = tmp_path / "run.json"
    done = parity("traps", "--dataset", "generated", "--replicas", "2", "--network", "mini_resnet", "--save", saved)
    assert "named: 16 of 16" in done.stdout
    records = [record for record, _ in load_run(saved).entries]
    found = [record for record in records if isinstance(record, ReplicaDetection)]
    assert {(record.fault, record.framework) for record in found} == {
        (fault.value, framework) for fault in ReplicaFault for framework in ("paddle", "tensorflow")
    }
    assert all(record.as_expected for record in found)
    assert [record.passed for record in records if isinstance(record, ReplicaProof)] == [True]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("check", "lenet5", "--replicas", MORE), "a core for each, found"),
        (("traps", "--replicas", MORE), "a core for each, found"),
        (("traps", "--replicas", "2", "--trap", "bgr"), "expected all faults of networks, found --pair, --trap"),
    ],
)
def test_what_cannot_be_is_one_message(arguments: tuple[str, ...], says: str) -> None:
    assert says in " ".join(parity(*arguments, code=2).stderr.split())
