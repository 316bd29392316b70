"""Level 10's statistics: published figures, the formulas, and the test's level and power by simulation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from scipy import stats

from parity.records.accuracy_records import Equivalence
from parity.records.equivalence import Tost, equivalence, tost
from parity.records.records import Epoch, Training

# The NCSS manual's example of an equivalence test (198-1): yields, limits of 110 either way, 0.025 a side.
YIELD_A = [452, 874, 554, 447, 356, 754, 558, 574, 664, 682, 547, 435, 245]

YIELD_B = [546, 547, 774, 465, 459, 665, 467, 365, 589, 534, 456, 651, 654, 665, 546, 537]

EPOCH = Epoch(1, 1e-3, 1.5, 0.45, 1.4, 0.48, 30.0, 1666.0)


def training(framework: str, seed: int, accuracy: float, **changes: Any) -> Training:
    """A finished training of one epoch with this final test accuracy."""
    record = Training(
        network="lenet5",
        framework=framework,
        recipe="mini",
        dataset="CIFAR-10",
        train_images=50_000,
        test_images=10_000,
        batch=100,
        seed=seed,
        mode="eager",
        precision="float32",
        device="cpu",
        threads=1,
        epochs=[replace(EPOCH, test_accuracy=accuracy)],
        epochs_planned=1,
        seconds=30.0,
        first_seconds=1.0,
        peak_memory=2**29,
        initial_digest="ab",
        batches_digest="cd",
    )
    return replace(record, **changes)


def runs(paddle: Sequence[float], tensorflow: Sequence[float], **changes: Any) -> dict[str, list[Training]]:
    """Finished trainings with these final accuracies, seeds from 0."""
    accuracies = {"paddle": paddle, "tensorflow": tensorflow}
    return {
        framework: [training(framework, seed, accuracy, **changes) for seed, accuracy in enumerate(of_framework)]
        for framework, of_framework in accuracies.items()
    }


def test_published_example_of_unequal_variances() -> None:
    test = tost(YIELD_A, YIELD_B, margin=110, confidence=0.975)
    assert test.difference == pytest.approx(-8.1153846, abs=1e-7)
    assert test.interval == pytest.approx((-120.27336, 104.04259), abs=1e-5)
    assert test.p_equivalent == pytest.approx(0.03628, abs=1e-5)


@pytest.mark.parametrize("sizes", [(2, 2), (3, 7), (5, 5), (20, 4)])
def test_formulas_of_welch(sizes: tuple[int, int]) -> None:
    draw = np.random.default_rng(list(sizes))
    a, b = draw.normal(57.0, 0.3, sizes[0]), draw.normal(57.2, 0.1, sizes[1])
    squares = [np.var(sample, ddof=1) / len(sample) for sample in (a, b)]
    error = math.sqrt(sum(squares))
    freedom = sum(squares) ** 2 / sum(v**2 / (len(s) - 1) for v, s in zip(squares, (a, b), strict=True))
    difference = a.mean() - b.mean()
    t = stats.t(freedom)
    reach = t.ppf(0.95) * error
    test = tost(a.tolist(), b.tolist(), margin=0.5)
    assert test.interval == pytest.approx((difference - reach, difference + reach), rel=1e-9)
    expected = max(t.sf((difference + 0.5) / error), t.cdf((difference - 0.5) / error))
    assert test.p_equivalent == pytest.approx(expected, rel=1e-9)
    assert test.p_different == pytest.approx(2 * t.sf(abs(difference) / error), rel=1e-9)


def test_both_tests_reject_exactly_where_the_interval_lies_within_the_margin() -> None:
    draw = np.random.default_rng(1)
    outcomes = []
    for _ in range(300):
        test = tost(draw.normal(0.2, 0.3, 4).tolist(), draw.normal(0, 0.2, 6).tolist(), margin=0.5)
        inside = max(map(abs, test.interval)) < 0.5
        assert inside == (test.p_equivalent < 0.05)
        outcomes.append(inside)
    assert 50 < sum(outcomes) < 250  # both happen


def claims(sizes: tuple[int, int], spreads: tuple[float, float], difference: float, number: int, seed: int) -> float:
    """The share of simulated experiments in which equivalence within 0.5 is claimed."""
    draw = np.random.default_rng(seed)
    claimed = 0
    for _ in range(number):
        first = draw.normal(difference, spreads[0], sizes[0]).tolist()
        second = draw.normal(0.0, spreads[1], sizes[1]).tolist()
        claimed += tost(first, second, margin=0.5).p_equivalent < 0.05
    return claimed / number


@pytest.mark.parametrize(
    ("difference", "sizes", "spreads"),
    [(0.5, (5, 5), (0.2, 0.2)), (-0.5, (8, 4), (0.1, 0.3))],
)
def test_level_at_the_margin(difference: float, sizes: tuple[int, int], spreads: tuple[float, float]) -> None:
    """A true difference of exactly the margin passes for equivalent in one of twenty experiments, not in more.

    2,000 experiments: the standard error of the share is 0.005, and three of them are allowed.
    """
    share = claims(sizes, spreads, difference, 2000, seed=7)
    assert 0.035 < share < 0.065


def test_power_grows_with_the_number_of_seeds() -> None:
    shares = [claims((n, n), (0.3, 0.3), 0.0, 200, seed=11) for n in (3, 5, 10, 20)]
    assert shares == sorted(shares)
    assert shares[0] < 0.5
    assert shares[-1] > 0.95


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([1.0, 1.0], [1.0, 1.0, 1.0], Tost(0.0, (0.0, 0.0), 0.0, 1.0)),
        ([1.25, 1.25], [1.0, 1.0], Tost(0.25, (0.25, 0.25), 0.0, 0.0)),
        ([1.5, 1.5], [1.0, 1.0], Tost(0.5, (0.5, 0.5), 1.0, 0.0)),
    ],
)
def test_constant_samples_give_the_limit(first: list[float], second: list[float], expected: Tost) -> None:
    assert tost(first, second, margin=0.5) == expected


@pytest.mark.filterwarnings("error")
def test_one_constant_sample_leaves_the_error_to_the_other() -> None:
    """The one-sample t-test, then; scipy's warning of lost digits has no object and is not passed on."""
    other = [57.2, 57.3, 57.25]
    test = tost([57.1] * 3, other, margin=0.5)
    assert test.p_different == pytest.approx(stats.ttest_1samp(other, 57.1).pvalue, rel=1e-9)


