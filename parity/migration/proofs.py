"""Proofs for a user's pair of models: transfer, float64 and float32 forward, and on request a training pass."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np
from msgspec.structs import replace

from parity.migration.pair import ModelPair
from parity.migration.specs import FIRST, SECOND
from parity.numerics.arrays import Arrays
from parity.numerics.comparison import FLOAT64_LIMIT, Comparison, compare, layer_scales
from parity.numerics.tolerance import (
    FLOAT32_ROUNDING,
    FLOAT64_ROUNDING,
    Roundings,
    compare_with_derived_limits,
    derive_limits,
)
from parity.proofs.forward import against_exact, compared_counts, labelled
from parity.proofs.proof import by_framework, proof_of, worst_of
from parity.proofs.train_mode import GRADIENT_LIMIT
from parity.records.records import OwnGap, Proof
from parity.workers.client.user_models import TrainingPass
from parity.workers.worker import Worker

NO_END = "the models' outputs do not correspond: they are made by layers that do not match, see the unmatched ones"


def prove_pair(
    pair: ModelPair, *, training: bool = False, on_event: Callable[[Proof], None] = lambda proof: None
) -> list[Proof]:
    """Prove a matched pair, level by level.

    Args:
        pair: loaded and matched.
        training: whether to prove levels 4 and 5, too, which need float64.
        on_event: is called with each proof as soon as it is there.

    Returns:
        The proofs of levels 1, 2 and 3, and on request 4 and 5; of models in float32 no level 2.

    Raises:
        TargetError: a model does not run.
        WorkerError: a worker fails.
    """
    inputs = pair.inputs()
    forward = [float64_forward, float32_forward] if pair.dtype == "float64" else [float32_alone]
    checks = [certificate, *forward, *([training_pass] if training else [])]
    proven: list[Proof] = []
    for check in checks:
        start = time.perf_counter()
        proofs = check(pair, inputs)
        seconds = time.perf_counter() - start
        for proof in proofs:
            proven.append(replace(proof, seconds=seconds / len(proofs)))
            on_event(proven[-1])
    return proven


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


def float32_forward(pair: ModelPair, inputs: np.ndarray) -> list[Proof]:
    """Level 3: each model's float32 layers against its own float64 ones, with limits derived from perturbed runs."""
    perturbed = {}
    for framework in (FIRST, SECOND):
        perturbed[framework] = _float32_perturbed(pair, framework, "float64", inputs)
    pair.float32_comparisons = against_exact(pair.outputs, perturbed, pair.stages("float32", inputs), pair.outputs)
    worst, problems = worst_of(pair.float32_comparisons.values()), labelled(pair.float32_comparisons)
    return [
        _proof(
            pair, 3, compared_counts(pair.float32_comparisons), problems, worst, by_framework(pair.float32_comparisons)
        )
    ]


def float32_alone(pair: ModelPair, inputs: np.ndarray) -> list[Proof]:
    """Level 3 without a float64 run: each layer of one model in float32 against the other's.

    The limits are the effect of rounding on both, from runs of each with weights and inputs that float32 rounding has
    perturbed. A difference that is smaller, an epsilon for example, is not detected.
    """
    outputs = pair.outputs = pair.stages("float32", inputs)
    own_limits = [derive_limits(outputs[name], [_float32_perturbed(pair, name, "float32", inputs)]) for name in outputs]
    limits = {name: sum(limit.get(name, math.nan) for limit in own_limits) for name in outputs[FIRST]}
    comparison = pair.comparison = compare(outputs[FIRST], outputs[SECOND], limits)
    problems = comparison.explain() + ([] if pair.ends()[0] else [NO_END])
    return [_proof(pair, 3, compared_counts({"": comparison}), problems, comparison)]


def training_pass(pair: ModelPair, inputs: np.ndarray) -> list[Proof]:
    """Levels 4 and 5: one pass in training mode without dropout: output, running statistics, every gradient."""
    end, _ = pair.ends()
    if not end:
        return [_proof(pair, level, {}, [NO_END], None) for level in (4, 5)]
    cotangent = np.random.default_rng(pair.seed).normal(size=pair.outputs[FIRST][end].shape)
    given = {"inputs": inputs, "cotangent": cotangent}

    def passes(roundings: Roundings | None = None) -> dict[str, TrainingPass]:
        return pair.run_on_both(lambda worker: worker.training_pass(pair.name, end, given, roundings))

    own = passes()

    @cache
    def perturbed_passes(run: int) -> dict[str, TrainingPass]:
        return passes(_float64_roundings(pair, run))

    def compared(
        group: Callable[[TrainingPass], Arrays], limit: float, scales: Mapping[str, float] | None = None
    ) -> Comparison:
        def perturbed(run: int) -> dict[str, Arrays]:
            return {framework: group(model_pass) for framework, model_pass in perturbed_passes(run).items()}

        return _compare(
            {framework: group(model_pass) for framework, model_pass in own.items()}, limit, perturbed, scales
        )

    forward = compared(lambda model_pass: {"output": model_pass.output}, FLOAT64_LIMIT)
    problems, comparisons = forward.explain(), [forward]
    counts = {"outputs": len(forward.gaps), "elements": forward.elements}
    if any(model_pass.statistics for model_pass in own.values()):
        statistics = compared(lambda model_pass: model_pass.statistics, FLOAT64_LIMIT)
        problems += [f"running statistics: {line}" for line in statistics.explain()]
        comparisons.append(statistics)
        counts |= {"running statistics": len(statistics.gaps), "elements": forward.elements + statistics.elements}
    gradients = compared(lambda model_pass: model_pass.gradients, GRADIENT_LIMIT, layer_scales(own[FIRST].gradients))
    return [
        _proof(pair, 4, counts, problems, worst_of(comparisons)),
        _proof(
            pair, 5, {"gradients": len(gradients.gaps), "elements": gradients.elements}, gradients.explain(), gradients
        ),
    ]


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


def _float32_perturbed(pair: ModelPair, framework: str, dtype: str, inputs: np.ndarray) -> Arrays:
    """One model's stages with weights and inputs perturbed by float32 rounding, differently in each framework."""
    roundings = Roundings([pair.seed, *framework.encode()])

    def stages(worker: Worker) -> Arrays:
        return worker.model_stages(pair.name, dtype, {"inputs": inputs}, roundings)

    return pair.run_on(framework, stages)


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
