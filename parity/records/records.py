"""The records that a run saves and a report reads.

pytest-benchmark's JSON is the one store: every record below is kept in a benchmark's `extra_info` (as `as_dict()`
gives it), and the environment in `machine_info["parity"]`. `parity train` writes the same form, so that a report can be
made from any mixture of the two.

The types and ranges below hold for what is read: `Record.from_dict` refuses what does not fit. A result of a network (a
loss, a gap, an accuracy) may be no number, and the reports show it in bold; a count, a setting or a time may not.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import msgspec
from msgspec import Meta, Struct

from parity.records.earlier_forms import of_today
from parity.records.levels import LOSS_CURVE
from parity.records.validation import validated

Count = Annotated[int, Meta(ge=0)]

Some = Annotated[int, Meta(ge=1)]

Level = Annotated[int, Meta(ge=1, le=LOSS_CURVE)]

Measured = Annotated[float, Meta(ge=0, le=sys.float_info.max)]  # finite: seconds, rates

Above0 = Annotated[float, Meta(gt=0, le=sys.float_info.max)]

Accuracy = float  # 0..1, or no number: `check_accuracies`

Verdict = Literal["equal", "different", "undecided"]

Share = Annotated[float, Meta(ge=0, le=1)]

FIRST_LOOK, MOST_SEEDS = 4, 1000  # seeds of a sequential plan, see `parity.records.sequential`

SHARES_OFF = 1e-9  # by which shares of a whole may miss 1 in sum, for rounding

Distribution = Literal["normal", "skewed", "heavy-tailed", "uniform"]  # parity.records.accuracy_distributions


class Part(Struct, frozen=True, forbid_unknown_fields=True):
    """Base of the parts of records."""


class Record(Part, frozen=True, tag_field="kind"):
    """Base of all records: frozen, of plain JSON values, with a `kind`."""

    @property
    def kind(self) -> str:
        """The tag of this class of records in a file."""
        return str(self.__struct_config__.tag)

    def as_dict(self) -> dict[str, Any]:
        """This record as plain JSON values, `kind` included.

        Returns:
            What `from_dict` reads. A float may be NaN or infinite, which strict JSON does not have.
        """
        return dict(msgspec.to_builtins(self, enc_hook=_plain))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The record that `as_dict` wrote, now or in an earlier version.

        Args:
            values: plain JSON values, which are not changed; without `kind` they are taken for one of this class.

        Returns:
            A record of this class.

        Raises:
            RecordError: a field that is missing, unknown, or of another type or range; the message has its path.
        """
        return validated(of_today(values), cls)


def _plain(value: Any) -> Any:
    """A number of numpy as Python's own."""
    return value.item()


def check_looks(looks: list[int]) -> None:
    """Refuse looks of no sequential plan, whose batches are of one size but the last.

    Args:
        looks: seeds of each framework at every look.

    Raises:
        ValueError: `parity.records.sequential.SequentialPlan` gives no such looks.
    """
    steps = [later - earlier for earlier, later in itertools.pairwise(looks)]
    even = all(step == steps[0] for step in steps[:-1]) and all(0 < step <= steps[0] for step in steps)
    if not looks or looks[0] < FIRST_LOOK or looks[-1] > MOST_SEEDS or not even:
        raise ValueError(
            f"looks: expected ascending numbers of seeds from {FIRST_LOOK} to {MOST_SEEDS}, as far apart as the first "
            f"two, found {looks}"
        )


def check_accuracies(**values: float) -> None:
    """Refuse numbers outside of 0..1; one that is not finite passes.

    Args:
        values: accuracies by the names that the message gives them.

    Raises:
        ValueError: one is no accuracy.
    """
    for name, value in values.items():
        if math.isfinite(value) and not 0 <= value <= 1:
            raise ValueError(f"{name}: expected an accuracy of 0 to 1, found {value:g}")


class Diagnosis(Part, frozen=True):
    """One cause of a difference: where it enters, in which framework, and which trap it is.

    Gaps are relative to the largest value that the network says: `before` between that and what was found, `after`
    between what the trap makes and what was found; infinite where the two are not numbers at the same places.
    """

    framework: str  # the one that does not do what the network says
    stage: str  # a layer, "images", "loss" or "optimizer"
    trap: str  # id in parity.catalogue.traps; empty where none fits
    text: str  # one line for the user
    before: float
    after: float
    alike: list[str] = []  # further traps that would make the very same
    change: str = (
        ""  # the text without the location, the same for all causes of one change; empty where there is no such group
    )
    advice: str = ""  # what to do; empty where the trap's own words are it


class OwnGap(Part, frozen=True):
    """One framework held against a limit of its own: its largest gap, as in a proof."""

    gap: float | None
    limit: float | None
    worst: str | None = None


class Proof(Record, frozen=True, tag="proof"):
    """One level of evidence for one network (levels: README, 'How to read a verdict').

    Gaps and limits are relative to the scale of their stage, which is its largest absolute value.
    """

    network: str
    level: Level  # see parity.records.levels.LEVELS
    title: str
    passed: bool
    dataset: str  # title of the data set the inputs were drawn from
    compared: dict[str, Count]  # what was compared: {"stages": 31, "arrays": 62, "elements": 1234567}; none may be 0
    gap: float | None = None  # the largest gap found, None where the check never got so far
    limit: float | None = None  # what it had to stay below, at the stage of the largest gap/limit ratio
    worst: str | None = None  # that stage (or array)
    first_failure: str | None = None  # the first stage, in network order, over its limit
    # where each framework was held against its own limit (level 3, float32 part of level 4)
    frameworks: dict[str, OwnGap] = {}
    problems: list[str] = []  # why it failed, one line each; empty when passed
    seconds: Measured = 0.0
    causes: list[Diagnosis] = []  # of a failed proof


