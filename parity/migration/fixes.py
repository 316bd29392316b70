"""From the differences of two models to code that makes the Paddle one compute what the TensorFlow one does.

The code that is printed is the code that `--apply-fixes` runs.
"""

from __future__ import annotations

from collections.abc import Sequence

from parity.kinds.dropout import Dropout
from parity.kinds.elementwise import Identity, Scale
from parity.kinds.kind import Kind
from parity.migration.pair import FIRST, SECOND, ModelPair
from parity.records.records import Diagnosis
from parity.runtime.graph import Step

HELPER = """
    def replace(name, layer):  # put another layer in the place of the one with this path
        parent, _, last = name.rpartition(".")
        setattr(layers[parent] if parent else model, last, layer)
"""


def fix_code(pair: ModelPair, causes: Sequence[Diagnosis]) -> tuple[str, list[str]]:
    """Python source of `fix(model)` for the Paddle model, and a line for every cause that it cannot mend.

    The source is empty where there is nothing that it can mend. Differences of training are put right with the others.
    """
    changes: dict[str, list[str]] = {}  # by statement with a place for the name: the layers that it is for
    by_hand = []
    replaced = False
    for cause in causes:
        kind, step = _repairable(pair, cause)
        statement = _statements(pair, kind, step)["inference"] if step else ""
        if step is None or not statement:
            by_hand.append(f"{cause.text}: change the model by hand")
            continue
        replaced |= statement.startswith("replace")
        changes.setdefault(statement, [])
        if step.name not in changes[statement]:
            changes[statement].append(step.name)
    for match in pair.matching.matches:
        first_step, second_step = pair.graphs[FIRST].steps[match.first], pair.graphs[SECOND].steps[match.second]
        if (
            first_step.kind == second_step.kind
            and first_step.what.training_only
            and first_step.numbers != second_step.numbers
        ):
            statement = _statements(pair, first_step.what, second_step)["training"]
            if statement:
                changes.setdefault(statement, []).append(second_step.name)
    if not changes:
        return "", by_hand
    loops: dict[tuple[str, ...], list[str]] = {}  # statements for the same layers share a loop
    for statement, names in changes.items():
        loops.setdefault(tuple(names), []).append(statement)
    body = [line for names, statements in loops.items() for line in _loop(names, statements)]
    head = ["def fix(model):", '    """Make the Paddle model compute what the TensorFlow model does."""']
    imports = ["from paddle import nn", "", ""] if replaced else []
    helper = ["", *HELPER.strip("\n").splitlines(), ""] if replaced else []
    return "\n".join([*imports, *head, "    layers = dict(model.named_sublayers())", *helper, *body]) + "\n", by_hand


def _repairable(pair: ModelPair, cause: Diagnosis) -> tuple[Kind, Step | None]:
    """What a Paddle step should compute, and the step; none where the first model has nothing that it stands for."""
    try:
        first_step, second_step = pair.steps(cause.stage)
        return first_step.what, second_step
    except KeyError:
        step = next((step for step in pair.graphs[SECOND].steps if step.name == cause.stage), None)
    if step and cause.framework == SECOND and isinstance(step.what, Scale) and step.what.dropout is not None:
        return Dropout(step.what.dropout), step
    return Identity(), None


def _statements(pair: ModelPair, kind: Kind, step: Step) -> dict[str, str]:
    """What to do with the Paddle layer `name`, for inference and for training; empty where no statement is known."""
    if "#" in step.name or not step.layer:
        return {"inference": "", "training": ""}
    both, row = (kind.described(), step.what.described()), len(step.output) == 2
    return pair.run_on(SECOND, lambda worker: worker.write_repair(*both, row))


def _loop(names: Sequence[str], statements: Sequence[str]) -> list[str]:
    lines = [line for statement in statements for line in statement.splitlines()]
    if len(names) == 1:
        return [f"    name = {names[0]!r}", *[f"    {line}" for line in lines]]
    head = ["    for name in (", *[f"        {name!r}," for name in names], "    ):"]
    return [*head, *[f"        {line}" for line in lines]]
