"""Level 8: the float32 training step, each framework against its own float64 run of the step.

The float32 kernels are other code than those that levels 4 to 6 look at in float64, and may have other faults. A
training is started, warmed up and run over three epochs, by the verbs of `parity train` and with its evaluation between
epochs. Its steps are then taken again in float64, each from the float32 run's own weights and memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import psutil

from parity.catalogue.networks import LARGE
from parity.catalogue.recipes import Recipe
from parity.numerics.arrays import Arrays
from parity.numerics.comparison import Comparison, compare, largest_difference, layer_scales
from parity.numerics.tolerance import FLOAT32_ROUNDING, alarm_factor, perturb, sum_roundings
from parity.proofs.context import ProofContext
from parity.proofs.extremes import EXTREMES, extreme_plan, extreme_state
from parity.proofs.layer_gradients import gradients_alone
from parity.proofs.optimizer import boundary_rates
from parity.proofs.optimizer_alone import count_steps
from parity.proofs.proof import by_framework, make_proof, worst_of
from parity.proofs.single_steps import (
    LOSS,
    SLOTS,
    StepResult,
    TrainerState,
    by_the_rule,
    counter_problems,
    current_state,
    from_row,
    loss_uncertainty,
    observed,
    run_step,
    run_steps,
    step,
)
from parity.proofs.train_mode import STEPS, plan_of, recipe_for, start, training_batch, training_part
from parity.records.records import Proof
from parity.system import is_short
from parity.weights.state import same_bits
from parity.workers.worker import Worker

EPOCHS = (2, 1, 1)  # steps of each epoch

# A step that halves or loses a gradient gives a gap of a half or one. It would pass under a limit above this.
LARGEST_LIMIT = 0.25

TRIES = 6

MEMORY = 200  # bytes a parameter, all processes together: 8.8 GB were measured with the 33.6 million of vgg16_slim

TIE = 16.0  # roundings by which weights are perturbed, to see whether a gap comes from a tie in a ReLU or a pool


@dataclass(frozen=True)
class RecordedStep:
    """A float32 step that is taken again in float64.

    Attributes:
        title: for the report.
        states: by framework, where the step began.
        plan: arrays of an epoch, whose first row is the step's batch.
        taken: by framework, what the float32 step gave.
        margin: of the logits; the loss is as uncertain as they are.
    """

    title: str
    states: Mapping[str, TrainerState]
    plan: Arrays
    taken: Mapping[str, StepResult]
    margin: float = 0.0


def float32_step(context: ProofContext) -> Proof:
    """Level 8. Loss, gradients, weights and statistics of a step two epochs on, and of designed first steps.

    Then the optimizer alone, for as many steps as a training has.

    Args:
        context: the network, its workers and its data.

    Returns:
        The proof, with the gaps of each framework; one that failed at once where the machine has too little memory.

    Raises:
        WorkerError: a worker failed, with what it said.
    """
    recipe = recipe_for(context)
    if (memory := _memory_shortage(context)) is not None:
        return make_proof(context, 8, {}, [memory])
    _make_room(context)
    problems: list[str] = []
    rules: dict[str, dict[str, Comparison]] = {name: {} for name in context.workers}  # by step
    watched = [_run(context, recipe, problems, rules), *_designed(context, recipe, rules)]
    _make_room(context)
    comparisons = {
        (recorded.title, framework): comparison
        for recorded, first in zip(watched, against_float64(context, recipe, watched), strict=True)
        for framework, comparison in retried(context, recipe, recorded, first).items()
    }
    for (title, framework), comparison in comparisons.items():
        problems += [f"{framework}, {title}: {line}" for line in comparison.explain()]
    for framework, by_step in rules.items():
        for title, comparison in by_step.items():
            problems += [f"{framework}, {title}, weights by the update rule: {line}" for line in comparison.explain()]
    own = {name: worst_of([c for (_, f), c in comparisons.items() if f == name]) for name in context.workers}
    del watched  # gigabytes for deep networks
    alone = gradients_alone(context)
    problems += [f"{name}, layers alone: {line}" for name, comparison in alone.items() for line in comparison.explain()]
    updates = [comparison for by_step in rules.values() for comparison in by_step.values()]
    # the limit of an update is a few roundings, so one that passes says nothing about the margin
    informative = [*comparisons.values(), *alone.values(), *(update for update in updates if not update.passed)]
    compared = {
        "steps": sum(EPOCHS) + len(EXTREMES),
        "classes": len(np.unique(training_part(context).train_labels)),
        "arrays": sum(len(comparison.gaps) for comparison in [*comparisons.values(), *updates]),
        "gradients of layers alone": sum(len(comparison.gaps) for comparison in alone.values()),
        "elements": sum(comparison.elements for comparison in [*comparisons.values(), *alone.values(), *updates]),
    }
    if not problems:
        counts = count_steps(context, recipe)
        problems += counts.problems
        compared["steps of the optimizer alone"] = counts.steps
    return make_proof(context, 8, compared, problems, worst_of(informative), by_framework(own))


def against_float64(
    context: ProofContext, recipe: Recipe, watched: Sequence[RecordedStep], attempt: int = 0
) -> list[dict[str, Comparison]]:
    """Each framework's float32 steps against its own float64 ones.

    Args:
        context: the network and its workers.
        recipe: the training's.
        watched: the float32 steps.
        attempt: number of the try, from 0; every try draws other perturbations.

    Returns:
        For each step, by framework: the comparison. Limits are derived from float64 runs with weights that are
        perturbed by float32 rounding.
    """
    amplitude = _amplitude(context)

    def requested() -> Iterator[tuple[Mapping[str, TrainerState], Arrays]]:
        for recorded in watched:
            yield recorded.states, recorded.plan
            yield _moved(context, recorded.states, amplitude, attempt), recorded.plan

    taken = run_steps(context, recipe, requested(), "float64", weights=False)
    return [_within_limits(recipe, recorded, next(taken), next(taken)) for recorded in watched]


def retried(
    context: ProofContext, recipe: Recipe, watched: RecordedStep, comparisons: dict[str, Comparison]
) -> dict[str, Comparison]:
    """The comparisons of a step; where one is over its limit, the step is taken again from perturbed weights.

    A ReLU or a max-pool whose inputs are one rounding apart may go the other way in float32, and change a gradient by
    much. That is no fault, and it does not come back when the weights are perturbed, as a fault does. So of every array
    the smallest gap counts, and the largest of the limits, which each try derives from perturbed runs of its own.

    Args:
        context: the network and its workers.
        recipe: the training's.
        watched: the float32 step.
        comparisons: by framework, of the first try.

    Returns:
        By framework, the comparisons of all tries in one.
    """
    for attempt in range(1, TRIES):
        if all(comparison.passed or comparison.problems for comparison in comparisons.values()):
            break
        states = _moved(context, watched.states, TIE, attempt)
        taken = run_step(context, recipe, states, watched.plan, "float32", weights=False)
        (others,) = against_float64(context, recipe, [replace(watched, states=states, taken=taken)], attempt)
        comparisons = {name: _better(comparison, others[name]) for name, comparison in comparisons.items()}
    return comparisons


def _make_room(context: ProofContext) -> None:
    """Drop the trainings of earlier levels where memory is short: compiled steps of a deep network take gigabytes."""
    if is_short():
        _forget(context)


def _forget(context: ProofContext) -> None:
    context.workers.map(lambda worker: worker.forget_training(context.network.name))


def _memory_shortage(context: ProofContext) -> str | None:
    """Why a large network's steps are not looked at; None if they are. Short of memory, the system kills processes."""
    if context.network.params <= LARGE:
        return None
    _forget(context)
    needed, available = MEMORY * context.network.params, psutil.virtual_memory().available
    if needed <= available:
        return None
    shortage = f"expected about {needed / 1e9:.0f} GB of free memory, found {available / 1e9:.0f} GB"
    return f"not checked: several states and the float64 runs of this network do not fit into memory: {shortage}"


