"""Why a user's two models differ: every matched layer alone on the same activations, and what closes its gap.

Both layers are fed what reaches the TensorFlow one. Where their outputs differ, each number in which they differ is put
right in numpy, one at a time and then together: what brings the Paddle layer's output to TensorFlow's is the cause.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from parity.kinds import compute
from parity.kinds.activation import Softmax
from parity.kinds.kind import shown
from parity.migration.pair import FIRST, SECOND, Pair, arrays_by_stage
from parity.numerics.arrays import Arrays
from parity.numerics.comparison import FLOAT64_LIMIT, distance
from parity.records.records import Diagnosis
from parity.runtime.graph import Step, few
from parity.workers.frameworks import FRAMEWORKS

AT_ONCE = 2**28  # bytes of activations that are sent to the workers at a time


def diagnose_pair(pair: Pair, inputs: np.ndarray) -> list[Diagnosis]:
    """The causes of a pair's difference in inference, in the order of the first model's layers. Raises WorkerError.

    Among them differences that these inputs do not show, such as a ReLU6 that no activation was large enough for.
    """
    gaps = {gap.name: gap for gap in pair.gaps.gaps}
    # single layers settle a cause to the last bits, which float32 does not have
    suspects = [name for name, gap in gaps.items() if not gap.passed and pair.dtype == "float64"]
    causes = list(_lone(pair))
    for names in _portions(pair, suspects, len(inputs)):
        fed = inputs_of(pair, names, inputs)
        able = {name: arrays for name, arrays in arrays_by_stage(names, fed).items() if _feedable(pair, name, arrays)}
        if not able:
            continue
        arrays = {f"{name}/{place}": x for name, xs in able.items() for place, x in enumerate(xs)}
        alone = layers_alone(pair, arrays)
        for name, xs in able.items():
            before = distance(alone[FIRST][name], alone[SECOND][name])
            if not before <= FLOAT64_LIMIT:
                causes += _causes(pair, name, xs, alone[FIRST][name], alone[SECOND][name], before)
    causes += _latent(pair, {cause.stage for cause in causes})
    order = {step.name: place for place, step in enumerate(pair.graphs[FIRST].steps)}
    return sorted(causes, key=lambda cause: order.get(cause.stage, len(order)))


def inputs_of(pair: Pair, names: Sequence[str], inputs: np.ndarray) -> Arrays:
    """What reaches these matched layers in the first model, for each of its inputs: `name/0`, and so on."""
    return pair.one(FIRST, lambda worker: worker.model_inputs(pair.name, {"inputs": inputs}, names))


def layers_alone(pair: Pair, arrays: Arrays) -> dict[str, Arrays]:
    """What each model's matched layers alone make of `name/0` and so on, by framework and name."""
    return pair.each(lambda worker: worker.model_layers(pair.name, arrays))


def training_differences(pair: Pair) -> list[str]:
    """What differs in training only, one line each: dropout and the momentum of batch norms."""
    lines: dict[str, list[str]] = {}
    for match in pair.matching.matches:
        one, other = pair.graphs[FIRST].steps[match.first], pair.graphs[SECOND].steps[match.second]
        for number in one.what.training_only if one.kind == other.kind else ():
            a, b = one.numbers.get(number), other.numbers.get(number)
            if a != b:
                text = f"{one.what.label(number)}: TensorFlow has {a:.6g}, Paddle {b:.6g}"
                lines.setdefault(text, []).append(one.name)
    for framework, lone in ((FIRST, pair.matching.only_first), (SECOND, pair.matching.only_second)):
        for place in lone:
            step = pair.graphs[framework].steps[place]
            if step.kind == "dropout" and step.numbers["rate"]:
                text = f"dropout {step.numbers['rate']:g} in {FRAMEWORKS[framework].title} only"
                lines.setdefault(text, []).append(step.name)
    return [f"{text} ({few(names)})" for text, names in lines.items()]


def _causes(
    pair: Pair, name: str, xs: Sequence[np.ndarray], wanted: np.ndarray, found: np.ndarray, before: float
) -> list[Diagnosis]:
    """What makes this one layer differ; one cause for each number, where together they close the gap."""
    one, other = pair.steps(name)
    where = f"{name} / {other.name}"
    own = pair.arrays(name)
    # a convolution of single cells was adopted as the fully connected layer that it is
    kinds = [step.kind if "kernel" not in own or own["kernel"].ndim > 2 else "dense" for step in (one, other)]
    if "other" in kinds:
        what = ", ".join(f"{s.name!r} is a {s.numbers.get('type')}" for s in (one, other) if s.kind == "other")
        text = f"{where}: {what}, which the suite cannot look into"
        if _keeps_weights(pair, FIRST, one) or _keeps_weights(pair, SECOND, other):
            before = float("inf")  # what they make of other weights proves nothing
        else:
            text += f"; alone on the same input the two differ by {before:.1e}"
        return [Diagnosis(SECOND, name, "", text, before, before)]

    def computed(kind: str, numbers: Mapping[str, Any]) -> np.ndarray:
        return compute(kind, {} if kind == "dense" else numbers, xs, own)

    changes = [("kind", one.kind, other.kind)] if kinds[0] != kinds[1] else _changes(one, other)
    after = distance(computed(kinds[0], one.numbers), wanted)
    mine = distance(computed(kinds[1], other.numbers), found)
    if not changes or max(after, mine) > FLOAT64_LIMIT:
        text = (
            f"{where} ({one.kind}): alone on the same input the two differ by {before:.1e}, and no number in which "
            f"they differ explains it (numpy is {after:.1e} from TensorFlow's and {mine:.1e} from Paddle's)"
        )
        return [Diagnosis(SECOND, name, "", text, before, min(after, before))]
    causes = []
    for key, a, b in changes:
        if key in ("kind", "function"):
            effect = before
        else:  # what this number alone makes
            effect = distance(computed(kinds[1], dict(other.numbers) | {key: a}), found)
        if effect <= FLOAT64_LIMIT:
            continue
        change = _difference(one, key, a, b)
        text = f"{where}: {change}; with {shown(a)} the gap falls from {before:.1e} to {after:.1e}"
        if len(changes) > 1 and effect < before:
            text += " (together with the layer's other differences)"
        causes.append(Diagnosis(SECOND, name, one.what.traps.get(key, ""), text, before, after, change=change))
    return causes


