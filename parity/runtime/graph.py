"""A model that the suite did not write, in neutral terms: its steps, their numbers and arrays, and how they connect.

Workers trace such a model by running it (`*_impl/tracing.py`) and send what they saw as plain JSON;
`parity.migration.matching` holds two of these against each other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

INPUT, UNKNOWN = -1, -2  # of a step's inputs: the model's own, and what no traced step made

# What never changes a number in inference: two models may differ in these and still be equal.
SILENT = ("identity", "dropout", "reshape")

POSITIVE = ("relu", "relu6", "sigmoid", "softmax", "softplus")  # functions that give no negative number


@dataclass(frozen=True)
class Step:
    """One layer or function of a model, as it was reached when the model ran.

    Sequences [n, t, c] are maps of one row: what works on them has the numbers and kernels of h = 1.

    Kinds and their numbers, all spelled out:
        conv             stride, dilation [h, w]; padding [[top, bottom], [left, right]] as far as windows reach; groups
        conv_transpose   stride, dilation [h, w]; crop [[top, bottom], [left, right]]: what is cut off the full output,
                         or below zero added to it; groups; its kernel is [h, w, out / groups, in]
        dense
        batch_norm       epsilon, momentum
        layer_norm       epsilon; over the last axis
        group_norm       epsilon; groups, of neighbouring channels
        attention        heads, rate (of the dropout of its weights); fed query, key and value; its arrays are query,
                         key and value [in, heads * size], out [heads * size, out], and of each its _bias
        embedding
        max_pool         window, stride [h, w]; padding as above
        average_pool     the same, and count_padding
        global_max_pool, global_average_pool
        activation       function ("relu", "softmax", ...) and its numbers
        prelu
        dropout          rate
        zero_pad         padding
        scale            scale, offset: x * scale + offset; of a dropout that scales in inference its rate as `dropout`
        add, multiply, concat
        identity, reshape
        other            type: nothing is known but the shapes
    """

    name: str  # the owner's: a layer's full path; a function is named after the layer that calls it
    kind: str
    numbers: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]  # of its arrays in canonical layout, by kind ("kernel", "gamma", ...)
    inputs: tuple[int, ...]  # places of the steps before it in the trace; INPUT or UNKNOWN
    output: tuple[int, ...]  # canonical shape without the batch: h, w, c, or t, c; what has a single cell is a row
    layer: bool = True  # else a function, which nothing but the model's own code can change

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Step:
        """What `as_dict` gave, after a way through JSON."""
        shapes = {kind: tuple(shape) for kind, shape in values["shapes"].items()}
        tuples = {name: tuple(values[name]) for name in ("inputs", "output")}
        return cls(values["name"], values["kind"], dict(values["numbers"]), shapes, **tuples, layer=values["layer"])

    def __str__(self) -> str:
        numbers = ", ".join(f"{name} {value}" for name, value in self.numbers.items())
        arrays = ", ".join(f"{kind} {'x'.join(map(str, shape))}" for kind, shape in self.shapes.items())
        return "; ".join(part for part in (self.kind, arrays, numbers) if part)


@dataclass(frozen=True)
class Graph:
    """A traced model: its steps in the order in which they ran, and what stands out."""

    steps: list[Step]
    output: int  # the step whose output is the model's
    parameters: int
    trainable: int
    # arrays of the model that belong to no step: never reached, or owned by a layer that is not understood
    stray: list[str] = field(default_factory=list)
    opaque: list[str] = field(default_factory=list)  # those of steps of the kind "other", which do take part

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Graph:
        """From a worker's description."""
        steps = [Step.from_dict(each) for each in values["steps"]]
        return cls(
            steps,
            values["output"],
            values["parameters"],
            values["trainable"],
            list(values["stray"]),
            list(values["opaque"]),
        )


def pool(what: str, facts: dict[str, Any], into: Sequence[int], *, counted: bool = False) -> tuple[str, dict[str, Any]]:
    """Kind and numbers of a "max" or "average" pool; one whose window is the whole map is the global one."""
    if facts["window"] == list(into) and not any(map(any, facts["padding"])):
        return f"global_{what}_pool", {}
    # without padding there is nothing to count
    extra = {"count_padding": counted and any(map(any, facts["padding"]))} if what == "average" else {}
    return f"{what}_pool", facts | extra


def adaptive_pool(what: str, into: Sequence[int], out: Sequence[int]) -> tuple[str, dict[str, Any]]:
    """An adaptive pool as the plain one that it comes to on maps of this size."""
    if list(out) == list(into):
        return "identity", {}
    if any(extent % side for extent, side in zip(into, out, strict=True)):
        return "other", {"type": f"adaptive {what} pool with uneven windows"}
    window = [extent // side for extent, side in zip(into, out, strict=True)]
    return pool(what, {"window": window, "stride": window, "padding": [[0, 0], [0, 0]]}, into)


def softplus(beta: float, threshold: float) -> dict[str, Any]:
    """A softplus that is the identity above a threshold; one so high that even float64 rounds to that is none."""
    return {"function": "softplus", "beta": float(beta), "threshold": float(threshold) if threshold < 34 else None}


def few(names: Iterable[str], shown: int = 3) -> str:
    """The first names of many, and how many more there are."""
    listed = list(names)
    return ", ".join(listed[:shown]) + (f" and {len(listed) - shown} more" if len(listed) > shown else "")
