"""Level 6, in float64: ten optimizer steps across a change of the learning rate, in two epochs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import pairwise

import numpy as np
from msgspec.structs import replace

from parity.catalogue.networks import LARGE
from parity.catalogue.recipes import Optimizer, Recipe, Schedule, learning_rates
from parity.numerics.arrays import Arrays
from parity.numerics.comparison import FLOAT64_LIMIT, Comparison, layer_scales
from parity.numerics.tolerance import FLOAT64_ROUNDING, compare_with_derived_limits, perturb
from parity.proofs.context import ProofContext
from parity.proofs.extremes import EXTREMES, LOGITS, Extreme, extreme_plan, extreme_state
from parity.proofs.proof import make_proof, worst_of
from parity.proofs.single_steps import LOSS, TrainerState, loss_uncertainty, observed, run_step
from parity.proofs.step_rates import HIDDEN, LARGEST_ROUNDING, RATE_FACTORS, compare_steps, has_numbers, lowered
from parity.proofs.train_mode import (
    GRADIENT_LIMIT,
    STEPS,
    TRAINING_BATCH,
    gradients_of,
    plan_of,
    recipe_for,
    start,
    training_part,
    unmoved,
)
from parity.records.records import Proof
from parity.weights.state import State
from parity.workers.worker import Worker

OPTIMIZERS = ("sgd", "momentum", "nesterov", "adam")

# Relative to the scale of each array. Every step adds a rounding error of about 1e-16; another update rule (a float32
# constant, another epsilon) makes a difference above 1e-9.
UPDATE_LIMIT = 1e-9

LOSSES = "losses of the steps"

NEW_EPOCH = 3  # the step, from 0, with which another epoch begins; the rate changes within it


def optimizer_steps(context: ProofContext, recipe: Recipe | None = None) -> Proof:
    """Level 6. The losses of all steps, and all weights and running statistics after them.

    Some networks amplify rounding beyond the limit within ten steps. Where the limit is exceeded, the steps are
    repeated from weights that are perturbed by float64 rounding, and the limit is derived from the distances, as level
    3 does for float32. Where the recipe's learning rates leave neither twin with finite numbers, or rounding alone
    moves both as far as a fault would, they are lowered, and the proof's title says by how much.

    Args:
        context: the network and its workers.
        recipe: in place of the network's own.

    Returns:
        The proof, with the update rule in its title.

    Raises:
        WorkerError: a worker failed, with what it said.
    """
    recipe = recipe or recipe_for(context)
    state = context.state("float32")
    for slow in RATE_FACTORS:
        ends = dict(_ends(context, recipe, slow=slow))
        if slow != RATE_FACTORS[-1] and not any(map(has_numbers, ends.values())):
            continue
        first = next(iter(ends.values()))
        limits = update_limits(context, recipe, first, float(boundary_rates(recipe.schedule).sum()) * slow)
        comparison, hidden = compare_steps(ends, limits, partial(_moved_ends, context, recipe, ends, slow), slow)
        if not hidden:
            break
    problems = [] if hidden else comparison.explain()
    designed = {extreme.name: extreme_step(context, recipe, extreme) for extreme in EXTREMES}
    problems += [f"{name} numbers: {line}" for name, comparison in designed.items() for line in comparison.explain()]
    if hidden and not problems:  # which says nothing about the network, and so compares nothing
        return steps_titled(make_proof(context, 6, {}, [HIDDEN]), recipe)
    problems += [HIDDEN] * hidden
    trained = {entry.name for entry in context.entries() if entry.trainable and entry.name.endswith("/kernel")}
    before = {name: array for name, array in state.items() if name in trained}
    problems += [f"{name!r} did not change in {STEPS} steps" for name in unmoved(before, first)]
    compared = {
        "arrays": len(comparison.gaps) - 1,
        "elements": comparison.elements - first[LOSSES].size,
        "steps": first[LOSSES].size,
    }
    elements = sum(comparison.elements for comparison in designed.values())
    compared |= {"designed steps": len(designed), "elements of designed steps": elements}
    worst = worst_of([comparison, *designed.values()])
    proof = steps_titled(make_proof(context, 6, compared, problems, worst), recipe)
    return replace(proof, title=f"{proof.title}{lowered(slow)}")


def update_limits(context: ProofContext, recipe: Recipe, state: Arrays, rates: float) -> dict[str, float]:
    """The fixed limits of arrays after some steps, relative to each one's largest value.

    Args:
        context: the network and its workers.
        recipe: the training's.
        state: the arrays by name.
        rates: the learning rates of the steps, added up.

    Returns:
        `UPDATE_LIMIT` by name, and more for what Adam makes of gradients that are zero but for rounding.
    """
    extra = _amplified(context, recipe, rates) if recipe.optimizer.kind == "adam" else {}
    return {
        name: UPDATE_LIMIT + (extra[name] / float(np.abs(array).max()) if name in extra else 0.0)
        for name, array in state.items()
    }


def extreme_step(context: ProofContext, recipe: Recipe, extreme: Extreme) -> Comparison:
    """One step from a designed state: its loss, and its gradients as the optimizer's memory holds them.

    This shows gradients that are cut or scaled. What the optimizer makes of them is looked at in float32, as it is
    trained (level 8).

    Args:
        context: the network and its workers.
        recipe: the training's.
        extreme: the designed state and batch.
    """
    margin = extreme.margin["float64"]
    state = extreme_state(context.state("float32"), context.layers(), extreme, "float64")
    plan = extreme_plan(plan_of(context, recipe, 0), training_part(context).train_labels, extreme)
    states = dict.fromkeys(context.workers, TrainerState(state))
    taken = run_step(context, recipe, states, plan, "float64", weights=False)
    shown = {name: observed(result, recipe) for name, result in taken.items()}
    first = next(iter(shown.values()))
    scales = layer_scales(first) | {LOSS: max(float(first[LOSS]), margin)}
    uncertain = loss_uncertainty(taken, margin, FLOAT64_ROUNDING)
    limits = dict.fromkeys(first, UPDATE_LIMIT + uncertain) | {LOSS: FLOAT64_LIMIT}

    def moved(run: int) -> dict[str, Arrays]:
        # The uncertainty of the loss's gradient is propagated like the gradient; perturbed logits show by how much.
        draw = np.random.default_rng([context.seed, run])
        last = {name: array for name, array in state.items() if name.startswith(f"{LOGITS}/")}
        changed = perturb(state, draw, FLOAT64_ROUNDING) | perturb(last, draw, uncertain / (1 + margin))
        others = dict.fromkeys(states, TrainerState(changed))
        again = run_step(context, recipe, others, plan, "float64", weights=False)
        return {name: observed(result, recipe) for name, result in again.items()}

    return compare_with_derived_limits(shown, limits, moved, scales=scales, most=LARGEST_ROUNDING)


def steps_titled(proof: Proof, recipe: Recipe) -> Proof:
    """The proof with the update rule in its title, which distinguishes the proofs of several rules.

    Args:
        proof: of level 6.
        recipe: whose update rule was proven.

    Returns:
        A new proof.
    """
    return replace(proof, title=f"{proof.title}: {recipe.optimizer.kind}")


def rule_recipe(kind: str) -> Recipe:
    """A recipe for the proof of one update rule, with weight decay of the kernels.

    Args:
        kind: one of `OPTIMIZERS`.

    Returns:
        A recipe of two epochs; the learning rate is divided by ten after the first.

    Example:
        >>> rule_recipe("adam").schedule.base
        0.001
    """
    rate = 1e-3 if kind == "adam" else 0.01
    return Recipe(
        name=kind,
        source="this suite",
        batch=TRAINING_BATCH,
        optimizer=Optimizer(kind),
        schedule=Schedule(rate, drops=((1, 0.1),)),
        epochs=2,
        init="he_normal",
        l2=0.01,
        l2_scope="kernels",
    )


def boundary_rates(schedule: Schedule) -> np.ndarray:
    """Learning rates of the proof's steps: five from before the schedule's first change, five from after.

    Args:
        schedule: of a recipe. One without a drop (constant, or decaying with every step) is given one, to a tenth.

    Returns:
        float32 [10].

    Example:
        >>> [f"{rate:g}" for rate in boundary_rates(Schedule(0.1))[4:6]]
        ['0.1', '0.01']
    """
    change = schedule.drops[0][0] if schedule.drops else schedule.every
    if change:
        return np.concatenate([learning_rates(schedule, epoch, STEPS // 2) for epoch in (change - 1, change)])
    rates = learning_rates(schedule, 0, STEPS)
    rates[STEPS // 2 :] *= np.float32(0.1)
    return rates


def _ends(
    context: ProofContext, recipe: Recipe, states: dict[str, State] | None = None, slow: float = 1.0
) -> Iterator[tuple[str, Arrays]]:
    """For each framework: weights and statistics after the steps, then the losses of all steps."""
    name = context.network.name

    def train(worker: Worker, plan: Arrays) -> Arrays:
        plan["rate"] = boundary_rates(recipe.schedule) * np.float32(slow)
        losses = []
        for first, last in pairwise((0, NEW_EPOCH, STEPS)):
            losses.append(worker.train_epoch(name, plan, losses=True, begin=first, end=last).losses)
        end = worker.export_training(name).state
        return end | {LOSSES: np.concatenate(losses)}  # arrays first: the first failure then names an array

    if context.network.params <= LARGE:
        plan = start(context, recipe, states)
        yield from context.workers.map(lambda worker: train(worker, plan)).items()
        return
    for framework in context.workers:  # both at once would not fit into the memory of a usual machine
        plan = start(context, recipe, states, only=framework)
        end = train(context.workers[framework], plan)
        context.workers[framework].stop()  # which gives its memory back
        yield framework, end


def _moved_ends(
    context: ProofContext, recipe: Recipe, ends: Mapping[str, Arrays], slow: float, run: int
) -> dict[str, Arrays]:
    """As `_ends`, from weights that are perturbed by float64 rounding, otherwise in every `run`."""
    draw = np.random.default_rng([context.seed, run])
    moved = perturb(context.state("float64"), draw, FLOAT64_ROUNDING)
    return dict(_ends(context, recipe, dict.fromkeys(ends, moved), slow))


def _amplified(context: ProofContext, recipe: Recipe, rates: float) -> dict[str, float]:
    """By how much rounding alone may move arrays under Adam, beyond the limit.

    Adam divides a gradient that is smaller than epsilon by epsilon. So a gradient that is zero but for the error that
    level 5 admits, that of a bias before a batch norm, moves the array, and the running mean behind it.
    """
    plan = start(context, recipe)
    amplified = rates / recipe.optimizer.epsilon
    extra = {name: amplified * error for name, error in _zero_gradients(context, plan).items()}
    for layer, behind in pairwise(context.layers()):
        if behind["kind"] == "batch_norm" and f"{layer['name']}/bias" in extra:
            extra[f"{behind['name']}/mean"] = extra[f"{layer['name']}/bias"]
    return extra


def _zero_gradients(context: ProofContext, plan: Arrays) -> dict[str, float]:
    """Arrays whose gradient is zero but for rounding in both twins, with the error that level 5 admits in it."""
    first, second = (batch.gradients for batch in gradients_of(context, plan).values())
    errors = {name: GRADIENT_LIMIT * scale for name, scale in layer_scales(first).items()}
    return {n: e for n, e in errors.items() if np.abs(first[n]).max() <= e and np.abs(second[n]).max() <= e}