def _run(
    context: ProofContext, recipe: Recipe, problems: list[str], rules: Mapping[str, dict[str, Comparison]]
) -> RecordedStep:
    """A float32 training over several epochs; its last step is recorded. The designed steps are first steps."""
    plans = list(_plans(context, recipe))
    states: dict[str, TrainerState] = {}
    results: dict[str, StepResult] = {}
    start(context, recipe, precision="float32")
    sent = context.state("float32")

    def job(worker: Worker) -> None:
        framework, name = worker.framework, context.network.name
        observations = [("when a training starts", current_state(context, worker))]
        worker.warm_up(name, plans[0])
        observations.append(("over the warm-up", current_state(context, worker)))
        for when, state in observations:
            changed = [n for n, array in sent.items() if not same_bits(array, state.state.get(n, np.zeros(0)))]
            if changed:
                problems.append(f"{framework}: {len(changed)} arrays change {when}, first {changed[:3]}")
            if any(array.any() for array in state.memory.values()):
                problems.append(f"{framework}: the optimizer's memory is not empty {when}")
        before, count = observations[-1][1], 0
        observations.clear()  # each is large for deep networks
        for number, (plan, steps) in enumerate(zip(plans, EPOCHS, strict=True)):
            for index in range(steps):
                taken, count = step(context, worker, plan, index), count + 1
                comparison = by_the_rule(recipe, before, taken, float(plan["rate"][index]), count, FLOAT32_ROUNDING)
                rules[framework] |= {f"step {count}": comparison} if comparison else {}
                problems.extend(
                    f"{framework}: {p}" for p in counter_problems(recipe, taken.after.memory, count, FLOAT32_ROUNDING)
                )
                states[framework], results[framework] = before, taken
                before = taken.after
            if number < len(plans) - 1:  # as a training does between two epochs
                worker.evaluate(name, batch=context.evaluation_batch)

    context.workers.map(job)
    return RecordedStep(f"step {sum(EPOCHS)}", states, from_row(plans[-1], EPOCHS[-1] - 1), results)


