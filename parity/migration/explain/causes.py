"""What is said of a difference of two models, and of which of their layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from parity.migration.align.recorded_graph import RecordedStep
from parity.records.records import Diagnosis

UNKNOWN = "no known cause"  # how a text ends that says what differs and not why


@dataclass(frozen=True)
class Cause:
    """A cause, and the steps that it is about.

    Attributes:
        diagnosis: for the user.
        first: the TensorFlow step; None where it is about none.
        second: the Paddle step; None where it is about none.
        number: of the steps, in which they differ; "kind" or "function" for all of them; else empty.
        array: the name of an array that only one of the models has; empty where it is about none.
        arrays: the names of all that this is about, of one layer.
        training: whether it matters in training only.
        idle: whether it is a difference that changes nothing of what the steps make of these inputs.
        todo: by framework whose model is changed, what to do where no code does it; may lack one.
    """

    diagnosis: Diagnosis
    first: RecordedStep | None = None
    second: RecordedStep | None = None
    number: str = ""
    array: str = ""
    arrays: tuple[str, ...] = ()
    training: bool = False
    idle: bool = False
    todo: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from others."""
        return self.diagnosis.stage, self.diagnosis.change

    @property
    def known(self) -> bool:
        """Whether it says why values differ."""
        return not self.diagnosis.text.endswith(UNKNOWN)
