"""`parity compare`: a user's TensorFlow model against their Paddle model, from two targets to a verdict.

The verdict rests on what the two models themselves give. What they are made of explains it.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from parity.migration.align.recorded_graph import RecordedStep
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.explain.advice import advised
from parity.migration.explain.cause_marks import marks_of
from parity.migration.explain.causes import Cause
from parity.migration.explain.causes_of_sets import causes_of_sets, of_outputs
from parity.migration.explain.matched_layers import matched_layer
from parity.migration.explain.steps import all_paired
from parity.migration.explain.training_causes import training_causes, training_differences
from parity.migration.explain.unseen_changes import unseen_changes
from parity.migration.explain.within_rounding import causes_within_rounding
from parity.migration.mend.proven_fix import Fix, proven_fix
from parity.migration.own_weights.check import OwnWeightsCheck
from parity.migration.prove.impact import decision_impact
from parity.migration.prove.inputs import InputSet, larger_weights
from parity.migration.prove.proofs import proofs_of_pair
from parity.migration.prove.sets import aligned_on_sets
from parity.migration.prove.verdict import PairVerdict, decide
from parity.migration.specs import FIRST, SECOND
from parity.migration.user_errors import user_errors
from parity.printable import few
from parity.records.migrations import MatchedLayer, Migration, OwnWeights
from parity.records.records import Proof, Verdict
from parity.system import high_water
from parity.workers.errors import WorkerError
from parity.workers.frameworks import FRAMEWORKS

ROUNDINGS = ("round", "floor")  # functions that do not agree on halves


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
        unseen: in what corresponding steps of equal models differ that the inputs do not show, one line each.
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
    unseen: list[str] = field(default_factory=list)
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
        fixed_verdict=_fixed_verdict(suggested, own_record),
        by_hand=suggested.by_hand,
        impact=measured,
        seconds=time.perf_counter() - start,
        peak_memory=memory.peak,
        own=own_record,
    )


def _fixed_verdict(suggested: Fix, own: OwnWeights | None) -> Verdict | None:
    """The verdict with the changes: these leave own weights that are not the same as they are."""
    if own is not None and suggested.verdict == "equal" and any(one.state == "other" for one in own.arrays):
        return own.verdict
    return suggested.verdict


def _compared(
    pair: RecordedPair, training: bool, memory: _PeakMemory, on_event: Callable[[str, Any], None]
) -> Findings:
    """One comparison, from building the models to what differs and why."""
    on_event("stage", "building both models, and putting them together by their values")
    pair.on_progress = functools.partial(on_event, "progress")
    pair.open()
    sets = aligned_on_sets(pair)
    memory.update()
    on_event("stage", f"both models on {len(sets)} sets of inputs")
    found = Findings(decide(pair, sets, training=training), sets=sets)
    if found.decided.verdict == "equal" and pair.own_map is None:  # a program has no layers
        try:
            _look_further(pair, found)
        except WorkerError as error:  # the verdict on the designed inputs stands
            found.decided.remarks.append(
                f"what these inputs do not show was not looked for to the end, {_where(error)}"
            )
    memory.update()
    started = time.perf_counter()
    for proof in proofs_of_pair(pair, found.decided, sets):
        found.proofs.append(replace(proof, seconds=time.perf_counter() - started))
        on_event("proof", found.proofs[-1])
        started = time.perf_counter()
    on_event("verdict", found.decided)
    if found.decided.witness is not None:
        on_event("stage", "looking for causes, layer by layer")
    try:
        _explain(pair, found)
    except WorkerError as error:  # such as a kernel that crashes on numbers that are tried: the verdict stands
        found.remarks.append(f"what differs was not looked for to the end, {_where(error)}")
        if found.decided.verdict == "different" and not found.causes:
            found.causes = [of_outputs(pair, "they differ")]
    memory.update()
    return found


def _where(error: WorkerError) -> str:
    """The framework whose worker failed, and how in one line."""
    return f"{FRAMEWORKS[error.framework].title}: {error.detail.splitlines()[0]}"


def _look_further(pair: RecordedPair, found: Findings) -> None:
    """Where layers of models that agree differ, such as a clip's bounds: with larger weights. Raises WorkerError.

    What no weights reach, and only inputs on the half of a number, leaves the verdict open.
    """
    walked = pair.walk_again(found.sets[0].arrays, traced=True)
    pairs, ones, others = all_paired(pair)
    first, second = pair.graphs[FIRST], pair.graphs[SECOND]
    found.unseen = unseen_changes(pair, walked, [(first.steps[one], second.steps[other]) for one, other in pairs])
    alone = [first.steps[one] for one in ones] + [second.steps[other] for other in others]
    rounded = _rounded_otherwise(pair)
    if not found.unseen and not rounded and not any(step.what.family == "activation" for step in alone):
        return
    sets = larger_weights(found.sets)
    further = decide(pair, sets)
    if further.witness is not None:
        found.sets += sets
        outcomes = found.decided.outcomes + further.outcomes
        found.decided = dataclasses.replace(found.decided, verdict=further.verdict, outcomes=outcomes)
        found.decided.missing += further.missing
    elif rounded:
        found.decided = dataclasses.replace(found.decided, verdict="undecided")
        found.decided.missing.append(rounded)


def _rounded_otherwise(pair: RecordedPair) -> str:
    """That the models of a traced run round by other functions, which agree but for halves; else empty."""
    counts = {
        FRAMEWORKS[framework].title: Counter(
            step.numbers["function"]
            for step in pair.graphs[framework].steps
            if step.kind == "math" and step.numbers["function"] in ROUNDINGS
        )
        for framework in (FIRST, SECOND)
    }
    first, second = counts.values()
    if not (first - second and second - first):
        return ""
    has = " and ".join(f"{title} {few(sorted(own))}" for title, own in counts.items())
    return (
        f"numbers are rounded by other functions, {has}: whether exactly a half is rounded alike is not seen, as "
        "rounding of the inputs decides it; use the same function in both models"
    )


def _explain(pair: RecordedPair, found: Findings) -> None:
    """Look for what corresponds and for causes, and note both. Raises WorkerError."""
    if found.decided.witness is not None:
        found.causes, walked = causes_of_sets(pair, found.decided)
    else:
        pair.use_weights()
        walked = pair.walk_again(found.sets[0].arrays, traced=True)
    pairs, ones, others = all_paired(pair)
    first, second = pair.graphs[FIRST], pair.graphs[SECOND]
    found.matched = [(first.steps[one], second.steps[other]) for one, other in pairs]
    if found.decided.verdict == "different":
        found.causes += causes_within_rounding(pair, walked, found.matched, found.causes)
    caused = {cause.diagnosis.stage for cause in found.causes}
    found.stages = [matched_layer(pair, walked, one, other, caused) for one, other in found.matched]
    found.unmatched = {
        FIRST: [f"{first.steps[one].name}: {first.steps[one]}" for one in ones],
        SECOND: [f"{second.steps[other].name}: {second.steps[other]}" for other in others],
    }
    pair.use_weights()
    found.remarks = _remarks(pair, found)
    differences = training_differences(pair, found.matched)
    if found.decided.training is not None and not found.decided.training.passed and not found.causes:
        found.causes = training_causes(pair, found.decided.training, differences)
    else:
        found.training = [str(one) for one in differences]
    found.marks = marks_of(pair, [cause.diagnosis.stage for cause in found.causes], found.matched)


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
    if found.decided.verdict != "different":
        remarks += [f"{line}; the designed inputs do not show it" for line in found.unseen]
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


class _PeakMemory:
    """Peak memory in bytes of this process and both workers together, by each one's high-water mark."""

    def __init__(self, pair: RecordedPair) -> None:
        self.pair = pair
        self.peak = 0

    def update(self) -> None:
        """Read the current marks."""
        pids = [None, *(self.pair.workers[framework].pid for framework in self.pair.workers)]
        self.peak = max(self.peak, sum(map(high_water, pids)))
