"""The report on who learns faster: medians over seeds, and answers only where the records give one."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from parity.records.records import Record, Training
from reports.evidence.experiments import experiments
from reports.tables.convergence import answers, fields
from tests.reports.report_records import report, row, rows, section, trained


def runner(network: str, accuracies: list[float], seconds: float, seed: int = 0) -> Training:
    """A run with these training accuracies."""
    return trained(accuracies, network=network, seconds=seconds, seed=seed, recipe="convergence")


SLOW_EPOCHS = [0.55, 0.75, 0.85, 0.86, 0.87]  # reaches 70 % in 2 epochs

FAST_EPOCHS = [0.35, 0.55, 0.65, 0.75, 0.78]  # in 4


def answered(*runs: Training) -> list[str]:
    """The answers to all fields of these runs, with ordinary spaces."""
    lines = [line for field in fields(experiments(runs)) for line in answers(field)]
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def test_table_of_medians(tmp_path: Path) -> None:
    runs: list[Record] = [
        runner("vgg16", [0.55, 0.75], 10.0),
        runner("vgg16", [0.45, 0.55, 0.75][:2], 10.0, seed=1),
        runner("vgg16", [0.55, 0.72], 20.0, seed=2),
    ]
    part = section(report(tmp_path, runs), "How fast it learns")
    assert "Recipe `convergence` on CIFAR-10 (official files), 50,000 images, batch 100:" in part
    assert rows(part)[0] == ["network", "framework", "seeds", "50 %", "60 %", "70 %"]
    # 50 %: epochs 1, 2, 1; 60 and 70 %: epochs 2, never, 2, so the median seed has 2, after 20 s, never and 40 s
    assert row(part, "`vgg16`") == [
        "`vgg16`",
        "PaddlePaddle",
        "3",
        "1 / 20.0 s",
        "2 / 40.0 s (2 of 3)",
        "2 / 40.0 s (2 of 3)",
    ]
    assert "augmentation and dropout" in part
    assert "(<report_files/convergence_convergence_50000_images.png>)" in part


def test_half_of_the_seeds_are_not_enough_for_a_median(tmp_path: Path) -> None:
    runs: list[Record] = [runner("vgg16", [0.45, 0.55], 10.0), runner("vgg16", [0.45, 0.48], 10.0, seed=1)]
    part = section(report(tmp_path, runs), "How fast it learns")
    assert row(part, "`vgg16`")[-1] == "not reached (1 of 2)"


def test_fewer_epochs_but_longer_ones() -> None:
    lines = answered(runner("vgg16", SLOW_EPOCHS, 100.0), runner("resnet20_v1", FAST_EPOCHS, 10.0))
    assert lines == [
        "- PaddlePaddle, to 70 %: `vgg16` 2 epochs of 100 s (3.33 min, 1 seed) and `resnet20_v1` 4 epochs of 10.0 s "
        "(40.0 s, 1 seed). `vgg16` needs the fewest epochs, but they are longer than those of `resnet20_v1`; in time "
        "`resnet20_v1` is there first."
    ]


def test_answer_follows_the_records_and_not_the_names() -> None:
    (longer,) = answered(runner("vgg16", SLOW_EPOCHS, 12.0), runner("resnet20_v1", FAST_EPOCHS, 10.0))
    assert longer.endswith("longer than those of `resnet20_v1`; it is there first in time too.")
    (shorter,) = answered(runner("vgg16", SLOW_EPOCHS, 5.0), runner("resnet20_v1", FAST_EPOCHS, 10.0))
    assert "none of the others has shorter ones; it is there first in time too." in shorter
    (turned,) = answered(runner("vgg16", FAST_EPOCHS, 5.0), runner("resnet20_v1", SLOW_EPOCHS, 10.0))
    assert "`resnet20_v1` needs the fewest epochs, but they are longer than those of `vgg16`" in turned


def test_seeds_that_overlap_tell_nothing_apart() -> None:
    runs = [
        runner("vgg16", SLOW_EPOCHS, 100.0),
        runner("vgg16", FAST_EPOCHS, 100.0, seed=1),
        runner("vgg16", SLOW_EPOCHS, 100.0, seed=2),
    ]
    (line,) = answered(*runs, runner("resnet20_v1", FAST_EPOCHS, 10.0))
    assert "`vgg16` and `resnet20_v1` do not differ clearly in their epochs" in line
    assert "fewest" not in line


def test_no_answer_without_a_common_level_recipe_or_data() -> None:
    vgg, resnet = runner("vgg16", SLOW_EPOCHS, 100.0), runner("resnet20_v1", FAST_EPOCHS, 10.0)
    assert len(answered(vgg, resnet)) == 1
    assert answered(vgg) == []
    assert answered(vgg, replace(resnet, recipe="mini")) == []
    assert answered(vgg, replace(resnet, dataset="CIFAR-100")) == []
    assert answered(vgg, replace(resnet, train_images=2000)) == []
    assert answered(vgg, replace(resnet, batch=512)) == []
    assert answered(vgg, replace(resnet, framework="tensorflow")) == []
    assert answered(vgg, runner("resnet20_v1", [0.1, 0.15], 10.0)) == []


def test_the_network_with_a_run_of_more_seeds_stands_for_itself_once() -> None:
    longer = [runner("vgg16", [*SLOW_EPOCHS, 0.9], 100.0, seed=seed) for seed in range(3)]
    (line,) = answered(runner("vgg16", SLOW_EPOCHS, 50.0), *longer, runner("resnet20_v1", FAST_EPOCHS, 10.0))
    assert line.count("`vgg16` 2 epochs") == 1
    assert "3 seeds" in line


def test_runs_that_nothing_tells_apart_have_no_table(tmp_path: Path) -> None:
    assert "How fast it learns" not in report(tmp_path, [trained([0.15])])
