"""The records that a run saves and a report reads.

pytest-benchmark's JSON is the one store: every record below rides in a benchmark's `extra_info` (as `as_dict()` gives
it), and the environment in `machine_info["parity"]`. `parity train` writes the same form, so that a report can be made
from any mixture of the two.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from parity.records.levels import RENUMBERED


class RecordError(Exception):
    """A saved run that cannot be read: the message names the file, what was expected and what was found."""


@dataclass(frozen=True)
class Record:
    """Base of all records: a frozen dataclass of plain JSON values with a `kind`."""

    kind: ClassVar[str]

    def as_dict(self) -> dict[str, Any]:
        """This record as plain JSON values, `kind` included."""
        return {"kind": self.kind} | dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The record that `as_dict` wrote; unknown keys are refused with a RecordError."""
        known = {f.name for f in dataclasses.fields(cls)}
        given = {key: value for key, value in values.items() if key != "kind"}
        if unknown := sorted(set(given) - known):
            raise RecordError(f"a {cls.kind} record has unknown fields {unknown}; expected some of {sorted(known)}")
        return cls(**given)


@dataclass(frozen=True)
class Diagnosis:
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
    alike: list[str] = field(default_factory=list)  # further traps that would make the very same
    change: str = ""  # the text without the place: causes of one change belong together; empty where it stands alone


@dataclass(frozen=True)
class Proof(Record):
    """One level of evidence for one network (levels: DESIGN of the suite, 'What counts as parity').

    Gaps and limits are relative to the scale of their stage, which is its largest absolute value.
    """

    kind: ClassVar[str] = "proof"

    network: str
    level: int  # see parity.records.levels.LEVELS
    title: str
    passed: bool
    dataset: str  # title of the data set the inputs were drawn from
    compared: dict[str, int]  # what was compared: {"stages": 31, "arrays": 62, "elements": 1234567}; none may be 0
    gap: float | None = None  # the largest gap found, None where the check never got so far
    limit: float | None = None  # what it had to stay below, at the stage of the largest gap/limit ratio
    worst: str | None = None  # that stage (or array)
    first_failure: str | None = None  # the first stage, in network order, over its limit
    # where each framework was held against its own limit (level 3, float32 part of level 4):
    # {"paddle": {"gap": 1e-7, "limit": 3e-6, "worst": "group5/conv3"}, "tensorflow": {...}}
    frameworks: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)  # why it failed, one line each; empty when passed
    seconds: float = 0.0
    causes: list[dict[str, Any]] = field(default_factory=list)  # dataclasses.asdict(Diagnosis), of a failed proof

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """As `Record.from_dict`; the level of earlier runs that has another number now gets that."""
        level, title = values.get("level"), values.get("title")
        return super().from_dict({**values, "level": RENUMBERED.get(f"{level} {title}", level)})


@dataclass(frozen=True)
class RuleProof(Proof):
    """The optimizer steps of one update rule: evidence of the rule, and not of the network that it is proven on."""

    kind: ClassVar[str] = "update rule"

    rule: str = ""  # parity.proofs.optimizer.OPTIMIZERS


@dataclass(frozen=True)
class Detection(Record):
    """What the suite found of a fault that was put into one twin."""

    kind: ClassVar[str] = "detection"

    network: str
    trap: str  # id in parity.catalogue.traps
    change: str  # the form of the trap, see parity.catalogue.traps.FAULTS
    framework: str  # where it was put
    stage: str
    must_level: int  # the level of evidence that must see it
    level: int  # the first level that saw it; 0: none
    severity: float | None  # largest gap in units of its limit at that level; None where it was no number
    placed: bool  # a diagnosis names the stage and the framework
    named: bool  # and the trap, or one that makes the very same network
    accused: list[str] = field(default_factory=list)  # stages that were accused beside it
    diagnosis: str = ""  # the line that the user reads
    seconds: float = 0.0

    @property
    def caught(self) -> bool:
        """Whether the level that must see it did, or an earlier one."""
        return 0 < self.level <= self.must_level


