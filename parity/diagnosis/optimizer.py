"""From level 6 that failed to its cause: the observed optimizer steps against every update rule in numpy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from parity.catalogue.networks import LARGE
from parity.catalogue.recipes import Recipe, decayed
from parity.diagnosis.attribution import Mismatch, diagnosis_of, identify_cause
from parity.diagnosis.hypotheses import of_loss
from parity.diagnosis.scene import LOSS, OPTIMIZER
from parity.diagnosis.update_rules import Rule, UpdateStep, alternatives, update_distance
from parity.numerics.arrays import Arrays
from parity.numerics.comparison import FLOAT64_LIMIT, finite_gap, layer_scales
from parity.numerics.losses import cross_entropy
from parity.proofs.context import ProofContext
from parity.proofs.extremes import EXTREMES, LOGITS, Extreme, extreme_plan, extreme_state
from parity.proofs.optimizer import UPDATE_LIMIT, boundary_rates
from parity.proofs.single_steps import TrainerState, from_row, remembers, run_step
from parity.proofs.train_mode import (
    STEPS,
    gradients_of,
    plan_of,
    recipe_for,
    start,
    train_rows,
    training_part,
    training_stages,
)
from parity.records.records import Diagnosis
from parity.workers.worker import Worker

SAMPLE = 2**12  # numbers of an array that are enough: an update rule is one formula for every number

SIMULATED = STEPS // 2 + 2  # optimizer steps, two of them after the change of the rate

TINY_GRADIENT = 1e-9  # of its layer's largest: zero but for rounding, which Adam amplifies


def optimizer_alone(context: ProofContext, recipe: Recipe | None = None) -> list[Diagnosis]:
    """What the optimizer does wrong: with the gradients that it is given, or with its update rule.

    A rule without a name may be the right one with gradients that were clipped.

    Args:
        context: the network, its workers and its data.
        recipe: in place of the network's own.

    Raises:
        WorkerError: a worker failed, with what it said.
    """
    ruled = update_rule(context, recipe)
    if ruled and all(cause.trap for cause in ruled):
        return ruled
    return remembered_gradients(context, recipe) or ruled


def remembered_gradients(context: ProofContext, recipe: Recipe | None = None) -> list[Diagnosis]:
    """Whether the optimizer's memory after a first step is the gradient: of drawn, of large and of tiny numbers.

    Args:
        context: the network, its workers and its data.
        recipe: in place of the network's own.

    Returns:
        A cause for each framework where it is not. Empty for rules without memory, and for networks that are too large.
    """
    recipe = recipe or recipe_for(context)
    if context.network.params > LARGE or not remembers(recipe):
        return []
    causes: dict[str, Diagnosis] = {}
    for extreme in (None, *EXTREMES):
        for framework, taken in _remembered_gradients(context, recipe, extreme).items():
            if framework not in causes and (cause := _cause_of(framework, taken, drawn=extreme is None)):
                causes[framework] = cause
    return list(causes.values())


@dataclass(frozen=True)
class RememberedGradients:
    """Gradients by array, without weight decay.

    Attributes:
        computed: of the loss.
        remembered: what of them is in the optimizer's memory.
    """

    computed: Arrays
    remembered: Arrays

    def gap(self, made: Arrays) -> float:
        """The largest distance of a hypothesis's gradients from the remembered ones, relative to each layer's."""
        scales = layer_scales(self.computed)
        return float(np.max([np.abs(made[n] - g).max() / (scales[n] or 1.0) for n, g in self.remembered.items()]))


def _remembered_gradients(
    context: ProofContext, recipe: Recipe, extreme: Extreme | None
) -> dict[str, RememberedGradients]:
    """By framework whose optimizer has a memory: the gradients at the proof's state, or at a designed one."""
    plan, state = plan_of(context, recipe, 0), context.state("float64")
    if extreme is not None:
        state = extreme_state(state, context.layers(), extreme, "float64")
        plan = extreme_plan(plan, training_part(context).train_labels, extreme)
    start(context, recipe, dict.fromkeys(context.workers, state))
    computed = gradients_of(context, plan)
    states = dict.fromkeys(context.workers, TrainerState(state))
    taken = run_step(context, recipe, states, plan, "float64", weights=False)
    kinds = {layer["name"]: layer["kind"] for layer in context.layers()}
    slot, share = ("m", 1 - recipe.optimizer.beta1) if recipe.optimizer.kind == "adam" else ("velocity", 1.0)
    by_framework = {}
    for framework, step in taken.items():
        remembered = {
            name: step.after.memory[f"{slot}/{name}"] / share
            - (recipe.l2 * state[name] if decayed(name, kinds[name.rpartition("/")[0]], recipe.l2_scope) else 0.0)
            for name in computed[framework].gradients
            if f"{slot}/{name}" in step.after.memory
        }
        if remembered:
            by_framework[framework] = RememberedGradients(computed[framework].gradients, remembered)
    return by_framework


