"""From levels 7 and 8 that failed to their causes: in the evaluation, or in the float32 step that is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from parity.accusation import Suspect, accuse, gap, named
from parity.compare import FLOAT64_LIMIT
from parity.counters import steps_of, updates_alone
from parity.evaluation_proofs import evaluated, predictions, side_effects
from parity.evidence import Evidence
from parity.hypotheses import Hypothesis
from parity.layer_gradients import INPUT, backwards, gradients_alone, probes_of
from parity.places import EVALUATION, OPTIMIZER, START
from parity.protocol import Arrays
from parity.reference import cross_entropies
from parity.results import Diagnosis
from parity.single_steps import current_state
from parity.training import prepared
from parity.training_proofs import recipe_for, start, training_part
from parity.weights import same_bits
from parity.workers import Reply, Worker

EXACT = 1e-4  # by which a ratio of float32 gradients may be off the number that it is taken for


def first_weights(evidence: Evidence) -> list[Diagnosis]:
    """Whether a float32 training begins with the weights that it is given."""
    start(evidence, recipe_for(evidence), precision="float32")
    sent = evidence.state("float32")
    found: dict[str, Diagnosis] = {}

    def job(worker: Worker) -> Reply:
        state = current_state(evidence, worker).state
        changed = {name: state[name] for name, array in sent.items() if not same_bits(array, state[name])}
        if changed:
            before = max(gap(sent[name], array) for name, array in changed.items())
            if all(not array.any() for array in changed.values()):
                text = f"with zeros for {len(changed)} arrays, first {next(iter(changed))!r}"
            else:
                text = f"with other numbers in {len(changed)} of {len(sent)} arrays, first {next(iter(changed))!r}"
            suspect = Suspect(worker.framework, START, "of a float32 training", before)
            found[worker.framework] = accuse(suspect, "start-weights", text)
        return Reply()

    evidence.workers.map(job)
    return [found[name] for name in evidence.workers if name in found]


def evaluated_images(evidence: Evidence) -> list[Diagnosis]:
    """Whether the logits of an evaluation are those of its images, and what else they are of."""
    batch, diagnoses = evidence.evaluation_batch, []
    right = predictions(evidence, "float64")
    replies = evaluated(evidence, "float64")
    for framework, reply in replies.items():
        logits = reply.arrays["logits"]
        expected = right[framework]
        suspect = Suspect(framework, EVALUATION, "images", gap(expected[: len(logits)], logits))
        if len(logits) != len(expected):
            whole = len(expected) // batch * batch
            if len(logits) == whole and gap(expected[:whole], logits) <= FLOAT64_LIMIT:
                text = f"logits of {whole} of {len(expected)} images, without the incomplete last batch"
                diagnoses.append(accuse(suspect, "eval-dropped", text))
            else:
                text = f"logits of {len(logits)} of {len(expected)} images"
                diagnoses.append(accuse(suspect, "eval-dropped", text))
        elif not suspect.before <= FLOAT64_LIMIT:
            cause = named(suspect, _of_images(evidence, framework), logits)
            diagnoses.append(cause if cause.trap else _of_batch(evidence, framework, suspect, logits) or cause)
    return diagnoses


def counted_images(evidence: Evidence) -> list[Diagnosis]:
    """Whether loss and accuracy are those of the logits and of the images' own labels."""
    labels = training_part(evidence).test_labels.astype(int)
    batch, diagnoses = evidence.evaluation_batch, []
    for framework, reply in evaluated(evidence, "float64").items():
        logits, result = reply.arrays["logits"], reply.result
        hits = (logits.argmax(axis=1) == labels).mean()
        loss = cross_entropies(logits, labels).mean()
        before = max(abs(loss - result["loss"]) / np.abs(logits).max(), abs(hits - result["accuracy"]))
        suspect = Suspect(framework, EVALUATION, "loss and accuracy", float(before))
        if before <= FLOAT64_LIMIT * len(labels):
            continue
        for shift in (1, -1):
            parts = [labels[begin : begin + batch] for begin in range(0, len(labels), batch)]
            shifted = np.concatenate([np.roll(part, shift) for part in parts])
            after = abs(cross_entropies(logits, shifted).mean() - result["loss"]) / np.abs(logits).max()
            if after <= FLOAT64_LIMIT * len(labels):
                text = f"the loss of every image with the label of the image {abs(shift)} before or after it"
                diagnoses.append(accuse(suspect, "eval-labels", text, float(after)))
                break
        else:
            diagnoses.append(_other_accuracy(suspect, logits, labels, result))
    return diagnoses


def side_effects_of_evaluation(evidence: Evidence) -> list[Diagnosis]:
    """Whether an evaluation changes what it interrupts."""
    found = []
    for framework, (changed, other) in side_effects(evidence, fresh=True).by_framework.items():
        if changed or other:
            suspect = Suspect(framework, EVALUATION, "in a training", float("inf"))
            text = f"other numbers in {len(changed)} arrays by an evaluation, and in {len(other)} by the step after it"
            found.append(accuse(suspect, "eval-mode", text))
    return found


