"""From a level that failed to its causes: which framework, at which stage, and which trap.

Single steps: every layer is run alone in both frameworks on the activations that really reach it, so that faults do not
hide one another. A layer that is not what numpy makes of its spec is held against every trap that it can fall into
(`parity.hypotheses`); the one that gives its output to the last bits is the cause.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity import hypotheses, reference
from parity.compare import FLOAT64_LIMIT, compare
from parity.evidence import Evidence
from parity.hypotheses import Hypothesis
from parity.model_cache import LARGE
from parity.optimizer_proofs import STEPS, UPDATE_LIMIT, boundary_rates
from parity.places import IMAGES, LOSS, OPTIMIZER, Scene
from parity.plan import EpochPlan
from parity.protocol import Arrays, pack, unpack
from parity.recipes import Recipe
from parity.results import Diagnosis
from parity.training import prepared, reference_batch
from parity.training_proofs import layer_scales, probe_inputs_of_batch_norms, recipe_for, start
from parity.update_rules import Rule, Step, alternatives, distance
from parity.workers import FRAMEWORKS, Worker

IMAGES_ALONE = 2  # on which layers are run alone
REDUCED = {"TF32": 11, "bfloat16": 8}  # significant bits
CLOSES = 8.0  # a hypothesis on float32 rounding must bring the error down by this factor
SAMPLE = 2**12  # numbers of an array that speak for it: an update rule is one formula for every number
SIMULATED = STEPS // 2 + 2  # optimizer steps, two of them after the change of the rate
TINY_GRADIENT = 1e-9  # of its layer's largest: zero but for rounding, which Adam blows up


@dataclass(frozen=True)
class _Suspect:
    """One array that is not what it should be."""

    framework: str
    stage: str
    kind: str
    before: float  # the gap from what the network says


def diagnose(evidence: Evidence, level: int, recipe: Recipe | None = None) -> list[Diagnosis]:
    """The causes of a level's failure, each with its stage; a cause without a trap is one that fits none.

    Empty where the layers alone, the images, the loss and the update rule are all as they should be, and where the
    twins' layers do not correspond. Raises WorkerError.
    """
    if not _correspond(evidence):
        return []
    for search in _searches(recipe)[level]:
        if found := search(evidence):
            return found
    return []


def diagnose_all(evidence: Evidence) -> list[Diagnosis]:
    """What the searches of all levels find, whether the levels failed or not. Raises WorkerError."""
    if not _correspond(evidence):
        return []
    searches = dict.fromkeys(search for each in _searches(None).values() for search in each)  # each of them once
    return [cause for search in searches for cause in search(evidence)]


def _searches(recipe: Recipe | None) -> dict[int, tuple[Callable[[Evidence], list[Diagnosis]], ...]]:
    """By level, in the order in which they are tried."""
    return {
        1: (layers_alone,),
        2: (layers_alone, fed_images),
        3: (reduced_precision,),
        4: (layers_alone, running_statistics, dropout_masks, training_images),
        5: (layers_alone, loss_value),
        6: (layers_alone, lambda each: update_rule(each, recipe)),
    }


def _correspond(evidence: Evidence) -> bool:
    """Whether the twins have the same layers at all, which level 1 judges."""
    one, other = evidence.describe().values()
    return bool(one["entries"] == other["entries"] and one["layers"] == other["layers"])


def scene_of(evidence: Evidence) -> Scene:
    """What the places of the evidence's network depend on."""
    outputs = next(iter(evidence.stages("float64").values()))
    return Scene(
        layers=_layers(evidence),
        shapes={entry.name: entry.shape for entry in evidence.entries()},
        outputs={name: array.shape for name, array in outputs.items()},
        recipe=recipe_for(evidence),
    )


def layers_alone(evidence: Evidence) -> list[Diagnosis]:
    """Every layer of either framework that is not what its spec says, in inference, in float64."""
    state = evidence.state("float64")
    inputs, found = _probed(evidence, "float64")
    scene = scene_of(evidence)
    diagnoses = []
    for layer in _layers(evidence):
        name = layer["name"]
        if name not in inputs:
            continue
        x, own = inputs[name], _own(state, name)
        expected = reference.layer(layer, x, own)
        for framework, outputs in found.items():
            before = _gap(expected, outputs[name])
            if not before <= FLOAT64_LIMIT:
                maps = scene.flattened(name) if layer["kind"] == "dense" else None
                suspect = _Suspect(framework, name, layer["kind"], before)
                played = hypotheses.of_layer(layer, x, own, state, maps)
                diagnoses.append(_named(suspect, played, outputs[name]))
    return diagnoses


