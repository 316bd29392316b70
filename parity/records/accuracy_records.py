"""The records of accuracy over several seeds: tests of equivalence, evaluations in the other framework, simulations."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

from msgspec import Meta

from parity.printable import quoted
from parity.records.records import (
    SHARES_OFF,
    Above0,
    Accuracy,
    Count,
    Distribution,
    Measured,
    Part,
    Record,
    Share,
    Some,
    check_accuracies,
    check_looks,
)


class SequentialLook(Part, frozen=True):
    """One look of a test that is made after each batch of seeds, until it decides."""

    number: Some  # which look it is
    seeds: Some  # of each framework at this look
    looks: list[Some]  # seeds of each framework at every look that was planned
    alpha_different: float  # nominal, of the two-sided test of no difference at this look
    error: float  # the largest probability, over all looks, of each of the two errors

    def __post_init__(self) -> None:
        """Raise ValueError for looks of no plan, or a look that is none of them."""
        check_looks(self.looks)
        if self.number > len(self.looks) or self.seeds != self.looks[self.number - 1]:
            raise ValueError(f"expected a look of {self.looks}, found look {self.number} at {self.seeds} seeds")


class Equivalence(Record, frozen=True, tag="equivalence"):
    """Level 10: final test accuracy over several seeds, tested for equivalence (two one-sided t-tests)."""

    network: str
    recipe: str
    dataset: str
    train_images: Count
    epochs: Count
    seeds: list[Count]
    accuracies: dict[str, list[Accuracy]]  # per framework, in the order of the seeds; 0..1
    difference: float  # of the means, in points of a percent, the first framework less the second
    interval: tuple[float, float]  # low, high, in points; equivalent: within the margin on both sides
    margin: Above0  # points
    confidence: Annotated[float, Meta(gt=0, lt=1)]  # of each of the two one-sided tests: 0.95, or that of a look
    p_equivalent: float  # the larger p of the two one-sided tests
    p_different: float  # of the two-sided test of no difference
    verdict: Literal["equivalent", "different", "undecided"]
    problems: list[str] = []
    precision: str = "float32"
    replicas: Some = 1  # processes that each trained on a share of every batch
    synchronised: bool = False  # whether batch norm computed its statistics over all replicas
    # Of a sequential test: the look that interval, confidence and p values are of. None: the number of seeds was fixed.
    sequential: SequentialLook | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for an accuracy outside of 0..1."""
        for framework, accuracies in self.accuracies.items():
            for accuracy in accuracies:
                check_accuracies(**{f"accuracies[{quoted(framework)}]": accuracy})


class DifferingImage(Part, frozen=True):
    """A test image of which the two frameworks predict different classes."""

    image: Count  # its index
    home: Count  # the class that the framework predicts that trained
    abroad: Count
    margin: float  # the home framework's largest logit less its second largest
    float64_agree: bool  # in float64 both predict the same class, so that rounding alone explains the difference


class CrossEvaluation(Record, frozen=True, tag="cross evaluation"):
    """Level 10: weights that one framework trained, evaluated by both over all test images in float32."""

    network: str
    dataset: str
    seed: Count
    trained_in: str  # framework
    evaluated_in: str  # the other framework
    images: Count
    accuracy_home: Accuracy  # by the framework that trained
    accuracy_abroad: Accuracy
    largest_gap: float  # of any logit, relative to the largest absolute logit
    differing: list[DifferingImage]
    problems: list[str] = []
    recipe: str = ""  # by which the weights were trained
    precision: str = "float32"  # in which they were trained
    replicas: Some = 1  # processes that each trained on a share of every batch
    synchronised: bool = False  # whether batch norm computed its statistics over all replicas

    def __post_init__(self) -> None:
        """Raise ValueError for an accuracy outside of 0..1."""
        check_accuracies(accuracy_home=self.accuracy_home, accuracy_abroad=self.accuracy_abroad)

    @property
    def passed(self) -> bool:
        """Whether something was compared, and every difference is a near-tie that float64 settles alike."""
        return self.images > 0 and not self.problems and all(image.float64_agree for image in self.differing)


class SequentialErrors(Record, frozen=True, tag="sequential errors"):
    """How often a sequential test gave each verdict, in simulated matrices of accuracies whose truth is known."""

    distributions: tuple[Distribution, Distribution]  # of the two frameworks' accuracies over seeds
    deviations: tuple[Measured, Measured]  # their standard deviations, in points of a percent
    true_difference: Annotated[float, Meta(ge=-sys.float_info.max, le=sys.float_info.max)]  # of the means, in points
    matrices: Some  # simulated experiments, each a matrix of frameworks by seeds
    first: Some  # seeds of each framework at the first look
    seed_batch: Some  # seeds between two looks
    most: Some  # seeds at the last look
    margin: Above0  # points
    confidence: Annotated[float, Meta(gt=0, lt=1)]  # 1 less the largest probability of each of the two errors
    equivalent: Share  # of the matrices that ended with this verdict
    different: Share
    undecided: Share
    mean_seeds: Measured  # of each framework, when the experiment ended
    seed: Count  # of the random numbers

    def __post_init__(self) -> None:
        """Raise ValueError for figures that no simulation gives."""
        whole = self.equivalent + self.different + self.undecided
        if abs(whole - 1) > SHARES_OFF:
            raise ValueError(f"undecided: expected the share that makes all three 1 in sum, found a sum of {whole:g}")
        if not self.first <= self.mean_seeds <= self.most:
            raise ValueError(
                f"mean_seeds: expected {self.first} to {self.most}, the first look's to the last's, "
                f"found {self.mean_seeds:g}"
            )

    @property
    def bound(self) -> float:
        """What the share of wrong verdicts is to be at most."""
        return 1 - self.confidence

    @property
    def error(self) -> float | None:
        """The share of wrong verdicts; None where the difference is below the margin, and so no verdict is wrong."""
        if self.true_difference == 0:
            return self.different
        return self.equivalent if abs(self.true_difference) >= self.margin else None
