"""`parity compare`: a user's TensorFlow model against their Paddle model, from two targets to a verdict.

The verdict rests on what the two models themselves give. What they are made of explains it.
"""

from __future__ import annotations

import functools
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from msgspec.structs import replace

from parity.migration.align.axis_orders import closest
from parity.migration.align.found import Alignment, Parting
from parity.migration.align.recorded_graph import RecordedStep
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.explain.advice import advised
from parity.migration.explain.arrays_alone import arrays_of_one_model
from parity.migration.explain.cause_marks import marks_of
from parity.migration.explain.causes import Cause
from parity.migration.explain.explanation import explain
from parity.migration.explain.neutral_arrays import causes_beside_arrays_alone
from parity.migration.explain.steps import all_paired
from parity.migration.explain.training_causes import training_causes, training_differences
from parity.migration.explain.unseen_changes import unseen_changes
from parity.migration.explain.within_rounding import causes_within_rounding
from parity.migration.mend.proven_fix import Fix, proven_fix
from parity.migration.own_weights.check import OwnWeightsCheck
from parity.migration.prove.float32_forward import float32_outputs
from parity.migration.prove.impact import decision_impact
from parity.migration.prove.inputs import InputSet, designed_inputs, usual_count
from parity.migration.prove.verdict import PairVerdict, decide
from parity.migration.specs import FIRST, SECOND
from parity.migration.user_errors import user_errors
from parity.numerics.comparison import relative_gap
from parity.printable import few
from parity.proofs.forward import compared_counts, labelled
from parity.proofs.proof import by_framework, proof_of, worst_of
from parity.records.migrations import MatchedLayer, Migration
from parity.records.records import Diagnosis, Proof
from parity.system import high_water
from parity.workers.errors import WorkerError
from parity.workers.frameworks import FRAMEWORKS


