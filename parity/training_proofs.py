"""Evidence 4 to 6, in float64: the forward pass in training mode, gradients, and steps of the optimizer.

All three run the suite's own training step (see `parity.loop.Trainer`) on real images, with the crops, masks, rates and
update rule of the network's recipe; only the weights are those of the other proofs, and the batch is small.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import numpy as np

from parity import reference
from parity.compare import FLOAT64_LIMIT, Comparison, compare, derive_limits
from parity.evidence import Evidence, make_proof, worst_of
from parity.forward_proofs import moved_like_terms, perturb
from parity.protocol import Arrays, pack, unpack
from parity.recipes import Optimizer, Recipe, Schedule, as_arguments, learning_rates, recipe_of
from parity.results import Proof
from parity.training import plan_arrays, prepared
from parity.weights import State
from parity.workers import Reply

BATCH = 4  # images a step
FORWARD_STEPS = 5  # forward passes after which the running statistics are compared
STEPS = 10  # of the optimizer, half of them on either side of a change of the learning rate
# Relative to the scale of a layer's gradients, and of each array. Backward passes and updates add rounding errors of
# some 1e-16 each; what makes an update rule another one (a float32 constant, an epsilon elsewhere) is above 1e-9.
GRADIENT_LIMIT = 1e-10
UPDATE_LIMIT = 1e-9
PERTURBED_RUNS = 3
ALONE = "batch norms alone"
OPTIMIZERS = ("sgd", "momentum", "nesterov", "adam")


def train_mode_forward(evidence: Evidence) -> Proof:
    """Level 4. Batch statistics, shared dropout masks, running statistics after 5 passes; each batch norm alone."""
    plan = _start(evidence, _recipe(evidence))
    rows = {name: array[:FORWARD_STEPS] for name, array in plan.items()}
    replies = evidence.workers.each("training_stages", network=evidence.network.name, arrays=rows)
    first, second = (unpack(reply.arrays, "stages") for reply in replies.values())
    comparisons = {"stages": compare(first, second, FLOAT64_LIMIT)}
    problems = comparisons["stages"].explain()
    before = evidence.state("float64")
    statistics = {name: array for name, array in before.items() if name.rpartition("/")[2] in ("mean", "variance")}
    if statistics:
        moved, other = ({n: unpack(r.arrays, "state")[n] for n in statistics} for r in replies.values())
        comparisons["running statistics"] = compare(moved, other, FLOAT64_LIMIT)
        problems += [f"running statistics: {line}" for line in comparisons["running statistics"].explain()]
        problems += [f"{name!r} did not move in {FORWARD_STEPS} passes" for name in _unmoved(statistics, moved)]
        alone, unlike = _batch_norms_alone(evidence)
        comparisons |= alone
        problems += unlike
    compared = {what: len(comparison.gaps) for what, comparison in comparisons.items()}
    masks = evidence.describe()[next(iter(evidence.workers))]["dropout"]["sites"]
    if masks:
        compared["dropout masks"] = masks
    compared["elements"] = sum(comparison.elements for comparison in comparisons.values())
    exact = [comparison for what, comparison in comparisons.items() if not what.endswith("float32")]
    frameworks = {
        framework: {"gap": found.worst.gap, "limit": found.worst.limit, "worst": found.worst.name}
        for framework in evidence.workers
        if (found := comparisons.get(f"{ALONE}, {framework} float32")) and found.worst
    }
    return make_proof(evidence, 4, compared, problems, worst_of(exact), frameworks)


def gradients(evidence: Evidence) -> Proof:
    """Level 5. The mean loss of one batch, and its gradient of every trainable array.

    Gaps are relative to the largest gradient of the layer: a bias before a batch norm has a gradient of zero, so that
    its own scale is rounding alone.
    """
    replies = _gradients(evidence, _start(evidence, _recipe(evidence)))
    first, second = (reply.arrays for reply in replies.values())
    comparison = compare(first, second, GRADIENT_LIMIT, scales=_layer_scales(first))
    one, other = ({"loss": np.array(reply.result["loss"])} for reply in replies.values())
    losses = compare(one, other, FLOAT64_LIMIT)
    problems = comparison.explain() + losses.explain()
    trainable = {entry.name for entry in evidence.entries() if entry.trainable}
    problems += [f"no gradient of {name!r}" for name in sorted(trainable - set(first))]
    compared = {"gradients": len(comparison.gaps), "elements": comparison.elements, "losses": len(losses.gaps)}
    return make_proof(evidence, 5, compared, problems, worst_of([comparison, losses]))


def optimizer_steps(evidence: Evidence, recipe: Recipe | None = None) -> Proof:
    """Level 6. All weights and running statistics after ten steps across a change of the learning rate.

    `recipe` stands in for the network's own. Adam divides a gradient that is smaller than its epsilon by epsilon, so
    that the rounding of a gradient that is zero (a bias before a batch norm) moves the array: by as much as follows
    from the error that level 5 admits, its limit is larger, and that of the running mean behind it, which moves along.
    """
    recipe = recipe or _recipe(evidence)
    plan = _start(evidence, recipe)
    name = evidence.network.name
    extra: dict[str, float] = {}
    if recipe.optimizer.kind == "adam":
        amplified = float(boundary_rates(recipe.schedule).sum()) / recipe.optimizer.epsilon
        extra = {key: amplified * error for key, error in _zero_gradients(evidence, plan).items()}
        layers = next(iter(evidence.describe().values()))["layers"]
        for layer, behind in pairwise(layers):
            if behind["kind"] == "batch_norm" and f"{layer['name']}/bias" in extra:
                extra[f"{behind['name']}/mean"] = extra[f"{layer['name']}/bias"]
    plan["rate"] = boundary_rates(recipe.schedule)
    steps = evidence.workers.each("train_steps", network=name, arrays=plan, on_progress=lambda news: None)
    replies = evidence.workers.each("export_training", network=name)
    first, second = (unpack(reply.arrays, "state") for reply in replies.values())
    limits = {
        key: UPDATE_LIMIT + (extra[key] / float(np.abs(array).max()) if key in extra else 0.0)
        for key, array in first.items()
    }
    weights = compare(first, second, limits)
    one, other = (reply.arrays for reply in steps.values())
    losses = compare(one, other, UPDATE_LIMIT)
    problems = weights.explain() + losses.explain()
    trained = {entry.name for entry in evidence.entries() if entry.trainable and entry.name.endswith("/kernel")}
    before = {name: array for name, array in evidence.state("float64").items() if name in trained}
    problems += [f"{name!r} did not move in {STEPS} steps" for name in _unmoved(before, first)]
    compared = {"arrays": len(weights.gaps), "elements": weights.elements, "steps": losses.elements}
    proof = make_proof(evidence, 6, compared, problems, worst_of([weights, losses]))
    return steps_titled(proof, recipe)


def steps_titled(proof: Proof, recipe: Recipe) -> Proof:
    """The proof with the update rule in its title, by which proofs of several rules are told apart."""
    return replace(proof, title=f"{proof.title}: {recipe.optimizer.kind}")


def rule_recipe(kind: str) -> Recipe:
    """A recipe for the proof of one update rule, with a weight decay of the kernels."""
    rate = 1e-3 if kind == "adam" else 0.01
    return Recipe(
        name=kind,
        source="this suite",
        batch=BATCH,
        optimizer=Optimizer(kind),
        schedule=Schedule(rate, drops=((1, 0.1),)),
        epochs=2,
        init="he_normal",
        l2=0.01,
        l2_scope="kernels",
    )


def boundary_rates(schedule: Schedule) -> np.ndarray:
    """float32 [10]: five rates from before the schedule's first change, five from after it.

    A schedule that has no drop (constant, or decaying with every step) is given one, to a tenth.
    """
    change = schedule.drops[0][0] if schedule.drops else schedule.every
    if change:
        return np.concatenate([learning_rates(schedule, epoch, STEPS // 2) for epoch in (change - 1, change)])
    rates = learning_rates(schedule, 0, STEPS)
    rates[STEPS // 2 :] *= np.float32(0.1)
    return rates


def _recipe(evidence: Evidence) -> Recipe:
    return recipe_of(evidence.network.recipe)


def _start(evidence: Evidence, recipe: Recipe) -> Arrays:
    """Start a float64 training in both workers with the proof's weights; the plan of its steps."""
    batch = min(evidence.batch, BATCH)
    part = evidence.part(batch * STEPS)
    description = next(iter(evidence.describe().values()))
    evidence.workers.each(
        "start_training",
        network=evidence.network.name,
        arrays=pack(state=evidence.state("float64"), data=prepared(part, recipe)),
        seed=evidence.seed,
        precision="float64",
        **(as_arguments(recipe) | {"batch": batch}),
    )
    return plan_arrays(part, recipe, batch, evidence.seed, 0, description["dropout"])


