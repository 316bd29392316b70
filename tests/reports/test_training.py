"""The report on training: failures first, means that say how many seeds they are of, tests and comparisons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from parity.records.accuracy_records import DifferingImage, Equivalence, SequentialLook
from parity.records.earlier_forms import of_today
from parity.records.equivalence import SETTINGS, equivalence
from parity.records.records import Record, Training, TrainingSession
from reports.evidence.experiments import CONDITIONS
from reports.formatting import duration
from tests.reports.report_records import (
    CROSS,
    EPOCH,
    OFFICIAL,
    PROOFS,
    TRAINING,
    both,
    report,
    row,
    rows,
    section,
    seeds,
    trained,
)

SAME_START = "Same start"


def start_row(text: str, network: str = "`lenet5`", seed: str = "0") -> list[str]:
    """The row on how the two runs of a seed began."""
    return row(section(text, SAME_START), network, seed)


def test_identical_start_is_said_and_one_seed_decides_nothing(tmp_path: Path) -> None:
    worse = [EPOCH, replace(EPOCH, epoch=2, test_accuracy=0.54)]
    text = report(tmp_path, both(TRAINING, epochs=worse))
    assert start_row(text) == ["`lenet5`", "0", "identical", "identical", "+1.00 points", "2"]
    assert "One seed decides nothing" in text


@pytest.mark.parametrize(
    ("field", "words"), [("initial_digest", "DIFFERENT weights"), ("batches_digest", "DIFFERENT batches")]
)
def test_different_digests_are_loud_and_absent_ones_never_identical(tmp_path: Path, field: str, words: str) -> None:
    text = report(tmp_path, both(TRAINING, **{field: "ef"}))
    assert words in text
    assert "**DIFFERENT**" in start_row(text)
    blank: dict[str, Any] = {field: ""}
    missing = both(replace(TRAINING, **blank))
    assert "**not recorded**" in start_row(report(tmp_path, missing))


@pytest.mark.parametrize(
    ("field", "value", "label"),
    [
        ("recipe", "mini-noaug", "mini-noaug"),
        ("dataset", "CIFAR-100", "CIFAR-100"),
        ("train_images", 2000, "2,000 images"),
        ("test_images", 1000, "1,000 test images"),
        ("batch", 50, "batch 50"),
        ("precision", "tf32", "tf32"),
        ("device", "gpu", "gpu"),
        ("epochs_planned", 80, "80 epochs"),
    ],
)
def test_runs_under_other_conditions_are_another_experiment(
    tmp_path: Path, field: str, value: object, label: str
) -> None:
    """They share no mean and no row, and the label says what sets them apart."""
    changes: dict[str, Any] = {field: value}
    text = report(tmp_path, both(TRAINING, **changes))
    only = "**only TensorFlow was trained**"
    assert start_row(text, f"`lenet5` ({label})") == [f"`lenet5` ({label})", "0", "-", "-", only, "-"]
    assert "Accuracy over seeds" not in text


def test_what_the_equivalence_test_needs_equal_is_equal_in_an_experiment() -> None:
    assert set(SETTINGS) <= set(CONDITIONS)


def test_run_that_did_not_finish_comes_first_and_stays_in_the_tables(tmp_path: Path) -> None:
    failed = trained([0.41], framework="tensorflow", seed=1, epochs_planned=2, problems=["worker killed by signal 9"])
    fine = [*seeds("paddle", [0.55, 0.56]), *seeds("tensorflow", [0.54])]
    text = report(tmp_path, [*fine, failed])
    training = section(text, "Training")
    first = next(line for line in training.splitlines() if line.startswith("- "))
    expected = "- **`lenet5`, seed 1, TensorFlow, did not finish:** 1 of 2 epochs; worker killed by signal 9"
    assert first == expected
    means = training.partition("###")[0]
    assert row(means, "`lenet5`", "TensorFlow")[4:6] == ["**1 of 2 finished**", "54.00"]
    assert row(means, "`lenet5`", "PaddlePaddle")[4] == "2"
    assert row(section(text, "Every run"), "`lenet5`", "TensorFlow", "1")[3] == "1 of 2 **partial**"
    cost = rows(section(text, "Every run").partition("peak memory")[2])
    projections = {cells[1]: cells[7].partition("(")[2] for cells in cost if cells[2] == "1"}
    seconds = 2 * failed.epochs[0].seconds
    assert projections == {"PaddlePaddle": "", "TensorFlow": f"projected for 2 epochs: {duration(seconds)})"}
    assert "1 training run stopped before the planned number of epochs" in section(text, "Limits")
    assert row(section(text, "Accuracy over seeds"), "`lenet5`")[-1] == "**undecided**"
    assert "tensorflow, seed 1: did not finish" in section(text, "Accuracy over seeds")


def test_run_without_any_reason_or_epoch_is_named_too(tmp_path: Path) -> None:
    text = report(tmp_path, [replace(TRAINING, epochs=[]), *seeds("tensorflow", [0.5])])
    assert "PaddlePaddle, did not finish:** 0 of 2 epochs; no reason on record" in text
    assert row(section(text, "Training"), "`lenet5`", "PaddlePaddle")[4:6] == ["**0 of 1 finished**", "-"]


def test_problem_of_a_run_with_all_its_epochs_is_listed_and_keeps_it_out_of_the_mean(tmp_path: Path) -> None:
    doubtful = replace(TRAINING, problems=["batches are not bit-identical"])
    text = report(tmp_path, [doubtful, *seeds("tensorflow", [0.5])])
    assert "- `lenet5`, seed 0, PaddlePaddle: batches are not bit-identical" in text
    assert row(section(text, "Training"), "`lenet5`", "PaddlePaddle")[4:6] == ["**0 of 1 finished**", "-"]


def test_resumed_run_is_named_with_its_epochs(tmp_path: Path) -> None:
    sessions = [TrainingSession(epochs, 1.0) for epochs in (0, 12, 31)]
    text = report(tmp_path, both(replace(TRAINING, sessions=sessions[:1]), sessions=sessions))
    lines = [line for line in section(text, "Training").splitlines() if "resumed" in line and line.startswith("- ")]
    assert lines == ["- `lenet5`, seed 0, TensorFlow: resumed after epoch 12 and 31"]


def test_two_seeds_with_the_same_weights_are_one_run(tmp_path: Path) -> None:
    text = report(tmp_path, seeds("paddle", [0.55, 0.55], weights_digest="ab"))
    assert "PaddlePaddle: seeds 0 and 1 ended with the SAME weights" in text
    distinct = [replace(TRAINING, seed=seed, weights_digest=str(seed)) for seed in (0, 1)]
    assert "SAME weights" not in report(tmp_path, distinct)


def test_diverged_and_empty_trainings_do_not_break_the_report(tmp_path: Path) -> None:
    diverged = replace(EPOCH, epoch=2, train_loss=math.nan, test_loss=math.inf, test_accuracy=math.nan)
    text = report(tmp_path, both(replace(TRAINING, epochs=[EPOCH, diverged]), epochs=[]))
    assert "not a finite number from epoch 2 on" in text
    assert row(section(text, "Training"), "`lenet5`", "PaddlePaddle")[4:6] == ["**0 of 1 finished**", "-"]
    assert (tmp_path / "out" / "report_files" / "training_lenet5.png").exists()


def test_means_spread_range_and_pace(tmp_path: Path) -> None:
    text = report(tmp_path, [*seeds("paddle", [0.70, 0.71, 0.75], seconds=20.0), *seeds("tensorflow", [0.72])])
    means = section(text, "Training").partition("###")[0]
    expected = ["`lenet5`", "PaddlePaddle", "`mini`", "2", "3", "72.00 ± 2.65", "70.00", "75.00", "20.0 s", "1,670"]
    expected.append("**not proven**")
    assert row(means, "`lenet5`", "PaddlePaddle") == expected
    assert row(means, "`lenet5`", "TensorFlow")[4:8] == ["1", "72.00", "-", "-"]


def test_one_picture_an_experiment_with_all_its_seeds(tmp_path: Path) -> None:
    longer = trained([0.4] * 3, framework="paddle")
    text = report(tmp_path, [*seeds("paddle", [0.70, 0.71]), *seeds("tensorflow", [0.72]), longer])
    links = [line for line in section(text, "Curves").splitlines() if line.startswith("!")]
    assert [link.partition("<report_files/")[2] for link in links] == [
        "training_lenet5_2_epochs.png>)",
        "training_lenet5_3_epochs.png>)",
    ]


def test_the_table_of_trainings_says_which_proofs_stand_behind_a_row(tmp_path: Path) -> None:
    runs = [*seeds("paddle", [0.70]), *seeds("tensorflow", [0.72])]

    def proofs(records: Sequence[Record]) -> str:
        means = section(report(tmp_path, [*runs, *records]), "Training").partition("###")[0]
        texts = {columns[-1] for columns in rows(means)[1:]}
        assert len(texts) == 1  # of both frameworks
        return texts.pop()

    assert proofs([]) == "**not proven**"
    assert proofs(PROOFS) == "levels 1 to 8"
    assert proofs(PROOFS[:6]) == "**not proven**: levels 7 and 8 not run"
    failing = replace(PROOFS[6], passed=False, first_failure="position 1 of 500")
    assert proofs([failing if proof.level == 7 else proof for proof in PROOFS]) == "**not proven**: level 7 failed"
    assert proofs([replace(proof, network="alexnet") for proof in PROOFS]) == "**not proven**"


def test_equivalence_is_computed_from_the_trainings(tmp_path: Path) -> None:
    records = {"paddle": [0.701, 0.699, 0.70], "tensorflow": [0.70, 0.701, 0.7005]}
    runs = [run for framework, finals in records.items() for run in seeds(framework, finals)]
    text = report(tmp_path, runs)
    part = section(text, "Accuracy over seeds")
    by_framework: dict[str, list[Training]] = {name: [] for name in records}
    for run in runs:
        assert isinstance(run, Training)
        by_framework[run.framework].append(run)
    test = equivalence(by_framework)
    low, high = test.interval
    assert row(part, "network")[3] == "90 % interval"
    columns = row(part, "`lenet5`")
    assert columns[1:5] == ["3", "-0.05", f"{low:+.2f} to {high:+.2f}", "±0.5"]
    assert columns[5:] == [f"{test.p_equivalent:.3f}", f"{test.p_different:.3f}", "equivalent"]
    assert "(<report_files/equivalence.png>)" in part
    assert (tmp_path / "out" / "report_files" / "equivalence.png").stat().st_size > 2000
    assert "with as few as 3 seeds" in section(text, "Limits")


RECORDED = Equivalence(
    "lenet5", "mini", OFFICIAL, 50_000, 2, [0, 1], {"paddle": [0.7, 0.7], "tensorflow": [0.7, 0.7]},
    0.1, (-0.2, 0.4), 0.5, 0.95, 0.01, 0.4, "equivalent",
)  # fmt: skip


def test_recorded_test_counts_only_without_its_trainings(tmp_path: Path) -> None:
    alone = section(report(tmp_path, [RECORDED]), "Accuracy over seeds")
    assert row(alone, "`lenet5` (mini, 2 epochs)")[1:4] == ["2", "+0.10", "-0.20 to +0.40"]
    runs = [*seeds("paddle", [0.70, 0.701, 0.702]), *seeds("tensorflow", [0.68, 0.681, 0.682])]
    together = section(report(tmp_path, [RECORDED, *runs]), "Accuracy over seeds")
    assert [columns[0] for columns in rows(together)[1:]] == ["`lenet5`"]
    assert row(together, "`lenet5`")[-1] == "**different**"


def test_trainings_of_a_sequential_test_are_tested_by_its_plan(tmp_path: Path) -> None:
    """These accuracies are equivalent by a test of four seeds, and undecided at the first of many looks."""
    finals = {"paddle": [0.7000, 0.7020, 0.7005, 0.7035], "tensorflow": [0.7000, 0.7010, 0.7030, 0.7035]}
    runs = [run for framework, values in finals.items() for run in seeds(framework, values)]
    assert row(section(report(tmp_path, runs), "Accuracy over seeds"), "`lenet5`")[-1] == "equivalent"
    looks = [4, 6, 8, 10, 12, 14, 16, 18, 20]
    carried = [replace(run, looks=looks) for run in runs]  # also where the command was ended before it could compare
    assert row(section(report(tmp_path, carried), "Accuracy over seeds"), "`lenet5`")[-1] == "**undecided**"
    look = SequentialLook(number=1, seeds=4, looks=looks, alpha_different=0.002, error=0.05)
    part = section(report(tmp_path, [*runs, replace(RECORDED, sequential=look)]), "Accuracy over seeds")
    assert row(part, "`lenet5`")[-1] == "**undecided**"
    assert (
        "Tested after each batch of seeds, at stricter levels, until the verdict (below, under Scale): `lenet5`."
        in part
    )


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"interval": (-0.2, 0.6)}, "**undecided** (recorded as equivalent, against its own interval)"),
        ({"interval": (math.nan, math.nan)}, "**undecided** (recorded as equivalent, against its own interval)"),
        ({"verdict": "undecided"}, "**undecided**"),
        ({"verdict": "different", "interval": (0.7, 0.9)}, "**different**"),
    ],
)
def test_record_cannot_claim_more_than_its_interval(tmp_path: Path, changes: dict[str, Any], word: str) -> None:
    text = report(tmp_path, [*PROOFS, replace(RECORDED, **changes)])
    assert row(section(text, "Accuracy over seeds"), "`lenet5` (mini, 2 epochs)")[-1] == word
    assert row(text, "`lenet5`")[-1] == ("**FAILED**" if word == "**different**" else "undecided")


def test_few_seeds_are_unbounded_and_not_nan(tmp_path: Path) -> None:
    text = report(tmp_path, [*seeds("paddle", [0.70, 0.71]), *seeds("tensorflow", [0.70])])
    columns = row(section(text, "Accuracy over seeds"), "`lenet5`")
    assert columns[1:] == ["1", "+0.00", "unbounded", "±0.5", "1.000", "1.000", "**undecided**"]
    assert "NaN" not in text
    assert not (tmp_path / "out" / "report_files" / "equivalence.png").exists()  # it would be empty


def test_cross_evaluations_are_taken_together_over_seeds(tmp_path: Path) -> None:
    tie = DifferingImage(812, 3, 5, 1.2e-6, True)
    records = [
        CROSS,
        replace(CROSS, seed=1, differing=[tie], largest_gap=3e-6),
        replace(CROSS, seed=2, differing=[tie, replace(tie, margin=4e-6)]),
        replace(CROSS, trained_in="tensorflow", evaluated_in="paddle"),
    ]
    part = section(report(tmp_path, [replace(record, recipe="mini") for record in records]), "Trained in one")
    assert row(part, "`lenet5`", "`mini`", "PaddlePaddle")[3:] == [
        "TensorFlow", "0 to 2", "30,000", "3", "4.0e-06", "all", "3.0e-06",
    ]  # fmt: skip
    assert row(part, "`lenet5`", "`mini`", "TensorFlow")[4:] == [
        "0",
        "10,000",
        "0",
        "-",
        "nothing to settle",
        "2.0e-06",
    ]


def test_cross_evaluations_by_another_recipe_are_another_row(tmp_path: Path) -> None:
    part = section(report(tmp_path, [replace(CROSS, recipe=recipe) for recipe in ("mini", "mini-noaug")]), "Trained in")
    assert row(part, "`lenet5`", "`mini`", "PaddlePaddle")[4] == "0"
    assert row(part, "`lenet5`", "`mini-noaug`", "PaddlePaddle")[4] == "0"


def test_cross_evaluations_of_trainings_that_several_share_are_another_row(tmp_path: Path) -> None:
    """One that failed stays, although one process's is of a later run."""
    shared = replace(CROSS, recipe="mini", replicas=2, problems=["killed"])
    part = section(report(tmp_path, [shared, replace(CROSS, recipe="mini")]), "Trained in")
    assert row(part, "`lenet5`", "`mini`")[-2] == "nothing to settle"
    assert row(part, "`lenet5`", "`mini`, 2 replicas")[-2] == "**not evaluated**"
    assert "killed" in part


