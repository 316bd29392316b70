"""From the differences of two models to code that makes the Paddle one compute what the TensorFlow one does.

The code that is printed is the code that `--apply-fixes` runs.
"""

from __future__ import annotations

from collections.abc import Sequence

from parity.kinds.dropout import Dropout
from parity.kinds.elementwise import Identity, Scale
from parity.kinds.graph import Step
from parity.kinds.kind import Kind
from parity.migration.pair import ModelPair
from parity.migration.specs import SECOND
from parity.records.records import Diagnosis

REPLACE_FUNCTION = """
    def replace(name, layer):  # replace the layer that has this path
        parent, _, last = name.rpartition(".")
        setattr(layers[parent] if parent else model, last, layer)
"""


def fix_code(pair: ModelPair, causes: Sequence[Diagnosis]) -> tuple[str, list[str]]:
    """Write the code that makes the Paddle model compute what the TensorFlow model does.

    Args:
        pair: loaded and matched.
        causes: what `parity.migration.diagnosis.diagnose_pair` found.

    Returns:
        Python source of a function `fix(model)`, empty where there is nothing that it can fix; and one line for each
        cause that it does not fix. The function sets numbers that matter in training only, too.

    Raises:
        WorkerError: the Paddle worker fails.
    """
    changes: dict[str, list[str]] = {}  # names of layers, by the statement that changes them
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
    for _, first_step, second_step in pair.matched():
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
    helper = ["", *REPLACE_FUNCTION.strip("\n").splitlines(), ""] if replaced else []
    return "\n".join([*imports, *head, "    layers = dict(model.named_sublayers())", *helper, *body]) + "\n", by_hand


def _repairable(pair: ModelPair, cause: Diagnosis) -> tuple[Kind, Step | None]:
    """What a Paddle step should compute, and the step; None where the TensorFlow model has no counterpart."""
    try:
        first_step, second_step = pair.steps(cause.stage)
        return first_step.what, second_step
    except KeyError:
        step = next((step for step in pair.graphs[SECOND].steps if step.name == cause.stage), None)
    if step and cause.framework == SECOND and isinstance(step.what, Scale) and step.what.dropout is not None:
        return Dropout(step.what.dropout), step
    return Identity(), None


def _statements(pair: ModelPair, kind: Kind, step: Step) -> dict[str, str]:
    """Statements that make a Paddle step compute `kind`, by "inference" and "training"; empty where none is known."""
    if "#" in step.name or not step.layer:
        return {"inference": "", "training": ""}
    expected, actual, row = kind.described(), step.what.described(), len(step.output) == 2
    return pair.run_on(SECOND, lambda worker: worker.write_repair(expected, actual, row))


def _loop(names: Sequence[str], statements: Sequence[str]) -> list[str]:
    lines = [line for statement in statements for line in statement.splitlines()]
    if len(names) == 1:
        return [f"    name = {names[0]!r}", *[f"    {line}" for line in lines]]
    head = ["    for name in (", *[f"        {name!r}," for name in names], "    ):"]
    return [*head, *[f"        {line}" for line in lines]]
