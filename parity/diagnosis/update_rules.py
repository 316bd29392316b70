"""Update rules in plain numpy, right and wrong ones, computed on recorded gradients: a reference for the optimizers.

The right ones are those of `parity.catalogue.recipes.Optimizer`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from parity.catalogue.recipes import Optimizer, decayed
from parity.numerics.arrays import Arrays
from parity.numerics.comparison import finite_gap

SCALES = (0.1, 0.5, 2.0, 10.0, 0.25, 4.0, 1 / 8, 8.0)  # factors of wrongly scaled gradients


@dataclass(frozen=True)
class Rule:
    """An optimizer with its weight decay, and what may be wrong with it.

    Attributes:
        optimizer: the update rule.
        l2: weight decay.
        l2_scope: which arrays it acts on, as in `parity.catalogue.recipes.Recipe`.
        folded: the velocity holds the learning rate.
        hat: Adam's epsilon is added to the uncorrected root.
        decoupled: weight decay is subtracted beside the gradient's step.
        late: steps by which a change of the rate comes late; negative: early.
        scale: factor of the loss's gradient.
        forgetful: every epoch begins with an empty memory; here every step is an epoch.
    """

    optimizer: Optimizer
    l2: float
    l2_scope: str
    folded: bool = False
    hat: bool = False
    decoupled: bool = False
    late: int = 0
    scale: float = 1.0
    forgetful: bool = False


@dataclass(frozen=True)
class UpdateStep:
    """One observed step: weights before and after, and the gradient without weight decay, by array."""

    before: Arrays
    gradients: Arrays
    after: Arrays


@np.errstate(over="ignore", invalid="ignore")  # weights that diverge
def update_distance(rule: Rule, steps: Sequence[UpdateStep], rates: Sequence[float], kinds: Mapping[str, str]) -> float:
    """The largest distance of the rule's steps from the observed ones, relative to each array's largest value.

    Every step begins at the observed weights, so that distances do not add up. Where an observed number is not finite,
    the rule's must not be, either.

    Args:
        rule: the update rule, right or wrong.
        steps: the observed ones, in order.
        rates: their learning rates.
        kinds: by layer name, its kind ("conv", "dense", ...), which the scope of weight decay depends on.

    Returns:
        The distance; infinite where only one side is finite, and where no number is.
    """
    memory: dict[str, Arrays] = {"velocity": {}, "m": {}, "v": {}}
    gaps = []
    for index, step in enumerate(steps):
        rate = float(rates[min(max(index - rule.late, 0), len(rates) - 1)])
        for name, gradient in step.gradients.items():
            decays = decayed(name, kinds[name.rpartition("/")[0]], rule.l2_scope)
            weights = step.before[name]
            decay = rule.l2 * weights if decays else np.zeros_like(weights)
            full = rule.scale * gradient + (0.0 if rule.decoupled else decay)
            count = index + 1
            if rule.forgetful:
                count, memory = 1, {"velocity": {}, "m": {}, "v": {}}
            expected = weights - _move(rule, name, full, rate, count, memory)
            if rule.decoupled:
                expected = expected - rate * decay
            if np.isfinite(expected).any() or np.isfinite(step.after[name]).any():
                gaps.append(finite_gap(expected, step.after[name]))
    return float(np.max(gaps)) if gaps else math.inf


def alternatives(rule: Rule) -> Iterator[tuple[str, str, Rule]]:
    """The wrong rules that this rule may have been replaced by.

    Yields:
        (trap, what was done instead, the rule that does it).
    """
    kind = rule.optimizer.kind
    if rule.l2:
        for factor, what in ((0.5, "half"), (2.0, "twice")):
            yield "l2-half", f"{what} the weight decay", replace(rule, l2=rule.l2 * factor)
        yield "l2-half", "no weight decay", replace(rule, l2=0.0)
        for scope in ("all", "kernels", "conv kernels"):
            if scope != rule.l2_scope:
                text = f"weight decay of {scope}, where the recipe says {rule.l2_scope}"
                yield "decay-scope", text, replace(rule, l2_scope=scope)
        yield "decay-decoupled", "weight decay beside the gradient's step", replace(rule, decoupled=True)
    if kind in ("momentum", "nesterov"):
        other = "nesterov" if kind == "momentum" else "momentum"
        text = f"{other}, where the recipe says {kind}"
        yield "nesterov", text, replace(rule, optimizer=replace(rule.optimizer, kind=other))
        yield "momentum-lr", "a velocity that holds the learning rate", replace(rule, folded=True)
    if kind == "adam":
        yield "adam-epsilon", "epsilon added to the uncorrected root", replace(rule, hat=True)
        for epsilon in (1e-7, 1e-8, 1e-6, 1e-3):
            if not np.isclose(epsilon, rule.optimizer.epsilon, rtol=1e-6):
                text = f"epsilon {epsilon:g}, where the recipe says {rule.optimizer.epsilon:.3g}"
                yield "adam-epsilon", text, replace(rule, optimizer=replace(rule.optimizer, epsilon=epsilon))
    for factor in SCALES:
        text = f"gradients times {factor:g}"
        yield "gradient-scale", text, replace(rule, scale=factor)
    if kind != "sgd":
        yield "optimizer-reset", "a memory that is empty when an epoch begins", replace(rule, forgetful=True)
    for late, what in ((1, "late"), (-1, "early")):
        yield "lr-boundary", f"learning rates one step {what}", replace(rule, late=late)


def _move(
    rule: Rule, name: str, gradient: np.ndarray, rate: float, count: int, memory: dict[str, Arrays]
) -> np.ndarray:
    """What is subtracted from the weights in step `count`, counted from 1."""
    facts = rule.optimizer
    if facts.kind == "sgd":
        return rate * gradient
    if facts.kind == "adam":
        m = facts.beta1 * memory["m"].get(name, 0.0) + (1 - facts.beta1) * gradient
        v = facts.beta2 * memory["v"].get(name, 0.0) + (1 - facts.beta2) * gradient**2
        memory["m"][name], memory["v"][name] = m, v
        corrected1, corrected2 = 1 - facts.beta1**count, 1 - facts.beta2**count
        if rule.hat:
            return np.asarray(rate * np.sqrt(corrected2) / corrected1 * m / (np.sqrt(v) + facts.epsilon))
        return np.asarray(rate * m / corrected1 / (np.sqrt(v / corrected2) + facts.epsilon))
    grown = rate * gradient if rule.folded else gradient
    velocity = facts.momentum * memory["velocity"].get(name, 0.0) + grown
    memory["velocity"][name] = velocity
    step = grown + facts.momentum * velocity if facts.kind == "nesterov" else velocity
    return np.asarray(step if rule.folded else rate * step)
