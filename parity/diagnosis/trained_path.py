"""From levels 7 and 8 that failed to their causes: in the evaluation, or in the float32 training step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from parity.data.batches import prepared
from parity.diagnosis.attribution import Mismatch, diagnosis_of, identify_cause
from parity.diagnosis.hypotheses import Hypothesis
from parity.diagnosis.scene import EVALUATION, OPTIMIZER, START, TRAINING
from parity.numerics.arrays import Arrays, pack
from parity.numerics.comparison import FLOAT64_LIMIT, finite_gap
from parity.numerics.losses import correct, cross_entropies
from parity.proofs.context import ProofContext
from parity.proofs.evaluation import EvaluationProbe, evaluated, evaluation_probe, predictions, side_effects
from parity.proofs.extremes import LOGITS
from parity.proofs.layer_gradients import INPUT_GRADIENT, backwards, gradients_alone, of_layers, probes_of
from parity.proofs.optimizer_alone import apparent_epsilon, repeated_updates, steps_of, updates_alone
from parity.proofs.single_steps import current_state, from_row
from parity.proofs.train_mode import recipe_for, start, train_rows, training_part, training_stages
from parity.records.records import Diagnosis
from parity.weights.state import same_bits
from parity.workers.client.training import Evaluation, LossAndAccuracy
from parity.workers.errors import WorkerError
from parity.workers.worker import Worker

EXACT = 1e-4  # the largest error of a ratio of float32 gradients


def first_weights(context: ProofContext) -> list[Diagnosis]:
    """Whether a float32 training begins with the weights that were loaded. Raises WorkerError."""
    start(context, recipe_for(context), precision="float32")
    sent = context.state("float32")
    causes: dict[str, Diagnosis] = {}

    def job(worker: Worker) -> None:
        state = current_state(context, worker).state
        changed = {name: state[name] for name, array in sent.items() if not same_bits(array, state[name])}
        if changed:
            before = max(finite_gap(sent[name], array) for name, array in changed.items())
            if all(not array.any() for array in changed.values()):
                text = f"with zeros for {len(changed)} arrays, first {next(iter(changed))!r}"
            else:
                text = f"with other numbers in {len(changed)} of {len(sent)} arrays, first {next(iter(changed))!r}"
            mismatch = Mismatch(worker.framework, START, "of a float32 training", before)
            causes[worker.framework] = diagnosis_of(mismatch, "start-weights", text)

    context.workers.map(job)
    return [causes[name] for name in context.workers if name in causes]


def evaluated_images(context: ProofContext) -> list[Diagnosis]:
    """Whether the logits of an evaluation are those of its images, and what they are of if not. Raises WorkerError."""
    batch, diagnoses, probe = context.evaluation_batch, [], evaluation_probe(context)
    right = predictions(context, "float64", probe.state)
    for framework, result in evaluated(context, "float64", probe).items():
        logits = result.logits
        expected = right[framework]
        mismatch = Mismatch(framework, EVALUATION, "images", finite_gap(expected[: len(logits)], logits))
        if len(logits) != len(expected):
            whole = len(expected) // batch * batch
            if len(logits) == whole and finite_gap(expected[:whole], logits) <= FLOAT64_LIMIT:
                text = f"logits of {whole} of {len(expected)} images, without the incomplete last batch"
                diagnoses.append(diagnosis_of(mismatch, "eval-dropped", text))
            else:
                text = f"logits of {len(logits)} of {len(expected)} images"
                diagnoses.append(diagnosis_of(mismatch, "eval-dropped", text))
        elif not mismatch.before <= FLOAT64_LIMIT:
            cause = identify_cause(mismatch, _of_images(context, probe, framework), logits)
            diagnoses.append(cause if cause.trap else _of_batch(context, probe, framework, mismatch, logits) or cause)
    return diagnoses


def counted_images(context: ProofContext) -> list[Diagnosis]:
    """Whether loss and accuracy are those of the logits and of the images' own labels. Raises WorkerError."""
    batch, probe = context.evaluation_batch, evaluation_probe(context)
    labels = probe.part.test_labels.astype(int)
    diagnoses = []
    for framework, result in evaluated(context, "float64", probe).items():
        logits = result.logits
        if len(logits) != len(labels):
            continue  # which `evaluated_images` reports
        before = _figures_off(result, labels)
        mismatch = Mismatch(framework, EVALUATION, "loss and accuracy", before)
        if before <= FLOAT64_LIMIT * len(labels):
            continue
        for shift in (1, -1):
            parts = [labels[begin : begin + batch] for begin in range(0, len(labels), batch)]
            shifted = np.concatenate([np.roll(part, shift) for part in parts])
            after = abs(cross_entropies(logits, shifted).mean() - result.loss) / np.abs(logits).max()
            if after <= FLOAT64_LIMIT * len(labels):
                text = f"the loss of every image with the label of the image {abs(shift)} before or after it"
                diagnoses.append(diagnosis_of(mismatch, "eval-labels", text, float(after)))
                break
        else:
            small = evaluated(context, "float64")[framework]  # logits and losses of the order of one
            own = training_part(context).test_labels.astype(int)
            clipped = _figures_off(small, own) <= FLOAT64_LIMIT * len(own)
            diagnoses.append(_other_figures(mismatch, logits, labels, result, batch, clipped=clipped))
    return diagnoses


