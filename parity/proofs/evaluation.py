"""Level 7: the evaluation that a training reports its accuracy from.

It is the verb that `parity train` calls after each epoch. The images are at every position of a batch, and in an
incomplete last one. Its logits are compared with those of `predict`, which is given images that numpy preprocessed.
Loss, accuracy and count are computed again in numpy from the logits. An evaluation must change nothing in the training
that it interrupts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from parity.data.batches import prepared
from parity.data.dataset import Dataset
from parity.numerics.arrays import Arrays, pack
from parity.numerics.comparison import FLOAT64_LIMIT, Comparison, compare, finite_gap, layer_scales
from parity.numerics.losses import correct
from parity.numerics.tolerance import FLOAT32_ROUNDING, ROUNDINGS, derive_limits, perturb
from parity.proofs.context import ProofContext
from parity.proofs.extremes import LOGITS
from parity.proofs.optimizer import UPDATE_LIMIT, update_limits
from parity.proofs.proof import by_framework, make_proof, worst_of
from parity.proofs.train_mode import recipe_for, recounted, start, train_rows, training_part
from parity.records.records import Proof
from parity.weights.state import State, same_bits
from parity.workers.client.training import Evaluation
from parity.workers.worker import Worker

LOGIT_MARGIN = 50.0  # factor between the logits and their standard deviation over the images

LEAST_SPREAD = 1e-3  # of the largest logit: a smaller deviation is not scaled up further, as it may be rounding

NEAR_TIE = 1e-3  # of the deviation: the difference between two classes of a pair, which half precision cannot show


def evaluation(context: ProofContext) -> Proof:
    """Level 7. Logits, loss, accuracy and count of the evaluation in both precisions, and its side effects.

    Args:
        context: the network, its workers and its data.

    Returns:
        The proof; its gap is the worst of all comparisons, with the float32 gaps of each framework beside it.

    Raises:
        WorkerError: a worker failed, with what it said.
    """
    effects = side_effects(context)  # first: a lasting change by an evaluation does not show in a second one
    probe = evaluation_probe(context)
    labels = probe.part.test_labels
    problems: list[str] = []
    logits: dict[str, dict[str, Arrays]] = {}  # by precision and framework, one array a position of the batch
    comparisons: dict[str, Comparison] = {}
    for precision, rounding in ROUNDINGS.items():
        evaluations = evaluated(context, precision, probe)
        logits[precision] = {name: _by_position(context, result.logits) for name, result in evaluations.items()}
        for framework, result in evaluations.items():
            what = f"{framework} {precision}"
            comparisons[f"loss, {what}"] = _recounted(result, labels, rounding)
            problems += [f"{what}: {line}" for line in _miscounted(result, labels)]
    predicted = {
        name: _by_position(context, array) for name, array in predictions(context, "float64", probe.state).items()
    }
    first, second = logits["float64"].values()
    comparisons["between the frameworks"] = compare(first, second, FLOAT64_LIMIT)
    for framework, exact in logits["float64"].items():
        comparisons[f"{framework}, against its predictions"] = compare(predicted[framework], exact, FLOAT64_LIMIT)
    limits = _float32_limits(context, probe, logits["float64"])
    rounded = {name: compare(predicted[name], arrays, limits) for name, arrays in logits["float32"].items()}
    labelled = comparisons | {f"{name}, float32": comparison for name, comparison in rounded.items()}
    for what, comparison in labelled.items():
        problems += [f"{what}: {line}" for line in comparison.explain()]
    problems += [f"{framework}: {line}" for framework, effect in effects.items() for line in effect.explain()]
    every = [*comparisons.values(), *rounded.values()]
    compared = {
        "images": len(labels),
        "positions": len(first),
        "elements": sum(comparison.elements for comparison in every),
        "arrays untouched": sum(effect.untouched for effect in effects.values()),
        "arrays trained on": sum(effect.trained_on for effect in effects.values()),
    }
    return make_proof(context, 7, compared, problems, worst_of(every), by_framework(rounded))


@dataclass(frozen=True)
class EvaluationProbe:
    """Weights and labels that show the faults of an evaluation; the images are the proof's."""

    state: State
    part: Dataset