def _gradients(evidence: Evidence, plan: Arrays) -> dict[str, Reply]:
    """Both twins' gradients of the first batch."""
    return evidence.workers.each("gradients", network=evidence.network.name, arrays=plan)


def _zero_gradients(evidence: Evidence, plan: Arrays) -> dict[str, float]:
    """Arrays whose gradient is zero but for rounding in both twins, and the error that level 5 admits in it."""
    first, second = (reply.arrays for reply in _gradients(evidence, plan).values())
    errors = {name: GRADIENT_LIMIT * scale for name, scale in _layer_scales(first).items()}
    return {n: e for n, e in errors.items() if np.abs(first[n]).max() <= e and np.abs(second[n]).max() <= e}


def _batch_norms_alone(evidence: Evidence) -> tuple[dict[str, Comparison], list[str]]:
    """Every batch norm alone in training mode against numpy, in the float64 of the proofs and the float32 of training.

    The two may run different kernels. The float32 limit is derived from numpy runs in which everything was moved by
    rounding, the inputs as the terms of the sums that mean and variance are.
    """
    layers = next(iter(evidence.describe().values()))["layers"]
    state = evidence.state("float64")
    draw = np.random.default_rng(evidence.seed)
    facts = evidence.network.batch_norm
    assert facts is not None
    inputs: Arrays = {}
    for layer in layers:
        if layer["kind"] == "batch_norm":
            channels = state[f"{layer['name']}/gamma"].shape
            shape = (4, 6, 6, *channels) if layer["maps"] else (16, *channels)
            inputs[layer["name"]] = draw.normal(size=shape).astype(np.float32).astype(np.float64)

    def computed(inputs: Mapping[str, np.ndarray], state: State) -> Arrays:
        found: Arrays = {}
        for name, x in inputs.items():
            own = {kind: state[f"{name}/{kind}"] for kind in ("gamma", "beta", "mean", "variance")}
            y, mean, variance = reference.batch_norm_training(x, own, facts.epsilon, facts.momentum)
            found |= {f"{name}/output": y, f"{name}/mean": mean, f"{name}/variance": variance}
        return found

    expected = computed(inputs, state)
    perturbed = [
        computed({name: moved_like_terms(x, draw) for name, x in inputs.items()}, perturb(state, draw))
        for _ in range(PERTURBED_RUNS)
    ]
    limits: dict[str, float | dict[str, float]] = {
        "float64": FLOAT64_LIMIT,
        "float32": derive_limits(expected, perturbed),
    }
    comparisons: dict[str, Comparison] = {}
    problems: list[str] = []
    for dtype, limit in limits.items():
        arrays = pack(
            state={name: array.astype(dtype) for name, array in state.items()},
            input={name: x.astype(dtype) for name, x in inputs.items()},
        )
        replies = evidence.workers.each("probe_batch_norms", network=evidence.network.name, dtype=dtype, arrays=arrays)
        for framework, reply in replies.items():
            what = f"{ALONE}, {framework} {dtype}"
            comparisons[what] = compare(expected, reply.arrays, limit)
            problems += [f"{what}, against numpy: {line}" for line in comparisons[what].explain()]
    return comparisons, problems


def _layer_scales(arrays: Mapping[str, np.ndarray]) -> dict[str, float]:
    """For every array the largest absolute value of its layer."""
    largest: dict[str, float] = {}
    for name, array in arrays.items():
        layer = name.rpartition("/")[0]
        largest[layer] = float(np.fmax(largest.get(layer, 0.0), np.abs(array).max()))
    return {name: largest[name.rpartition("/")[0]] for name in arrays}


def _unmoved(before: State, after: State) -> list[str]:
    return [name for name, array in before.items() if np.array_equal(array, after.get(name, array))]