def _figures_off(result: Evaluation, labels: np.ndarray) -> float:
    """How far loss and accuracy of an evaluation are from those of its logits."""
    logits = result.logits
    loss, hits = cross_entropies(logits, labels).mean(), correct(logits, labels).mean()
    return float(max(abs(loss - result.loss) / np.abs(logits).max(), abs(hits - result.accuracy)))


def side_effects_of_evaluation(context: ProofContext) -> list[Diagnosis]:
    """Whether an evaluation changes the training that it interrupts, and runs with its weights. Raises WorkerError."""
    causes = []
    for framework, effects in side_effects(context, fresh=True).items():
        evaluation = Mismatch(framework, EVALUATION, "in a training", float("inf"))
        checkpoint = Mismatch(framework, OPTIMIZER, "from a checkpoint", float("inf"))
        if effects.lost:
            text = f"with {len(effects.lost)} arrays that exporting and loading changed, first {effects.lost[0]!r}"
            causes.append(diagnosis_of(checkpoint, "resume", text))
        elif effects.stale > 0:
            text = "logits of other weights than those that are trained: once these are loaded, it computes others"
            causes.append(diagnosis_of(replace(evaluation, before=effects.stale), "eval-stale", text))
        elif (
            effects.other
            and not effects.changed
            and not side_effects(context, fresh=True, reload=False)[framework].other
        ):
            text = f"another step after its state was exported and loaded, in {len(effects.other)} arrays"
            causes.append(diagnosis_of(checkpoint, "resume", text))
        elif effects.changed or effects.other:
            first, second = len(effects.changed), len(effects.other)
            text = f"other numbers in {first} arrays by an evaluation, and in {second} by the step after it"
            causes.append(diagnosis_of(evaluation, "eval-mode", text))
        if effects.misreported and not (effects.changed or effects.lost or effects.other):
            mismatch = Mismatch(framework, TRAINING, "loss and accuracy", float("inf"))
            causes.append(
                diagnosis_of(
                    mismatch, "training-figures", f"other means than those of its steps: {effects.misreported[0]}"
                )
            )
    return causes


