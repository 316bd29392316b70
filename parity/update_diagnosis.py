"""From level 6 that failed to its cause: the optimizer's steps, observed, against every update rule in numpy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from parity.accusation import Suspect, accuse
from parity.evidence import Evidence
from parity.model_cache import LARGE
from parity.optimizer_proofs import STEPS, UPDATE_LIMIT, boundary_rates
from parity.places import OPTIMIZER
from parity.protocol import Arrays, unpack
from parity.recipes import Recipe
from parity.results import Diagnosis
from parity.training_proofs import layer_scales, recipe_for, start
from parity.update_rules import Rule, Step, alternatives, distance
from parity.workers import Worker

SAMPLE = 2**12  # numbers of an array that speak for it: an update rule is one formula for every number
SIMULATED = STEPS // 2 + 2  # optimizer steps, two of them after the change of the rate
TINY_GRADIENT = 1e-9  # of its layer's largest: zero but for rounding, which Adam blows up


def update_rule(evidence: Evidence, recipe: Recipe | None = None) -> list[Diagnosis]:
    """Whether the optimizer's steps are the recipe's, and which other rule's they are where not."""
    if evidence.network.params > LARGE:
        return []  # two frameworks at work on it at a time do not fit into memory
    recipe = recipe or recipe_for(evidence)
    rates = boundary_rates(recipe.schedule)
    steps = _observed_steps(evidence, recipe, rates)
    kinds = {layer["name"]: layer["kind"] for layer in evidence.layers()}
    rule = Rule(recipe.optimizer, recipe.l2, recipe.l2_scope)
    diagnoses = []
    for framework, observed in steps.items():
        used = rates[: len(observed)].tolist()
        before = distance(rule, observed, used, kinds)
        if before <= UPDATE_LIMIT:
            continue
        tried = [(distance(other, observed, used, kinds), trap, text) for trap, text, other in alternatives(rule)]
        after, trap, text = min(tried)
        suspect = Suspect(framework, OPTIMIZER, recipe.optimizer.kind, before)
        if after <= UPDATE_LIMIT:
            alike = {other for distance_, other, _ in tried if distance_ <= 10 * after} - {trap}
            diagnoses.append(accuse(suspect, trap, text, after, sorted(alike)))
        else:
            diagnoses.append(accuse(suspect, "", "no known update rule", after))
    return diagnoses


def _observed_steps(evidence: Evidence, recipe: Recipe, rates: np.ndarray) -> dict[str, list[Step]]:
    """Steps across the change of the rate, each with the gradient at its weights; gradients of zero left out.

    Of large arrays a sample, drawn.
    """
    plan = start(evidence, recipe)
    plan["rate"] = rates
    name = evidence.network.name
    draw = np.random.default_rng(evidence.seed)
    sizes = {entry.name: math.prod(entry.shape) for entry in evidence.entries() if entry.trainable}
    chosen = {each: draw.integers(0, size, SAMPLE) for each, size in sizes.items() if size > SAMPLE}
    observed: dict[str, list[Step]] = {framework: [] for framework in evidence.workers}
    zero: set[str] = set()

    def sampled(arrays: Arrays) -> Arrays:
        return {each: arrays[each].ravel()[chosen.get(each, slice(None))] for each in sizes}

    def run(worker: Worker) -> Any:
        def weights() -> Arrays:
            return sampled(unpack(worker.call("export_training", network=name).arrays, "state"))

        before = weights()
        for index in range(SIMULATED):
            row = {key: array[index : index + 1] for key, array in plan.items()}
            gradients = worker.call("gradients", network=name, arrays=row).arrays
            if index == 0:
                scales = layer_scales(gradients)
                zero.update(e for e, g in gradients.items() if np.abs(g).max() <= TINY_GRADIENT * scales[e])
            reply = worker.call("train_epoch", network=name, arrays=row, on_progress=lambda news: None)
            after = weights()
            observed[worker.framework].append(Step(before, sampled(gradients), after))
            before = after
        return reply

    evidence.workers.map(run)
    return {
        framework: [
            Step(step.before, {n: g for n, g in step.gradients.items() if n not in zero}, step.after) for step in steps
        ]
        for framework, steps in observed.items()
    }
