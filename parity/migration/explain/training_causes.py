"""What two models that agree in inference differ in once they are trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from parity.catalogue.pair_traps import PAIR_TRAPS
from parity.kinds.kind import shown
from parity.migration.align.recorded_graph import RecordedStep
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.explain.acting_dropout import acts
from parity.migration.explain.causes import Cause
from parity.migration.prove.training import TrainingComparison
from parity.migration.specs import FIRST, SECOND
from parity.printable import few
from parity.records.records import Diagnosis
from parity.workers.frameworks import FRAMEWORKS

BATCH_NORM = 4  # arrays of one that has them all

IN_TRAINING = "in training mode only: "


@dataclass(frozen=True)
class TrainingDifference:
    """A number that matters in training only, and where it differs.

    Attributes:
        text: what differs.
        trap: that it is; empty for none.
        steps: TensorFlow's and Paddle's, of each layer; None for the model that lacks it.
        number: of the steps, in which they differ; empty where one model lacks them.
    """

    text: str
    trap: str
    steps: tuple[tuple[RecordedStep | None, RecordedStep | None], ...]
    number: str = ""

    @property
    def layers(self) -> list[str]:
        """Names, TensorFlow's where it has the layer."""
        return [step.name for both in self.steps if (step := both[0] or both[1]) is not None]

    def __str__(self) -> str:
        return f"{self.text} ({few(self.layers)})"


def training_differences(
    pair: RecordedPair, matched: Sequence[tuple[RecordedStep, RecordedStep]]
) -> list[TrainingDifference]:
    """What differs in training only: dropout and the statistics of batch norms.

    Args:
        pair: whose graphs are those of a traced run.
        matched: steps of both models that correspond, TensorFlow's first.

    Returns:
        Each difference once, with all layers that have it.
    """
    found: dict[tuple[str, str, str], list[tuple[RecordedStep | None, RecordedStep | None]]] = {}
    for first, second in matched:
        for number in first.what.training_only if first.kind == second.kind else ():
            one, other = getattr(first.what, number), getattr(second.what, number)
            same = math.isclose(one, other, rel_tol=1e-6) if isinstance(one, float) else one == other
            if not same:
                text = f"{first.what.label(number)}: TensorFlow has {shown(one)}, Paddle {shown(other)}"
                found.setdefault((text, first.what.traps.get(number, ""), number), []).append((first, second))
    taken = {(framework, id(step)) for both in matched for framework, step in zip((FIRST, SECOND), both, strict=True)}
    alone = [(framework, step) for framework in (FIRST, SECOND) for step in pair.graphs[framework].steps]
    for framework, step in alone:
        trained_only = step.what.identity_in_inference and step.numbers.get("rate")
        if trained_only and (framework, id(step)) not in taken and not acts(pair, framework, step):
            text = f"{step} exists in {FRAMEWORKS[framework].title} only"
            both = (step, None) if framework == FIRST else (None, step)
            found.setdefault((text, step.what.missing_trap, ""), []).append(both)
    return [TrainingDifference(text, trap, tuple(steps), number) for (text, trap, number), steps in found.items()]


def training_causes(
    pair: RecordedPair, compared: TrainingComparison, differences: Sequence[TrainingDifference]
) -> list[Cause]:
    """The causes of a difference that shows in training mode only.

    Args:
        pair: whose graphs are those of a traced run.
        compared: that did not pass.
        differences: of the two models in what matters in training only.
    """
    gap = next((part.worst for part in compared.parts if not part.passed and part.worst), None)
    size = gap.gap if gap is not None else math.inf
    if not differences and compared.untrained:
        return [_untrained(pair, lacking, name) for lacking, name in compared.untrained]
    if not differences:
        text = f"{IN_TRAINING}the outputs, statistics or gradients differ"
        return [Cause(Diagnosis(SECOND, gap.name if gap else "output", "", text, size, size, change=text))]
    return causes_in_training(differences, size)


def causes_in_training(differences: Sequence[TrainingDifference], size: float = math.nan) -> list[Cause]:
    """A cause for each layer that differs in training only.

    Args:
        differences: of the two models in what matters in training only.
        size: the gap that they make; NaN where that was not measured.
    """
    causes = []
    for one in differences:
        for name, (first, second) in zip(one.layers, one.steps, strict=True):
            found = Diagnosis(SECOND, name, one.trap, f"{name}: {IN_TRAINING}{one.text}", size, size, change=one.text)
            causes.append(Cause(found, first, second, one.number, training=True))
    return causes


def _untrained(pair: RecordedPair, lacking: str, name: str) -> Cause:
    """That one framework has no gradient of an array; Paddle's batch norm has none where it has one array alone."""
    unit = next(one for one in pair.graphs[FIRST].units if name in one.arrays)
    change = f"{name.rpartition('/')[2]} gets no gradient in {FRAMEWORKS[lacking].title}"
    steps = [step for step in pair.graphs[FIRST].steps if step.name == unit.path]
    bare = lacking == SECOND and any(step.kind == "batch_norm" and len(step.shapes) < BATCH_NORM for step in steps)
    trap = "bn-one-array" if bare else ""
    stage = unit.path or name
    found = Diagnosis(lacking, stage, trap, f"{stage}: {IN_TRAINING}{change}", math.inf, math.inf, change=change)
    return Cause(found, training=True, todo={SECOND: PAIR_TRAPS[trap].fix} if bare else {})