def _cause_of(framework: str, taken: RememberedGradients, *, drawn: bool) -> Diagnosis | None:
    """The cause of wrong gradients in the memory; None where they are right."""
    before = taken.gap(taken.computed)
    if before <= UPDATE_LIMIT:
        return None
    mismatch = Mismatch(framework, OPTIMIZER, "gradients", before)
    computed = {name: taken.computed[name] for name in taken.remembered}
    norm = math.sqrt(sum(float((g**2).sum()) for g in computed.values()))
    product = sum(float((computed[name] * g).sum()) for name, g in taken.remembered.items())
    factor = product / norm**2 if norm else 1.0
    largest = max(float(np.abs(g).max()) for g in taken.remembered.values())
    zero = [np.abs(computed[n][np.abs(g) <= UPDATE_LIMIT * np.abs(g).max()]) for n, g in taken.remembered.items()]
    smallest = max((float(dropped.max()) for dropped in zero if dropped.size), default=0.0)
    scaled = {name: factor * g for name, g in computed.items()}
    explained = (
        ("gradient-scale", f"with gradients times {factor:.6g}", scaled)
        if drawn
        else (
            "gradient-clip",
            f"with gradients clipped to a norm of {factor * norm:.6g}, where it was {norm:.3g}",
            scaled,
        ),
        (
            "gradient-clip",
            f"with gradients clipped to {largest:.6g} at most",
            {name: np.clip(g, -largest, largest) for name, g in computed.items()},
        ),
        (
            "gradient-clip",
            f"without gradients of up to {smallest:.2g}",
            {name: np.where(np.abs(g) <= smallest, 0.0, g) for name, g in computed.items()},
        ),
    )
    after, trap, text = min((taken.gap(made), trap, text) for trap, text, made in explained)
    if after <= UPDATE_LIMIT:
        return diagnosis_of(mismatch, trap, text, after)
    return diagnosis_of(mismatch, "", "with gradients that are not those of the loss", after)


def extreme_losses(context: ProofContext) -> list[Diagnosis]:
    """Whether the loss of large and of tiny numbers is the cross entropy of the logits."""
    recipe = recipe_for(context)
    labels = training_part(context).train_labels
    causes: dict[str, Diagnosis] = {}
    for extreme in EXTREMES:
        state = extreme_state(context.state("float64"), context.layers(), extreme, "float64")
        start(context, recipe, dict.fromkeys(context.workers, state))
        plan = extreme_plan(plan_of(context, recipe, 0), labels, extreme)
        row = {name: array[:1] for name, array in plan.items()}
        losses = {framework: batch.loss for framework, batch in gradients_of(context, row).items()}
        passes = training_stages(context, row)
        own = labels[row["order"][0]].astype(int)
        for framework, loss in losses.items():
            logits = passes[framework].stages[LOGITS]
            size = float(np.abs(logits).max())  # a loss is a difference of logits, and as uncertain as they are

            def beside(value: float, size: float = size) -> np.ndarray:
                return np.array([value, size])

            before = finite_gap(beside(cross_entropy(logits, own)), beside(loss))
            if not before <= FLOAT64_LIMIT and framework not in causes:
                candidates = ((trap, text, beside(value)) for trap, text, value in of_loss(logits, own))
                mismatch = Mismatch(framework, LOSS, f"loss of {extreme.name} numbers", before)
                causes[framework] = identify_cause(mismatch, candidates, beside(loss))
    return list(causes.values())


