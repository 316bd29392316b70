"""Proofs for a user's pair of models: transfer, float64 and float32 forward, and on request a training pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from msgspec.structs import replace

from parity.migration.pair import ModelPair
from parity.migration.specs import FIRST, SECOND
from parity.numerics.arrays import Arrays
from parity.numerics.comparison import FLOAT64_LIMIT, Comparison
from parity.numerics.tolerance import (
    FLOAT32_ROUNDING,
    FLOAT64_ROUNDING,
    Roundings,
    compare_with_derived_limits,
)
from parity.proofs.forward import compared_counts
from parity.proofs.proof import proof_of
from parity.records.records import OwnGap, Proof

NO_END = "the models' outputs do not correspond: they are made by layers that do not match, see the unmatched ones"


def certificate(pair: ModelPair, inputs: np.ndarray) -> list[Proof]:
    """Level 1: every array that both models have is transferred to each and read back without losing a bit."""
    problems = []
    first_entries, second_entries = (
        {entry.name: entry for entry in pair.entries[framework]} for framework in (FIRST, SECOND)
    )
    problems += [f"{name!r} exists in one model only" for name in sorted(set(first_entries) ^ set(second_entries))]
    problems += [
        f"{n!r}: {first_entries[n].shape} / {second_entries[n].shape}"
        for n in first_entries
        if n in second_entries and first_entries[n].shape != second_entries[n].shape
    ]
    for framework, unmatched in pair.unmatched().items():
        problems += [f"{step.name!r} ({step}) exists in {framework} only" for step in unmatched.values() if step.shapes]
        problems += [
            f"{name!r} of {framework} belongs to a layer that the suite cannot look into: it is not transferred"
            for name in pair.graphs[framework].opaque
        ]
    if set(first_entries) != set(second_entries):
        return [_proof(pair, 1, {"arrays": len(first_entries)}, problems, None)]
    states = pair.run_on_both(lambda worker: worker.draw_state(pair.name, pair.seed))
    drawn = states[FIRST].drawn
    for framework, state in states.items():
        for given in (state.drawn, state.read):
            changed = [name for name in drawn.keys() | given.keys() if drawn.get(name) != given.get(name)]
            if changed:
                problems.append(f"{framework}: {len(changed)} arrays changed on their way, first {sorted(changed)[:3]}")
    elements = sum(math.prod(entry.shape) for entry in first_entries.values())
    return [_proof(pair, 1, {"arrays": len(first_entries), "elements": 2 * elements}, problems, None)]


def float64_forward(pair: ModelPair, inputs: np.ndarray) -> list[Proof]:
    """Level 2: every matched layer, and so the models' outputs, agree in float64."""
    outputs = pair.outputs = pair.stages("float64", inputs)

    def perturbed(run: int) -> dict[str, Arrays]:
        return pair.stages("float64", inputs, _float64_roundings(pair, run))

    comparison = pair.comparison = _compare(outputs, FLOAT64_LIMIT, perturbed)
    end, _ = pair.ends()
    problems = comparison.explain()
    if not end:
        problems.append(NO_END)
    return [_proof(pair, 2, compared_counts({"": comparison}), problems, comparison)]


def _compare(
    arrays: Mapping[str, Arrays],
    limit: float,
    perturbed: Callable[[int], Mapping[str, Arrays]],
    scales: Mapping[str, float] | None = None,
) -> Comparison:
    """As `compare_with_derived_limits`; no limit exceeds float32's rounding: a larger gap is no rounding of float64."""
    return compare_with_derived_limits(
        {name: arrays[name] for name in (FIRST, SECOND)}, limit, perturbed, scales=scales, most=FLOAT32_ROUNDING
    )


def _float64_roundings(pair: ModelPair, run: int) -> Roundings:
    # more than two numbers: numpy takes [a, b] and [a, b, 0] for one seed, and each array appends its index
    return Roundings([pair.seed, run, *b"float64"], FLOAT64_ROUNDING)


def _proof(
    pair: ModelPair,
    level: int,
    compared: Mapping[str, int],
    problems: Sequence[str],
    comparison: Comparison | None,
    frameworks: Mapping[str, OwnGap] | None = None,
) -> Proof:
    """A level's proof for a pair; without a gap it has failed, except level 1, which compares bits."""
    proof = proof_of(pair.name, pair.title, level, compared, problems, comparison, frameworks=frameworks)
    return proof if proof.gap is not None or level == 1 else replace(proof, passed=False)