def evaluation_probe(context: ProofContext) -> EvaluationProbe:
    """Weights with logits beyond 100 that nearly tie in pairs of classes, and labels of which three in four are right.

    With drawn weights the logits of all images are nearly alike and of the order of one, and hardly an image is right.
    These faults would then stay unseen: classes that are not counted, a loss or logits that are cut, counts that
    overflow, a comparison of rounded logits. The last layer is linear: another kernel and bias make its logits vary
    from image to image.

    Args:
        context: the network, its workers and its data; the first worker evaluates once.

    Returns:
        A float32 state, and the data of the proven trainings with other test labels.

    Raises:
        WorkerError: a worker failed, with what it said.
    """
    framework = next(iter(context.workers))  # one of them is enough to see how large logits are
    start(context, recipe_for(context), only=framework)
    raw = np.nan_to_num(_evaluate(context, context.workers[framework]).logits)
    mean, deviation = raw.mean(axis=0), np.maximum(raw.std(axis=0), LEAST_SPREAD * np.abs(raw).max())
    mixing = np.eye(raw.shape[1])
    pairs = np.arange(0, raw.shape[1] - 1, 2)
    mixing[pairs, pairs + 1] = 1.0
    mixing[pairs + 1, pairs + 1] = NEAR_TIE
    change = (LOGIT_MARGIN / np.where(deviation > 0, deviation, 1.0))[:, None] * mixing
    state = dict(context.state("float32"))
    kernel, bias = (state[f"{LOGITS}/{kind}"].astype(np.float64) for kind in ("kernel", "bias"))
    state[f"{LOGITS}/kernel"] = (kernel @ change).astype(np.float32)
    state[f"{LOGITS}/bias"] = ((bias - mean) @ change).astype(np.float32)
    part = training_part(context)
    best = np.resize(
        ((raw - mean) @ change).argmax(axis=1), len(part.test_labels)
    )  # a faulty evaluation may leave images out
    right = (np.arange(len(best)) % 4 != 3) & (best <= np.iinfo(np.uint8).max)
    return EvaluationProbe(state, replace(part, test_labels=np.where(right, best, part.test_labels).astype(np.uint8)))


def evaluated(
    context: ProofContext, precision: str, probe: EvaluationProbe | None = None, batch: int | None = None
) -> dict[str, Evaluation]:
    """Each framework's evaluation, made as a training makes it.

    Args:
        context: the network and its workers.
        precision: of the training: "float32" or "float64".
        probe: weights and labels; those of the other proofs if None.
        batch: images at once; the context's number if None.

    Returns:
        By framework: logits [n, classes], loss, accuracy and the count of images.
    """
    states = dict.fromkeys(context.workers, probe.state) if probe else None
    start(context, recipe_for(context), states, precision=precision, part=probe.part if probe else None)
    return context.workers.map(lambda worker: _evaluate(context, worker, batch))


def predictions(context: ProofContext, precision: str, state: State | None = None, **changed: np.ndarray) -> Arrays:
    """Each framework's logits [n, classes] of the test images by `predict`, preprocessed in numpy.

    Args:
        context: the network and its workers.
        precision: of the model: "float32" or "float64".
        state: float32 weights and statistics; those of the proofs if None.
        changed: arrays in place of the proof's: `images` uint8 [n, h, w, 3], `mean` float32 [h, w, 3].

    Returns:
        By framework, in `precision`.

    Raises:
        WorkerError: a worker failed, with what it said.
    """
    arrays = prepared(training_part(context), recipe_for(context))
    data = {"images": arrays["test_images"]} | ({"mean": arrays["test_mean"]} if "test_mean" in arrays else {})
    given = pack(state=state or context.state("float32"), data=data | changed)
    return context.workers.map(lambda worker: worker.predict(context.network.name, precision, given))


def _evaluate(context: ProofContext, worker: Worker, batch: int | None = None) -> Evaluation:
    return worker.evaluate(context.network.name, batch=batch or context.evaluation_batch)


