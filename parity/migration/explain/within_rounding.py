"""Numbers of corresponding layers that differ and change values by less than a walk takes for a difference.

An epsilon of 1.001e-5 for 1e-5 changes what a batch norm makes by a part in 1e8, and a sum of that with larger numbers
by a part in 1e11. Values that agree to that are put together, and outputs are held to less: the numbers of the layers
then say why outputs differ.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from parity.migration.align.found import Alignment, Parting
from parity.migration.align.recorded_graph import RecordedStep
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.explain.causes import Cause
from parity.migration.explain.segments import Segment
from parity.migration.explain.step_causes import step_causes
from parity.migration.explain.step_changes import changes_of
from parity.migration.explain.step_effects import changed_effect, inputs_of
from parity.migration.specs import FIRST


def causes_within_rounding(
    pair: RecordedPair,
    walked: Alignment,
    matched: Sequence[tuple[RecordedStep, RecordedStep]],
    known: Sequence[Cause],
) -> Iterator[Cause]:
    """Look at corresponding steps of which nothing is said yet.

    Args:
        pair: of different models, whose graphs are those of a traced walk.
        walked: that walk.
        matched: steps of both models that correspond, TensorFlow's first.
        known: causes that were found by values.

    Yields:
        Causes that change values by more than rounding, and by no more than that of a constant in float32. What
        changes them by more either parts them or is undone by the rest of the model.

    Raises:
        WorkerError: a worker fails.
    """
    stages = {cause.diagnosis.stage for cause in known}
    for first, second in matched:
        if first.name in stages or "other" in (first.kind, second.kind) or not (changes := changes_of(first, second)):
            continue
        inputs, arrays = inputs_of(pair, first), pair.workers[FIRST].read_step_arrays(pair.name, first.index)
        effects = [changed_effect(first, second, key, inputs, arrays) or 0.0 for key, _, _ in changes]
        if pair.close.shown < max(effects) <= pair.close.parting:
            parting = Parting((first.output,), second.output, -1, max(effects), "numbers that differ")
            segment = Segment(parting, ([], []), ([], []))
            for cause in step_causes(pair, walked, segment, first.index, second.index):
                if cause.number and math.isfinite(cause.diagnosis.after):
                    yield cause
