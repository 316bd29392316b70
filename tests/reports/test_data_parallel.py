"""The report's section on processes that share every batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from parity.catalogue.replica_faults import ReplicaFault
from parity.records.records import Record
from parity.records.replicas import ReductionSpeed, ReplicaDetection, ReplicaProof, ReplicaReadings, ReplicaSpeed
from reports import write_report
from reports.evidence.sharing import Link, link_of, sharing_of
from reports.formatting import figures
from tests.reports.report_records import OFFICIAL, PROOFS, SPEED, both, report, row, rows, save, section

PROOF = ReplicaProof(
    "lenet5", 6, "optimizer steps: 2 replicas", True, OFFICIAL, {"replicas": 4, "elements": 310_060, "steps": 20},
    3.2e-16, 1e-12, "group1/conv/bias",
)  # fmt: skip

DETECTION = ReplicaDetection(
    "lenet5", "paddle", 2, ReplicaFault.ADDED_UP, True, True, True, 1e9, "the gradients are 2 times those"
)

READINGS = [
    ReplicaReadings(1, 1, False, 100, [0.10, 0.11, 0.10]),
    ReplicaReadings(1, 2, False, 100, [0.08]),
    ReplicaReadings(1, 1, True, 100, [0.125]),
    ReplicaReadings(2, 1, True, 100, [0.0625]),
    ReplicaReadings(1, 1, False, 50, [0.05]),
]

SHARED = ReplicaSpeed("lenet5", "paddle", 2, 100, 62_006, READINGS)

LINK = Link(latency=0.001, bandwidth=1e9)

REDUCTIONS = [
    ReductionSpeed("paddle", 2, size, [LINK.ring(2, size)]) for size in (1_000, 100_000, 1_000_000, 30_000_000)
]


def data_parallel(folder: Path, records: list[Record], **options: Any) -> str:
    return section(report(folder, records, **options), "Data-parallel")


def test_no_section_where_nothing_of_it_is_on_record(tmp_path: Path) -> None:
    assert "Data-parallel" not in report(tmp_path, [*PROOFS, *both(SPEED)])


def test_proofs_are_shown_and_summed_up_in_the_verdict(tmp_path: Path) -> None:
    own = replace(PROOF, network="mini_resnet", title="optimizer steps: 2 replicas, statistics of each replica")
    text = report(tmp_path, [*PROOFS, PROOF, own])
    assert row(section(text, "Data-parallel"), "`lenet5`")[1:5] == [
        "2 replicas",
        "3.2e-16",
        "1e-12",
        "`group1/conv/bias`",
    ]
    assert "2 replicas, statistics of each replica" in row(section(text, "Data-parallel"), "`mini_resnet`")
    assert "`mini_resnet` (2 replicas, statistics of each replica) and `lenet5` (2 replicas) are equal." in text


def test_a_proof_at_lower_rates_replaces_the_one_at_the_recipe_s_own(tmp_path: Path) -> None:
    failed = replace(PROOF, passed=False, gap=0.5)
    old = save(tmp_path, [*PROOFS, failed], moment="2026-01-01T00:00:00+00:00")
    lower = replace(PROOF, title=f"{PROOF.title}, rates times 0.0001")
    new = save(tmp_path, [lower], name="0002_run.json", moment="2026-01-02T00:00:00+00:00")
    text = write_report([old, new], tmp_path / "report.md").read_text()
    assert "`lenet5` (2 replicas, rates times 0.0001) is equal" in text


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"passed": False, "gap": 0.5, "problems": ["paddle: added up"]}, "paddle: added up"),
        ({"gap": float("nan")}, "not a number"),
        ({"gap": 1e-3}, "gap 1e-03"),
        ({"compared": {"replicas": 4, "elements": 0}}, "nothing was compared"),
    ],
)
def test_a_proof_that_does_not_hold_is_in_the_verdict(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    verdict = section(report(tmp_path, [*PROOFS, replace(PROOF, **changes)]), "Verdict")
    assert "**`lenet5` (2 replicas) is NOT EQUAL**" in verdict
    assert reason in verdict


def test_faults_are_counted_by_what_became_of_them(tmp_path: Path) -> None:
    missed = replace(DETECTION, framework="tensorflow", placed=False, named=False, diagnosis="")
    part = data_parallel(tmp_path, [DETECTION, missed])
    assert row(part, "gradients added up")[1:5] == ["2", "2", "**1**", "**1**"]


def test_images_a_second_of_every_way_are_in_one_row(tmp_path: Path) -> None:
    part = data_parallel(tmp_path, [SHARED])
    assert row(part, "`lenet5`")[1:] == [
        "PaddlePaddle", "62,006", "100", "2", "1,000", "1,250", "800", "1,600", "1.60", "1.28",
    ]  # fmt: skip
    assert row(part, "62,006")[3:] == ["50.0", "62.5", "12.5", "20"]
    assert "on paper" not in part  # nothing is known of longer rings


def test_more_replicas_are_projected_with_their_assumptions(tmp_path: Path) -> None:
    part = data_parallel(tmp_path, [SHARED, *REDUCTIONS])
    assert "**not a measurement**" in part
    assert "1.00 ms a message and 1.00 GB/s" in part
    sharing = sharing_of(SHARED)
    assert sharing is not None
    assert sharing.step_of(2, LINK) == pytest.approx(0.0625)  # what was measured
    step = 0.0625 + 14 * (0.001 + 4 * 62_006 / 8 / 1e9) - 2 * (0.001 + 4 * 62_006 / 2 / 1e9)
    assert sharing.step_of(8, LINK) == pytest.approx(step)
    last = rows(part)[-1]
    assert last[:3] == ["`lenet5`", "PaddlePaddle", "50"]
    assert last[3] == f"{figures(8 * 50 / step)} ({100 * 0.05 / step:.0f} %)"


def test_the_link_is_that_of_the_measured_reductions() -> None:
    link = link_of(REDUCTIONS)
    assert link is not None
    assert (link.latency, link.bandwidth) == pytest.approx((LINK.latency, LINK.bandwidth))
    assert link_of(REDUCTIONS[:1]) is None
    faster = [ReductionSpeed("paddle", 2, size, [seconds]) for size, seconds in ((1_000, 0.003), (1_000_000, 0.002))]
    found = link_of(faster)  # larger tensors that take less time: noise
    assert found is not None
    assert found.latency > 0
    assert found.bandwidth == float("inf")


def test_a_way_that_is_missing_leaves_the_network_out(tmp_path: Path) -> None:
    part = data_parallel(tmp_path, [PROOF, replace(SHARED, readings=READINGS[:-1])])
    assert "What sharing costs" not in part