def test_a_sound_cross_evaluation_has_no_problems(tmp_path: Path) -> None:
    part = section(report(tmp_path, [CROSS]), "Trained in one")
    assert "Problems" not in part


def test_unsettled_cross_evaluation_is_loud(tmp_path: Path) -> None:
    apart = DifferingImage(812, 3, 5, 0.2, False)
    records = [
        replace(CROSS, differing=[apart, replace(apart, float64_agree=True)]),
        replace(CROSS, network="vgg16", images=0),
    ]
    part = section(report(tmp_path, records), "Trained in one")
    assert row(part, "`lenet5`")[-2] == "**1 of 2**"
    assert row(part, "`vgg16`")[-2] == "**not evaluated**"
    assert "- `lenet5`, weights of PaddlePaddle, seed 0, in TensorFlow: 1 prediction differs in float64 too" in part
    assert "- `vgg16`, weights of PaddlePaddle, seed 0, in TensorFlow: no image was evaluated" in part


def test_published_result_of_more_epochs_is_not_like_for_like(tmp_path: Path) -> None:
    text = report(tmp_path, both(replace(TRAINING, network="mini_inception")))
    source = "VGG, ResNet and Inception at 100k to 200k parameters (blog post) (pytorch)"
    columns = row(section(text, "Against the documents"), "`mini_inception`", source)
    assert columns[2:4] == ["80", "80"]
    assert columns[4].startswith("19 min on GTX 1050")
    assert columns[5:] == ["55.00 / 55.00", "2", "no: **2 of 80 epochs**"]