@dataclass
class Findings:
    """What one comparison of a pair found.

    Attributes:
        decided: the verdict and what it rests on.
        causes: of what differs.
        matched: steps of both models that correspond.
        stages: the same, for the record.
        unmatched: by framework, what only one model has.
        remarks: what does not change the verdict but should be known.
        proofs: by level.
        training: what differs in training only.
        sets: the inputs.
        marks: by place of a cause that is no matched layer, the matched layer that comes next.
    """

    decided: PairVerdict
    causes: list[Cause] = field(default_factory=list)
    matched: list[tuple[RecordedStep, RecordedStep]] = field(default_factory=list)
    stages: list[MatchedLayer] = field(default_factory=list)
    unmatched: dict[str, list[str]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    proofs: list[Proof] = field(default_factory=list)
    training: list[str] = field(default_factory=list)
    sets: list[InputSet] = field(default_factory=list)
    marks: dict[str, str] = field(default_factory=dict)


def compare_pair(
    pair: RecordedPair,
    *,
    apply_fixes: bool = False,
    fix: str | None = SECOND,
    training: bool = False,
    impact: bool = True,
    own_weights: bool = False,
    on_event: Callable[[str, Any], None] = lambda kind, event: None,
) -> Migration:
    """Compare the two models of a pair.

    Args:
        pair: not yet open.
        apply_fixes: whether to show the code of the suggested changes, which are made in memory at any rate, and what
            the pair is with them.
        fix: the framework whose model the suggestions change; None: nothing is suggested.
        training: whether to compare a pass in training mode and all gradients, too.
        impact: whether to count the inputs for which the models' decisions differ.
        own_weights: whether to compare the weights that both have, too, see `parity.migration.own_weights.check`; the
            verdict is then about the models with these.
        on_event: is called with "stage" and a line that says what begins, "progress" and one that says how far it is,
            "proof" and each Proof, and "verdict" and the PairVerdict as soon as that is known.

    Returns:
        The verdict on the models as they are, with the proofs, the matched layers, the causes of differences, the
        proven changes that remove them, and the verdict with these.

    Raises:
        TargetError: a model cannot be built or run.
        MatchError: a map does not fit.
        WorkerError: a worker fails.
    """
    with user_errors():
        return _migration(pair, apply_fixes, fix, training, impact, own_weights, on_event)


def _migration(
    pair: RecordedPair,
    apply_fixes: bool,
    fix: str | None,
    training: bool,
    impact: bool,
    own_weights: bool,
    on_event: Callable[[str, Any], None],
) -> Migration:
    start = time.perf_counter()
    memory = _PeakMemory(pair)
    own = OwnWeightsCheck(pair, on_event) if own_weights else None
    found = _compared(pair, training, memory, on_event)
    while own is not None and own.puts_together_anew(found.decided.verdict):
        found = _compared(pair, training, memory, on_event)
    verdict = found.decided.verdict
    measured = decision_impact(pair, on_event) if impact and verdict != "undecided" else None
    own_record = own.compared(found.decided) if own is not None else None
    suggested = Fix(fix or SECOND)
    if fix is not None and verdict != "undecided" and (found.causes or found.training):
        on_event("stage", f"trying changes of the {FRAMEWORKS[fix].title} model")
        try:
            suggested = proven_fix(pair, found.sets, found.causes, found.matched, fix, training=training)
        except WorkerError as error:  # the verdict stands
            suggested.by_hand = [f"no change was tried: {error.detail.splitlines()[0]}"]
    memory.update()
    return Migration(
        first=pair.specs[FIRST].target,
        second=pair.specs[SECOND].target,
        input=[size for one in pair.specs[FIRST].inputs for size in one.shape],
        inputs=pair.title,
        verdict=own_record.verdict if own_record is not None else verdict,
        fixed=apply_fixes and bool(suggested.code),
        parameters={
            framework: sum(math.prod(fact["shape"]) for fact in model.arrays.values())
            for framework, model in pair.opened.items()
        },
        proofs=found.proofs,
        stages=found.stages,
        unmatched=found.unmatched,
        ambiguous=[],
        causes=[advised(cause) for cause in found.causes],
        marks=found.marks,
        remarks=found.remarks,
        training=found.training,
        fix=suggested.code,
        fix_framework=suggested.framework,
        changes=suggested.changes,
        fixed_verdict=suggested.verdict,
        by_hand=suggested.by_hand,
        impact=measured,
        seconds=time.perf_counter() - start,
        peak_memory=memory.peak,
        own=own_record,
    )


def _compared(
    pair: RecordedPair, training: bool, memory: _PeakMemory, on_event: Callable[[str, Any], None]
) -> Findings:
    """One comparison, from building the models to what differs and why."""
    on_event("stage", "building both models, and putting them together by their values")
    pair.on_progress = functools.partial(on_event, "progress")
    pair.open()
    specs = pair.specs[FIRST].inputs
    sets = designed_inputs(specs, pair.seed, pair.images, usual_count(specs))
    pair.align(sets[0].arrays)
    if pair.user_inputs is not None:
        sets.insert(1, pair.user_inputs)
    memory.update()
    on_event("stage", f"both models on {len(sets)} sets of inputs")
    found = Findings(decide(pair, sets, training=training), sets=sets)
    memory.update()
    started = time.perf_counter()
    for proof in _proofs(pair, found.decided, sets):
        found.proofs.append(replace(proof, seconds=time.perf_counter() - started))
        on_event("proof", found.proofs[-1])
        started = time.perf_counter()
    on_event("verdict", found.decided)
    if found.decided.witness is not None:
        on_event("stage", "looking for causes, layer by layer")
    try:
        _explain(pair, found)
    except WorkerError as error:  # such as a kernel that crashes on numbers that are tried: the verdict stands
        line = error.detail.splitlines()[0]
        found.remarks.append(f"what differs was not looked for to the end, {FRAMEWORKS[error.framework].title}: {line}")
        if found.decided.verdict == "different" and not found.causes:
            found.causes = [_of_outputs(pair, "they differ")]
    memory.update()
    return found


def _explain(pair: RecordedPair, found: Findings) -> None:
    """Look for what corresponds and for causes, and note both. Raises WorkerError."""
    witness = found.decided.witness
    elsewhere = _causes_elsewhere(pair, found.decided) if witness is not None else []
    pair.use_weights(large=witness is not None and witness.inputs.large_weights)
    beside = causes_beside_arrays_alone(pair, witness.inputs) if witness is not None else []
    walked = pair.walk_again((witness.inputs if witness else found.sets[0]).arrays, traced=True)
    if witness is not None:
        found.causes = explain(pair, walked, _beyond_rounding(walked.partings))
        if not found.causes and found.decided.verdict == "different":
            found.causes = (
                explain(pair, walked, _beyond_rounding(walked.partings), every=True)
                or [cause for causes in elsewhere for cause in causes][:1]
                or arrays_of_one_model(pair)
                or [_of_outputs(pair, witness.gap.problem)]
            )
        found.causes = _held_by_most([found.causes, *elsewhere])
        known = {cause.key for cause in found.causes}
        found.causes += [cause for cause in beside if cause.key not in known]
    pairs, ones, others = all_paired(pair)
    first, second = pair.graphs[FIRST], pair.graphs[SECOND]
    found.matched = [(first.steps[one], second.steps[other]) for one, other in pairs]
    if found.decided.verdict == "different":
        found.causes += causes_within_rounding(pair, walked, found.matched, found.causes)
    caused = {cause.diagnosis.stage for cause in found.causes}
    found.stages = [_stage(pair, walked, one, other, caused) for one, other in found.matched]
    found.unmatched = {
        FIRST: [f"{first.steps[one].name}: {first.steps[one]}" for one in ones],
        SECOND: [f"{second.steps[other].name}: {second.steps[other]}" for other in others],
    }
    pair.use_weights(large=False)
    found.remarks = _remarks(pair, found)
    differences = training_differences(pair, found.matched)
    if found.decided.training is not None and not found.decided.training.passed and not found.causes:
        found.causes = training_causes(found.decided.training, differences)
    else:
        found.training = [str(one) for one in differences]
    found.marks = marks_of(pair, [cause.diagnosis.stage for cause in found.causes], found.matched)


def _causes_elsewhere(pair: RecordedPair, decided: PairVerdict) -> list[list[Cause]]:
    """What each set of other inputs than the witness's shows: padding and special ids, large weights."""
    causes = []
    for one in decided.telling[1:]:
        pair.use_weights(large=one.inputs.large_weights)
        walked = pair.walk_again(one.inputs.arrays, traced=True)
        causes.append(explain(pair, walked, _beyond_rounding(walked.partings)))
    return causes


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


def _proofs(pair: RecordedPair, decided: PairVerdict, sets: Sequence[InputSet]) -> list[Proof]:
    """Levels 1, 2 and 3, and where a pass in training mode was compared 4 and 5."""
    alignment = pair.alignment
    arrays = pair.opened[SECOND].arrays
    moved = {"arrays": len(alignment.pieces), "elements": sum(math.prod(arrays[n]["shape"]) for n in alignment.pieces)}
    alone = [
        f"{name!r} of {FRAMEWORKS[framework].title} has no counterpart"
        for side, framework in enumerate((FIRST, SECOND))
        for name in alignment.alone[side]
    ]
    proofs = [_proof(pair, 1, moved if alignment.pieces else {}, alone + decided.changed)]
    typical = [one for one in decided.outcomes if one.inputs.typical]
    worst = max(typical, key=lambda one: (not one.equal, one.gap.gap), default=None)
    problems = [
        f"{one.inputs.name}: {one.gap.problem or f'outputs differ by {one.gap.gap:.1e}'}"
        for one in typical
        if not one.equal
    ]
    counts = {"sets of inputs": len(typical), "elements": sum(one.gap.elements for one in typical)}
    gap = worst.gap if worst else None
    exact = pair.precision == "float64"
    proof = _proof(pair, 2 if exact else 3, counts, problems + decided.missing)
    if gap is not None:
        limit = max(gap.limit, gap.gap) if worst is not None and worst.equal else gap.limit
        proof = replace(proof, gap=_finite_or_none(gap.gap), limit=limit, worst=gap.path or "output")
    proofs.append(proof)
    if exact and (own := float32_outputs(pair, sets[0].arrays)):
        worst_own = worst_of(own.values())
        counts, problems = compared_counts(own), labelled(own)
        proofs.append(proof_of(pair.name, pair.title, 3, counts, problems, worst_own, frameworks=by_framework(own)))
    if decided.training is not None:
        parts = [part for part in (decided.training.outputs, decided.training.statistics) if part is not None]
        counts = {"outputs": len(parts[0].gaps), "elements": sum(part.elements for part in parts)}
        problems = [line for part in parts for line in part.explain()]
        proofs.append(proof_of(pair.name, pair.title, 4, counts, problems, worst_of(parts)))
        if (gradients := decided.training.gradients) is not None:
            counts = {"gradients": len(gradients.gaps), "elements": gradients.elements}
            problems = [*gradients.explain(), *decided.training.problems]
            proofs.append(proof_of(pair.name, pair.title, 5, counts, problems, gradients))
    return proofs


def _proof(pair: RecordedPair, level: int, counts: dict[str, int], problems: Sequence[str]) -> Proof:
    return proof_of(pair.name, pair.title, level, counts, problems)


def _of_outputs(pair: RecordedPair, problem: str) -> Cause:
    """The cause of outputs that differ in shape or number alone."""
    graph = pair.graphs[FIRST]
    names = [graph.path_of(graph.producer[number]) for _, number in graph.outputs if number in graph.producer]
    stage = next((name for name in reversed(names) if name), "output")
    text = f"the models' outputs: {problem or 'the numbers differ'}"
    return Cause(Diagnosis(SECOND, stage, "", text, math.inf, math.inf, change=text))


def _stage(
    pair: RecordedPair, walked: Alignment, first: RecordedStep, second: RecordedStep, caused: AbstractSet[str]
) -> MatchedLayer:
    """One matched step, and how far apart its outputs are on the same inputs.

    What lies within a segment that agrees at its end is compared only where the other model makes these numbers, too:
    there may be another order of channels, or halves of what is one array in the other model.
    """
    gap, limit = None, max(pair.close.parting, pair.close.exact)
    why = "the same arrays" if first.shapes and second.shapes else "of one kind, in the same order"
    match = walked.matches.get(second.output)
    if parting := next((one for one in walked.partings if one.second == second.output), None):
        gap, limit = parting.gap, parting.most
    elif match is not None:
        gap, why = _gap(pair, match.first, second.output), "the same numbers"
        if gap is None or gap > limit:  # in another order
            gap = match.gap
    elif first.name in caused:
        gap = _gap(pair, first.output, second.output)
    compared = gap is not None
    finite = _finite_or_none(gap) if gap is not None else None
    differs = compared or first.name in caused
    problem = _other_shape(pair, first.output, second.output) if differs and finite is None else ""
    return MatchedLayer(first.name, second.name, first.kind, why, finite, limit if compared else None, problem)


def _other_shape(pair: RecordedPair, first: int, second: int) -> str:
    """That two values have another number of elements; empty where they have not, or it is not known."""
    if first < 0 or second < 0:
        return ""
    one, other = pair.graphs[FIRST].values[first].shape, pair.graphs[SECOND].values[second].shape
    if math.prod(one) == math.prod(other):
        return ""
    sizes = ["x".join(map(str, shape[1:])) or "one number" for shape in (one, other)]
    return f"other shape: {sizes[0]} in TensorFlow, {sizes[1]} in Paddle"


def _gap(pair: RecordedPair, first: int, second: int) -> float | None:
    if first < 0 or second < 0:
        return None
    one = pair.workers[FIRST].read_values(pair.name, [first])[str(first)]
    other = pair.workers[SECOND].read_values(pair.name, [second])[str(second)].astype(np.float64)
    made = closest(one, other)
    return relative_gap(made, other) if made is not None and made.shape == other.shape and made.any() else None


def _remarks(pair: RecordedPair, found: Findings) -> list[str]:
    remarks = [*found.decided.remarks]
    for one in found.decided.outcomes:
        if not one.equal and not one.inputs.typical:
            size = one.gap.problem or f"the outputs differ by {one.gap.gap:.1e}"
            remarks.append(f"on inputs of the kind {one.inputs.name!r} {size}: matters if your model gets such inputs")
    if pair.alignment.kept:
        remarks.append(
            f"arrays of the Paddle model that are not trained keep the numbers that they were built with, which the "
            f"TensorFlow model has in its code: {few(pair.alignment.kept)}"
        )
    remarks += _baked(pair)
    if found.decided.verdict != "different" and pair.own_map is None:  # a program has no layers
        remarks += [f"{line}; the designed inputs do not show it" for line in unseen_changes(pair, found.matched)]
    return remarks


def _baked(pair: RecordedPair) -> list[str]:
    """That an array which Paddle has alone may be a constant in TensorFlow: a layer was called on one at build."""
    graph = pair.graphs[FIRST]
    constants = [
        graph.values[number].shape
        for index in range(len(graph.operations))
        if graph.on_data(index)
        for number in graph.operations[index].inputs
        if graph.values[number].source == "constant" and graph.values[number].floating
    ]
    lines = []
    for name in pair.alignment.alone[1]:
        shape = pair.opened[SECOND].arrays[name]["shape"]
        if len(shape) > 1 and any(math.prod(own) == math.prod(shape) for own in constants):
            lines.append(
                f"the TensorFlow model has a constant of as many numbers as {name}: Keras runs a layer called on "
                "a constant, such as Embedding on arange, once while the model is built, and its weights are then none "
                "of the model's. Call it in the call method of a layer of your own that takes the input"
            )
    return lines


def _finite_or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


class _PeakMemory:
    """Peak memory in bytes of this process and both workers together, by each one's high-water mark."""

    def __init__(self, pair: RecordedPair) -> None:
        self.pair = pair
        self.peak = 0

    def update(self) -> None:
        """Read the current marks."""
        pids = [None, *(self.pair.workers[framework].pid for framework in self.pair.workers)]
        self.peak = max(self.peak, sum(map(high_water, pids)))
