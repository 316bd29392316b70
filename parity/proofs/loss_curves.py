"""Level 9: losses of both frameworks on identical batches, step by step, until float32 rounding makes them diverge.

Beside every run there is a perturbed one: the same framework and batches, with weights that are perturbed by one
rounding of the run's own precision. Where two frameworks part no earlier than a framework parts from its own perturbed
run, rounding is enough to explain it, and it says nothing about the frameworks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from parity.catalogue.networks import network
from parity.catalogue.recipes import Recipe, recipe_of, trainer_settings
from parity.data.batches import plan_arrays, prepared
from parity.data.dataset import Dataset
from parity.numerics.arrays import Arrays, pack
from parity.records.levels import LOSS_CURVE, LOSS_CURVE_TITLE
from parity.records.loss_curves import relative_gaps
from parity.records.records import Curves, Proof, RunPair
from parity.weights.description import DropoutSites
from parity.weights.initializers import initial_state
from parity.weights.state import State
from parity.workers.pool import Workers
from parity.workers.worker import Worker

Meaning = Literal["frameworks", "divergence"]  # of a pair of runs, see `RunPair`

CURVE_STEPS = 200

PRECISIONS = ("float64", "float32")

TOGETHER = 0.01  # of the larger loss: above this, two runs have parted

# In float64 rounding starts at 1e-16 and is amplified; in float32, lenet5's runs grow from 1e-7 to 1e-2 in 65 steps. A
# difference of the rule starts at 1e-8, a float32 constant, and grows as fast. The limit is chosen between the two.
CURVE_LIMIT = 1e-6


def loss_curves(
    workers: Workers, name: str, dataset: Dataset, *, steps: int = CURVE_STEPS, batch: int | None = None, seed: int = 0
) -> Curves:
    """Four runs in each framework, by the network's recipe from its beginning: float64, float32, and each perturbed.

    Args:
        workers: one for each framework.
        name: of the network.
        dataset: of which the first images are used; where it is short, the batches go on into further epochs.
        steps: of each run.
        batch: images a step, in place of the recipe's.
        seed: of weights, batches and perturbations.

    Returns:
        The losses of all runs, and for each two that are compared the step at which they part.

    Raises:
        WorkerError: a worker failed, with what it said.
        ValueError: the data set is smaller than a batch.
    """
    recipe = recipe_of(network(name).recipe)
    batch = batch or recipe.batch
    few = dataset.limited(steps * batch)

    def run(worker: Worker) -> Arrays:
        description = worker.describe(name)
        plan = _plan(few, recipe, batch, seed, steps, description.dropout)
        losses: Arrays = {}
        for precision in PRECISIONS:
            settings = trainer_settings(recipe, batch=batch, precision=precision)
            state = initial_state(description.entries, recipe.init, seed, precision)
            for label, start in ((precision, state), (f"{precision} perturbed", perturbed(state, seed))):
                worker.start_training(name, seed, pack(state=start, data=prepared(few, recipe)), settings)
                losses[label] = worker.train_epoch(name, plan, losses=True).losses
        return losses

    runs = {
        f"{framework} {label}": losses
        for framework, by_label in workers.map(run).items()
        for label, losses in by_label.items()
    }
    return Curves(
        network=name,
        recipe=recipe.name,
        dataset=few.title,
        batch=batch,
        seed=seed,
        steps=steps,
        losses={label: losses.tolist() for label, losses in runs.items()},
        pairs=[_pair(runs, *pairing) for pairing in _pairings(list(workers))],
        together=TOGETHER,
    )


def perturbed(state: State, seed: int) -> State:
    """Every number replaced by a neighbouring one of its own precision, up or down at random; zeros stay.

    Args:
        state: arrays of floating-point numbers.
        seed: of the directions.

    Example:
        >>> moved = perturbed({"w": np.array([0.0, 1.0])}, seed=0)["w"]
        >>> float(moved[0]), bool(0 < abs(moved[1] - 1) < 1e-15)
        (0.0, True)
    """
    draw = np.random.default_rng(seed)
    moved = {}
    for name, array in state.items():
        towards = np.where(draw.integers(2, size=array.shape) == 1, np.inf, -np.inf).astype(array.dtype)
        moved[name] = np.where(array == 0, array, np.nextafter(array, towards))
    return moved


def curves_proof(curves: Curves, frameworks: Sequence[str]) -> Proof:
    """Level 9: on identical batches the float64 losses of the frameworks stay together through all steps.

    Args:
        curves: of one network.
        frameworks: the two names, as in the names of the runs.

    Returns:
        The proof; its gap is the largest difference of a step, relative to the larger loss.

    Raises:
        KeyError: the curves have no float64 run of a framework.
    """
    one, other = (np.array(curves.losses[f"{framework} float64"]) for framework in frameworks)
    gaps = relative_gaps(one, other)
    over = np.flatnonzero(~(gaps <= CURVE_LIMIT))  # NaN is over
    problems = []
    if len(gaps) != curves.steps or not len(gaps):
        problems.append(f"expected the losses of {curves.steps} steps, found {len(gaps)}")
    if len(over):
        problems.append(
            f"the float64 losses part at step {over[0] + 1} of {curves.steps}: gap {gaps[over[0]]:.1e} of the larger "
            f"loss, limit {CURVE_LIMIT:.0e}"
        )
    return Proof(
        network=curves.network,
        level=LOSS_CURVE,
        title=LOSS_CURVE_TITLE,
        passed=not problems,
        dataset=curves.dataset,
        compared={"steps": len(gaps), "runs": len(curves.losses)},
        gap=float(gaps.max(initial=0.0)),
        limit=CURVE_LIMIT,
        worst=f"step {int(gaps.argmax()) + 1}" if len(gaps) else None,
        first_failure=f"step {over[0] + 1}" if len(over) else None,
        problems=problems,
    )


def _plan(dataset: Dataset, recipe: Recipe, batch: int, seed: int, steps: int, dropout: DropoutSites) -> Arrays:
    """The plans of as many epochs as the steps need, one after the other."""
    steps_per_epoch = len(dataset.train_images) // batch
    epochs = -(-steps // steps_per_epoch)
    plans = [plan_arrays(dataset, recipe, batch, seed, epoch, dropout) for epoch in range(epochs)]
    return {name: np.concatenate([plan[name] for plan in plans])[:steps] for name in plans[0]}


def _pairings(frameworks: Sequence[str]) -> list[tuple[str, str, Meaning]]:
    """(one run, another run, what their difference means) for all that are compared."""
    pairs: list[tuple[str, str, Meaning]] = []
    for precision in PRECISIONS:
        one, other = (f"{framework} {precision}" for framework in frameworks)
        pairs.append((one, other, "frameworks"))
        pairs += [(run, f"{run} perturbed", "divergence") for run in (one, other)]
    return pairs


def _pair(runs: Mapping[str, np.ndarray], one: str, other: str, meaning: Meaning) -> RunPair:
    gaps = relative_gaps(runs[one], runs[other])
    apart = np.flatnonzero(~(gaps <= TOGETHER))  # NaN is apart
    return RunPair(
        one=one,
        other=other,
        meaning=meaning,
        parted=int(apart[0]) + 1 if len(apart) else None,
        largest=float(gaps.max()),
    )