def fed_images(evidence: Evidence) -> list[Diagnosis]:
    """Whether the first layer was fed other images than the other framework's, or than it should have been."""
    layer, state = _layers(evidence)[0], evidence.state("float64")
    images = evidence.images().astype(np.float64)
    return _first_layer(layer, state, images, evidence.stages("float64"), hypotheses.of_images(images))


def reduced_precision(evidence: Evidence) -> list[Diagnosis]:
    """Every product of either framework that computes in less than float32."""
    state = evidence.state("float64")
    inputs, found = _probed(evidence, "float32")
    diagnoses = []
    for layer in _layers(evidence):
        name = layer["name"]
        if layer["kind"] not in ("conv", "dense"):
            continue
        x, own = inputs[name].astype(np.float64), _own(state, name)
        exact = reference.layer(layer, x, own)
        for framework, outputs in found.items():
            before = _gap(exact, outputs[name])
            for title, bits in REDUCED.items():
                cut = {kind: hypotheses.cut(array, bits) if kind == "kernel" else array for kind, array in own.items()}
                after = _gap(reference.layer(layer, hypotheses.cut(x, bits), cut), outputs[name])
                if after * CLOSES < before:
                    text = f"products of {title} numbers ({bits} significant bits)"
                    suspect = _Suspect(framework, name, layer["kind"], before)
                    diagnoses.append(_diagnosis(suspect, "tf32", text, after))
                    break
    return diagnoses


def running_statistics(evidence: Evidence) -> list[Diagnosis]:
    """Every batch norm whose running statistics training does not move as its spec says."""
    facts = evidence.network.batch_norm
    if facts is None:
        return []
    state, inputs = evidence.state("float64"), probe_inputs_of_batch_norms(evidence)
    replies = evidence.workers.each(
        "probe_batch_norms",
        network=evidence.network.name,
        dtype="float64",
        arrays=pack(state=state, input=inputs),
    )
    diagnoses = []
    for name, x in inputs.items():
        own = _own(state, name)
        _, *moved = reference.batch_norm_training(x, own, facts.epsilon, facts.momentum)
        for framework, reply in replies.items():
            found = [reply.arrays[f"{name}/{kind}"] for kind in ("mean", "variance")]
            before = max(map(_gap, moved, found))
            if not before <= FLOAT64_LIMIT:
                suspect = _Suspect(framework, name, "running statistics", before)
                played = (
                    (trap, text, np.concatenate([each["mean"], each["variance"]]))
                    for trap, text, each in hypotheses.of_running_statistics(own, x, facts.momentum)
                )
                diagnoses.append(_named(suspect, played, np.concatenate(found)))
    return diagnoses


def dropout_masks(evidence: Evidence) -> list[Diagnosis]:
    """Every dropout whose kept activations are not scaled by 1 / (1 - rate); from the ratio of output and input."""
    layers = _layers(evidence)
    stages = _training_stages(evidence)
    diagnoses = []
    for place, layer in enumerate(layers):
        if layer["kind"] != "dropout":
            continue
        name, rate = layer["name"], layer["rate"]
        fed = [each["name"] for each in layers[:place] if each["kind"] != "flatten"][-1]
        for framework, found in stages.items():
            x, y = found[fed], found[name]
            kept = (np.abs(x) > 0) & (np.abs(y) > 0)
            if x.shape != y.shape or not kept.any():
                continue
            scale, share = float(np.median(y[kept] / x[kept])), kept.sum() / (np.abs(x) > 0).sum()
            suspect = _Suspect(framework, name, "dropout", abs(scale * (1 - rate) - 1))
            if suspect.before < 1e-6:
                continue
            if abs(scale * rate - 1) < 1e-6:
                text = f"rate {1 - rate:g} ({share:.0%} kept), where the network says {rate:g}: the share that is kept"
                diagnoses.append(_diagnosis(suspect, "dropout-mode", text, abs(scale * rate - 1)))
            elif abs(scale - 1) < 1e-6:
                text = "no scaling in training"
                diagnoses.append(_diagnosis(suspect, "dropout-mode", text, abs(scale - 1)))
    return diagnoses


def training_images(evidence: Evidence) -> list[Diagnosis]:
    """Whether the training's first batch is what the recipe makes of its images."""
    recipe, layer, state = recipe_for(evidence), _layers(evidence)[0], evidence.state("float64")
    stages = _training_stages(evidence)
    part, plan = _first_row(evidence)
    arrays = prepared(part, recipe)

    def images(**changed: np.ndarray) -> np.ndarray:
        return reference_batch(arrays | changed, plan, 0)[0].astype(np.float64)

    def played() -> Iterator[Hypothesis]:
        if "mean" in arrays:
            mean = arrays["mean"]
            channels = np.broadcast_to(mean.mean(axis=(0, 1)), mean.shape).astype(mean.dtype)
            text = "images less the mean of each channel, where the recipe says of each pixel"
            yield "preprocess", text, images(mean=channels)
            yield "preprocess", "images without their mean subtracted", images(mean=np.zeros_like(mean))
        yield from hypotheses.of_images(images())

    return _first_layer(layer, state, images(), stages, played())