@dataclass(frozen=True)
class Innocence(Record):
    """What the suite said of a correct pair, over several seeds of weights and images."""

    kind: ClassVar[str] = "innocence"

    network: str
    seeds: list[int]
    accusations: list[str]  # one line each
    severity: float  # the largest gap in units of its limit, of all levels and seeds
    seconds: float = 0.0


@dataclass(frozen=True)
class Speed(Record):
    """What a speed measurement was; the seconds a step themselves are the benchmark's `stats`."""

    kind: ClassVar[str] = "speed"

    network: str
    framework: str
    what: str  # "forward" (inference) or "train step"
    batch: int
    mode: str  # how the step ran: "tf.function", "eager", "to_static"
    precision: str  # "float32"
    device: str  # "cpu" or "gpu"
    threads: int
    steps_per_measurement: int
    first_seconds: float  # the first step: tracing and compiling included


@dataclass(frozen=True)
class Epoch:
    """One epoch of a training run: losses in nats a sample, accuracies in 0..1, seconds without the evaluation."""

    epoch: int  # counted from 1
    learning_rate: float  # of the epoch's first step
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    seconds: float
    images_per_second: float


@dataclass(frozen=True)
class Training(Record):
    """One network trained by one framework."""

    kind: ClassVar[str] = "training"

    network: str
    framework: str
    recipe: str
    dataset: str  # title of the data set
    train_images: int
    test_images: int
    batch: int
    seed: int
    mode: str  # "tf.function", "eager", "to_static"
    precision: str
    device: str
    threads: int
    epochs: list[dict[str, Any]]  # dataclasses.asdict(Epoch)
    epochs_planned: int
    seconds: float  # training steps of all epochs, evaluation and compilation apart
    first_seconds: float  # the first step: tracing and compiling included
    peak_memory: int  # bytes, the worker process's high-water mark
    initial_digest: str  # sha256 of the initial weights in canonical form
    batches_digest: str  # sha256 of every batch of the first epoch as the framework's device produced it
    problems: list[str] = field(default_factory=list)
    # sha256 of everything that decides the outcome: recipe, data, seed, precision, device, threads, versions, code
    configuration: str = ""
    weights_digest: str = ""  # sha256 of the final weights in canonical form; empty before the end
    # One for every process that worked on it, the first included: {"after_epochs": 12, "first_seconds": 0.9}. Only
    # epochs that were finished and saved count in `epochs` and `seconds`; what a killed process lost does not.
    sessions: list[dict[str, Any]] = field(default_factory=list)

    @property
    def final(self) -> dict[str, Any] | None:
        """The last finished epoch, or None when none was finished."""
        return self.epochs[-1] if self.epochs else None

    @property
    def finished(self) -> bool:
        """Whether every planned epoch was trained and nothing was wrong with any."""
        return len(self.epochs) == self.epochs_planned > 0 and not self.problems


@dataclass(frozen=True)
class Overhead(Record):
    """The suite's own training loop against a baseline loop in the same framework, interleaved in one run."""

    kind: ClassVar[str] = "overhead"

    network: str
    framework: str
    baseline: str  # "bare loop" or "Model.fit"
    batch: int
    threads: int
    ratios: list[float]  # one an interleaved pair: baseline seconds / suite seconds; above 1 the suite is faster
    target: float  # what the median ratio should reach


@dataclass(frozen=True)
class Curves(Record):
    """Evidence 9: the losses of several runs of one network on identical batches, step by step."""

    kind: ClassVar[str] = "curves"

    network: str
    recipe: str
    dataset: str
    batch: int
    seed: int
    steps: int
    # {"paddle float64": [2.30, ...], "paddle float64 nudged": ..., "tensorflow float32": ...}: nats, one a step. A
    # nudged run began with weights that one rounding of its own precision had moved.
    losses: dict[str, list[float]]
    # {"one": "paddle float32", "other": "tensorflow float32", "meaning": "frameworks", "parted": 57, "largest": 0.02};
    # meaning "frameworks" (both on the same batches) or "chaos" (one framework against its own nudged run); "parted"
    # counts from 1 and is None where they stayed together; "largest" is the largest relative difference of a loss
    pairs: list[dict[str, Any]]
    together: float  # two losses part where they differ by more than this part of the larger one


