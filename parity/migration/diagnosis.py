"""Why a user's two models differ: every matched layer alone on the same activations, and what closes its gap.

Both layers get the inputs of the TensorFlow layer. Where their outputs differ, numpy computes the Paddle layer with
each differing number replaced by TensorFlow's, one at a time and then together. The numbers that close the gap are the
cause.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from parity.kinds import compute
from parity.kinds.activation import Softmax
from parity.kinds.graph import Step
from parity.kinds.kind import shown
from parity.migration.pair import ModelPair, arrays_by_stage
from parity.migration.specs import FIRST, SECOND
from parity.numerics.arrays import Arrays
from parity.numerics.comparison import FLOAT64_LIMIT, relative_gap
from parity.records.records import Diagnosis
from parity.workers.frameworks import FRAMEWORKS

ACTIVATION_BYTES = 2**28  # bytes of activations that are sent to the workers at a time


def diagnose_pair(pair: ModelPair, inputs: np.ndarray) -> list[Diagnosis]:
    """Find the causes of a pair's differences in inference.

    Args:
        pair: after its forward proof, whose comparison says which layers differ.
        inputs: [n, *input].

    Returns:
        In the order of the TensorFlow model's layers. Among them are differences that these inputs do not show, such as
        a ReLU6 whose inputs never reach 6.

    Raises:
        TargetError: a layer does not run.
        WorkerError: a worker fails.
    """
    gaps = {gap.name: gap for gap in pair.comparison.gaps}
    # a cause is confirmed to float64 precision, which models in float32 do not have
    candidates = [name for name, gap in gaps.items() if not gap.passed and pair.dtype == "float64"]
    causes = list(_unmatched_causes(pair))
    for names in _message_groups(pair, candidates, len(inputs)):
        layer_inputs = inputs_of(pair, names, inputs)
        feedable = {
            name: arrays
            for name, arrays in arrays_by_stage(names, layer_inputs).items()
            if _feedable(pair, name, arrays)
        }
        if not feedable:
            continue
        arrays = {
            f"{name}/{index}": array for name, own_inputs in feedable.items() for index, array in enumerate(own_inputs)
        }
        alone = layers_alone(pair, arrays)
        for name, own_inputs in feedable.items():
            before = relative_gap(alone[FIRST][name], alone[SECOND][name])
            if not before <= FLOAT64_LIMIT:
                causes += _causes(pair, name, own_inputs, alone[FIRST][name], alone[SECOND][name], before)
    causes += _hidden_differences(pair, {cause.stage for cause in causes})
    order = {step.name: index for index, step in enumerate(pair.graphs[FIRST].steps)}
    return sorted(causes, key=lambda cause: order.get(cause.stage, len(order)))


def inputs_of(pair: ModelPair, names: Sequence[str], inputs: np.ndarray) -> Arrays:
    """The inputs of some matched layers in the TensorFlow model.

    Args:
        pair: loaded and matched, with a state.
        names: shared names of the layers.
        inputs: [n, *input] of the model.

    Returns:
        float64 arrays, channels last, as `name/0` for a layer's first input, `name/1` for the next, and so on.
    """
    return pair.run_on(FIRST, lambda worker: worker.model_inputs(pair.name, {"inputs": inputs}, names))


def layers_alone(pair: ModelPair, arrays: Arrays) -> dict[str, Arrays]:
    """Run matched layers alone in both models.

    Args:
        pair: loaded and matched, with a state.
        arrays: the inputs of each layer, as `inputs_of` gives them.

    Returns:
        By framework, each layer's output by its shared name.
    """
    return pair.run_on_both(lambda worker: worker.model_layers(pair.name, arrays))


def _causes(
    pair: ModelPair,
    name: str,
    layer_inputs: Sequence[np.ndarray],
    expected: np.ndarray,
    actual: np.ndarray,
    before: float,
) -> list[Diagnosis]:
    """Why one layer differs; one cause for each number, where together they close the gap."""
    first_step, second_step = pair.steps(name)
    where = f"{name} / {second_step.name}"
    arrays = pair.arrays(name)
    # a 1x1 convolution of 1x1 maps is compared as a fully connected layer
    kinds = [
        "dense" if step.kind == "conv" and arrays["kernel"].ndim == 2 else step.kind
        for step in (first_step, second_step)
    ]
    if "other" in kinds:
        what = ", ".join(
            f"{s.name!r} is a {s.numbers.get('type')}" for s in (first_step, second_step) if s.kind == "other"
        )
        text = f"{where}: {what}, which the suite cannot look into"
        if _keeps_weights(pair, FIRST, first_step) or _keeps_weights(pair, SECOND, second_step):
            before = float("inf")  # outputs of different weights prove nothing
        else:
            text += f"; alone on the same input the two differ by {before:.1e}"
        return [Diagnosis(SECOND, name, "", text, before, before)]

    def computed(kind: str, numbers: Mapping[str, Any]) -> np.ndarray:
        return compute(kind, {} if kind == "dense" else numbers, layer_inputs, arrays)

    changes = (
        [("kind", first_step.kind, second_step.kind)] if kinds[0] != kinds[1] else _changes(first_step, second_step)
    )
    after = relative_gap(computed(kinds[0], first_step.numbers), expected)
    paddle_gap = relative_gap(computed(kinds[1], second_step.numbers), actual)
    if not changes or max(after, paddle_gap) > FLOAT64_LIMIT:
        text = (
            f"{where} ({first_step.kind}): alone on the same input the two differ by {before:.1e}, and no number in "
            f"which they differ explains it (numpy is {after:.1e} from TensorFlow's and {paddle_gap:.1e} from Paddle's)"
        )
        return [Diagnosis(SECOND, name, "", text, before, min(after, before))]
    causes = []
    for key, a, b in changes:
        if key in ("kind", "function"):
            effect = before
        else:  # of this number alone
            effect = relative_gap(computed(kinds[1], dict(second_step.numbers) | {key: a}), actual)
        if effect <= FLOAT64_LIMIT:
            continue
        change = _difference(first_step, key, a, b)
        text = f"{where}: {change}; with {shown(a)} the gap falls from {before:.1e} to {after:.1e}"
        if len(changes) > 1 and effect < before:
            text += " (together with the layer's other differences)"
        causes.append(Diagnosis(SECOND, name, first_step.what.traps.get(key, ""), text, before, after, change=change))
    return causes


def _keeps_weights(pair: ModelPair, framework: str, step: Step) -> bool:
    """Whether arrays that were not transferred belong to the step."""
    return any(name.startswith((f"{step.name}/", f"{step.name}.")) for name in pair.graphs[framework].opaque)


def _changes(first_step: Step, second_step: Step) -> list[tuple[str, Any, Any]]:
    """(number, the first step's, the second's) for everything in which two steps of one kind differ in inference."""
    if first_step.kind != second_step.kind:
        return []  # a 1x1 convolution and a fully connected layer: no numbers to compare
    first_kind, second_kind = first_step.what, second_step.what
    if first_kind.key != second_kind.key:
        return [("function", first_kind.key, second_kind.key)]
    names = [
        dataclass_field.name
        for dataclass_field in dataclasses.fields(first_kind)
        if dataclass_field.name not in first_kind.training_only
    ]
    both = [(name, getattr(first_kind, name), getattr(second_kind, name)) for name in names]
    return [(name, a, b) for name, a, b in both if a != b]


def _hidden_differences(pair: ModelPair, explained: set[str]) -> list[Diagnosis]:
    """Differences of matched layers that these inputs did not show."""
    causes = []
    gaps = {gap.name: gap for gap in pair.comparison.gaps}
    for _, first_step, second_step in pair.matched():
        if first_step.name not in explained and first_step.kind != "other":
            for key, a, b in _changes(first_step, second_step):
                gap = gaps.get(first_step.name)
                why = "these inputs do not show it" if gap and gap.passed else "not run alone on one input"
                trap, change = first_step.what.traps.get(key, ""), _difference(first_step, key, a, b)
                text = f"{first_step.name} / {second_step.name}: {change}; {why}"
                causes.append(Diagnosis(SECOND, first_step.name, trap, text, 0.0, 0.0, change=change))
    return causes


def _difference(one: Step, key: str, a: Any, b: Any) -> str:
    return f"{one.what.label(key)}: TensorFlow has {shown(a)}, Paddle {shown(b)}"


def _unmatched_causes(pair: ModelPair) -> list[Diagnosis]:
    """Layers that only one model has: those with arrays, and functions that change their input."""
    end, _ = pair.ends()
    causes = []
    for framework, unmatched in pair.unmatched().items():
        title = FRAMEWORKS[framework].title
        for index, step in unmatched.items():
            ends_model = index == pair.graphs[framework].output and isinstance(step.what, Softmax)
            if step.what.identity_in_inference or (end and ends_model):
                continue
            if not step.shapes and pair.comparison.passed:
                continue  # it changes no output, such as a padding that the other model's pool does itself
            change = f"({step}) exists in {title} only"
            text, unbounded = f"{step.name} {change}", float("inf")
            causes.append(
                Diagnosis(framework, step.name, step.what.missing_trap, text, unbounded, unbounded, change=change)
            )
    return causes


def _feedable(pair: ModelPair, name: str, layer_inputs: Sequence[np.ndarray]) -> bool:
    """Whether both layers can take the same inputs: as many, each of the shape that the Paddle layer had."""
    first_step, second_step = pair.steps(name)
    if len(first_step.inputs) != len(second_step.inputs) or len(layer_inputs) != len(first_step.inputs):
        return False
    graph = pair.graphs[SECOND]
    shapes = [
        graph.steps[source].output if source >= 0 else tuple(pair.specs[SECOND].input.shape)
        for source in second_step.inputs
    ]
    return all(array.shape[1:] == shape for array, shape in zip(layer_inputs, shapes, strict=True))


def _message_groups(pair: ModelPair, names: Sequence[str], count: int) -> list[list[str]]:
    """The names in groups whose activations fit into one message."""
    sizes = {name: 8 * count * int(np.prod(pair.steps(name)[0].output)) for name in names}
    groups: list[list[str]] = []
    total = 0
    for name in names:
        if not groups or total + sizes[name] > ACTIVATION_BYTES:
            groups.append([])
            total = 0
        groups[-1].append(name)
        total += sizes[name]
    return groups