@pytest.mark.parametrize("sample", [[1.0], [], [1.0, math.nan], [1.0, math.inf]])
def test_a_sample_that_cannot_be_tested_is_refused(sample: list[float]) -> None:
    with pytest.raises(ValueError, match="finite numbers"):
        tost(sample, [1.0, 2.0], margin=0.5)
    with pytest.raises(ValueError, match="finite numbers"):
        tost([1.0, 2.0], sample, margin=0.5)


@pytest.mark.parametrize("margin", [0.0, -0.5, math.nan, math.inf])
def test_margin_out_of_range(margin: float) -> None:
    with pytest.raises(ValueError, match="margin"):
        tost([1.0, 2.0], [1.0, 2.0], margin=margin)


@pytest.mark.parametrize("confidence", [0.5, 1.0, 0.05, math.nan])
def test_confidence_out_of_range(confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence"):
        equivalence(runs([0.5, 0.6], [0.5, 0.6]), confidence=confidence)


def test_record_of_an_equivalent_pair() -> None:
    paddle, tensorflow = [0.5710, 0.5722, 0.5715, 0.5719], [0.5712, 0.5716, 0.5724, 0.5711]
    test = equivalence(runs(paddle, tensorflow))
    assert (test.verdict, test.problems, test.seeds) == ("equivalent", [], [0, 1, 2, 3])
    assert test.accuracies == {"paddle": paddle, "tensorflow": tensorflow}
    assert (test.network, test.recipe, test.dataset) == ("lenet5", "mini", "CIFAR-10")
    assert (test.train_images, test.epochs, test.margin, test.confidence) == (50_000, 1, 0.5, 0.95)
    points = [[100 * value for value in sample] for sample in (paddle, tensorflow)]
    expected = tost(points[0], points[1], margin=0.5)
    assert test.difference == pytest.approx(0.0075, abs=1e-9)
    assert (test.difference, tuple(test.interval)) == (expected.difference, expected.interval)
    assert (test.p_equivalent, test.p_different) == (expected.p_equivalent, expected.p_different)
    assert Equivalence.from_dict(test.as_dict()) == test


def test_verdicts_follow_the_difference() -> None:
    base = np.array([0.570, 0.572, 0.571, 0.573, 0.571])

    def verdict(shift: float, spread: float = 1.0) -> str:
        moved = base.mean() + spread * (base - base.mean())
        return equivalence(runs(moved.tolist(), (moved + shift).tolist())).verdict

    assert verdict(0.0) == verdict(0.001) == "equivalent"
    assert verdict(0.01) == verdict(-0.01) == "different"
    assert verdict(0.004) == "different"  # too near to the margin for equivalence, and clearly there
    assert verdict(0.004, spread=5) == verdict(0.0, spread=10) == "undecided"


def test_significant_but_within_the_margin_is_equivalent() -> None:
    base = np.array([0.5700, 0.5701, 0.5699, 0.5700, 0.5701])
    test = equivalence(runs(base.tolist(), (base + 0.002).tolist()))
    assert test.p_different < 1e-6
    assert test.verdict == "equivalent"


def test_the_order_of_the_records_does_not_matter() -> None:
    trainings = runs([0.571, 0.572, 0.575], [0.572, 0.571, 0.570])
    shuffled = {name: [records[2], records[0], records[1]] for name, records in trainings.items()}
    assert equivalence(shuffled) == equivalence(trainings)


def test_no_spread_at_all_is_said() -> None:
    test = equivalence(runs([0.57] * 3, [0.57] * 3))
    assert (test.verdict, test.p_equivalent, test.interval) == ("equivalent", 0.0, (0.0, 0.0))
    assert "no spread" in test.problems[0]
    assert equivalence(runs([0.57] * 3, [0.56] * 3)).verdict == "different"


def test_a_seed_of_one_framework_only_is_left_out_and_named() -> None:
    trainings = runs([0.571, 0.572, 0.573], [0.571, 0.573, 0.572])
    further = [training("paddle", seed, 0.10) for seed in (9, 7)]
    test = equivalence({**trainings, "paddle": [*trainings["paddle"], *further]})
    assert test.problems == ["left out, because only paddle was trained with it: seed 7, 9"]
    assert replace(test, problems=[]) == equivalence(trainings)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epochs": []}, "tensorflow, seed 1: did not finish, 0 of 1 epochs"),
        ({"problems": ["killed"]}, r"tensorflow, seed 1: did not finish, 1 of 1 epochs \(killed\)"),
        ({"epochs": [replace(EPOCH, test_accuracy=math.nan)]}, "the final test accuracy is nan"),
        ({"epochs": [replace(EPOCH, test_accuracy=math.inf)]}, "the final test accuracy is inf"),
    ],
)
def test_a_run_without_a_final_accuracy_leaves_it_undecided(changes: dict[str, Any], words: str) -> None:
    accuracies = [0.5710, 0.5711, 0.5712, 0.5711]
    trainings = runs(accuracies, accuracies)
    assert equivalence(trainings).verdict == "equivalent"
    trainings["tensorflow"][1] = replace(trainings["tensorflow"][1], **changes)
    test = equivalence(trainings)
    assert (test.verdict, test.seeds) == ("undecided", [0, 2, 3])
    with pytest.raises(ValueError, match=words):
        raise ValueError("; ".join(test.problems))