def _plans(context: ProofContext, recipe: Recipe) -> Iterator[Arrays]:
    """The plans of the epochs, with learning rates from both sides of a change."""
    rates = boundary_rates(recipe.schedule)
    for epoch, begin in enumerate((0, STEPS // 2, STEPS - 1)):
        yield plan_of(context, recipe, epoch) | {"rate": np.roll(rates, -begin)}


def _designed(
    context: ProofContext, recipe: Recipe, rules: Mapping[str, dict[str, Comparison]]
) -> Iterator[RecordedStep]:
    """A float32 step from each designed state."""
    labels = training_part(context).train_labels
    for extreme in EXTREMES:
        plan = extreme_plan(plan_of(context, recipe, 0), labels, extreme)
        state = extreme_state(context.state("float32"), context.layers(), extreme, "float32")
        states = dict.fromkeys(context.workers, TrainerState(state))
        taken = run_step(context, recipe, states, plan, "float32")
        for framework, result in taken.items():
            rate = float(plan["rate"][0])
            comparison = by_the_rule(recipe, states[framework], result, rate, 1, FLOAT32_ROUNDING)
            rules[framework] |= {f"{extreme.name} numbers": comparison} if comparison else {}
        yield RecordedStep(f"{extreme.name} numbers", states, plan, taken, extreme.margin["float32"])


def _within_limits(
    recipe: Recipe, watched: RecordedStep, exact: Mapping[str, StepResult], moved: Mapping[str, StepResult]
) -> dict[str, Comparison]:
    """A step's comparison with the exact one, by framework; limits are derived from the perturbed one's distance."""
    oracles = {name: observed(taken, recipe) for name, taken in exact.items()}
    scales = {
        name: layer_scales(oracle) | {LOSS: max(float(oracle[LOSS]), watched.margin)}
        for name, oracle in oracles.items()
    }
    distances: dict[str, float] = {}  # by layer, the larger of the frameworks'
    for framework, oracle in oracles.items():
        other = observed(moved[framework], recipe)
        for name, array in oracle.items():
            scale = scales[framework][name]
            distance = largest_difference(array, other[name]) / scale if scale else 0.0
            layer = name.rpartition("/")[0]
            distances[layer] = float(np.maximum(distances.get(layer, 0.0), distance))
    factor = alarm_factor(sum(array.size for array in next(iter(oracles.values())).values()))
    floor = loss_uncertainty(exact, watched.margin, FLOAT32_ROUNDING)
    limits = {  # np.minimum keeps NaN, a limit that nothing passes
        name: float(np.minimum(LARGEST_LIMIT, factor * distances[name.rpartition("/")[0]] + floor))
        for name in next(iter(oracles.values()))
    }
    return {
        name: compare(oracle, observed(watched.taken[name], recipe), limits, scales=scales[name])
        for name, oracle in oracles.items()
    }


def _amplitude(context: ProofContext) -> float:
    """By how many float32 roundings weights are perturbed: more than at level 3, for the sums over a batch's pixels."""
    height, width, _ = context.network.image
    return sum_roundings(training_batch(context) * height * width)


def _moved(
    context: ProofContext, states: Mapping[str, TrainerState], roundings: float, attempt: int
) -> dict[str, TrainerState]:
    """The states with weights, statistics and memory perturbed by so many float32 roundings; counters stay as they are.

    Rounded to float32, which is half as much to send.
    """
    draw = np.random.default_rng([context.seed, attempt, int(roundings)])
    rounding = roundings * FLOAT32_ROUNDING
    moved: dict[int, TrainerState] = {}  # frameworks with one state get one perturbed state
    for state in states.values():
        if id(state) not in moved:
            slots = {name: array for name, array in state.memory.items() if name.partition("/")[0] in SLOTS}
            weights = perturb(state.state, draw, rounding, "float32")
            moved[id(state)] = TrainerState(weights, state.memory | perturb(slots, draw, rounding, "float32"))
    return {name: moved[id(state)] for name, state in states.items()}


def _better(one: Comparison, other: Comparison) -> Comparison:
    """Of every array the smaller gap and the larger limit: each try is one more sample of either."""
    if one.problems or other.problems:
        return one
    gaps = [
        replace(a, gap=float(np.minimum(a.gap, b.gap)), limit=float(np.maximum(a.limit, b.limit)))  # NaN stays NaN
        for a, b in zip(one.gaps, other.gaps, strict=True)
    ]
    return Comparison(tuple(gaps), ())
