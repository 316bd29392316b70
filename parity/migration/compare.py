"""`parity compare`: a user's TensorFlow model against their Paddle model, from two targets to a verdict."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from parity.migration.diagnosis import diagnose_pair, training_differences
from parity.migration.fixes import fix_code
from parity.migration.pair import ModelPair
from parity.migration.proofs import prove_pair
from parity.migration.specs import FIRST, SECOND
from parity.numerics.comparison import relative_gap
from parity.printable import few
from parity.records.records import Diagnosis, Impact, MatchedLayer, Migration, Proof, Verdict
from parity.system import high_water
from parity.workers.frameworks import FRAMEWORKS

BATCH_SIZE = 8  # inputs at a time

IMPACT_FLOPS, IMPACT_INPUTS = 1e12, 200  # what the decision impact may cost, and the most inputs it takes


def compare_pair(
    pair: ModelPair,
    *,
    apply_fixes: bool = False,
    training: bool = False,
    impact: bool = True,
    on_event: Callable[[str, Any], None] = lambda kind, event: None,
) -> Migration:
    """Compare the two models of a pair: load, match, prove and diagnose them.

    Args:
        pair: not yet loaded.
        apply_fixes: whether to make the suggested changes to the Paddle model in memory, and to prove again.
        training: whether to compare a pass in training mode and all gradients, too.
        impact: whether to count the inputs of which the two models predict different classes.
        on_event: is called with "stage" and a line that says what begins, and with "proof" and each Proof.

    Returns:
        The verdict, with the proofs, the matched layers, the causes of differences and the code that fixes them.

    Raises:
        MatchError: nothing in the two models corresponds, or a map does not fit.
        TargetError: a model cannot be built, traced or run.
        WorkerError: a worker fails.
    """
    start = time.perf_counter()
    memory = _PeakMemory(pair)
    on_event("stage", "building and tracing both models")
    pair.load()
    memory.update()
    pair.match()
    proofs, causes, suggested, by_hand = _prove_and_diagnose(pair, training, memory, on_event)
    if apply_fixes and suggested:
        on_event("stage", "building the Paddle model again with the suggested changes")
        pair.fix(suggested)
        pair.match()
        applied = suggested
        proofs, causes, _, by_hand = _prove_and_diagnose(pair, training, memory, on_event)
    else:
        applied = ""
    verdict = _verdict(pair, proofs, causes)
    decision_impact = _impact(pair, on_event) if impact and verdict != "undecided" and pair.ends()[0] else None
    memory.update()
    return Migration(
        first=pair.specs[FIRST].target,
        second=pair.specs[SECOND].target,
        input=list(pair.specs[FIRST].input.shape),
        inputs=pair.title,
        verdict=verdict,
        fixed=bool(applied),
        parameters={framework: graph.parameters for framework, graph in pair.graphs.items()},
        proofs=proofs,
        stages=_stages(pair),
        unmatched={
            framework: [f"{step.name}: {step}" for step in steps.values()]
            for framework, steps in pair.unmatched().items()
        },
        ambiguous=pair.matching.ambiguous,
        causes=causes,
        remarks=_remarks(pair),
        training=training_differences(pair),
        fix=applied or suggested,
        by_hand=by_hand,
        impact=decision_impact,
        seconds=time.perf_counter() - start,
        peak_memory=memory.peak,
    )


def _prove_and_diagnose(
    pair: ModelPair, training: bool, memory: _PeakMemory, on_event: Callable[[str, Any], None]
) -> tuple[list[Proof], list[Diagnosis], str, list[str]]:
    """Proofs, causes, the code that fixes them, and the causes that it does not fix."""

    def on_proof(proof: Proof) -> None:
        memory.update()
        on_event("proof", proof)

    proofs = prove_pair(pair, training=training, on_event=on_proof)
    if not all(proof.passed for proof in proofs):
        on_event("stage", "looking for causes, layer by layer")
    causes = diagnose_pair(pair, pair.inputs())
    memory.update()
    return proofs, causes, *fix_code(pair, causes)


def _verdict(pair: ModelPair, proofs: Sequence[Proof], causes: Sequence[Diagnosis]) -> Verdict:
    if not causes and all(proof.passed for proof in proofs):
        return "equal"
    opaque = any(graph.opaque for graph in pair.graphs.values())
    measured = any(math.isfinite(cause.before) for cause in causes)  # with the same weights on both sides
    return "undecided" if opaque and not measured else "different"


def _stages(pair: ModelPair) -> list[MatchedLayer]:
    gaps = {gap.name: gap for gap in pair.comparison.gaps}
    float32_gaps = {
        framework: {gap.name: gap.gap for gap in comparison.gaps}
        for framework, comparison in pair.float32_comparisons.items()
    }
    layers = []
    for match, first_step, second_step in pair.matched():
        gap = gaps.get(first_step.name)
        layers.append(
            MatchedLayer(
                first=first_step.name,
                second=second_step.name,
                kind=first_step.kind,
                reason=match.reason,
                gap=_finite_or_none(gap.gap) if gap else None,
                limit=gap.limit if gap else None,
                float32={
                    framework: _finite_or_none(own_gaps[first_step.name])
                    for framework, own_gaps in float32_gaps.items()
                    if first_step.name in own_gaps
                },
            )
        )
    return layers


def _remarks(pair: ModelPair) -> list[str]:
    """What does not change the verdict: an end that only one model has, arrays set to neutral values, unused arrays."""
    _, notes = pair.ends()
    remarks = [f"{note}: the models are compared before it" for note in notes]
    if pair.dtype == "float32":
        remarks.append("compared in float32 only: what differs by less than rounding goes unseen")
    neutral: dict[tuple[str, str], list[str]] = {}
    as_dense = []
    for match, *steps in pair.matched():
        for framework, step, kinds in zip((FIRST, SECOND), steps, match.neutral, strict=True):
            if kinds:
                neutral.setdefault((framework, " and ".join(kinds)), []).append(step.name)
        first_step, second_step = steps
        if match.as_dense and first_step.kind != second_step.kind:
            as_dense.append(f"{first_step.name} / {second_step.name}")
    if as_dense:
        remarks.append(f"a 1x1 convolution of a 1x1 map is compared as a fully connected layer: {few(as_dense)}")
    for (framework, what), names in neutral.items():
        title = FRAMEWORKS[framework].title
        remarks.append(f"{what} in {title} only, compared as if it did nothing: {few(names)}")
    for framework, unmatched in pair.unmatched().items():
        graph, title = pair.graphs[framework], FRAMEWORKS[framework].title
        silent = [step.name for step in unmatched.values() if step.what.identity_in_inference]
        if silent:
            remarks.append(f"in {title} only, without effect in inference: {few(silent)}")
        if graph.stray:
            remarks.append(f"arrays of the {title} model that no matched layer uses: {few(graph.stray)}")
        if graph.opaque:
            remarks.append(
                f"arrays of the {title} model in layers that the suite cannot look into, not transferred: "
                f"{few(graph.opaque)}. Write these layers with the usual ones, or compare what lies before and after"
            )
    return remarks


def _impact(pair: ModelPair, on_event: Callable[[str, Any], None]) -> Impact:
    """For how many inputs the largest output is another, with the TensorFlow model's own weights in both models."""
    count = int(min(IMPACT_INPUTS, max(8, IMPACT_FLOPS // max(pair.flops, 1))))
    if pair.dataset is not None and pair.images:
        count = min(count, len(pair.dataset.test_images))
    on_event("stage", f"classes of {count} inputs with the TensorFlow model's own weights, in float32")
    inputs = pair.inputs(count)
    pair.keep_state(pair.own_state(FIRST))
    end, _ = pair.ends()
    outputs = pair.end_outputs("float32", end, inputs, BATCH_SIZE)
    first_outputs, second_outputs = (outputs[framework].reshape(count, -1) for framework in (FIRST, SECOND))
    changed = np.flatnonzero(first_outputs.argmax(axis=1) != second_outputs.argmax(axis=1))
    scale = float(np.abs(first_outputs).max()) or 1.0
    top = np.sort(first_outputs, axis=1)[:, -2:] if first_outputs.shape[1] > 1 else np.zeros((count, 2))
    margins = (top[:, 1] - top[:, 0]) / scale
    return Impact(
        inputs=count,
        title=pair.title,
        changed=len(changed),
        largest_gap=_finite_or_none(relative_gap(first_outputs, second_outputs)),
        margins=[float(margins[index]) for index in changed],
    )


def _finite_or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


class _PeakMemory:
    """Peak memory in bytes of this process and both workers together, by each one's high-water mark."""

    def __init__(self, pair: ModelPair) -> None:
        self.pair = pair
        self.peak = 0

    def update(self) -> None:
        """Read the current marks."""
        pids = [None, *(self.pair.workers[framework].pid for framework in self.pair.workers)]
        self.peak = max(self.peak, sum(map(high_water, pids)))
