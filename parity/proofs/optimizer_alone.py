"""The optimizer alone, for as many steps as a training has: do its counters last, and does it stay the rule that it is?

It updates one array of a few numbers with the same gradients over and over, from 1e-8 to 1e4. What each rule comes to
then needs no simulation: the memory has a closed form.
"""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass, replace

import numpy as np

from parity.catalogue.recipes import Optimizer, Recipe
from parity.numerics.comparison import Comparison, compare
from parity.numerics.tolerance import FLOAT32_ROUNDING, FLOAT64_ROUNDING
from parity.proofs.context import ProofContext
from parity.workers.pool import Worker

GRADIENTS = np.concatenate([sign * 10.0 ** np.arange(-8, 5) for sign in (1, -1)])  # [26]

ROUNDINGS = {"float32": FLOAT32_ROUNDING, "float64": FLOAT64_ROUNDING}

_TURN = threading.Lock()  # networks that are proven at once ask for one optimizer's steps once

FLOAT64_STEPS = 1024  # nothing is trained in float64: there the rule is looked at, not how long it lasts


@dataclass(frozen=True)
class CountedSteps:
    """How many steps an optimizer was run for alone, and what was wrong with it."""

    steps: int
    problems: list[str]


def count_steps(context: ProofContext, recipe: Recipe) -> CountedSteps:
    """Run the recipe's optimizer alone in both frameworks and precisions, unless it was for as many steps before."""
    steps = steps_of(context, recipe)
    key = json.dumps([asdict(recipe.optimizer), recipe.schedule.base], sort_keys=True)
    with _TURN:
        counts: CountedSteps | None = context.updates.get(key)
        if counts is None or counts.steps < steps:
            problems = [
                f"{framework}, optimizer alone in {precision}: {line}"
                for precision in ROUNDINGS
                for framework, comparison in updates_alone(context, recipe, steps, precision).items()
                for line in comparison.explain()
            ]
            counts = context.updates[key] = CountedSteps(steps, problems)
    return counts


def steps_of(context: ProofContext, recipe: Recipe) -> int:
    """How many steps a training by the recipe has on the evidence's images."""
    return recipe.epochs * max(1, len(context.dataset.train_images) // recipe.batch)


def updates_alone(context: ProofContext, recipe: Recipe, steps: int, precision: str) -> dict[str, Comparison]:
    """Each framework's updates at the powers of two and at the end, relative to those that the rule makes."""
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
    """What each framework takes off the weights for `GRADIENTS`, by the step's number: powers of two, and the end."""
    checkpoints = checkpoints_of(min(steps, FLOAT64_STEPS) if precision == "float64" else steps)
    given = {"gradient": GRADIENTS.astype(precision)}

    def updates(worker: Worker) -> np.ndarray:
        return worker.repeated_updates(context.network.name, recipe.optimizer, _rate(recipe), checkpoints, given)

    updates_of = context.workers.map(updates)
    return {name: dict(zip(checkpoints, rows, strict=True)) for name, rows in updates_of.items()}


def apparent_epsilon(recipe: Recipe, update: np.ndarray) -> float | None:
    """The epsilon of an Adam that made this update of `GRADIENTS` [26]; None where there is none."""
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
    """1, 2, 4, ... and each of these plus one, where a counter would wrap, up to the last step."""
    powers = [2**power for power in range(steps.bit_length())]
    return sorted({count for power in powers for count in (power, power + 1) if count <= steps} | {steps})


def expected_update(rule: Optimizer, rate: float, gradient: np.ndarray, count: int) -> np.ndarray:
    """What step `count` (from 1) of the same gradient over and over takes off the weights."""
    if rule.kind == "sgd":
        return rate * gradient
    if rule.kind == "adam":
        return rate * gradient / (np.abs(gradient) + rule.epsilon)
    velocity = gradient * (1 - rule.momentum**count) / (1 - rule.momentum)
    return rate * (velocity if rule.kind == "momentum" else gradient + rule.momentum * velocity)


def limit_of(rule: Optimizer, rounding: float) -> float:
    """The largest relative error of an update that roundings can add up to, whatever their signs.

    Each decaying average rounds at every step, and remembers 1 / (1 - beta) of its roundings; so do powers of beta,
    of which one less the power is divided by.
    """
    remembered = {"sgd": (), "adam": (rule.beta1, rule.beta2)}.get(rule.kind, (rule.momentum,))
    return 4 * rounding * (4 + sum(1 / (1 - beta) for beta in remembered))
