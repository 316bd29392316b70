"""Evidence 7: the evaluation that a training reports its accuracy from.

It is the verb that `parity train` calls after each epoch, on images of every position of a batch and of an incomplete
last one. Its logits are held against `predict`, which is fed numpy's preprocessing; loss, accuracy and count are
computed again from them in numpy; and it must leave no trace in the training that it interrupts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity.compare import FLOAT64_LIMIT, Comparison, compare, derive_limits
from parity.evidence import Evidence, by_framework, make_proof, worst_of
from parity.forward_proofs import FLOAT32_ROUNDING, FLOAT64_ROUNDING, perturb
from parity.optimizer_proofs import UPDATE_LIMIT
from parity.protocol import Arrays, pack, unpack
from parity.reference import cross_entropies
from parity.results import Proof
from parity.single_steps import train_row
from parity.training import prepared
from parity.training_proofs import recipe_for, start, training_part
from parity.weights import State
from parity.workers import Reply, Worker

PRECISIONS = {"float64": FLOAT64_ROUNDING, "float32": FLOAT32_ROUNDING}


def evaluation(evidence: Evidence) -> Proof:
    """Level 7. Logits, loss, accuracy and count of the evaluation in both precisions, and what it leaves behind."""
    labels = training_part(evidence).test_labels
    left = side_effects(evidence)  # first: of what an evaluation has changed for good, a second one shows nothing
    problems: list[str] = []
    logits: dict[str, dict[str, Arrays]] = {}  # by precision and framework, one array a position of the batch
    comparisons: dict[str, Comparison] = {}
    for precision, rounding in PRECISIONS.items():
        replies = evaluated(evidence, precision)
        logits[precision] = {name: _by_position(evidence, reply.arrays["logits"]) for name, reply in replies.items()}
        for framework, reply in replies.items():
            what = f"{framework} {precision}"
            comparisons[f"loss, {what}"] = _recounted(reply, labels, rounding)
            problems += [f"{what}: {line}" for line in _miscounted(reply, labels)]
    predicted = {name: _by_position(evidence, array) for name, array in predictions(evidence, "float64").items()}
    first, second = logits["float64"].values()
    comparisons["between the frameworks"] = compare(first, second, FLOAT64_LIMIT)
    for framework, exact in logits["float64"].items():
        comparisons[f"{framework}, against its predictions"] = compare(predicted[framework], exact, FLOAT64_LIMIT)
    limits = _float32_limits(evidence, logits["float64"])
    rounded = {name: compare(predicted[name], found, limits) for name, found in logits["float32"].items()}
    for what, comparison in (comparisons | {f"{name}, float32": each for name, each in rounded.items()}).items():
        problems += [f"{what}: {line}" for line in comparison.explain()]
    for framework, (changed, other) in left.by_framework.items():
        if changed:
            problems.append(f"{framework}: an evaluation changed {len(changed)} arrays, first {changed[:3]}")
        if other:
            what = f"{len(other)} arrays are others, first {other[:3]}"
            problems.append(f"{framework}: the step after an evaluation is another one than without it: {what}")
    every = [*comparisons.values(), *rounded.values()]
    compared = {
        "images": len(labels),
        "positions": len(first),
        "elements": sum(comparison.elements for comparison in every),
        "arrays untouched": left.untouched,
        "arrays trained on": left.trained_on,
    }
    return make_proof(evidence, 7, compared, problems, worst_of(every), by_framework(rounded))


def evaluated(
    evidence: Evidence, precision: str, batch: int | None = None, state: State | None = None
) -> dict[str, Reply]:
    """Each framework's evaluation of the proof's weights, or of others: as a training makes it."""
    states = dict.fromkeys(evidence.workers, state) if state else None
    start(evidence, recipe_for(evidence), states, precision=precision)
    return evidence.workers.map(lambda worker: _evaluate(evidence, worker, batch))


def predictions(evidence: Evidence, precision: str, state: State | None = None, **changed: np.ndarray) -> Arrays:
    """Each framework's logits of the same images by `predict`, preprocessed in numpy; `changed` data instead."""
    arrays = prepared(training_part(evidence), recipe_for(evidence))
    data = {"images": arrays["test_images"]} | ({"mean": arrays["test_mean"]} if "test_mean" in arrays else {})
    replies = evidence.workers.each(
        "predict",
        network=evidence.network.name,
        dtype=precision,
        arrays=pack(state=state or evidence.state("float32"), data=data | changed),
        on_progress=lambda news: None,
    )
    return {name: reply.arrays["logits"] for name, reply in replies.items()}


def _evaluate(evidence: Evidence, worker: Worker, batch: int | None = None) -> Reply:
    batch = batch or evidence.evaluation_batch
    return worker.call("evaluate", network=evidence.network.name, batch=batch, on_progress=lambda news: None)


