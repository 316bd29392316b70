"""The optimizer alone, for as many steps as a training has: whether its counters last, and its rule stays the same.

It updates one array of a few numbers, again and again with the same gradients from 1e-8 to 1e4. The memory then has a
closed form, so that no rule need be simulated.
"""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass, replace

import numpy as np

from parity.catalogue.recipes import Optimizer, Recipe
from parity.numerics.comparison import Comparison, compare
from parity.numerics.tolerance import FLOAT32_ROUNDING, ROUNDINGS
from parity.proofs.context import ProofContext
from parity.workers.worker import Worker

GRADIENTS = np.concatenate([sign * 10.0 ** np.arange(-8, 5) for sign in (1, -1)])  # [26]

_TURN = threading.Lock()  # networks that are proven at the same time share an optimizer's steps

FLOAT64_STEPS = 1024  # float64 shows the rule; no training needs its counters to last


@dataclass(frozen=True)
class CountedSteps:
    """For how many steps an optimizer was run alone, and what was wrong with it."""

    steps: int
    problems: list[str]


def count_steps(context: ProofContext, recipe: Recipe) -> CountedSteps:
    """Run the recipe's optimizer alone in both frameworks and precisions, unless it was run for as many steps before.

    Args:
        context: workers and data; `context.updates` keeps the result.
        recipe: with the update rule and the number of epochs.

    Raises:
        WorkerError: a worker failed, with what it said.
    """
    steps = steps_of(context, recipe)
    key = json.dumps([asdict(recipe.optimizer), recipe.schedule.base], sort_keys=True)
    with _TURN:
        counts: CountedSteps | None = context.updates.get(key)
        if counts is None or counts.steps < steps:
            problems = [
                f"{framework}, optimizer alone in {precision}: {line}"
                for precision in ("float32", "float64")
                for framework, comparison in updates_alone(context, recipe, steps, precision).items()
                for line in comparison.explain()
            ]
            counts = context.updates[key] = CountedSteps(steps, problems)
    return counts


def steps_of(context: ProofContext, recipe: Recipe) -> int:
    """How many steps a training has on the context's data set.

    Args:
        context: with the data set.
        recipe: with the batch and the number of epochs.

    Returns:
        Of all epochs, without incomplete batches; an epoch counts as one step at least.
    """
    return recipe.epochs * max(1, len(context.dataset.train_images) // recipe.batch)


def updates_alone(context: ProofContext, recipe: Recipe, steps: int, precision: str) -> dict[str, Comparison]:
    """Each framework's updates at the powers of two and at the last step, relative to those of the rule.

    Args:
        context: the network and its workers.
        recipe: with the update rule and the base learning rate.
        steps: how many are run.
        precision: "float32" or "float64".

    Returns:
        By framework: a comparison of ratios [26] that must be 1, one array for each step that was looked at.
    """
    gradient = GRADIENTS.astype(precision).astype(np.float64)
    limit, compared = limit_of(recipe.optimizer, ROUNDINGS[precision]), {}
    for framework, updates in repeated_updates(context, recipe, steps, precision).items():
        expected = {c: expected_update(recipe.optimizer, _rate(recipe), gradient, c) for c in updates}
        ratios = {f"step {count}": update / expected[count] for count, update in updates.items()}
        compared[framework] = compare({name: np.ones_like(ratio) for name, ratio in ratios.items()}, ratios, limit)
    return compared


def repeated_updates(
    context: ProofContext, recipe: Recipe, steps: int, precision: str
) -> dict[str, dict[int, np.ndarray]]:
    """What each framework subtracts from the weights for `GRADIENTS`, by framework and by the step's number.

    Args:
        context: the network and its workers.
        recipe: with the update rule and the base learning rate.
        steps: how many are run; in float64 no more than `FLOAT64_STEPS`.
        precision: "float32" or "float64".

    Returns:
        Updates [26] in `precision`, by framework and then by the numbers of `checkpoints_of`, counted from 1.

    Raises:
        WorkerError: a worker failed, with what it said.
    """
    checkpoints = checkpoints_of(min(steps, FLOAT64_STEPS) if precision == "float64" else steps)
    given = {"gradient": GRADIENTS.astype(precision)}

    def updates(worker: Worker) -> np.ndarray:
        return worker.repeated_updates(context.network.name, recipe.optimizer, _rate(recipe), checkpoints, given)

    updates_of = context.workers.map(updates)
    return {name: dict(zip(checkpoints, rows, strict=True)) for name, rows in updates_of.items()}


def apparent_epsilon(recipe: Recipe, update: np.ndarray) -> float | None:
    """The epsilon with which Adam makes a given first update.

    Args:
        recipe: with the update rule and the base learning rate.
        update: [26], what the first step subtracted from the weights for `GRADIENTS`.

    Returns:
        The epsilon, near 0 where none is in effect; None where no epsilon explains the update.
    """
    ratio = np.abs(update / _rate(recipe))
    if not np.all((ratio > 0) & (ratio < 1 + 1e-3)):
        return None
    epsilon = float(np.abs(GRADIENTS[0]) * (1 / ratio[0] - 1))  # of the smallest gradient
    rule = replace(recipe.optimizer, epsilon=epsilon)
    expected = expected_update(rule, _rate(recipe), GRADIENTS, 1)
    return epsilon if np.abs(update / expected - 1).max() <= limit_of(rule, FLOAT32_ROUNDING) else None


def _rate(recipe: Recipe) -> float:
    return float(np.float32(recipe.schedule.base))  # rates are float32 numbers in any precision


def checkpoints_of(steps: int) -> list[int]:
    """The steps to look at: 1, 2, 4, ... and the step after each, where a counter would wrap; and the last step.

    Example:
        >>> checkpoints_of(10)
        [1, 2, 3, 4, 5, 8, 9, 10]
    """
    powers = [2**power for power in range(steps.bit_length())]
    return sorted({count for power in powers for count in (power, power + 1) if count <= steps} | {steps})


def expected_update(rule: Optimizer, rate: float, gradient: np.ndarray, count: int) -> np.ndarray:
    """What a step subtracts from the weights, after the same gradient in all steps before it.

    Args:
        rule: the update rule.
        rate: the learning rate of every step.
        gradient: of any shape.
        count: number of the step, from 1.

    Example:
        >>> expected_update(Optimizer("sgd"), 0.1, np.array([2.0]), 1).tolist()
        [0.2]
    """
    if rule.kind == "sgd":
        return rate * gradient
    if rule.kind == "adam":
        return rate * gradient / (np.abs(gradient) + rule.epsilon)
    velocity = gradient * (1 - rule.momentum**count) / (1 - rule.momentum)
    return rate * (velocity if rule.kind == "momentum" else gradient + rule.momentum * velocity)


def limit_of(rule: Optimizer, rounding: float) -> float:
    """The largest relative error of an update that roundings can add up to, whatever their signs.

    Each decaying average rounds at every step, and keeps 1 / (1 - beta) of its roundings. So do the powers of beta, of
    which one less the power is a divisor.

    Args:
        rule: the update rule.
        rounding: relative rounding error of the precision, such as 2**-24.
    """
    remembered = {"sgd": (), "adam": (rule.beta1, rule.beta2)}.get(rule.kind, (rule.momentum,))
    return 4 * rounding * (4 + sum(1 / (1 - beta) for beta in remembered))
