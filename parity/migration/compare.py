"""`parity compare`: a user's TensorFlow model against their Paddle model, from two targets to a verdict."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from parity.migration.diagnosis import diagnose_pair, training_differences
from parity.migration.fixes import fix_code
from parity.migration.pair import FIRST, SECOND, Pair
from parity.migration.proofs import prove_pair
from parity.records.records import Diagnosis, Migration, Proof
from parity.runtime.graph import SILENT, few
from parity.system import high_water
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.pool import Reply, Worker

IMPACT_FLOPS, IMPACT_INPUTS = 1e12, 200  # what the decision impact may cost, and the most inputs it takes

IMPACT_BATCH, IMPACT_BYTES = 8, 2**24  # inputs of one run, and what of them is sent at a time


def compare_pair(
    pair: Pair,
    *,
    apply_fixes: bool = False,
    training: bool = False,
    impact: bool = True,
    told: Callable[[str, Any], None] = lambda what, news: None,
) -> Migration:
    """Load, match, prove, diagnose, and where asked mend and prove again.

    `told` hears of "stage" (what begins, a line) and "proof" (a Proof). Raises MatchError, WorkerError.
    """
    start = time.perf_counter()
    memory = _Memory(pair)
    told("stage", "building and tracing both models")
    pair.load()
    memory.look()
    pair.match()
    proofs, causes, code, by_hand = _examined(pair, training, memory, told)
    if apply_fixes and code:
        told("stage", "building the Paddle model again with the suggested changes")
        pair.fix(code)
        pair.match()
        done = code
        proofs, causes, _, by_hand = _examined(pair, training, memory, told)
    else:
        done = ""
    verdict = _verdict(pair, proofs, causes)
    found = _impact(pair, told) if impact and verdict != "undecided" and pair.ends()[0] else {}
    memory.look()
    return Migration(
        first=pair.wanted[FIRST].target,
        second=pair.wanted[SECOND].target,
        input=list(pair.wanted[FIRST].input),
        inputs=pair.title,
        verdict=verdict,
        fixed=bool(done),
        parameters={framework: graph.parameters for framework, graph in pair.graphs.items()},
        proofs=[proof.as_dict() for proof in proofs],
        stages=_stages(pair),
        unmatched={
            framework: [f"{pair.graphs[framework].steps[p].name}: {pair.graphs[framework].steps[p]}" for p in lone]
            for framework, lone in _lone(pair).items()
        },
        ambiguous=pair.matching.ambiguous,
        causes=[dataclasses.asdict(cause) for cause in causes],
        remarks=_remarks(pair),
        training=training_differences(pair),
        fix=done or code,
        by_hand=by_hand,
        impact=found,
        seconds=time.perf_counter() - start,
        peak_memory=memory.peak,
    )


def _examined(
    pair: Pair, training: bool, memory: _Memory, told: Callable[[str, Any], None]
) -> tuple[list[Proof], list[Diagnosis], str, list[str]]:
    """Proofs, causes, the code that mends them, and the causes that it does not."""

    def heard(proof: Proof) -> None:
        memory.look()
        told("proof", proof)

    proofs = prove_pair(pair, training=training, told=heard)
    if not all(proof.passed for proof in proofs):
        told("stage", "looking for causes, layer by layer")
    causes = diagnose_pair(pair, pair.inputs())
    memory.look()
    return proofs, causes, *fix_code(pair, causes)


def _verdict(pair: Pair, proofs: Sequence[Proof], causes: Sequence[Diagnosis]) -> str:
    if not causes and all(proof.passed for proof in proofs):
        return "equal"
    opaque = any(graph.opaque for graph in pair.graphs.values())
    measured = any(math.isfinite(cause.before) for cause in causes)  # with the same weights on both sides
    return "undecided" if opaque and not measured else "different"


def _stages(pair: Pair) -> list[dict[str, Any]]:
    gaps = {gap.name: gap for gap in pair.gaps.gaps}
    rounded = {framework: {gap.name: gap.gap for gap in each.gaps} for framework, each in pair.float32.items()}
    found = []
    for each in pair.matching.matches:
        one, other = pair.graphs[FIRST].steps[each.first], pair.graphs[SECOND].steps[each.second]
        gap = gaps.get(one.name)
        found.append(
            {
                "first": one.name,
                "second": other.name,
                "kind": one.kind,
                "evidence": each.evidence,
                "gap": _number(gap.gap) if gap else None,
                "limit": gap.limit if gap else None,
                "float32": {
                    framework: _number(each[one.name]) for framework, each in rounded.items() if one.name in each
                },
            }
        )
    return found


def _lone(pair: Pair) -> dict[str, list[int]]:
    return {FIRST: pair.matching.only_first, SECOND: pair.matching.only_second}


def _remarks(pair: Pair) -> list[str]:
    """What does not decide the verdict: an end that only one model has, arrays made neutral, arrays out of use."""
    _, notes = pair.ends()
    remarks = [f"{note}: the models are compared before it" for note in notes]
    if pair.dtype == "float32":
        remarks.append("compared in float32 only: what differs by less than rounding goes unseen")
    neutral: dict[tuple[str, str], list[str]] = {}
    cells = []
    for each in pair.matching.matches:
        for framework, place, kinds in zip((FIRST, SECOND), (each.first, each.second), each.neutral, strict=True):
            if kinds:
                name = pair.graphs[framework].steps[place].name
                neutral.setdefault((framework, " and ".join(kinds)), []).append(name)
        one, other = pair.graphs[FIRST].steps[each.first], pair.graphs[SECOND].steps[each.second]
        if each.cell and one.kind != other.kind:
            cells.append(f"{one.name} / {other.name}")
    if cells:
        remarks.append(f"a 1x1 convolution of a single cell is a fully connected layer: {few(cells)}")
    for (framework, what), names in neutral.items():
        title = FRAMEWORKS[framework].title
        remarks.append(f"{what} in {title} only, compared as if it did nothing: {few(names)}")
    for framework, lone in _lone(pair).items():
        graph, title = pair.graphs[framework], FRAMEWORKS[framework].title
        silent = [graph.steps[place].name for place in lone if graph.steps[place].kind in SILENT]
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


def _impact(pair: Pair, told: Callable[[str, Any], None]) -> dict[str, Any]:
    """How many of some real inputs change their largest output, with the weights of the TensorFlow model itself."""
    count = int(min(IMPACT_INPUTS, max(8, IMPACT_FLOPS // max(pair.flops, 1))))
    if pair.dataset is not None and pair.images:
        count = min(count, len(pair.dataset.test_images))
    told("stage", f"what {count} inputs change with the TensorFlow model's own weights, in float32")
    inputs = pair.inputs(count)
    pair.each("keep_state", arrays=pair.own_state(FIRST))
    end, _ = pair.ends()

    portion = IMPACT_BATCH * max(1, IMPACT_BYTES // (IMPACT_BATCH * inputs[0].nbytes))

    def outputs(worker: Worker) -> Reply:  # neither framework waits for the other's portion
        settings = {"dtype": "float32", "end": end, "at_once": IMPACT_BATCH}
        parts = [
            pair.one(worker.framework, "model_ends", **settings, arrays={"inputs": inputs[i : i + portion]}).arrays
            for i in range(0, count, portion)
        ]
        return Reply(arrays={"output": np.concatenate([part["output"] for part in parts])})

    replies = pair.workers.map(outputs)
    one, other = (replies[framework].arrays["output"].reshape(count, -1) for framework in (FIRST, SECOND))
    changed = np.flatnonzero(one.argmax(axis=1) != other.argmax(axis=1))
    scale = float(np.abs(one).max()) or 1.0
    top = np.sort(one, axis=1)[:, -2:] if one.shape[1] > 1 else np.zeros((count, 2))
    margins = (top[:, 1] - top[:, 0]) / scale
    return {
        "inputs": count,
        "title": pair.title,
        "changed": len(changed),
        "largest_gap": _number(float(np.abs(one - other).max()) / scale),
        "margins": [float(margins[place]) for place in changed],
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


class _Memory:
    """The most memory that this process and both workers were seen to hold together, by their own high-water marks."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.peak = 0

    def look(self) -> None:
        """Take note of the marks as they are now."""
        pids = [None, *(self.pair.workers[framework].pid for framework in self.pair.workers)]
        self.peak = max(self.peak, sum(map(high_water, pids)))
