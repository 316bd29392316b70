"""Between a Keras model and the canonical state: by name, one copy each way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from parity.weights.layout import SAME, Layout
from parity.weights.state import Entry, State, check_state
from tf_impl.layers import ordered

# Keras's names of a layer's arrays -> the canonical ones
KINDS = {
    "kernel": "kernel",
    "bias": "bias",
    "gamma": "gamma",
    "beta": "beta",
    "moving_mean": "mean",
    "moving_variance": "variance",
}


@dataclass(frozen=True)
class Slot:
    """One array of the model: what it is called in the canonical state, and where and how it is stored."""

    entry: Entry
    tensor: keras.Variable
    layout: Layout


def slots(model: keras.Model) -> list[Slot]:
    """Every array of the model's state, in the order of the layers. Keras's layouts are the canonical ones."""
    return [slot for layer in ordered(model) for slot in own_slots(layer, layer.name.replace(".", "/"))]


def own_slots(layer: keras.layers.Layer, name: str) -> list[Slot]:
    """A single layer's arrays; `name` is its canonical one."""
    found = []
    for variable in layer.weights:
        full = f"{name}/{KINDS[variable.name]}"
        found.append(Slot(Entry(full, tuple(variable.shape), str(variable.dtype), variable.trainable), variable, SAME))
    return found


def export_state(model: keras.Model, endings: tuple[str, ...] = ("",)) -> State:
    """A copy of the model's state in canonical form, or of the arrays alone whose names end so."""
    wanted = [slot for slot in slots(model) if slot.entry.name.endswith(endings)]
    return {slot.entry.name: slot.tensor.numpy() for slot in wanted}


def load_state(model: keras.Model, state: Mapping[str, np.ndarray]) -> None:
    """Overwrite the model's whole state. Raises StateError, before anything is written, when it does not fit."""
    load_slots(slots(model), state, receiver=f"the TensorFlow model {model.name}")


def load_slots(places: Sequence[Slot], state: Mapping[str, np.ndarray], *, receiver: str) -> None:
    """Overwrite these arrays, as `load_state` does all of a model's; `receiver` names them in an error."""
    check_state(state, [slot.entry for slot in places], receiver=receiver)
    for slot in places:
        slot.tensor.value.assign(state[slot.entry.name].astype(slot.entry.dtype, copy=False))
