"""A model that the suite did not write, in neutral terms: its steps, their numbers and arrays, and how they connect.

Workers trace such a model by running it (`*_impl/user_models/tracing.py`) and send the result as plain JSON;
`parity.migration.matching` aligns two of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from parity.kinds import of
from parity.kinds.kind import Kind

INPUT, UNKNOWN = -1, -2  # of a step's inputs: the model's own, and what no traced step made


@dataclass(frozen=True)
class Step:
    """One layer or function of a model, as it was reached when the model ran.

    Kinds and their numbers are those of `parity.kinds`, all spelled out.
    """

    name: str  # the owner's: a layer's full path; a function is named after the layer that calls it
    kind: str
    numbers: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]  # of its arrays in canonical layout, by kind ("kernel", "gamma", ...)
    inputs: tuple[int, ...]  # indices in the trace of the steps before it; INPUT or UNKNOWN
    output: tuple[int, ...]  # canonical shape without the batch: h, w, c, or t, c; a 1x1 map is a row
    layer: bool = True  # else a function, which nothing but the model's own code can change

    @property
    def what(self) -> Kind:
        """What it computes."""
        return of(self.kind, self.numbers)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Step:
        """From a worker's description, a way through JSON, which makes lists of tuples.

        Args:
            values: by field; lists or tuples.

        Returns:
            The step, with tuples.
        """
        shapes = {kind: tuple(shape) for kind, shape in values["shapes"].items()}
        tuples = {name: tuple(values[name]) for name in ("inputs", "output")}
        return cls(values["name"], values["kind"], dict(values["numbers"]), shapes, **tuples, layer=values["layer"])

    def __str__(self) -> str:
        numbers = ", ".join(f"{name} {value}" for name, value in self.numbers.items())
        arrays = ", ".join(f"{kind} {'x'.join(map(str, shape))}" for kind, shape in self.shapes.items())
        return "; ".join(part for part in (self.kind, arrays, numbers) if part)


@dataclass(frozen=True)
class Graph:
    """A traced model: its steps in the order in which they ran, and its arrays that no step explains."""

    steps: list[Step]
    output: int  # the step whose output is the model's
    parameters: int
    trainable: int
    # arrays of the model that belong to no step: of layers that never ran, or of layers whose kind is unknown
    stray: list[str] = field(default_factory=list)
    opaque: list[str] = field(default_factory=list)  # those of steps of the kind "other", which do take part

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Graph:
        """From a worker's description.

        Args:
            values: by field, as the verb `load_model` gives them.

        Returns:
            The graph, with tuples in its steps.
        """
        steps = [Step.from_dict(step) for step in values["steps"]]
        return cls(
            steps,
            values["output"],
            values["parameters"],
            values["trainable"],
            list(values["stray"]),
            list(values["opaque"]),
        )