def reported_step(context: ProofContext) -> list[Diagnosis]:
    """Whether the accuracy that a training reports of a step is that of its logits."""
    plan = start(context, recipe_for(context))
    labels = training_part(context).train_labels[plan["order"][0]].astype(int)
    rows = {name: array[:1] for name, array in plan.items()}
    passes = training_stages(context, rows)
    try:
        reports = context.workers.map(lambda worker: train_rows(context, worker, plan, 0))
    except WorkerError:
        return []  # which the proof reports; other searches go on
    diagnoses = []
    for framework, run in passes.items():
        logits, reported = run.stages[LOGITS], reports[framework]
        before = abs(float(correct(logits, labels).mean()) - reported.accuracy)
        if before > 0:
            mismatch = Mismatch(framework, TRAINING, "accuracy", before)
            diagnoses.append(_other_figures(mismatch, logits, labels, reported, len(labels)))
    return diagnoses


def first_of_epoch(context: ProofContext) -> list[Diagnosis]:
    """Whether a step at the beginning of an epoch is the same as within an epoch. Raises WorkerError."""
    plan = start(context, recipe_for(context), precision="float32")
    causes: dict[str, Diagnosis] = {}

    def job(worker: Worker) -> None:
        train_rows(context, worker, plan, 0, 2)
        before = current_state(context, worker)
        forgotten = {
            name: np.zeros_like(array) if name.partition("/")[0] in ("m", "velocity") else array
            for name, array in before.memory.items()
        }

        def memory_after(memory: Arrays, first: int) -> Arrays:
            arrays = pack(state=before.state, optimizer=memory)
            worker.load_training(context.network.name, arrays)
            train_rows(context, worker, from_row(plan, -first), first)
            return current_state(context, worker, weights=False).memory

        begins, elsewhere = memory_after(before.memory, 0), memory_after(before.memory, 1)
        other = {name: array for name, array in begins.items() if not same_bits(array, elsewhere[name])}
        if other:
            mismatch = Mismatch(worker.framework, OPTIMIZER, "where an epoch begins", float("inf"))
            empty = memory_after(forgotten, 1)
            after = max(finite_gap(empty[name], array) for name, array in other.items())
            if after <= EXACT:
                text = "the step of an optimizer that has forgotten its memory"
                causes[worker.framework] = diagnosis_of(mismatch, "optimizer-reset", text)
            else:
                text = f"another step than in the middle of an epoch, in {len(other)} arrays"
                causes[worker.framework] = diagnosis_of(mismatch, "", text)

    context.workers.map(job)
    return [causes[name] for name in context.workers if name in causes]


def layers_backwards(context: ProofContext) -> list[Diagnosis]:
    """Every layer alone whose float32 gradients are not those of its own float64 run. Raises WorkerError."""
    comparisons = gradients_alone(context)
    if all(comparison.passed for comparison in comparisons.values()):
        return []
    probes, state = probes_of(context), context.state("float32")
    expected = {f"{layer}/{INPUT_GRADIENT}" for layer in probes.inputs}
    expected |= {e.name for e in context.entries() if e.trainable and e.name.rpartition("/")[0] in probes.inputs}
    passed = [{gap.name for gap in comparison.gaps if gap.passed} for comparison in comparisons.values()]
    layers = {name.rpartition("/")[0] for names in passed for name in expected - names}
    fed, own_state = probes.of(layers), of_layers(state, layers)
    exact, rounded = (backwards(context, fed, own_state, dtype) for dtype in ("float64", "float32"))
    kinds = {layer["name"]: layer["kind"] for layer in context.layers()}
    diagnoses = []
    for framework, comparison in comparisons.items():
        failed = {gap.name: gap for gap in comparison.gaps if not gap.passed}
        missing = [name for name in exact[framework] if name not in rounded[framework]]
        for layer in dict.fromkeys(name.rpartition("/")[0] for name in [*failed, *missing]):
            own = [name for name in [*failed, *missing] if name.rpartition("/")[0] == layer]
            before = max((failed[name].gap for name in own if name in failed), default=float("inf"))
            mismatch = Mismatch(framework, layer, kinds[layer], before)
            diagnoses.append(_of_gradients(mismatch, own, exact[framework], rounded[framework]))
    return diagnoses


