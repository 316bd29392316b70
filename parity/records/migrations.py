"""The record of what `parity compare` found of a user's two models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from parity.records.records import Count, Diagnosis, Measured, Part, Proof, Record, Some, Verdict


class MatchedLayer(Part, frozen=True):
    """A layer of the one model and its counterpart in the other."""

    first: str
    second: str
    kind: str
    reason: str  # why these two were matched
    gap: float | None  # relative to the largest value; None where they were not compared, or the gap is no number
    limit: float | None  # None where they were not compared
    problem: str = ""  # why the gap is no number, such as another shape


class Impact(Part, frozen=True):
    """For how many inputs the largest output of one model is not that of the other, in float32."""

    inputs: Some
    title: str  # of the inputs' data set, or "drawn inputs"
    changed: Count
    largest_gap: float | None  # of any output, in units of the largest output; None where it is no number
    # of the changed inputs: the TensorFlow model's largest output less its second largest, in the same units
    margins: list[float]
    classes: bool = True  # whether the outputs are probabilities, so that the largest is a class
    decisions: Count = 0  # how many of the TensorFlow model's outputs are the largest for some input; 0 where unknown

    @property
    def sentence(self) -> str:
        """How many of how many inputs, and where that shows little, without a full stop.

        Example:
            >>> Impact(3, "drawn inputs", 0, 0.1, [], decisions=1).sentence
            '0 of 3 inputs change their class; one output is the largest for all of them, so that this shows little'
        """
        share = f"{self.changed:,} of {self.inputs:,} inputs"
        little = self.decisions == 1 and not self.changed and self.inputs > 1
        same = "; one output is the largest for all of them, so that this shows little" if little else ""
        if self.classes:
            return f"{share} change their class{same}"
        return f"for {share} another output is the largest (another class, where outputs are logits){same}"


class OwnArray(Part, frozen=True):
    """An array of the Paddle model with its own weights, against what the TensorFlow model's own arrays make of it."""

    name: str
    sources: list[str]  # the TensorFlow arrays that it should be made of
    elements: Count
    state: Literal["same bits", "rounded", "other"]
    rounding: Literal["", "float16", "bfloat16", "float32"] = ""  # to which it was rounded; float32: at most 1 ulp
    # of what is other: the largest difference, relative to the largest value, None where it is no number; and its index
    gap: float | None = None
    index: list[Count] = []
    holds: str = ""  # the Paddle array whose numbers it holds instead
    why: str = ""  # what the other numbers are, where that is plain, such as the right ones transposed


class LoneArray(Part, frozen=True):
    """An array that has no counterpart in the other model."""

    framework: str
    name: str
    elements: Count
    idle: bool  # whether it changes nothing
    why: str  # it is so, or what it holds


class OwnWeights(Part, frozen=True):
    """What `--weights own` found: both models with the weights that they have, such as after a conversion.

    Gaps are relative to the largest value of the output.
    """

    verdict: Verdict
    drawn: Verdict  # of the models with drawn weights, by which arrays were put together
    arrays: list[OwnArray]  # of the Paddle model, each that has a counterpart
    alone: list[LoneArray]
    title: str  # of the inputs: of a data set or the user's, or "drawn inputs"
    inputs: Count  # how many of these were run
    sets: Count  # of inputs, these and designed ones
    elements: Count  # of outputs that were compared
    gap: float | None  # the worst of all outputs; None where it is no number, or nothing was compared
    limit: float | None
    top1: Count | None  # of how many of the inputs both have the same largest class; None where outputs are no classes
    top5: Count | None  # of how many both have the same five largest ones
    reasons: list[str]  # why the verdict is not "equal", one line each

    @property
    def roundings(self) -> dict[str, int]:
        """By the type to which arrays were rounded, how many."""
        return dict(Counter(one.rounding for one in self.arrays if one.rounding))


class Migration(Record, frozen=True, tag="migration"):
    """What `parity compare` found of a user's TensorFlow model and Paddle model."""

    first: str  # the TensorFlow target
    second: str  # the Paddle target
    input: list[Some]
    inputs: str  # what the proofs fed: title of a data set, or "drawn inputs"
    # "equal"; "different"; or "undecided": not all of it could be established, as the proofs' problems say
    verdict: Verdict
    fixed: bool  # whether the code of the suggested changes was asked for, and there is some
    parameters: dict[str, Count]  # per framework
    proofs: list[Proof]
    stages: list[MatchedLayer]  # every one, in order
    unmatched: dict[str, list[str]]  # per framework, a line each
    ambiguous: list[str]
    causes: list[Diagnosis]  # every single one
    remarks: list[str]  # what does not change the verdict but should be known
    training: list[str]  # differences that show in training only
    fix: str  # Python source of fix(model), made and proven; empty where there is nothing to change, or none known
    by_hand: list[str]  # causes that the fix does not remove
    impact: Impact | None  # None: not measured
    seconds: Measured
    peak_memory: Count  # bytes: the high-water marks of all processes, added up
    environment: dict[str, Any] = {}  # as parity.workers.environment.collect gives it
    own: OwnWeights | None = None  # None: the models were compared with drawn weights only
    marks: dict[str, str] = {}  # by place of a cause that is no matched layer, the matched layer that comes next
    fix_framework: str = "paddle"  # whose model the fix changes
    changes: list[str] = []  # the fix in the user's terms, a line each: a layer, and its constructor
    fixed_verdict: Verdict | None = None  # on the pair with the fix; `verdict` is that of the models as they are

    @property
    def equal(self) -> bool:
        """Whether the verdict is "equal"."""
        return self.verdict == "equal"

    def assert_equal(self) -> None:
        """For a test: pass where the verdict is "equal".

        Raises:
            AssertionError: the models are different, with the causes; or nothing is proven, with what is missing.
        """
        if self.equal:
            return
        lines = [f"{self.verdict}: {self.first} / {self.second}"]
        lines += [f"level {proof.level}: {problem}" for proof in self.proofs for problem in proof.problems]
        for cause, stages in grouped(self.causes):
            lines.append(f"cause ({places(len(stages))}): {cause.text}")
        raise AssertionError("\n  ".join(lines))


def places(count: int) -> str:
    """How often a cause was found, in words."""
    return "1 place" if count == 1 else f"{count} places"


def grouped(causes: Sequence[Diagnosis]) -> list[tuple[Diagnosis, list[str]]]:
    """Group causes of one trap and one pair of values.

    Args:
        causes: in any order.

    Returns:
        For every group its first cause and the stages of all its causes, in the order of `causes`.
    """
    groups: dict[tuple[str, str], list[Diagnosis]] = {}
    for cause in causes:
        groups.setdefault((cause.trap, cause.change or cause.text), []).append(cause)
    return [(members[0], [cause.stage for cause in members]) for members in groups.values()]