def loss_value(evidence: Evidence) -> list[Diagnosis]:
    """Whether the loss is the cross entropy of the logits."""
    recipe = recipe_for(evidence)
    stages = _training_stages(evidence)
    plan = start(evidence, recipe)
    replies = evidence.workers.each("gradients", network=evidence.network.name, arrays=plan)
    part, first = _first_row(evidence)
    labels = part.train_labels[first.order[0]].astype(int)
    diagnoses = []
    for framework, reply in replies.items():
        logits, loss = stages[framework]["head/logits"], np.array(reply.result["loss"])
        before = _gap(np.array(hypotheses.cross_entropy(logits, labels)), loss)
        if not before <= FLOAT64_LIMIT:
            played = ((trap, text, np.array(value)) for trap, text, value in hypotheses.of_loss(logits, labels))
            diagnoses.append(_named(_Suspect(framework, LOSS, "loss", before), played, loss))
    return diagnoses


def update_rule(evidence: Evidence, recipe: Recipe | None = None) -> list[Diagnosis]:
    """Whether the optimizer's steps are the recipe's, and which other rule's they are where not."""
    if evidence.network.params > LARGE:
        return []  # two frameworks at work on it at a time do not fit into memory
    recipe = recipe or recipe_for(evidence)
    rates = boundary_rates(recipe.schedule)
    steps = _observed_steps(evidence, recipe, rates)
    kinds = {layer["name"]: layer["kind"] for layer in _layers(evidence)}
    rule = Rule(recipe.optimizer, recipe.l2, recipe.l2_scope)
    diagnoses = []
    for framework, observed in steps.items():
        used = rates[: len(observed)].tolist()
        before = distance(rule, observed, used, kinds)
        if before <= UPDATE_LIMIT:
            continue
        tried = [(distance(other, observed, used, kinds), trap, text) for trap, text, other in alternatives(rule)]
        after, trap, text = min(tried)
        suspect = _Suspect(framework, OPTIMIZER, recipe.optimizer.kind, before)
        if after <= UPDATE_LIMIT:
            alike = {other for distance_, other, _ in tried if distance_ <= 10 * after} - {trap}
            diagnoses.append(_diagnosis(suspect, trap, text, after, sorted(alike)))
        else:
            diagnoses.append(_diagnosis(suspect, "", "no known update rule", after))
    return diagnoses


def _observed_steps(evidence: Evidence, recipe: Recipe, rates: np.ndarray) -> dict[str, list[Step]]:
    """Steps across the change of the rate, each with the gradient at its weights; gradients of zero left out.

    Of large arrays a sample, drawn.
    """
    plan = start(evidence, recipe)
    plan["rate"] = rates
    name = evidence.network.name
    draw = np.random.default_rng(evidence.seed)
    sizes = {entry.name: math.prod(entry.shape) for entry in evidence.entries() if entry.trainable}
    chosen = {each: draw.integers(0, size, SAMPLE) for each, size in sizes.items() if size > SAMPLE}
    observed: dict[str, list[Step]] = {framework: [] for framework in evidence.workers}
    zero: set[str] = set()

    def sampled(arrays: Arrays) -> Arrays:
        return {each: arrays[each].ravel()[chosen.get(each, slice(None))] for each in sizes}

    def run(worker: Worker) -> Any:
        def weights() -> Arrays:
            return sampled(unpack(worker.call("export_training", network=name).arrays, "state"))

        before = weights()
        for index in range(SIMULATED):
            row = {key: array[index : index + 1] for key, array in plan.items()}
            gradients = worker.call("gradients", network=name, arrays=row).arrays
            if index == 0:
                scales = layer_scales(gradients)
                zero.update(e for e, g in gradients.items() if np.abs(g).max() <= TINY_GRADIENT * scales[e])
            reply = worker.call("train_steps", network=name, arrays=row, on_progress=lambda news: None)
            after = weights()
            observed[worker.framework].append(Step(before, sampled(gradients), after))
            before = after
        return reply

    evidence.workers.map(run)
    return {
        framework: [
            Step(step.before, {n: g for n, g in step.gradients.items() if n not in zero}, step.after) for step in steps
        ]
        for framework, steps in observed.items()
    }


def _layers(evidence: Evidence) -> list[dict[str, Any]]:
    return list(next(iter(evidence.describe().values()))["layers"])


def _own(state: Arrays, name: str) -> Arrays:
    """A layer's arrays by kind."""
    return {full.rpartition("/")[2]: array for full, array in state.items() if full.rpartition("/")[0] == name}