def update_rule(context: ProofContext, recipe: Recipe | None = None) -> list[Diagnosis]:
    """Whether the optimizer's steps are the recipe's; where not, which other rule's they are.

    Args:
        context: the network, its workers and its data.
        recipe: in place of the network's own.

    Returns:
        A cause for each framework where they are not. Empty for networks that are too large.

    Raises:
        WorkerError: a worker failed, with what it said.
    """
    if context.network.params > LARGE:
        return []  # both frameworks' trainings of it do not fit into memory
    recipe = recipe or recipe_for(context)
    rates = boundary_rates(recipe.schedule)
    steps = _observed_steps(context, recipe, rates)
    kinds = {layer["name"]: layer["kind"] for layer in context.layers()}
    rule = Rule(recipe.optimizer, recipe.l2, recipe.l2_scope)
    diagnoses = []
    for framework, observed in steps.items():
        used = rates[: len(observed)].tolist()
        before = update_distance(rule, observed, used, kinds)
        if before <= UPDATE_LIMIT:
            continue
        tried = [
            (update_distance(other, observed, used, kinds), trap, text) for trap, text, other in alternatives(rule)
        ]
        after, trap, text = min(tried)
        mismatch = Mismatch(framework, OPTIMIZER, recipe.optimizer.kind, before)
        if after <= UPDATE_LIMIT:
            alike = {other for distance, other, _ in tried if distance <= max(10 * after, UPDATE_LIMIT)} - {trap}
            diagnoses.append(diagnosis_of(mismatch, trap, text, after, sorted(alike)))
        else:
            diagnoses.append(diagnosis_of(mismatch, "", "no known update rule", after))
    return diagnoses


def _observed_steps(context: ProofContext, recipe: Recipe, rates: np.ndarray) -> dict[str, list[UpdateStep]]:
    """Steps across the change of the rate, each with the gradient at its weights; gradients of zero are left out.

    Of large arrays drawn numbers only.
    """
    plan = start(context, recipe)
    plan["rate"] = rates
    name = context.network.name
    draw = np.random.default_rng(context.seed)
    sizes = {entry.name: math.prod(entry.shape) for entry in context.entries() if entry.trainable}
    chosen = {array_name: draw.integers(0, size, SAMPLE) for array_name, size in sizes.items() if size > SAMPLE}
    observed: dict[str, list[UpdateStep]] = {framework: [] for framework in context.workers}
    zero: set[str] = set()

    def sampled(arrays: Arrays) -> Arrays:
        return {array_name: arrays[array_name].ravel()[chosen.get(array_name, slice(None))] for array_name in sizes}

    def run(worker: Worker) -> None:
        def weights() -> Arrays:
            return sampled(worker.export_training(name).state)

        before = weights()
        for index in range(SIMULATED):
            gradients = worker.gradients(name, from_row(plan, index)).gradients
            if index == 0:
                scales = layer_scales(gradients)
                zero.update(e for e, g in gradients.items() if np.abs(g).max() <= TINY_GRADIENT * scales[e])
            train_rows(context, worker, plan, index)
            after = weights()
            observed[worker.framework].append(UpdateStep(before, sampled(gradients), after))
            before = after

    context.workers.map(run)
    return {
        framework: [
            UpdateStep(step.before, {n: g for n, g in step.gradients.items() if n not in zero}, step.after)
            for step in steps
        ]
        for framework, steps in observed.items()
    }