class RuleProof(Proof, frozen=True, tag="update rule"):
    """The optimizer steps of one update rule: evidence of the rule, and not of the network that it is proven on."""

    rule: str = ""  # parity.proofs.optimizer.OPTIMIZERS


class Detection(Record, frozen=True, tag="detection"):
    """What the suite detected of a fault that was put into one twin."""

    network: str
    trap: str  # id in parity.catalogue.traps
    change: str  # the form of the trap, see parity.catalogue.traps.FAULTS
    framework: str  # where it was put
    stage: str
    must_level: Level  # the level of evidence that must see it
    level: Annotated[int, Meta(ge=0, le=LOSS_CURVE)]  # the first level that saw it; 0: none
    severity: Measured | None  # largest gap in units of its limit at that level; None where it was no number
    located: bool  # whether a diagnosis names the stage and the framework
    named: bool  # whether it also names the trap, or one that makes the very same network
    false_alarms: list[str] = []  # other stages that a diagnosis named as well
    diagnosis: str = ""  # the line that the user reads
    seconds: Measured = 0.0

    @property
    def caught(self) -> bool:
        """Whether the level that must see it did, or an earlier one."""
        return 0 < self.level <= self.must_level

    @property
    def as_expected(self) -> bool:
        """Whether it was caught, located and named, and nothing else was named with it."""
        return self.caught and self.located and self.named and not self.false_alarms


class ControlRun(Record, frozen=True, tag="control run"):
    """What the suite reported about a correct pair, over several seeds of weights and images."""

    network: str
    seeds: list[Count]
    false_alarms: list[str]  # one line for every difference that was reported
    severity: Measured  # the largest gap in units of its limit, of all levels and seeds
    seconds: Measured = 0.0


class Epoch(Part, frozen=True):
    """One epoch of a training run: losses in nats a sample, accuracies in 0..1, seconds without the evaluation."""

    epoch: Some  # counted from 1
    learning_rate: Measured  # of the epoch's first step
    train_loss: float
    train_accuracy: Accuracy
    test_loss: float
    test_accuracy: Accuracy
    seconds: Measured
    images_per_second: Measured

    def __post_init__(self) -> None:
        """Raise ValueError for an accuracy outside of 0..1."""
        check_accuracies(train_accuracy=self.train_accuracy, test_accuracy=self.test_accuracy)


class TrainingSession(Part, frozen=True):
    """One process that worked on a training."""

    after_epochs: Count  # that were finished when it began
    first_seconds: Measured  # its first step: tracing and compiling included


class Training(Record, frozen=True, tag="training"):
    """One network trained by one framework."""

    network: str
    framework: str
    recipe: str
    dataset: str  # title of the data set
    train_images: Count
    test_images: Count
    batch: Some
    seed: Count
    mode: str  # "tf.function", "xla", "eager", "to_static"
    precision: str
    device: str
    threads: Count  # of every replica
    epochs: list[Epoch]  # those that were finished
    epochs_planned: Count
    seconds: Measured  # training steps of all epochs, evaluation and compilation apart
    first_seconds: Measured  # the first step: tracing and compiling included
    peak_memory: Count  # bytes, the worker process's high-water mark
    initial_digest: str  # sha256 of the initial weights in canonical form
    batches_digest: str  # sha256 of every batch of the first epoch as the framework's device produced it
    problems: list[str] = []
    # sha256 of everything that decides the outcome: recipe, data, seed, precision, device, threads, versions, code
    configuration: str = ""
    weights_digest: str = ""  # sha256 of the final weights in canonical form; empty before the end
    # One for every process that worked on it, the first included. Only epochs that were finished and saved count in
    # `epochs` and `seconds`; what a killed process lost does not.
    sessions: list[TrainingSession] = []
    replicas: Some = 1  # processes that each trained on a share of every batch
    synchronised: bool = False  # whether batch norm computed its statistics over all replicas
    setup: str = ""  # as `configuration`, without the seed: seeds of one experiment have it in common
    # Where seeds are added until a sequential test decides: the seeds of each framework at every look that was planned
    # before this one was trained. Empty: their number was fixed.
    looks: list[Some] = []

    def __post_init__(self) -> None:
        """Raise ValueError for looks of no plan."""
        if self.looks:
            check_looks(self.looks)

    @property
    def final(self) -> Epoch | None:
        """The last finished epoch, or None when none was finished."""
        return self.epochs[-1] if self.epochs else None

    @property
    def finished(self) -> bool:
        """Whether every planned epoch was trained and nothing was wrong with any."""
        return len(self.epochs) == self.epochs_planned > 0 and not self.problems


class RunPair(Part, frozen=True):
    """Two runs whose losses were compared; runs are named as in `Curves.losses`."""

    one: str  # "paddle float32"
    other: str  # "tensorflow float32"
    meaning: Literal["frameworks", "divergence"]  # both on the same batches, or one framework and its own perturbed run
    parted: Some | None  # the first step, counted from 1, at which they differ by more than `Curves.together`
    largest: float  # the largest relative difference of a loss


class Curves(Record, frozen=True, tag="curves"):
    """Level 9: the losses of several runs of one network on identical batches, step by step."""

    network: str
    recipe: str
    dataset: str
    batch: Some
    seed: Count
    steps: Count
    # {"paddle float64": [2.30, ...], "paddle float64 perturbed": ..., "tensorflow float32": ...}: nats, one a step.
    # A perturbed run began with weights that were moved by one rounding of its own precision.
    losses: dict[str, list[float]]
    pairs: list[RunPair]
    together: Above0  # two losses part where they differ by more than this part of the larger one