def layers_backwards(evidence: Evidence) -> list[Diagnosis]:
    """Every layer alone whose float32 gradients are not those of its own float64 run."""
    comparisons = gradients_alone(evidence)
    if all(comparison.passed for comparison in comparisons.values()):
        return []
    probes, state = probes_of(evidence), evidence.state("float64")
    exact, found = (backwards(evidence, probes, state, dtype) for dtype in ("float64", "float32"))
    kinds = {layer["name"]: layer["kind"] for layer in evidence.layers()}
    diagnoses = []
    for framework, comparison in comparisons.items():
        failed = {gap.name: gap for gap in comparison.gaps if not gap.passed}
        missing = [name for name in exact[framework] if name not in found[framework]]
        for layer in dict.fromkeys(name.rpartition("/")[0] for name in [*failed, *missing]):
            own = [name for name in [*failed, *missing] if name.rpartition("/")[0] == layer]
            before = max((failed[name].gap for name in own if name in failed), default=float("inf"))
            suspect = Suspect(framework, layer, kinds[layer], before)
            diagnoses.append(_of_gradients(suspect, own, exact[framework], found[framework]))
    return diagnoses


def counted_steps(evidence: Evidence) -> list[Diagnosis]:
    """Whether the optimizer alone goes on as its rule says, for as many steps as a training has."""
    recipe = recipe_for(evidence)
    found = []
    for framework, comparison in updates_alone(evidence, recipe, steps_of(evidence, recipe), "float32").items():
        first = comparison.first_failure
        if first is not None:
            suspect = Suspect(framework, OPTIMIZER, recipe.optimizer.kind, first.gap)
            trap = "adam-steps" if recipe.optimizer.kind == "adam" else ""
            found.append(accuse(suspect, trap, f"another update than its rule's from {first.name} on"))
    return found


def _of_images(evidence: Evidence, framework: str) -> Iterator[Hypothesis]:
    """Logits of test images that are preprocessed otherwise."""
    arrays = prepared(training_part(evidence), recipe_for(evidence))
    pixels = arrays["test_images"]
    mean = arrays.get("test_mean", np.zeros(pixels.shape[1:], np.float32))

    def logits(images: np.ndarray, subtracted: np.ndarray) -> np.ndarray:
        return predictions(evidence, "float64", images=images, mean=subtracted.astype(np.float32))[framework]

    if mean.any():
        yield "eval-preprocess", "logits of images without their mean subtracted", logits(pixels, np.zeros_like(mean))
        channels = np.broadcast_to(mean.mean(axis=(0, 1)), mean.shape)
        yield "eval-preprocess", "logits of images less the mean of each channel", logits(pixels, channels)


def _of_batch(evidence: Evidence, framework: str, suspect: Suspect, logits: np.ndarray) -> Diagnosis | None:
    """Logits that depend on the other images of the batch: less its mean, or normalised by its statistics.

    A mean of float32 images is not known to the last bit; it is taken to be the cause where it closes the gap to that.
    """
    arrays = prepared(training_part(evidence), recipe_for(evidence))
    pixels, batch = arrays["test_images"], evidence.evaluation_batch
    mean = arrays.get("test_mean", np.zeros(pixels.shape[1:], np.float32))
    parts = []
    for begin in range(0, len(pixels), batch):
        images = pixels[begin : begin + batch]
        scaled = images.astype(np.float32) * np.float32(1 / 255) - mean
        less = mean.astype(np.float64) + scaled.mean(axis=0, dtype=np.float64)
        parts.append(predictions(evidence, "float64", images=images, mean=less.astype(np.float32))[framework])
    after = gap(np.concatenate(parts), logits)
    if after <= EXACT:
        return accuse(suspect, "eval-preprocess", "logits of images less the mean of their own batch", after)
    alone = evaluated(evidence, "float64", batch=batch + 1)[framework].arrays["logits"]
    if not gap(logits, alone) <= FLOAT64_LIMIT:
        text = "logits that depend on which other images are in the batch: its own statistics, as in training"
        return accuse(suspect, "eval-mode", text)
    return None


def _other_accuracy(suspect: Suspect, logits: np.ndarray, labels: np.ndarray, result: Mapping[str, Any]) -> Diagnosis:
    order = np.argsort(-logits, axis=1, kind="stable")
    for count in range(2, min(6, logits.shape[1])):
        hits = (order[:, :count] == labels[:, None]).any(axis=1).mean()
        if abs(hits - result["accuracy"]) * len(labels) < 0.5:
            return accuse(suspect, "accuracy", f"images right whose class is among the {count} likeliest")
    text = f"{result['accuracy']:.6g} right and a loss of {result['loss']:.6g}, which these logits have not"
    return accuse(suspect, "", text, suspect.before)


def _of_gradients(suspect: Suspect, own: list[str], exact: Arrays, found: Arrays) -> Diagnosis:
    """What a layer's float32 gradients are of the right ones: nothing, a multiple, or something else."""
    gone = [n for n in own if n not in found or np.abs(found[n]).max() <= EXACT * np.abs(exact[n]).max()]
    if gone:
        what = " and ".join("its input" if name.endswith(f"/{INPUT}") else name.rpartition("/")[2] for name in gone)
        return accuse(suspect, "gradient-missing", f"no gradient of {what} in float32")
    ratios = [float((exact[n] * found[n]).sum() / (exact[n] ** 2).sum()) for n in own]
    factor = ratios[0]
    scaled = max(gap(factor * exact[name], found[name]) for name in own)
    if scaled <= EXACT:
        return accuse(suspect, "f32-gradient", f"{factor:.4g} times the gradient in float32", scaled)
    return accuse(suspect, "f32-gradient", "another gradient in float32 than in float64")