def _by_position(context: ProofContext, logits: np.ndarray) -> Arrays:
    """The logits by the image's position in its batch, and those of the last batch; some faults are at one only."""
    batch = context.evaluation_batch
    positions = {f"position {index + 1} of {batch}": logits[index::batch] for index in range(min(batch, len(logits)))}
    return positions | {"last batch": logits[(len(logits) - 1) // batch * batch :]}


def _recounted(result: Evaluation, labels: np.ndarray, rounding: float) -> Comparison:
    """The mean loss against numpy's of the same logits; a sum of n losses is rounded n times."""
    logits = result.logits
    limit = (len(labels) + logits.shape[1] + 4) * rounding
    return recounted(result.loss, logits, labels[: len(logits)], limit)


def _miscounted(result: Evaluation, labels: np.ndarray) -> list[str]:
    """Whether the number of images, and of right ones, is numpy's of the same logits; a line for what is not."""
    logits = result.logits
    if (len(logits), result.images) != (len(labels), len(labels)):
        return [f"expected {len(labels)} images, found logits of {len(logits)} and a count of {result.images}"]
    hits = int(correct(logits, labels).sum())
    if result.accuracy == hits / len(labels):
        return []
    return [f"expected {hits} of {len(labels)} right, found {result.accuracy * len(labels):g}"]


def _float32_limits(context: ProofContext, probe: EvaluationProbe, exact: Mapping[str, Arrays]) -> dict[str, float]:
    """As at level 3: how far float64 logits move with weights that are perturbed by float32 rounding."""
    weights = {name: array.astype(np.float64) for name, array in probe.state.items()}
    others = replace(probe, state=perturb(weights, np.random.default_rng(context.seed)))
    moved = evaluated(context, "float64", others)
    derived = [derive_limits(exact[name], [_by_position(context, moved[name].logits)]) for name in exact]
    # every position of a batch has the same noise; the largest limit is for all, as some positions have few images
    largest = float(np.max([limit for limits in derived for limit in limits.values()]))
    return dict.fromkeys(next(iter(exact.values())), largest)


@dataclass
class SideEffects:
    """What an evaluation, or the checkpoint around it, changed in one framework's training: nothing, where all is well.

    Attributes:
        changed: arrays that the evaluation changed.
        lost: arrays that changed when weights and memory were exported and loaded, as a checkpoint does.
        other: arrays that are different after the next step than after the same step without the evaluation.
        stale: gap of the logits before and after the state was exported and loaded; 0 if they are equal.
        misreported: loss or accuracy that two steps in one call report as other than the mean of both alone.
        untouched: how many arrays were compared around the evaluation.
        trained_on: how many were compared after the step that followed.
    """

    changed: list[str]
    lost: list[str]
    other: list[str]
    stale: float
    misreported: list[str]
    untouched: int
    trained_on: int

    def explain(self) -> list[str]:
        """One line for each kind of change, for the user."""
        lines = {
            "an evaluation changed": self.changed,
            "exporting and loading weights and memory changed": self.lost,
            "the step after an evaluation differs from the same step without it in": self.other,
        }
        problems = [f"{what} {len(names)} arrays, first {names[:3]}" for what, names in lines.items() if names]
        if self.stale > 0:
            what = "an evaluation after a step gives other logits than after its weights were exported and loaded"
            problems.append(f"{what}: gap {self.stale:.1e}")
        return problems + self.misreported


def side_effects(context: ProofContext, *, fresh: bool = False, reload: bool = True) -> dict[str, SideEffects]:
    """Train two steps with an evaluation between them, and the same without it, and compare.

    Weights, statistics and the optimizer's memory must be bit for bit what they were before the evaluation. Its logits
    must be those of the weights as they are now: the same after these were exported and loaded again, as in a training
    that was killed and goes on. The step after the evaluation must give what it gives without it: bit for bit on a CPU,
    in float32, as it is trained; on other devices, where sums have no fixed order, in float64 within limits like those
    of level 6. Two steps in one call must report the means of what both report alone.

    Args:
        context: the network and its workers.
        fresh: whether the trainings are built anew.
        reload: whether weights and memory are exported and loaded again.

    Returns:
        What was changed, by framework.
    """
    exact = all(context.workers[name].device == "cpu" for name in context.workers)
    alone = two_steps(context, exact, interrupted=False, fresh=fresh)
    interrupted = two_steps(context, exact, interrupted=True, fresh=fresh, reload=reload)
    limits = {name: {} if exact else rounding_limits(context, steps) for name, steps in alone.items()}
    return {name: _effects(alone[name], steps, limits[name]) for name, steps in interrupted.items()}


@dataclass(frozen=True)
class TwoSteps:
    """What two steps gave, with an evaluation between them or without."""

    before: dict[str, str]  # digests before the evaluation
    after: dict[str, str]  # and after it
    back: dict[str, str]  # after weights and memory were exported and loaded
    end: dict[str, Any]  # after the second step; arrays, where bits may differ
    memory: set[str]  # names of those arrays that are the optimizer's
    rates: float  # learning rates of the steps, added up
    logits: list[np.ndarray]  # of the evaluation, and of another one after the state was exported and loaded
    reported: dict[str, float]  # loss and accuracy


def two_steps(
    context: ProofContext, exact: bool, *, interrupted: bool, fresh: bool = False, reload: bool = False
) -> dict[str, TwoSteps]:
    """Both frameworks' two steps, from the start: with an evaluation between them, or in one call."""
    if fresh:
        context.workers.map(lambda worker: worker.forget_training(context.network.name))
    plan = start(context, recipe_for(context), precision="float32" if exact else "float64")

    def taken(worker: Worker) -> TwoSteps:
        if interrupted:
            first = train_rows(context, worker, plan, 0)
            before = _digests(context, worker)
            logits = [_evaluate(context, worker).logits]
            after = _digests(context, worker)
            if reload:
                kept = worker.export_training(context.network.name, optimizer=True).arrays
                worker.load_training(context.network.name, kept)
            back = _digests(context, worker)
            logits.append(_evaluate(context, worker).logits)
            steps = [first, train_rows(context, worker, plan, 1)]
        else:
            before, after, back, logits = {}, {}, {}, []
            steps = [train_rows(context, worker, plan, 0, 2)]
        end, memory = (_digests(context, worker), set()) if exact else _exported(context, worker)
        reported = {
            "loss": float(np.mean([step.loss for step in steps])),
            "accuracy": float(np.mean([step.accuracy for step in steps])),
        }
        return TwoSteps(before, after, back, end, memory, float(plan["rate"][:2].sum()), logits, reported)

    return context.workers.map(taken)


def rounding_limits(context: ProofContext, steps: TwoSteps) -> dict[str, float]:
    """Limits of the arrays after two steps in float64, relative to each one's largest value.

    The optimizer's memory holds gradients, whose rounding is relative to the largest gradient of their layer.
    """
    weights = {name: array for name, array in steps.end.items() if name not in steps.memory}
    memory = {name: steps.end[name] for name in steps.memory}
    limits = update_limits(context, recipe_for(context), weights, steps.rates)
    for name, scale in layer_scales(memory).items():
        largest = float(np.abs(memory[name]).max())
        limits[name] = UPDATE_LIMIT * (scale / largest if largest else 1.0)
    return limits


def _effects(alone: TwoSteps, interrupted: TwoSteps, limits: Mapping[str, float]) -> SideEffects:
    """What is different in one framework with the evaluation between the steps; without limits bit for bit."""
    exact = not limits
    now, sent = interrupted.logits
    same = same_bits(now, sent) if exact else finite_gap(sent, now) <= UPDATE_LIMIT
    limit = FLOAT32_ROUNDING if exact else UPDATE_LIMIT
    before, after, back = interrupted.before, interrupted.after, interrupted.back
    return SideEffects(
        changed=[name for name in before if before[name] != after.get(name)],
        lost=[name for name in after if after[name] != back.get(name)],
        other=_others(alone.end, interrupted.end, limits),
        stale=0.0 if same else finite_gap(sent, now),
        misreported=[
            f"two steps in one call report a {name} of {alone.reported[name]:g}, both alone {mean:g} on average"
            for name, mean in interrupted.reported.items()
            if not abs(alone.reported[name] - mean) <= 4 * limit * max(abs(mean), limit)
        ],
        untouched=len(before),
        trained_on=len(alone.end),
    )


def _others(alone: Mapping[str, Any], interrupted: Mapping[str, Any], limits: Mapping[str, float]) -> list[str]:
    """Names of arrays, or of digests where there are no limits, that are not the same."""
    if not limits:
        return [name for name, digest in alone.items() if digest != interrupted.get(name)]
    return [gap.name for gap in compare(alone, interrupted, limits).gaps if not gap.passed]


def _digests(context: ProofContext, worker: Worker) -> dict[str, str]:
    return worker.digest_training(context.network.name)


def _exported(context: ProofContext, worker: Worker) -> tuple[Arrays, set[str]]:
    """Weights, statistics and the optimizer's memory, and the names of the last."""
    exported = worker.export_training(context.network.name, optimizer=True)
    return exported.state | exported.optimizer, set(exported.optimizer)