def _keeps_weights(pair: Pair, framework: str, step: Step) -> bool:
    """Whether arrays that were not transferred belong to the step."""
    return any(name.startswith((f"{step.name}/", f"{step.name}.")) for name in pair.graphs[framework].opaque)


def _changes(one: Step, other: Step) -> list[tuple[str, Any, Any]]:
    """(number, the first step's, the second's) for everything in which two steps of one kind differ in inference."""
    if one.kind != other.kind:
        return []  # a convolution of single cells and a fully connected layer: nothing to compare
    mine, theirs = one.what, other.what
    if mine.key != theirs.key:
        return [("function", mine.key, theirs.key)]
    names = [each.name for each in dataclasses.fields(mine) if each.name not in mine.training_only]
    both = [(name, getattr(mine, name), getattr(theirs, name)) for name in names]
    return [(name, a, b) for name, a, b in both if a != b]


def _latent(pair: Pair, seen: set[str]) -> list[Diagnosis]:
    """Differences of matched layers that these inputs did not show."""
    causes = []
    gaps = {gap.name: gap for gap in pair.gaps.gaps}
    for match in pair.matching.matches:
        one, other = pair.graphs[FIRST].steps[match.first], pair.graphs[SECOND].steps[match.second]
        if one.name not in seen and one.kind != "other":
            for key, a, b in _changes(one, other):
                gap = gaps.get(one.name)
                why = "these inputs do not show it" if gap and gap.passed else "not run alone on one input"
                trap, change = one.what.traps.get(key, ""), _difference(one, key, a, b)
                text = f"{one.name} / {other.name}: {change}; {why}"
                causes.append(Diagnosis(SECOND, one.name, trap, text, 0.0, 0.0, change=change))
    return causes


def _difference(one: Step, key: str, a: Any, b: Any) -> str:
    return f"{one.what.label(key)}: TensorFlow has {shown(a)}, Paddle {shown(b)}"


def _lone(pair: Pair) -> list[Diagnosis]:
    """Layers of one model only that do something: those with arrays, and functions that change what they get."""
    end, _ = pair.ends()
    causes = []
    for framework, lone in ((FIRST, pair.matching.only_first), (SECOND, pair.matching.only_second)):
        graph = pair.graphs[framework]
        title = FRAMEWORKS[framework].title
        for place in lone:
            step = graph.steps[place]
            if step.what.silent or (end and _after_end(pair, framework, place)):
                continue
            if not step.shapes and pair.gaps.passed:
                continue  # it changes nothing that is seen, such as a padding that a pool would have done
            change = f"({step}) exists in {title} only"
            text, endless = f"{step.name} {change}", float("inf")
            causes.append(
                Diagnosis(framework, step.name, step.what.missing_trap, text, endless, endless, change=change)
            )
    return causes


def _after_end(pair: Pair, framework: str, place: int) -> bool:
    """Whether a step only finishes the output: a softmax that one model ends in."""
    step = pair.graphs[framework].steps[place]
    return place == pair.graphs[framework].output and isinstance(step.what, Softmax)


def _feedable(pair: Pair, name: str, xs: Sequence[np.ndarray]) -> bool:
    """Whether both layers can be fed the same: as many inputs, each of the shape that the Paddle one had."""
    one, other = pair.steps(name)
    if len(one.inputs) != len(other.inputs) or len(xs) != len(one.inputs):
        return False
    graph = pair.graphs[SECOND]
    shapes = [
        graph.steps[source].output if source >= 0 else tuple(pair.wanted[SECOND].input) for source in other.inputs
    ]
    return all(x.shape[1:] == shape for x, shape in zip(xs, shapes, strict=True))


def _portions(pair: Pair, names: Sequence[str], count: int) -> list[list[str]]:
    """The names in groups whose activations fit into one message."""
    sizes = {name: 8 * count * int(np.prod(pair.steps(name)[0].output)) for name in names}
    found: list[list[str]] = []
    total = 0
    for name in names:
        if not found or total + sizes[name] > AT_ONCE:
            found.append([])
            total = 0
        found[-1].append(name)
        total += sizes[name]
    return found
