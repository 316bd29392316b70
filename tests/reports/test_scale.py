"""The report's section on scale: seeds by a sequential test, its errors, what was tried for speed, clusters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from parity.records.accuracy_records import Equivalence, SequentialErrors, SequentialLook
from parity.records.records import Distribution, Record
from parity.records.sequential import SequentialPlan
from parity.records.sequential_errors import SETTINGS, simulated_errors
from parity.records.speed_records import Profile, Trial
from reports import write_report
from tests.reports.report_records import (
    ENVIRONMENT,
    OFFICIAL,
    PROOFS,
    SPEED,
    TRAINING,
    both,
    report,
    row,
    rows,
    save,
    section,
    seeds,
)

LOOK = SequentialLook(number=2, seeds=6, looks=[4, 6, 8, 10], alpha_different=0.0123, error=0.05)

SEQUENTIAL = Equivalence(
    "lenet5", "mini", OFFICIAL, 50_000, 2, list(range(6)), {"paddle": [0.7] * 6, "tensorflow": [0.7] * 6},
    0.1, (-0.2, 0.4), 0.5, 0.9871, 0.01, 0.4, "equivalent", sequential=LOOK,
)  # fmt: skip

NORMAL: tuple[Distribution, Distribution] = ("normal", "normal")

ERRORS = SequentialErrors(NORMAL, (0.3, 1.0), 0.0, 10_000, 4, 2, 20, 0.5, 0.95, 0.1, 0.04, 0.86, 19.5, 0)

PROFILE = Profile("vgg16", "paddle", 128, 1, {"convolution, forward": 0.25, "convolution, backward": 0.5})

TRIAL = Trial("vgg16", "tensorflow", "XLA in place of tf.function", 128, 2, [1.2, 1.0, 1.4])


def scale(folder: Path, records: list[Record], **options: Any) -> str:
    return section(report(folder, records, **options), "Scale")


def test_no_section_where_nothing_of_it_is_on_record(tmp_path: Path) -> None:
    fixed = replace(SEQUENTIAL, sequential=None)
    assert "## Scale" not in report(tmp_path, [*PROOFS, *both(SPEED), *both(TRAINING), fixed])


def test_the_section_stands_after_training(tmp_path: Path) -> None:
    text = report(tmp_path, [*PROOFS, *both(TRAINING), TRIAL])
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings[headings.index("## Training") + 1 :] == ["## Scale", "## Reproduce it", "## Limits"]


def test_a_sequential_test_has_its_seeds_looks_and_alphas(tmp_path: Path) -> None:
    part = scale(tmp_path, [SEQUENTIAL, replace(SEQUENTIAL, network="mini_vgg", verdict="different")])
    assert row(part, "`lenet5` (mini, 2 epochs)")[1:] == [
        "10", "6", "2 of 4", "+0.10", "-0.20 to +0.40", "0.0129", "0.0123", "equivalent",
    ]  # fmt: skip
    assert row(part, "`mini_vgg` (mini, 2 epochs)")[-1] == "**different**"
    assert "over all looks each of the two errors is at most 5 %" in part
    assert "Lan and DeMets" in part


def test_a_sequential_test_is_made_of_the_trainings_that_are_there(tmp_path: Path) -> None:
    """The record says "equivalent" at the second look; its trainings show a difference at the first."""
    runs = [*seeds("paddle", [0.70, 0.701, 0.702, 0.7005]), *seeds("tensorflow", [0.80, 0.801, 0.802, 0.8005])]
    columns = row(scale(tmp_path, [*runs, SEQUENTIAL]), "`lenet5`")
    assert columns[1:5] == ["10", "4", "1 of 4", "-10.00"]
    assert columns[-1] == "**different**"


def test_simulated_errors_are_shown_with_the_ones_above_the_bound(tmp_path: Path) -> None:
    simulated = list(simulated_errors(SequentialPlan(batch=2, most=20)))
    part = scale(tmp_path, [*simulated])
    table = rows(part)[1:]
    assert len(table) == len(SETTINGS)
    bold = [columns[:2] for columns in table if any("**" in cell for cell in columns)]
    assert bold == [["normal and skewed", "0.3 and 0.9"], ["uniform", "0.3 and 0.9"]]
    normal = [record for record in simulated if record.distributions == NORMAL]
    largest = max(record.error for record in normal if record.error is not None)
    shown = part.replace("\N{NO-BREAK SPACE}", " ")
    assert f"The largest error with normal accuracies: {100 * largest:.2f} ± " in shown
    skewed = next(record for record in simulated if "skewed" in record.distributions and record.deviations[1] == 0.9)
    assert f"Above 5 %: {100 * skewed.different:.2f} ± " in shown
    assert "10,000 simulated experiments" in part
    assert "looks at 4 seeds and then every 2, at most 20" in part


def test_a_setting_s_row_has_the_error_of_each_difference(tmp_path: Path) -> None:
    records: list[Record] = [
        ERRORS,
        replace(ERRORS, true_difference=0.25, mean_seeds=18.0),
        replace(ERRORS, true_difference=0.5, equivalent=0.06, different=0.9, undecided=0.04, mean_seeds=17.0),
    ]
    part = scale(tmp_path, records)
    assert row(part, "normal", "0.3 and 1")[2:] == ["4.00 ± 0.20 %", "**6.00 ± 0.24 %**", "19.5 / 18.0 / 17.0"]
    assert "“equivalent” at 0.5; normal, standard deviations 0.3 and 1" in part
    alone = scale(tmp_path, [ERRORS])
    assert row(alone, "normal", "0.3 and 1")[2:] == ["4.00 ± 0.20 %", "-", "19.5"]
    assert "Above 5 %" not in alone
    neither = scale(tmp_path, [replace(ERRORS, true_difference=0.25)])
    assert row(neither, "normal", "0.3 and 1")[2:] == ["-", "-", "19.5"]
    assert "largest error" not in neither


def test_each_plan_has_a_table_of_its_own_and_the_later_run_counts(tmp_path: Path) -> None:
    later = replace(ERRORS, different=0.03, undecided=0.87, seed=7)
    other = replace(ERRORS, most=30, different=0.01, undecided=0.89)
    runs = [
        save(tmp_path, [ERRORS, other], moment="2026-01-01T00:00:00"),
        save(tmp_path, [later], name="0002_run.json", moment="2026-01-02T00:00:00"),
    ]
    part = section(write_report(runs, tmp_path / "report.md").read_text(), "Scale")
    shares = [columns[2] for columns in rows(part) if columns[0] == "normal"]
    assert shares == ["3.00 ± 0.17 %", "1.00 ± 0.10 %"]
    assert "at most 20" in part
    assert "at most 30" in part


def test_a_simulation_is_of_no_version_of_a_framework(tmp_path: Path) -> None:
    """Beside runs of some versions it makes no further ones, and it takes nothing from their verdict."""
    runs = [save(tmp_path, PROOFS), save(tmp_path, [ERRORS], name="0002_run.json", environment={})]
    text = write_report(runs, tmp_path / "report.md").read_text()
    assert "**1 of 1 network is equal in PaddlePaddle 3.3.1 and TensorFlow 2.21.0.**" in text
    assert "version not recorded" not in text
    assert row(section(text, "Scale"), "normal")[1] == "0.3 and 1"


def test_trials_are_grouped_by_framework(tmp_path: Path) -> None:
    crashed = Trial("lenet5", "paddle", "oneDNN", 100, 1, [], "crashes: reports/reproductions/a_b.py")
    part = scale(tmp_path, [TRIAL, crashed, replace(TRIAL, network="lenet5", ratios=[0.9])])
    assert rows(part)[1:] == [
        ["PaddlePaddle", "`lenet5`", "oneDNN", "100", "1", "-", "-", "0", "crashes: reports/reproductions/a_b.py"],
        ["TensorFlow", "`vgg16`", TRIAL.change, "128", "2", "1.200", "1.00 to 1.40", "3", "-"],
        ["TensorFlow", "`lenet5`", TRIAL.change, "128", "2", "0.900", "0.90 to 0.90", "1", "-"],
    ]


def test_trials_of_other_threads_are_other_trials(tmp_path: Path) -> None:
    part = scale(tmp_path, [TRIAL, replace(TRIAL, threads=1, ratios=[3.0]), replace(TRIAL, ratios=[2.0])])
    assert [(columns[4], columns[5]) for columns in rows(part)[1:]] == [("2", "2.000"), ("1", "3.000")]


def test_trials_of_several_versions_are_kept_apart(tmp_path: Path) -> None:
    newer = ENVIRONMENT["frameworks"] | {"tensorflow": {"version": "2.22.0", "device": "cpu"}}
    runs = [
        save(tmp_path, [*PROOFS, TRIAL]),
        save(tmp_path, [*PROOFS, TRIAL], name="0002_run.json", environment=ENVIRONMENT | {"frameworks": newer}),
    ]
    part = section(write_report(runs, tmp_path / "report.md").read_text(), "Scale")
    assert [line for line in part.splitlines() if line.startswith("In ")] == [
        "In PaddlePaddle 3.3.1 and TensorFlow 2.21.0:",
        "In PaddlePaddle 3.3.1 and TensorFlow 2.22.0:",
    ]


@pytest.mark.parametrize(
    "command",
    [
        "parity train lenet5 --seeds 3 --cluster head:6379 --out x",
        "pytest parity/ --cluster=auto",
        "it's --cluster auto",
    ],
)
def test_trainings_on_a_cluster_are_named_with_their_cpus(tmp_path: Path, command: str) -> None:
    runs = [
        *seeds("paddle", [0.5, 0.5, 0.5]),
        *seeds("tensorflow", [0.5, 0.5]),
        replace(TRAINING, network="mini_vgg", threads=1),
    ]
    part = scale(tmp_path, runs, environment=ENVIRONMENT | {"command": command})
    assert part.splitlines()[-2:] == [
        "- `mini_vgg`: seed 0 in PaddlePaddle, each training with 1 CPU",
        "- `lenet5`: seeds 0 to 2 in PaddlePaddle and TensorFlow, each training with 2 CPUs",
    ]
    assert "head:6379" not in part


@pytest.mark.parametrize("command", ["parity train lenet5 --out my--cluster", "parity train lenet5 --clusters", None])
def test_trainings_elsewhere_are_not_on_a_cluster(tmp_path: Path, command: str | None) -> None:
    assert "## Scale" not in report(tmp_path, both(TRAINING), environment=ENVIRONMENT | {"command": command})


def test_a_profile_has_a_column_and_what_is_left_a_row(tmp_path: Path) -> None:
    other = replace(PROFILE, network="lenet5", shares={"convolution, backward": 0.4, "pools": 0.1})
    table = rows(scale(tmp_path, [PROFILE, other]))
    assert table == [
        ["percent of a step", "`vgg16`, PaddlePaddle", "`lenet5`, PaddlePaddle"],
        ["convolution, backward", "50.0", "40.0"],
        ["convolution, forward", "25.0", "-"],
        ["pools", "-", "10.0"],
        ["between operations", "25.0", "50.0"],
    ]
