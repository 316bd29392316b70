"""The layers and functions of two traced models that correspond, and what only one of the models has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from parity.migration.align.recorded_graph import RecordedStep
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.specs import FIRST, SECOND


def paired_steps(
    pair: RecordedPair, ones: Sequence[int], others: Sequence[int]
) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """Steps that correspond: layers whose arrays do, the others in their order, of one kind or else of one family.

    Args:
        pair: whose graphs are those of a traced run.
        ones: indices of TensorFlow steps.
        others: indices of Paddle steps.

    Returns:
        Pairs of indices, and the indices without a counterpart in either model.
    """
    first, second = pair.graphs[FIRST], pair.graphs[SECOND]
    ones, others = list(ones), list(others)
    paths = {
        (first.units[index].path, second.units[unit_pair.second].path)
        for unit_pair in pair.alignment.pairs
        for index in unit_pair.first
    }
    pairs = []
    for one in list(ones):
        for other in list(others):
            if (first.steps[one].name, second.steps[other].name) in paths:
                pairs.append((one, other))
                ones.remove(one)
                others.remove(other)
                break
    for key in (_kind, _family):
        matched = _in_order([key(first.steps[one]) for one in ones], [key(second.steps[other]) for other in others])
        pairs += [(ones[i], others[j]) for i, j in matched]
        ones = [one for i, one in enumerate(ones) if i not in {i for i, _ in matched}]
        others = [other for j, other in enumerate(others) if j not in {j for _, j in matched}]
    return sorted(pairs), ones, others


def all_paired(pair: RecordedPair) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """As `paired_steps`, of all steps; what changes nothing in inference is left out of those of one model only.

    Args:
        pair: whose graphs are those of a traced run.
    """
    first, second = pair.graphs[FIRST], pair.graphs[SECOND]
    pairs, ones, others = paired_steps(pair, range(len(first.steps)), range(len(second.steps)))
    return (
        pairs,
        [one for one in ones if not first.steps[one].what.identity_in_inference],
        [other for other in others if not second.steps[other].what.identity_in_inference],
    )


def _kind(step: RecordedStep) -> str:
    return f"{step.kind} {step.what.key}" if step.kind != "other" else ""


def _family(step: RecordedStep) -> str:
    family = step.what.family or step.kind
    return family if family != "other" else ""


def _in_order(ones: Sequence[str], others: Sequence[str]) -> list[tuple[int, int]]:
    """Indices of the longest common subsequence of two lists of keys; an empty key is like no other."""
    table = np.zeros((len(ones) + 1, len(others) + 1), int)
    for i in range(len(ones) - 1, -1, -1):
        for j in range(len(others) - 1, -1, -1):
            same = ones[i] == others[j] != ""
            table[i, j] = max(table[i + 1, j], table[i, j + 1], table[i + 1, j + 1] + 1 if same else 0)
    pairs, i, j = [], 0, 0
    while i < len(ones) and j < len(others):
        if ones[i] == others[j] != "" and table[i, j] == table[i + 1, j + 1] + 1:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif table[i + 1, j] >= table[i, j + 1]:
            i += 1
        else:
            j += 1
    return pairs
