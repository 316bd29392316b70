"""The report's section on detection power: rates, what was missed, false alarms; and causes of proofs."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from parity.records.records import ControlRun, Detection, Diagnosis
from tests.reports.report_records import DOUBLE, PROOFS, report

CAUGHT = Detection(
    network="lenet5",
    trap="bn-epsilon",
    change="other epsilon",
    framework="paddle",
    stage="group1/bn",
    must_level=1,
    level=1,
    severity=1e8,
    located=True,
    named=True,
    diagnosis="epsilon 0.001",
)

CONTROL_RUN = ControlRun("lenet5", [0, 1, 2], [], severity=0.5)


def test_rates_and_the_margin_are_stated(tmp_path: Path) -> None:
    late = replace(CAUGHT, change="late", framework="tensorflow", level=2, severity=5e3)
    text = report(tmp_path, [*PROOFS, CAUGHT, late, CONTROL_RUN])
    assert "Of 2 faults in `lenet5`: 1 (50.0%) caught, 2 (100.0%) located, 2 (100.0%) named." in text
    assert "4.0 orders of magnitude" in text  # 5e3 against 0.5
    assert "Not detected as they should be" in text
    assert "2 (must: 1)" in text


def test_where_everything_was_detected_nothing_is_listed_as_missed(tmp_path: Path) -> None:
    text = report(tmp_path, [*PROOFS, CAUGHT, CONTROL_RUN])
    assert "1 (100.0%) caught, 1 (100.0%) located, 1 (100.0%) named" in text
    assert "Not detected as they should be" not in text


def test_every_network_has_a_row_of_its_faults_and_its_control_runs(tmp_path: Path) -> None:
    alone = replace(CAUGHT, network="alexnet", severity=1e6)
    other = replace(CONTROL_RUN, network="vgg16", false_alarms=["seed 1: level 3 failed"])
    text = report(tmp_path, [*PROOFS, CAUGHT, alone, CONTROL_RUN, other])
    rows = [line.replace(" ", "") for line in text.partition("### By network")[2].splitlines()]
    assert "|`lenet5`|1|1|1|1|1e+08|3|0|5.0e-01|8.3|" in rows
    assert "|`alexnet`|1|1|1|1|1e+06|-|-|-|-|" in rows
    assert "|`vgg16`|-|-|-|-|-|3|1|5.0e-01|-|" in rows


def test_a_false_alarm_is_shown(tmp_path: Path) -> None:
    alarming = replace(CONTROL_RUN, false_alarms=["seed 1: level 3 failed"])
    assert "seed 1: level 3 failed" in report(tmp_path, [*PROOFS, CAUGHT, alarming])


def test_a_failed_proof_shows_its_cause_and_what_to_do(tmp_path: Path) -> None:
    cause = Diagnosis("paddle", "group1/bn", "bn-epsilon", "PaddlePaddle computed epsilon 0.001", 1e-3, 1e-16)
    failed = replace(DOUBLE, passed=False, gap=1e-3, problems=["1 of 11 stages differ"], causes=[cause])
    text = report(tmp_path, [*(proof for proof in PROOFS if proof is not DOUBLE), failed])
    assert "**Cause** (`bn-epsilon`): PaddlePaddle computed epsilon 0.001." in text
    assert "What to do: the same epsilon in both" in text
