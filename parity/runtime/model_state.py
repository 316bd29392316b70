"""Between a framework's model and the canonical state, over two calls of the framework: read one array, write one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.weights.layout import Layout
from parity.weights.state import Entry, State, check_state


@dataclass(frozen=True)
class Slot:
    """One array of a model: what it is called in the canonical state, and where and how it is stored."""

    entry: Entry
    tensor: Any  # of the framework
    layout: Layout


Read = Callable[[Slot], np.ndarray]  # a copy, canonical

Write = Callable[[Slot, np.ndarray], None]  # a canonical array of a dtype that fits the entry's


def export_slots(slots: Iterable[Slot], read: Read) -> State:
    """A copy of these arrays in canonical form."""
    return {slot.entry.name: read(slot) for slot in slots}


def load_slots(slots: Sequence[Slot], state: Mapping[str, np.ndarray], write: Write, *, receiver: str) -> None:
    """Overwrite the arrays of a model with a canonical state.

    Args:
        slots: the arrays.
        state: canonical arrays by name.
        write: overwrites one array.
        receiver: what the arrays belong to, for an error's message.

    Raises:
        StateError: the state does not fit; nothing is written then.
    """
    check_state(state, [slot.entry for slot in slots], receiver=receiver)
    for slot in slots:
        write(slot, state[slot.entry.name])
