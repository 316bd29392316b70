"""From causes to code that makes the Paddle model compute what the TensorFlow model does."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from parity.kinds.dropout import Dropout
from parity.kinds.elementwise import Scale
from parity.kinds.kind import Kind
from parity.migration.explanation import Cause
from parity.migration.recorded_graph import RecordedStep
from parity.migration.recorded_pair import RecordedPair
from parity.migration.specs import SECOND

REPLACE_FUNCTION = """
    def replace(name, layer):  # replace the layer that has this path
        parent, _, last = name.rpartition(".")
        setattr(layers[parent] if parent else model, last, layer)
"""


def fix_code(
    pair: RecordedPair, causes: Sequence[Cause], matched: Sequence[tuple[RecordedStep, RecordedStep]]
) -> tuple[str, list[str]]:
    """Write the code that makes the Paddle model compute what the TensorFlow model does.

    Args:
        pair: with a traced run.
        causes: of its differences.
        matched: the steps of both models that correspond.

    Returns:
        Python source of a function `fix(model)`, empty where there is nothing that it can fix; and one line for each
        cause that it does not fix. The function sets numbers that matter in training only, too.

    Raises:
        WorkerError: the Paddle worker fails.
    """
    changes: dict[str, list[str]] = {}  # names of layers, by the statement that changes them
    by_hand = []
    for cause in causes:
        expected, step = _repairable(cause)
        statement = _statements(pair, expected, step)["inference"] if expected is not None and step else ""
        if step is None or not statement:
            by_hand.append(f"{cause.diagnosis.text}: change the model by hand")
            continue
        changes.setdefault(statement, [])
        if step.name not in changes[statement]:
            changes[statement].append(step.name)
    for first, second in matched:
        if first.kind == second.kind and first.what.training_only and first.numbers != second.numbers:
            statement = _statements(pair, first.what, second)["training"]
            if statement:
                changes.setdefault(statement, []).append(second.name)
    return _source(changes), by_hand


def _source(changes: dict[str, list[str]]) -> str:
    if not changes:
        return ""
    loops: dict[tuple[str, ...], list[str]] = {}  # statements for the same layers share a loop
    for statement, names in changes.items():
        loops.setdefault(tuple(names), []).append(statement)
    body = [line for names, statements in loops.items() for line in _loop(names, statements)]
    replaced = any(statement.startswith("replace") for statement in changes)
    head = ["def fix(model):", '    """Make the Paddle model compute what the TensorFlow model does."""']
    imports = ["from paddle import nn", "", ""] if replaced else []
    helper = ["", *REPLACE_FUNCTION.strip("\n").splitlines(), ""] if replaced else []
    return "\n".join([*imports, *head, "    layers = dict(model.named_sublayers())", *helper, *body]) + "\n"


def _repairable(cause: Cause) -> tuple[Kind | None, RecordedStep | None]:
    """What a Paddle step should compute, and the step; None for what code does not mend."""
    if cause.first is not None and cause.second is not None:
        return cause.first.what, cause.second
    step = cause.second
    if step is not None and isinstance(step.what, Scale) and step.what.dropout is not None:
        return Dropout(step.what.dropout), step
    return None, step


def _statements(pair: RecordedPair, expected: Kind, step: RecordedStep) -> dict[str, str]:
    """Statements that make a Paddle step compute `expected`, by mode; empty where none is known."""
    if "#" in step.name or not step.layer or step.output < 0:
        return {"inference": "", "training": ""}
    row = len(pair.graphs[SECOND].values[step.output].shape) == 3
    return pair.workers[SECOND].write_repair(expected.described(), step.what.described(), row)


def _loop(names: Sequence[str], statements: Sequence[str]) -> list[str]:
    lines = [line for statement in statements for line in statement.splitlines()]
    if len(names) == 1:
        return [f"    name = {names[0]!r}", *[f"    {line}" for line in lines]]
    listed = textwrap.wrap(", ".join(map(repr, names)) + ",", 108, initial_indent=" " * 8, subsequent_indent=" " * 8)
    head = ["    for name in (", *listed, "    ):"]
    return [*head, *[f"        {line}" for line in lines]]
