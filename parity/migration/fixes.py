"""From the differences of two models to code that makes the Paddle one compute what the TensorFlow one does.

The code that is printed is the code that `--apply-fixes` runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from parity.migration.pair import FIRST, SECOND, Pair
from parity.records.records import Diagnosis
from parity.runtime.graph import Step

HELPER = """
    def replace(name, layer):  # put another layer in the place of the one with this path
        parent, _, last = name.rpartition(".")
        setattr(layers[parent] if parent else model, last, layer)
"""

ACTIVATIONS: dict[str, Callable[[dict[str, Any]], str]] = {
    "relu": lambda _: "nn.ReLU()",
    "relu6": lambda _: "nn.ReLU6()",
    "leaky_relu": lambda numbers: f"nn.LeakyReLU({numbers['slope']:.6g})",
    "elu": lambda numbers: f"nn.ELU({numbers['alpha']:.6g})",
    "gelu": lambda numbers: f"nn.GELU(approximate={numbers['approximate']})",
    "sigmoid": lambda _: "nn.Sigmoid()",
    "tanh": lambda _: "nn.Tanh()",
    "silu": lambda _: "nn.Silu()",
    "hard_swish": lambda _: "nn.Hardswish()",
    "softmax": lambda _: "nn.Softmax()",
    "softplus": lambda numbers: f"nn.Softplus({numbers['beta']:g}, threshold={numbers['threshold'] or 40:g})",
    "selu": lambda _: "nn.SELU()",
    "mish": lambda _: "nn.Mish()",
    "softsign": lambda _: "nn.Softsign()",
    "celu": lambda numbers: f"nn.CELU({numbers['alpha']:.6g})",
    "hard_tanh": lambda numbers: f"nn.Hardtanh({numbers['smallest']:g}, {numbers['largest']:g})",
    "log_sigmoid": lambda _: "nn.LogSigmoid()",
    "linear": lambda _: "nn.Identity()",
}


def fix_code(pair: Pair, causes: Sequence[Diagnosis]) -> tuple[str, list[str]]:
    """Python source of `fix(model)` for the Paddle model, and a line for every cause that it cannot mend.

    The source is empty where there is nothing that it can mend. Differences of training are put right with the others.
    """
    changes: dict[str, list[str]] = {}  # by statement with a place for the name: the layers that it is for
    left = []
    replaced = False
    for cause in causes:
        if cause.trap == "dropout-mode" and cause.framework == SECOND:
            changes.setdefault("layers[name].mode = 'upscale_in_train'", []).append(cause.stage)
            continue
        try:
            one, other = pair.steps(cause.stage)
        except KeyError:
            left.append(f"{cause.text}: change the model by hand")
            continue
        layer = "#" not in other.name and other.layer
        statement = _statement(one, other) if layer else ""
        if not statement:
            left.append(f"{cause.text}: change the model by hand")
            continue
        replaced |= statement.startswith("replace")
        changes.setdefault(statement, [])
        if other.name not in changes[statement]:
            changes[statement].append(other.name)
    for match in pair.matching.matches:
        one, other = pair.graphs[FIRST].steps[match.first], pair.graphs[SECOND].steps[match.second]
        statement = _training(one, other)
        if statement and other.layer and "#" not in other.name:
            changes.setdefault(statement, []).append(other.name)
    if not changes:
        return "", left
    loops: dict[tuple[str, ...], list[str]] = {}  # statements for the same layers share a loop
    for statement, names in changes.items():
        loops.setdefault(tuple(names), []).append(statement)
    body = [line for names, statements in loops.items() for line in _loop(names, statements)]
    head = ["def fix(model):", '    """Make the Paddle model compute what the TensorFlow model does."""']
    imports = ["from paddle import nn", "", ""] if replaced else []
    helper = ["", *HELPER.strip("\n").splitlines(), ""] if replaced else []
    return "\n".join([*imports, *head, "    layers = dict(model.named_sublayers())", *helper, *body]) + "\n", left


def _statement(one: Step, other: Step) -> str:
    """What to do with the Paddle layer `name`; empty where no statement is known."""
    if one.kind != other.kind:
        return ""
    numbers = one.numbers
    match one.kind:
        case "activation":
            made = ACTIVATIONS.get(numbers["function"])
            odd = numbers["function"] == "relu" and len(numbers) > 1  # Keras's, with numbers that Paddle's lacks
            return "" if made is None or odd else f"replace(name, {made(numbers)})"
        case "batch_norm" | "layer_norm":
            return f"layers[name]._epsilon = {numbers['epsilon']:.6g}"
        case "conv" if _only(one, other, "stride", "padding"):
            moved = numbers["stride"] != other.numbers["stride"]
            row = len(one.output) == 2  # of sequences, for which Paddle has a layer of another kind
            stride = numbers["stride"][1:] if row else numbers["stride"]
            head = f"layers[name]._stride = {stride}\n" if moved else ""
            if row:
                return f"{head}layers[name]._padding = {numbers['padding'][1]}  # before, after"
            return (
                f"{head}layers[name]._padding_algorithm = 'EXPLICIT'\n"
                f"layers[name]._updated_padding = {_sides(numbers)}  # above, below, left, right"
            )
        case "group_norm" if _only(one, other, "epsilon"):
            return f"layers[name]._epsilon = {numbers['epsilon']:.6g}"
        case "conv_transpose" if _only(one, other, "crop") and min(sides := _sides(numbers, "crop")) >= 0:
            return f"layers[name]._padding, layers[name].output_padding = {sides}, 0  # above, below, left, right"
        case "max_pool" if _only(one, other, "padding"):
            return f"layers[name].padding, layers[name].ceil_mode = {_pool_padding(one)}, False"
        case "average_pool" if _only(one, other, "count_padding"):
            return f"layers[name].exclusive = {not numbers['count_padding']}"
        case "average_pool" if _only(one, other, "padding", "count_padding"):
            exclusive = not numbers["count_padding"]
            return f"layers[name].padding, layers[name].exclusive = {_pool_padding(one)}, {exclusive}"
    return ""


def _training(one: Step, other: Step) -> str:
    if one.kind == other.kind == "batch_norm" and one.numbers["momentum"] != other.numbers["momentum"]:
        return f"layers[name]._momentum = {one.numbers['momentum']:.6g}"
    if one.kind == other.kind == "dropout" and one.numbers["rate"] != other.numbers["rate"]:
        return f"layers[name].p = {one.numbers['rate']:g}"
    return ""


def _only(one: Step, other: Step, *keys: str) -> bool:
    return all(one.numbers[key] == other.numbers[key] for key in one.numbers if key not in keys)


def _sides(numbers: dict[str, Any], key: str = "padding") -> list[int]:
    (top, bottom), (left, right) = numbers[key]
    return [top, bottom, left, right]


def _pool_padding(step: Step) -> list[int]:
    return step.numbers["padding"][1] if len(step.output) == 2 else _sides(step.numbers)


def _loop(names: Sequence[str], statements: Sequence[str]) -> list[str]:
    lines = [line for statement in statements for line in statement.splitlines()]
    if len(names) == 1:
        return [f"    name = {names[0]!r}", *[f"    {line}" for line in lines]]
    head = ["    for name in (", *[f"        {name!r}," for name in names], "    ):"]
    return [*head, *[f"        {line}" for line in lines]]