def counted_steps(context: ProofContext) -> list[Diagnosis]:
    """Whether the optimizer alone follows its rule for as many steps as a training has. Raises WorkerError."""
    recipe, steps = recipe_for(context), steps_of(context, recipe_for(context))
    causes = []
    updates = repeated_updates(context, recipe, steps, "float32")
    for framework, comparison in updates_alone(context, recipe, steps, "float32").items():
        first = comparison.first_failure
        if first is None:
            continue
        mismatch = Mismatch(framework, OPTIMIZER, recipe.optimizer.kind, first.gap)
        adam = recipe.optimizer.kind == "adam"
        epsilon = apparent_epsilon(recipe, updates[framework][1]) if adam else None
        if epsilon is not None and abs(epsilon / recipe.optimizer.epsilon - 1) > EXACT:
            text = f"an epsilon of {epsilon:.3g} in float32 instead of {recipe.optimizer.epsilon:.3g}"
            causes.append(diagnosis_of(mismatch, "adam-epsilon", text))
        else:
            trap = "adam-steps" if adam and first.name != "step 1" else ""
            causes.append(diagnosis_of(mismatch, trap, f"another update than its rule's from {first.name} on"))
    return causes


def _of_images(context: ProofContext, probe: EvaluationProbe, framework: str) -> Iterator[Hypothesis]:
    """Hypotheses: logits of test images that are preprocessed differently."""
    arrays = prepared(training_part(context), recipe_for(context))
    pixels = arrays["test_images"]
    mean = arrays.get("test_mean", np.zeros(pixels.shape[1:], np.float32))

    def logits(images: np.ndarray, subtracted: np.ndarray) -> np.ndarray:
        changed = {"images": images, "mean": subtracted.astype(np.float32)}
        return predictions(context, "float64", probe.state, **changed)[framework]

    if mean.any():
        yield "eval-preprocess", "logits of images without their mean subtracted", logits(pixels, np.zeros_like(mean))
        channels = np.broadcast_to(mean.mean(axis=(0, 1)), mean.shape)
        yield "eval-preprocess", "logits of images less the mean of each channel", logits(pixels, channels)


def _of_batch(
    context: ProofContext, probe: EvaluationProbe, framework: str, mismatch: Mismatch, logits: np.ndarray
) -> Diagnosis | None:
    """The cause of logits that depend on the other images of the batch: less its mean, or normalised by its statistics.

    A mean of float32 images is not known to the last bit. It is taken as the cause where it closes the gap to that.
    """
    arrays = prepared(training_part(context), recipe_for(context))
    pixels, batch = arrays["test_images"], context.evaluation_batch
    mean = arrays.get("test_mean", np.zeros(pixels.shape[1:], np.float32))
    parts = []
    for begin in range(0, len(pixels), batch):
        images = pixels[begin : begin + batch]
        scaled = images.astype(np.float32) * np.float32(1 / 255) - mean
        less = mean.astype(np.float64) + scaled.mean(axis=0, dtype=np.float64)
        changed = {"images": images, "mean": less.astype(np.float32)}
        parts.append(predictions(context, "float64", probe.state, **changed)[framework])
    after = finite_gap(np.concatenate(parts), logits)
    if after <= EXACT:
        return diagnosis_of(mismatch, "eval-preprocess", "logits of images less the mean of their own batch", after)
    alone = evaluated(context, "float64", probe, batch + 1)[framework].logits
    if not finite_gap(logits, alone) <= FLOAT64_LIMIT:
        text = "logits that depend on which other images are in the batch: its own statistics, as in training"
        return diagnosis_of(mismatch, "eval-mode", text)
    return None