def _by_position(evidence: Evidence, logits: np.ndarray) -> Arrays:
    """The logits by their image's position in its batch, and those of the last batch: faults have places there."""
    batch = evidence.evaluation_batch
    places = {f"position {place + 1} of {batch}": logits[place::batch] for place in range(min(batch, len(logits)))}
    return places | {"last batch": logits[(len(logits) - 1) // batch * batch :]}


def _recounted(reply: Reply, labels: np.ndarray, rounding: float) -> Comparison:
    """The mean loss against numpy's of the same logits.

    A loss is a difference of logits, so it is as uncertain as the largest of them; a sum of n losses rounds n times.
    """
    logits = reply.arrays["logits"]
    losses = cross_entropies(logits, labels[: len(logits)])
    scale = float(max(np.abs(logits).max(), np.abs(losses).max()))
    limit = (len(labels) + logits.shape[1] + 4) * rounding
    found = {"loss": np.array(reply.result["loss"])}
    return compare({"loss": np.array(losses.mean())}, found, limit, scales={"loss": scale})


def _miscounted(reply: Reply, labels: np.ndarray) -> list[str]:
    """How many images it says that it saw, and how many of them right, against numpy."""
    logits, result = reply.arrays["logits"], reply.result
    if (len(logits), result["images"]) != (len(labels), len(labels)):
        return [f"expected {len(labels)} images, found logits of {len(logits)} and a count of {result['images']}"]
    hits = int((logits.argmax(axis=1) == labels).sum())
    if result["accuracy"] == hits / len(labels):
        return []
    return [f"expected {hits} of {len(labels)} right, found {result['accuracy'] * len(labels):g}"]


def _float32_limits(evidence: Evidence, exact: Mapping[str, Arrays]) -> dict[str, float]:
    """As at level 3: by how much float64 logits move with weights that float32 rounding has moved."""
    draw = np.random.default_rng(evidence.seed)
    moved = evaluated(evidence, "float64", state=perturb(evidence.state("float64"), draw))
    each = [derive_limits(exact[name], [_by_position(evidence, moved[name].arrays["logits"])]) for name in exact]
    # every position of a batch has the same noise: the largest speaks for those of which there are few images
    largest = float(np.max([limit for limits in each for limit in limits.values()]))
    return dict.fromkeys(next(iter(exact.values())), largest)


@dataclass
class SideEffects:
    """What an evaluation in the middle of a training changed, by framework: nothing, where all is well."""

    by_framework: dict[str, tuple[list[str], list[str]]] = field(default_factory=dict)  # by itself, by the next step
    untouched: int = 0  # arrays that were looked at
    trained_on: int = 0


def side_effects(evidence: Evidence, *, fresh: bool = False) -> SideEffects:
    """Two steps with an evaluation between them, and the same without; `fresh`: in trainings that are built anew.

    The weights, statistics and the optimizer's memory are bit for bit what they were before the evaluation. What the
    step after it comes to is what it comes to without: bit for bit on a CPU, in float32, as it is trained; on other
    devices, where sums have no fixed order, in float64.
    """
    recipe, found = recipe_for(evidence), SideEffects()
    exact = all(evidence.workers[name].device == "cpu" for name in evidence.workers)
    precision = "float32" if exact else "float64"

    def run(interrupted: bool) -> dict[str, _Ends]:
        if fresh:
            evidence.workers.each("forget_training", network=evidence.network.name)
        plan = start(evidence, recipe, precision=precision)
        ends: dict[str, _Ends] = {}

        def job(worker: Worker) -> Reply:
            train_row(evidence, worker, plan, 0)
            before = _digests(evidence, worker) if interrupted else {}
            if interrupted:
                _evaluate(evidence, worker)
            after = _digests(evidence, worker) if interrupted else {}
            train_row(evidence, worker, plan, 1)
            end = _digests(evidence, worker) if exact else _exported(evidence, worker)
            ends[worker.framework] = _Ends(before, after, end)
            return Reply()

        evidence.workers.map(job)
        return {name: ends[name] for name in evidence.workers}

    alone = run(interrupted=False)
    for framework, ends in run(interrupted=True).items():
        changed = [name for name in ends.before if ends.before[name] != ends.after.get(name)]
        expected = alone[framework].end
        if exact:
            other = [name for name in expected if expected[name] != ends.end.get(name)]
        else:
            other = [gap.name for gap in compare(expected, ends.end, UPDATE_LIMIT).gaps if not gap.passed]
        found.by_framework[framework] = changed, other
        found.untouched += len(ends.before)
        found.trained_on += len(expected)
    return found


@dataclass(frozen=True)
class _Ends:
    """Digests before and after an evaluation, and after the step that follows; there arrays, where bits may differ."""

    before: dict[str, str]
    after: dict[str, str]
    end: dict[str, Any]


def _digests(evidence: Evidence, worker: Worker) -> dict[str, str]:
    found: dict[str, str] = worker.call("digest_training", network=evidence.network.name).result["digests"]
    return found


def _exported(evidence: Evidence, worker: Worker) -> Arrays:
    arrays = worker.call("export_training", network=evidence.network.name, optimizer=True).arrays
    return unpack(arrays, "state") | unpack(arrays, "optimizer")
