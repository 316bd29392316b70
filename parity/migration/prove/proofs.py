"""The verdict on a pair as proofs of the levels of evidence that all of the suite's proofs have."""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec.structs import replace

from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.prove.float32_forward import float32_outputs
from parity.migration.prove.inputs import InputSet
from parity.migration.prove.verdict import PairVerdict
from parity.migration.specs import FIRST, SECOND
from parity.proofs.forward import compared_counts, labelled
from parity.proofs.proof import by_framework, proof_of, worst_of
from parity.records.records import Proof
from parity.workers.frameworks import FRAMEWORKS


def proofs_of_pair(pair: RecordedPair, decided: PairVerdict, sets: Sequence[InputSet]) -> list[Proof]:
    """Levels 1, 2 and 3, and where a pass in training mode was compared 4 and 5.

    Args:
        pair: decided.
        decided: its verdict.
        sets: the inputs; the first ones run in float32, too.

    Raises:
        WorkerError: a model does not run in float32.
    """
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
        found = gap.gap if math.isfinite(gap.gap) else None
        proof = replace(proof, gap=found, limit=limit, worst=gap.path or "output")
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