@dataclass(frozen=True)
class Equivalence(Record):
    """Evidence 10: final test accuracy over several seeds, tested for equivalence (two one-sided t-tests)."""

    kind: ClassVar[str] = "equivalence"

    network: str
    recipe: str
    dataset: str
    train_images: int
    epochs: int
    seeds: list[int]
    accuracies: dict[str, list[float]]  # per framework, in the order of the seeds; 0..1
    difference: float  # of the means, in points of a percent, the first framework less the second
    interval: list[float]  # [low, high] in points: equivalence holds where it lies within the margin on both sides
    margin: float  # points
    confidence: float  # 0.95: of each of the two one-sided tests
    p_equivalent: float  # the larger p of the two one-sided tests
    p_different: float  # of the two-sided test of no difference
    verdict: str  # "equivalent", "different" or "undecided"
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class CrossEvaluation(Record):
    """Evidence 10: weights that one framework trained, evaluated by both over all test images in float32."""

    kind: ClassVar[str] = "cross evaluation"

    network: str
    dataset: str
    seed: int
    trained_in: str  # framework
    evaluated_in: str  # the other framework
    images: int
    accuracy_home: float  # 0..1, by the framework that trained
    accuracy_abroad: float
    largest_gap: float  # of any logit, relative to the largest absolute logit
    # images of which the predicted class differs:
    # {"image": 812, "home": 3, "abroad": 5, "margin": 1e-6, "float64_agree": True}
    # "margin" is the home framework's largest logit less its second largest; "float64_agree" says that both frameworks
    # predict the same class for this image in float64, so that rounding alone explains the difference
    differing: list[dict[str, Any]]
    problems: list[str] = field(default_factory=list)
    recipe: str = ""  # by which the weights were trained

    @property
    def passed(self) -> bool:
        """Whether something was compared, and every difference is a near-tie that float64 settles alike."""
        return self.images > 0 and not self.problems and all(each["float64_agree"] for each in self.differing)


@dataclass(frozen=True)
class Migration(Record):
    """What `parity compare` found of a user's TensorFlow model and Paddle model."""

    kind: ClassVar[str] = "migration"

    first: str  # the TensorFlow target
    second: str  # the Paddle target
    input: list[int]
    inputs: str  # what the proofs fed: title of a data set, or "drawn inputs"
    # "equal"; "different"; or "undecided": layers that the suite cannot look into keep weights of their own
    verdict: str
    fixed: bool  # whether the suggested changes were made to the Paddle model before
    parameters: dict[str, int]  # per framework
    proofs: list[dict[str, Any]]  # Proof.as_dict()
    # every matched layer, in order: {"first", "second", "kind", "evidence", "gap", "limit", "float32"}; gaps are
    # relative to the layer's largest value, "float32" has each framework's own
    stages: list[dict[str, Any]]
    unmatched: dict[str, list[str]]  # per framework, a line each
    ambiguous: list[str]
    causes: list[dict[str, Any]]  # dataclasses.asdict(Diagnosis), every single one
    remarks: list[str]  # what does not change the verdict but should be known
    training: list[str]  # differences that show in training only
    fix: str  # Python source of fix(model) for the Paddle model; empty where there is nothing to mend
    by_hand: list[str]  # causes that the fix does not mend
    # {"inputs": 200, "title": ..., "changed": 3, "largest_gap": 0.02, "margins": [...]}; margins are
    # the TensorFlow model's largest output less its second largest, of the changed ones, in units of the largest output
    impact: dict[str, Any]
    seconds: float
    peak_memory: int  # bytes: the high-water marks of all processes, added up
    environment: dict[str, Any] = field(default_factory=dict)  # as parity.workers.environment.collect gives it

    @property
    def equal(self) -> bool:
        """Whether the verdict is "equal"."""
        return self.verdict == "equal"


def grouped(causes: Sequence[Diagnosis]) -> list[tuple[Diagnosis, list[str]]]:
    """Causes of one trap and one pair of values, each group by its first member, with the stages of all."""
    found: dict[tuple[str, str], list[Diagnosis]] = {}
    for cause in causes:
        found.setdefault((cause.trap, cause.change or cause.text), []).append(cause)
    return [(members[0], [each.stage for each in members]) for members in found.values()]