def test_ours_is_the_mean_over_the_seeds_that_finished(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"network": "mini_inception"}
    stopped = trained([0.2], framework="tensorflow", seed=9, epochs_planned=2, **changes)
    runs = [*seeds("paddle", [0.5, 0.6], **changes), *seeds("tensorflow", [0.7], **changes), stopped]
    columns = row(section(report(tmp_path, runs), "Against the documents"), "`mini_inception`")
    assert columns[5:7] == ["55.00 ± 7.07 / 70.00", "2"]


def test_only_the_runs_that_came_furthest_stand_for_a_network_that_never_finished(tmp_path: Path) -> None:
    changes: dict[str, Any] = {"network": "mini_inception", "epochs_planned": 80}
    runs = [trained([0.2] * epochs, seed=seed, **changes) for seed, epochs in enumerate((3, 1))]
    columns = row(section(report(tmp_path, runs), "Against the documents"), "`mini_inception`")
    assert columns[5:] == ["20.00 / -", "3 / -", "no: **3 of 80 epochs**"]


def test_another_recipe_has_no_published_result(tmp_path: Path) -> None:
    text = report(tmp_path, both(replace(TRAINING, network="mini_inception", recipe="convergence")))
    assert "Against the documents" not in text


def ablations(**changes: Any) -> list[Training]:
    """A base of three epochs; two changes of it, of two epochs."""
    base = trained([0.4, 0.5, 0.6], network="mini_resnet", seconds=30.0)
    return [
        base,
        replace(base, seed=1, epochs=trained([0.4, 0.52, 0.6]).epochs),
        trained([0.3, 0.45], network="mini_resnet_nobn", seconds=20.0, **changes),
        trained([0.5, 0.41], network="mini_resnet", recipe="mini-noaug", **changes),
    ]


