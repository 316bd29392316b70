"""What a worker says of one of the suite's networks as it was built: its arrays, its layers, its dropout masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from parity.weights.state import Entry, entry_of


@dataclass(frozen=True)
class DropoutSites:
    """Of a network's dropout layers: how many there are, and the elements of the largest mask of one image."""

    sites: int = 0
    largest: int = 0


@dataclass(frozen=True)
class Description:
    """A built network.

    Attributes:
        entries: the state's arrays, in the order of the forward pass.
        layers: `name`, `kind` and the kind's numbers of every layer, in the order of the forward pass.
        dropout: of its dropout layers.
    """

    entries: list[Entry]
    layers: list[dict[str, Any]]
    dropout: DropoutSites

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Description:
        """From plain JSON values, as the verb `describe` gives them.

        Args:
            values: `entries`, `layers` and `dropout`.

        Returns:
            The description, its shapes as tuples again.
        """
        return cls(list(map(entry_of, values["entries"])), list(values["layers"]), DropoutSites(**values["dropout"]))