def _probed(evidence: Evidence, dtype: str) -> tuple[Arrays, dict[str, Arrays]]:
    """What reaches every layer that numpy knows, and what each framework's layer alone makes of it."""
    images = evidence.images()[:IMAGES_ALONE]
    state = evidence.state(dtype)
    arrays = pack(state=state, images={"nhwc": images})
    replies = evidence.workers.each("layer_inputs", network=evidence.network.name, dtype=dtype, arrays=arrays)
    known = {layer["name"] for layer in _layers(evidence) if layer["kind"] in reference.KINDS}
    given = [reply.arrays for reply in replies.values()]
    inputs = {}
    for name in given[0]:
        if name in known:
            choices = [each[name] for each in given if name in each]
            finite = [each for each in choices if np.isfinite(each).all()]
            inputs[name] = finite[0] if finite else np.nan_to_num(choices[0], posinf=1.0, neginf=-1.0)
    outputs = evidence.workers.each(
        "probe_layers", network=evidence.network.name, dtype=dtype, arrays=pack(state=state, input=inputs)
    )
    return inputs, {framework: reply.arrays for framework, reply in outputs.items()}


def _first_row(evidence: Evidence) -> tuple[Any, EpochPlan]:
    """The images of the proofs' training, and its plan's first row."""
    plan = start(evidence, recipe_for(evidence))
    part = evidence.part(plan["order"].size)
    return part, EpochPlan(*(plan[name][:1] for name in ("order", "dy", "dx", "flip", "dropout")))


def _training_stages(evidence: Evidence) -> dict[str, Arrays]:
    """Every stage of the first row of a plan in training mode, of each framework."""
    plan = start(evidence, recipe_for(evidence))
    row = {name: array[:1] for name, array in plan.items()}
    replies = evidence.workers.each("training_stages", network=evidence.network.name, arrays=row)
    return {framework: unpack(reply.arrays, "stages") for framework, reply in replies.items()}


def _first_layer(
    layer: Mapping[str, Any],
    state: Arrays,
    images: np.ndarray,
    stages: Mapping[str, Arrays],
    played: Iterable[Hypothesis],
) -> list[Diagnosis]:
    """Other images than expected, seen through the first layer."""
    own = _own(state, layer["name"])
    expected = reference.layer(layer, images, own)
    seen = [(trap, text, reference.layer(layer, fed, own)) for trap, text, fed in played]
    diagnoses = []
    for framework, found in stages.items():
        before = _gap(expected, found[layer["name"]])
        if not before <= FLOAT64_LIMIT:
            suspect = _Suspect(framework, IMAGES, "images", before)
            diagnoses.append(_named(suspect, seen, found[layer["name"]]))
    return diagnoses


def _named(suspect: _Suspect, played: Iterable[Hypothesis], found: np.ndarray) -> Diagnosis:
    """The hypothesis that gives what was found, with those that cannot be told from it; else a cause without a name."""
    tried = sorted((_gap(made, found), trap, text) for trap, text, made in played)
    if tried and tried[0][0] <= FLOAT64_LIMIT:
        after, trap, text = tried[0]
        alike = {other for gap, other, _ in tried if gap <= FLOAT64_LIMIT} - {trap}
        return _diagnosis(suspect, trap, text, after, sorted(alike))
    if not np.isfinite(found).all():
        return _diagnosis(suspect, "nan", f"{np.sum(~np.isfinite(found))} numbers that are not finite", 0.0)
    return _diagnosis(suspect, "", "no known trap", tried[0][0] if tried else suspect.before)


def _diagnosis(suspect: _Suspect, trap: str, text: str, after: float, alike: Iterable[str] = ()) -> Diagnosis:
    title = FRAMEWORKS[suspect.framework].title
    line = f"{suspect.stage} ({suspect.kind}): {title} computed {text}"
    if trap:
        line += f"; taken so, the gap falls from {suspect.before:.1e} to {after:.1e}"
    return Diagnosis(
        framework=suspect.framework,
        stage=suspect.stage,
        trap=trap,
        alike=list(alike),
        text=line,
        before=suspect.before,
        after=after,
    )


def _gap(expected: np.ndarray, found: np.ndarray) -> float:
    """Largest distance relative to the expected scale; not finite numbers must stand at the same places."""
    if expected.shape != found.shape:
        return math.inf
    odd = ~np.isfinite(expected)
    if not np.array_equal(odd, ~np.isfinite(found)):
        return math.inf
    comparison = compare({"": np.where(odd, 0.0, expected)}, {"": np.where(odd, 0.0, found)}, FLOAT64_LIMIT)
    return comparison.gaps[0].gap if comparison.gaps else math.inf
