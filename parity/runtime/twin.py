"""A framework's twins of the networks, as what all workers share calls them: how they are built, read and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.runtime.device import WorkerDevice
from parity.runtime.model_state import Read, Slot, Write, export_slots, load_slots
from parity.weights.state import State


@dataclass(frozen=True)
class Twin:
    """The calls; models, layers and tensors are the framework's own."""

    framework: str  # as messages call it
    device: WorkerDevice
    build: Callable[[str, str], Any]  # a new model, by network and precision: "float32", "float64" or "bfloat16"
    cached: Callable[[str, str], Any]  # the same, the last ones kept: for proofs, which set every weight anyway
    layers_of: Callable[[Any], Mapping[str, Any]]  # a model's layers by canonical name; each has its `spec`
    slots: Callable[[Any], list[Slot]]  # every array of a model's state, in the order of the layers
    own_slots: Callable[[Any, str], list[Slot]]  # a single layer's arrays, by its canonical name
    read: Read
    write: Write
    dropouts: Callable[[Any], Sequence[Any]]  # a model's dropout layers, in the order of the forward pass
    largest_dropout: Callable[[Any, tuple[int, int, int]], int]  # elements of an image's largest dropout input
    attach_noise: Callable[[Any, np.ndarray], Any]  # gives every dropout layer its site in a pool of uniform numbers

    def export_state(self, model: Any) -> State:
        """A copy of the model's state in canonical form.

        Args:
            model: that `build` or `cached` gave.

        Returns:
            Arrays in the model's dtype by canonical name, in the order of the layers.
        """
        return export_slots(self.slots(model), self.read)

    def load_state(self, model: Any, state: Mapping[str, np.ndarray], network: str) -> None:
        """Overwrite the model's whole state.

        Args:
            model: that `build` or `cached` gave.
            state: canonical arrays by name, in the model's dtype; a float64 model takes float32 arrays, too.
            network: its name, for the message.

        Raises:
            StateError: a state that does not fit, before anything is written.
        """
        load_slots(self.slots(model), state, self.write, receiver=f"the {self.framework} model of {network}")
