"""The causes of a pair's differences: what all sets of inputs say of them together."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from parity.migration.align.found import Alignment, Parting
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.explain.arrays_alone import arrays_of_one_model
from parity.migration.explain.causes import Cause
from parity.migration.explain.explanation import explain
from parity.migration.explain.neutral_arrays import causes_beside_arrays_alone
from parity.migration.prove.verdict import PairVerdict
from parity.migration.specs import FIRST, SECOND
from parity.records.records import Diagnosis


def causes_of_sets(pair: RecordedPair, decided: PairVerdict) -> tuple[list[Cause], Alignment]:
    """Look for causes on every set of inputs that may tell of others.

    Args:
        pair: aligned.
        decided: its verdict, with a witness.

    Returns:
        The causes, those that the witness shows first, and a traced walk on the witness.

    Raises:
        WorkerError: a worker fails.
    """
    witness = decided.witness
    if witness is None:
        raise ValueError("expected a verdict with a witness, found one without")
    elsewhere = _causes_elsewhere(pair, decided)
    pair.use_weights(witness.inputs.enlarged)
    beside = causes_beside_arrays_alone(pair, witness.inputs)
    walked = pair.walk_again(witness.inputs.arrays, traced=True)
    causes = explain(pair, walked, _beyond_rounding(walked.partings))
    if not causes and decided.verdict == "different":
        causes = (
            explain(pair, walked, _beyond_rounding(walked.partings), every=True)
            or [cause for causes in elsewhere for cause in causes][:1]
            or arrays_of_one_model(pair)
            or [of_outputs(pair, witness.gap.problem)]
        )
    causes = _held_by_most([causes, *elsewhere])
    for cause in [*_more_arrays(pair, causes), *beside]:
        if cause.key not in {known.key for known in causes}:
            causes.append(cause)
    return causes, walked


def of_outputs(pair: RecordedPair, problem: str) -> Cause:
    """The cause of outputs that differ in shape or number alone.

    Args:
        pair: aligned.
        problem: what is wrong with the outputs, in words; may be empty.
    """
    graph = pair.graphs[FIRST]
    names = [graph.path_of(graph.producer[number]) for _, number in graph.outputs if number in graph.producer]
    stage = next((name for name in reversed(names) if name), "output")
    text = f"the models' outputs: {problem or 'the numbers differ'}"
    return Cause(Diagnosis(SECOND, stage, "", text, math.inf, math.inf, change=text))


def _causes_elsewhere(pair: RecordedPair, decided: PairVerdict) -> list[list[Cause]]:
    """What each set of other inputs than the witness's shows: padding and special ids, large weights."""
    causes = []
    for one in decided.telling[1:]:
        pair.use_weights(one.inputs.enlarged)
        walked = pair.walk_again(one.inputs.arrays, traced=True)
        causes.append(explain(pair, walked, _beyond_rounding(walked.partings)))
    return causes


def _more_arrays(pair: RecordedPair, causes: Sequence[Cause]) -> Iterator[Cause]:
    """Arrays of one model that are like others which are causes, and whose effect is too small to part values.

    The bias of a convolution deep in a residual network is small beside the numbers that it is added to.
    """
    alike = {cause.diagnosis.change for cause in causes if cause.array}
    if alike:
        yield from (cause for cause in arrays_of_one_model(pair) if cause.diagnosis.change in alike)


def _held_by_most(found: Sequence[Sequence[Cause]]) -> list[Cause]:
    """The causes of all sets of inputs, the witness's first.

    Where sets say different things of one place, what is proven is taken, then what is about the earliest of Paddle's
    functions, and then what most of them say. A sum that became a mean, and a division too many, cannot be told apart
    without padding: there the mean only happens to be right, which a value that differs never is.
    """
    by_stage: dict[str, list[list[Cause]]] = {}
    for causes in found:
        for stage in dict.fromkeys(cause.diagnosis.stage for cause in causes):
            by_stage.setdefault(stage, []).append([cause for cause in causes if cause.diagnosis.stage == stage])
    kept = []
    for said in by_stage.values():
        held = Counter(tuple(cause.key for cause in causes) for causes in said)
        ranks = [(*_proven(causes), -_begin(causes), held[tuple(cause.key for cause in causes)]) for causes in said]
        kept += said[ranks.index(max(ranks))]
    return kept


def _proven(causes: Sequence[Cause]) -> tuple[bool, bool]:
    """Whether all of them are known, and whether the gap is gone without them."""
    return (
        all(cause.known for cause in causes),
        all(cause.diagnosis.after < cause.diagnosis.before for cause in causes),
    )


def _begin(causes: Sequence[Cause]) -> float:
    """The number of the first of Paddle's values that causes are about; infinite where they are about none."""
    return min((one.second.output for one in causes if one.second is not None), default=math.inf)


def _beyond_rounding(partings: Sequence[Parting]) -> Sequence[Parting]:
    """What differs, without what is computed in float32 only; this where nothing else differs."""
    return [parting for parting in partings if not parting.rounding] or partings
