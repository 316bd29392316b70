"""A saved program as the operations that it is made of, put into layers by the owners of the arrays that they take.

The same in both frameworks. What an operation is, and how it runs, each framework's `program_nodes` says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

ROUNDED = 1e-3  # of an output's scale: far above float32's rounding, far below what another operation gives


class ProgramError(Exception):
    """A program holds what cannot be run operation by operation; the message says what."""


@dataclass(frozen=True)
class Node:
    """One operation of a program.

    Attributes:
        name: the framework's own.
        inputs: keys of values.
        outputs: keys of values.
        run: makes the outputs of the inputs.
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    run: Callable[[Sequence[Any]], Sequence[Any]]


@dataclass
class Part:
    """Operations that follow each other.

    Attributes:
        owner: of the arrays that they take, such as "encoder/dense"; empty for what belongs to no single owner.
        nodes: the operations.
        given: keys of values that depend on the program's inputs and come from before.
        made: keys of values that are taken behind.
    """

    owner: str
    nodes: list[Node]
    given: list[int] = field(default_factory=list)
    made: list[int] = field(default_factory=list)


@dataclass
class Values:
    """What a run of a program has made so far, by key; an object, into which no framework looks for tensors."""

    by_key: dict[int, Any] = field(default_factory=dict)


def execute(nodes: Iterable[Node], values: dict[int, Any]) -> None:
    """Run operations in their order.

    Args:
        nodes: the operations.
        values: by key; what the operations make is added.
    """
    for node in nodes:
        values.update(zip(node.outputs, node.run([values[key] for key in node.inputs]), strict=True))


def parts_of(
    nodes: Sequence[Node], inputs: Iterable[int], owners: Mapping[int, str], outputs: Iterable[int]
) -> list[Part]:
    """A program in parts: from the first operation on the arrays of an owner to the last, and what lies between.

    Args:
        nodes: in an order in which they can run.
        inputs: keys of the program's inputs.
        owners: by key of an array, its owner.
        outputs: keys of what the program returns.

    Returns:
        The parts in that order. Arrays of owners whose operations are mixed with those of others are in no owner's.
    """
    data = set(inputs)
    behind: dict[int, frozenset[str]] = {key: frozenset([owner]) for key, owner in owners.items()}
    users: dict[str, list[int]] = {}
    for index, node in enumerate(nodes):
        taken = frozenset[str]().union(*(behind.get(key, frozenset()) for key in node.inputs))
        if data.isdisjoint(node.inputs):
            behind.update(dict.fromkeys(node.outputs, taken))
            continue
        data.update(node.outputs)
        for owner in taken:
            users.setdefault(owner, []).append(index)
    spans = sorted((indices[0], indices[-1], owner) for owner, indices in users.items() if owner)
    alone = [
        span
        for span in spans
        if not any(other != span and other[0] <= span[1] and span[0] <= other[1] for other in spans)
    ]
    parts, start = [], 0
    for first, last, owner in [*alone, (len(nodes), len(nodes), "")]:
        if start < first:
            parts.append(Part("", list(nodes[start:first])))
        if first < len(nodes):
            parts.append(Part(owner, list(nodes[first : last + 1])))
        start = last + 1
    needed = set(outputs)
    for part in reversed(parts):
        own = {key for node in part.nodes for key in node.outputs}
        taken_keys = dict.fromkeys(key for node in part.nodes for key in node.inputs)
        part.made = sorted(own & needed & data)
        part.given = [key for key in taken_keys if key in data and key not in own]
        needed |= set(taken_keys)
    return parts


def same_numbers(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether an output of a program agrees with that of its operations, one of them perhaps in float32.

    Args:
        one: as the program gives it.
        other: as its operations give it, one by one.
    """
    if one.shape != other.shape:
        return False
    if one.dtype.kind != "f":
        return bool(np.array_equal(one, other))
    scale = float(np.abs(one[np.isfinite(one)]).max(initial=0.0))
    return bool(np.allclose(one, other, rtol=0.0, atol=ROUNDED * scale, equal_nan=True))
