"""From the differences of two models to code that makes the Paddle one compute what the TensorFlow one does.

The code that is printed is the code that `--apply-fixes` runs.
"""

from __future__ import annotations

from collections.abc import Sequence

from parity.kinds.dropout import Dropout
from parity.kinds.elementwise import Identity, Scale
from parity.kinds.kind import Kind
from parity.migration.pair import FIRST, SECOND, Pair
from parity.records.records import Diagnosis
from parity.runtime.graph import Step

HELPER = """
    def replace(name, layer):  # put another layer in the place of the one with this path
        parent, _, last = name.rpartition(".")
        setattr(layers[parent] if parent else model, last, layer)
"""


def fix_code(pair: Pair, causes: Sequence[Diagnosis]) -> tuple[str, list[str]]:
    """Python source of `fix(model)` for the Paddle model, and a line for every cause that it cannot mend.

    The source is empty where there is nothing that it can mend. Differences of training are put right with the others.
    """
    changes: dict[str, list[str]] = {}  # by statement with a place for the name: the layers that it is for
    left = []
    replaced = False
    for cause in causes:
        wanted, step = _repairable(pair, cause)
        statement = _statements(pair, wanted, step)["inference"] if step else ""
        if step is None or not statement:
            left.append(f"{cause.text}: change the model by hand")
            continue
        replaced |= statement.startswith("replace")
        changes.setdefault(statement, [])
        if step.name not in changes[statement]:
            changes[statement].append(step.name)
    for match in pair.matching.matches:
        one, other = pair.graphs[FIRST].steps[match.first], pair.graphs[SECOND].steps[match.second]
        if one.kind == other.kind and one.what.training_only and one.numbers != other.numbers:
            statement = _statements(pair, one.what, other)["training"]
            if statement:
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


def _repairable(pair: Pair, cause: Diagnosis) -> tuple[Kind, Step | None]:
    """What a Paddle step should compute, and the step; none where the first model has nothing that it stands for."""
    try:
        one, other = pair.steps(cause.stage)
        return one.what, other
    except KeyError:
        lone = next((step for step in pair.graphs[SECOND].steps if step.name == cause.stage), None)
    if lone and cause.framework == SECOND and isinstance(lone.what, Scale) and lone.what.dropout is not None:
        return Dropout(lone.what.dropout), lone
    return Identity(), None


def _statements(pair: Pair, wanted: Kind, found: Step) -> dict[str, str]:
    """What to do with the Paddle layer `name`, for inference and for training; empty where no statement is known."""
    if "#" in found.name or not found.layer:
        return {"inference": "", "training": ""}
    both, row = (wanted.described(), found.what.described()), len(found.output) == 2
    return pair.one(SECOND, lambda worker: worker.write_repair(*both, row))


def _loop(names: Sequence[str], statements: Sequence[str]) -> list[str]:
    lines = [line for statement in statements for line in statement.splitlines()]
    if len(names) == 1:
        return [f"    name = {names[0]!r}", *[f"    {line}" for line in lines]]
    head = ["    for name in (", *[f"        {name!r}," for name in names], "    ):"]
    return [*head, *[f"        {line}" for line in lines]]