def test_ablation_is_compared_after_the_same_epoch(tmp_path: Path) -> None:
    part = section(report(tmp_path, ablations()), "What was taken away")
    assert row(part, "`mini_resnet`", "without batch norm")[2:] == [
        "PaddlePaddle", "2 / 1", "2", "51.00 / 45.00", "-6.00", "30.0 s / 20.0 s", "88 / 86 (80 epochs)",
    ]  # fmt: skip
    assert row(part, "`mini_resnet`", "without augmentation")[4:] == [
        "2", "51.00 / 41.00", "-10.00", "30.0 s / 30.0 s", "88 / 64 (80 epochs)",
    ]  # fmt: skip
    assert len(rows(part)) == 3


def test_ablation_on_other_images_has_no_base(tmp_path: Path) -> None:
    part = section(report(tmp_path, ablations(train_images=2000)), "What was taken away")
    assert row(part, "`mini_resnet`", "without batch norm")[3:7] == [
        "0 / 1", "2", "- / 45.00", "**base not trained**",
    ]  # fmt: skip


def test_an_ablation_under_the_name_that_it_had_is_the_same_network(tmp_path: Path) -> None:
    """Earlier runs had two names for it."""
    old = [{**record.as_dict(), "network": record.network.replace("_nobn", "-nobn")} for record in ablations()]
    records = [Training.from_dict(of_today(values)) for values in old]
    assert records == ablations()


def test_no_ablation_no_section(tmp_path: Path) -> None:
    assert "What was taken away" not in report(tmp_path, both(TRAINING))


def test_trainings_that_processes_share_are_apart_and_say_so(tmp_path: Path) -> None:
    shared = [replace(record, replicas=2, threads=1) for record in both(TRAINING)]
    over_all = [replace(record, synchronised=True) for record in shared]
    part = section(report(tmp_path, [*both(TRAINING), *shared, *over_all]), "Training")
    for label in ("1 replica, batch norm of each replica", "2 replicas, batch norm of each replica"):
        assert f"`lenet5` ({label})" in part
    assert "`lenet5` (2 replicas, batch norm over all replicas)" in part
    threads = [cells[6] for cells in rows(part.partition("peak memory |")[2]) if len(cells) == 10]
    assert threads.count("2 replicas of 1") == 4
