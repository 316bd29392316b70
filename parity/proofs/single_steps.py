"""One training step from given weights and memory, and what it must give.

Each step begins with weights and memory that are loaded into the worker. So errors do not add up, and rounding is not
amplified from step to step between the runs that are compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from parity.catalogue.recipes import Optimizer, Recipe
from parity.numerics.arrays import Arrays, pack
from parity.numerics.comparison import BLOCK, Comparison, compare, largest
from parity.proofs.context import ProofContext
from parity.proofs.train_mode import start, train_rows
from parity.system import return_freed
from parity.weights.state import STATISTICS, State
from parity.workers.worker import Worker

LOSS = "loss"

SLOTS = ("velocity", "m", "v")  # slots of the optimizer's memory with the shapes of the parameters

OPERATIONS = 16  # the most roundings in an update by any of the rules


@dataclass(frozen=True)
class TrainerState:
    """The state of a training.

    Attributes:
        state: weights and running statistics.
        memory: the optimizer's; empty before any step.
    """

    state: State
    memory: Arrays = field(default_factory=dict)


@dataclass(frozen=True)
class StepResult:
    """The mean loss of a step, and the state of the training after it."""

    loss: float
    after: TrainerState


def run_step(
    context: ProofContext,
    recipe: Recipe,
    states: Mapping[str, TrainerState],
    plan: Arrays,
    precision: str,
    *,
    weights: bool = True,
) -> dict[str, StepResult]:
    """One step of each framework from its own state, with the first row of a plan.

    Args:
        context: the network and its workers.
        recipe: the training's.
        states: by framework, where the step begins.
        plan: arrays of an epoch, as `parity.data.batches.plan_arrays` makes them.
        precision: "float32" or "float64".
        weights: whether all weights are exported after the step; without them the results have what `observed` needs.

    Returns:
        By framework, the loss and the state after the step.

    Raises:
        WorkerError: a worker failed, with what it said.
    """
    (results,) = run_steps(context, recipe, [(states, plan)], precision, weights=weights)
    return results


def run_steps(
    context: ProofContext,
    recipe: Recipe,
    requests: Iterable[tuple[Mapping[str, TrainerState], Arrays]],
    precision: str,
    *,
    weights: bool = True,
) -> Iterator[dict[str, StepResult]]:
    """Single steps in one precision, one after the other.

    Args:
        context: the network and its workers.
        recipe: the training's.
        requests: (states by framework, plan) of each step.
        precision: "float32" or "float64".
        weights: as in `run_step`.

    Yields:
        For each request, as `run_step`.
    """
    weights = weights or not remembers(recipe)
    start(context, recipe, {}, precision=precision)
    for states, plan in requests:
        results: dict[str, StepResult] = {}
        context.workers.map(partial(_run, context, states, plan, precision, weights, results))
        yield {framework: results[framework] for framework in states}
        return_freed()


def _run(
    context: ProofContext,
    states: Mapping[str, TrainerState],
    plan: Arrays,
    precision: str,
    weights: bool,
    results: dict[str, StepResult],
    worker: Worker,
) -> None:
    own = states[worker.framework]
    memory = {key: array.astype(precision, copy=False) for key, array in own.memory.items()}
    arrays = pack(state=own.state, optimizer=memory)
    worker.load_training(context.network.name, arrays)
    # In float64 as a second row: a fault of a training where an epoch begins must not be in both runs, or it does not
    # show.
    first = int(precision == "float64" and len(plan["order"]) > 1)
    results[worker.framework] = step(context, worker, from_row(plan, -first), first, weights=weights)


def remembers(recipe: Recipe) -> bool:
    """Whether gradients can be read from the optimizer's memory.

    Args:
        recipe: with the update rule.

    Returns:
        False for plain SGD, which has no memory and shows its gradients in the weights.
    """
    return recipe.optimizer.kind != "sgd"


def step(context: ProofContext, worker: Worker, plan: Arrays, index: int = 0, *, weights: bool = True) -> StepResult:
    """One step of the training that the worker has loaded.

    Args:
        context: the network.
        worker: with a started training.
        plan: arrays of an epoch.
        index: the row of the plan that is taken.
        weights: whether all weights are exported after the step.
    """
    loss = train_rows(context, worker, plan, index).loss
    return StepResult(loss, current_state(context, worker, weights=weights))


def from_row(plan: Arrays, index: int) -> Arrays:
    """The plan rolled so that another row is the first; its length stays.

    Args:
        plan: arrays of an epoch, one row for each step.
        index: the row that becomes the first.

    Returns:
        A new plan of the same dtypes.

    Example:
        >>> from_row({"rate": np.array([0.1, 0.2, 0.3])}, 1)["rate"].tolist()
        [0.2, 0.3, 0.1]
    """
    return {name: np.roll(array, -index, axis=0) for name, array in plan.items()}


def current_state(context: ProofContext, worker: Worker, *, weights: bool = True) -> TrainerState:
    """The state of the worker's training.

    Args:
        context: the network.
        worker: with a started training.
        weights: whether with all weights; else running statistics and the optimizer's memory only.

    Returns:
        Copies in the training's precision.

    Raises:
        WorkerError: the worker failed, with what it said.
    """
    exported = worker.export_training(context.network.name, optimizer=True, weights=weights)
    return TrainerState(exported.state, exported.optimizer)


def observed(taken: StepResult, recipe: Recipe) -> Arrays:
    """What a step shows, as float64: the loss, the gradients in the optimizer's memory, the running statistics.

    After a first step the memory holds the first gradient and nothing else. Adam's `v` holds squares, of which the root
    is taken. Plain SGD has no memory; it shows its gradient in the weights.

    Args:
        taken: the step.
        recipe: with the update rule.

    Returns:
        Arrays named "loss", `<slot>/<array>` such as "m/fc/kernel", and `state/<array>`.
    """
    quantities: Arrays = {LOSS: np.array(taken.loss)}
    for name, array in taken.after.memory.items():
        slot = name.partition("/")[0]
        if slot in SLOTS:
            numbers = array.astype(np.float64, copy=False)
            quantities[name] = np.sqrt(numbers) if slot == "v" else numbers
    for name, array in taken.after.state.items():
        if name.endswith(STATISTICS) or not remembers(recipe):
            quantities[f"state/{name}"] = array.astype(np.float64, copy=False)
    return quantities


def loss_uncertainty(taken: Mapping[str, StepResult], margin: float, rounding: float) -> float:
    """By how much, relatively, rounding may change the gradient of a loss with logits up to `margin` apart.

    The gradient is a probability less one, and the probability a power of differences of logits. Where the loss is
    small, these are small differences of large numbers.

    Args:
        taken: by framework, the step.
        margin: the largest difference of two logits.
        rounding: relative rounding error of the precision, such as 2**-24.
    """
    return 4 * rounding * (1 + margin) / min(1.0, *(result.loss for result in taken.values()))


def by_the_rule(
    recipe: Recipe, before: TrainerState, taken: StepResult, rate: float, count: int, rounding: float
) -> Comparison | None:
    """The weights after a step, against those that numpy computes by the update rule from the memory after the step.

    Args:
        recipe: with the update rule.
        before: the state before the step.
        taken: the step.
        rate: its learning rate.
        count: its number, from 1.
        rounding: relative rounding error of the precision; an array's limit is what `OPERATIONS` of them can add up to.

    Returns:
        The comparison; None for plain SGD, which has no memory.
    """
    rule, expected, actual, limits = recipe.optimizer, {}, {}, {}
    if not remembers(recipe):
        return None
    for name, array in before.state.items():
        memory = {slot: taken.after.memory.get(f"{slot}/{name}") for slot in SLOTS}
        if all(array_of_slot is None for array_of_slot in memory.values()):
            continue
        earlier = before.memory.get(f"velocity/{name}")
        expected[name], change = _updated(rule, array, memory, earlier, rate, count)
        actual[name] = taken.after.state[name]
        scale = largest(expected[name])
        limits[name] = 2 * rounding * (largest(array) + OPERATIONS * change) / scale if scale else rounding
    return compare(expected, actual, limits)


def counter_problems(recipe: Recipe, memory: Arrays, count: int, rounding: float) -> list[str]:
    """What is wrong with the optimizer's counters after `count` steps; one line each.

    Args:
        recipe: with the update rule.
        memory: the optimizer's, with `steps` or powers of beta.
        count: how many steps were taken.
        rounding: relative rounding error of the precision.
    """
    problems = []
    for name, array in memory.items():
        slot = name.partition("/")[0]
        if slot == "steps":
            expected = float(count)
        elif slot in ("beta1_power", "beta2_power"):
            expected = getattr(recipe.optimizer, slot.removesuffix("_power")) ** (count + 1)  # that of the next step
        else:
            continue
        if not abs(float(array.ravel()[0]) - expected) <= 2 * (count + 1) * rounding * expected:
            problems.append(
                f"{name!r} after {count} steps: expected {expected:.9g}, found {float(array.ravel()[0]):.9g}"
            )
    return problems


def _updated(
    rule: Optimizer,
    weights: np.ndarray,
    memory: Mapping[str, np.ndarray | None],
    earlier: np.ndarray | None,
    rate: float,
    count: int,
) -> tuple[np.ndarray, float]:
    """The weights after the update, float64, and the largest change; in blocks that fit into the processor's cache."""
    updated, most = np.empty(weights.shape), 0.0
    flat = {slot: array.reshape(-1) for slot, array in memory.items() if array is not None}
    old, new = weights.reshape(-1), updated.reshape(-1)
    before = None if earlier is None else earlier.reshape(-1)
    for begin in range(0, old.size, BLOCK):
        part = slice(begin, begin + BLOCK)
        now = {slot: array[part].astype(np.float64) for slot, array in flat.items()}
        change = rate * _direction(rule, now, None if before is None else before[part], count)
        np.subtract(old[part], change, out=new[part])
        most = float(np.maximum(most, largest(change)))
    return updated, most


def _direction(rule: Optimizer, now: Mapping[str, np.ndarray], earlier: np.ndarray | None, count: int) -> np.ndarray:
    """What the learning rate is multiplied by; float64."""
    if rule.kind == "adam":
        m = now["m"] / (1 - rule.beta1**count)
        v = now["v"] / (1 - rule.beta2**count)
        return np.asarray(m / (np.sqrt(v) + rule.epsilon))
    velocity = now["velocity"]
    if rule.kind == "momentum":
        return velocity
    gradient = velocity - (rule.momentum * earlier.astype(np.float64) if earlier is not None else 0.0)
    return np.asarray(gradient + rule.momentum * velocity)
