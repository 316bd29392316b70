"""Levels 4 and 5, in float64: the forward pass in training mode, and gradients.

Both, and the optimizer steps of level 6, run the suite's own training step (`parity.runtime.trainer.Trainer`) on
real images, with the crops, masks, learning rates and update rule of the network's recipe. Only the weights are those
of the other proofs, and the batch is small.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from parity.catalogue.networks import LARGE
from parity.catalogue.recipes import Recipe, recipe_of, trainer_settings
from parity.data.batches import plan_arrays, prepared
from parity.data.dataset import Dataset
from parity.kinds.norm import batch_norm_training
from parity.numerics.arrays import Arrays, pack
from parity.numerics.comparison import FLOAT64_LIMIT, Comparison, compare, layer_scales
from parity.numerics.losses import correct, cross_entropies
from parity.numerics.tolerance import derive_limits, perturb, perturb_like_terms
from parity.proofs.context import ProofContext
from parity.proofs.extremes import LOGITS
from parity.proofs.proof import by_framework, make_proof, worst_of
from parity.records.records import Proof
from parity.weights.state import State
from parity.workers.client.training import Gradients, TrainedEpoch, TrainingStages
from parity.workers.errors import WorkerError
from parity.workers.worker import Worker

TRAINING_BATCH = 4  # images a step of a large network; twice as many of others, where they cost little

LARGE_FLOPS = 2e8

FORWARD_STEPS = 5  # forward passes after which the running statistics are compared

STEPS = 10  # of the optimizer, half of them on either side of a change of the learning rate

# Relative to the scale of a layer's gradients. A backward pass adds rounding errors of about 1e-16; a float32
# constant in it makes 1e-8.
GRADIENT_LIMIT = 1e-10

PERTURBED_BATCH_NORMS = 3

ALONE = "batch norms alone"


def train_mode_forward(context: ProofContext) -> Proof:
    """Level 4. Batch statistics, shared dropout masks, running statistics after 5 passes; each batch norm alone.

    Args:
        context: the network, its workers and its data.

    Returns:
        The proof; its gap is the worst of the float64 comparisons, with the float32 gaps of each framework's batch
        norms beside it.

    Raises:
        WorkerError: a worker failed, with what it said.
    """
    plan = start(context, recipe_for(context))
    rows = {name: array[:FORWARD_STEPS] for name, array in plan.items()}
    passes = training_stages(context, rows)
    first, second = (run.stages for run in passes.values())
    comparisons = {"stages": compare(first, second, FLOAT64_LIMIT)}
    problems = comparisons["stages"].explain()
    counted: dict[str, Comparison] = {}
    no_step: WorkerError | None = None
    try:
        counted, of_logits = _reported(context, plan, {name: run.stages for name, run in passes.items()})
        problems += of_logits
    except WorkerError as error:  # what the forward pass shows is not lost with a worker
        no_step = error
    comparisons |= counted
    before = context.state("float64")
    statistics = {name: array for name, array in before.items() if name.rpartition("/")[2] in ("mean", "variance")}
    if statistics:
        moved, other = ({n: run.state[n] for n in statistics} for run in passes.values())
        comparisons["running statistics"] = compare(moved, other, FLOAT64_LIMIT)
        problems += [f"running statistics: {line}" for line in comparisons["running statistics"].explain()]
        problems += [f"{name!r} did not change in {FORWARD_STEPS} passes" for name in unmoved(statistics, moved)]
        alone, unlike = _batch_norms_alone(context)
        comparisons |= alone
        problems += unlike
    if no_step is not None:
        if not problems:
            raise no_step
        problems.append(f"no step: {no_step}")
    compared = {what: len(comparison.gaps) for what, comparison in comparisons.items() if what not in counted}
    if counted:
        compared["losses of a step"] = sum(len(comparison.gaps) for comparison in counted.values())
    masks = context.describe()[next(iter(context.workers))].dropout.sites
    if masks:
        compared["dropout masks"] = masks
    compared["elements"] = sum(comparison.elements for comparison in comparisons.values())
    exact = [comparison for what, comparison in comparisons.items() if not what.endswith("float32")]
    rounded = {
        framework: comparison
        for framework in context.workers
        if (comparison := comparisons.get(f"{ALONE}, {framework} float32"))
    }
    return make_proof(context, 4, compared, problems, worst_of(exact), by_framework(rounded))


def gradients(context: ProofContext) -> Proof:
    """Level 5. The mean loss of one batch, and its gradient of every trainable array.

    Gaps are relative to the largest gradient of the layer. A bias before a batch norm has a gradient of zero, so that
    its own scale would be rounding alone.

    Args:
        context: the network, its workers and its data.

    Returns:
        The proof; a trainable array without a gradient is a problem.

    Raises:
        WorkerError: a worker failed, with what it said.
    """
    batches = gradients_of(context, start(context, recipe_for(context)))
    first, second = (batch.gradients for batch in batches.values())
    comparison = compare(first, second, GRADIENT_LIMIT, scales=layer_scales(first))
    one, other = ({"loss": np.array(batch.loss)} for batch in batches.values())
    losses = compare(one, other, FLOAT64_LIMIT)
    problems = comparison.explain() + losses.explain()
    trainable = {entry.name for entry in context.entries() if entry.trainable}
    problems += [f"no gradient of {name!r}" for name in sorted(trainable - set(first))]
    compared = {"gradients": len(comparison.gaps), "elements": comparison.elements, "losses": len(losses.gaps)}
    return make_proof(context, 5, compared, problems, worst_of([comparison, losses]))


def _reported(
    context: ProofContext, plan: Arrays, stages: Mapping[str, Arrays]
) -> tuple[dict[str, Comparison], list[str]]:
    """The mean loss and the accuracy that a training reports of a step, against numpy's of its logits.

    Raises WorkerError.
    """
    labels = training_part(context).train_labels[plan["order"][0]].astype(int)
    comparisons: dict[str, Comparison] = {}
    problems: list[str] = []
    if context.network.params > LARGE:
        return comparisons, problems  # the memory of two optimizers would not fit
    steps = context.workers.map(lambda worker: train_rows(context, worker, plan, 0))
    for framework, step in steps.items():
        logits = stages[framework].get(LOGITS)
        if logits is None:
            continue  # which the comparison of the stages reports
        hits = float(correct(logits, labels).mean())
        what = f"{framework}, loss of a step"
        comparisons[what] = recounted(step.loss, logits, labels, FLOAT64_LIMIT)
        problems += [f"{what}: {line}" for line in comparisons[what].explain()]
        if step.accuracy != hits:
            text = f"expected {hits:g} of the images right by its logits, found {step.accuracy:g}"
            problems.append(f"{framework}, accuracy of a step: {text}")
    return comparisons, problems


def recounted(loss: float, logits: np.ndarray, labels: np.ndarray, limit: float) -> Comparison:
    """A mean loss against numpy's of the same logits, relative to the largest logit or loss.

    A loss is a difference of logits, so it is as uncertain as the largest of them.

    Args:
        loss: mean over the images, in nats.
        logits: [n, classes].
        labels: [n], integers.
        limit: of the relative difference.
    """
    losses = cross_entropies(logits, labels)
    scale = float(max(np.abs(logits).max(), np.abs(losses).max()))
    return compare({"loss": np.array(losses.mean())}, {"loss": np.array(loss)}, limit, scales={"loss": scale})


def recipe_for(context: ProofContext) -> Recipe:
    """The recipe of the context's network.

    Args:
        context: of a network of the catalogue.

    Returns:
        With the batch and the epochs of a real training; the proofs take smaller batches, see `training_batch`.
    """
    return recipe_of(context.network.recipe)


def start(
    context: ProofContext,
    recipe: Recipe,
    states: Mapping[str, State] | None = None,
    only: str | None = None,
    *,
    precision: str = "float64",
    part: Dataset | None = None,
) -> Arrays:
    """Start the training of the proofs in the workers, and return the plan of its first epoch.

    The verb, its settings and the form of the data are those of `parity.training.run`.

    Args:
        context: the network and its workers.
        recipe: the training's.
        states: by framework, the weights to begin with; those of the proofs if None. Empty: no weights, for a caller
            that loads them.
        only: the one framework to start; both at once if None.
        precision: "float32" or "float64".
        part: images and labels in place of the proofs' own.

    Returns:
        The plan's arrays, one row for each step.

    Raises:
        WorkerError: a worker failed, with what it said.
    """
    data = prepared(part or training_part(context), recipe)
    settings = trainer_settings(recipe, batch=training_batch(context), precision=precision)
    drawn = context.state("float32") if states is None else {}  # here, because drawing it asks both workers

    def begin(worker: Worker) -> str:
        state = states[worker.framework] if states else drawn
        return worker.start_training(context.network.name, context.seed, pack(state=state, data=data), settings)

    if only:
        begin(context.workers[only])
    else:
        context.workers.map(begin)
    return plan_of(context, recipe, 0)


def train_rows(context: ProofContext, worker: Worker, plan: Arrays, first: int, count: int = 1) -> TrainedEpoch:
    """Train the steps of some rows of a plan, in the training that the worker has loaded.

    Args:
        context: the network.
        worker: with a started training.
        plan: arrays of an epoch.
        first: the first row, from 0.
        count: how many rows.

    Returns:
        Mean loss and accuracy of these steps.

    Raises:
        WorkerError: the worker failed, or has no training.
    """
    return worker.train_epoch(context.network.name, plan, begin=first, end=first + count)


def training_batch(context: ProofContext) -> int:
    """How many images a step of the proven trainings has: fewer for large networks."""
    return min(context.batch, TRAINING_BATCH if context.network.flops > LARGE_FLOPS else 2 * TRAINING_BATCH)


def training_part(context: ProofContext) -> Dataset:
    """The images and labels of the proven trainings.

    Args:
        context: the network and its data.

    Returns:
        As many training images as the steps of level 6 take; see `ProofContext.part`.
    """
    return context.part(training_batch(context) * STEPS)


def plan_of(context: ProofContext, recipe: Recipe, epoch: int) -> Arrays:
    """The plan of an epoch of the proven trainings.

    Args:
        context: the network, its batch and its data.
        recipe: with augmentation and schedule.
        epoch: counted from 0.

    Returns:
        Arrays with one row for each step: order, crops, flips, dropout seeds and learning rates.
    """
    dropout = next(iter(context.describe().values())).dropout
    return plan_arrays(training_part(context), recipe, training_batch(context), context.seed, epoch, dropout)


def gradients_of(context: ProofContext, plan: Arrays) -> dict[str, Gradients]:
    """Both twins' gradients of a plan's first batch.

    Args:
        context: the network and its workers, with a started training.
        plan: arrays of an epoch.

    Returns:
        By framework: the mean loss, and the gradient of every trainable array.

    Raises:
        WorkerError: a worker failed, with what it said.
    """
    return context.workers.map(lambda worker: worker.gradients(context.network.name, plan))


def training_stages(context: ProofContext, rows: Arrays) -> dict[str, TrainingStages]:
    """Both twins' stages in training mode, with one pass for each row of a plan.

    Args:
        context: the network and its workers, with a started training.
        rows: arrays of an epoch, as many rows as passes.

    Returns:
        By framework: the stages of the first pass, and the state after the last one.

    Raises:
        WorkerError: a worker failed, with what it said.
    """
    return context.workers.map(lambda worker: worker.training_stages(context.network.name, rows))


def _batch_norms_alone(context: ProofContext) -> tuple[dict[str, Comparison], list[str]]:
    """Every batch norm alone in training mode, against numpy, in float64 and in float32.

    The two precisions may run different kernels. The float32 limit is derived from numpy runs in which everything is
    perturbed by rounding, the inputs as the terms of the sums that mean and variance are.
    """
    state = context.state("float64")
    facts = context.network.batch_norm
    assert facts is not None
    inputs = probe_inputs_of_batch_norms(context)
    draw = np.random.default_rng(context.seed)

    def computed(inputs: Mapping[str, np.ndarray], state: State) -> Arrays:
        outputs: Arrays = {}
        for name, x in inputs.items():
            own = {kind: state[f"{name}/{kind}"] for kind in ("gamma", "beta", "mean", "variance")}
            y, mean, variance = batch_norm_training(x, own, facts.epsilon, facts.momentum)
            outputs |= {f"{name}/output": y, f"{name}/mean": mean, f"{name}/variance": variance}
        return outputs

    expected = computed(inputs, state)
    perturbed = [
        computed({name: perturb_like_terms(x, draw) for name, x in inputs.items()}, perturb(state, draw))
        for _ in range(PERTURBED_BATCH_NORMS)
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
        for framework, actual in probe_batch_norms(context, dtype, arrays).items():
            what = f"{ALONE}, {framework} {dtype}"
            comparisons[what] = compare(expected, actual, limit)
            problems += [f"{what}, against numpy: {line}" for line in comparisons[what].explain()]
    return comparisons, problems


def probe_batch_norms(context: ProofContext, dtype: str, arrays: Arrays) -> dict[str, Arrays]:
    """Each framework's outputs and statistics of single batch norms in training mode, by framework.

    Args:
        context: the network and its workers.
        dtype: "float32" or "float64".
        arrays: the groups `state` and `input`, packed, of this dtype; inputs by the layer's name.

    Returns:
        By framework: `<name>/output`, and the running `<name>/mean` and `<name>/variance` after the step, in `dtype`.

    Raises:
        WorkerError: a worker failed, with what it said.
    """
    return context.workers.map(lambda worker: worker.probe_batch_norms(context.network.name, dtype, arrays))


def probe_inputs_of_batch_norms(context: ProofContext) -> Arrays:
    """Drawn inputs for every batch norm alone.

    Args:
        context: the network and its workers.

    Returns:
        By layer name, standard normal float32 numbers as float64: [4, 6, 6, c] or [16, features].
    """
    layers = context.layers()
    state = context.state("float64")
    draw = np.random.default_rng(context.seed)
    inputs: Arrays = {}
    for layer in layers:
        if layer["kind"] == "batch_norm":
            channels = state[f"{layer['name']}/gamma"].shape
            shape = (4, 6, 6, *channels) if layer["maps"] else (16, *channels)
            inputs[layer["name"]] = draw.normal(size=shape).astype(np.float32).astype(np.float64)
    return inputs


def unmoved(before: State, after: State) -> list[str]:
    """The names of the arrays of `before` that are equal in `after`.

    Args:
        before: arrays by name.
        after: the same arrays later; one that is missing counts as equal.
    """
    return [name for name, array in before.items() if np.array_equal(array, after.get(name, array))]