def _other_figures(
    mismatch: Mismatch,
    logits: np.ndarray,
    labels: np.ndarray,
    figures: LossAndAccuracy,
    batch: int,
    *,
    clipped: bool = False,
) -> Diagnosis:
    """What loss and accuracy are that do not follow from the logits; `clipped`: the loss of small logits is right."""
    losses, right = cross_entropies(logits, labels), correct(logits, labels)
    if figures.accuracy != float(right.mean()):
        for text, hits in _counts(logits, labels, batch):
            if abs(hits - figures.accuracy * len(labels)) < 0.5:
                return diagnosis_of(mismatch, "accuracy", text)
    parts = [losses[begin : begin + batch].mean() for begin in range(0, len(losses), batch)]
    if abs(np.mean(parts) - figures.loss) <= FLOAT64_LIMIT * np.abs(logits).max():
        return diagnosis_of(mismatch, "", "the mean of its batches' mean losses, of which the last batch is smaller")
    if clipped and figures.loss < losses.mean():
        low, high = 0.0, float(losses.max())
        for _ in range(60):  # bisection to the last bit
            middle = (low + high) / 2
            low, high = (middle, high) if np.minimum(losses, middle).mean() < figures.loss else (low, middle)
        text = f"a mean loss with every image's clipped to {low:.4g}, where they reach {losses.max():.4g}"
        return diagnosis_of(mismatch, "softmax-floor", text)
    of_logits = f"these logits give {right.mean():.6g} and {losses.mean():.6g}"
    text = f"an accuracy of {figures.accuracy:.6g} and a loss of {figures.loss:.6g}; {of_logits}"
    return diagnosis_of(mismatch, "", text, mismatch.before)


def _counts(logits: np.ndarray, labels: np.ndarray, batch: int) -> Iterator[tuple[str, int]]:
    """Other ways to count right images, each with its count."""
    order = np.argsort(-logits, axis=1, kind="stable")
    right = order[:, 0] == labels
    for count in range(2, min(6, logits.shape[1])):
        hits = (order[:, :count] == labels[:, None]).any(axis=1)
        yield f"images right whose class is among the {count} likeliest", int(hits.sum())
    for name, bits in (("bfloat16", 16), ("float16", 13)):
        rounded = _rounded(logits, bits)
        yield f"the likeliest class of logits in {name}", int(correct(rounded, labels).sum())
    for label in np.unique(labels[right]):
        yield f"no image of class {label} as right", int((right & (labels != label)).sum())
    parts = [int(right[begin : begin + batch].sum()) for begin in range(0, len(right), batch)]
    yield "the right images of a batch, counted in a byte", sum(count % 256 for count in parts)


def _rounded(numbers: np.ndarray, bits: int) -> np.ndarray:
    """float32 numbers without so many of their 23 mantissa bits, rounded to the nearest, ties to even."""
    raw = numbers.astype(np.float32).view(np.uint32)
    half = np.uint32(2 ** (bits - 1) - 1) + (raw >> bits & 1)
    return np.asarray((raw + half) >> bits << bits, np.uint32).view(np.float32)


def _of_gradients(mismatch: Mismatch, own: list[str], exact: Arrays, rounded: Arrays) -> Diagnosis:
    """What a layer's float32 gradients are of the right ones: nothing, a multiple, or other numbers."""
    gone = [n for n in own if n not in rounded or np.abs(rounded[n]).max() <= EXACT * np.abs(exact[n]).max()]
    if gone:
        what = " and ".join(
            "its input" if name.endswith(f"/{INPUT_GRADIENT}") else name.rpartition("/")[2] for name in gone
        )
        return diagnosis_of(mismatch, "gradient-missing", f"no gradient of {what} in float32")
    ratios = [float((exact[n] * rounded[n]).sum() / (exact[n] ** 2).sum()) for n in own]
    factor = ratios[0]
    scaled = max(finite_gap(factor * exact[name], rounded[name]) for name in own)
    if scaled <= EXACT:
        return diagnosis_of(mismatch, "f32-gradient", f"{factor:.4g} times the gradient in float32", scaled)
    return diagnosis_of(mismatch, "f32-gradient", "another gradient in float32 than in float64")