def test_a_failed_seed_of_one_framework_only_counts_too() -> None:
    trainings = runs([0.571, 0.572, 0.573], [0.571, 0.573, 0.572])
    trainings["paddle"].append(training("paddle", 9, 0.1, epochs=[]))
    assert equivalence(trainings).verdict == "undecided"


@pytest.mark.parametrize("number", [0, 1])
def test_too_few_seeds_are_undecided_without_nan_in_the_tests(number: int) -> None:
    trainings = runs([0.57] * number, [0.57] * number)
    trainings["paddle"].append(training("paddle", 9, 0.57))
    test = equivalence(trainings)
    assert (test.verdict, test.interval) == ("undecided", (-math.inf, math.inf))
    assert (test.p_equivalent, test.p_different) == (1.0, 1.0)
    assert f"found {number}" in test.problems[0]
    assert math.isnan(test.difference) == (number == 0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("network", "vgg16"),
        ("recipe", "mini-noaug"),
        ("dataset", "CIFAR-100"),
        ("train_images", 2000),
        ("test_images", 1000),
        ("epochs_planned", 2),
        ("batch", 50),
        ("precision", "tf32"),
    ],
)
def test_different_experiments_are_not_pooled(field: str, value: object) -> None:
    trainings = runs([0.571, 0.572], [0.571, 0.573])
    changes: dict[str, Any] = {field: value}
    trainings["tensorflow"][1] = replace(trainings["tensorflow"][1], **changes)
    with pytest.raises(ValueError, match=field.replace("_", " ")):
        equivalence(trainings)


def test_misuse_is_named() -> None:
    trainings = runs([0.571, 0.572], [0.571, 0.573])
    with pytest.raises(ValueError, match="two frameworks, found 1"):
        equivalence({"paddle": trainings["paddle"]})
    with pytest.raises(ValueError, match="found none of either"):
        equivalence({"paddle": [], "tensorflow": []})
    with pytest.raises(ValueError, match="two trainings with seed 0"):
        equivalence({**trainings, "paddle": [trainings["paddle"][0]] * 2})
    with pytest.raises(ValueError, match="found one in paddle"):
        equivalence({**trainings, "tensorflow": trainings["paddle"]})
